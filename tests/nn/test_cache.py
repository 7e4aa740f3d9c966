"""Caches read like tuples; a spent one is read once, and nothing outlives the backward that used it."""

import weakref

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.nn import Module
from tinymaskrcnn.nn.layers import Linear, ReLU
from tinymaskrcnn.nn.module import Cache, Sequential, spend
from tinymaskrcnn.nn.more_layers import FrozenBatchNorm2d
from tinymaskrcnn.testing.trees import arrays_inside


def test_it_reads_like_a_tuple_any_number_of_times():
    cache = Cache((1, 2, 3))
    for _ in range(2):
        a, b, c = cache
        assert (a, b, c) == (1, 2, 3) and list(reversed(cache)) == [3, 2, 1] and cache[1] == 2 and len(cache) == 3


def test_a_spent_one_is_read_once_and_loses_its_parts_on_the_way():
    cache = spend(Cache((1, 2, 3)))
    left = [(part, len(cache)) for part in cache]
    assert left == [(1, 2), (2, 1), (3, 0)]
    cache = spend(Cache((1, 2, 3)))
    assert [(part, len(cache)) for part in reversed(cache)] == [(3, 2), (2, 1), (1, 0)]
    for read in (iter, reversed):
        with pytest.raises(ArgumentError, match="spent by an earlier backward; run forward again"):
            read(cache)


def test_spending_reaches_everything_but_the_caches_of_layers():
    inner, deep, leaf = Cache((1,)), Cache((2,)), (np.ones(2), True)
    outer = Cache(({"box": (inner, leaf)}, [deep], leaf, None))
    assert spend(outer) is outer
    first, second, third, fourth = outer
    assert third is leaf and fourth is None and len(outer) == 0
    assert list(inner) == [1] and len(inner) == 0
    assert list(deep) == [2] and len(deep) == 0
    assert spend(leaf) is leaf and len(leaf) == 2


def test_only_composites_keep_a_cache_of_parts():
    rng = np.random.default_rng(0)
    x = np.ones((2, 3), np.float32)
    net = Sequential(Linear(3, 3, rng=rng), ReLU())
    assert type(net.forward(x)[1]) is Cache
    assert type(net.layers[0].forward(x)[1]) is tuple
    assert net.eval().forward(x)[1] is None


class Probe(Module):
    """Hands everything through; on the way back it notes which of the watched arrays are still alive."""

    def __init__(self, watched, notes):
        self.watched, self.notes = watched, notes

    def forward(self, x):
        return x, None

    def backward(self, dy, cache):
        self.notes.append([reference() is not None for reference in self.watched])
        return dy


@pytest.mark.parametrize("spending", [True, False])
def test_the_input_of_a_layer_dies_with_its_backward(spending):
    rng, watched, notes = np.random.default_rng(0), [], []
    probe = Probe(watched, notes)
    inner = Sequential(probe, Linear(3, 3, rng=rng), probe)  # a composite in a composite
    net = Sequential(Linear(3, 3, rng=rng), inner, Linear(3, 3, rng=rng))
    _, cache = net.forward(np.ones((2, 3), np.float32))
    watched += [weakref.ref(cache[1][1][0]), weakref.ref(cache[2][0])]  # the inputs of the second and the third Linear
    net.backward(np.ones((2, 3), np.float32), spend(cache) if spending else cache)
    assert notes == ([[True, False], [False, False]] if spending else [[True, True], [True, True]])
    assert len(cache) == (0 if spending else 3)


def memory(tree):
    """{id: array} of the arrays inside that own their memory."""
    owners = {}
    for _, array in arrays_inside(tree):
        while isinstance(getattr(array, "base", None), np.ndarray):
            array = array.base
        if isinstance(array, np.ndarray):
            owners[id(array)] = array
    return owners


@pytest.mark.parametrize("heads", [("box", "mask"), ("box", "keypoint")])
def test_heads_are_let_go_before_the_backbone_begins_and_gradients_are_the_same(heads):
    images, targets = tiny_scene(keypoints=3)
    model = tiny_model(heads=heads)
    samples = tiny_samples(model, images, targets)
    watched, alive = [], []
    backward = model.backbone.backward
    model.backbone.backward = lambda d, c: alive.append(sum(r() is not None for r in watched)) or backward(d, c)

    def gradients(change):
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, samples=samples)
        _, c_backbone, c_rpn, c_rpn_loss, c_roi = cache
        shared = memory([c_backbone, samples, [p.value for p in model.parameters()]])
        of_heads = {key: array for key, array in memory([c_rpn, c_rpn_loss, c_roi]).items() if key not in shared}
        watched[:] = [weakref.ref(array) for array in of_heads.values()]
        del c_backbone, c_rpn, c_rpn_loss, c_roi, shared, of_heads
        model.backward({name: 1.0 for name in losses}, change(cache))
        return [p.grad.copy() for p in model.parameters()]

    want, got = gradients(lambda cache: cache), gradients(spend)
    assert all(np.array_equal(a, b) for a, b in zip(got, want))
    assert alive[0] == len(watched) > 20
    assert alive[1] == 0, alive


def test_a_fixed_norm_keeps_one_number_per_channel():
    """It learns nothing, so it has no use for its input: half of what a frozen network would keep."""
    _, cache = FrozenBatchNorm2d(3).forward(np.ones((2, 4, 4, 3), np.float32))
    assert [array.shape for _, array in arrays_inside([cache])] == [(3,)]
