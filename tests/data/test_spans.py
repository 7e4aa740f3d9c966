"""Spans against the pixels they stand for: every operation equals the plain one on arrays."""

import tracemalloc

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from pretended_cupy import pretended

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.data import rle
from tinymaskrcnn.data.spans import SpanBatch, Spans
from tinymaskrcnn.targets.roi import mask_targets


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


@examples(150)
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


# ---------------------------------------------------------------- a batch


@st.composite
def drawn_batch(draw):
    """Masks of pictures of several sizes, padded to one: as the array (N, M, H, W), as spans, and the sizes (N, 2)."""
    pictures = [masks for masks, _ in draw(st.lists(drawn(), min_size=1, max_size=3))]
    m = max(1, *map(len, pictures), draw(st.integers(0, 6)))
    sizes = np.array([masks.shape[1:] for masks in pictures])
    height, width = sizes.max(axis=0) + draw(st.integers(0, 7))
    whole = np.zeros((len(pictures), m, height, width), np.uint8)
    for n, masks in enumerate(pictures):
        whole[n, : len(masks), : sizes[n, 0], : sizes[n, 1]] = masks
    return whole, SpanBatch([spans(masks) for masks in pictures], whole.shape), sizes


@pytest.mark.parametrize("aligned", [True, False])
@examples(100)
@given(drawn_batch(), st.integers(0, 99))
def test_targets_sampled_from_a_batch_have_the_bits_of_those_from_the_array(aligned, batch, seed):
    """RoIs of any size in every picture, among them those that end at its borders; every object is asked for."""
    whole, ours, sizes = batch
    np.testing.assert_array_equal(np.asarray(ours), whole)
    assert ours.shape == whole.shape and np.asarray(ours).dtype == whole.dtype
    rng = np.random.default_rng(seed)
    n, m = whole.shape[:2]
    matched = rng.permutation(np.repeat(np.arange(n * m), 2))
    ends = np.sort(rng.choice([0, 0.2, 0.6, 1], (len(matched), 2, 2)) + rng.choice([0, 1e-3]), axis=1)
    rois = (ends * sizes[matched // m][:, None, ::-1]).reshape(-1, 4).astype(np.float32)
    settings = dict(sizes=sizes, size=5, aligned=aligned)
    np.testing.assert_array_equal(
        mask_targets(ours, rois, matched, **settings), mask_targets(whole, rois, matched, **settings)
    )


@examples(50)
@given(drawn_batch())
def test_on_a_device_a_batch_is_the_array(batch):
    whole, ours, _ = batch
    assert ours.moved_to("cpu") is ours
    with pretended():
        there = to_host(ours.moved_to("cuda"))
    np.testing.assert_array_equal(there, whole)
    assert there.dtype == np.uint8


def test_spans_that_touch_are_moved_whole():
    code = rle.RLE((3, 2), np.array([0, 1, 0, 2, 1, 2]))
    ours = SpanBatch([Spans.from_rles([code], size=(3, 2))], (1, 1, 3, 2))
    with pretended():
        np.testing.assert_array_equal(to_host(ours.moved_to("cuda")), rle.decode(code)[None, None])
