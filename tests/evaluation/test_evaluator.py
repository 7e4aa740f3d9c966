"""The evaluator against pycocotools on drawn cases: crowds, ties, empty images, area limits, detection limits."""

from dataclasses import replace

import numpy as np
import pytest
from coco_cases import RANGES, draw_image, empty_image, one_image
from coco_oracle import pycocotools_evaluation
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.data import rle
from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.evaluation import COCO_SIGMAS, Evaluator, evaluate
from tinymaskrcnn.structures import Detections, Target

FIGURES = {
    "bbox": "AP AP50 AP75 APsmall APmedium APlarge AR1 AR10 AR100 ARsmall ARmedium ARlarge".split(),
    "keypoints": "AP AP50 AP75 APmedium APlarge AR AR50 AR75 ARmedium ARlarge".split(),
}
FIGURES["segm"] = FIGURES["bbox"]


def compare(truths, detections, iou_type, *, classes, area_ranges, max_detections, **settings):
    """Curves and, with COCO's number of detections, figures of both; every number to 1e-12."""
    settings |= {"area_ranges": area_ranges, "max_detections": max_detections}
    evaluator = Evaluator(iou_type=iou_type, num_classes=classes + 1, **settings)
    for truth, found in zip(truths, detections):
        evaluator.add(truth, found)
    ours = evaluator.accumulate()
    pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO's figures")
    oracle = pycocotools_evaluation(truths, detections, iou_type, classes=classes, **settings)
    for name in ("precision", "recall", "scores"):
        np.testing.assert_allclose(getattr(ours, name), oracle.eval[name], rtol=0, atol=1e-12, err_msg=name)
    if max_detections[-1] == (20 if iou_type == "keypoints" else 100):
        figures = evaluate(truths, detections, iou_type=iou_type, **settings)
        assert list(figures) == FIGURES[iou_type]
        np.testing.assert_allclose(list(figures.values()), oracle.stats, rtol=0, atol=1e-12)
        assert max(figures.values()) <= 1


drawn = given(
    seed=st.integers(0, 2**32 - 1), images=st.integers(1, 6), classes=st.integers(1, 3), few=st.sampled_from([0, 0, 3])
)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@examples(40)
@drawn
def test_equals_pycocotools(iou_type, seed, images, classes, few):
    rng = np.random.default_rng(seed)
    truths, detections = zip(*(draw_image(rng, classes) for _ in range(images)))
    max_detections = (1, 2, 3) if few else (1, 10, 100)
    compare(truths, detections, iou_type, classes=classes, area_ranges=RANGES, max_detections=max_detections)


@examples(40)
@drawn
def test_keypoints_equal_pycocotools(seed, images, classes, few):
    rng = np.random.default_rng(seed)
    truths, detections = zip(*(draw_image(rng, classes) for _ in range(images)))
    area_ranges = {name: limits for name, limits in RANGES.items() if name != "small"}
    sigmas = COCO_SIGMAS if few else rng.uniform(0.02, 0.2, len(COCO_SIGMAS))
    compare(
        truths,
        detections,
        "keypoints",
        classes=classes,
        area_ranges=area_ranges,
        max_detections=(few or 20,),
        sigmas=sigmas,
    )


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_perfect_and_empty(iou_type):
    truth, found = one_image()
    no_truth, nothing = empty_image()
    assert evaluate([truth], [found], iou_type=iou_type)["AP"] == pytest.approx(1)
    assert evaluate([truth], [nothing], iou_type=iou_type)["AP"] == 0
    assert set(evaluate([no_truth], [found], iou_type=iou_type).values()) == {-1.0}
    assert set(evaluate([], [], iou_type=iou_type).values()) == {-1.0}
    assert evaluate([truth, no_truth], [found, nothing], iou_type=iou_type)["AP"] == pytest.approx(1)


def test_a_second_detection_of_one_object_is_a_miss():
    truth, found = one_image(scores=(0.9, 0.8, 0.7), labels=(1, 1, 1))
    evaluator = Evaluator()
    evaluator.add(truth, found)
    evaluation = evaluator.accumulate()
    assert evaluation.figures()["AR100"] == 1  # never above 1, however many detections repeat it
    evaluator.add(*one_image())
    assert evaluator.accumulate().precision[0, -1, 0, 0, -1] == 1  # 0.9 and 0.9 come before the repetitions


