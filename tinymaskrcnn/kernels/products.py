"""Where the kernels' matrix products are made: by NumPy, or by other means where NumPy was built without a BLAS.

NumPy's wheel for WebAssembly is such a build: it multiplies large matrices 3 to 30 times slower than SciPy's BLAS, and
that 4 to 8 times slower than WebAssembly's vectors (`wasm/gemm.py`).
"""

import functools

import numpy as np


def numpy_has_blas():
    """Whether NumPy's own products are those of a BLAS, as far as it says how it was built."""
    try:
        return bool(np.__config__.CONFIG["Build Dependencies"]["blas"]["found"])
    except (AttributeError, TypeError):  # built by other means
        return True
    except KeyError:
        return False


def by_wasm(a, b, out=None):
    """np.matmul in WebAssembly's vectors where there are such; what they do not take, by SciPy."""
    return _product(_fill_by_wasm, a, b, out)


def by_scipy(a, b, out=None):
    """np.matmul by SciPy's sgemm: of float32 matrices, a vector and a matrix, and stacks of matrices of one length.

    a (..., M, K) or (K,), b (..., K, N)  ->  (..., M, N) or (N,)
    """
    return _product(_fill_by_scipy, a, b, out)


def _product(fill, a, b, out):
    """The product, its memory filled by fill(y, a, b) where that is of use."""
    if not (a.dtype == b.dtype == np.float32 and a.size and b.size):
        return np.matmul(a, b, out=out)
    if a.ndim == 1 and b.ndim == 2:
        return _product(fill, a[None], b, None if out is None else out[None])[0]
    if not a.ndim == b.ndim in (2, 3) or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
        return np.matmul(a, b, out=out)  # which has the message, too
    shape = (*a.shape[:-1], b.shape[-1])
    fits = out is not None and out.flags.c_contiguous and out.dtype == np.float32 and out.shape == shape
    y = out if fits else np.empty(shape, np.float32)
    fill(y, a, b)
    if out is None or fits:
        return y
    out[...] = y
    return out


def _fill_by_wasm(y, a, b):
    gemm = _gemm()
    (gemm.fill if gemm.loaded() and gemm.fits(a, b, y) else _fill_by_scipy)(y, a, b)


def _fill_by_scipy(y, a, b):
    """y = a @ b; for Fortran, whose matrices lie in memory column by column, that is y.T = b.T @ a.T."""
    (left, turn_left), (right, turn_right) = _columns(b), _columns(a)
    multiply = functools.partial(_sgemm(), 1.0, trans_a=turn_left, trans_b=turn_right, overwrite_c=1)
    if y.ndim == 2:
        multiply(left, right, c=y.T)
    else:
        for one, other, result in zip(left, right, y.swapaxes(1, 2)):
            multiply(one, other, c=result)


def _columns(x):
    """x.T, or with 1 a matrix whose transpose it is, as Fortran wants it: without a copy where its rows lie whole."""
    turned = x.swapaxes(-1, -2)
    if turned.flags.c_contiguous and not x.flags.c_contiguous:
        return x, 1
    return np.ascontiguousarray(x).swapaxes(-1, -2), 0


@functools.cache
def _gemm():
    from .wasm import gemm  # as what follows, it is asked for where it is of use alone

    return gemm


@functools.cache
def _sgemm():
    from scipy.linalg.blas import sgemm

    return sgemm


HAS_BLAS = numpy_has_blas()
product = np.matmul if HAS_BLAS else by_wasm


def least(multiplications):
    """From how many multiplications on a kernel's preparations pay, where a BLAS serves the text as well.

    Where it does not, from far fewer: the text's own products are the slow ones.
    """
    return multiplications if HAS_BLAS else 1 << 13
