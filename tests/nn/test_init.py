"""First weights: the right spread, float32, and the same from the same generator."""

import numpy as np
import pytest

from tinymaskrcnn.nn.init import BOX_INITS, by_fan, fan_in, kaiming_normal, lecun_uniform, normal, small_uniform
from tinymaskrcnn.nn.layers import Conv2d

SHAPE = (3, 3, 40, 50)
FAN_IN = 360


@pytest.mark.parametrize(
    ("init", "std"),
    [
        (kaiming_normal, (2 / FAN_IN) ** 0.5),
        (lecun_uniform, (1 / FAN_IN) ** 0.5),
        (small_uniform, (1 / (3 * FAN_IN)) ** 0.5),
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
    for init, bound in ((lecun_uniform, (3 / FAN_IN) ** 0.5), (small_uniform, (1 / FAN_IN) ** 0.5)):
        assert 0.99 * bound < np.abs(init(SHAPE, rng=np.random.default_rng(0))).max() <= bound


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


def test_the_box_heads_first_weights_are_torchs_own_or_the_papers():
    assert [init.__name__ for init in BOX_INITS["uniform"]] == ["small_uniform"] * 3
    hidden, scores, deltas = (init((400, 300), rng=np.random.default_rng(0)).std() for init in BOX_INITS["gaussian"])
    np.testing.assert_allclose((hidden, scores, deltas), ((2 / 400) ** 0.5, 0.01, 0.001), rtol=0.01)


def test_small_is_what_torch_gives_a_linear_layer():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    weight = torch.nn.Linear(400, 300).weight.detach().numpy().T
    ours = small_uniform((400, 300), rng=np.random.default_rng(0))
    assert abs(weight.std() / ours.std() - 1) < 0.01 and abs(np.abs(weight).max() / np.abs(ours).max() - 1) < 0.01


def test_fan_in():
    assert fan_in(SHAPE) == FAN_IN and fan_in((7, 5)) == 7
