"""First weights: the right spread, float32, and the same from the same generator."""

import numpy as np
import pytest

from tinymaskrcnn.nn.init import fan_in, kaiming_normal, lecun_uniform, normal

SHAPE = (3, 3, 40, 50)
FAN_IN = 360


@pytest.mark.parametrize(
    ("init", "std"),
    [(kaiming_normal, (2 / FAN_IN) ** 0.5), (lecun_uniform, (1 / FAN_IN) ** 0.5), (normal(0.01), 0.01)],
)
def test_spread_dtype_and_repeatability(init, std):
    values = init(SHAPE, rng=np.random.default_rng(0))
    assert values.shape == SHAPE and values.dtype == np.float32
    assert abs(values.std() / std - 1) < 0.02 and abs(values.mean()) < 0.02 * std
    assert np.array_equal(values, init(SHAPE, rng=np.random.default_rng(0)))
    assert not np.array_equal(values, init(SHAPE, rng=np.random.default_rng(1)))


def test_uniform_stays_inside_its_bound():
    assert np.abs(lecun_uniform(SHAPE, rng=np.random.default_rng(0))).max() <= (3 / FAN_IN) ** 0.5


def test_fan_in():
    assert fan_in(SHAPE) == FAN_IN and fan_in((7, 5)) == 7
