"""First weights: the right spread, float32, and the same from the same generator."""

import numpy as np
import pytest

from tinymaskrcnn.nn.init import by_box_init, by_fan, fan_in, kaiming_normal, lecun_uniform, normal
from tinymaskrcnn.nn.layers import Conv2d, Linear
from tinymaskrcnn.nn.module import Module

SHAPE = (3, 3, 40, 50)
FAN_IN = 360


@pytest.mark.parametrize(
    ("init", "std"),
    [
        (kaiming_normal, (2 / FAN_IN) ** 0.5),
        (lecun_uniform, (1 / FAN_IN) ** 0.5),
        (normal(0.01), 0.01),
    ],
)
def test_spread_dtype_and_repeatability(init, std):
    values = init(SHAPE, rng=np.random.default_rng(0))
    assert values.shape == SHAPE and values.dtype == np.float32
    assert abs(values.std() / std - 1) < 0.02 and abs(values.mean()) < 0.02 * std
    assert np.array_equal(values, init(SHAPE, rng=np.random.default_rng(0)))
    assert not np.array_equal(values, init(SHAPE, rng=np.random.default_rng(1)))


def test_uniform_stays_inside_its_bound():
    bound = (3 / FAN_IN) ** 0.5
    assert 0.99 * bound < np.abs(lecun_uniform(SHAPE, rng=np.random.default_rng(0))).max() <= bound


@pytest.mark.parametrize("groups", [1, 4])
def test_by_fan_out_the_same_draws_are_scaled_to_the_outputs(groups):
    """torch: 2 / (kernel * outputs), whatever the groups; a layer's biases and other shapes stay."""

    def conv(kind):
        layer = Conv2d(8, 32, 3, groups=groups, rng=np.random.default_rng(0))
        layer.bias.value += 1
        return by_fan(layer, kind)

    by_in, by_out = conv("fan_in"), conv("fan_out")
    np.testing.assert_allclose(by_out.weight.value, by_in.weight.value * (8 / groups / 32) ** 0.5, rtol=1e-6)
    assert (by_out.bias.value == 1).all() and by_out.weight.value.dtype == np.float32
    assert abs(by_out.weight.value.std() / (2 / (9 * 32)) ** 0.5 - 1) < 0.05


class Pair(Module):
    """A fully connected layer, and a convolution that is none."""

    def __init__(self, *, rng):
        self.linear, self.conv = Linear(400, 300, rng=rng), Conv2d(8, 8, 3, rng=rng)


def drawn(kind):
    pair = Pair(rng=np.random.default_rng(0))
    by_box_init(pair, kind, rng=np.random.default_rng(1))
    return pair


def test_a_box_head_is_left_as_it_is_or_drawn_anew():
    plain, gaussian, uniform = Pair(rng=np.random.default_rng(0)), drawn("gaussian"), drawn("uniform")
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(gaussian.state_dict()[name], value)
        same = np.array_equal(uniform.state_dict()[name], value)
        assert same == name.startswith("conv"), name
    for values in (uniform.linear.weight.value, uniform.linear.bias.value):
        assert values.dtype == np.float32 and 0.04 < np.abs(values).max() <= 1 / 20


def test_uniform_is_what_torch_gives_a_linear_layer():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = torch.nn.Linear(400, 300), drawn("uniform").linear
    for name in ("weight", "bias"):
        a, b = getattr(theirs, name).detach().numpy(), getattr(ours, name).value
        assert abs(a.std() / b.std() - 1) < 0.15 and abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.02


def test_fan_in():
    assert fan_in(SHAPE) == FAN_IN and fan_in((7, 5)) == 7
