"""The diagnosis names the place where the first NaN was made: parameter, layer output, loss, backward, gradient."""

import numpy as np
import pytest

from tinymaskrcnn.train.diagnose import explain_nonfinite


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
