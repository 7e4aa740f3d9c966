"""In a terminal a bar, in a log file lines that can be read."""

import io
import types

from tinymaskrcnn import counting
from tinymaskrcnn.counting import counted


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_counting_passes_the_items_on():
    file = io.StringIO()
    assert list(counted([1, 2], label="x", file=file)) == [1, 2] and file.getvalue() == ""


def test_a_log_file_hears_of_what_takes_long():
    file = io.StringIO()
    assert list(counted([1, 2], label="looking", file=file, pause=0.0)) == [1, 2]
    assert file.getvalue() == "looking: 0 of 2\nlooking: 1 of 2\n"
    file = io.StringIO()
    assert list(counted(iter("ab"), label="looking", file=file, pause=0.0)) == ["a", "b"]
    assert file.getvalue() == "looking: 0\nlooking: 1\n"


def test_a_bar_knows_how_many_there_are_when_it_is_told():
    with_total, without = Terminal(), Terminal()
    assert list(counted(iter("abcd"), label="x", total=4, file=with_total)) == list("abcd")
    list(counted(iter("abcd"), label="x", file=without))
    assert "0/4" in with_total.getvalue() and "/4" not in without.getvalue()


def test_a_line_after_a_second_and_then_seldom(monkeypatch):
    """To the moment: a second is over when a second has passed."""
    now, file = [7.0], io.StringIO()
    monkeypatch.setattr(counting, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def slowly():
        for moment in (0.5, 0.9, 1.0, 5.0, 15.9, 16.0, 16.1, 31.0):
            now[0] = 7.0 + moment
            yield moment

    assert len(list(counted(slowly(), label="x", file=file))) == 8
    assert file.getvalue() == "x: 2\nx: 5\nx: 7\n"
