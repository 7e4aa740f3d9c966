"""kernels/resize.py: upsampling by whole factors equals the text, which keeps all the rest."""

import numpy as np
import pytest

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.kernels import resize as fast
from tinymaskrcnn.ops import bilinear, resize

PAIR = (
    fast.upsample_nearest2d_forward,
    fast.upsample_nearest2d_backward,
    resize.upsample_nearest2d_forward,
    resize.upsample_nearest2d_backward,
)


@pytest.mark.parametrize(
    "options", ({"size": (10, 8)}, {"size": (5, 12)}, {"size": (15, 4)}, {"size": (5, 4)}, {"size": 20}), ids=str
)
def test_equals_the_text(compare_pair, normal, options):
    x = normal(2, 5, 4, 3)
    assert fast._takes_forward(x, **options)
    compare_pair(*PAIR, (x,), **options)
    y, _ = fast.upsample_nearest2d_forward(x, **options)
    np.testing.assert_array_equal(y, resize.upsample_nearest2d_forward.__wrapped__.readable(x, **options)[0])
    assert not np.shares_memory(x, y)


def test_views_with_gaps(compare_pair, normal):
    compare_pair(*PAIR, (normal(2, 4, 6, 3)[:, ::2, ::3],), size=4)
    y, cache = fast.upsample_nearest2d_forward(normal(1, 2, 2, 3), size=4)
    dy = normal(1, 4, 8, 3)[:, :, ::2]
    want = resize.upsample_nearest2d_backward.__wrapped__.readable(dy, cache)
    np.testing.assert_allclose(fast.upsample_nearest2d_backward(dy, cache), want, rtol=1e-5)


def test_the_rest_is_left_to_the_text(gate_of, normal):
    x = normal(1, 4, 6, 2)
    for size in ((6, 9), (2, 3), (8, 12, 2), (8, 9), (6, 12), (4, 3), [8, 12], (8, 12.0), 12.0, 0, None):
        assert not fast._takes_forward(x, size=size)
    for size in ((4, 6), (8, 18), (8, 6), 12):
        assert fast._takes_forward(x, size=size)
    _, cache = fast.upsample_nearest2d_forward(x, size=(8, 12))
    gate = gate_of("upsample_nearest2d_backward")
    assert gate(normal(1, 8, 12, 2), cache) and gate(normal(1, 4, 18, 2), cache)
    assert not gate(normal(0, 8, 12, 2), cache) and not gate(normal(1, 8, 9, 2), cache)
    assert not gate(normal(1, 6, 12, 2), cache)
    assert not fast._takes_forward(x[:, :0], size=(8, 12))
    with pytest.raises(ArgumentError, match="size"):
        resize.upsample_nearest2d_forward(x, size=0)
    assert {"upsample_nearest2d_forward", "upsample_nearest2d_backward"} <= set(kernel_lookup._KERNELS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{"size": (6, 8)}, {"size": (6, 12)}])
def test_numbers_keep_their_type_and_the_cache_is_the_texts(normal, dtype, options):
    x = normal(2, 2, 4, 3).astype(dtype)
    y, cache = fast.upsample_nearest2d_forward(x, **options)
    wanted, twin_cache = resize.upsample_nearest2d_forward.__wrapped__.readable(x, **options)
    assert y.dtype == dtype and np.array_equal(y, wanted) and cache[2] == twin_cache[2]
    assert all(np.array_equal(a, b) for a, b in zip(cache[:2], twin_cache[:2], strict=True))
    dx = fast.upsample_nearest2d_backward(y, cache)
    assert dx.dtype == dtype and not np.shares_memory(dx, y)


# ---------------------------------------------------------------- bilinear

TEXT = bilinear.resize_bilinear_forward.__wrapped__.readable


@pytest.mark.in_turn
@pytest.mark.parametrize("shape", [(1, 150, 201, 3), (2, 140, 3, 1), (1, 1, 300, 3)], ids=str)
@pytest.mark.parametrize("size", [(150, 201), (37, 400), (1, 1), (299, 5)], ids=str)
@pytest.mark.parametrize("band", [1, 2000, 1 << 17])
def test_bilinear_equals_the_text(monkeypatch, normal, shape, size, band):
    """Smaller and larger, a row and a column, all of it and a row at a time; views with gaps too."""
    monkeypatch.setattr(fast, "BAND", band)
    for x in (normal(*shape), normal(*(2 * s for s in shape))[::2, ::2, 1::2, ::2]):
        assert fast._takes_bilinear(x, size=size)
        y, cache = fast.resize_bilinear_forward(x, size=size)
        wanted, wanted_cache = TEXT(x, size=size)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-6)
        assert y.dtype == np.float32 and not np.shares_memory(x, y)
        for matrix, of_text in zip(cache, wanted_cache, strict=True):
            np.testing.assert_array_equal(matrix, of_text)
            assert matrix.dtype == of_text.dtype
    x = normal(*shape).astype(np.float64)
    np.testing.assert_allclose(fast.resize_bilinear_forward(x, size=size)[0], TEXT(x, size=size)[0], atol=1e-14)


def test_small_maps_and_odd_sizes_are_left_to_the_text(normal):
    assert not fast._takes_bilinear(normal(8, 28, 28, 17), size=(56, 56))
    for size in (5, (5, 0), (5, 5, 5), (5.0, 5), None):
        assert not fast._takes_bilinear(normal(1, 200, 200, 1), size=size)
    assert not fast._takes_bilinear(normal(0, 200, 200, 1), size=(5, 5))
    assert "resize_bilinear_forward" in kernel_lookup._KERNELS
