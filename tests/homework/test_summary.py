"""The table of a class, as a spreadsheet reads it, and the line that sums it up."""

import csv
import io

import pytest

from tinymaskrcnn.homework.summary import grades_csv, summary


def record(student, points=0.0, note="", verdict="wrong"):
    entry = {"id": "hw01.linear_backward", "points": points}
    made = {"student": student, "homework": "hw01", "verdict": verdict, "points": points, "of": 17, "note": note}
    return made | {"exercises": [entry]}


@pytest.mark.parametrize("separator, points", [(",", "1.5"), (";", "1,5")])
def test_a_spreadsheet_reads_the_table(separator, points):
    table = grades_csv([record("Zoë", 1.5, "one\ntwo; three, four")], separator=separator)
    assert table.startswith(b"\xef\xbb\xbfstudent" + separator.encode())
    (row,) = csv.DictReader(io.StringIO(table.decode("utf-8-sig")), delimiter=separator)
    assert (row["student"], row["points"], row["hw01.linear_backward"]) == ("Zoë", points, points)
    assert row["note"] == "one / two; three, four" and row["hw01.softmax_forward"] == "0"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\uff1d1+1"])
def test_no_cell_is_a_formula(text):
    (row,) = csv.DictReader(io.StringIO(grades_csv([record(text, note=text)]).decode("utf-8-sig"), newline=""))
    assert row["student"].startswith("'") and row["note"].startswith("'")


def test_names_that_are_no_text_are_written_down():
    assert b"a\\udce7" in grades_csv([record("a\udce7")])


def in_short(student, verdict, points, homework="hw01", **words):
    entries = [{"id": f"{homework}.{name}", "verdict": word} for name, word in words.items()]
    record = {"student": student, "homework": homework, "verdict": verdict, "points": points, "of": 10}
    return record | {"exercises": entries}


def test_a_class_in_short():
    records = [
        in_short("ann", "right", 10, a="right", b="right", c="right"),
        in_short("bob", "partly right", 3, a="right", b="wrong", c="empty"),
        in_short("carl", "wrong", 0, a="wrong", b="crashed", c="empty"),
        in_short("dora", "tampered", 0, a="tampered", b="tampered", c="tampered"),
        in_short("eve", "not graded: look at it by hand", 0),
        in_short("gus", "partly right, too slow", 3, a="right", b="too slow", c="empty"),
        *[in_short(name, "crashed", 0, a="crashed", b="crashed", c="crashed") for name in "xyz"],
        in_short("fred", "nothing handed in", 0),
    ]
    line = "9 submissions, mean 1.8 of 10; nothing handed in: 1; "
    line += "look at by hand: 1 tampered, 1 not graded, 1 too slow"
    assert summary(records) == [line + "; most often wrong: hw01.b"]
    assert summary([*records[:1], in_short("ann", "nothing handed in", 0, "hw02")]) == [
        "hw01: 1 submission, mean 10 of 10",
        "hw02: 0 submissions; nothing handed in: 1",
    ]
