"""Rows are kept as small JSON files; rows of another version, of other settings, or damaged ones are told of."""

import dataclasses
import json

import pytest
from studies.small_question import ARMS, question

from tinymaskrcnn.errors import DataError
from tinymaskrcnn.studies import rows as rows_module
from tinymaskrcnn.studies.rows import VERSION, Row, Rows, read_row


@pytest.fixture
def plan():
    return question().plan(ARMS[0], 1)


def a_row(plan, **more):
    told = {"figures": {"bbox": {"AP": 0.25, "APlarge": -1.0}}, "cost": {"passes": 1.0}, "found": [{"boxes": []}]}
    return Row.of(plan, **(told | more))


def test_what_is_put_comes_back(plan, tmp_path):
    rows = Rows(tmp_path / "new")
    assert rows.get(plan) is None
    path = rows.put(plan, a_row(plan))
    back = rows.get(plan)
    assert dataclasses.asdict(back) == json.loads(path.read_text()) and back.value("bbox.AP") == 0.25
    assert back.value("cost.passes") == 1 and back.value("segm.AP") is None and back.version == VERSION
    assert back.settings["train.steps"] == 2 and "train.seed" not in back.settings
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [f"{plan.digest}-1.json"]
    assert max(map(len, path.read_text().splitlines())) < 200 and list(rows.warnings()) == []


def test_a_row_of_another_version_is_said_and_not_mixed(plan, tmp_path, monkeypatch):
    rows = Rows(tmp_path)
    monkeypatch.setattr(rows_module, "VERSION", "9.9/9")
    rows.put(plan, a_row(plan, version="0.0/1"))
    assert rows.get(plan) is None
    [said] = rows.warnings()
    assert said.startswith("1 finished row is of version '0.0/1', and this is '9.9/9': not mixed, measured anew")
    rows.put(plan, a_row(plan, version="9.9/9"))  # measured anew, it takes its place
    assert rows.get(plan) and len(list(tmp_path.iterdir())) == 1


def test_a_file_with_another_plan_s_name_is_refused(plan, tmp_path):
    rows = Rows(tmp_path)
    other = question().plan(ARMS[1], 1)
    rows.put(other, a_row(plan))
    with pytest.raises(DataError, match="is the row of other settings"):
        rows.get(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("seed"), "is no row of a study"),
        (lambda t: t.update(more=1), "is no row of a study"),
        (lambda t: t.update(seed=True), "seed must be a int"),
        (lambda t: t.update(figures=[]), "figures must be a dict"),
        (lambda t: t["figures"].update(bbox=3), "figures.bbox must be a table of numbers"),
        (lambda t: t["figures"]["bbox"].update(AP="much"), "figures.bbox must be a table of numbers"),
        (lambda t: t["cost"].update(passes=None), "cost must be a table of numbers"),
    ],
)
def test_what_is_no_row(plan, tmp_path, change, message):
    table = dataclasses.asdict(a_row(plan))
    change(table)
    path = tmp_path / "row.json"
    path.write_text(json.dumps(table))
    with pytest.raises(DataError, match=message):
        read_row(path)


def test_a_failed_row_has_no_values(plan):
    row = Row.of(plan, failed="loss is not finite")
    assert row.value("bbox.AP") is None and row.failed
