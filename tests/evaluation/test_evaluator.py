"""The evaluator against pycocotools on drawn cases: crowds, ties, empty images, area limits, detection limits."""

from dataclasses import replace

import numpy as np
import pytest
from coco_oracle import pycocotools_evaluation
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.evaluation import Evaluator, evaluate, rle
from tinymaskrcnn.structures import Detections, Target

RANGES = {"all": (0, 1e10), "small": (0, 30), "medium": (30, 80), "large": (80, 1e10)}
SIZE = 24


def box_masks(boxes):
    """Filled boxes with their upper left pixel missing, so that mask and box areas differ."""
    y, x = np.mgrid[:SIZE, :SIZE]
    x1, y1, x2, y2 = (boxes[:, i, None, None] for i in range(4))
    return (x >= x1) & (x < x2) & (y >= y1) & (y < y2) & ~((x == np.floor(x1)) & (y == np.floor(y1)))


def draw_boxes(rng, count):
    corner = rng.integers(0, SIZE - 4, (count, 2))
    return np.concatenate([corner, np.minimum(corner + rng.integers(2, 14, (count, 2)), SIZE)], axis=1).astype(
        np.float32
    )


def draw_image(rng, classes):
    """Some objects, some crowds; detections are moved copies, exact copies and strangers, with scores that tie."""
    boxes = draw_boxes(rng, rng.integers(0, 6))
    labels = rng.integers(1, classes + 1, len(boxes))
    truth = Target(boxes, labels, box_masks(boxes), rng.random(len(boxes)) < 0.2 if rng.random() < 0.7 else None)

    copies = rng.integers(0, len(boxes), rng.integers(0, 9)) if len(boxes) else np.zeros(0, int)
    moved = boxes[copies] + rng.choice([0, 0, 0, 1, -1, 0.25], (len(copies), 4)).astype(np.float32)
    strangers = draw_boxes(rng, rng.integers(0, 4))
    found = np.concatenate([moved, strangers]).clip(0, SIZE)
    guess = np.concatenate([labels[copies], rng.integers(1, classes + 1, len(strangers))])
    swapped = rng.random(len(guess)) < 0.1
    guess = np.where(swapped, rng.integers(1, classes + 1, len(guess)), guess)
    scores = (rng.integers(1, 8, len(guess)) / 8).astype(np.float32)
    return truth, Detections(found, guess, scores, box_masks(found))


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 6),
    classes=st.integers(1, 3),
    max_detections=st.sampled_from([(1, 10, 100), (1, 2, 3)]),
)
def test_equals_pycocotools(iou_type, seed, images, classes, max_detections):
    rng = np.random.default_rng(seed)
    truths, detections = zip(*(draw_image(rng, classes) for _ in range(images)))
    evaluator = Evaluator(iou_type=iou_type, area_ranges=RANGES, max_detections=max_detections, num_classes=classes + 1)
    for truth, found in zip(truths, detections):
        evaluator.add(truth, found)
    ours = evaluator.accumulate()
    pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO's figures")
    oracle = pycocotools_evaluation(truths, detections, iou_type, RANGES, max_detections, classes)
    for name in ("precision", "recall", "scores"):
        np.testing.assert_allclose(getattr(ours, name), oracle.eval[name], rtol=0, atol=1e-12, err_msg=name)
    if max_detections[-1] == 100:
        figures = evaluate(truths, detections, iou_type=iou_type, area_ranges=RANGES)
        assert list(figures)[:6] == ["AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge"]
        assert list(figures)[6:] == ["AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"]
        np.testing.assert_allclose(list(figures.values()), oracle.stats, rtol=0, atol=1e-12)
        assert max(figures.values()) <= 1


def one_image(scores=(0.9,), labels=(1,)):
    boxes = np.array([[2, 2, 12, 12]], np.float32)
    truth = Target(boxes, np.array([1]), box_masks(boxes))
    found = np.repeat(boxes, len(scores), axis=0)
    return truth, Detections(found, np.array(labels), np.array(scores, np.float32), box_masks(found))


def empty_image():
    boxes, labels, masks = np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros((0, SIZE, SIZE), bool)
    return Target(boxes, labels, masks), Detections(boxes, labels, np.zeros(0, np.float32), masks)


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


def test_area_of_objects_is_a_choice():
    """A 10 x 10 box whose mask has 99 pixels."""
    truth, found = one_image()
    ranges = {"all": (0, 1e10), "hundred": (100, 100)}
    assert evaluate([truth], [found], area_ranges=ranges)["APhundred"] == -1
    assert evaluate([truth], [found], area_ranges=ranges, truth_area="box")["APhundred"] == pytest.approx(1)
    evaluator = Evaluator(area_ranges=ranges)
    evaluator.add(truth, found, areas=[100.0])
    assert evaluator.summarize()["APhundred"] == pytest.approx(1)


@settings(deadline=None, max_examples=10)
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
    with pytest.raises(ArgumentError, match="iou_type must be 'bbox' or 'segm'; got 'boxes'"):
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
