"""Norms by name, and the block that convolutions come in."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.blocks import conv_block, conv_blocks, make_norm


def test_group_norm_divides_any_width():
    for channels in (1, 3, 4, 6, 16, 24, 64, 256):
        norm = make_norm("group", channels)
        assert channels % norm.groups == 0 and norm.groups <= 32


@pytest.mark.parametrize("kind", ["batch", "frozen", "group"])
def test_eps_reaches_the_norm(kind):
    assert make_norm(kind, 4, eps=0.25).eps == 0.25


def test_an_unknown_norm_is_named():
    with pytest.raises(ConfigError, match="norm must be 'batch', 'frozen' or 'group'; got 'layer'"):
        make_norm("layer", 4)


def test_a_norm_takes_the_place_of_the_bias():
    rng = np.random.default_rng(0)
    plain, normed = conv_block(2, 3, rng=rng), conv_block(2, 3, norm="batch", rng=rng)
    assert list(plain.state_dict()) == ["0.weight", "0.bias"]
    names = ["0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert list(normed.state_dict()) == names
    x = rng.standard_normal((2, 5, 4, 2)).astype(np.float32)
    assert plain.forward(x)[0].shape == (2, 5, 4, 3) and plain.forward(x)[0].min() == 0
    assert conv_block(2, 3, 1, relu=False, rng=rng).forward(x)[0].min() < 0
    y, _ = normed.forward(x)
    assert y.min() == 0 and 0.3 < y.mean() < 0.5  # half of a standard normal: mean 0.4


def test_widths_follow_each_other():
    shapes = [block.layers[0].weight.value.shape for block in conv_blocks(2, (3, 5), rng=np.random.default_rng(0))]
    assert shapes == [(3, 3, 2, 3), (3, 3, 3, 5)]
    assert conv_blocks(2, (), rng=np.random.default_rng(0)) == []
