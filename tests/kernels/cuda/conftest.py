"""What every CUDA kernel is held to: run on the host, it equals its readable twin and does not depend on any order."""

import cuda_emulator
import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.testing.trees import leaves

SHARE = 2e-5  # of the largest number of an array: what float32 may be off by


@pytest.fixture(autouse=True)
def compiler(request):
    if "needs_no_compiler" not in request.keywords and not cuda_emulator.available():
        pytest.skip("g++ is missing: the CUDA kernels cannot be run on the host")


@pytest.fixture
def normal():
    """A function of a shape that gives normal float32 numbers on the device."""
    rng = np.random.default_rng(0)
    return lambda *shape: xp.asarray(rng.standard_normal(shape, dtype=np.float32))


def in_float64(tree):
    """The same tree on the device with its float32 arrays widened."""
    if isinstance(tree, (list, tuple)):
        return type(tree)(in_float64(branch) for branch in tree)
    is_float = isinstance(tree, strict_device.StrictArray) and tree.dtype.kind == "f"
    return tree.astype(np.float64) if is_float else tree


def arrays(tree):
    return [leaf.get() for _, leaf in leaves(tree) if isinstance(leaf, strict_device.StrictArray)]


def identical(a, b):
    a, b = arrays(a), arrays(b)
    assert len(a) == len(b) and all(p.dtype == q.dtype and p.tobytes() == q.tobytes() for p, q in zip(a, b))


def close(got, wanted, share=SHARE):
    got, wanted = arrays(got), arrays(wanted)
    assert len(got) == len(wanted)
    for g, w in zip(got, wanted):
        assert (g.shape, g.dtype) == (w.shape, np.float32)
        np.testing.assert_allclose(g, w, rtol=0, atol=share * max(abs(w).max(initial=0), 1e-6))


@pytest.fixture
def on_device():
    """on_device(function): its result, the names of the kernels it launched and the operations it took.

    It runs three times with its threads in other orders, and must give the same bits.
    """

    def call(function, **options):
        results = []
        for seed in (0, 1, 2):
            with strict_device.kernels(seed=seed, **options) as launched, strict_device.counting() as cost:
                results.append(function())
            identical(results[0], results[-1])
        assert cost.synchronisations == 0
        return results[-1], launched, cost.operations

    return call


@pytest.fixture
def compare_pair(on_device, normal):
    """compare(forward, backward, inputs, launches, **data): both directions against the text in float64."""

    def compare(forward, backward, inputs, launches, **data):
        wanted, wide_cache = forward.readable(*in_float64(inputs), **data)
        (y, cache), forward_launched, forward_cost = on_device(lambda: forward(*inputs, **data))
        close(y, wanted)
        dy = normal(*y.shape)
        gradients, backward_launched, backward_cost = on_device(lambda: backward(dy, cache))
        close(gradients, backward.readable(in_float64(dy), wide_cache))
        assert (forward_launched, backward_launched) == launches
        return cache, dy, gradients, forward_cost, backward_cost

    return compare
