"""What each kind of error costs: as `tidecv` says, as a slow program of its own says, and from COCO's figures on."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from coco_cases import draw_image, empty_image, one_image
from explain.test_judging import in_loops

from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import SceneStream
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.evaluation import Evaluator, evaluate
from tinymaskrcnn.explain.error_analysis import KINDS, ErrorAnalysis
from tinymaskrcnn.explain.judging import crowds, overlaps
from tinymaskrcnn.structures import Detections, Target, collate
from tinymaskrcnn.zoo import load_tour_detector

TIDE = json.loads((Path(__file__).parents[1] / "fixtures" / "tide.json").read_text(encoding="utf-8"))
NAMES = dict(zip(KINDS, ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")))
CLASSES = ("background", "a", "b", "c", "d")


def analysed(pictures, **settings):
    analysis = ErrorAnalysis(CLASSES, **settings)
    for truth, found in pictures:
        analysis.add(truth, found)
    return analysis.report()


def kept(seed):
    """The pictures that tidecv was shown."""
    for boxes, labels, found, own, scores in TIDE["drawn"][str(seed)]:
        boxes, found = (np.array(part, float).reshape(-1, 4) for part in (boxes, found))
        yield Target(boxes, np.array(labels, int)), Detections(found, np.array(own, int), np.array(scores, float))


@pytest.mark.parametrize("said", TIDE["said"], ids=lambda said: f"{said['seed']} at {said['min_iou']}")
def test_as_tidecv_says(said):
    report = analysed(kept(said["seed"]), min_iou=said["min_iou"])
    assert 100 * report.average(report.ap) == pytest.approx(said["ap"])
    for kind, name in NAMES.items():
        assert report.count(kind) == said["counts"][name]
        assert 100 * report.cost(kind) == pytest.approx(said["costs"][name], abs=1e-9), kind
        assert 100 * report.cost_in_turn(kind) == pytest.approx(said["in_turn"][name], abs=1e-9), kind
    assert 100 * report.cost("false positives") == pytest.approx(said["ends"]["FalsePos"])
    assert 100 * report.cost("false negatives") == pytest.approx(said["ends"]["FalseNeg"])


# ---------------------------------------------------------------- a slow program of its own


def average_precision(ranked, objects):
    """One class: ranked [is it right] best first, objects to find  ->  COCO's mean over 101 recalls."""
    points, right = [], 0
    for n, hit in enumerate(ranked, start=1):
        right += hit
        points.append((right / objects, right / n))
    return sum(max((p for r, p in points if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)) / 101


def put_right(pictures, kind, iou_type):
    """AP of each class, {label: AP}, of copies of the pictures in which the errors of a kind are put right."""
    ranked, objects, asked = [], [], []
    for truth, found in pictures:
        found = found.select(np.argsort(-found.scores, kind="stable"))
        crowd = crowds(truth)
        said, by = in_loops(overlaps(found, truth, iou_type), found.labels, truth.labels, crowd)
        best = {}
        for k, (what, m) in enumerate(said):
            if what in ("wrong class", "poor box") and by[m] < 0:
                best.setdefault(m, k)
        for k, (what, m) in enumerate(said):
            label, hit = int(found.labels[k]), what == "right"
            if what == "crowd" or (what == kind and best.get(m) != k):
                continue
            if what == kind:
                label, hit = int(truth.labels[m]), True
            ranked.append((float(found.scores[k]), label, hit))
        real = [m for m in range(len(truth)) if not crowd[m]]
        objects += [int(truth.labels[m]) for m in real]
        gone = [
            m
            for m in real
            if kind == "missed" and by[m] < 0 and not any(o == m and w in ("wrong class", "poor box") for w, o in said)
        ]
        asked += [int(truth.labels[m]) for m in real if m not in gone]
    ranked.sort(key=lambda row: -row[0])
    found = {}
    for label in sorted(set(objects)):
        hits = [hit for _, own, hit in ranked if own == label]
        count = asked.count(label)
        found[label] = average_precision(hits, count) if count else float(not hits)
    return found


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(5))
def test_as_a_slow_program_says_with_ties_and_crowds(seed, iou_type):
    rng = np.random.default_rng(seed)
    pictures = [draw_image(rng, 4) for _ in range(12)] + [empty_image()]
    report = analysed(pictures, iou_type=iou_type)
    for kind in (None, *KINDS):
        wanted = put_right(pictures, kind, iou_type)
        assert report.classes == list(wanted)
        precision = report.ap if kind is None else report.alone[kind]
        np.testing.assert_allclose(precision[np.array(report.classes) - 1], list(wanted.values()), atol=1e-12)
    assert any(report.count(kind) and report.cost(kind) for kind in KINDS)


