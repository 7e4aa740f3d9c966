"""docs/ablations.md and docs/history.md are what the rows below docs/results say."""

import re

import pytest
import study_pages

from tinymaskrcnn.studies.answer import answered
from tinymaskrcnn.studies.catalogue import QUESTIONS
from tinymaskrcnn.studies.history import HISTORY
from tinymaskrcnn.studies.rows import VERSION, Rows, read_row

NAMES = ("ablations.md", "history.md")


@pytest.fixture(scope="module")
def pages():
    return study_pages.pages()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_what_the_rows_say(pages, name):
    """Who adds rows or changes a question writes the pages: `python -m tests.study_pages`."""
    assert (study_pages.DOCS / name).read_text(encoding="utf-8") == pages[name]


def test_every_picture_is_there_and_small(pages):
    shown = {name for text in pages.values() for name in re.findall(rf"\]\({study_pages.IMAGES}/(\S+)\)", text)}
    kept = {path.name: path.stat().st_size for path in (study_pages.DOCS / study_pages.IMAGES).glob("*.png")}
    assert set(kept) == shown and max(kept.values(), default=0) < 200_000


def test_all_pages_are_written(pages):
    assert tuple(pages) == NAMES


@pytest.mark.parametrize("kind", ["curve", "scene"])
def test_what_an_answer_is_said_to_have_pictures_of_can_be_drawn(kind):
    """Of one question with each kind: drawing all takes seconds, and the pages only say which there are."""
    rows = Rows(study_pages.FOLDER)
    answers = (answered(question, rows) for question in QUESTIONS.values())
    answer = next(answer for answer in answers if kind in study_pages.kinds(answer, rows))
    drawn = study_pages.figures(answer, rows)
    assert set(drawn) == {"drawn", kind} and all(figure.axes for figure in drawn.values())


def test_every_row_belongs_to_a_question_and_to_this_version():
    asked = [*QUESTIONS.values(), HISTORY]
    digests = {q.plan(arm, 0).digest for q in asked for arm in q.arms}
    for path in study_pages.FOLDER.glob("*.json"):
        assert path.stem.partition("-")[0] in digests, f"{path}: nobody asks for this row any more; remove it"
        row = read_row(path)
        assert f"{row.digest}-{row.seed}" == path.stem and row.version == VERSION and path.stat().st_size < 12_000


def test_every_question_is_told_of(pages):
    for question in QUESTIONS.values():
        assert question.title in pages["ablations.md"]
