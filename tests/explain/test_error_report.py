"""The errors of a data set in words: every number in them is one of the analysis, and the examples are the worst."""

import json

import numpy as np
import pytest
from coco_cases import draw_image
from explain.test_error_analysis import CLASSES, analysed

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.error_analysis import KINDS
from tinymaskrcnn.explain.error_report import side_by_side


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(1)
    return analysed([draw_image(rng, 4) for _ in range(12)])


def test_the_table_says_what_the_analysis_found(report):
    lines = str(report).splitlines()
    for kind in KINDS:
        row = next(line for line in lines if line.startswith(f"{kind}  "))
        assert row.split()[-3:] == [
            *(str(report.count(kind)), f"{report.cost(kind):.3f}", f"{report.cost_in_turn(kind):.3f}")
        ]
    together = next(line for line in lines if line.startswith("added up")).split()
    assert together[-1] == f"{report.short_of_one:.3f}" and together[-2] == f"{sum(map(report.cost, KINDS)):.3f}"
    words = " ".join(str(report).split())
    assert "AP is no sum" in words and f"is {report.short_of_one:.3f} short of 1" in words
    for label in report.classes:
        row = next(line for line in lines if line.startswith(f"{CLASSES[label]} ")).split()
        assert row[2] == f"{report.ap[label - 1]:.3f}"
        assert row[3:] == [f"{report.cost(kind, label):.3f}" for kind in KINDS]


def test_confusions_are_counted_and_the_commonest_comes_first(report):
    counts = [count for _, _, count in report.confusions()]
    assert sum(counts) == report.count("wrong class") and counts == sorted(counts, reverse=True)
    said, true, count = report.confusions()[0]
    assert said != true and f"{CLASSES[said]} for {CLASSES[true]} ({count})" in " ".join(str(report).split())


def test_examples_are_the_worst_of_their_kind(report):
    for kind in KINDS[:-1]:
        scores = [example["score"] for example in report.examples(kind, 100)]
        assert len(scores) == report.count(kind) and scores == sorted(scores, reverse=True)
        assert report.examples(kind, 2) == report.examples(kind, 100)[:2]
    sides = [np.subtract(e["true_box"][2:], e["true_box"][:2]).prod() for e in report.examples("missed", 100)]
    assert len(sides) == report.count("missed") > 0 and sides == sorted(sides, reverse=True)
    with pytest.raises(ArgumentError, match="kind must be one of 'wrong class', "):
        report.examples("odd")


def test_an_example_is_found_again(report):
    rng = np.random.default_rng(1)
    pictures = [draw_image(rng, 4) for _ in range(12)]
    for kind in KINDS:
        for example in report.examples(kind, 100):
            truth, found = pictures[example["picture"]]
            if example["detection"] is not None:
                k = example["detection"]
                assert (found.labels[k], found.scores[k]) == (example["label"], example["score"])
                assert found.boxes[k].tolist() == example["box"]
            if example["object"] is not None:
                m = example["object"]
                assert (truth.labels[m], truth.boxes[m].tolist()) == (example["true"], example["true_box"])


def test_as_json_it_says_the_same(report):
    said = json.loads(json.dumps(report.as_json(examples=1)))
    assert said["figures"] == report.figures and said["ap"] == report.average(report.ap)
    for kind in KINDS:
        assert said["kinds"][kind]["errors"] == report.count(kind)
        assert said["kinds"][kind]["cost"] == report.cost(kind) and len(said["kinds"][kind]["examples"]) <= 1
        assert said["classes"]["a"]["cost"][kind] == report.cost(kind, 1)
    assert said["false_positives"] == report.cost("false positives")
    assert sum(pair["count"] for pair in said["confusions"]) == report.count("wrong class")


def test_two_beside_one_another(report):
    rng = np.random.default_rng(2)
    other = analysed([draw_image(rng, 4) for _ in range(12)])
    text = side_by_side({"runs/001": report, "a/very/long/path/runs/002": other})
    row = next(line for line in text.splitlines() if line.startswith("poor box"))
    assert row.split()[2:] == [
        *(str(report.count("poor box")), f"{report.cost('poor box'):.3f}"),
        *(str(other.count("poor box")), f"{other.cost('poor box'):.3f}"),
    ]
    assert "runs/001" in text and "Compare numbers of errors first." in text
    assert all(len(line) <= 84 for line in text.splitlines())
