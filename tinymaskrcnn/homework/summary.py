"""The results of a class: the table for a grade book, and a line that sums it up."""

import csv
import io
import re
from collections import Counter

from .exercises import exercises_of, titles

BY_HAND = ("tampered", "not graded", "too slow")
SEPARATOR = ","


def grades_csv(records, *, separator=SEPARATOR):
    """One line a submission: student, homework, verdict, points, of, the points of every exercise, a note.  ->  bytes

    In UTF-8 with the mark by which spreadsheets know it. With the separator ";" a decimal comma goes along, as
    spreadsheets read it where the comma is no separator.
    """
    identifiers = [e.id for name in titles() for e in exercises_of(name) if any(r["homework"] == name for r in records)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n", delimiter=separator)
    writer.writerow(["student", "homework", "verdict", "points", "of", *identifiers, "note"])
    for record in records:
        points = {entry["id"]: _number(entry["points"], separator) for entry in record["exercises"]}
        own = [i for i in identifiers if i.startswith(record["homework"])]
        cells = [points.get(i, "0" if i in own else "") for i in identifiers]
        head = [_plain(record["student"]), record["homework"], record["verdict"]]
        note = _plain(" / ".join(record["note"].split("\n")))
        writer.writerow([*head, _number(record["points"], separator), record["of"], *cells, note])
    return table.getvalue().encode("utf-8-sig", "backslashreplace")


def _number(points, separator):
    return f"{points:g}".replace(".", "," if separator == ";" else ".")


def _plain(text):
    """A cell that a spreadsheet does not take for a formula."""
    text = re.sub(r"[\x00-\x1f]+", " ", text)
    return "'" + text if text.lstrip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20") else text


def summary(records):
    """A line for each homework: how many handed in, their mean, what to look at, where most went wrong."""
    names = [name for name in titles() if any(record["homework"] == name for record in records)]
    lines = [_in_short([record for record in records if record["homework"] == name]) for name in names]
    return lines if len(names) == 1 else [f"{name}: {line}" for name, line in zip(names, lines)]


def _in_short(records):
    given = [record for record in records if record["verdict"] != "nothing handed in"]
    parts = [f"{len(given)} submission{'s' * (len(given) != 1)}"]
    if given:
        mean = sum(record["points"] for record in given) / len(given)
        parts[0] += f", mean {round(mean, 1):g} of {given[0]['of']}"
    if len(given) < len(records):
        parts.append(f"nothing handed in: {len(records) - len(given)}")
    counts = {word: sum(word in record["verdict"] for record in given) for word in BY_HAND}
    if any(counts.values()):
        parts.append("look at by hand: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n))
    ran = [record["exercises"] for record in given if {e["verdict"] for e in record["exercises"]} != {"crashed"}]
    wrong = Counter(e["id"] for entries in ran for e in entries if e["verdict"] in ("wrong", "crashed"))
    if wrong:
        parts.append(f"most often wrong: {wrong.most_common(1)[0][0]}")
    return "; ".join(parts)
