"""docs/museum.md: what it says is what docs/museum.json holds, and that is what the checks find now."""

import json

import museum_page
import pytest

from tinymaskrcnn.museum.checks import CHECKS
from tinymaskrcnn.museum.exhibits import EXHIBITS
from tinymaskrcnn.museum.matrix import kill_matrix
from tinymaskrcnn.museum.visit import visit

TRAININGS = json.loads(museum_page.TRAININGS.read_text(encoding="utf-8"))
RECORD = json.loads(museum_page.RECORD.read_text(encoding="utf-8"))
AGAIN = "python tests/museum_page.py writes it anew"


def test_the_page_is_up_to_date():
    assert museum_page.PAGE.read_text(encoding="utf-8") == museum_page.page(RECORD, TRAININGS), (
        f"{AGAIN} (--text, if only words changed)"
    )


def test_the_record_knows_every_exhibit_and_every_check():
    assert list(RECORD["exhibits"]) == list(EXHIBITS) and RECORD["checks"] == list(CHECKS), AGAIN
    pictures = {path.stem for path in museum_page.PICTURES.glob("*.png")}
    assert pictures == {*EXHIBITS, "matrix"}, AGAIN


def test_every_exhibit_has_a_training_of_its_own_patch():
    assert list(TRAININGS["clean"]) == [str(seed) for seed in museum_page.SEEDS]
    patches = {name: museum_page.patch_of(exhibit) for name, exhibit in EXHIBITS.items()}
    told = "python tests/museum_page.py --trainings trains those that are missing"
    assert {name: row["patch"] for name, row in TRAININGS["exhibits"].items()} == patches, told
    learned = [row for row in TRAININGS["exhibits"].values() if "bbox" in row]
    assert len(learned) > 20 and all(0 <= row[kind] <= 1 for row in learned for kind in ("bbox", "segm"))
    assert min(row["bbox"] for row in TRAININGS["clean"].values()) > 0.03, "the clean package has not begun to learn"


def test_every_bug_is_found_and_nothing_else():
    assert RECORD["missed"] == [] and RECORD["false_alarms"] == []
    for name, told in RECORD["exhibits"].items():
        assert bool(told["found"]) != EXHIBITS[name].harmless, name
        assert told["cheapest"] in ({""} if EXHIBITS[name].harmless else told["found"])


def test_a_harmless_exhibit_changes_no_number():
    for exhibit in EXHIBITS.values():
        if exhibit.harmless:
            told = RECORD["exhibits"][exhibit.name]
            assert max(told["gradient"][0], told["parity"][0]) < museum_page.DIFFERENT, exhibit.name


def found(names):
    matrix = kill_matrix([EXHIBITS[name] for name in names], processes=2)
    return {verdict.name: sorted(verdict.found) for verdict in matrix.verdicts} | {"": matrix.false_alarms}


def recorded(names):
    return {name: sorted(RECORD["exhibits"][name]["found"]) for name in names} | {"": []}


def test_some_of_it_is_found_now():
    for name in ("half-a-pixel", "frozen-and-fading"):
        cheapest = RECORD["exhibits"][name]["cheapest"]
        said = visit(EXHIBITS[name], checks=[cheapest])["checks"][cheapest]["said"]
        assert said == RECORD["exhibits"][name]["found"][cheapest], AGAIN


@pytest.mark.long
def test_all_of_it_is_found_now():
    assert found(EXHIBITS) == recorded(EXHIBITS), AGAIN
