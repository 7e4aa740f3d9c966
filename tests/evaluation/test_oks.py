"""Object keypoint similarity on cases worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from coco_cases import draw_image
from coco_oracle import pycocotools_evaluation

from tinymaskrcnn.config import SceneConfig, scene_preset
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.evaluation import evaluate
from tinymaskrcnn.evaluation.oks import COCO_SIGMAS, default_sigmas, keypoint_extents, keypoint_similarity
from tinymaskrcnn.structures import Detections

BOX = np.array([[10, 10, 20, 30]], np.float32)  # 10 wide, 20 high


def similarity(detected, truth, sigmas=(0.1, 0.1), area=200.0):
    detected, truth = np.array([detected], np.float32), np.array([truth], np.float32)
    return keypoint_similarity(detected, truth, BOX, np.array([area]), sigmas=sigmas)[0]


def test_similarity_is_the_mean_over_labelled_points():
    truth = [[12, 12, 2], [18, 28, 1]]
    assert similarity([[12, 12, 1], [18, 28, 1]], truth) == 1
    # the second point is 3, 4 away: exp(-25 / (2 * 200 * (2 * 0.1)**2))
    away = np.exp(-25 / (2 * 200 * 0.04))
    assert similarity([[12, 12, 1], [21, 24, 1]], truth) == pytest.approx((1 + away) / 2)
    assert similarity([[12, 12, 1], [0, 0, 1]], [truth[0], [0, 0, 0]]) == 1  # a point without label does not count
    assert similarity([[12, 12, 1], [21, 24, 1]], truth, sigmas=(0.1, 0.2)) == pytest.approx((1 + away**0.25) / 2)


def test_visibility_and_score_of_a_detection_do_not_matter():
    assert similarity([[12, 12, 0]], [[12, 12, 2]], sigmas=(0.1,)) == 1


def test_near_an_object_without_labels_everything_fits():
    """Its box doubled to every side is 0..30 by -10..50."""
    nothing = [[0, 0, 0], [0, 0, 0]]
    assert similarity([[0, -10, 1], [30, 50, 1]], nothing) == 1
    outside = np.exp(-(2**2 + 1) / (2 * 200 * 0.04))
    assert similarity([[32, 51, 1], [15, 15, 1]], nothing) == pytest.approx((1 + outside) / 2)
    assert similarity([[-2, -11, 1], [15, 15, 1]], nothing) == pytest.approx((1 + outside) / 2)


def test_an_object_without_area_is_hit_exactly_or_not():
    assert similarity([[12, 12, 1]], [[12, 12, 2]], sigmas=(0.1,), area=0.0) == 1
    assert similarity([[13, 12, 1]], [[12, 12, 2]], sigmas=(0.1,), area=0.0) == 0


def test_extents_and_zero_rows():
    points = np.array([[[1, 2, 1], [5, 2, 1], [3, 8, 0]]], np.float32)
    assert keypoint_extents(points).tolist() == [24]
    assert keypoint_extents(np.zeros((0, 17, 3))).shape == (0,)
    none = np.zeros((0, 17, 3))
    assert keypoint_similarity(none, none, np.zeros((0, 4)), np.zeros(0)).shape == (0,)
    assert len(COCO_SIGMAS) == 17


def test_every_similarity_equals_pycocotools(rng):
    """Labelled and unlabelled objects, areas down to nothing, points far away."""
    pytest.importorskip("pycocotools", reason="pycocotools is the oracle of OKS")
    compared = 0
    for _ in range(20):
        (truth, found), sigmas = draw_image(rng, 1), rng.uniform(0.02, 0.2, 17)
        areas = np.where(rng.random(len(truth)) < 0.2, 0, rng.uniform(0, 200, len(truth)))
        truth = replace(truth, areas=areas)
        found = replace(found, scores=np.arange(len(found), 0, -1) / 100)  # the order in which they are returned
        oracle = pycocotools_evaluation([truth], [found], "keypoints", {"all": (0, 1e10)}, (20,), 1, sigmas)
        d, g = np.indices((len(found), len(truth))).reshape(2, -1)
        ours = keypoint_similarity(
            found.keypoints[d], truth.keypoints[g], truth.boxes[g], truth.areas[g], sigmas=sigmas
        )
        np.testing.assert_allclose(ours, np.ravel(oracle.ious[0, 1]), rtol=0, atol=1e-12)
        compared += len(ours)
    assert compared > 150


@pytest.mark.parametrize("scenes", ["figures", "ends of digits"])
def test_keypoint_ap_of_scenes_is_that_of_pycocotools(scenes, rng):
    """Objects as they are drawn, hidden joints among them; detections whose points are some pixels off."""
    pytest.importorskip("pycocotools", reason="pycocotools is the oracle of keypoint AP")
    config = scene_preset("figures") if scenes == "figures" else SceneConfig(extreme_points=True)
    config = replace(config, max_overlap=0.6, digits_per_image=(2, 3))
    stream = SceneStream(config, split="test", seed=0, batch_size=1)
    truths = [stream.scene(i)[1] for i in range(30)]
    found = []
    for truth in truths:
        rows = rng.permutation(np.repeat(np.arange(len(truth)), 2))[: len(truth) + 1]
        points = truth.keypoints[rows] + rng.normal(
            0, rng.uniform(0, 4, (len(rows), 1, 1)), (len(rows), *truth.keypoints.shape[1:])
        )
        labels = np.where(rng.random(len(rows)) < 0.9, truth.labels[rows], 1)
        found.append(Detections(truth.boxes[rows], labels, rng.random(len(rows)), keypoints=points))
    joints = truths[0].keypoints.shape[1]
    sigmas, ranges = default_sigmas(joints), {"all": (0, 1e10), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
    figures = evaluate(truths, found, iou_type="keypoints", sigmas=sigmas, area_ranges=ranges)
    oracle = pycocotools_evaluation(truths, found, "keypoints", ranges, (20,), 10, sigmas)
    assert any((truth.keypoints[..., 2] == 1).any() for truth in truths) == (scenes == "figures")
    assert 0.1 < figures["AP"] < 0.9
    np.testing.assert_allclose(list(figures.values()), oracle.stats, atol=1e-12)


def test_lists_and_whole_numbers_are_as_good_as_arrays():
    """Also where whole numbers of few bits would overflow, or lose what they measure."""
    detected, truth, box, area = [[[200, 0, 1]]], [[[0, 100, 2]]], [[0, 0, 120, 120]], [14400]
    expected = np.exp(-(200**2 + 100**2) / (2 * 14400 * 0.2**2))
    for dtype in (None, np.uint8, np.int16, np.float32, np.float64):
        given = [detected, truth, box] if dtype is None else [np.array(a, dtype) for a in (detected, truth, box)]
        for areas in (area, np.array(area, np.int64), np.array(area, np.float32)):
            ours = keypoint_similarity(*given, areas, sigmas=[0.1])
            assert ours.dtype == np.float64 and ours[0] == pytest.approx(expected, rel=1e-12)
    assert keypoint_extents([[[200, 0, 1], [0, 100, 1]]]).tolist() == [20000]
    few = np.array([[[200, 0, 1], [0, 100, 1]]], np.uint8)
    assert keypoint_extents(few).tolist() == [20000] and keypoint_extents(few).dtype == np.float64


def test_sigmas_of_a_person_and_of_other_things():
    assert default_sigmas(17) == COCO_SIGMAS and default_sigmas(3) == (0.07,) * 3 and default_sigmas(18) == (0.07,) * 18
    oracle = pytest.importorskip("pycocotools.cocoeval", reason="pycocotools is the oracle of COCO's sigmas")
    np.testing.assert_allclose(COCO_SIGMAS, oracle.Params("keypoints").kpt_oks_sigmas, rtol=1e-12)
