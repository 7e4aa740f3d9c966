"""Flat parameters: views that stay views, gaps that stay empty, and pieces that cover everything."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.nn.flat import ALIGNED, PIECE, Flat, pieces
from tinymaskrcnn.nn.layers import Linear
from tinymaskrcnn.nn.module import Parameter


def parameters(dtype=np.float32):
    rng = np.random.default_rng(0)
    sizes = {"a": (3, 5), "b": (), "none": (0, 2), "c": (20,)}
    made = {name: Parameter(np.asarray(rng.normal(size=size), dtype)) for name, size in sizes.items()}
    for p in made.values():
        p.grad += np.asarray(rng.normal(size=p.value.shape), dtype)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_keep_their_numbers_and_become_views(dtype):
    members = parameters(dtype)
    before = {name: (p.value.copy(), p.grad.copy()) for name, p in members.items()}
    flat = Flat(members, decay=False)
    assert flat.value.shape == flat.grad.shape and flat.value.dtype == flat.grad.dtype == dtype
    assert flat.trainable and not flat.decay
    for name, p in members.items():
        np.testing.assert_array_equal(p.value, before[name][0])
        np.testing.assert_array_equal(p.grad, before[name][1])
        assert flat.holds(name, p)
    flat.value += 1
    flat.zero_grad()
    for name, p in members.items():
        np.testing.assert_array_equal(p.value, before[name][0] + 1)
        assert p.grad.shape == before[name][1].shape and not p.grad.any()


def test_parameters_start_where_loads_are_fast_and_gaps_are_zero():
    members = parameters()
    flat = Flat(members)
    starts = [
        p.value.__array_interface__["data"][0] - flat.value.__array_interface__["data"][0] for p in members.values()
    ]
    assert all(start % ALIGNED == 0 for start in starts)
    assert np.count_nonzero(flat.value) == np.count_nonzero(flat.grad) == sum(p.value.size for p in members.values())


def test_a_layer_learns_through_its_views():
    layer = Linear(3, 2, rng=np.random.default_rng(0))
    x, dy = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    flat = Flat(dict(layer.named_parameters()))
    _, cache = layer.forward(x)
    layer.backward(dy, cache)
    np.testing.assert_array_equal(flat.view(flat.grad, "weight"), np.full((3, 2), 4))
    np.testing.assert_array_equal(flat.view(flat.grad, "bias"), np.full(2, 4))
    assert flat.holds("weight", layer.weight)


def test_it_notices_when_a_parameter_looks_elsewhere():
    members = parameters()
    flat, p = Flat(members), members["a"]
    p.value = p.value.copy()
    assert not flat.holds("a", p) and flat.holds("c", members["c"])
    members["c"].grad = members["c"].grad * 2
    assert not flat.holds("c", members["c"])
    assert not flat.holds("stranger", p)


def test_gathering_fills_only_what_is_given():
    members = parameters()
    flat = Flat(members)
    memory = flat.gather({"c": np.arange(20)})
    np.testing.assert_array_equal(flat.view(memory, "c"), np.arange(20, dtype=np.float32))
    assert memory.dtype == np.float32 and memory.shape == flat.value.shape
    assert not flat.view(memory, "a").any()


def test_two_parameters_may_not_share_an_array():
    array = np.ones(3, np.float32)
    with pytest.raises(ArgumentError, match=r"two of \['a', 'b'\] share an array; to tie weights, share the Parameter"):
        Flat({"a": Parameter(array), "b": Parameter(array)})


def test_on_a_device(device):
    members = {name: Parameter(device.asarray(p.value)) for name, p in parameters().items()}
    flat = Flat(members)
    assert isinstance(flat.value, device.ndarray) and isinstance(members["a"].grad, device.ndarray)
    flat.value *= 0
    assert not members["a"].value.get().any()
    assert [a.shape for (a,) in pieces(device.asarray(np.zeros(3 * PIECE, np.float32)))] == [(3 * PIECE,)]


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
def test_pieces_cover_every_number_once(size):
    a, b = np.zeros(size), np.arange(size)
    for part, numbers in pieces(a, b):
        assert len(part) == len(numbers) <= PIECE
        part += numbers + 1
    np.testing.assert_array_equal(a, np.arange(size) + 1)
