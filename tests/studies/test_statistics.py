"""The statistics of paired seeds are those of scipy."""

import math

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.studies import statistics

stats = pytest.importorskip("scipy.stats")
special = pytest.importorskip("scipy.special")


@examples(60)
@given(st.floats(0, 1), st.floats(0.1, 200), st.floats(0.1, 200))
def test_the_incomplete_beta_function(x, a, b):
    assert statistics.beta_share(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-12)


@examples(60)
@given(st.floats(0.5, 0.9999), st.integers(1, 400))
@example(0.5000000000000001, 1)
def test_quantiles_of_students_distribution(share, freedom):
    assert statistics.t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-7, abs=1e-9)


@examples(60)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_mean(values, confidence):
    mean, low, high = statistics.mean_interval(values, confidence=confidence)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    wanted = (mean, mean) if error == 0 else stats.t.interval(confidence, len(values) - 1, np.mean(values), error)
    assert (mean, low, high) == pytest.approx((np.mean(values), *wanted), rel=1e-6, abs=1e-9)


def test_one_value_says_nothing_of_the_spread():
    assert statistics.mean_interval([0.25]) == (0.25, -math.inf, math.inf)


@pytest.mark.parametrize("values", [[], [math.nan], [[1.0]], [math.inf, 1.0]])
def test_what_is_no_list_of_numbers(values):
    with pytest.raises(ArgumentError, match="at least one finite number"):
        statistics.mean_interval(values)


@examples(60)
@given(st.lists(st.sampled_from([-1.5, -0.1, 0.0, 0.1, 2.0]), min_size=1, max_size=12))
def test_the_sign_test(differences):
    above, below = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    wanted = stats.binomtest(above, above + below).pvalue if above + below else 1.0
    assert statistics.sign_test(differences) == pytest.approx(wanted)


def test_three_seeds_alone_never_have_a_small_p():
    assert statistics.sign_test([1, 1, 1]) == 0.25 and statistics.sign_test([-1] * 5) == 0.0625


@examples(60)
@given(st.floats(0.1, 3))
def test_so_many_seeds_have_the_power(ratio):
    """By the noncentral t distribution the power of a paired test reaches 0.8 at that count, or nearly, and no sooner.

    The count comes from the central distribution, which is off by less than a seed or two where few are needed.
    """
    count = statistics.seeds_needed(1.0, ratio)

    def power(n):
        limit, shift = stats.t.ppf(0.975, n - 1), ratio * math.sqrt(n)
        return 1 - stats.nct.cdf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift)

    assert power(count) > 0.74
    assert count <= 3 or power(count - 2) < 0.84


def test_an_effect_of_nothing_cannot_be_shown():
    with pytest.raises(ArgumentError, match="above 0"):
        statistics.seeds_needed(1.0, 0.0)
    assert statistics.seeds_needed(0.0, 0.1) == 2 and statistics.seeds_needed(100.0, 0.1) == 1000
