"""One object, and a hand-made trace for each of the stages at which it can be lost."""

import dataclasses
import json
import re

import numpy as np
import pytest
from explain.fate_in_loops import CLASSES, MIN_IOU, MIN_SCORE, drawn_trace, told
from explain.fate_in_loops import OBJECT as TARGET
from tiny_model import tiny_config, tiny_model

from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.explain.fate import STAGES, why_missed
from tinymaskrcnn.explain.trace import Anchors, Candidates, DetectionTrace, Proposals, trace_detection
from tinymaskrcnn.structures import Detections

OBJECT = (10.0, 10.0, 30.0, 30.0)
FITS = (10.0, 10.0, 30.0, 26.0)  # IoU 0.8 with the object
AWAY = (40.0, 40.0, 60.0, 60.0)
NEAR = (17.0, 10.0, 37.0, 30.0)  # IoU 13 / 27 with the object: does not fit
FLAT, TALL = 1, 2  # labels


def made_up(**changes):
    """A trace in which the object is found as "tall" with 0.9, changed in places: {"proposals.kept": ...}."""
    f32 = lambda *rows: np.array(rows, np.float32)  # noqa: E731
    refined = np.broadcast_to(f32(FITS, AWAY)[:, None], (2, 2, 4))
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 10:26, 10:30] = True
    parts = {
        "anchors": Anchors(f32(FITS, AWAY), f32(FITS, AWAY), f32(0.8, 0.3), np.array([2, 2]), np.array([0, 1])),
        "candidates": Candidates(
            f32(FITS, AWAY), f32(0.8, 0.3), np.array([2, 2]), np.array([0, 1]), np.array([True, True])
        ),
        "proposals": Proposals(
            f32(FITS, AWAY),
            f32(0.8, 0.3),
            np.array([0, 1]),
            np.array([2, 2]),
            f32((0.04, 0.06, 0.9), (0.98, 0.01, 0.01)),
            refined,
            np.array([[True, True], [False, False]]),
            np.array([[False, True], [False, False]]),
        ),
        "detections": Detections(f32(FITS), np.array([TALL]), f32(0.9), mask),
    }
    for name, value in changes.items():
        part, field = name.split("__")
        value = value if field == "masks" else np.asarray(value, getattr(parts[part], field).dtype)
        parts[part] = dataclasses.replace(parts[part], **{field: value})
    blank = np.zeros((64, 64, 1), np.float32)
    return DetectionTrace(blank, [], origins=np.array([0]), mask_probabilities=None, config=tiny_config(), **parts)


NOTHING = {
    "detections__boxes": np.zeros((0, 4)),
    "detections__labels": np.zeros(0),
    "detections__scores": np.zeros(0),
    "detections__masks": np.zeros((0, 64, 64), bool),
}
NOT_KEPT = NOTHING | {"proposals__kept": np.zeros((2, 2))}
NO_REFINED = NOT_KEPT | {"proposals__refined": np.broadcast_to(np.array(AWAY), (2, 2, 4))}
NO_PROPOSAL = NO_REFINED | {"proposals__boxes": [AWAY, AWAY]}


def test_an_object_that_is_found_has_boxes_after_every_stage():
    fate = why_missed(made_up(), OBJECT, label=TALL)
    assert (fate.stage, fate.culprit) == ("found", None)
    assert list(fate.counts) == [name for name, _ in STAGES]
    assert min(fate.counts.values()) == 1
    assert fate.numbers == {"score": pytest.approx(0.9), "best_iou": pytest.approx(0.8)}
    assert fate.best_iou["proposals"] == pytest.approx(0.8)


def test_lost_at_the_anchors():
    never = {"anchors__boxes": [NEAR, AWAY], "anchors__moved": [AWAY, AWAY], "candidates__boxes": [AWAY, AWAY]}
    fate = why_missed(made_up(**NO_PROPOSAL, **never), OBJECT, label=TALL)
    assert fate.stage == "anchors"
    assert fate.numbers == {"best_iou": pytest.approx(13 / 27), "level": 2}
    np.testing.assert_array_equal(fate.culprit, NEAR)
    assert not any(fate.counts.values())


def test_lost_when_the_deltas_move_every_anchor_away():
    moved = {"anchors__moved": [NEAR, AWAY], "candidates__boxes": [NEAR, AWAY]}
    fate = why_missed(made_up(**NO_PROPOSAL, **moved), OBJECT, label=TALL)
    assert fate.stage == "deltas"
    assert fate.numbers == {"iou_before": pytest.approx(0.8), "iou_after": pytest.approx(13 / 27)}