@pytest.mark.parametrize("seed", range(6))
def test_masks_are_ranked_by_their_own_scores_and_boxes_are_not(seed):
    """As if each kind had been judged alone, with the scores it goes by; limits of detections cut by them, too."""
    rng = np.random.default_rng(seed)
    pairs = [draw_image(rng, 2) for _ in range(4)]
    truths, plain = zip(*pairs)
    scores = [rng.random(len(found)) for found in plain]
    both = [replace(found, mask_scores=s) for found, s in zip(plain, scores)]
    other = [replace(found, scores=s) for found, s in zip(plain, scores)]
    limits = {"max_detections": (1, 2, 3)}
    assert evaluate(truths, both, iou_type="segm", **limits) == evaluate(truths, other, iou_type="segm", **limits)
    assert evaluate(truths, both, **limits) == evaluate(truths, plain, **limits)
    broken = [replace(both[0], mask_scores=scores[0] * np.nan), *both[1:]]
    assert evaluate(truths, broken) == evaluate(truths, plain)
    with pytest.raises(ArgumentError, match="scores must be finite"):
        evaluate(truths, broken, iou_type="segm")
    with pytest.raises(ShapeError, match="must count the same objects"):
        evaluate(truths, [replace(both[0], mask_scores=np.ones(1000)), *both[1:]])


def test_area_of_objects_is_a_choice():
    """A 10 x 10 box whose mask has 99 pixels."""
    truth, found = one_image()
    ranges = {"all": (0, 1e10), "hundred": (100, 100)}
    assert evaluate([truth], [found], area_ranges=ranges)["APhundred"] == -1
    assert evaluate([truth], [found], area_ranges=ranges, truth_area="box")["APhundred"] == pytest.approx(1)
    evaluator = Evaluator(area_ranges=ranges)
    evaluator.add(truth, found, areas=[100.0])
    assert evaluator.summarize()["APhundred"] == pytest.approx(1)


def test_the_areas_of_annotations_count():
    """The mask has 99 pixels, the box 100, the annotation says 50."""
    truth, found = one_image()
    truth = replace(truth, areas=np.array([50.0]))
    ranges = {"all": (0, 1e10), "fifty": (50, 50), "ninetynine": (99, 99), "hundred": (100, 100), "seven": (7, 7)}
    figures = evaluate([truth], [found], area_ranges=ranges)
    assert figures["APfifty"] == pytest.approx(1) and figures["APninetynine"] == -1
    assert evaluate([truth], [found], area_ranges=ranges, truth_area="box")["APhundred"] == pytest.approx(1)
    boxes_only = replace(truth, areas=None, masks=None)
    assert evaluate([boxes_only], [found], area_ranges=ranges)["APhundred"] == pytest.approx(1)
    evaluator = Evaluator(area_ranges=ranges)
    evaluator.add(truth, found, areas=[7.0])
    assert evaluator.summarize()["APseven"] == pytest.approx(1)


def test_a_miss_counts_in_the_area_range_that_it_is_said_to_have():
    truth, found = one_image()
    stranger = replace(found, boxes=found.boxes + 30, scores=found.scores + 1)  # it would come first
    ranges = {"all": (0, 1e10), "medium": (90, 110)}
    for area, precision in ((100.0, 0.5), (5.0, 1.0)):
        evaluator = Evaluator(area_ranges=ranges)
        both = Detections(
            *(np.concatenate([getattr(f, n) for f in (found, stranger)]) for n in ("boxes", "labels", "scores"))
        )
        evaluator.add(truth, both, detection_areas=[100.0, area])
        assert evaluator.summarize()["APmedium"] == pytest.approx(precision)


def person(points=((4, 4, 2), (8, 8, 1)), score=0.9):
    box, keypoints = np.array([[2, 2, 12, 12]], np.float32), np.array([points], np.float32)
    truth = Target(box, np.array([1]), keypoints=keypoints, areas=np.array([2000.0]))
    return truth, Detections(box, np.array([1]), np.array([score], np.float32), keypoints=keypoints)


def test_persons_without_labelled_points_are_ignored():
    options = {"iou_type": "keypoints", "sigmas": (0.1, 0.1)}
    truth, found = person()
    assert list(evaluate([truth], [found], **options)) == FIGURES["keypoints"]
    assert evaluate([truth], [found], **options)["AP"] == pytest.approx(1)
    hidden, nearby = person(points=((0, 0, 0), (0, 0, 0)))[0], person(score=0.95)[1]
    assert evaluate([hidden], [nearby], **options)["AP"] == -1  # no one to find
    assert evaluate([truth, hidden], [found, nearby], **options)["AP"] == pytest.approx(1)  # and no false alarm
    far = replace(nearby, keypoints=nearby.keypoints + 500)
    assert evaluate([truth, hidden], [found, far], **options)["AP50"] == pytest.approx(0.5)


@examples(10)
@given(st.integers(0, 2**32 - 1))
def test_masks_may_be_run_length_encoded(seed):
    rng = np.random.default_rng(seed)
    dense, packed = Evaluator(iou_type="segm"), Evaluator(iou_type="segm")
    for _ in range(4):
        truth, found = draw_image(rng, 2)
        dense.add(truth, found)
        packed.add(
            replace(truth, masks=rle.encode_many(truth.masks)), replace(found, masks=rle.encode_many(found.masks))
        )
    assert dense.summarize() == packed.summarize()


