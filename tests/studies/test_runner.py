"""What is missing is run, row by row, and nothing twice."""

import dataclasses

import pytest
from studies.small_question import ARMS, question
from train.ranks import rank_threads

from tinymaskrcnn.studies import runner
from tinymaskrcnn.studies.question import Arm
from tinymaskrcnn.studies.rows import Row, Rows


@pytest.fixture
def measured(monkeypatch):
    """Stands in for training: notes which plans were asked for, and stops at the number that a test sets."""
    asked, stop = [], []

    def measure(plan, work, **where):
        if len(asked) in stop:
            raise KeyboardInterrupt
        asked.append(plan)
        return Row.of(plan, figures={"bbox": {"AP": 0.5}}, failed="broke" if plan.seed == 7 else "")

    monkeypatch.setattr(runner, "measured", measure)
    monkeypatch.setattr(runner, "forget", lambda plan, work: asked.append(("forget", plan.training)))
    return asked, stop


def run(rows, tmp_path, asked=None, **which):
    runner.run(runner.missing([asked or question()], rows, **which), rows, work=tmp_path / "work")


def test_seeds_come_whole_and_what_shares_a_training_comes_together(measured, tmp_path):
    asked, _ = measured
    run(Rows(tmp_path), tmp_path, seeds=2)
    plans = [entry for entry in asked if not isinstance(entry, tuple)]
    small = question()
    order = [ARMS[0], ARMS[2], ARMS[1]]  # the third trains as the first does
    wanted = [small.plan(arm, seed).digest for seed in (0, 1) for arm in order]
    assert [plan.digest for plan in plans] == wanted and [plan.seed for plan in plans] == [0, 0, 0, 1, 1, 1]
    forgotten = [entry[1] for entry in asked if isinstance(entry, tuple)]
    assert forgotten == [small.plan(arm, seed).training for seed in (0, 1) for arm in ARMS[:2]]


def test_finished_rows_are_kept_and_not_run_again(measured, tmp_path):
    asked, stop = measured
    rows = Rows(tmp_path)
    stop.append(3)
    with pytest.raises(KeyboardInterrupt):
        run(rows, tmp_path, seeds=2)
    assert len(list(tmp_path.glob("*.json"))) == 2  # and a training was forgotten
    stop.clear()
    before = set(tmp_path.glob("*.json"))
    run(rows, tmp_path, seeds=2)
    digests = [(plan.digest, plan.seed) for plan in asked if not isinstance(plan, tuple)]
    assert len(digests) == len(set(digests)) == 6 and before < set(tmp_path.glob("*.json"))
    assert runner.missing([question()], rows, seeds=2) == []


def test_questions_share_rows(measured, tmp_path):
    rows = Rows(tmp_path)
    run(rows, tmp_path, seeds=1)
    other = question((Arm("the same as first"), Arm("new", {"model.roi.aligned": False}, expect="null")), name="other")
    plans = runner.missing([other, question()], rows, seeds=1)
    assert [plan.digest for plan in plans] == [other.plan(other.arms[1], 0).digest]


def test_rows_that_failed_are_run_again_when_asked(measured, tmp_path):
    rows = Rows(tmp_path)
    plan = question().plan(ARMS[0], 0)
    rows.put(plan, Row.of(plan, failed="broke"))
    of_one = dataclasses.replace(question(), arms=ARMS[:1])
    assert runner.missing([of_one], rows, seeds=1) == []
    assert runner.missing([of_one], rows, seeds=1, again=True) == [plan]


@pytest.mark.parametrize("size", [2, 5])
def test_ranks_share_what_rank_0_lacks_and_it_has_all_rows_in_the_end(measured, tmp_path, size):
    """Each rank is a machine with a disk of its own, on which rows of before may lie."""
    asked, _ = measured
    small = question()
    plans = runner.missing([small], Rows(tmp_path), seeds=3)
    folders = [Rows(tmp_path / str(rank)) for rank in range(size)]
    there = plans[1]
    for rows in (folders[0], folders[-1]):
        rows.put(there, Row.of(there, figures={"bbox": {"AP": 0.25}}))
    folders[-1].put(plans[4], Row.of(plans[4], figures={"bbox": {"AP": 0.75}}))  # rank 0 has not

    def work(ranks):
        rows = folders[ranks.rank]
        mine = runner.missing_together([small], rows, ranks, seeds=3)
        runner.run_together(mine, rows, ranks, work=tmp_path / f"work{ranks.rank}")
        return [(plan.digest, plan.seed) for plan in mine], {plan.training for plan in runner.share(mine, ranks)}

    told = rank_threads.on_ranks(size, work)
    wanted = [(plan.digest, plan.seed) for plan in plans if plan != there]
    assert all(sorted(names) == sorted(wanted) for names, _ in told) and len({tuple(names) for names, _ in told}) == 1
    assert sum(len(trainings) for _, trainings in told) == len({plan.training for plan in plans if plan != there})
    trained = [entry for entry in asked if not isinstance(entry, tuple)]
    assert len(trained) == len(wanted), "nothing is trained twice"
    assert folders[0].get(there).figures["bbox"]["AP"] == 0.25
    assert all(folders[0].get(plan).figures["bbox"]["AP"] == 0.5 for plan in plans if plan != there)


def test_what_begins_with_one_backbone_is_measured_by_one_rank():
    arms = Arm("a", pretrained=3), Arm("b", {"train.frozen_stages": 4}, pretrained=3)
    plans = runner.missing([question(arms)], Rows("no"), seeds=2)
    parts = rank_threads.on_ranks(2, lambda ranks: runner.share(plans, ranks))
    assert [{plan.seed for plan in part} for part in parts] == [{0}, {1}] and sum(map(len, parts)) == 4
