"""Exhibits: every patch fits the source as it is now, and says so when it does not."""

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.museum.checks import CHECKS
from tinymaskrcnn.museum.exhibit import PACKAGE, Exhibit, StalePatchError, module_name
from tinymaskrcnn.museum.exhibits import EXHIBITS, ROOMS, find
from tinymaskrcnn.museum.views import VIEWS


def exhibit(*edits):
    return Exhibit("made-up", "title", edits, "origin", "seen", "crop")


def test_every_patch_fits_and_can_be_compiled():
    for each in EXHIBITS.values():
        for file, text in each.sources().items():
            assert text != (PACKAGE / file).read_text(encoding="utf-8"), each.name
            compile(text, file, "exec")


def test_there_are_as_many_as_promised_and_each_is_described():
    assert sum(not each.harmless for each in EXHIBITS.values()) >= 24
    assert sum(each.harmless for each in EXHIBITS.values()) == 3
    assert len(EXHIBITS) == sum(map(len, ROOMS.values())), "two exhibits have one name"
    for each in EXHIBITS.values():
        assert each.view in VIEWS and each.origin.endswith((".", ".)")) and each.seen.endswith("."), each.name
        assert each.name not in CHECKS


@pytest.mark.parametrize(("old", "times"), [("no such line", 0), ("xp = array_module(", "")])
def test_a_patch_whose_text_is_not_there_once_says_which(old, times):
    with pytest.raises(StalePatchError, match=f"made-up: ops/boxes.py must hold .* {times}.* times: '{old[:12]}"):
        exhibit(("ops/boxes.py", old, "x")).sources()


def test_edits_of_one_file_come_one_after_the_other():
    edits = [("ops/linear.py", "y = x @ weight + bias", "y = here"), ("ops/linear.py", "y = here", "y = there")]
    (text,) = exhibit(*edits).modules().values()
    assert "y = there" in text and list(exhibit(*edits).modules()) == ["tinymaskrcnn.ops.linear"]
    assert module_name("nn/__init__.py") == "tinymaskrcnn.nn"


def test_a_diff_has_the_changed_lines_alone():
    lines = EXHIBITS["x-and-y-swapped"].diff().splitlines()
    changed = [line[0] + line[1:].strip() for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == [
        "-x1, y1, x2, y2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]",
        "+y1, x1, y2, x2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]",
    ]


def test_an_exhibit_that_is_not_there_is_named_with_the_closest():
    assert find("plus-one").name == "plus-one"
    with pytest.raises(ArgumentError, match="no exhibit 'plusone'; did you mean plus-one"):
        find("plusone")
    with pytest.raises(ArgumentError, match="museum list"):
        find("zebra")
