"""Masks pasted straight to run lengths: the same masks as through pixels, without the memory."""

import tracemalloc

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.data import rle
from tinymaskrcnn.evaluation.paste import encode_window, paste_encoded
from tinymaskrcnn.models.postprocess import paste_masks


@examples(60)
@given(st.integers(0, 10_000), st.sampled_from(("continuous", "integer")), st.sampled_from((0.5, 0.1, 0.0)))
def test_the_same_masks_as_through_pixels(seed, mode, threshold):
    """Boxes across every border, as high as the picture, empty, and wholly outside."""
    rng = np.random.default_rng(seed)
    H, W = rng.integers(1, 50, 2).tolist()
    masks = rng.random((7, 6, 6), np.float32) ** rng.choice([0.3, 1, 3])
    corner = rng.uniform(-20, 50, (7, 2))
    found = np.concatenate([corner, corner + rng.uniform(-2, 50, (7, 2))], axis=1)
    found[0, [1, 3]] = -1, H + 1
    where = {"height": H, "width": W, "mode": mode, "threshold": threshold}
    codes = paste_encoded(masks, found.astype(np.float32), **where)
    whole = paste_masks(masks, found.astype(np.float32), **where)
    for code, expected in zip(codes, rle.encode_many(whole), strict=True):
        assert code.size == (H, W)
        np.testing.assert_array_equal(code.counts, expected.counts)


def test_no_masks():
    assert paste_encoded(np.zeros((0, 6, 6)), np.zeros((0, 4)), height=5, width=6) == []


@pytest.mark.parametrize("side", [30, 2000])
def test_one_mask_at_a_time_stands_in_memory(side):
    """40 masks of a picture of 4 million pixels: 160 MB as bools; here small ones, and such as cover everything."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 2000 - side, (40, 2))
    found = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    tracemalloc.start()
    codes = paste_encoded(np.ones((40, 28, 28), np.float32), found, height=2000, width=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [rle.area(code) for code in codes] == [pytest.approx(side**2, rel=0.07)] * 40
    assert peak < 45e6  # one mask as float32, as bool, and as edges


@examples(150)
@given(st.integers(0, 2**32 - 1))
def test_windows_are_encoded_as_their_whole_picture(drawn):
    rng, size = np.random.default_rng(drawn), np.random.default_rng(drawn).integers(1, 12, 2).tolist()
    (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)).tolist() for side in size)
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = rng.random((bottom - top, right - left)) < rng.choice([0.0, 0.5, 0.95, 1.0])
    code = encode_window(mask[top:bottom, left:right], left=left, top=top, size=tuple(size))
    np.testing.assert_array_equal(code.counts, rle.encode(mask).counts)
    assert code.size == tuple(size)


def test_masks_outside_of_the_picture_are_empty_ones_of_its_size():
    found = np.array([[-9, -9, -3, -3], [0, 0, 5, 6], [50, 0, 60, 6], [0, 70, 5, 80]], np.float32)
    codes = paste_encoded(np.ones((4, 6, 6), np.float32), found, height=7, width=8)
    assert [code.size for code in codes] == [(7, 8)] * 4
    assert [rle.area(code) for code in codes] == [0, 30, 0, 0] and codes[0].counts.tolist() == [56]
    assert all(code.counts.dtype == np.int64 for code in codes)