@pytest.mark.parametrize("iou_type, part", [("segm", "masks"), ("keypoints", "keypoints")])
def test_an_image_without_objects_lacks_nothing(iou_type, part):
    """None and an empty array are the same where there is no object: in truth, in what was found, in both."""
    truth, found = one_image() if iou_type == "segm" else person()
    nothing, none_found = replace(empty_image()[0], **{part: None}), replace(empty_image()[1], **{part: None})
    options = {"sigmas": (0.1, 0.1)} if part == "keypoints" else {}
    figures = evaluate([truth, nothing, nothing], [found, found, none_found], iou_type=iou_type, **options)
    assert figures["AP"] == pytest.approx(1.0)  # a false one behind the right one
    assert evaluate([truth], [none_found], iou_type=iou_type, **options)["AP"] == 0
    assert evaluate([nothing], [none_found], iou_type=iou_type, **options)["AP"] == -1


def test_the_evaluator_keeps_no_mask():
    evaluator = Evaluator(iou_type="segm")
    evaluator.add(*one_image())
    held = [
        part
        for table in (evaluator._detections, evaluator._truths, evaluator._pairs)
        for part in table.columns().values()
    ]
    assert max(part.size for part in held) == 1


def test_more_images_may_follow_a_summary():
    evaluator = Evaluator()
    evaluator.add(*one_image())
    first = evaluator.summarize()
    evaluator.add(one_image()[0], empty_image()[1])
    assert first["AR100"] == 1 and evaluator.summarize()["AR100"] == 0.5


def test_refusals_say_what_was_wanted():
    truth, found = one_image()
    with pytest.raises(ShapeError, match="got 2 truths and 1 detections"):
        evaluate([truth, truth], [found])
    with pytest.raises(ArgumentError, match="iou_type must be 'bbox', 'segm' or 'keypoints'; got 'boxes'"):
        evaluate([truth], [found], iou_type="boxes")
    with pytest.raises(ArgumentError, match="needs an entry 'all'"):
        evaluate([truth], [found], area_ranges={"small": (0, 9)})
    with pytest.raises(ArgumentError, match="truth_area"):
        evaluate([truth], [found], truth_area="polygon")
    with pytest.raises(ArgumentError, match="max_detections"):
        evaluate([truth], [found], max_detections=(0, 5))
    with pytest.raises(ArgumentError, match="image 0: iou_type 'segm' needs detections with masks"):
        evaluate([truth], [replace(found, masks=None)], iou_type="segm")
    with pytest.raises(ArgumentError, match=r"image 1: labels of detections must be in 1\.\.2; got 3\.\.3"):
        evaluate([truth, truth], [found, replace(found, labels=np.array([3]))], num_classes=3)
    with pytest.raises(ArgumentError, match=r"labels of truth must be from 1; got 0"):
        evaluate([replace(truth, labels=np.array([0]))], [found])
    with pytest.raises(ArgumentError, match="boxes of detections must be finite with x2 >= x1"):
        evaluate([truth], [replace(found, boxes=found.boxes[:, [2, 1, 0, 3]])])
    with pytest.raises(ArgumentError, match="scores must be finite"):
        evaluate([truth], [replace(found, scores=np.array([np.nan]))])
    with pytest.raises(ShapeError, match=r"image 0: the arrays of detections must count the same objects"):
        evaluate([truth], [replace(found, scores=np.ones(2))])
    with pytest.raises(ShapeError, match="areas must have one entry per object"):
        Evaluator().add(truth, found, areas=[1.0, 2.0])
    with pytest.raises(ShapeError, match="must be of one size"):
        evaluate([truth], [replace(found, masks=found.masks[:, :5])], iou_type="segm")


def test_refusals_of_keypoints_and_areas():
    truth, found = person()
    options = {"iou_type": "keypoints", "sigmas": (0.1, 0.1)}
    with pytest.raises(ArgumentError, match="needs truth with keypoints"):
        evaluate([replace(truth, keypoints=None)], [found], **options)
    with pytest.raises(ArgumentError, match="needs detections with keypoints"):
        evaluate([truth], [replace(found, keypoints=None)], **options)
    with pytest.raises(ShapeError, match=r"keypoints of truth must be \(objects, 17, 3\).*got \(1, 2, 3\)"):
        evaluate([truth], [found], iou_type="keypoints")
    with pytest.raises(ArgumentError, match="keypoints of detections must be finite"):
        evaluate([truth], [replace(found, keypoints=found.keypoints * np.nan)], **options)
    with pytest.raises(ArgumentError, match="sigmas must be positive"):
        evaluate([truth], [found], iou_type="keypoints", sigmas=(0.1, 0))
    with pytest.raises(ArgumentError, match="image 0: areas must be finite and at least 0"):
        evaluate([replace(truth, areas=np.array([-1.0]))], [found], **options)
    with pytest.raises(ArgumentError, match="image 0: detection_areas must be finite"):
        Evaluator().add(truth, found, detection_areas=[np.inf])
    with pytest.raises(ArgumentError, match="needs truth with masks"):
        evaluate([truth], [one_image()[1]], iou_type="segm")