def test_lost_when_objectness_ranks_it_too_low():
    low = {"candidates__boxes": [AWAY, AWAY], "anchors__moved": [FITS, FITS]}
    low |= {"anchors__rank": [25, 20], "anchors__objectness": [0.05, 0.1]}
    fate = why_missed(made_up(**NO_PROPOSAL, **low), OBJECT, label=TALL)
    assert fate.stage == "top-n"
    assert fate.numbers == {"rank": 21, "limit": 20, "objectness": pytest.approx(0.1), "level": 2}
    assert "number 21 on P2; only 20 go on" in fate.reason


def test_lost_in_the_nms_of_the_rpn():
    rival = (10.0, 0.0, 30.0, 21.0)  # fits the first candidate better than the object
    thin = {"candidates__boxes": [FITS, rival], "candidates__scores": [0.8, 0.95], "candidates__kept": [False, True]}
    changed = made_up(**NO_PROPOSAL, **thin)
    fate = why_missed(changed, OBJECT, label=TALL)
    assert fate.stage == "RPN NMS"
    np.testing.assert_array_equal(fate.culprit, rival)
    assert fate.numbers["shared_iou"] == pytest.approx(11 / 26)
    assert fate.numbers["rival_iou"] == pytest.approx(11 / 30)
    assert (fate.numbers["score"], fate.numbers["rival_score"]) == (pytest.approx(0.8), pytest.approx(0.95))


def test_a_box_of_another_level_is_not_the_rival():
    elsewhere, rival = (10.0, 12.0, 30.0, 24.0), (10.0, 2.0, 30.0, 22.0)  # the first shares more with the lost box
    changes = {
        "candidates__boxes": [FITS, elsewhere, rival],
        "candidates__scores": [0.8, 0.99, 0.9],
        "candidates__level": [2, 3, 2],
        "candidates__kept": [False, True, True],
    }
    fate = why_missed(made_up(**NO_PROPOSAL, **changes), OBJECT, label=TALL, min_iou=0.7)
    assert fate.stage == "RPN NMS"
    np.testing.assert_array_equal(fate.culprit, rival)
    assert "NMS of P2" in fate.reason


def test_lost_among_too_many_proposals():
    many = np.array([AWAY] * 9 + [FITS])
    changes = {
        "candidates__boxes": many,
        "candidates__scores": np.linspace(0.9, 0.5, 10),
        "candidates__level": [2] * 10,
        "candidates__kept": [True] * 10,
    }
    fate = why_missed(made_up(**NO_PROPOSAL, **changes), OBJECT, label=TALL)
    assert fate.stage == "proposals"
    assert fate.numbers == {"rank": 10, "limit": 8, "objectness": pytest.approx(0.5)}


def test_lost_when_the_box_head_moves_the_proposal_away():
    refined = np.array([[FITS, NEAR], [AWAY, AWAY]])  # the box of "flat" fits, but the object is "tall"
    fate = why_missed(made_up(**NOT_KEPT, proposals__refined=refined), OBJECT, label=TALL)
    assert fate.stage == "box deltas"
    assert fate.numbers == {"iou_before": pytest.approx(0.8), "iou_after": pytest.approx(13 / 27)}


def test_lost_for_another_class():
    scores = {"proposals__probabilities": [(0.1, 0.88, 0.02), (0.98, 0.01, 0.01)]}
    unlikely = {"proposals__likely": [[True, False], [False, False]]}
    trace = made_up(**NOT_KEPT, **scores, **unlikely)
    fate = why_missed(trace, OBJECT, label=TALL)
    assert fate.stage == "class score"
    assert fate.numbers["score"] == pytest.approx(0.02)
    assert (fate.numbers["winner"], fate.numbers["winner_score"]) == ("flat", pytest.approx(0.88))
    assert "tall gets 0.02, not above 0.05; the likeliest class is flat with 0.88" in fate.reason


def test_without_a_label_every_class_counts():
    flat = {"detections__labels": [FLAT], "proposals__kept": [[True, False], [False, False]]}
    flat |= {"proposals__likely": [[True, False], [False, False]]}
    assert why_missed(made_up(**flat), OBJECT, label=TALL).stage == "class score"
    assert why_missed(made_up(**flat), OBJECT).stage == "found"


def test_lost_in_the_final_nms_to_a_better_box_of_its_class():
    refined = np.array([[AWAY, FITS], [AWAY, NEAR]])
    changes = {
        "proposals__probabilities": [(0.1, 0.1, 0.8), (0.02, 0.03, 0.95)],
        "proposals__refined": refined,
        "proposals__likely": [[True, True], [False, True]],
        "proposals__kept": [[True, False], [False, True]],
    }
    fate = why_missed(made_up(**NOTHING, **changes), OBJECT, label=TALL)
    assert fate.stage == "final NMS"
    np.testing.assert_array_equal(fate.culprit, NEAR)
    assert fate.numbers["rival_score"] == pytest.approx(0.95)
    assert fate.numbers["shared_iou"] == pytest.approx(13 * 16 / (20 * 16 + 20 * 20 - 13 * 16))


