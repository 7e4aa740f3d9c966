"""The array decides where the work is done; kernels are found by name."""

import importlib.util
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


# ---------------------------------------------------------------- kernels by name


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setattr(backend, "_KERNELS", {})
    monkeypatch.setattr(backend, "_KERNELS_ENABLED", True)


@backend.has_kernel
def scale(x, cache=None, *, factor=2):
    """Multiply."""
    return "readable", x * factor


def test_without_a_kernel_the_text_runs(kernels):
    assert scale(HOST)[0] == "readable"
    assert scale.__doc__ == "Multiply." and scale.readable(HOST)[0] == "readable"


def test_a_kernel_is_found_by_name_type_and_case(kernels, device):
    @backend.register_kernel("scale", applies=lambda x, cache=None, *, factor=2: factor == 3)
    def fast(x, cache=None, *, factor=2):
        return "fast", x * factor

    assert scale(HOST)[0] == "readable"
    assert scale(HOST, factor=3)[0] == "fast"
    assert scale.readable(HOST, factor=3)[0] == "readable"
    assert scale(device.asarray(HOST), factor=3)[0] == "readable"  # registered for NumPy only


def test_the_first_kernel_that_applies_wins(kernels):
    backend.register_kernel("scale", applies=lambda x: x.ndim == 1)(lambda x: "vector")
    backend.register_kernel("scale")(lambda x: "any")
    assert scale(HOST) == "any" and scale(HOST[0]) == "vector"


def test_the_array_may_sit_inside_a_cache(kernels):
    @backend.has_kernel
    def scale_backward(dy, cache):
        return "readable"

    backend.register_kernel("scale_backward")(lambda dy, cache: "fast")
    assert scale_backward(1.0, (None, ["text", HOST])) == "fast"
    assert scale_backward(1.0, ()) == "readable"


def test_a_method_has_a_kernel_by_the_name_of_its_class(kernels, device):
    class Layer:
        @backend.has_kernel
        def forward(self, x):
            """Say who worked."""
            return "readable"

    class Other(Layer):
        def forward(self, x):
            return "other, " + super().forward(x)

    class Unrelated:
        @backend.has_kernel
        def forward(self, x):
            return "unrelated"

    backend.register_kernel("Layer.forward", module=lambda module: module is device)(lambda layer, x: type(layer))
    x = device.asarray(HOST)
    assert Layer().forward(x) is Layer().forward([None, x]) is Layer
    assert Layer().forward(HOST) == Layer.forward.readable(Layer(), x) == "readable"
    assert Layer().forward(None) == "readable"  # no array: no module to ask for
    assert Other().forward(HOST) == "other, readable" and Unrelated().forward(x) == "unrelated"


@pytest.mark.parametrize(("text", "enabled"), [(None, True), ("1", True), ("", True), ("0", False)])
def test_the_environment_switches_kernels_off(text, enabled, monkeypatch):
    monkeypatch.delenv("TINYMASKRCNN_KERNELS", raising=False)
    if text is not None:
        monkeypatch.setenv("TINYMASKRCNN_KERNELS", text)
    spec = importlib.util.find_spec("tinymaskrcnn.backend")
    anew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(anew)
    assert anew._KERNELS_ENABLED is enabled


def test_settings_reach_the_text_and_the_kernel(kernels):
    assert np.array_equal(scale(HOST, factor=5)[1], 5 * HOST) and np.array_equal(scale(HOST, None)[1], 2 * HOST)
    backend.register_kernel("scale")(lambda x, cache=None, *, factor=2: ("fast", cache, factor))
    assert scale(HOST, 7, factor=5) == ("fast", 7, 5)


def test_kernels_can_be_switched_off(kernels, monkeypatch):
    backend.register_kernel("scale")(lambda x: "fast")
    monkeypatch.setattr(backend, "_KERNELS_ENABLED", False)
    assert scale(HOST)[0] == "readable"


def test_a_missing_kernels_folder_is_fine_and_a_broken_one_is_not(monkeypatch):
    def raising(name):
        def importing(_):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return types.SimpleNamespace(import_module=importing)

    monkeypatch.setattr(backend, "importlib", raising("tinymaskrcnn.kernels"))
    backend._load_kernels.__wrapped__()
    monkeypatch.setattr(backend, "importlib", raising("numba"))
    with pytest.raises(ModuleNotFoundError, match="numba"):
        backend._load_kernels.__wrapped__()
