"""All detections of a picture judged at once: beside plain loops, with ties and crowds, as COCO's evaluation does."""

import numpy as np
import pytest
from coco_cases import draw_image, empty_image

from tinymaskrcnn.explain.judging import ERRORS, crowds, judge_overlaps, overlaps
from tinymaskrcnn.structures import Target


def in_loops(iou, labels, truths, crowd, min_iou=0.5, background_iou=0.1):
    """[(kind, object or -1)] of each detection, and who found each object."""
    by, said = [-1] * len(truths), []
    for k, label in enumerate(labels):
        ours = [m for m in range(len(truths)) if truths[m] == label and not crowd[m]]
        others = [m for m in range(len(truths)) if truths[m] != label and not crowd[m]]
        many = [m for m in range(len(truths)) if truths[m] == label and crowd[m] and iou[k][m] >= min_iou]
        free = [m for m in ours if by[m] < 0 and iou[k][m] >= min_iou]
        best = max(ours, key=lambda m: iou[k][m], default=None)
        other = max(others, key=lambda m: iou[k][m], default=None)
        if free:
            m = max(free, key=lambda m: (iou[k][m], m))
            by[m] = k
            said.append(("right", m))
        elif many:
            said.append(("crowd", max(many, key=lambda m: iou[k][m])))
        elif best is not None and background_iou <= iou[k][best] < min_iou:
            said.append(("poor box", best))
        elif other is not None and iou[k][other] >= min_iou:
            said.append(("wrong class", other))
        elif best is not None and iou[k][best] >= min_iou:
            said.append(("duplicate", best))
        elif other is not None and iou[k][other] >= background_iou:
            said.append(("wrong class, poor box", other))
        else:
            said.append(("background", -1))
    return said, by


@pytest.mark.parametrize("seed", range(40))
def test_as_plain_loops_say(seed):
    truth, found = draw_image(np.random.default_rng(seed), 3)
    found = found.select(np.argsort(-found.scores, kind="stable"))
    iou = overlaps(found, truth, ("bbox", "segm")[seed % 2])
    judged = judge_overlaps(iou, found.labels, truth.labels, crowds(truth))
    said, by = in_loops(iou, found.labels, truth.labels, crowds(truth))
    assert list(zip(judged.kind.tolist(), judged.object.tolist())) == said and judged.by.tolist() == by
    assert all(iou[k, m] == judged.iou[k] for k, (_, m) in enumerate(said) if m >= 0)


def test_the_drawn_pictures_have_every_kind():
    kinds = set()
    for seed in range(40):
        truth, found = draw_image(np.random.default_rng(seed), 3)
        judged = judge_overlaps(overlaps(found, truth), found.labels, truth.labels, crowds(truth))
        kinds |= set(judged.kind.tolist())
    assert kinds == {"right", "crowd", *ERRORS}


def test_nothing_found_and_nothing_to_find():
    truth, found = empty_image()
    one, _ = draw_image(np.random.default_rng(3), 3)
    assert len(one)
    assert overlaps(found, one).shape == (0, len(one))
    judged = judge_overlaps(overlaps(found, one), found.labels, one.labels, crowds(one))
    assert len(judged.kind) == 0 and (judged.by == -1).all()
    _, strangers = draw_image(np.random.default_rng(2), 3)
    judged = judge_overlaps(overlaps(strangers, truth), strangers.labels, truth.labels, crowds(truth))
    assert len(strangers) and set(judged.kind) == {"background"} and (judged.iou == 0).all()


def test_of_equal_overlaps_the_last_object_is_found():
    box = np.array([[0, 0, 10, 10]], np.float32)
    truth = Target(np.repeat(box, 2, axis=0), np.array([1, 1]))
    judged = judge_overlaps(np.ones((1, 2)), np.array([1]), truth.labels, crowds(truth))
    assert judged.object.tolist() == [1] and judged.by.tolist() == [-1, 0]
