"""The anchor report against hand-computed overlaps, and its warning."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
from tiny_model import tiny_config

from tinymaskrcnn.config import RPNConfig
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import Target
from tinymaskrcnn.train.anchor_report import AnchorReport, all_anchors, anchor_report, worst_shifts

RPN = RPNConfig(anchor_sizes=((16,), (32,)), anchor_ratios=(1.0,))


def sample(*boxes, side=64):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    target = Target(boxes, np.ones(len(boxes), np.int64), np.zeros((len(boxes), side, side), bool))
    return np.zeros((side, side, 1), np.float32), target


def test_overlaps_of_known_boxes():
    """Anchors of 16 px stand every 4 px, those of 32 px every 8 px."""
    exact = (8, 8, 24, 24)  # is an anchor: centre 16, size 16
    half_wide = (8, 8, 16, 24)  # half of that anchor
    report = anchor_report([sample(exact, half_wide), sample()], RPN)
    np.testing.assert_allclose(report.best_iou, [1.0, 0.5])
    np.testing.assert_allclose(report.sizes, [16, np.sqrt(8 * 16)])
    assert report.share(0.7) == 0.5 and report.share(0.5) == 1.0
    assert [(row["low"], row["high"], row["count"], row["good"], row["fair"]) for row in report.bins()] == [
        (8, 12, 1, 0.0, 1.0),
        (16, 24, 1, 1.0, 1.0),
    ]


@pytest.mark.parametrize("fpn", ["full", "p2", "c4", "c5"])
def test_the_anchors_of_a_map_are_those_that_the_model_looks_through(fpn):
    """On every map: what the report compares with are the model's own anchors, and none of them is shifted."""
    config = tiny_config(fpn=fpn, norm="group")
    model = build_model(config, rng=np.random.default_rng(0))
    pyramid, _ = model.backbone.forward(np.zeros((1, 64, 128, 1), np.float32))
    wanted = np.concatenate(model.rpn.anchors(pyramid, (64, 128)))
    np.testing.assert_array_equal(all_anchors((64, 128), config.rpn, config.backbone.levels), wanted)
    target = Target(np.array([[3, 9, 30, 40], [60, 1, 70, 60]], np.float32), np.array([1, 1]))
    found = anchor_report([(np.zeros((64, 128, 1)), target)], config.rpn, levels=config.backbone.levels)
    np.testing.assert_allclose(found.best_iou, iou_matrix(target.boxes, wanted).max(axis=1), rtol=1e-6)
    assert found.shifted == ()


def test_objects_that_no_anchor_fits_are_warned_about():
    tall = [(4 * i, 0, 4 * i + 4, 60) for i in range(10)]
    report = anchor_report([sample(*tall)], RPN)
    assert report.share(0.5) == 0.0
    (warning,) = report.warnings()
    assert "objects of 12-16 px: only 0% have an anchor with IoU >= 0.5" in warning and "anchor_sizes" in warning
    assert anchor_report([sample(*[(8, 8, 24, 24)] * 10)], RPN).warnings() == []


@pytest.mark.parametrize("sides, spacing, pixels", [((96, 96), 48, 16), ((96, 128), 48, 16), ((160, 64), 53, 22)])
def test_a_level_whose_anchors_stand_beside_its_features_is_warned_about(sides, spacing, pixels):
    """P6 of pictures of 3 or 5 cells of P5: image // cells is not the 64 pixels that the features of P6 are apart."""
    rpn = RPNConfig()
    image, target = np.zeros((*sides, 1), np.float32), Target(np.array([[8, 8, 36, 36]], np.float32), np.array([1]))
    report = anchor_report([(image, target)], rpn)
    (shift,) = report.shifted
    assert (shift.level, shift.stride, shift.spacing, shift.pixels) == (6, 64, spacing, pixels)
    (warning,) = report.warnings()
    assert f"anchors stand every {spacing} px and their features look every 64 px, up to {pixels} px" in warning
    square = anchor_report([(np.zeros((128, 192, 1), np.float32), target)], rpn)
    assert square.shifted == () and square.warnings() == []


