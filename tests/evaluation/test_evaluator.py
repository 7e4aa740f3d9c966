"""The evaluator against pycocotools on drawn cases: crowds, ties, empty images, area limits, detection limits."""

from dataclasses import replace

import numpy as np
import pytest
from coco_cases import RANGES, SIZE, box_masks, draw_image
from coco_oracle import pycocotools_evaluation
from hypothesis import given, settings
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
@settings(deadline=None, max_examples=40)
@drawn
def test_equals_pycocotools(iou_type, seed, images, classes, few):
    rng = np.random.default_rng(seed)
    truths, detections = zip(*(draw_image(rng, classes) for _ in range(images)))
    max_detections = (1, 2, 3) if few else (1, 10, 100)
    compare(truths, detections, iou_type, classes=classes, area_ranges=RANGES, max_detections=max_detections)


@settings(deadline=None, max_examples=40)
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
