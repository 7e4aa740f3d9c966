"""Homework in the page: a student's text is checked as `tinymaskrcnn homework check` does it, with the same words."""

import contextlib
import io
import tempfile
from pathlib import Path

from tinymaskrcnn.homework import picture  # noqa: F401  here, and not in the time that a check is given
from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.check import check_file
from tinymaskrcnn.homework.explain import explanation, headline, of_the_file
from tinymaskrcnn.homework.feedback import picture_of
from tinymaskrcnn.homework.remarks import sentences


def get_ready():
    """Nothing more: to be asked for it, this module is imported."""
    return {"ready": True}


def check(homework, text, only=()):
    """Check the exercises of a file's text, or those named in `only`.

    "hw01", text  ->  {"verdicts": [{"id", "word", "headline", "lines", "png", "points", "of", "whole"}], "notes": what
    concerns the file, "printed": what it prints when it is loaded}
    """
    notes = [f"line {line}: {words} is not needed here; take it out before it is graded" for line, words in audit(text)]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        path = Path(folder, f"{homework}.py")
        path.write_text(text, encoding="utf-8")
        verdicts = list(check_file(path, only=list(only)))
        found = [_told(verdict) for verdict in verdicts]
    return {"verdicts": found, "notes": notes + sentences(verdicts), "printed": printed.getvalue()[:2000]}


def _told(verdict):
    return {
        "id": verdict.exercise.id,
        "word": verdict.word,
        "headline": headline(verdict),
        "lines": explanation(verdict),
        "png": picture_of(verdict),
        "points": verdict.points,
        "of": verdict.exercise.points,
        "whole": of_the_file(verdict),
    }
