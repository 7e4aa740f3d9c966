"""What an evaluator takes and refuses: every part of a record, both ends of a range, what nobody gave."""

from dataclasses import replace

import numpy as np
import pytest
from coco_cases import box_masks, draw_image, empty_image, one_image
from strict_device import xp

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.evaluation import COCO_SIGMAS, Evaluator, evaluate
from tinymaskrcnn.structures import Detections, Target


def test_numbers_of_detections_come_in_any_order():
    truth, found = one_image(scores=(0.9, 0.8, 0.7), labels=(1, 1, 1))
    found = replace(found, boxes=found.boxes + np.array([[20], [0], [20]], np.float32))  # the second one hits
    for most in ((1, 2), (2, 1), [2, 1]):
        evaluator = Evaluator(max_detections=most)
        evaluator.add(truth, found)
        figures = evaluator.summarize()
        assert evaluator.max_detections == (1, 2) and len(evaluator._detections) == 2  # the third is never asked for
        assert (figures["AR1"], figures["AR2"], figures["AP"]) == (0, 1, pytest.approx(0.5))


def test_settings_that_nobody_gave():
    for evaluator in (Evaluator(iou_type="bbox"), Evaluator(iou_type="segm")):
        assert evaluator.max_detections == (1, 10, 100)
        assert list(evaluator.area_ranges) == "all small medium large".split()
    assert Evaluator().iou_type == "bbox" and Evaluator().truth_area == "mask" and Evaluator().num_classes is None
    assert Evaluator().area_ranges["medium"] == (1024.0, 9216.0) and Evaluator().sigmas == COCO_SIGMAS
    assert Evaluator(iou_type="keypoints").max_detections == (20,)
    assert list(Evaluator(iou_type="keypoints").area_ranges) == ["all", "medium", "large"]


def full_image():
    """Two objects and what found them, with everything that a record can have."""
    boxes, points = np.array([[2, 2, 12, 12], [4, 14, 20, 18]], np.float32), np.ones((2, 17, 3), np.float32)
    truth = Target(boxes, np.array([1, 2]), box_masks(boxes), np.zeros(2, bool), points, np.array([99.0, 63.0]))
    return truth, Detections(boxes, np.array([1, 2]), np.array([0.9, 0.8], np.float32), box_masks(boxes), points)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
@pytest.mark.parametrize(
    "which, part",
    [(0, part) for part in ("boxes", "labels", "masks", "crowd", "keypoints", "areas")]
    + [(1, part) for part in ("boxes", "labels", "scores", "masks", "keypoints")],
)
def test_every_array_has_a_row_for_every_object(iou_type, which, part):
    pair = list(full_image())
    evaluate([pair[0]], [pair[1]], iou_type=iou_type)
    pair[which] = replace(pair[which], **{part: getattr(pair[which], part)[:1]})
    with pytest.raises(ShapeError, match="image 0: .*(must count the same objects|one entry per object)"):
        evaluate([pair[0]], [pair[1]], iou_type=iou_type)


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("which", [0, 1])
def test_every_side_of_a_box_is_looked_at(which, side):
    for value in (np.nan, np.inf, -np.inf, (1e3, 1e3, 0, 0)[side]):
        pair = list(full_image())
        boxes = pair[which].boxes.copy()
        boxes[1, side] = value
        pair[which] = replace(pair[which], boxes=boxes)
        what = ("truth", "detections")[which]
        with pytest.raises(ArgumentError, match=f"image 0: boxes of {what} must be finite with x2 >= x1 and y2 >= y1"):
            evaluate([pair[0]], [pair[1]])
    for pair in (full_image(),):  # as thin as nothing is allowed
        boxes = pair[which].boxes.copy()
        boxes[1, side] = boxes[1, (side + 2) % 4]
        evaluate(*([replace(p, boxes=boxes) if k == which else p] for k, p in enumerate(pair)))


