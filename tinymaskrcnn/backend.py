"""NumPy or CuPy, decided by the array itself; and the lookup of fast kernels by name.

There is no global switch: `array_module(x)` looks at `x`. A function that is given CuPy arrays computes on the GPU and
returns CuPy arrays, and the same text serves both.
"""

import functools
import importlib
import math
import os
import threading

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


def to_device(x, device):
    """Copy a host array to "cpu" (as it is) or "cuda" (CuPy); an array already there is returned unchanged."""
    if device == "cpu":
        return to_host(x)
    if device != "cuda":
        raise BackendError(f"device must be 'cpu' or 'cuda'; got {device!r}")
    return _cupy().asarray(x)


def _cupy():
    """CuPy, or a BackendError that says what is missing."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise BackendError(
            "device 'cuda' needs CuPy: pip install 'tinymaskrcnn[cuda12x]' or 'tinymaskrcnn[cuda13x]'"
        ) from error
    if not cupy.is_available():
        raise BackendError(
            f"device 'cuda' needs an NVIDIA GPU and its driver; CuPy {cupy.__version__} is installed and finds none "
            "(does nvidia-smi?)"
        )
    return cupy


def cuda_available():
    """True when CuPy is installed and sees a GPU."""
    try:
        return bool(importlib.import_module("cupy").is_available())
    except ImportError:
        return False


TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH, which CuPy 14 does not name


def set_tf32(enabled):
    """Let the GPU's matrix products round float32 factors to ten bits after the point (off unless asked for).

    TF32 multiplies about 1e-3 precisely and adds in float32; float64 is untouched. Holds for the device and, where
    products are batched, for the thread that calls this. Cards before compute capability 8.0 have none: CuPy warns.
    """
    cupy = _cupy()
    cublas, gemm = cupy.cuda.cublas, cupy._core._routines_linalg
    cublas.setMathMode(cupy.cuda.get_cublas_handle(), TF32_MATH if enabled else cublas.CUBLAS_DEFAULT_MATH)
    cupy._core.set_compute_type(np.float32, gemm.COMPUTE_TYPE_TF32 if enabled else gemm.COMPUTE_TYPE_DEFAULT)


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


def sparse(xp):
    """The sparse matrix module that belongs to an array module: scipy.sparse or cupyx.scipy.sparse."""
    if xp is np:
        return importlib.import_module("scipy.sparse")
    if xp not in _SPARSE:
        raise BackendError(f"no sparse matrices are known for {xp.__name__}")
    return _SPARSE[xp]


class Workspace(threading.local):
    """Scratch memory by name, reused from call to call and never shared between threads.

    `take("columns", shape, dtype)` returns an uninitialised array; the next `take` of that name overwrites it.
    """

    def __init__(self):
        self._buffers = {}

    def take(self, name, shape, dtype=np.float32):
        size = int(math.prod(shape))
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


# ---------------------------------------------------------------- kernels by name

_KERNELS = {}  # name -> list of (array module or DEVICE, applies, function)
_LAUNCHERS = {}  # name of a device's array module -> what starts a CUDA kernel on its arrays
DEVICE = "every device that can launch kernels"
_KERNELS_ENABLED = os.environ.get("TINYMASKRCNN_KERNELS", "1") != "0"


def register_kernel(name, *, module=np, applies=lambda *args, **data: True):
    """Decorator for `kernels/`: this function may stand in for the readable one called `name`.

    `applies` is called with the same arguments and says whether the kernel takes this case (dtype, shapes). A kernel
    must return the same values and the same cache as its readable twin. `module` is NumPy, or DEVICE: every array
    module that has a launcher.
    """

    def register(function):
        _KERNELS.setdefault(name, []).append((module, applies, function))
        return function

    return register


def register_launcher(module_name, launch):
    """Say how CUDA kernels are started on a device's arrays: launch(source, kernel, blocks, block, arguments).

    The module goes by its name, so that CuPy need not be imported before there is a CuPy array; None takes it back.
    """
    if launch is None:
        _LAUNCHERS.pop(module_name, None)
    else:
        _LAUNCHERS[module_name] = launch


def launcher_of(module):
    """What starts CUDA kernels on the arrays of a module; raises BackendError when nothing can."""
    if module.__name__ not in _LAUNCHERS:
        raise BackendError(f"CUDA kernels cannot be launched on arrays of {module.__name__}")
    return _LAUNCHERS[module.__name__]


@functools.cache
def _load_kernels():
    try:
        importlib.import_module(f"{__package__}.kernels")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(f"{__package__}.kernels"):
            raise  # a kernel misses a package of its own: say so; only a missing folder is fine


def has_kernel(readable):
    """Mark a readable function that a kernel of the same name may replace; `f.readable` is always the text itself."""
    name = readable.__name__

    @functools.wraps(readable)
    def dispatch(*args, **data):
        if _KERNELS_ENABLED:
            _load_kernels()
            kernels = _KERNELS.get(name)
            module = _first_module(args) if kernels else None
            for wanted, applies, kernel in kernels or ():
                if _serves(wanted, module) and applies(*args, **data):
                    return kernel(*args, **data)
        return readable(*args, **data)

    dispatch.readable = readable
    return dispatch


def _serves(wanted, module):
    """Whether a kernel registered for `wanted` works on arrays of `module`."""
    return wanted is module or (wanted is DEVICE and module is not None and module.__name__ in _LAUNCHERS)


def _first_module(args):
    """The module of the first array among positional arguments or inside a cache tuple."""
    for x in args:
        if isinstance(x, (tuple, list)):
            found = _first_module(x)
        else:
            found = _module_of(x)
        if found is not None:
            return found
    return None
