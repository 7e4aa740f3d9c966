"""Spans against the pixels they stand for: every operation equals the plain one on arrays."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.spans import Spans


@st.composite
def drawn(draw):
    """Masks (M, H, W): noise, boxes at borders, whole columns, nothing at all, everything; and a generator."""
    H, W = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = np.zeros((draw(st.integers(0, 5)), H, W), bool)
    for mask in masks:
        kind = rng.integers(5)
        if kind == 0:
            mask[...] = rng.random((H, W)) < rng.random()
        elif kind == 1:
            y, x = rng.integers(H + 1, size=2), rng.integers(W + 1, size=2)
            mask[min(y) : max(y), min(x) : max(x)] = True
        elif kind == 2:
            mask[:, rng.random(W) < 0.5] = True
        elif kind == 3:
            mask[...] = True
    return masks, rng


def spans(masks):
    return Spans.from_rles(rle.encode_many(masks), size=masks.shape[1:])


def same(ours, masks):
    np.testing.assert_array_equal(ours.decode(), masks)
    np.testing.assert_array_equal(ours.areas(), np.count_nonzero(masks, axis=(1, 2)))
    for code, expected in zip(ours.to_rles(), rle.encode_many(masks), strict=True):
        np.testing.assert_array_equal(code.counts, expected.counts)
    assert len(ours) == len(masks) and ours.size == masks.shape[1:]
    order = np.lexsort((ours.start, ours.column, ours.owner))
    assert (order == np.arange(len(order))).all() and (ours.stop > ours.start).all()
    for box, mask in zip(ours.boxes().tolist(), masks):
        y, x = np.nonzero(mask)
        assert box == ([x.min(), y.min(), x.max() + 1, y.max() + 1] if len(x) else [0, 0, 0, 0])


@settings(max_examples=150, deadline=None)
@given(drawn())
def test_every_operation_equals_that_on_pixels(sample):
    masks, rng = sample
    M, H, W = masks.shape
    ours = spans(masks)
    same(ours, masks)
    same(ours.mirrored(), masks[:, :, ::-1])
    top, left = rng.integers(H), rng.integers(W)
    height, width = rng.integers(1, H - top + 1), rng.integers(1, W - left + 1)
    same(ours.window(top, left, height, width), masks[:, top : top + height, left : left + width])
    same(ours.window(0, 0, H + 3, W + 2), np.pad(masks, ((0, 0), (0, 3), (0, 2))))
    rows, columns = np.sort(rng.integers(H, size=rng.integers(1, 40))), np.sort(rng.integers(W, size=30))
    same(ours.sampled(rows, columns), masks[:, rows][:, :, columns])
    chosen = rng.integers(M, size=4) if M else np.zeros(0, np.int64)
    same(ours[chosen], masks[chosen])
    several = ours.sampled(rows, columns).mirrored().window(0, 1, len(rows), 29)
    same(several, masks[:, rows][:, :, columns[::-1]][..., 1:])


def test_counts_of_zero_in_the_middle():
    """Files may hold them: two runs of one column that touch."""
    code = rle.RLE((3, 2), np.array([0, 1, 0, 2, 1, 2]))
    same(Spans.from_rles([code], size=(3, 2)), rle.decode(code)[None])


def test_the_cost_is_that_of_the_outlines():
    boxes = np.array([[x, x, x + 12, x + 12] for x in range(0, 1800, 6)])
    codes = rle.from_boxes(boxes, size=(2000, 2000))
    tracemalloc.start()
    ours = Spans.from_rles(codes, size=(2000, 2000)).mirrored().window(100, 1700, 200, 200)
    assert ours.areas().sum() > 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6  # as pixels: 1.2e9
