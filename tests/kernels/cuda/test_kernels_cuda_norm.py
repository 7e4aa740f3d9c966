"""kernels/cuda/norm.py: sums in another order than the text's; everything per pixel as there."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.ops import activation, more_norms, norm

BATCH = norm.batch_norm2d_forward, norm.batch_norm2d_backward
RELU = more_norms.batch_norm2d_relu_forward, more_norms.batch_norm2d_relu_backward
FROZEN = more_norms.frozen_batch_norm2d_forward, more_norms.frozen_batch_norm2d_backward
FORWARD = ["column_moments", "batch_statistics", "normalize"]
BACKWARD = ["gradient_sums", "parameter_gradients", "batch_norm_dx"]
SHAPES = [(2, 3, 4, 5), (3, 17, 11, 1), (1, 1, 1, 6), (5, 1, 1, 3), (4, 20, 9, 33)]  # more and fewer pixels than lanes


def inputs(normal, shape):
    return normal(*shape) + 3, normal(shape[3]), normal(shape[3])


@pytest.mark.in_turn
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pair", [BATCH, RELU], ids=["alone", "with ReLU"])
def test_batch_norm(compare_pair, normal, pair, shape):
    *_, forward_cost, backward_cost = compare_pair(*pair, inputs(normal, shape), (FORWARD, BACKWARD))
    assert forward_cost == 7 and backward_cost == 6


@pytest.mark.parametrize(("shape", "blocks"), [((8, 64, 64, 16), 128), ((2, 200, 304, 64), 512), ((8, 4, 4, 64), 2)])
def test_the_threads_of_a_sum_grow_with_the_picture(normal, shape, blocks):
    """A card has room for thousands of threads at a time: 16 blocks for every size left most of it idle."""
    x, (weight, bias) = xp.empty(shape, np.float32), (normal(shape[3]), normal(shape[3]))
    with strict_device.kernels(dry=True), strict_device.counting() as cost:
        y, cache = norm.batch_norm2d_forward(x, weight, bias)
        norm.batch_norm2d_backward(y, cache)
    blocks_of = {event.name: event.given[1][0] for event in cost.events if event.name in FORWARD + BACKWARD}
    assert blocks_of["column_moments"] == blocks_of["gradient_sums"] == blocks
    assert (blocks_of["batch_statistics"], blocks_of["parameter_gradients"]) == (shape[3], 2 * shape[3])


def test_a_mean_far_from_zero_costs_no_digits(normal):
    """Squares are added up about the mean of a lane: a sum of squares about zero would lose all of them here."""
    x = normal(4, 40, 40, 3) + 4000
    weight, bias = normal(3), normal(3)
    wanted = norm.batch_norm2d_forward.readable(*(a.astype(np.float64) for a in (x, weight, bias)))[0].get()
    with strict_device.kernels():
        y = norm.batch_norm2d_forward(x, weight, bias)[0].get()
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-3 * abs(wanted).max())


def test_not_a_number_stays_one_behind_the_relu(on_device, normal):
    x, weight, bias = inputs(normal, (2, 3, 4, 5))
    x[0, 0, 0, 0] = np.nan
    (y, _), *_ = on_device(lambda: more_norms.batch_norm2d_relu_forward(x, weight, bias))
    assert np.isnan(y.get()[..., 0]).all() and (y.get()[..., 1:] >= 0).all()


def running(shape, dtype=np.float32):
    C = shape[3]
    return xp.asarray(np.linspace(-1, 1, C, dtype=dtype)), xp.asarray(np.linspace(0.5, 2, C, dtype=dtype))


@pytest.mark.parametrize("shape", SHAPES)
def test_running_statistics(normal, shape):
    x, weight, bias = inputs(normal, shape)
    got, wanted = running(shape), running(shape)
    norm.batch_norm2d_forward(x, weight, bias, running_mean=wanted[0], running_var=wanted[1], momentum=0.3)
    with strict_device.kernels() as launched:
        norm.batch_norm2d_forward(x, weight, bias, running_mean=got[0], running_var=got[1], momentum=0.3)
    assert launched == FORWARD
    for g, w in zip(got, wanted):
        np.testing.assert_allclose(g.get(), w.get(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_frozen_batch_norm(compare_pair, normal, shape, eps):
    mean, var = running(shape)
    data = dict(mean=mean, var=var, eps=eps)
    arrays = inputs(normal, shape)
    y = more_norms.frozen_batch_norm2d_forward(*arrays, **data)[0]
    *_, forward_cost, _ = compare_pair(*FROZEN, arrays, (["frozen_batch_norm"], []), **data)
    assert forward_cost == 3
    with strict_device.kernels():
        assert np.array_equal(more_norms.frozen_batch_norm2d_forward(*arrays, **data)[0].get(), y.get())


def test_either_backward_follows_either_forward(on_device, normal):
    arrays = inputs(normal, (2, 3, 4, 5))
    mean, var = running((2, 3, 4, 5))
    for (forward, backward), data in ((BATCH, {}), (FROZEN, dict(mean=mean, var=var))):
        (y, kernel_cache), *_ = on_device(lambda: forward(*arrays, **data))  # noqa: B023
        text_cache = forward.readable(*arrays, **data)[1]
        dy = normal(*y.shape)
        wanted = backward.readable(dy, text_cache)
        for got in (backward.readable(dy, kernel_cache), on_device(lambda: backward(dy, text_cache))[0]):  # noqa: B023
            for a, b in zip(got, wanted):
                np.testing.assert_allclose(a.get(), b.get(), rtol=0, atol=1e-5 * abs(b.get()).max())


def test_relu_backward_is_exact(on_device, normal):
    dy, x = normal(3, 5, 7), normal(3, 5, 7)
    dy[0, 0, 0] = np.inf
    with strict_device.kernels():
        y, cache = activation.relu_forward(x)
    with np.errstate(invalid="ignore"):
        wanted = activation.relu_backward(dy, cache).get()
    dx, launched, operations = on_device(lambda: activation.relu_backward(dy, cache))
    assert launched == ["relu_dx"] and operations == 2
    assert np.array_equal(dx.get().view(np.int32), wanted.view(np.int32))  # zeros have their sign


def test_views_with_gaps_are_taken(on_device, normal):
    x, weight, bias = inputs(normal, (2, 4, 6, 3))
    x = x[:, :, ::2]
    (y, cache), launched, _ = on_device(lambda: norm.batch_norm2d_forward(x, weight, bias))
    assert launched == FORWARD
    np.testing.assert_allclose(y.get(), norm.batch_norm2d_forward(x, weight, bias)[0].get(), atol=1e-5)


def test_what_is_left_to_the_text(on_device, normal):
    for shape, kind in (((0, 3, 3, 2), np.float32), ((1, 2, 2, 2), np.float64)):
        arrays = [a.astype(kind) for a in (normal(*shape), normal(2), normal(2))]
        mean, var = running(shape, kind)
        for (forward, backward), data in ((BATCH, {}), (FROZEN, dict(mean=mean, var=var))):
            (y, cache), launched, _ = on_device(lambda: forward(*arrays, **data))  # noqa: B023
            assert launched == on_device(lambda: backward(y, cache))[1] == []  # noqa: B023
        assert on_device(lambda: activation.relu_backward(arrays[0], arrays[0]))[1] == []  # noqa: B023


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row += lanes) sum += x", "row += lanes + 1) sum += x"),
        ("lane < lanes; lane += blockDim.x) sum += partial", "lane + 1 < lanes; lane += blockDim.x) sum += partial"),
        ("lane < lanes; lane += blockDim.x) sum += of_kind", "lane + 1 < lanes; lane += blockDim.x) sum += of_kind"),
        ("half > 0", "half > 1"),
        ("distance = x[row * C + c] - mean", "distance = x[row * C + c]"),
        ("+ rows * distance * distance", ""),
        ("sum_of_block(squares) / M", "sum_of_block(squares) / (M - 1)"),
        ("distance = x[i] - mean[c]", "distance = x[i]"),
        ("var * unbiased", "var"),
        ("+ bias[c];", ";"),
        ("along += d * centred[row * C + i % C]", "along += d"),
        ("partial[lanes * C + i] = sum", "partial[lanes * C + i] = along"),
        ("gradients[C + c] / M)", "gradients[C + c])"),
        ("inv_std[c] * gradients[c] / -(float)M", "gradients[c] / -(float)M"),
        ("mean[c] * scale", "mean[c]"),
        ("inverse * weight[c]", "inverse"),
        ("y ? d * (y[i] > 0.0f ? 1.0f", "y ? d * (y[i] >= 0.0f ? 1.0f"),
        ("dx[i] = dy[i] * (y[i] > 0.0f ? 1.0f", "dx[i] = dy[i] * (y[i] >= 0.0f ? 1.0f"),
        ("rectify && value", "value"),
        ("rectify && value <= 0.0f", "false"),
        ("behind_relu(dy[i], y, i)", "dy[i]"),
        ("behind_relu(dy[row * C + i % C], y, row * C + i % C)", "dy[row * C + i % C]"),
    ],
)
def test_planted_faults_are_seen(normal, old, new):
    shape = (2, 13, 20, 3)
    arrays, dy = inputs(normal, shape), normal(*shape)

    def everything():
        mean, var = running(shape)
        y, cache = norm.batch_norm2d_forward(*arrays, running_mean=mean, running_var=var)
        r, relu_cache = more_norms.batch_norm2d_relu_forward(*arrays)
        z, frozen_cache = more_norms.frozen_batch_norm2d_forward(*arrays, mean=running(shape)[0], var=running(shape)[1])
        gradients = *norm.batch_norm2d_backward(dy, cache), *more_norms.frozen_batch_norm2d_backward(dy, frozen_cache)
        gradients += more_norms.batch_norm2d_relu_backward(dy, relu_cache)
        return y, r, z, mean, var, *gradients, activation.relu_backward(dy, activation.relu_forward(dy)[0])

    def agree(got, wanted):
        return all(np.allclose(a.get(), b.get(), rtol=0, atol=2e-5 * abs(b.get()).max()) for a, b in zip(got, wanted))

    wanted = everything()
    with strict_device.kernels():
        assert agree(everything(), wanted)
    with strict_device.kernels(faults={"norm": ((old, new),)}):
        assert not agree(everything(), wanted)
