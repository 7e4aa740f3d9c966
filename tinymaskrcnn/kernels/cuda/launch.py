"""CUDA kernels by name: read from the .cu files beside this one, compiled once, launched on arrays of a device.

    launch("im2col", "image_to_columns", columns.size, columns.size, x, columns, H, W, ...)

The parameters of a kernel are read from its source, so that a wrong dtype, a host array or an array with gaps is
refused here instead of being misread on the device. Numbers are converted to the type that the kernel declares.

Kernels are compiled without fused multiply-add: `a * b + c` is rounded twice, as in the readable text, so that what a
test proves on the host holds on the device, bit for bit. They wait for memory, not for arithmetic.
"""

import functools
import importlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...backend import array_module
from ...devices import launcher_of, register_launcher
from ...errors import BackendError

FOLDER = Path(__file__).parent
SOURCES = sorted(path.stem for path in FOLDER.glob("*.cu"))
BLOCK = 256  # threads per block
OPTIONS = ("--fmad=false",)
MOST = 1 << 30  # kernels count with 32 bits: larger arrays are left to the text
TYPES = {"float": np.float32, "int": np.int32, "long long": np.int64, "bool": np.bool_}

_KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
_PARAMETER = re.compile(r"(?:(const) )?(float|int|long long|bool)(\*)? (\w+)")


class Parameter(NamedTuple):
    name: str
    dtype: type
    is_array: bool
    is_written: bool
    text: str  # as declared, without the name


class Source(NamedTuple):
    code: str
    kernels: dict  # kernel name -> tuple of Parameters


@functools.cache
def read(source):
    """The code of `source`.cu and the parameters of its kernels."""
    code = (FOLDER / f"{source}.cu").read_text()
    return Source(code, {name: tuple(map(_parameter, text.split(","))) for name, text in _KERNEL.findall(code)})


def _parameter(text):
    match = _PARAMETER.fullmatch(text.strip())
    if match is None:
        raise BackendError(
            f"a kernel's parameter must be a {', '.join(TYPES)} or a pointer to one; got {text.strip()!r}"
        )
    const, kind, star, name = match.groups()
    return Parameter(
        name, TYPES[kind], bool(star), bool(star) and not const, f"{const or ''} {kind}{star or ''}".strip()
    )


def launch(source, kernel, threads, *args):
    """Start at least `threads` threads of a kernel of `source`.cu, in blocks of 256; none when there is nothing to do.

    Raises BackendError when an argument does not fit the kernel's parameter. None stands for a null pointer.
    """
    parameters = read(source).kernels[kernel]
    if len(args) != len(parameters):
        raise BackendError(f"{kernel}: {len(parameters)} arguments are needed; got {len(args)}")
    arguments = [_fit(kernel, parameter, value) for parameter, value in zip(parameters, args)]
    if threads > 0:
        xp = array_module(*(value for value, parameter in zip(args, parameters) if parameter.is_array))
        launcher_of(xp)(source, kernel, -(-threads // BLOCK), BLOCK, arguments)


def _fit(kernel, parameter, value):
    if not parameter.is_array:
        return parameter.dtype(value)
    if value is None:
        return np.uintp(0)
    if value.dtype != parameter.dtype or not value.flags.c_contiguous:
        raise BackendError(
            f"{kernel}: {parameter.name} must be {np.dtype(parameter.dtype)} without gaps; got {value.dtype} "
            f"{tuple(value.shape)}, {'contiguous' if value.flags.c_contiguous else 'with gaps'}"
        )
    return value


# ---------------------------------------------------------------- what the wrappers ask of arrays


def contiguous(x):
    """The array without gaps between its numbers; itself when it has none."""
    return x if x.flags.c_contiguous else array_module(x).ascontiguousarray(x)


def fits(*arrays, dtype=np.float32):
    """Whether the arrays (None is passed over) hold something, of that dtype, and not too much to count."""
    return all(a is None or (a.dtype == dtype and 0 < a.size < MOST) for a in arrays)


_ones = {}  # array module -> the longest array that was asked for


def ones(xp, count):
    """count ones in float32, the first of one array, and not to be written: with them cuBLAS adds up rows."""
    if xp not in _ones or len(_ones[xp]) < count:
        _ones[xp] = xp.ones(count, np.float32)
    return _ones[xp][:count]


# ---------------------------------------------------------------- CuPy


@functools.cache
def _cupy_kernel(source, kernel):
    """CuPy compiles with NVRTC at the first use, and keeps the result on disk for the next process."""
    return _cupy_module(source).get_function(kernel)


@functools.cache
def _cupy_module(source):
    cupy = importlib.import_module("cupy")
    return cupy.RawModule(code=read(source).code, options=OPTIONS, backend="nvrtc")


def _launch_cupy(source, kernel, blocks, block, arguments):
    _cupy_kernel(source, kernel)((blocks,), (block,), tuple(arguments))


register_launcher("cupy", _launch_cupy)
