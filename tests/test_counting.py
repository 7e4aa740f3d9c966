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


def test_a_bar_is_named_and_goes_when_it_is_done(monkeypatch):
    made = []
    monkeypatch.setattr(counting, "tqdm", lambda items, **options: made.append((items, options)) or items)
    file = Terminal()
    assert counted([1, 2], label="x", file=file) == [1, 2] and counted("ab", label="y", total=9, file=file) == "ab"
    fixed = {"file": file, "leave": False, "dynamic_ncols": True}
    assert made == [([1, 2], {"desc": "x", "total": None, **fixed}), ("ab", {"desc": "y", "total": 9, **fixed})]


def test_lines_go_to_the_errors_and_know_a_total_that_is_told(monkeypatch, capsys):
    """With a short pause the first line does not wait for a second."""
    now = [0.0]
    monkeypatch.setattr(counting, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def items():
        for _ in range(5):
            now[0] += 0.2
            yield now[0]

    assert len(list(counted(items(), label="x", total=7, pause=0.5))) == 5
    out, err = capsys.readouterr()
    assert (out, err) == ("", "x: 2 of 7\n")