@pytest.mark.parametrize("which, what", [(0, "truth"), (1, "detections")])
def test_labels_have_two_ends(which, what):
    for labels, num_classes, wanted in (
        ([1, 0], None, "from 1; got 0..1"),
        ([-1, 2], 3, r"in 1\.\.2; got -1..2"),
        ([3, 1], 3, r"in 1\.\.2; got 1..3"),
    ):
        pair = list(full_image())
        pair[which] = replace(pair[which], labels=np.array(labels))
        with pytest.raises(ArgumentError, match=f"image 1: labels of {what} must be {wanted}"):
            evaluate([full_image()[0], pair[0]], [full_image()[1], pair[1]], num_classes=num_classes)
    for num_classes in (None, 3, 9):
        evaluator = Evaluator(num_classes=num_classes)
        evaluator.add(*full_image())
        assert evaluator.accumulate().precision.shape[2] == {None: 2, 3: 2, 9: 8}[num_classes]


def test_classes_are_those_of_objects_and_of_detections():
    """A class that was only found, or only there to find, is one."""
    truth, found = one_image()
    for t, f in ((truth, replace(found, labels=np.array([4]))), (replace(truth, labels=np.array([4])), found)):
        evaluator = Evaluator()
        evaluator.add(t, f)
        assert evaluator.accumulate().num_truths.shape == (4, 4)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_no_area_is_less_than_nothing_or_without_end(bad):
    truth, found = full_image()
    for options in ({"areas": [1.0, bad]}, {"detection_areas": [1.0, bad]}):
        (name,) = options
        with pytest.raises(ArgumentError, match=f"image 0: {name} must be finite and at least 0; got"):
            Evaluator().add(truth, found, **options)
    with pytest.raises(ShapeError, match=r"image 0: detection_areas must have one entry per object \(2\); got 1"):
        Evaluator().add(truth, found, detection_areas=[1.0])
    Evaluator().add(truth, found, areas=[0, 0], detection_areas=[0, 0])


def test_areas_of_detections_stay_with_theirs():
    """The last of three is the best one; its area counts, though it is given last."""
    truth, found = one_image(scores=(0.1, 0.2, 0.3), labels=(1, 1, 1))
    found = replace(found, boxes=found.boxes + np.array([[0], [20], [20]], np.float32))
    for areas, precision in (([100, 5, 5], 1.0), ([5, 100, 5], 0.5), ([5, 5, 100], 0.5), ([5, 100, 100], 1 / 3)):
        evaluator = Evaluator(area_ranges={"all": (0, 1e10), "here": (90, 110)})
        evaluator.add(truth, found, detection_areas=areas)
        assert evaluator.summarize()["APhere"] == pytest.approx(precision)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_both_ends_belong_to_a_range(iou_type):
    """Of the object, and of a better one that found nothing: each is 100 in area, or 99 as a mask."""
    truth, found = one_image(scores=(0.9, 0.8), labels=(1, 1))
    boxes = found.boxes + np.array([[11], [0]], np.float32)
    found = replace(found, boxes=boxes, masks=box_masks(boxes))
    size = 100 if iou_type == "bbox" else 99
    for low, high, inside in ((size, 500, True), (0, size, True), (size + 0.01, 500, False), (0, size - 0.01, False)):
        ranges = {"all": (0, 1e10), "r": (low, high)}
        options = {"iou_type": iou_type, "area_ranges": ranges}
        assert evaluate([replace(truth, areas=np.array([float(size)]))], [found], **options)["APr"] == (
            pytest.approx(0.5) if inside else -1
        )
        other = replace(truth, areas=np.array([(low + high) / 2]))  # the object belongs to it in any case
        assert evaluate([other], [found], **options)["APr"] == pytest.approx(0.5 if inside else 1)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_crowds_may_be_numbers(dtype):
    truth, found = one_image(scores=(0.9, 0.8), labels=(1, 1))
    boxes = np.concatenate([truth.boxes, truth.boxes + 8]).astype(np.float32)  # the second one is a crowd
    truth = Target(boxes, np.array([1, 1]), box_masks(boxes), np.array([0, 1], dtype))
    found = replace(found, boxes=boxes, masks=box_masks(boxes))
    for iou_type in ("bbox", "segm"):
        assert evaluate([truth], [found], iou_type=iou_type)["AP"] == pytest.approx(1)


