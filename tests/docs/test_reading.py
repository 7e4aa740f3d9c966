"""docs/reading.md: the files that one training step passes, no more and no fewer, and the shapes on the way."""

import re
from pathlib import Path

import pytest
from docs.reading_path import PACKAGE, STAGES, one_step, shapes

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
LISTED = re.findall(r"^\| (\d+) \| `([\w/]+\.py)` \| (\S.*?) \|", PAGE, re.MULTILINE)
MOST_FILES, MOST_LINES = 26, 3000


@pytest.fixture(scope="module")
def walk():
    return one_step()


def test_a_walk_does_not_depend_on_what_ran_before(walk):
    assert one_step().files == walk.files


def test_the_page_lists_the_files_of_a_step(walk):
    assert [int(number) for number, _, _ in LISTED] == list(range(1, len(LISTED) + 1))
    listed = [file for _, file, _ in LISTED]
    assert len(set(listed)) == len(listed)
    assert set(listed) == set(walk.files)


def test_the_way_through_stays_short(walk):
    """What serves speed, a device or a rare case stands aside: see `python -m tests.docs.reading_path`."""
    assert len(walk.files) <= MOST_FILES
    assert walk.lines <= MOST_LINES


def test_the_walk_sees_what_runs(walk):
    ran = {(file, name) for file, name, _ in walk.functions}
    assert {("models/mask_rcnn.py", "MaskRCNN.forward"), ("models/mask_rcnn.py", "MaskRCNN.backward")} <= ran
    assert not {file for file in walk.files if file.startswith("kernels/")} and "nn/fused.py" not in walk.files
    assert len(one_step(kernels=True).files) > len(walk.files)


def test_the_shapes_are_those_of_a_run():
    section = PAGE[PAGE.index("## One picture on its way") : PAGE.index("## Beside the path")]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", section, re.MULTILINE)
    found = [(name, ", ".join(f"`{array}`" for array in arrays)) for name, arrays in shapes()]
    assert rows == found and {name for name, _ in found} == set(STAGES)


def test_other_files_that_are_named_exist():
    named = set(re.findall(r"`((?:ops|nn|models|targets|kernels)/[\w/]*(?:\.py)?)`", PAGE))
    assert named and all((PACKAGE / name).exists() for name in named)
