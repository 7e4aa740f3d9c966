"""Grading a class: every submission in processes of its own, hidden cases, points, and a page for each student.

Whatever a file does, it gets a verdict and the run goes on; what cannot be graded is said so, with zero points, for a
person to look at.
"""

import csv
import dataclasses
import io
import json
import multiprocessing
import os
import sys
import traceback
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ..errors import ArgumentError, DataError
from ..train.progress import counted
from .blanks import PACKAGE
from .check import check_file, explanation
from .exercises import exercises_of, titles
from .feedback import feedback_page, own_functions, picture_of
from .files import read_program, write_file
from .remote import MEMORY
from .submissions import collect

SECONDS = 5.0  # for all calls of an exercise together
# The verdict of a whole submission is the first of these that one of its exercises has.
GRAVE = ("tampered", "too much memory", "too slow", "crashed")
BY_HAND = ("tampered", "not graded")


def grade(folder, *, out, homework=None, seed=0, seconds=SECONDS, memory=MEMORY, processes=None, pictures=True):
    """Grade all submissions of a folder into `out`: grades.csv, grades.json and feedback/STUDENT_hwNN.html.

    seed draws the arrays of all cases, hidden ones too: another year, other numbers. Returns what grades.json holds:
    the seed, the records of all submissions in the order of collect, remarks on files that are not graded, a summary.
    """
    collected = collect(folder, homework, out=out)
    submissions = collected.submissions
    out = Path(out)
    options = {"out": str(out), "seed": seed, "seconds": seconds, "memory": memory, "pictures": pictures}
    graded = _grade_all(submissions, processes or os.cpu_count(), options)
    records = dict(counted(graded, label="grading", total=len(submissions)))
    ordered = [records[submission] for submission in submissions]
    write_file(out / "grades.csv", grades_csv(ordered))
    report = {"seed": seed, "submissions": ordered, "remarks": collected.remarks(), "summary": summary(ordered)}
    write_file(out / "grades.json", json.dumps(report, indent=1) + "\n")
    return report


def _grade_all(submissions, processes, options):
    """Yield (submission, record) as they come. Who brings the grading process down is graded again, alone."""
    left = list(submissions)
    with _pool(processes) as pool:
        futures = {pool.submit(_in_pool, submission, options): submission for submission in submissions}
        try:
            for future in as_completed(futures):
                if not isinstance(future.exception(), BrokenProcessPool):
                    left.remove(futures[future])
                    yield futures[future], _outcome(futures[future], future)
        except BaseException:  # Ctrl-C: what runs comes to its end, nothing else begins
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for submission in left:
        with _pool(1) as pool:
            yield submission, _outcome(submission, pool.submit(_in_pool, submission, options))


def _pool(processes):
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


def _in_pool(submission, options):
    try:
        return grade_one(submission, **options)
    except KeyboardInterrupt:
        os._exit(130)  # or the next submission would be begun


def _outcome(submission, future):
    return future.result() if future.exception() is None else _failed(submission, future)


def grade_one(submission, *, out, seed=0, seconds=SECONDS, memory=MEMORY, pictures=True):
    """Grade one submission and write its feedback page; returns a record of plain values."""
    options = {"seed": seed, "seconds": seconds, "memory": memory, "hidden": True, "strict": True}
    verdicts, word, note, text = [], None, submission.note, ""
    try:
        text = _text_of(submission)
        if submission.path is not None:
            verdicts = [_with_line(verdict, text.split("\n")) for verdict in check_file(submission.path, **options)]
    except (DataError, ArgumentError) as error:
        word, note = "crashed", str(error)
    images = {v.exercise.id: picture_of(v) for v in verdicts} if pictures else {}
    record = _record(submission, [_entry(v) for v in verdicts], word or _overall(submission, verdicts), note)
    return _write(out, _without_places(record, submission), images, own_functions(submission.homework, text))


def _text_of(submission):
    if submission.linked:
        raise DataError(f"{submission.path} is a link or lies behind one; what it points to was not handed in here")
    return "" if submission.path is None else read_program(submission.path)


