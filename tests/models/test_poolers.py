"""Other ways to cut a crop: each equals its operator level by level, gives boxes their gradient, and trains a model."""

import numpy as np
import pytest
from cases import find_pair
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.config import Config, RoIConfig, from_dict, to_dict
from tinymaskrcnn.models.poolers import POOLERS, PyramidPool, pooler
from tinymaskrcnn.models.roi_heads import PyramidRoIAlign, assign_levels
from tinymaskrcnn.ops import pool

OTHERS = [name for name in POOLERS if name != "align"]
ROIS = np.array([[4, 4, 20, 24], [10, 10, 50, 60], [0, 0, 120, 120], [30, 5, 45, 20]], np.float32)
WHERE = np.array([0, 1, 0, 1])


def pyramid(levels=5):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((2, 32 >> i, 32 >> i, 3)).astype(np.float32) for i in range(levels)]


def alone(name, features, roi, **place):
    """What the operator itself says of one RoI on one level."""
    operator = {"pool": "roi_pool", "warp": "roi_warp", "prroi": "prroi_pool"}[name]
    forward, _ = find_pair(operator)
    crops, _ = forward(features, roi, output_size=14 if name == "warp" else 7, **place)
    return pool.max_pool2d_forward(crops, kernel=2)[0] if name == "warp" else crops


@pytest.mark.parametrize("name", OTHERS)
def test_every_roi_is_cut_from_its_own_level(name):
    config, maps = RoIConfig(pooling=name), pyramid()
    crops, cache = pooler(7, config).forward(maps, rois=ROIS, image_index=WHERE)
    levels = assign_levels(ROIS, canonical_size=28, canonical_level=3, lowest=2, highest=5)
    assert len(set(levels.tolist())) == 3
    for k, level in enumerate(levels):
        wanted = alone(name, maps[level - 2], ROIS[k : k + 1], image_index=WHERE[k : k + 1], scale=1 / 2.0**level)
        np.testing.assert_allclose(crops[k], wanted[0], rtol=1e-5, atol=1e-6)
    dpyramid = pooler(7, config).backward(np.ones_like(crops), cache)
    assert [d.shape for d in dpyramid] == [p.shape for p in maps]
    assert np.abs(dpyramid[4]).max() == 0 < np.abs(dpyramid[0]).max()  # P6 serves the RPN only


@pytest.mark.parametrize("name", OTHERS)
def test_boxes_get_a_gradient_when_asked(name):
    """What RoIPool tells them is nothing: its edges are rounded. The gradient for the pyramid stays what it was."""
    maps = pyramid()
    plain, learning = pooler(7, RoIConfig(pooling=name)), pooler(7, RoIConfig(pooling=name), box_gradient=True)
    crops, cache = plain.forward(maps, rois=ROIS, image_index=WHERE)
    same, c_learning = learning.forward(maps, rois=ROIS, image_index=WHERE)
    assert np.array_equal(crops, same)
    dpyramid, drois = learning.backward(crops, c_learning)
    assert all(np.array_equal(a, b) for a, b in zip(plain.backward(crops, cache), dpyramid, strict=True))
    assert drois.shape == ROIS.shape and drois.dtype == np.float32
    assert drois.any(axis=1).all() == (name != "pool")


@pytest.mark.parametrize("name", OTHERS)
def test_other_levels_and_no_rois(name):
    """One map of stride 16; nothing to cut."""
    config, maps = RoIConfig(pooling=name), pyramid(1)
    one = pooler(7, config, levels=1, lowest=4)
    crops, _ = one.forward(maps, rois=ROIS, image_index=WHERE)
    wanted = alone(name, maps[0], ROIS, image_index=WHERE, scale=1 / 16)
    np.testing.assert_allclose(crops, wanted, rtol=1e-5, atol=1e-6)
    crops, cache = one.forward(maps, rois=ROIS[:0], image_index=WHERE[:0])
    assert crops.shape == (0, 7, 7, 3) and not one.backward(crops, cache)[0].any()


@pytest.mark.parametrize("other", [{}, {"mask_kind": "softmax"}, {"mask_kind": "fc"}, {"fpn": "c4"}], ids=str)
@pytest.mark.parametrize("name", POOLERS)
def test_every_head_gets_the_pool_that_is_named(name, other):
    model = tiny_model(pooling=name, heads=("box", "mask", "keypoint"), norm="group", **other)
    assert {type(head.pool) for head in model.roi_heads.heads.values()} == {POOLERS[name]}


def test_the_default_is_none_of_them():
    assert type(pooler(7, RoIConfig())) is PyramidRoIAlign
    assert [name for name, kind in POOLERS.items() if not issubclass(kind, PyramidPool)] == ["align"]


def test_pools_have_no_parameters_so_that_weights_fit_them_all():
    states = [tiny_model(pooling=name).state_dict() for name in POOLERS]
    assert all(list(state) == list(states[0]) for state in states)


def test_a_file_from_before_means_roi_align():
    entries = to_dict(Config())
    del entries["model"]["roi"]["pooling"]
    assert from_dict(Config, entries) == Config()


@pytest.mark.parametrize("name", POOLERS)
def test_it_learns_two_scenes_by_heart(name):
    """Thirty steps of gradient descent on a small network: every operator lets the losses fall."""
    images, targets = tiny_scene((1, 2))
    model, history = tiny_model(pooling=name, norm="group"), []
    for _ in range(30):
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        model.backward(dict.fromkeys(losses, 1.0), cache)
        for p in model.parameters():
            p.value -= np.float32(0.05) * p.grad
        history.append(sum(losses.values()))
    assert np.mean(history[-5:]) < 0.6 * history[0]
    assert losses["box_class"] < 0.7 and losses["mask"] < 0.5  # a coin's and a guess's are log 3 and log 2