def test_halves_overlap_enough_at_a_half():
    truth = Target(np.array([[0, 0, 10, 10]], np.float32), np.array([1]))
    for height, figure in ((5.0, 1), (4.99, 0)):
        found = Detections(np.array([[0, 0, 10, height]]), np.array([1]), np.array([0.9]))
        assert evaluate([truth], [found])["AP50"] == pytest.approx(figure)


def test_scores_that_float32_would_round_keep_their_order():
    truth, found = one_image(scores=(0, 0), labels=(1, 1))
    boxes = found.boxes + np.array([[0], [20]], np.float32)
    for scores, figure in (((0.1, 0.1 + 1e-12), 0.5), ((0.1 + 1e-12, 0.1), 1), ((0.1, 0.1), 1)):
        evaluator = Evaluator()
        evaluator.add(truth, replace(found, boxes=boxes, scores=np.array(scores)))
        assert evaluator.summarize()["AP"] == pytest.approx(figure)
        evaluator = Evaluator()  # and in two images
        evaluator.add(truth, replace(found.select([0]), scores=np.array(scores[:1])))
        evaluator.add(empty_image()[0], replace(found.select([1]), scores=np.array(scores[1:])))
        assert evaluator.summarize()["AP"] == pytest.approx(figure)
        assert evaluator.accumulate().scores[0, -1, 0, 0, -1] == scores[0]  # where recall 1 is reached


@pytest.mark.parametrize("sigmas", [(), (0.1, -0.1), (0.1, np.nan), (np.inf, 0.1)])
def test_sigmas_are_positive_and_finite(sigmas):
    with pytest.raises(ArgumentError, match="sigmas must be positive, one per keypoint; got"):
        Evaluator(iou_type="keypoints", sigmas=sigmas)


@pytest.mark.parametrize("which, what", [(0, "truth"), (1, "detections")])
def test_keypoints_of_both_are_looked_at(which, what):
    for points, error, message in (
        (np.ones((2, 17, 2)), ShapeError, r"must be \(objects, 17, 3\), 17 being"),
        (np.ones((2, 16, 3)), ShapeError, r"must be .*; got \(2, 16, 3\)"),
        (np.full((2, 17, 3), np.inf), ArgumentError, "must be finite"),
    ):
        pair = list(full_image())
        pair[which] = replace(pair[which], keypoints=points.astype(np.float32))
        with pytest.raises(error, match=f"image 0: keypoints of {what} {message}"):
            evaluate([pair[0]], [pair[1]], iou_type="keypoints")
        evaluate([pair[0]], [pair[1]], iou_type="bbox")  # which does not look at them


def test_the_image_that_is_wrong_is_counted_from_0():
    evaluator = Evaluator()
    evaluator.add(*full_image())
    evaluator.add(*empty_image())
    truth, found = full_image()
    with pytest.raises(ArgumentError, match=r"image 2: scores must be finite; got \[0\.8 +inf\]"):
        evaluator.add(truth, replace(found, scores=np.array([np.inf, 0.8])))


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_arrays_of_a_device_are_judged_on_the_host(iou_type, rng):
    """Every array of a record, and the areas beside them."""
    here, there = Evaluator(iou_type=iou_type), Evaluator(iou_type=iou_type)
    for _ in range(4):
        pair = draw_image(rng, 2)
        areas, found_areas = rng.uniform(1, 5000, len(pair[0])), rng.uniform(1, 5000, len(pair[1]))
        moved = [
            replace(r, **{n: xp.asarray(v) for n, v in vars(r).items() if v is not None}) for r in pair
        ]  # fmt: skip
        here.add(*pair, areas=areas, detection_areas=found_areas)
        there.add(*moved, areas=xp.asarray(areas), detection_areas=xp.asarray(found_areas))
        here.add(*pair)
        there.add(*moved)
    np.testing.assert_array_equal(here.accumulate().precision, there.accumulate().precision)
    assert here.summarize() == there.summarize() and here.summarize()["AR" if iou_type == "keypoints" else "AR1"] > 0
