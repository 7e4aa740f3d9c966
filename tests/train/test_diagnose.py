"""The diagnosis names the place where the first NaN was made: parameter, layer output, loss, backward, gradient."""

import contextlib

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.nn.module import Sequential
from tinymaskrcnn.train.diagnose import _arrays, _count, explain_nonfinite, overflow_named


@pytest.fixture
def explain(fakes):
    def run(model, images=None):
        batch = fakes.FakeStream().batch(0)
        if images is not None:
            batch.images[...] = images
        with np.errstate(all="ignore"):
            return str(explain_nonfinite(model, [batch], rng=np.random.default_rng(0), step=7))

    return run


def test_a_poisoned_parameter(fakes, explain):
    model = fakes.fake_model()
    model.head.weight.value[1, 2] = np.nan
    message = explain(model)
    assert message.startswith("step 7: parameter head.weight (8, 4) of layer 'head' holds 1 NaN and 0 infinite of 32")
    assert "learning rate" in message


def test_a_poisoned_buffer(fakes, explain):
    model = fakes.fake_model()
    model.running_mean.value[0] = np.inf
    assert "buffer running_mean (64,) of the model itself holds 0 NaN and 1 infinite" in explain(model)


def test_an_output_that_overflows_names_the_innermost_layer(fakes, explain):
    model = fakes.fake_model()
    model.backbone.weight.value[...] = 1e38
    assert "the output (3, 8) of layer 'backbone' (Dense) holds" in explain(model)
    assert "forward" not in vars(model.backbone) and "backward" not in vars(model.backbone)  # nothing stays behind


def test_a_loss_that_overflows(fakes, explain):
    model = fakes.fake_model()
    model.head.bias.value[...] = 1e25  # its square is beyond float32
    assert "loss 'box_delta' is infinite, though every layer's output was finite" in explain(model)


def test_a_gradient_made_by_a_backward(fakes, explain):
    model = fakes.fake_model()
    original = model.head.backward

    class Overflowing(type(model.head)):
        def backward(self, dy, cache):
            return original(dy, cache) * np.float32(np.inf)

    model.head.__class__ = Overflowing
    assert "the input gradient (3, 8) of layer 'head' (Overflowing) holds" in explain(model)


def test_a_gradient_of_a_parameter(fakes, explain):
    model = fakes.fake_model()

    class Poisoned(type(model.head)):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            self.bias.grad[0] = np.nan
            return dx

    model.head.__class__ = Poisoned
    assert "the gradient of parameter head.bias (4,) of layer 'head' holds 1 NaN" in explain(model)


def test_gradients_that_are_too_large_to_add_up(fakes, explain):
    model = fakes.fake_model()

    class Huge(type(model.head)):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            self.bias.grad[...] = 1e30
            return dx

    model.head.__class__ = Huge
    assert "too large to add up: that of head.bias of layer 'head' reaches 1e+30" in explain(model)


def test_a_number_that_does_not_come_back(fakes, explain):
    assert "not when the step was repeated" in explain(fakes.fake_model())


def test_arrays_are_named_by_their_place():
    x = np.zeros(2)
    tree = {"box": [x, None, (x, "text")], 3: {"deep": x}}
    assert [name for name, _ in _arrays(tree, "y")] == ["y['box'][0]", "y['box'][2][0]", "y[3]['deep']"]
    assert [name for name, _ in _arrays(x)] == [""] and list(_arrays(None)) == []


def test_what_is_not_finite_is_counted():
    assert _count(np.zeros(3)) is None and _count(np.array([1, 2])) is None and _count(np.zeros(0)) is None
    assert _count(np.array([np.nan, np.inf, -np.inf, 1.0])) == "1 NaN and 2 infinite of 4 values"
    assert _count(np.float32([np.nan])) == "NaN" and _count(np.array(-np.inf)) == "infinite"


@pytest.mark.parametrize("error", [None, ArgumentError("somebody else's"), ValueError("not ours")])
def test_without_an_overflow_nothing_is_repeated_and_an_error_stays_itself(error):
    asked, expected = [], pytest.raises(type(error), match=str(error)) if error else contextlib.nullcontext()
    with expected, overflow_named(Sequential(), lambda: asked.append(True)):
        np.ones(3) / 2
        if error is not None:
            raise error
    assert bool(asked) == isinstance(error, ArgumentError)  # which may come of numbers that are too large
