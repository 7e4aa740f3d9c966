"""From scores to detections, and masks pasted where they belong."""

import dataclasses
import tracemalloc
import types

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.models import postprocess
from tinymaskrcnn.models.found import Found
from tinymaskrcnn.models.postprocess import detections_from_boxes, paste_masks, pasted_there
from tinymaskrcnn.ops import boxes as box_ops
from tinymaskrcnn.ops import nms

CONFIG = RoIConfig(detections_per_image=4)
SIZES = np.array([[100, 100]])
MODES = ("continuous", "integer")


def detect(logits, proposals, config=CONFIG):
    logits = np.array(logits, np.float32)
    proposals = np.array(proposals, np.float32)[None]
    deltas = np.zeros((len(logits), logits.shape[1], 4), np.float32)
    valid = np.ones(proposals.shape[:2], bool)
    found, labels, scores, keep = detections_from_boxes(logits, deltas, proposals, valid, config, sizes=SIZES)
    return found[0][keep[0]], labels[0][keep[0]].tolist(), scores[0][keep[0]]


def test_overlaps_are_suppressed_within_a_class_only():
    boxes = [[10, 10, 30, 30], [11, 10, 31, 30], [60, 60, 90, 90]]
    found, labels, scores = detect([[0, 5, 4.5], [0, 4, 0], [0, 0, 6]], boxes)
    assert labels == [2, 1, 2]  # best first; the first proposal's class 1 fell to the second's
    np.testing.assert_allclose(found, [boxes[2], boxes[1], boxes[0]])
    assert (np.diff(scores) <= 0).all()


def test_background_and_low_scores_are_no_detections():
    found, labels, _ = detect([[9, 0, 0], [9, 0, 0]], [[10, 10, 30, 30], [60, 60, 90, 90]])
    assert found.shape == (0, 4) and labels == []


def test_limit_per_image_and_clipping():
    boxes = [[i * 20 - 5, -7, i * 20 + 10, 12] for i in range(5)]
    found, labels, _ = detect([[0, 5 + i, 0] for i in range(5)], boxes)
    assert len(found) == 4 and found.min() == 0
    roomy = dataclasses.replace(CONFIG, detections_per_image=9, score_threshold=0.9)
    found, _, _ = detect([[0, 5, 0]] * 5, boxes, roomy)
    assert len(found) == 5


@examples(40)
@given(st.integers(0, 10_000))
def test_detections_by_hand(seed):
    """Image by image and class by class, every box decoded: what the few candidates together must give."""
    rng = np.random.default_rng(seed)
    n, p, classes = 2, 12, 4
    logits, deltas = rng.normal(size=(n * p, classes)) * 2, rng.normal(size=(n * p, classes, 4))
    corner = rng.uniform(0, 60, (n, p, 2))
    proposals = np.concatenate([corner, corner + rng.uniform(1, 30, (n, p, 2))], axis=2)
    valid, sizes = rng.random((n, p)) > 0.2, np.array([[70, 60], [50, 80]])
    config = dataclasses.replace(CONFIG, score_threshold=0.2, min_size=3.0, detections_per_image=5)
    found, labels, scores, keep = detections_from_boxes(logits, deltas, proposals, valid, config, sizes=sizes)
    assert found.shape == (n, 5, 4) and labels.shape == scores.shape == keep.shape == (n, 5)
    score = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for i in range(n):
        wanted = []
        for c in range(1, classes):
            rows = slice(i * p, (i + 1) * p)
            decoded = box_ops.decode(deltas[rows, c], proposals[i], weights=config.delta_weights)
            decoded = box_ops.clip(decoded, height=sizes[i, 0], width=sizes[i, 1])
            good = valid[i] & (score[rows, c] > 0.2) & ((decoded[:, 2:] - decoded[:, :2]) >= 3.0).all(axis=1)
            good = nms.nms(decoded, score[rows, c], iou_threshold=config.nms_iou, valid=good)
            wanted += [(score[i * p + k, c], c, decoded[k]) for k in np.flatnonzero(good)]
        wanted = sorted(wanted, key=lambda row: -row[0])[:5]
        assert labels[i][keep[i]].tolist() == [c for _, c, _ in wanted] and keep[i].sum() == len(wanted)
        np.testing.assert_allclose(scores[i][keep[i]], [s for s, _, _ in wanted])
        np.testing.assert_allclose(found[i][keep[i]], np.reshape([b for _, _, b in wanted], (-1, 4)))


