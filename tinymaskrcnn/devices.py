"""Arrays on their way to a GPU, what starts kernels there, and scratch memory; `backend` decides where work is done."""

import collections
import contextlib
import importlib
import math
import os
import sys
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
KEPT = 1 << 29 if sys.maxsize > 1 << 32 else 1 << 26  # bytes at most that wait for it


def on_line(shape, dtype=np.float32):
    """An uninitialised array that begins where a line of the cache does; np.empty's begin 16 bytes behind one.

    Large ones lie, where they can, on memory of others that are gone.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8) if size < LARGE else _shelf.lend(size + LINE)
    ahead = -memory.__array_interface__["data"][0] % LINE
    return memory[ahead : ahead + size].view(dtype).reshape(shape)


class Shelf:
    """Memory that no array lies on just now. From the system it would come page by page, each filled with zeros first.

    What waits here and what is lent are together never more than what was lent at one time before.
    """

    def __init__(self, kept):
        self.kept, self.waiting, self.returned = kept, [], collections.deque()
        self.lent = self.most = 0
        self.lock = threading.Lock()

    def lend(self, size):
        """An array of so many bytes; what lies under it comes back when it and all arrays made of it are gone."""
        memory = self.take(size)
        return np.asarray(Lent(memory, memory[:size].__array_interface__, self))

    def take(self, size):
        """Memory, as little as there is from `size` to twice as much, or new."""
        with self.lock:
            self._tidy()
            fitting = [memory for memory in self.waiting if size <= memory.size <= 2 * size]
            memory = min(reversed(fitting), key=len) if fitting else self._new(size)  # the last that came may be cached
            self.waiting = [other for other in self.waiting if other is not memory]
            self.lent += memory.size
            self.most = max(self.most, self.lent)
            self._tidy()
        return memory

    def put(self, memory):
        """Take back what `take` gave. Whenever an array goes, also in the middle of `take`: then that tidies up."""
        self.returned.append(memory)
        if self.lock.acquire(blocking=False):
            try:
                self._tidy()
            finally:
                self.lock.release()

    def clear(self):
        """Give back to the system what waits."""
        with self.lock:
            self._tidy()
            self.waiting = []

    def _tidy(self):
        """What came back waits, or, where that is too much, the first of it goes back to the system."""
        while self.returned:
            self.waiting.append(self.returned.popleft())
            self.lent -= self.waiting[-1].size
        while sum(memory.size for memory in self.waiting) > min(self.kept, self.most - self.lent):
            self.waiting = self.waiting[1:]

    def _new(self, size):
        try:
            return np.empty(size, np.uint8)
        except MemoryError:
            self.waiting = []
            return np.empty(size, np.uint8)


class Lent:
    """Memory of a shelf, and the array on it as NumPy asks for it."""

    def __init__(self, memory, interface, shelf):
        self.memory, self.shelf = memory, shelf
        self.__array_interface__ = interface

    def __del__(self):
        self.shelf.put(self.memory)


_shelf = Shelf(KEPT)


def release_memory():
    """Give memory that waits for the next large arrays back to the system."""
    _shelf.clear()


@contextlib.contextmanager
def fresh_memory():
    """Inside, large arrays come from the system, so that those who measure memory see them."""
    kept, _shelf.kept = _shelf.kept, 0
    _shelf.clear()
    try:
        yield
    finally:
        _shelf.kept = kept


def _unlock():
    """A forked child may find the lock held by a thread that it does not have."""
    _shelf.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


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
