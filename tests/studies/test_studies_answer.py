"""What is said of rows follows from their numbers; scipy judges the intervals."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from studies.small_question import Told, question

from tinymaskrcnn.studies.answer import answered

stats = pytest.importorskip("scipy.stats")


def answer_of(first, second, third=()):
    asked = question()
    table = {name: dict(enumerate(values)) for name, values in (("first", first), ("second", second), ("third", third))}
    return answered(asked, Told(asked, table), seeds=max(len(first), len(second), 1))


@examples(60)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_the_finding_is_that_of_a_paired_t_test(pairs):
    first, second = zip(*pairs)
    comparison = next(answer_of(first, second).comparisons())
    differences = np.array(second) - np.array(first)
    if np.ptp(differences) < 1e-9:
        return
    test = stats.ttest_rel(second, first)
    low, high = test.confidence_interval(0.95)
    wanted = "null" if low > -0.1 and high < 0.1 else "open"
    if wanted == "open" and test.pvalue < 0.05:
        wanted = "higher" if test.statistic > 0 else "lower"
    if max(*first, *second) < 0.1:
        wanted = "open"  # no difference of 0.1 could show
    if min(abs(low), abs(high), abs(abs(low) - 0.1), abs(abs(high) - 0.1)) > 1e-9:  # not on a border
        assert comparison.found == wanted
    assert comparison.interval == pytest.approx((differences.mean(), low, high))
    assert comparison.p == pytest.approx(
        stats.binomtest(int((differences > 0).sum()), int((differences != 0).sum())).pvalue
    )


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            [0.5, 0.52, 0.54],
            [0.2, 0.21, 0.25],
            "second against first: lower, as expected: -0.300 (95 % interval -0.325",
        ),
        ([0.2, 0.21, 0.25], [0.5, 0.52, 0.54], "higher, not as expected, which was lower: +0.300"),
        ([0.2, 0.3, 0.4], [0.21, 0.30, 0.41], "no difference of 0.1 or more, not as expected, which was lower"),
        ([0.2, 0.3, 0.4], [0.3, 0.3, 0.1], "open: -0.067 (95 % interval"),
        ([0.0, 0.0], [0.0, 0.0], "nothing to tell apart: both reached 0.000 at most, so that 0.1 could not show"),
        ([0.09, 0.0], [0.0, 0.02], "nothing to tell apart: both reached 0.090 at most"),
        ([0.0, 0.0], [0.1, 0.0], "open: +0.050"),
        ([0.2], [0.3], "+0.100 with one seed, which says nothing of the spread; expected was lower."),
        ([], [], "second against first: not measured; expected was lower."),
        (["it broke", 0.3, 0.3], [0.1, 0.1, 0.11], "Failed: seed 0 (it broke)"),
    ],
)
def test_the_verdict_in_a_sentence(first, second, said):
    assert said in answer_of(first, second).verdict()


def test_a_small_but_clear_difference_is_called_small():
    verdict = answer_of([0.3, 0.3, 0.3], [0.20, 0.18, 0.19]).verdict()
    assert "lower, as expected: -0.110" in verdict
    verdict = answer_of([0.30, 0.30, 0.30], [0.215, 0.209, 0.195]).verdict()
    assert "lower (less than the 0.1 that would matter), as expected" in verdict


def test_an_open_question_says_how_many_seeds_it_would_take():
    [comparison, _] = answer_of([0.2, 0.3, 0.4], [0.4, 0.2, 0.4]).comparisons()
    assert (
        comparison.needed > 20
        and f"would take {comparison.needed} seeds" in answer_of([0.2, 0.3, 0.4], [0.4, 0.2, 0.4]).verdict()
    )


def test_only_seeds_that_both_have_are_compared():
    asked = question()
    rows = Told(asked, {"first": {0: 0.1, 1: 0.2, 2: 0.3}, "second": {1: 0.5, 2: 0.6}, "third": {0: "broken"}})
    answer = answered(asked, rows)
    [second, third] = answer.comparisons()
    assert second.differences == pytest.approx({1: 0.3, 2: 0.3}) and third.differences == {}
    assert not answer.complete and answer.failures["third"] == {0: "broken"}
    assert answered(asked, rows, seeds=1).values["first"] == {0: 0.1}


def test_two_that_found_nothing_plan_nothing():
    """A look too short to learn: no seeds are promised for a difference that neither arm is high enough to show."""
    [comparison, _] = answer_of([0.0, 0.01], [0.0, 0.0]).comparisons()
    assert (comparison.found, comparison.needed, comparison.blind) == ("open", None, True)
    [comparison, _] = answer_of([0.0, 0.4], [0.0, 0.0]).comparisons()
    assert comparison.needed > 2 and not comparison.blind