def test_a_full_mask_covers_exactly_its_box():
    box = np.array([[10, 20, 40, 50]], np.float32)
    pasted = paste_masks(np.ones((1, 28, 28), np.float32), box, height=64, width=64)
    wanted = np.zeros((64, 64), bool)
    wanted[20:50, 10:40] = True
    np.testing.assert_array_equal(pasted[0], wanted)


def test_half_a_mask_covers_half_the_box():
    mask = np.zeros((1, 4, 4), np.float32)
    mask[:, :, :2] = 1
    pasted = paste_masks(mask, np.array([[8, 8, 24, 16]], np.float32), height=32, width=32)
    assert np.flatnonzero(pasted[0].any(axis=0)).tolist() == list(range(8, 16))


@examples(30)
@given(st.integers(0, 10_000))
def test_pasting_at_the_masks_own_size_returns_the_mask(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 9, 9)) > 0.5
    corner = rng.integers(0, 20, (3, 2))
    boxes = np.concatenate([corner, corner + 9], axis=1).astype(np.float32)
    pasted = paste_masks(mask.astype(np.float32), boxes, height=32, width=32)
    for k, (x, y) in enumerate(corner):
        np.testing.assert_array_equal(pasted[k, y : y + 9, x : x + 9], mask[k])
        assert pasted[k].sum() == mask[k].sum()


def test_boxes_partly_outside_and_empty_boxes_and_no_boxes():
    boxes = np.array([[-10, -10, 5, 5], [7, 7, 7, 7]], np.float32)
    pasted = paste_masks(np.ones((2, 8, 8), np.float32), boxes, height=16, width=16)
    assert pasted[0, :5, :5].all() and pasted[0].sum() == 25 and pasted[1].sum() == 0
    assert paste_masks(np.ones((0, 8, 8), np.float32), boxes[:0], height=16, width=20).shape == (0, 16, 20)


@examples(40)
@given(st.integers(0, 10_000), st.sampled_from(MODES), st.sampled_from((0.5, 0.05, 0.0)))
def test_only_the_region_of_a_box_is_computed(seed, mode, threshold):
    """However the regions are grouped, and as if every object had been enlarged over the whole picture."""
    rng = np.random.default_rng(seed)
    masks, size = rng.random((5, 6, 6)), rng.integers(2, 70, 2)
    corner = rng.uniform(-20, 60, (5, 2))
    found = np.concatenate([corner, corner + rng.uniform(-2, 50, (5, 2))], axis=1)
    where = {"height": int(size[0]), "width": int(size[1]), "mode": mode}
    weights = {"continuous": postprocess._interpolation, "integer": postprocess._integer_interpolation}[mode]
    pixels = [np.broadcast_to(np.arange(n), (5, n)) for n in size]
    rows, columns = (weights(found[:, 1 - i], found[:, 3 - i], pixels[i], 6) for i in (0, 1))
    whole = rows @ masks @ columns.transpose(0, 2, 1)
    for area in (1, 900, 1 << 20):
        soft = paste_masks(masks, found, **where, threshold=None, area=area)
        np.testing.assert_allclose(soft, whole, atol=1e-15)
        np.testing.assert_array_equal(
            paste_masks(masks, found, **where, threshold=threshold, area=area), soft >= threshold
        )


def test_memory_of_pasting_is_that_of_the_pictures():
    masks = np.ones((6, 28, 28), np.float32)
    found = np.array(
        [[0, 0, 900, 900], [5, 5, 25, 25], [0, 0, 900, 300], [5, 5, 9, 9]] + [[1, 1, 2, 2]] * 2, np.float32
    )
    tracemalloc.start()
    pasted = paste_masks(masks, found, height=900, width=900)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pasted.nbytes + 2 * 900 * 900 * 4  # the result, and the largest region in float32 with its bools


# ---------------------------------------------------------------- whole pixels


def pasted_by_hand(mask, box, height, width):
    """torchvision's steps: a border of zeros, a box that grows alike, whole pixels, bilinear between their centres."""
    size = len(mask)
    padded = np.pad(mask, 1)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * (size + 2) / size
    x1, y1, x2, y2 = (int(v) for v in (*(middle - half), *(middle + half)))  # towards zero
    columns, rows = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    canvas = np.zeros((height, width))
    for y in range(max(y1, 0), min(y2 + 1, height)):
        for x in range(max(x1, 0), min(x2 + 1, width)):
            v = np.clip((y - y1 + 0.5) * (size + 2) / rows - 0.5, 0, size + 1)
            u = np.clip((x - x1 + 0.5) * (size + 2) / columns - 0.5, 0, size + 1)
            (i, a), (j, b) = (int(v), v % 1), (int(u), u % 1)
            down, right = min(i + 1, size + 1), min(j + 1, size + 1)
            top, bottom = ((1 - b) * padded[r, j] + b * padded[r, right] for r in (i, down))
            canvas[y, x] = (1 - a) * top + a * bottom
    return canvas


