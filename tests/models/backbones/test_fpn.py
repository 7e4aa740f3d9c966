"""The pyramid: top-down addition at any size, P6, and who influences whom."""

import weakref
from functools import partial

import numpy as np
import pytest
from first_weights import Ones, initialisers

from tinymaskrcnn.models.backbones.fpn import FPN, BackboneWithFPN
from tinymaskrcnn.models.backbones.resnet import ResNet
from tinymaskrcnn.ops import resize


def features(rng, sizes=((20, 28), (10, 14), (5, 7), (3, 4))):
    return [rng.standard_normal((1, h, w, c)).astype(np.float32) for (h, w), c in zip(sizes, (2, 3, 4, 5))]


def test_shapes_also_at_odd_sizes():
    rng = np.random.default_rng(0)
    pyramid, cache = FPN((2, 3, 4, 5), 6, rng=rng).forward(features(rng))
    assert [p.shape for p in pyramid] == [(1, 20, 28, 6), (1, 10, 14, 6), (1, 5, 7, 6), (1, 3, 4, 6), (1, 2, 2, 6)]


@pytest.mark.parametrize("norm", ["", "batch"])
def test_a_level_is_its_own_map_and_the_one_above_enlarged(norm):
    """Forward as the figure of the paper says, backward against small steps; the text and what stands in for it."""
    rng = np.random.default_rng(1)
    fpn = FPN((2, 3, 4, 5), 6, norm=norm, rng=rng).astype(np.float64)
    maps = [m.astype(np.float64) for m in features(rng)]
    for m in maps:
        m.setflags(write=False)
    merged = [block.forward(m)[0] for block, m in zip(fpn.inner_blocks, maps)]
    for i in (2, 1, 0):
        merged[i] = merged[i] + resize.upsample_nearest2d_forward(merged[i + 1], size=merged[i].shape[1:3])[0]
    wanted = [block.forward(m)[0] for block, m in zip(fpn.layer_blocks, merged)]
    wanted.append(wanted[-1][:, ::2, ::2])
    dpyramid = [rng.standard_normal(level.shape) for level in wanted]
    steps = [rng.standard_normal(m.shape) for m in maps]
    for forward in (fpn.forward, partial(getattr(FPN.forward, "readable", FPN.forward), fpn)):
        pyramid, cache = forward(maps)
        for level, want in zip(pyramid, wanted, strict=True):
            np.testing.assert_allclose(level, want, rtol=1e-10)
        dmaps = fpn.backward(dpyramid, cache)
        ends = [forward([m + sign * 1e-5 * s for m, s in zip(maps, steps)])[0] for sign in (1, -1)]
        slope = sum(((p - q) * d).sum() for p, q, d in zip(*ends, dpyramid)) / 2e-5
        np.testing.assert_allclose(sum((d * s).sum() for d, s in zip(dmaps, steps)), slope, rtol=1e-6)


@pytest.mark.parametrize("norm", ["", "batch"])
def test_first_weights_keep_the_scale_where_no_relu_follows(norm):
    found = initialisers(FPN((2, 3), 6, norm=norm, rng=Ones))
    assert len(found) == 4 and set(found.values()) == {"lecun"}


def test_p6_is_every_second_pixel_of_p5():
    rng = np.random.default_rng(0)
    pyramid, _ = FPN((2, 3, 4, 5), 6, rng=rng).forward(features(rng))
    np.testing.assert_array_equal(pyramid[4], pyramid[3][:, ::2, ::2])


def test_information_flows_down_never_up():
    rng = np.random.default_rng(0)
    fpn = FPN((2, 3, 4, 5), 6, rng=rng)
    maps = features(rng)
    before, _ = fpn.forward(maps)
    for changed in range(4):
        other = [m + 1 if i == changed else m for i, m in enumerate(maps)]
        after, _ = fpn.forward(other)
        for level in range(4):
            assert np.array_equal(before[level], after[level]) == (level > changed)


def test_gradient_reaches_coarse_features_from_the_finest_level_alone():
    rng = np.random.default_rng(0)
    fpn = FPN((2, 3, 4, 5), 6, rng=rng)
    pyramid, cache = fpn.forward(features(rng))
    dpyramid = [np.ones_like(p) if i == 0 else np.zeros_like(p) for i, p in enumerate(pyramid)]
    dfeatures = fpn.backward(dpyramid, cache)
    assert all(np.abs(d).max() > 0 for d in dfeatures)


def test_norms_replace_biases_and_no_relu_follows():
    rng = np.random.default_rng(0)
    fpn = FPN((2, 3, 4, 5), 6, norm="batch", rng=rng)
    pyramid, _ = fpn.forward(features(rng))
    assert all(p.min() < 0 for p in pyramid[:3])
    names = set(fpn.state_dict())
    assert {"inner_blocks.3.0.weight", "inner_blocks.3.1.running_mean", "layer_blocks.0.1.weight"} <= names
    assert not any(name.endswith("0.bias") for name in names)


def test_inference_lets_the_largest_map_of_a_pyramid_go():
    """While the second level is finished, what the first one was made from is gone."""
    rng = np.random.default_rng(0)
    fpn, alive = FPN((2, 2), 2, rng=rng).eval(), []
    watched = []
    first, second = fpn.layer_blocks
    forwards = first.forward, second.forward
    first.forward = lambda x: watched.append(weakref.ref(x)) or forwards[0](x)
    second.forward = lambda x: alive.append(watched[0]() is not None) or forwards[1](x)
    fpn.forward([np.ones((1, 4, 4, 2), np.float32), np.ones((1, 2, 2, 2), np.float32)])
    assert alive == [False]


def test_pictures_go_through_the_body_into_the_pyramid_and_gradients_back():
    rng = np.random.default_rng(0)
    settings = dict(block="basic", depths=(1, 1, 1, 1), widths=(2, 3, 4, 5), stem="3x3", stem_width=2, norm="frozen")
    body, fpn = ResNet(**settings, in_channels=1, rng=rng), FPN((2, 3, 4, 5), 6, rng=rng)
    both, x = BackboneWithFPN(body, fpn).astype(np.float64), rng.standard_normal((1, 64, 64, 1))
    pyramid, cache = both.forward(x)
    features, c_body = body.forward(x)
    wanted, c_fpn = fpn.forward(features)
    for level, want in zip(pyramid, wanted, strict=True):
        np.testing.assert_array_equal(level, want)
    dpyramid = [rng.standard_normal(level.shape) for level in pyramid]
    dx = body.backward(fpn.backward(dpyramid, c_fpn), c_body)
    np.testing.assert_array_equal(both.backward(dpyramid, cache), dx)
    assert dx.shape == x.shape and dx.any()
    names = {name.split(".")[0] for name, _ in both.named_parameters()}
    assert names == {"body", "fpn"}
