"""The array decides where the work is done; kernels are found by name."""

import sys
import types

import numpy as np
import pytest
import strict_device

from tinymaskrcnn import backend
from tinymaskrcnn.errors import BackendError

HOST = np.arange(6.0).reshape(2, 3)


# ---------------------------------------------------------------- which module


def test_numpy_arrays_scalars_and_nothing(device):
    assert backend.array_module(HOST) is backend.array_module(np.float32(1)) is backend.array_module() is np
    assert backend.array_module(None, [1], 3.0, device.asarray(HOST)) is device


def test_subclasses_of_ndarray_belong_to_numpy():
    assert backend.array_module(np.ma.masked_array(HOST)) is np


def test_mixing_is_refused_by_name(device):
    with pytest.raises(BackendError, match="arrays of numpy and of strict_cupy are mixed.*to_device or to_host"):
        backend.array_module(HOST, device.asarray(HOST))


# ---------------------------------------------------------------- moving


def test_to_the_host_copies_only_from_a_device(device):
    assert backend.to_host(HOST) is HOST
    moved = backend.to_host(device.asarray(HOST))
    assert type(moved) is np.ndarray and np.array_equal(moved, HOST)
    assert np.array_equal(backend.to_host([1, 2]), [1, 2])
    assert type(backend.to_host(np.float32(2))) is type(backend.to_host(3)) is np.ndarray


def test_cupy_is_registered_when_its_first_array_is_seen(monkeypatch):
    class ndarray:
        pass

    ndarray.__module__ = "cupy"
    fake = types.SimpleNamespace(ndarray=ndarray, __name__="cupy")
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", types.SimpleNamespace())
    monkeypatch.setattr(backend, "_MODULES", dict(backend._MODULES))
    monkeypatch.setattr(backend, "_SPARSE", Hashable())
    assert backend.array_module(ndarray()) is fake
    assert backend._MODULES[ndarray] is fake


class Hashable(dict):
    def __setitem__(self, key, value):  # a SimpleNamespace cannot be a key; modules can
        super().__setitem__(id(key), value)


def test_move_like(device):
    assert backend.move_like(HOST, HOST) is HOST
    assert type(backend.move_like(HOST, device.asarray(HOST))) is strict_device.StrictArray


def test_sparse_modules(device):
    assert backend.sparse(np).__name__ == "scipy.sparse"
    assert backend.sparse(device) is strict_device.sparse
    with pytest.raises(BackendError, match="no sparse matrices are known for types"):
        backend.sparse(types)
