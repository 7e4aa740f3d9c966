"""The doctor of annotated pictures: every fault gets a name and advice, and anchors are held against the objects."""

import dataclasses
import json

import annotated
import numpy as np
import pytest
from damaged_coco import damage, sound
from drawn_examples import share

from tinymaskrcnn.config import photograph_preset
from tinymaskrcnn.data.coco_check import check_coco, fit_to_model
from tinymaskrcnn.data.coco_report import Problem, Report
from tinymaskrcnn.errors import DataError
from tinymaskrcnn.train.data_doctor import ADVICE, drawn_cases, examine_anchors, examine_annotations

MODEL = photograph_preset(("background",))


def with_sizes(sizes):
    return dataclasses.replace(MODEL, rpn=dataclasses.replace(MODEL.rpn, anchor_sizes=sizes))


def checked(folder, change=lambda contents: None):
    contents = annotated.entries()
    change(contents)
    return fit_to_model(check_coco(*annotated.write(folder, contents)), MODEL)


def test_a_sound_file_has_no_finding(tmp_path):
    assert examine_annotations(checked(tmp_path)) == [] and drawn_cases(checked(tmp_path), tmp_path) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda c: c["annotations"][0].update(bbox=[4, 6, -1, 12]), "empty box"),
        (lambda c: c["annotations"][0].update(bbox=[34, 6, 10, 12]), "box outside"),
        (lambda c: c["annotations"][0].update(bbox="x"), "box"),
        (lambda c: c["annotations"][0].update(category_id=99), "ids"),
        (lambda c: c["annotations"][0].update(segmentation=[[0, 0, 99, 0, 9, 9]]), "mask outside"),
        (lambda c: c["annotations"][0].update(segmentation=[[20, 20, 30, 20, 30, 30]]), "mask beside its box"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "keypoints"),
        (lambda c: c["images"][0].update(height=40), "size of a picture"),
        (lambda c: c["images"][0].update(file_name="gone.png"), "missing picture"),
        (lambda c: c["images"][0].update(height="many"), "picture's entry"),
        (lambda c: c["categories"][0].update(name=3), "class"),
        (lambda c: [a.update(bbox=[0.1, 0.1, 0.5, 0.5]) for a in c["annotations"]], "format of boxes"),
    ],
)
def test_a_fault_has_its_name(tmp_path, change, what):
    report = checked(tmp_path, change)
    found = examine_annotations(report)
    assert what in [finding.what for finding in found], found
    assert all(finding.where and finding.why and finding.advice for finding in found)
    cases = drawn_cases(report, tmp_path)
    assert {"class", "format of boxes"} & {what} or cases[0]["what"] == report.problems[0].what


def test_damaged_files_are_told_and_drawn(tmp_path):
    """Whatever is wrong: each problem is in a finding, and a case can be drawn of those that are about a picture."""
    for seed in range(share(30)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        contents = sound(rng := np.random.default_rng(seed))
        annotated.write(folder, contents)
        damage(contents, rng, folder)
        path = folder / "annotations.json"
        path.write_text(json.dumps(contents))
        try:
            report = check_coco(path, folder)
        except DataError:
            continue
        found = examine_annotations(report)
        assert bool(found) == bool(report.problems)
        assert all("entry" != finding.what and len(str(finding)) <= 500 for finding in found), found
        for case in drawn_cases(report, folder):
            assert case["image"] is None or case["size"] == case["image"].shape[:2]


def test_a_case_is_drawn_as_the_file_has_it(tmp_path):
    report = checked(tmp_path, lambda c: c["annotations"][0].update(bbox=[30, 20, 30, 10]))
    [case] = drawn_cases(report, tmp_path)
    assert case["box"] == (30, 20, 60, 30) and case["image"].shape == (32, 40, 3)
    assert case["others"] == [(20, 0, 40, 32)] and case["where"] == "annotation 1, a.png"
    assert "lies outside" in case["what"]


def test_alike_faults_are_one_finding_and_few_panels(tmp_path):
    alike = [Problem(f"annotation {k}", "a.png", "box is degenerate: x", picture_id=1) for k in range(9)]
    path, _ = annotated.write(tmp_path)
    report = Report(str(path), problems=tuple(alike))
    [finding] = examine_annotations(report)
    assert finding.where == "annotation 0 in a.png, and 8 more entries" and len(drawn_cases(report, tmp_path)) == 3


def test_anchors_that_do_not_fit_are_told_with_sizes_that_do(tmp_path):
    report = checked(tmp_path)
    fit, found, _ = examine_anchors(report, MODEL)
    assert len(fit) == 2 and found == []  # a crowd is no object
    many = annotated.entries()
    many["annotations"] = [annotated.annotation(k, 20, 3, [1, 2, 30, 40]) for k in range(1, 9)]
    for k, entry in enumerate(many["annotations"]):
        entry["bbox"][0] += k / 10
        entry["segmentation"] = []
    report = check_coco(*annotated.write(tmp_path, many))
    model = with_sizes(((2,), (3,), (4,), (5,), (6,)))
    fit, [finding], sizes = examine_anchors(report, model)
    assert finding.what == "anchors" and finding.where == "objects of 192-256 px" and finding.advice == sizes
    given = json.loads(sizes.partition("=")[2].partition(", by")[0])
    assert examine_anchors(report, with_sizes(given))[1] == []


def test_without_an_object_it_says_so(tmp_path):
    _, [finding], _ = examine_anchors(checked(tmp_path, lambda c: c.update(annotations=[])), MODEL)
    assert finding.what == "no objects" and finding.why == "the file has none"
    broken = checked(tmp_path, lambda c: [a.update(bbox=[4, 6, -1, 12]) for a in c["annotations"]])
    _, [finding], _ = examine_anchors(broken, MODEL)
    assert finding.why == "none of them is sound"


def test_each_kind_of_fault_stands_once():
    assert len({what for what, _, _ in ADVICE}) == len(ADVICE)
