"""Markdown and JSON of an answer."""

import json

from studies.small_question import Told, question

from tinymaskrcnn.studies.answer import answered
from tinymaskrcnn.studies.report import as_json, in_words, markdown, power


def answer():
    asked = question()
    table = {"first": {0: 0.5, 1: 0.52, 2: 0.54}, "second": {0: 0.2, 1: 0.21, 2: 0.25}, "third": {0: 0.5, 1: "broke"}}
    return answered(asked, Told(asked, table))


def test_markdown_has_a_row_for_each_arm():
    lines = markdown(answer()).splitlines()
    assert (
        lines[0] == "## Is it?"
        and lines[2] == "`tinymaskrcnn ablate small`"
        and "*Published.* P." in lines
        and "*Here.* W." in lines
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert {len(row) for row in rows} == {7}
    assert rows[2] == ["first", "0.520", "0.500 0.520 0.540", "", "", "", ""]
    assert rows[3] == ["second", "0.220", "0.200 0.210 0.250", "-0.300", "-0.325 to -0.275", "lower", "1 against 2"]
    assert rows[4] == ["third", "0.500", "0.500 (1 failed)", "+0.000", "-", "no difference", ""]
    assert "second against first: lower, as expected" in lines[-3]


def test_what_was_learned_afterwards_is_told_when_all_rows_are_there():
    asked = question(after="So that is why.")
    some = {"first": {0: 0.5, 1: 0.5}, "second": {0: 0.2, 1: 0.2}}
    assert "Afterwards" not in markdown(answered(asked, Told(asked, some), seeds=2))
    done = answered(asked, Told(asked, some | {"third": {0: 0.5, 1: "broke"}}), seeds=2)
    assert markdown(done).endswith("*Afterwards.* So that is why.")


def test_the_power_is_that_of_the_spread():
    assert power(answer()).endswith("0.1 is shown with a power of 0.8 by 2 seeds.") and "3 paired seeds" in power(
        answer()
    )


def test_measures_in_words():
    assert [in_words(m) for m in ("bbox.AP", "segm.APhigh")] == ["box AP", "mask AP, mean of AP75 to AP90"]
    assert in_words("mask_scores.mask_score") == "rank correlation with the IoU of the mask, mask score"


def test_json_holds_the_same_and_nothing_infinite():
    told = json.loads(json.dumps(as_json(answer()), allow_nan=False))
    assert told["arms"][1]["values"] == {"0": 0.2, "1": 0.21, "2": 0.25} and not told["complete"]
    second, third = told["comparisons"]
    assert (
        second["found"] == "lower" and second["expected"] == "lower" and second["low"] < second["mean"] < second["high"]
    )
    assert third["low"] is None and third["spread"] is None and third["mean"] == 0
    assert told["arms"][2]["failed"] == {"1": "broke"}