def _without_places(record, submission):
    """The record without the folders of this machine: where the file lies, and where Python and the package do."""
    path = submission.path
    places = [(f"{PACKAGE.parent}{os.sep}", ""), (f"{sys.prefix}{os.sep}", "")]
    places = ([(os.path.abspath(path), path.name), (str(path), path.name)] if path else []) + places

    def told(text):
        for place, name in places:
            text = text.replace(place, name)
        return text

    entries = [entry | {"explanation": [told(line) for line in entry["explanation"]]} for entry in record["exercises"]]
    return record | {"note": told(record["note"]), "exercises": entries}


def _with_line(verdict, lines):
    """The verdict with the text of the line it speaks of, where that is still missing."""
    first, *rest = verdict.results
    trouble = first.trouble
    if trouble is None or trouble.text or not 0 < trouble.line <= len(lines):
        return verdict
    told = dataclasses.replace(trouble, text=lines[trouble.line - 1].strip()[:200])
    return dataclasses.replace(verdict, results=(dataclasses.replace(first, trouble=told), *rest))


def _entry(verdict):
    """What the record keeps of one exercise."""
    passed = sum(result.passed for result in verdict.results)
    return {
        "id": verdict.exercise.id,
        "verdict": verdict.word,
        "points": verdict.points,
        "of": verdict.exercise.points,
        "cases_passed": passed,
        "cases_tried": len(verdict.results),
        "diagnosis": verdict.diagnosis,
        "explanation": explanation(verdict),
    }


def _overall(submission, verdicts):
    words = [verdict.word for verdict in verdicts]
    if submission.path is None:
        return "nothing handed in"
    if set(words) == {"right"}:
        return "right"
    if set(words) <= {"empty", "missing"}:
        return "empty"
    grave = next((word for word in GRAVE if word in words), None)
    if grave in ("tampered", None) or "right" not in words:
        return grave or ("partly right" if "right" in words else "wrong")
    return f"partly right, {grave}"


def _record(submission, entries, verdict, note=""):
    total = sum(exercise.points for exercise in exercises_of(submission.homework))
    return {
        "student": submission.student,
        "homework": submission.homework,
        "verdict": verdict,
        "points": sum(entry["points"] for entry in entries),
        "of": total,
        "note": note,
        "exercises": entries,
    }


def _failed(submission, future):
    """The record of a submission that the grading itself stumbled over."""
    words = "".join(traceback.format_exception(future.exception()))[-2000:]
    return _record(submission, [], "not graded: look at it by hand", words)


def _write(out, record, images, functions):
    student = record["student"]
    if len(student.encode()) > 150:  # the name of a file has an end
        student = f"{student[:40]}-{zlib.crc32(student.encode()):08x}"
    page = feedback_page(record, images, functions)
    write_file(Path(out) / "feedback" / f"{student}_{record['homework']}.html", page)
    return record


def grades_csv(records):
    """One line a submission: student, homework, verdict, points, of, and the points of every exercise."""
    identifiers = [e.id for name in titles() for e in exercises_of(name) if any(r["homework"] == name for r in records)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["student", "homework", "verdict", "points", "of", *identifiers])
    for record in records:
        points = {entry["id"]: f"{entry['points']:g}" for entry in record["exercises"]}
        own = [i for i in identifiers if i.startswith(record["homework"])]
        cells = [points.get(i, "0" if i in own else "") for i in identifiers]
        student = _plain(record["student"])
        head = [student, record["homework"], record["verdict"], f"{record['points']:g}", record["of"]]
        writer.writerow([*head, *cells])
    return table.getvalue()


def _plain(text):
    """A cell that a spreadsheet does not take for a formula."""
    return "'" + text if text[:1] in "=+-@" else text


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
    counts = {word: sum(record["verdict"].startswith(word) for record in given) for word in BY_HAND}
    if any(counts.values()):
        parts.append("look at by hand: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n))
    ran = [record["exercises"] for record in given if {e["verdict"] for e in record["exercises"]} != {"crashed"}]
    wrong = Counter(e["id"] for entries in ran for e in entries if e["verdict"] in ("wrong", "crashed"))
    if wrong:
        parts.append(f"most often wrong: {wrong.most_common(1)[0][0]}")
    return "; ".join(parts)
