"""kernels/cuda/sample.py: the same boxes as the text draws."""

import numpy as np
import pytest
import strict_device
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import xp

from tinymaskrcnn.targets.matcher import balanced_sample


def draw(seed, n, k, shares=(0.1, 0.5, 0.4)):
    rng = np.random.default_rng(seed)
    return rng.choice([1, 0, -1], (n, k), p=shares), 1.0 - rng.random((n, k))


def both(label, keys, **data):
    wanted = balanced_sample(label, keys, **data)
    with strict_device.kernels(seed=len(keys)) as launched, strict_device.counting() as cost:
        got = balanced_sample(xp.asarray(label), xp.asarray(keys), **data)
    assert launched == ["balanced_sample"] and cost.synchronisations == 0 and (cost.launches, cost.sorts) == (2, 1)
    return got.get(), wanted


@examples(60)
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 4),
    k=st.integers(1, 700),
    count=st.integers(1, 300),
    fraction=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    shares=st.sampled_from([(0.1, 0.5, 0.4), (0.0, 0.5, 0.5), (0.6, 0.4, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]),
)
def test_it_draws_what_the_text_draws(seed, n, k, count, fraction, shares):
    got, wanted = both(*draw(seed, n, k, shares), count=count, positive_fraction=fraction)
    assert got.dtype == bool and np.array_equal(got, wanted)


def test_what_is_left_to_the_text():
    for label, keys, count in ((np.zeros((0, 3), int), np.zeros((0, 3)), 2), (*draw(0, 2, 5), 0)):
        with strict_device.kernels() as launched:
            data = dict(count=count, positive_fraction=0.5)
            assert balanced_sample(xp.asarray(label), xp.asarray(keys), **data).shape == label.shape
        assert launched == []


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("positives_before++ < quota", "positives_before++ <= quota"),
        ("count - min(all_positives, quota)", "count - quota"),
        ("chosen[order[place]] = in", "chosen[place] = in"),
        ("negatives_before += negatives[other];", ""),
        ("    __syncthreads();\n", ""),
        ("label += (long long)blockIdx.x * K;", ""),
    ],
)
def test_planted_faults_are_seen(old, new):
    label, keys = draw(3, 2, 600, (0.05, 0.5, 0.45))
    for fraction in (0.05, 0.5):
        data = dict(count=100, positive_fraction=fraction)
        wanted = balanced_sample(label, keys, **data)
        with strict_device.kernels(faults={"sample": ((old, new),)}):
            got = balanced_sample(xp.asarray(label), xp.asarray(keys), **data).get()
        if not np.array_equal(got, wanted):
            return
    raise AssertionError("not seen")
