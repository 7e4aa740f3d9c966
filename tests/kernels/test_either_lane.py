"""What the kernels in NumPy and those in C are both held to: what does not fit goes to the text, gradients add up."""

import mask_predictor
import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.kernels import conv as conv_in_numpy
from tinymaskrcnn.kernels import mask_logits as masks_in_numpy
from tinymaskrcnn.kernels.c import conv as conv_in_c
from tinymaskrcnn.kernels.c import mask_logits as masks_in_c
from tinymaskrcnn.ops import conv

DRAWN = examples(100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def convolution(either_lane, monkeypatch):
    """The kernels of convolution, for which no case is too small."""
    fast = {"numpy": conv_in_numpy, "c": conv_in_c}[either_lane]
    monkeypatch.setattr(fast, "_is_worth_it", lambda pixels, weight: True)
    monkeypatch.setattr(conv_in_c, "NARROW", 0)
    return fast


@pytest.fixture
def masks(either_lane):
    return {"numpy": masks_in_numpy, "c": masks_in_c}[either_lane]


@st.composite
def other_shapes(draw, shape):
    """A shape unlike this one: some lengths changed, axes exchanged, one more or one fewer."""
    changed = [draw(st.one_of(st.just(n), st.integers(1, 2 * n))) for n in shape]
    other = draw(st.one_of(st.just(changed), st.permutations(shape), st.just([*shape, 1]), st.just(shape[1:])))
    assume(tuple(other) != tuple(shape))
    return tuple(other)


@pytest.mark.parametrize(
    "wrong, error",
    [
        (dict(stride=0), ArgumentError),
        (dict(padding=-1), ArgumentError),
        (dict(padding="same"), ArgumentError),
        (dict(dilation=9), ArgumentError),
        (dict(groups=3), ArgumentError),
        (dict(groups=2), ShapeError),
    ],
)
def test_errors_are_those_of_the_text(convolution, normal, wrong, error):
    with pytest.raises(error, match="conv2d_forward"):
        conv.conv2d_forward(normal(1, 5, 5, 4), normal(3, 3, 4, 4), None, **wrong)


@DRAWN
@given(data=st.data())
def test_a_convolution_of_shapes_that_do_not_fit_is_left_to_the_text(convolution, normal, data):
    shapes = [(2, 5, 6, 4), (3, 2, 4, 3), (3,)]
    assert convolution._takes_forward(*(normal(*shape) for shape in shapes))
    which = data.draw(st.sampled_from([0, 1, 2]))
    other = shapes[which] = data.draw(other_shapes(shapes[which]))
    (*_, C), (*_, I, O), bias = (shape if len(shape) > 1 else (None, *shape) for shape in shapes)
    fits = len(shapes[0]) == len(shapes[1]) == 4 and C == I and shapes[2] == (O,)
    fits = fits and all(n >= k for n, k in zip(shapes[0][1:3], shapes[1]))
    assert convolution._takes_forward(*(normal(*shape) for shape in shapes)) == fits, other


@DRAWN
@given(data=st.data(), stride=st.sampled_from([1, (2, 1)]), padding=st.integers(0, 1))
def test_a_gradient_of_another_shape_is_left_to_the_text(convolution, normal, data, stride, padding):
    y, cache = convolution.conv2d_forward(
        normal(2, 5, 6, 16), normal(3, 2, 16, 16), None, stride=stride, padding=padding
    )
    assert convolution._takes_backward(y, cache)
    assert not convolution._takes_backward(normal(*data.draw(other_shapes(y.shape))), cache)


@pytest.mark.parametrize(
    ("x", "dy"),
    [
        ((1, 32, 32, 32), (64, 30, 30, 32)),
        ((1, 32, 32, 32), (2, 30, 30, 32)),
        ((1, 32, 32, 32), (1, 900, 1, 32)),
        ((1, 32, 32, 16), (1, 4000, 32, 32)),
    ],
)
def test_the_text_refuses_a_gradient_of_another_shape(either_lane, normal, x, dy):
    _, cache = conv.conv2d_forward(normal(*x), normal(3, 3, x[3], 32), None)
    with pytest.raises(ValueError):
        conv.conv2d_backward(normal(*dy), cache)


# ---------------------------------------------------------------- masks

WEIGHTS = (2, 2, 3, 5), (5,), (1, 1, 5, 4), (4,)


def logits_of(masks, normal, maps=2):
    predictor = mask_predictor.made(*(normal(*shape) for shape in WEIGHTS))
    x, channel = normal(maps, 3, 4, 3), np.arange(maps) % 4
    return predictor, x, channel, *masks.forward(predictor, x, channel=channel)


@DRAWN
@given(data=st.data())
def test_masks_of_shapes_that_do_not_fit_are_left_to_the_text(normal, data):
    shapes = [(2, 3, 4, 3), *WEIGHTS]
    which = data.draw(st.sampled_from(range(5)))
    shapes[which] = data.draw(other_shapes(shapes[which]))
    x, *weights = (normal(*shape) for shape in shapes)
    predictor = mask_predictor.made(*(normal(*shape) for shape in WEIGHTS))
    assert masks_in_numpy._takes(predictor, normal(2, 3, 4, 3), channel=np.array([3, 1]))
    for parameter, weight in zip(masks_in_numpy._parameters(predictor), weights, strict=True):
        parameter.value = weight
    fits = which == 0 and len(x.shape) == 4 and x.shape[3] == 3 and len(x) == 2
    assert masks_in_numpy._takes(predictor, x, channel=np.array([3, 1])) == fits


@DRAWN
@given(data=st.data())
def test_a_gradient_of_masks_of_another_shape_is_left_to_the_text(normal, data):
    predictor, _, _, logits, cache = logits_of(masks_in_numpy, normal)
    assert masks_in_numpy._takes_backward(predictor, logits, cache)
    assert not masks_in_numpy._takes_backward(predictor, normal(*data.draw(other_shapes(logits.shape))), cache)


@pytest.mark.parametrize("shape", [(4, 2, 2), (3, 28, 28), (4, 28, 14)])
def test_the_text_refuses_a_gradient_of_masks_of_another_shape(either_lane, normal, shape):
    predictor = mask_predictor.made(normal(2, 2, 8, 8), normal(8), normal(1, 1, 8, 3), normal(3))
    _, cache = predictor.forward(normal(4, 14, 14, 8), channel=np.array([0, 1, 2, 0]))
    with pytest.raises(ValueError):
        predictor.backward(normal(*shape), cache)


def test_gradients_add_up_and_inference_keeps_nothing(masks, normal):
    predictor, x, channel, logits, cache = logits_of(masks, normal)
    for _ in range(2):
        masks.backward(predictor, logits, cache)
    once = masks.mask_logits_backward(logits, cache)[1:]
    for parameter, gradient in zip(predictor.parameters(), once, strict=True):
        np.testing.assert_allclose(parameter.grad, 2 * gradient, rtol=1e-6)
    assert masks.forward(predictor.eval(), x, channel=channel)[1] is None
