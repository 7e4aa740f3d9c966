"""A usual run draws a share of the examples, a run of all tests many more; of few, all are drawn."""

import drawn_examples
import pytest
from drawn_examples import examples
from hypothesis import HealthCheck, find, given
from hypothesis import strategies as st


@pytest.mark.parametrize("everything, named, drawn", [(False, 60, 20), (False, 12, 10), (False, 5, 5), (True, 60, 180)])
def test_how_many_are_drawn(monkeypatch, everything, named, drawn):
    monkeypatch.setattr(drawn_examples, "ALL", everything)
    chosen = examples(named)
    assert chosen.max_examples == drawn and chosen.deadline is None

    seen = []

    @chosen
    @given(st.floats())
    def look(x):
        seen.append(x)

    look()
    assert len(seen) == drawn


def test_of_many_cases_each_run_leaves_two_thirds_to_others_and_all_its_processes_the_same(monkeypatch):
    runs = []
    for run in map(str, range(40)):
        monkeypatch.setattr(drawn_examples, "RUN", run)
        left = drawn_examples.not_now(list(range(60)))
        assert len(left) == 40 and left == drawn_examples.not_now(list(range(60)))
        runs.append(set(left))
    assert not set.intersection(*runs) and len(set(map(frozenset, runs))) > 30  # each comes, sooner or later
    assert drawn_examples.not_now(list("few")) == [] and len(drawn_examples.not_now(list(range(6)))) == 3


def test_more_can_be_said():
    assert examples(30, suppress_health_check=[HealthCheck.too_slow]).suppress_health_check == (HealthCheck.too_slow,)
    assert find(st.integers(), lambda n: n > 3, settings=examples(30)) == 4