# ---------------------------------------------------------------- COCO's figures


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_the_evaluation(seed, iou_type):
    rng = np.random.default_rng(seed)
    pictures = [draw_image(rng, 4) for _ in range(15)]
    figures = evaluate(*zip(*pictures), iou_type=iou_type, num_classes=len(CLASSES))
    for min_iou, name in ((0.5, "AP50"), (0.75, "AP75")):
        report = analysed(pictures, iou_type=iou_type, min_iou=min_iou)
        assert report.figures == figures
        assert report.average(report.ap) == pytest.approx(figures[name], abs=1e-12)


def test_only_as_many_count_as_in_the_evaluation():
    truth, found = one_image(scores=np.linspace(0.1, 0.9, 130), labels=[1] * 130)
    report = analysed([(truth, found)])
    assert report.count("duplicate") == 99 and len(report.found["label"]) == 100
    assert report.figures["AP50"] == pytest.approx(report.average(report.ap)) == pytest.approx(1)


# ---------------------------------------------------------------- what the numbers mean


@pytest.mark.parametrize("seed", range(3))
def test_one_after_the_other_they_add_up(seed):
    rng = np.random.default_rng(seed)
    report = analysed([draw_image(rng, 4) for _ in range(10)])
    assert sum(map(report.cost_in_turn, KINDS)) == pytest.approx(report.short_of_one)
    assert sum(map(report.cost, KINDS)) != pytest.approx(report.short_of_one, abs=1e-3)
    for kind in KINDS:
        each = [report.cost(kind, label) for label in report.classes]
        assert report.cost(kind) == pytest.approx(np.mean(each))
        assert report.count(kind) == sum(report.count(kind, label) for label in range(1, 5))


def test_of_two_mistakes_about_one_object_the_better_finds_it():
    box, near = [0, 0, 20, 20], [0, 0, 20, 7]
    truth = Target(np.array([box], np.float32), np.array([1]))
    found = Detections(np.array([near, box], np.float32), np.array([1, 2]), np.array([0.9, 0.8]))
    report = analysed([(truth, found)])
    assert report.cost("poor box") == pytest.approx(1) and report.cost("wrong class") == 0
    assert report.count("missed") == 0 and report.classes == [1]


def test_nothing_found_at_all():
    truth, _ = one_image()
    report = analysed([(truth, empty_image()[1])])
    assert report.count("missed") == 1 and report.cost("missed") == 1 == report.short_of_one
    nothing = analysed([empty_image()])
    assert nothing.classes == [] and nothing.short_of_one == 0 and nothing.cost("missed") == 0
    assert nothing.figures["AP"] == -1


@pytest.mark.long
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_it_costs_at_most_half_as_much_again_as_evaluating(iou_type):
    """Of computing, not of the clock: 200 scenes found and judged, with and without their errors; best of three."""
    model = load_tour_detector()
    stream = SceneStream(SceneConfig(), split="test", seed=0, batch_size=1)

    def seconds(judge, end):
        began = time.process_time()
        for number in range(200):
            image, truth = stream.scene(number)
            batch = collate([image])
            judge.add(truth, model.detect(batch.images, sizes=batch.sizes)[0])
        end(judge)
        return time.process_time() - began

    names = model.config.class_names
    evaluating, analysing = [], []
    for _ in range(3):
        evaluating.append(seconds(Evaluator(iou_type=iou_type, num_classes=len(names)), Evaluator.summarize))
        analysing.append(seconds(ErrorAnalysis(names, iou_type=iou_type), ErrorAnalysis.report))
    assert min(analysing) <= 1.5 * min(evaluating), (analysing, evaluating)


def test_refusals():
    with pytest.raises(ArgumentError, match="iou_type must be 'bbox' or 'segm'; got 'keypoints'"):
        ErrorAnalysis(CLASSES, iou_type="keypoints")
    with pytest.raises(ArgumentError, match="background_iou < min_iou"):
        ErrorAnalysis(CLASSES, min_iou=0.05)
    with pytest.raises(ArgumentError, match="no picture was added"):
        ErrorAnalysis(CLASSES).report()
