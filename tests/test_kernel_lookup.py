"""Kernels are found by name, for the arrays they work on and the cases they take."""

import functools
import importlib.util
import types

import numpy as np
import pytest

from tinymaskrcnn import backend, kernel_lookup

HOST = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setattr(kernel_lookup, "_KERNELS", {})
    monkeypatch.setattr(backend, "_KERNELS_ENABLED", True)


@backend.has_kernel
def scale(x, cache=None, *, factor=2):
    """Multiply."""
    return "readable", x * factor


def test_without_a_kernel_the_text_runs(kernels):
    assert scale(HOST)[0] == "readable"
    assert scale.__doc__ == "Multiply." and scale.readable(HOST)[0] == "readable"


def test_a_kernel_is_found_by_name_type_and_case(kernels, device):
    @kernel_lookup.register_kernel("scale", applies=lambda x, cache=None, *, factor=2: factor == 3)
    def fast(x, cache=None, *, factor=2):
        return "fast", x * factor

    assert scale(HOST)[0] == "readable"
    assert scale(HOST, factor=3)[0] == "fast"
    assert scale.readable(HOST, factor=3)[0] == "readable"
    assert scale(device.asarray(HOST), factor=3)[0] == "readable"  # registered for NumPy only


def test_the_first_kernel_that_applies_wins(kernels):
    kernel_lookup.register_kernel("scale", applies=lambda x: x.ndim == 1)(lambda x: "vector")
    kernel_lookup.register_kernel("scale")(lambda x: "any")
    assert scale(HOST) == "any" and scale(HOST[0]) == "vector"
    kernel_lookup.register_kernel("scale", first=True, applies=lambda x: x.ndim == 1)(lambda x: "sooner")
    assert scale(HOST) == "any" and scale(HOST[0]) == "sooner"


def test_the_array_may_sit_inside_a_cache(kernels):
    @backend.has_kernel
    def scale_backward(dy, cache):
        return "readable"

    kernel_lookup.register_kernel("scale_backward")(lambda dy, cache: "fast")
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

    kernel_lookup.register_kernel("Layer.forward", module=lambda module: module is device)(lambda layer, x: type(layer))
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
    kernel_lookup.register_kernel("scale")(lambda x, cache=None, *, factor=2: ("fast", cache, factor))
    assert scale(HOST, 7, factor=5) == ("fast", 7, 5)


def test_kernels_can_be_switched_off(kernels, monkeypatch):
    kernel_lookup.register_kernel("scale")(lambda x: "fast")
    monkeypatch.setattr(backend, "_KERNELS_ENABLED", False)
    assert scale(HOST)[0] == "readable"


def test_a_missing_kernels_folder_is_fine_and_a_broken_one_is_not(monkeypatch):
    def raising(name):
        def importing(_):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return types.SimpleNamespace(import_module=importing)

    monkeypatch.setattr(kernel_lookup, "importlib", raising("tinymaskrcnn.kernels"))
    kernel_lookup._load_kernels.__wrapped__()
    monkeypatch.setattr(kernel_lookup, "importlib", raising("numba"))
    with pytest.raises(ModuleNotFoundError, match="numba"):
        kernel_lookup._load_kernels.__wrapped__()


def test_kernels_are_loaded_when_the_first_one_is_asked_for(kernels, monkeypatch):
    @backend.has_kernel
    def first(x):
        return "readable"

    load = lambda home: kernel_lookup.register_kernel("first")(lambda x: "fast")  # noqa: E731
    monkeypatch.setattr(kernel_lookup, "_load_kernels", load)
    assert first(HOST) == "fast"


def test_what_is_loaded_and_that_a_missing_module_without_a_name_is_no_folder(monkeypatch):
    loaded = []
    monkeypatch.setattr(kernel_lookup, "importlib", types.SimpleNamespace(import_module=loaded.append))
    kernel_lookup._load_kernels.__wrapped__()
    always = ["tinymaskrcnn.kernels", "tinymaskrcnn.nn.fused"]
    assert loaded == always
    kernel_lookup._load_kernels.__wrapped__("tinymaskrcnn.models.mask_rcnn")
    of_models = [f"tinymaskrcnn.models.{name}" for name in ("at_rest", "heads_at_rest", "at_once")]
    assert loaded[2:] == [*always, *of_models]

    def nameless(_):
        raise ModuleNotFoundError("something")

    monkeypatch.setattr(kernel_lookup, "importlib", types.SimpleNamespace(import_module=nameless))
    with pytest.raises(ModuleNotFoundError, match="something"):
        kernel_lookup._load_kernels.__wrapped__()


def test_a_text_that_somebody_edits_runs_itself(kernels, monkeypatch):
    """Without the folder of kernels nobody can tell, and nobody needs to."""
    asked = []
    texts = types.SimpleNamespace(edited=lambda function: asked.append(function) or len(asked) == 2)

    def importing(name):
        assert name == "tinymaskrcnn.kernels.texts"
        return texts

    def missing(name):
        raise ModuleNotFoundError(name)

    readable = scale.readable
    for there, wanted in ((importing, False), (importing, True), (missing, False)):
        monkeypatch.setattr(kernel_lookup, "importlib", types.SimpleNamespace(import_module=there))
        assert kernel_lookup._is_edited(readable) is wanted
    assert asked == [readable] * 2
    kernel_lookup.register_kernel("scale")(lambda x: "fast")
    monkeypatch.setattr(kernel_lookup, "_load_kernels", lambda home: None)
    for edited in (True, False):
        monkeypatch.setattr(kernel_lookup, "_name_of", functools.cache(kernel_lookup._name_of.__wrapped__))
        monkeypatch.setattr(kernel_lookup, "_is_edited", lambda function, edited=edited: edited)
        assert (scale(HOST) == "fast") != edited
