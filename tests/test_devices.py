"""The way to a GPU and back, CUDA kernels by name, and memory that is used again."""

import os
import sys
import threading
import types

import numpy as np
import pytest
import strict_device
from hypothesis import given
from hypothesis import strategies as st
from pretended_cupy import pretended

from tinymaskrcnn import backend, devices, kernel_lookup
from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.train.recorder import memory_behind

HOST = np.arange(6.0).reshape(2, 3)


def test_the_host_is_a_device_too(device):
    assert devices.to_device(device.asarray(HOST), "cpu").tolist() == HOST.tolist()
    assert devices.to_device(HOST, "cpu") is HOST
    assert type(devices.to_device([1, 2], "cpu")) is np.ndarray


def test_unknown_device():
    with pytest.raises(BackendError, match="device must be 'cpu' or 'cuda'; got 'gpu'"):
        devices.to_device(HOST, "gpu")


def test_cuda_without_cupy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert devices.cuda_available() is False
    with pytest.raises(BackendError, match=r"needs CuPy: pip install 'tinymaskrcnn\[cuda12x\]'"):
        devices.to_device(HOST, "cuda")


def test_cuda_with_cupy_moves_there(monkeypatch):
    fake = types.SimpleNamespace(asarray=strict_device.xp.asarray, is_available=lambda: True)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    assert devices.cuda_available() is True
    assert type(devices.to_device(HOST, "cuda")) is strict_device.StrictArray


def test_cuda_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(is_available=lambda: False, __version__="14.2.0"))
    assert devices.cuda_available() is False
    with pytest.raises(BackendError, match=r"needs an NVIDIA GPU and its driver; CuPy 14\.2\.0 .* finds none"):
        devices.to_device(HOST, "cuda")


def test_tf32_is_switched_for_single_products_and_for_batches():
    with pretended() as card:
        devices.set_tf32(True)
        assert (card.math_mode, card.compute_type) == (3, 7)
        devices.set_tf32(False)
        assert (card.math_mode, card.compute_type) == (0, 1)


def test_tf32_needs_a_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="needs CuPy"):
        devices.set_tf32(True)


# ---------------------------------------------------------------- CUDA kernels


def test_a_device_kernel_serves_every_module_with_a_launcher(monkeypatch, device):
    monkeypatch.setattr(kernel_lookup, "_KERNELS", {})
    monkeypatch.setattr(backend, "_KERNELS_ENABLED", True)

    @backend.has_kernel
    def scale(x):
        return "readable", x

    kernel_lookup.register_kernel("scale", module=devices.DEVICE)(lambda x: "launched")
    x = device.asarray(HOST)
    assert scale(x)[0] == "readable"  # nothing can launch yet
    devices.register_launcher("strict_cupy", print)
    try:
        assert scale(x) == "launched" and devices.launcher_of(device) is print
        assert scale(HOST)[0] == scale.readable(x)[0] == "readable"
    finally:
        devices.register_launcher("strict_cupy", None)
    assert scale(x)[0] == "readable"
    with pytest.raises(BackendError, match="cannot be launched on arrays of strict_cupy"):
        devices.launcher_of(device)


def test_a_launcher_that_nobody_registered_may_be_taken_back():
    devices.register_launcher("never_heard_of", None)
    assert not devices.DEVICE(types.SimpleNamespace(__name__="never_heard_of"))


# ---------------------------------------------------------------- workspace


def test_workspace_reuses_memory_by_name_and_dtype():
    space = devices.Workspace()
    first = space.take("columns", (4, 5))
    assert first.shape == (4, 5) and first.dtype == np.float32
    assert np.shares_memory(first, space.take("columns", (2, 3)))
    assert not np.shares_memory(first, space.take("rows", (4, 5)))
    assert not np.shares_memory(first, space.take("columns", (4, 5), np.float64))
    assert space.take("columns", (6, 6)).shape == (6, 6)
    assert space.take("columns", ()).shape == ()
    assert np.shares_memory(space.take("columns", (6, 6)), space.take("columns", (36,)))
    assert np.shares_memory(space.take("rows", (4, 5)), space.take("rows", (20,)))
    assert space.take("signs", (2, 0, 3), bool).shape == (2, 0, 3) and space.take("signs", (3,), bool).dtype == bool