@examples(25)
@given(st.integers(0, 10_000))
def test_integer_pasting_by_hand(seed):
    rng = np.random.default_rng(seed)
    masks, corner = rng.random((3, 6, 6)), rng.uniform(-9, 20, (3, 2))
    found = np.concatenate([corner, corner + rng.uniform(0, 25, (3, 2))], axis=1)
    soft = paste_masks(masks, found, height=22, width=27, mode="integer", threshold=None)
    wanted = np.stack([pasted_by_hand(mask, box, 22, 27) for mask, box in zip(masks, found)])
    np.testing.assert_allclose(soft, wanted, atol=1e-12)
    hard = paste_masks(masks, found, height=22, width=27, mode="integer")
    assert hard.dtype == bool and ((soft >= 0.5) == hard).all()


def test_pasting_modes():
    box = np.array([[3.2, 4.7, 20.4, 18.1]], np.float32)
    modes = [paste_masks(np.ones((1, 8, 8), np.float32), box, height=32, width=32, mode=m)[0] for m in MODES]
    assert np.abs(modes[0].sum() / (17.2 * 13.4) - 1) < 0.05 and 0 < (modes[0] != modes[1]).mean() < 0.06
    soft = paste_masks(np.ones((1, 8, 8), np.float32), box, height=32, width=32, threshold=None)
    assert soft.dtype == np.float32 and 0 < soft.min(initial=1, where=soft > 0) < 0.5
    with pytest.raises(ArgumentError, match="mode must be 'continuous' or 'integer'; got 'nearest'"):
        paste_masks(np.ones((1, 8, 8), np.float32), box, height=32, width=32, mode="nearest")


# ---------------------------------------------------------------- where a kernel pastes


PICTURES = [(7, 13), (9, 5)]  # of pictures; no width fills its last byte


def packed(asked):
    """In the place of the kernel: rows of bytes, as wide as the largest picture needs."""

    def paste_bits(masks, boxes, *, old, new, **settings):
        asked.append((old, new, settings))
        bits = np.zeros((*masks.shape[:2], max(h * -(-w // 8) for h, w in new)), np.uint8)
        for i, (height, width) in enumerate(new):
            whole = paste_masks(masks[i], boxes[i], height=height, width=width, **settings)
            rows = np.packbits(whole, axis=2).reshape(len(whole), -1)
            bits[i, :, : rows.shape[1]] = rows
        return bits

    return paste_bits


def same(given, wanted):
    return len(given) == len(wanted) and all(one is other for one, other in zip(given, wanted))


@pytest.mark.parametrize("mode", MODES)
def test_masks_that_a_kernel_pastes_are_the_same(mode, rng, monkeypatch):
    masks, corner = rng.uniform(size=(2, 3, 4, 4)), rng.uniform(-1, 4, (2, 3, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 6, (2, 3, 2))], axis=2)
    others = np.ones((2, 3, 1))
    found = Found(boxes, np.ones((2, 3), int), np.ones((2, 3)), np.ones((2, 3), bool), {"mask": masks, "other": others})
    asked, config = [], types.SimpleNamespace(mask_threshold=0.4, paste=mode)
    where = dict(old=PICTURES, new=PICTURES, config=config)
    assert same(pasted_there(found, paste_masks, **where), (found, paste_masks))  # no kernel does it here
    monkeypatch.setattr(postprocess, "paste_bits", packed(asked))
    there, unpack = pasted_there(found, paste_masks, **where)
    assert asked == [(PICTURES, PICTURES, {"threshold": 0.4, "mode": mode})]
    assert there.boxes is found.boxes and there.said["other"] is others and found.said["mask"] is masks
    for i, (height, width) in enumerate(PICTURES):
        place = dict(height=height, width=width, threshold=0.4, mode=mode)
        mine, wanted = unpack(there.said["mask"][i], boxes[i], **place), paste_masks(masks[i], boxes[i], **place)
        assert mine.dtype == bool and np.array_equal(mine, wanted) and wanted.any()
    own = lambda *args, **options: None  # noqa: E731
    assert same(pasted_there(found, own, **where), (found, own))
    boxes_only = dataclasses.replace(found, said={"other": others})
    assert same(pasted_there(boxes_only, paste_masks, **where), (boxes_only, paste_masks))
    assert len(asked) == 1
