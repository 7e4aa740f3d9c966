"""What a head cuts out: the level rule and pooling over the pyramid."""

import dataclasses

import numpy as np

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.models.roi_heads import PyramidRoIAlign, assign_levels
from tinymaskrcnn.ops import roi_align

PAPER = {"canonical_size": 224, "canonical_level": 4, "lowest": 2, "highest": 5}


def squares(*sides):
    return np.array([[0, 0, s, s] for s in sides], np.float32)


def test_the_papers_rule_floors():
    """160 px: floor gives P3 (paper, torchvision); rounding, as some do, gives P4."""
    assert assign_levels(squares(160, 112, 224, 448, 1000, 111, 1), **PAPER).tolist() == [3, 3, 4, 5, 5, 2, 2]


def test_canonical_224_sends_every_digit_to_p2_and_28_does_not():
    digits = squares(14, 20, 28, 36, 56, 100)
    assert set(assign_levels(digits, **PAPER).tolist()) == {2}
    ours = assign_levels(digits, canonical_size=28, canonical_level=3, lowest=2, highest=5)
    assert ours.tolist() == [2, 2, 3, 3, 4, 4]


def test_an_empty_box_is_sent_to_the_finest_level():
    assert assign_levels(squares(0), **PAPER).tolist() == [2]


def test_every_roi_is_cut_from_its_own_level():
    rng = np.random.default_rng(0)
    pyramid = [rng.standard_normal((2, 32 >> i, 32 >> i, 3)).astype(np.float32) for i in range(5)]
    rois = np.array([[4, 4, 20, 24], [10, 10, 50, 60], [0, 0, 120, 120], [30, 5, 45, 20]], np.float32)
    image_index = np.array([0, 1, 0, 1])
    config = RoIConfig()
    crops, cache = PyramidRoIAlign(7, config).forward(pyramid, rois=rois, image_index=image_index)
    levels = assign_levels(rois, canonical_size=28, canonical_level=3, lowest=2, highest=5)
    assert len(set(levels.tolist())) == 3
    for k, level in enumerate(levels):
        alone, _ = roi_align.roi_align_forward(
            pyramid[level - 2],
            rois[k : k + 1],
            image_index=image_index[k : k + 1],
            output_size=7,
            scale=1 / 2.0**level,
            samples=config.sampling_ratio,
            aligned=config.aligned,
        )
        np.testing.assert_allclose(crops[k], alone[0], rtol=1e-6, atol=1e-6)
    dpyramid = PyramidRoIAlign(7, config).backward(np.ones_like(crops), cache)
    assert [d.shape for d in dpyramid] == [p.shape for p in pyramid]
    assert np.abs(dpyramid[4]).max() == 0  # P6 serves the RPN only


def test_no_rois():
    pyramid = [np.ones((1, 8 >> i, 8 >> i, 2), np.float32) for i in range(4)]
    pool = PyramidRoIAlign(7, dataclasses.replace(RoIConfig(), aligned=False), levels=4)
    crops, cache = pool.forward(pyramid, rois=np.zeros((0, 4), np.float32), image_index=np.zeros(0, int))
    assert crops.shape == (0, 7, 7, 2)
    assert all(np.abs(d).max() == 0 for d in pool.backward(crops, cache))
