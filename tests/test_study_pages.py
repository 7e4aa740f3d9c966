"""docs/ablations.md and docs/history.md are what the rows below docs/results say."""

import re

import pytest
import study_pages

from tinymaskrcnn.studies.catalogue import QUESTIONS
from tinymaskrcnn.studies.history import HISTORY
from tinymaskrcnn.studies.rows import VERSION, read_row

PAGES = study_pages.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_rows_say(name):
    """Who adds rows or changes a question writes the pages: `python -m tests.study_pages`."""
    assert (study_pages.DOCS / name).read_text(encoding="utf-8") == PAGES[name]


def test_every_picture_is_there_and_small():
    shown = {name for text in PAGES.values() for name in re.findall(rf"\]\({study_pages.IMAGES}/(\S+)\)", text)}
    kept = {path.name: path.stat().st_size for path in (study_pages.DOCS / study_pages.IMAGES).glob("*.png")}
    assert set(kept) == shown and max(kept.values(), default=0) < 200_000


def test_every_row_belongs_to_a_question_and_to_this_version():
    asked = [*QUESTIONS.values(), HISTORY]
    digests = {q.plan(arm, 0).digest for q in asked for arm in q.arms}
    for path in study_pages.FOLDER.glob("*.json"):
        assert path.stem.partition("-")[0] in digests, f"{path}: nobody asks for this row any more; remove it"
        row = read_row(path)
        assert f"{row.digest}-{row.seed}" == path.stem and row.version == VERSION and path.stat().st_size < 12_000


def test_every_question_is_told_of():
    for question in QUESTIONS.values():
        assert question.title in PAGES["ablations.md"]
