"""The IoU of a predicted mask with the whole object: what brute force finds on masks at the size of the picture."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.data import rle
from tinymaskrcnn.data.spans import SpanBatch, Spans
from tinymaskrcnn.targets.mask_iou import ScoredMaskTargets, mask_iou_targets, whole_areas
from tinymaskrcnn.targets.roi import mask_targets

SIDE = 48


def targets_of(masks, rois, matched, *, sizes, size, like=np.float64):
    rois = rois.astype(like) if isinstance(rois, np.ndarray) else rois
    seen = mask_targets(masks, rois, matched, sizes=sizes, size=size, aligned=True)
    return ScoredMaskTargets(seen, whole_areas(masks, rois, matched, size=size))


def blob(rng, height, width, cell=(1, 1)):
    """A mask of one or two rectangles with holes, down to a single cell; cell: how many pixels it is high and wide."""
    mask = np.zeros((height // cell[0], width // cell[1]), np.uint8)
    for _ in range(rng.integers(1, 3)):
        y, x = rng.integers(0, mask.shape[0]), rng.integers(0, mask.shape[1])
        mask[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = 1
    mask[rng.random(mask.shape) < 0.1] = 0
    mask[y, x] = 1
    return np.kron(mask, np.ones(cell, np.uint8))


def brute_force(mask, roi, predicted):
    """IoU of two masks of the picture: every cell of the prediction is painted as the pixels that it covers."""
    x1, y1, x2, y2 = roi
    painted = np.zeros(mask.shape, bool)
    painted[y1:y2, x1:x2] = np.kron(predicted, np.ones(((y2 - y1) // len(predicted), (x2 - x1) // len(predicted))))
    return (painted & (mask > 0)).sum() / (painted | (mask > 0)).sum()


@examples(60)
@given(st.integers(0, 10**6), st.sampled_from([2, 4, 8]))
def test_it_is_the_iou_of_masks_at_the_size_of_the_picture(seed, size):
    """RoIs that hold objects, cut them, miss them, with cells of one pixel or of several; pictures that are padded."""
    rng, count = np.random.default_rng(seed), 12
    masks = np.zeros((count, 1, SIDE, SIDE), np.uint8)
    rois, sizes = np.zeros((count, 4), int), np.zeros((count, 2), int)
    for n in range(count):
        cell = rng.integers(1, SIDE // size // 2 + 1, 2) if rng.random() < 0.5 else np.ones(2, int)  # height, width
        grid = rng.integers(size, SIDE // cell + 1)
        sizes[n] = grid * cell  # the rest is padding
        masks[n, 0, : sizes[n, 0], : sizes[n, 1]] = blob(rng, *sizes[n], cell)
        low = rng.integers(0, grid - size + 1) * cell
        rois[n] = *low[::-1], *(low + size * cell)[::-1]
    logits = rng.standard_normal((count, size, size))
    iou = mask_iou_targets(logits, targets_of(masks, rois, np.arange(count), sizes=sizes, size=size))
    wanted = [brute_force(mask, roi, predicted) for mask, roi, predicted in zip(masks[:, 0], rois, logits >= 0)]
    np.testing.assert_allclose(iou, wanted, rtol=0, atol=1e-12)


@examples(30)
@given(st.integers(0, 10**6))
def test_between_pixels_it_stays_close(seed):
    """RoIs anywhere, against pixels cut into 16 x 16 parts: a cell is all in or all out."""
    rng, size, fine = np.random.default_rng(seed), 28, 16
    mask = np.zeros((SIDE, SIDE), np.uint8)
    y, x = rng.integers(4, 14, 2)
    mask[y : y + rng.integers(10, 24), x : x + rng.integers(10, 24)] = 1
    roi = np.concatenate([rng.uniform(2, 16, 2), rng.uniform(26, 44, 2)])
    predicted = rng.random((size, size)) < 0.6
    found = targets_of(mask[None, None], roi[None], np.zeros(1, int), sizes=np.array([[SIDE, SIDE]]), size=size)
    [iou] = mask_iou_targets(np.where(predicted, 1.0, -1.0)[None], found)
    place = (np.arange(SIDE * fine) + 0.5) / fine
    columns, rows = (np.floor((place - roi[i]) / (roi[i + 2] - roi[i]) * size).astype(int) for i in (0, 1))
    inside = ((rows >= 0) & (rows < size))[:, None] & ((columns >= 0) & (columns < size))
    painted = inside & predicted[np.clip(rows, 0, size - 1)[:, None], np.clip(columns, 0, size - 1)]
    whole = np.kron(mask, np.ones((fine, fine))) > 0
    assert iou == pytest.approx((painted & whole).sum() / (painted | whole).sum(), abs=0.05)


def test_a_box_that_cuts_an_object_cannot_score_one():
    """The right half of an object, filled perfectly, is half of it: what mask IoU within the box would call 1."""
    mask = np.zeros((1, 1, SIDE, SIDE), np.uint8)
    mask[0, 0, 8:24, 8:24] = 1
    sizes, full = np.array([[SIDE, SIDE]]), np.ones((1, 8, 8))
    for roi, wanted in (([16, 8, 24, 24], 0.5), ([8, 8, 24, 24], 1.0), ([0, 8, 32, 24], 0.5), ([30, 30, 38, 38], 0)):
        [iou] = mask_iou_targets(full, targets_of(mask, np.array([roi]), np.zeros(1, int), sizes=sizes, size=8))
        assert iou == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiny_objects_and_empty_predictions_stay_within_zero_and_one(dtype):
    """A pixel in a RoI of three, an object at the border, an object without a pixel."""
    masks = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    masks[0, 0, 20, 20] = masks[0, 1, 0, :4] = 1
    rois = np.array([[19.3, 19.1, 22.2, 21.9], [0, 0, 2.5, 0.7], [3, 3, 9, 9], [20.2, 20.2, 20.4, 20.4]], dtype)
    matched, sizes = np.array([0, 1, 2, 0]), np.array([[SIDE, SIDE]])
    answers = targets_of(masks, rois, matched, sizes=sizes, size=28, like=dtype)
    for logits in (np.ones((4, 28, 28), dtype), -np.ones((4, 28, 28), dtype), answers.masks - dtype(0.5)):
        iou = mask_iou_targets(logits, answers)
        assert iou.dtype == dtype and (iou >= 0).all() and (iou <= 1).all()
        assert iou[2] == 0 and (logits.max() > 0 or not iou.any())
    perfect = mask_iou_targets(answers.masks - dtype(0.5), answers)
    assert perfect[0] == pytest.approx(1) and perfect[1] == pytest.approx(2.5 * 0.7 / 4, abs=0.02)
    assert mask_iou_targets(np.ones((4, 28, 28), dtype), answers)[3] < 0.1  # a twenty-fifth of the pixel


def test_no_rois():
    masks, none = np.zeros((1, 1, SIDE, SIDE), np.uint8), np.zeros(0, int)
    answers = targets_of(masks, np.zeros((0, 4)), none, sizes=np.array([[SIDE, SIDE]]), size=8)
    assert mask_iou_targets(np.zeros((0, 8, 8)), answers).shape == (0,)


def test_spans_and_devices_have_the_same_areas(device):
    rng = np.random.default_rng(3)
    masks = np.stack([np.stack([blob(rng, SIDE, SIDE) for _ in range(2)]) for _ in range(2)])
    masks[1, 1] = 0  # padding: the second picture has one object
    spans = [Spans.from_rles(rle.encoded(m[:count]), size=(SIDE, SIDE)) for m, count in zip(masks, (2, 1))]
    batch = SpanBatch(spans, masks.shape)
    rois, matched = np.array([[1, 2, 30, 40], [5, 6, 20.5, 20]], np.float32), np.array([1, 2])
    wanted = whole_areas(masks, rois, matched, size=28)
    np.testing.assert_array_equal(batch.areas(), masks.sum(axis=(2, 3)))
    np.testing.assert_array_equal(whole_areas(batch, rois, matched, size=28), wanted)
    there = whole_areas(*(device.asarray(x) for x in (masks, rois, matched)), size=28)
    np.testing.assert_allclose(to_host(there), wanted, rtol=1e-6)
    assert wanted.dtype == np.float32
