"""The kill matrix, from replies: what counts as found, as a false alarm, as a price."""

import json
import math

import pytest

from tinymaskrcnn.museum import matrix as made
from tinymaskrcnn.museum.exhibits import EXHIBITS
from tinymaskrcnn.museum.matrix import difference, judged, kill_matrix

BUG, OTHER, HARMLESS = (EXHIBITS[name] for name in ("plus-one", "half-a-pixel", "other-ranks"))


def reply(*said, gradient=1e-9, view=1.0):
    checks = {name: {"found": bool(s), "said": s, "seconds": 0.1} for name, s in zip(("one", "two"), said)}
    views = {name: curve([view]) for name in ("iou", "crop", "roi_sample")}
    return {"checks": checks, "views": views, "gradients": {"conv": gradient, "pool": 1e-10}}


def curve(values, **more):
    return {"kind": "curve", "values": {"line": values}, **more}


def test_bugs_are_found_and_alarms_are_told():
    replies = {"": reply("", ""), BUG.name: reply("", "off"), OTHER.name: reply("", ""), HARMLESS.name: reply("oh", "")}
    matrix = judged([BUG, OTHER, HARMLESS], replies, measured=False)
    bug = matrix.verdicts[0]
    assert bug.found == {"two": "off"} and matrix.cheapest(bug) == "two" and matrix.missed == [OTHER.name]
    assert matrix.false_alarms == [("one", HARMLESS.name)] and len(matrix.bugs) == 2
    assert matrix.as_data()["exhibits"][BUG.name]["cheapest"] == "two" and matrix.cheapest(matrix.verdicts[1]) == ""


def test_a_check_that_complains_of_the_clean_package_finds_nothing():
    matrix = judged([BUG], {"": reply("", "always"), BUG.name: reply("", "always")}, measured=False)
    assert matrix.false_alarms == [("two", "")] and matrix.missed == [BUG.name]


def test_prices_are_the_largest_errors_and_travel_as_json():
    replies = {"": reply("", ""), BUG.name: reply("x", "", gradient=0.5, view=3.0)}
    replies[BUG.name]["gradients"]["pool"] = None
    replies[BUG.name]["views"]["crop"] = curve([math.nan])
    verdict = judged([BUG], replies, measured=True).verdicts[0]
    assert verdict.gradient == (math.inf, "pool") and math.isnan(verdict.parity[0]) and verdict.parity[1] == "crop"
    data = judged([BUG], replies, measured=True).as_data()["exhibits"][BUG.name]
    assert json.loads(json.dumps(data, allow_nan=False))["parity"] == ["nan", "crop"]
    replies[BUG.name] = reply("x", "", gradient=0.5, view=3.0)
    verdict = judged([BUG], replies, measured=True).verdicts[0]
    assert verdict.gradient == (0.5, "conv") and verdict.parity == (2.0, "iou")


def test_an_exhibit_without_an_answer_is_no_find(monkeypatch):
    replies = {"": reply("", ""), BUG.name: {"trouble": "too slow"}}
    matrix = judged([BUG], replies, measured=True)
    assert matrix.verdicts[0].trouble == "too slow" and matrix.missed == [BUG.name]
    monkeypatch.setattr(made, "visits", lambda exhibits, **wanted: {"": {"trouble": "SyntaxError"}})
    assert kill_matrix([BUG], program=object()).trouble == "SyntaxError"


@pytest.mark.parametrize(
    ("clean", "view", "wanted"),
    [
        (curve([2.0, -4]), curve([2.0, -3]), 0.25),
        (curve([1.0]), curve([1.0, 2]), math.inf),
        (curve([1.0]), {"trouble": "no"}, math.inf),
        (curve([1.0]), curve([math.nan]), math.nan),
        (curve([math.nan, 1]), curve([math.nan, 1]), 0.0),
        ({"values": {"boxes": [[1.0]], "names": ["a"]}}, {"values": {"boxes": [[1.0]], "names": ["b"]}}, math.inf),
        ({"values": [[1.0, 3]]}, {"values": [[1.0, 0]]}, 1.0),
        ({"values": {"boxes": [], "names": []}}, {"values": {"boxes": [], "names": []}}, 0.0),
    ],
)
def test_the_difference_of_two_views(clean, view, wanted):
    assert difference(clean, view) == pytest.approx(wanted, nan_ok=True)
