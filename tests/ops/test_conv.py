"""ops/conv.py: convolutions against their loop definitions, the harness, unread borders, and their errors."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import conv, naive
from tinymaskrcnn.testing import check_pair

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
BORDER = st.tuples(st.integers(0, 2), st.integers(0, 2))


def draws(seed=0):
    """A function of a shape that gives the next normal numbers of a fixed sequence."""
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape)


def close(actual, wanted):
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- conv2d


@examples(40)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=PAIR,
    stride=PAIR,
    padding=BORDER,
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2, 3]),
    N=st.integers(0, 2),
    seed=st.integers(0, 999),
)
def test_conv2d_equals_the_definition(size, kernel, stride, padding, dilation, groups, N, seed):
    normal = draws(seed)
    assume(all(d * (k - 1) < s + 2 * p for d, k, s, p in zip(dilation, kernel, size, padding)))
    x, weight, bias = normal(N, *size, 2 * groups), normal(*kernel, 2, groups), normal(groups)
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    close(conv.conv2d_forward(x, weight, bias, **options)[0], naive.conv2d(x, weight, bias, **options))


@pytest.mark.parametrize(
    "size, kernel, options",
    [
        ((4, 5), (3, 3), dict(padding=1)),
        ((5, 4), (1, 1), dict()),
        ((6, 5), (1, 1), dict(stride=2)),
        ((6, 7), (3, 3), dict(stride=2)),  # the last row is never read
        ((8, 5), (2, 3), dict(stride=(3, 1), padding=(0, 1))),
        ((7, 6), (3, 2), dict(dilation=(2, 3))),
        ((4, 4), (3, 3), dict(padding=1, groups=2)),
        ((5, 5), (3, 3), dict(stride=2, padding=2, dilation=2, groups=4)),
    ],
)
def test_conv2d_passes_the_harness(size, kernel, options):
    normal = draws()
    x, weight = normal(2, *size, 4), normal(*kernel, 4 // options.get("groups", 1), 4)
    check_pair(conv.conv2d_forward, conv.conv2d_backward, [x, weight, normal(4)], **options)


def test_conv2d_without_bias():
    normal = draws()
    x, weight = normal(2, 4, 4, 3), normal(3, 3, 3, 2)
    y, cache = conv.conv2d_forward(x, weight, None, padding=1)
    close(y, conv.conv2d_forward(x, weight, np.zeros(2), padding=1)[0])
    dx, dweight, dbias = conv.conv2d_backward(np.ones_like(y), cache)
    assert dx.shape == x.shape and dweight.shape == weight.shape and dbias is None


def test_conv2d_unread_border_gets_zero_gradient():
    normal = draws()
    x = normal(1, 6, 8, 2)
    y, cache = conv.conv2d_forward(x, normal(3, 3, 2, 2), normal(2), stride=2)
    dx, _, _ = conv.conv2d_backward(np.ones_like(y), cache)
    assert y.shape == (1, 2, 3, 2)
    assert not dx[:, 5:].any() and not dx[:, :, 7:].any() and dx[:, :5, :7].all()


def test_conv2d_cache_is_the_agreed_tuple():
    normal = draws()
    x, weight = normal(1, 5, 5, 2), normal(3, 3, 2, 2)
    _, cache = conv.conv2d_forward(x, weight, normal(2), stride=2, padding=[1, 0])
    assert cache[0] is x and cache[1] is weight
    assert cache[2:] == (True, (2, 2), (1, 0), (1, 1), 1)


def test_conv2d_keeps_float32():
    normal = draws()
    x, weight, bias = (a.astype(np.float32) for a in (normal(1, 4, 4, 2), normal(3, 3, 1, 2), normal(2)))
    y, cache = conv.conv2d_forward(x, weight, bias, padding=1, groups=2)
    assert [a.dtype for a in (y, *conv.conv2d_backward(y, cache))] == [np.float32] * 4


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(stride=0), "stride must be an int or a pair .* at least 1; got 0"),
        (dict(stride=(1, -1)), r"stride must .* got \(1, -1\)"),
        (dict(padding=-1), "padding must .* at least 0; got -1"),
        (dict(padding=1.5), "padding must .* got 1.5"),
        (dict(dilation=0), "dilation must .* at least 1; got 0"),
        (dict(dilation=4), r"weight must have a window .* padded input, 6x6; got kernel \(3, 3\) .* spans 9x9"),
        (dict(groups=0), "groups must be an int that divides .* C = 4 .* O = 2; got 0"),
        (dict(groups=3), "groups must .* got 3"),
        (dict(groups=4), "groups must .* O = 2; got 4"),
    ],
)
def test_conv2d_names_the_wrong_option(options, message):
    normal = draws()
    with pytest.raises(ArgumentError, match="conv2d_forward: " + message):
        conv.conv2d_forward(normal(1, 6, 6, 4), normal(3, 3, 4, 2), normal(2), **options)


def test_conv2d_names_a_kernel_larger_than_the_image():
    normal = draws()
    with pytest.raises(ArgumentError, match="weight must have a window between 1x1 and the padded input, 4x2"):
        conv.conv2d_forward(normal(0, 2, 2, 4), normal(3, 3, 4, 2), normal(2), padding=(1, 0))


def test_conv2d_names_wrong_shapes_and_dtypes():
    normal = draws()
    x, weight = normal(1, 6, 6, 4), normal(3, 3, 4, 2)
    with pytest.raises(
        ShapeError, match=r"weight must be .* C/groups = 2 to fit x \(1, 6, 6, 4\) with groups = 2; got"
    ):
        conv.conv2d_forward(x, weight, normal(2), groups=2)
    with pytest.raises(ShapeError, match=r"bias must be \(O,\) with O = 2 to fit weight"):
        conv.conv2d_forward(x, weight, normal(3))
    with pytest.raises(ShapeError, match="x must have 4 axes"):
        conv.conv2d_forward(x[0], weight, normal(2))
    with pytest.raises(DtypeError, match="weight must be float64 like x; got float32"):
        conv.conv2d_forward(x, weight.astype(np.float32), normal(2))


# ---------------------------------------------------------------- transposed convolution


@examples(30)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kernel=PAIR,
    stride=PAIR,
    padding=BORDER,
    N=st.integers(0, 2),
    seed=st.integers(0, 999),
)
def test_conv_transpose2d_equals_the_definition(size, kernel, stride, padding, N, seed):
    normal = draws(seed)
    assume(all((h - 1) * s + k - 2 * p >= 1 for h, s, k, p in zip(size, stride, kernel, padding)))
    x, weight, bias = normal(N, *size, 2), normal(*kernel, 2, 3), normal(3)
    options = dict(stride=stride, padding=padding)
    close(
        conv.conv_transpose2d_forward(x, weight, bias, **options)[0], naive.conv_transpose2d(x, weight, bias, **options)
    )


@pytest.mark.parametrize(
    "kernel, options", [((2, 2), dict(stride=2)), ((4, 3), dict(stride=(2, 1), padding=1)), ((2, 2), dict(stride=3))]
)
def test_conv_transpose2d_passes_the_harness(kernel, options):
    normal = draws()
    inputs = [normal(2, 3, 2, 3), normal(*kernel, 3, 2), normal(2)]
    check_pair(conv.conv_transpose2d_forward, conv.conv_transpose2d_backward, inputs, **options)


def test_conv_transpose2d_is_the_adjoint_of_conv2d():
    normal = draws()
    weight, x, dy = normal(3, 3, 2, 4), normal(1, 7, 7, 2), normal(1, 3, 3, 4)
    y, _ = conv.conv2d_forward(x, weight, None, stride=2)
    back, _ = conv.conv_transpose2d_forward(dy, weight.transpose(0, 1, 3, 2).copy(), None, stride=2)
    np.testing.assert_allclose((y * dy).sum(), (x * back).sum(), rtol=1e-12)


def test_conv_transpose2d_without_bias_has_no_gradient_for_it():
    normal = draws()
    y, cache = conv.conv_transpose2d_forward(normal(1, 2, 2, 2), normal(2, 2, 2, 3), None, stride=2)
    assert conv.conv_transpose2d_backward(y, cache)[2] is None
    assert cache[2:] == (False, (2, 2), (0, 0))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(stride=0), "stride must .* at least 1; got 0"),
        (dict(padding=-1), "padding must .* at least 0; got -1"),
        (dict(padding=2), r"padding must leave at least one output pixel .* got \(2, 2\), which leaves \(-1, -1\)"),
    ],
)
def test_conv_transpose2d_names_the_wrong_option(options, message):
    normal = draws()
    with pytest.raises(ArgumentError, match="conv_transpose2d_forward: " + message):
        conv.conv_transpose2d_forward(normal(1, 2, 2, 2), normal(2, 2, 2, 3), normal(3), **options)


# ---------------------------------------------------------------- one channel per map


@examples(20)
@given(
    K=st.integers(0, 5),
    H=st.integers(1, 3),
    C=st.integers(1, 3),
    O=st.integers(1, 4),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_select_conv1x1_equals_the_definition_and_conv2d(K, H, C, O, seed, data):
    normal = draws(seed)
    channel = np.array(data.draw(st.lists(st.integers(0, O - 1), min_size=K, max_size=K)), int)
    x, weight, bias = normal(K, H, 2, C), normal(1, 1, C, O), normal(O)
    y, _ = conv.select_conv1x1_forward(x, weight, bias, channel=channel)
    close(y, naive.select_conv1x1(x, weight, bias, channel=channel))
    close(y, conv.conv2d_forward(x, weight, bias)[0][np.arange(K), :, :, channel])


def test_select_conv1x1_passes_the_harness():
    normal = draws()
    inputs = [normal(5, 2, 3, 3), normal(1, 1, 3, 4), normal(4)]
    channel = np.array([3, 1, 1, 0, 1])  # one class several times, one never
    check_pair(conv.select_conv1x1_forward, conv.select_conv1x1_backward, inputs, channel=channel)


def test_select_conv1x1_leaves_other_channels_alone():
    normal = draws()
    y, cache = conv.select_conv1x1_forward(normal(2, 2, 2, 3), normal(1, 1, 3, 4), normal(4), channel=np.array([2, 2]))
    _, dweight, dbias = conv.select_conv1x1_backward(np.ones_like(y), cache)
    np.testing.assert_array_equal(dbias, [0, 0, 8, 0])
    assert not dweight[..., [0, 1, 3]].any() and dweight[..., 2].all()


@pytest.mark.parametrize("channel", [[0, 4], [-1, 0]])
def test_select_conv1x1_names_a_channel_out_of_range(channel):
    normal = draws()
    with pytest.raises(ArgumentError, match=r"select_conv1x1_forward: channel must lie in 0\.\.3; got"):
        conv.select_conv1x1_forward(normal(2, 2, 2, 3), normal(1, 1, 3, 4), normal(4), channel=np.array(channel))


def test_select_conv1x1_names_a_channel_that_is_no_int():
    normal = draws()
    with pytest.raises(DtypeError, match="channel must hold integers; got float64"):
        conv.select_conv1x1_forward(normal(2, 2, 2, 3), normal(1, 1, 3, 4), normal(4), channel=np.zeros(2))
