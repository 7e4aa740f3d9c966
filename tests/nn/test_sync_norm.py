"""Batch norm over several machines, against the same layer on all of their pixels; unequal parts, and an empty one."""

import threading

import numpy as np
import pytest

from tinymaskrcnn.nn.layers import BatchNorm2d, Linear
from tinymaskrcnn.nn.module import Sequential
from tinymaskrcnn.nn.sync_norm import SyncBatchNorm2d, synchronise


class Meeting:
    """`everybody` of as many threads."""

    def __init__(self, size):
        self.arrays, self.barrier = [None] * size, threading.Barrier(size)

    def seen_from(self, rank):
        def everybody(array):
            self.arrays[rank] = array.copy()
            self.barrier.wait(30)
            came = list(self.arrays)
            self.barrier.wait(30)
            return came

        return type("Ranks", (), {"everybody": staticmethod(everybody)})()


def layer(dtype, channels=3):
    norm = BatchNorm2d(channels, eps=1e-3).astype(dtype)
    rng = np.random.default_rng(1)
    norm.weight.value[...], norm.bias.value[...] = rng.normal(1, 0.2, channels), rng.normal(0, 1, channels)
    return norm


def on_parts(parts, dparts, dtype):
    """The layer on each rank, whose (y, dx, layer) come back."""
    meeting, results = Meeting(len(parts)), [None] * len(parts)

    def work(rank):
        norm = synchronise(layer(dtype), meeting.seen_from(rank))
        y, cache = norm.forward(parts[rank])
        results[rank] = y, norm.backward(dparts[rank], cache), norm

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("counts", [(2, 2), (5, 1), (3, 0), (1, 0, 4), (0, 0)])
@pytest.mark.parametrize("dtype, near", [(np.float64, 1e-13), (np.float32, 2e-5)])
def test_parts_are_normalised_as_the_whole(counts, dtype, near):
    rng = np.random.default_rng(sum(counts))
    x, dy = (rng.normal(shift, 2, (sum(counts), 4, 5, 3)).astype(dtype) for shift in (30, 0))
    cuts = np.cumsum(counts)[:-1]
    whole = layer(dtype)
    y, cache = whole.forward(x)
    dx = whole.backward(dy, cache)
    parts = on_parts(np.split(x, cuts), np.split(dy, cuts), dtype)
    for wanted, got in ((y, [part[0] for part in parts]), (dx, [part[1] for part in parts])):
        got = np.concatenate(got)
        assert got.dtype == dtype and np.allclose(got, wanted, rtol=near, atol=near)
    for name in ("weight", "bias"):
        summed = sum(getattr(part[2], name).grad for part in parts)
        assert np.allclose(summed, getattr(whole, name).grad, rtol=near, atol=20 * near)
    for name in ("running_mean", "running_var"):
        for part in parts:
            assert np.allclose(getattr(part[2], name).value, getattr(whole, name).value, rtol=near, atol=near)
            assert getattr(part[2], name).value.dtype == dtype


def test_a_finite_difference_on_one_rank_is_felt_on_the_other():
    """The gradient by this rank's pixels has what they do to the other rank's outputs in it."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 2, 2, 3)) for n in (1, 3)]
    dparts = [rng.normal(size=part.shape) for part in parts]
    direction, h = rng.normal(size=parts[0].shape), 1e-6

    def loss(step):
        results = on_parts([parts[0] + step * direction, parts[1]], dparts, np.float64)
        return sum((y * dy).sum() for (y, _, _), dy in zip(results, dparts))

    dx = on_parts(parts, dparts, np.float64)[0][1]
    assert (loss(h) - loss(-h)) / (2 * h) == pytest.approx((dx * direction).sum(), rel=1e-7)


def test_layers_stay_what_and_where_they_are():
    model = Sequential(Linear(2, 3, rng=np.random.default_rng(0)), layer(np.float32), layer(np.float32))
    names, norm = list(model.state_dict()), model.layers[1]
    ranks = object()
    assert synchronise(model, ranks).layers[1] is norm and type(norm) is SyncBatchNorm2d and norm.ranks is ranks
    assert list(model.state_dict()) == names
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    norm.eval(), (plain := layer(np.float32)).eval()
    np.testing.assert_array_equal(norm.forward(x)[0], plain.forward(x)[0])
