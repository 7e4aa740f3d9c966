"""Arrays on their way to a GPU, what starts kernels there, and scratch memory; `backend` decides where work is done."""

import importlib
import math
import threading

import numpy as np

from .backend import to_host
from .errors import BackendError


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


# ---------------------------------------------------------------- CUDA kernels

_LAUNCHERS = {}  # name of a device's array module -> what starts a CUDA kernel on its arrays


def DEVICE(module):
    """What `register_kernel(module=DEVICE)` works on: the arrays of every module that can launch CUDA kernels."""
    return module.__name__ in _LAUNCHERS


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


# ---------------------------------------------------------------- scratch memory

LINE = 64  # bytes of a line of the cache: a wide vector that lies across two of them is read twice
LARGE = 1 << 24  # bytes from which memory is used again here; for less, malloc does it
KEPT = 1 << 29  # bytes at most that wait for it


def on_line(shape, dtype=np.float32):
    """An uninitialised array that begins where a line of the cache does; np.empty's begin 16 bytes behind one.

    Large ones lie, where they can, on memory of others that are gone.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8) if size < LARGE else np.asarray(Lent(_shelf.take(size + LINE), _shelf))
    ahead = -memory.__array_interface__["data"][0] % LINE
    return memory[ahead : ahead + size].view(dtype).reshape(shape)


class Shelf:
    """Memory that no array lies on just now. From the system it would come page by page, each filled with zeros first.

    What waits here and what is lent are together never more than what was lent at one time before.
    """

    def __init__(self, kept):
        self.kept, self.waiting, self.lent, self.most = kept, [], 0, 0
        self._lock = threading.RLock()  # an array may go while its thread is in here

    def take(self, size):
        """Bytes, at least so many and at most twice as many: of those that fit the ones that came last, or new ones."""
        with self._lock:
            fitting = [i for i, memory in enumerate(self.waiting) if size <= memory.size <= 2 * size]
            memory = self.waiting.pop(fitting[-1]) if fitting else np.empty(size, np.uint8)
            self.lent += memory.size
            self.most = max(self.most, self.lent)
            self._clear()
        return memory

    def put(self, memory):
        """Take back what `take` gave."""
        with self._lock:
            self.waiting.append(memory)
            self.lent -= memory.size
            self._clear()

    def _clear(self):
        while sum(memory.size for memory in self.waiting) > min(self.kept, self.most - self.lent):
            del self.waiting[0]


class Lent:
    """Memory from a shelf, for arrays that are made of it; it goes back when the last of them is gone."""

    def __init__(self, memory, shelf):
        self.memory, self.shelf = memory, shelf
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        self.shelf.put(self.memory)


_shelf = Shelf(KEPT)


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
            buffer = self._buffers[name, dtype] = on_line((size,), dtype)
        return buffer[:size].reshape(shape)
