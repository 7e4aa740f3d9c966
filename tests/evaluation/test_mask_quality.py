"""Rank correlation against scipy's, mask IoU against counted pixels, and the ceiling above any ranking."""

import dataclasses

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinymaskrcnn.data import rle
from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.evaluation.mask_quality import MaskQuality, mask_ious, spearman, with_true_scores
from tinymaskrcnn.structures import Detections, Target

NUMBERS = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=30)


@examples(60)
@given(NUMBERS)
def test_rank_correlation_is_scipys(pairs):
    a, b = np.transpose(pairs)
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert spearman(a, b) == 0


def test_a_correlation_of_next_to_nothing_is_zero():
    assert spearman([], []) == spearman([1.0], [2.0]) == spearman([1, 1, 1], [1, 2, 3]) == 0
    assert spearman([1, 2, 3], [10, 20, 21]) == 1 and spearman([1, 2, 3], [3, 2, 0]) == -1


def box_of(mask):
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def scene(rng, objects=4, found=9, side=40, twice=True):
    """Objects, one of them a crowd region, and detections whose masks are objects with some rows left away.

    twice: an object may be found more than once.
    """
    masks = np.zeros((objects, side, side), bool)
    for mask in masks:
        y, x = rng.integers(0, side - 12, 2)
        mask[y : y + rng.integers(6, 12), x : x + rng.integers(6, 12)] = True
    crowd = np.arange(objects) == 0
    truth = Target(np.array(list(map(box_of, masks)), np.float32), rng.integers(1, 3, objects), masks, crowd)
    which = rng.integers(0, objects, found) if twice else rng.permutation(objects)
    found = len(which)
    guessed = masks[which] & (rng.random((found, side, 1)) < 0.8)
    guessed |= masks[which] & (rng.random((found, side, side)) < 0.1)
    guessed[:, 0, 0] = True
    labels = np.where(rng.random(found) < 0.8, truth.labels[which], 3)
    scores = rng.random((2, found))
    return truth, Detections(truth.boxes[which], labels, scores[0], guessed, mask_scores=scores[1])


@pytest.mark.parametrize("encoded", [False, True])
def test_each_mask_is_held_against_the_objects_of_its_class(encoded, rng):
    for _ in range(10):
        truth, found = scene(rng)
        wanted = []
        for label, mask in zip(found.labels, found.masks):
            rivals = [m for m, k, crowd in zip(truth.masks, truth.labels, truth.crowd) if k == label and not crowd]
            wanted.append(max([(m & mask).sum() / (m | mask).sum() for m in rivals], default=0))
        if encoded:
            truth, found = (dataclasses.replace(r, masks=rle.encoded(r.masks)) for r in (truth, found))
        np.testing.assert_allclose(mask_ious(truth, found), wanted, rtol=1e-12)


def test_only_detections_that_found_an_object_are_ranked():
    """Two on the object, one beside it, one of another class."""
    mask = np.zeros((1, 20, 20), bool)
    mask[0, 5:15, 5:15] = True
    truth = Target(np.array([[5, 5, 15, 15]], np.float32), np.array([1]), mask)
    half = mask.copy()
    half[0, :10] = False
    boxes = np.array([[5, 5, 15, 15], [5, 5, 15, 16], [15, 0, 20, 5], [5, 5, 15, 15]], np.float32)
    found = Detections(boxes, np.array([1, 1, 1, 2]), np.array([0.9, 0.8, 0.7, 0.6]), np.concatenate([half, mask] * 2))
    quality = MaskQuality()
    quality.add(truth, dataclasses.replace(found, mask_scores=np.array([0.1, 0.2, 0.9, 0.9])))
    assert quality.summarize() == {"class_score": -1.0, "mask_score": 1.0}
    quality = MaskQuality()
    quality.add(truth, found)  # masks without scores of their own are ranked by those of the boxes
    assert quality.summarize() == {"class_score": -1.0, "mask_score": -1.0}


def test_nothing_found_and_nothing_to_find():
    empty = Target(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    nothing = Detections(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    truth, found = scene(np.random.default_rng(0))
    quality = MaskQuality()
    for pair in ((empty, nothing), (truth, nothing), (empty, found)):
        quality.add(*pair)
        assert not mask_ious(*pair).any() and len(mask_ious(*pair)) == len(pair[1])
    assert quality.summarize() == {"class_score": 0.0, "mask_score": 0.0}


def test_true_scores_are_a_ceiling(rng):
    """Where nothing is found twice, no ranking of the same masks has a higher AP: here some hundred drawn ones."""

    def ap(scenes):
        evaluator = Evaluator(iou_type="segm")
        for truth, found in scenes:
            evaluator.add(truth, found)
        return evaluator.summarize()

    scenes = [scene(rng, twice=False) for _ in range(8)]
    ceiling = ap([(truth, with_true_scores(truth, found)) for truth, found in scenes])
    for _ in range(100):
        drawn = [(t, dataclasses.replace(f, mask_scores=rng.random(len(f)))) for t, f in scenes]
        assert all(ap(drawn)[name] <= ceiling[name] + 1e-12 for name in ("AP", "AP50", "AP75"))