def test_the_shift_is_that_of_the_anchors_themselves():
    """Against the anchors that the model makes, for every size that pictures are padded to."""
    rpn = dataclasses.replace(RPNConfig(), anchor_sizes=((1,), (1,), (1,), (1,), (1,)), anchor_ratios=(1.0,))
    for height, width in itertools.product(range(32, 353, 32), (32, 96, 224)):
        last = np.array([-(-height // 64) - 1, -(-width // 64) - 1])  # the last cell of P6
        centre = all_anchors((height, width), rpn)[-1].reshape(2, 2).mean(axis=0)[::-1]
        furthest = int((last * 64 - centre).max())
        found = {shift.level: shift.pixels for shift in worst_shifts([(height, width)], rpn)}
        assert found == ({6: furthest} if furthest else {})


def report_of(*groups, **settings):
    """A report of groups (size, count, IoU)."""
    sizes, ious = ([group[k] for group in groups for _ in range(group[1])] for k in (0, 2))
    return AnchorReport(np.array(sizes, np.float32), np.array(ious, np.float32), **settings)


def test_sizes_fall_into_bins_that_begin_at_round_numbers():
    edges = [0, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    report = report_of(*((edge, 1, 0.6) for edge in edges), *((edge - 0.01, 1, 0.8) for edge in edges[1:]))
    rows = report.bins()
    assert [row["low"] for row in rows] == edges and [row["high"] for row in rows] == [*edges[1:], np.inf]
    assert [row["count"] for row in rows] == [2] * 13 + [1]
    assert [row["good"] for row in rows] == [0.5] * 13 + [0.0] and {row["fair"] for row in rows} == {1.0}


def test_a_limit_that_is_just_reached_counts():
    report = report_of((10, 1, 0.5), (10, 1, 0.75), good=0.75)
    assert report.share(0.5) == 1.0 and report.share(0.75) == 0.5 and report.share(0.76) == 0.0
    assert np.isnan(report.share(0.5, low=11)) and np.isnan(report.share(0.5, high=10))
    assert report.share(0.5, low=10) == 1.0


@pytest.mark.parametrize(
    ("groups", "warned"),
    [
        ([(10, 4, 0.1)], []),  # too few to say
        ([(10, 5, 0.1)], ["8-12"]),
        ([(10, 9, 0.6), (10, 1, 0.1)], []),  # nine of ten are enough
        ([(10, 8, 0.6), (10, 1, 0.1)], ["8-12"]),
        ([(10, 5, 0.1), (20, 246, 0.9)], []),  # less than two in a hundred
        ([(10, 5, 0.1), (20, 245, 0.9)], ["8-12"]),
        ([(600, 5, 0.1), (3, 5, 0.1)], ["0-8", r"512\+"]),
    ],
)
def test_when_objects_are_warned_about(groups, warned):
    found = report_of(*groups).warnings()
    assert len(found) == len(warned)
    for sentence, size in zip(found, warned):
        assert re.match(rf"objects of {size} px: only \d+% have an anchor with IoU >= 0.5; add an anch", sentence)


def test_the_whole_table():
    report = report_of((10, 3, 0.6), (600, 1, 0.9), looked_at="3 windows")
    assert report.table().splitlines() == [
        "anchors on 4 objects of 3 windows",
        " object size  objects  IoU >= 0.7  IoU >= 0.5",
        "     8-12 px        3          0%        100%",
        "     512+ px        1        100%        100%",
        "         all        4         25%        100%",
    ]


def test_the_table():
    report = anchor_report([sample((8, 8, 24, 24))], RPN)
    assert "16-24 px" in report.table() and "100%" in report.table()


def test_scenes_without_objects():
    report = anchor_report([sample(), sample()], RPN)
    assert len(report) == 0 and report.bins() == []
    assert report.warnings() == ["the scenes that were looked at hold no objects"]
    assert "0 objects" in report.table()


def test_pictures_of_any_size_and_other_limits():
    report = anchor_report([sample((8, 8, 24, 24), side=50)], dataclasses.replace(RPN, positive_iou=0.6))
    assert report.best_iou[0] == pytest.approx(1.0)
    assert report.good == 0.6


@pytest.mark.parametrize("seed", range(20))
def test_the_best_anchor_of_all_is_found_among_the_nearest(seed):
    """Boxes of all sizes, also beyond the last anchors of a level, on grids whose strides differ by direction."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 300, 2).tolist()
    low = rng.random((60, 2)) * [width, height]
    boxes = np.concatenate([low, low + (np.array([width, height]) - low) * rng.random((60, 2)) + 0.5], axis=1)
    sizes = tuple((float(rng.integers(4, 90)), float(rng.integers(4, 200))) for _ in range(5))
    rpn = RPNConfig(anchor_sizes=sizes, anchor_ratios=tuple(rng.uniform(0.2, 5, 3).tolist()))
    target = Target(boxes.astype(np.float32), np.ones(60, np.int64))
    report = anchor_report([(np.zeros((height, width, 0)), target)], rpn)
    padded = tuple(-(-side // 32) * 32 for side in (height, width))
    expected = iou_matrix(target.boxes, all_anchors(padded, rpn)).max(axis=1)
    np.testing.assert_allclose(report.best_iou, expected, rtol=1e-5)