def test_lost_among_too_many_detections():
    fate = why_missed(made_up(**NOTHING), OBJECT, label=TALL)
    assert fate.stage == "detections"
    assert fate.numbers == {"score": pytest.approx(0.9), "rank": 1, "limit": 20}


def test_found_with_a_score_too_low_to_be_shown():
    fate = why_missed(made_up(detections__scores=[0.3]), OBJECT, label=TALL, min_score=0.5)
    assert fate.stage == "shown"
    assert fate.numbers["score"] == pytest.approx(0.3)
    assert fate.numbers["winner"] == "tall"


def test_a_mask_score_is_told_where_masks_have_one():
    """Class score 0.9, predicted IoU 2/3; the mask's true IoU with the object is 0.4."""
    truth, half = np.zeros((64, 64), bool), np.zeros((1, 64, 64), bool)
    truth[10:30, 10:30] = half[0, 10:18, 10:30] = True
    assert "ranks" not in why_missed(made_up(), OBJECT, label=TALL).reason
    trace = made_up(detections__masks=half)
    scored = dataclasses.replace(trace.detections, mask_scores=np.float32([0.6]))
    trace = dataclasses.replace(trace, detections=scored)
    for mask, stage in ((truth, "mask"), (None, "found")):
        fate = why_missed(trace, OBJECT, label=TALL, mask=mask)
        assert fate.stage == stage
        assert fate.numbers["mask_score"] == pytest.approx(0.6)
        assert fate.numbers["predicted_mask_iou"] == pytest.approx(2 / 3)
        assert "thinks that its mask has IoU 0.67, which ranks it with 0.60" in fate.reason


def test_found_with_a_mask_that_does_not_fit():
    truth = np.zeros((64, 64), bool)
    truth[10:30, 10:30] = True
    assert why_missed(made_up(), OBJECT, label=TALL, mask=truth).stage == "found"
    half = np.zeros((1, 64, 64), bool)
    half[0, 10:18, 10:30] = True
    fate = why_missed(made_up(detections__masks=half), OBJECT, label=TALL, mask=truth)
    assert fate.stage == "mask"
    assert fate.numbers["mask_iou"] == pytest.approx(0.4)


@pytest.mark.parametrize("lost", [*range(len(STAGES) + 1)])
@pytest.mark.parametrize("label", [None, 3])
def test_the_reason_is_the_one_that_plain_loops_find(lost, label):
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    compared = 0
    for seed in range(12):
        trace = drawn_trace(np.random.default_rng(seed), lost, label)
        fate = why_missed(trace, TARGET, label=label, mask=mask, min_iou=MIN_IOU, min_score=MIN_SCORE)
        if fate.stage != [*(name for name, _ in STAGES), "found"][lost]:
            continue  # nothing fitted at the stage before
        try:
            wanted, culprit = told(trace, fate.stage, label, mask)
        except ValueError:
            continue  # NMS that keeps no better box does not come from a network
        words = re.findall(r"(?<![\w.])P?(\d[\d.]*|\w+)(?=\W|$)", fate.reason)
        words = [word for word in words if word[0].isdigit() or word in CLASSES]
        close = [w == v if w in CLASSES else float(w) == pytest.approx(v, abs=0.0051) for w, v in zip(words, wanted)]
        assert len(words) == len(wanted) and all(close), (fate.reason, wanted)
        numbers = [v for v in fate.numbers.values() if not isinstance(v, str)]
        known = [w for w in (*wanted, *trace.detections.scores) if not isinstance(w, str)]
        assert all(any(v == pytest.approx(w, rel=1e-5) for w in known) for v in numbers)
        assert json.loads(json.dumps(fate.numbers)) == fate.numbers
        assert (fate.culprit is None) == (culprit is None)
        np.testing.assert_array_equal(fate.culprit, culprit)
        compared += 1
    assert compared >= 3


def test_every_detection_of_a_real_trace_is_found_as_itself(rng):
    trace = trace_detection(tiny_model(seed=3).eval(), rng.random((64, 64, 1)).astype(np.float32))
    found = trace.detections
    assert len(found) > 1
    for box, label, mask in zip(found.boxes, found.labels, found.masks):
        assert why_missed(trace, box, label=label, mask=mask if mask.any() else None, min_iou=0.99).stage == "found"


def test_a_box_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"target_box must be \(4,\)"):
        why_missed(made_up(), [OBJECT])
