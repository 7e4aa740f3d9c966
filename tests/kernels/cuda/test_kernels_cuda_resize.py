"""kernels/cuda/resize.py: nearest upsampling by whole and odd factors, and back."""

import numpy as np
import pytest
import strict_device

from tinymaskrcnn.kernels.cuda import resize as fast
from tinymaskrcnn.ops import resize

PAIR = resize.upsample_nearest2d_forward, resize.upsample_nearest2d_backward
SIZES = [((2, 3), (4, 6)), ((3, 4), (5, 7)), ((1, 1), (4, 3)), ((4, 5), (4, 5)), ((5, 7), (3, 4)), ((2, 2), (9, 2))]


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_upsampling(compare_pair, normal, small, large):
    x = normal(2, *small, 3)
    *_, forward_cost, backward_cost = compare_pair(*PAIR, [x], (["upsample"], ["gather_copies"]), size=large)
    assert backward_cost == 2
    with strict_device.kernels(), strict_device.counting() as again:
        y, _ = resize.upsample_nearest2d_forward(x, size=large)
    assert again.operations == 2, "the rows and columns of a size are made once"
    assert np.array_equal(y.get(), resize.upsample_nearest2d_forward.readable(x, size=large)[0].get())


def test_either_backward_follows_either_forward(normal):
    x, dy = normal(2, 3, 4, 5), normal(2, 7, 8, 5)
    _, text = resize.upsample_nearest2d_forward.readable(x, size=(7, 8))
    wanted = resize.upsample_nearest2d_backward.readable(dy, text).get()
    with strict_device.kernels():
        _, kernel = resize.upsample_nearest2d_forward(x, size=(7, 8))
        for got in (PAIR[1](dy, text), PAIR[1](dy, kernel), PAIR[1].readable(dy, kernel)):
            np.testing.assert_allclose(got.get(), wanted, atol=1e-5)


def test_what_is_left_to_the_text(on_device, normal):
    x = normal(1, 2, 2, 1).astype(np.float64)
    (y, cache), launched, _ = on_device(lambda: resize.upsample_nearest2d_forward(x, size=4))
    assert launched == on_device(lambda: resize.upsample_nearest2d_backward(y, cache))[1] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row * H / HO", "row * HO / HO % H"),
        ("column * W / WO", "column * W / HO"),
        ("out + in - 1", "out"),
        ("first_copy(row + 1, H, HO)", "first_copy(row, H, HO) + 1"),
    ],
)
def test_planted_faults_are_seen(normal, old, new):
    x, dy = normal(2, 3, 4, 5), normal(2, 7, 9, 5)

    def everything():
        y, cache = resize.upsample_nearest2d_forward(x, size=(7, 9))
        return y.get(), resize.upsample_nearest2d_backward(dy, cache).get()

    wanted = everything()
    with strict_device.kernels(faults={"resize": ((old, new),)}):
        assert not all(np.allclose(a, b, atol=1e-5) for a, b in zip(everything(), wanted))


def test_a_result_too_large_to_count_is_left_to_the_text(normal):
    x = normal(1, 1, 1, 1)
    assert fast._takes_forward(x, size=4) and fast._takes_forward(x, size=(32767, 32767))
    assert not fast._takes_forward(x, size=32768) and not fast._takes_forward(x, size=(32768, 32768))