def test_wide_vectors_never_lie_across_two_lines_of_the_cache():
    space = devices.Workspace()
    arrays = [devices.on_line((3, 5)), devices.on_line((1 << 20, 2), np.float64), devices.on_line((), np.int64)]
    arrays += [space.take("rows", (2, 7)), space.take("rows", (9, 9)), space.take("signs", (5,), bool)]
    for x in arrays:
        assert x.__array_interface__["data"][0] % 64 == 0 and x.flags.c_contiguous and x.flags.writeable
        x[...] = 1
    assert [(x.shape, x.dtype) for x in arrays[:2]] == [((3, 5), np.float32), ((1 << 20, 2), np.float64)]
    assert devices.on_line((0, 4)).shape == (0, 4)


def address(x):
    return x.__array_interface__["data"][0]


def test_large_arrays_lie_where_others_were():
    first = devices.on_line((1 << 22,))
    there = address(first)
    view = first[:3].view(np.uint8)
    del first
    assert not np.shares_memory(devices.on_line((1 << 22,)), view)  # somebody still looks at it
    del view
    assert address(devices.on_line((1 << 21, 2))) == there
    assert address(devices.on_line((1 << 21, 3), np.float64)) != there  # too small
    lent = devices._shelf.lent
    small = devices.on_line((1 << 8,))
    assert devices._shelf.lent == lent and small.size == 1 << 8


def test_memory_for_large_arrays_goes_from_thread_to_thread():
    taken = []
    thread = threading.Thread(target=lambda: taken.append(address(devices.on_line((1 << 22,)))))
    thread.start()
    thread.join()
    assert address(devices.on_line((1 << 22,))) == taken[0]


@given(st.lists(st.integers(1, 40) | st.integers(-8, 0), max_size=40), st.integers(0, 60))
def test_a_shelf_never_holds_more_than_was_lent(asked, kept):
    """A positive number asks for so many bytes, another gives back one of those that are lent."""
    shelf, lent, most = devices.Shelf(kept), [], 0
    for n in asked:
        if n > 0:
            fitting = [memory.size for memory in shelf.waiting if n <= memory.size <= 2 * n]
            lent.append(shelf.take(n))
            assert lent[-1].size == min(fitting, default=n)
        elif lent:
            shelf.put(lent.pop(n % len(lent)))
        most = max(most, sum(memory.size for memory in lent))
        assert shelf.lent == sum(memory.size for memory in lent) and shelf.most == most
        waiting = sum(memory.size for memory in shelf.waiting)
        assert waiting <= kept and waiting + shelf.lent <= most
        assert len({address(memory) for memory in [*lent, *shelf.waiting]}) == len(lent) + len(shelf.waiting)


def test_memory_that_comes_back_in_the_middle_of_taking_waits_for_the_next(monkeypatch):
    """The collector may find an array anywhere: here while new memory is made."""
    shelf = devices.Shelf(1000)
    shelf.put(shelf.take(900))
    shelf.clear()
    first, second = shelf.take(60), shelf.take(30)
    shelf.put(first)
    new = shelf._new

    def interrupted(size):
        shelf.put(second)
        return new(size)

    monkeypatch.setattr(shelf, "_new", interrupted)
    assert shelf.take(500).size == 500 and shelf.take(60) is first and shelf.take(30) is second
    assert shelf.lent == 590 and not shelf.waiting


def test_what_waits_makes_room(monkeypatch):
    shelf, empty, asked = devices.Shelf(1000), np.empty, []
    shelf.put(shelf.take(500))

    def full(size, dtype):
        asked.append((size, len(shelf.waiting)))
        if shelf.waiting:
            raise MemoryError
        return empty(size, dtype)

    monkeypatch.setattr(devices.np, "empty", full)
    assert shelf.take(100).size == 100 and asked == [(100, 1), (100, 0)]


def test_large_arrays_are_as_large_as_was_asked_for_and_can_be_measured():
    large = devices.on_line((1 << 23,))
    del large
    with devices.fresh_memory():
        assert not devices._shelf.waiting
        devices.on_line((1 << 22,))
        assert not devices._shelf.waiting
    first = devices.on_line((3 << 21,))
    del first
    half = devices.on_line((1 << 22,))
    assert sum(array.nbytes for array in memory_behind(half).values()) == half.nbytes + devices.LINE
    devices.release_memory()
    assert not devices._shelf.waiting


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_a_lock_of_its_own():
    with devices._shelf.lock:
        child = os.fork()
        if not child:
            os._exit(0 if devices.on_line((1 << 22,)).size else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_workspace_is_never_shared_between_threads():
    space, taken = devices.Workspace(), []
    thread = threading.Thread(target=lambda: taken.append(space.take("columns", (3,))))
    thread.start()
    thread.join()
    assert not np.shares_memory(taken[0], space.take("columns", (3,)))
