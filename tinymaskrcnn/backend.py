"""NumPy or CuPy, decided by the array itself; and the mark of functions that have a fast twin.

There is no global switch: `array_module(x)` looks at `x`. A function that is given CuPy arrays computes on the GPU and
returns CuPy arrays, and the same text serves both.
"""

import functools
import importlib
import os

import numpy as np

from .errors import BackendError

_MODULES = {np.ndarray: np}  # array type -> the module whose functions work on it
_SPARSE = {}  # array module -> the matching scipy.sparse look-alike


def register_array_type(array_type, module, sparse_module=None):
    """Teach `array_module` another array type (CuPy is registered on first use; tests register a strict one)."""
    _MODULES[array_type] = module
    if sparse_module is not None:
        _SPARSE[module] = sparse_module


def _module_of(x):
    module = _MODULES.get(type(x))
    if module is not None:
        return module
    if type(x).__module__.split(".")[0] == "cupy":
        cupy = importlib.import_module("cupy")
        register_array_type(cupy.ndarray, cupy, importlib.import_module("cupyx.scipy.sparse"))
        return cupy
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    return None


def array_module(*arrays):
    """The module (numpy or cupy) that the arrays belong to; None, lists and plain numbers are passed over.

    Raises BackendError when host and device arrays are mixed.
    """
    found = None
    for x in arrays:
        module = _module_of(x)
        if module is None:
            continue
        if found is not None and module is not found:
            raise BackendError(
                f"arrays of {found.__name__} and of {module.__name__} are mixed; move them to one side with "
                "to_device or to_host"
            )
        found = module
    return found or np


def to_host(x):
    """The array as a NumPy array; a copy only when it lives on a device."""
    if isinstance(x, np.ndarray) and _module_of(x) is np:
        return x
    if hasattr(x, "get"):  # CuPy arrays, and anything that behaves like one
        return x.get()
    return np.asarray(x)


def move_like(x, like):
    """Move a host array to where `like` lives: how random draws and anchors reach a device."""
    return array_module(like).asarray(x)


def constant(numbers, like):
    """A few numbers (a tuple, or one) where `like` lives and in its dtype, moved there once; not to be written."""
    return _constant(array_module(like), numbers, like.dtype)


@functools.lru_cache(maxsize=256)
def _constant(xp, numbers, dtype):
    array = np.asarray(numbers, dtype)
    array.flags.writeable = False
    return xp.asarray(array)


def sparse(xp):
    """The sparse matrix module that belongs to an array module: scipy.sparse or cupyx.scipy.sparse."""
    if xp is np:
        return importlib.import_module("scipy.sparse")
    if xp not in _SPARSE:
        raise BackendError(f"no sparse matrices are known for {xp.__name__}")
    return _SPARSE[xp]


# ---------------------------------------------------------------- kernels by name

_KERNELS_ENABLED = os.environ.get("TINYMASKRCNN_KERNELS", "1") != "0"


def has_kernel(readable):
    """Mark a function or method that a kernel of the same name may replace; `f.readable` is always the text itself.

    Kernels are the fast twins of a text (`kernels/`). Which of them takes this call, `kernel_lookup.py` says.
    """

    @functools.wraps(readable)
    def dispatch(*args, **data):
        kernel = _lookup().kernel_for(readable, args, data) if _KERNELS_ENABLED else None
        return (kernel or readable)(*args, **data)

    dispatch.readable = readable
    return dispatch


@functools.cache
def _lookup():
    return importlib.import_module(f"{__package__}.kernel_lookup")  # by name: it looks at arrays as this module does
