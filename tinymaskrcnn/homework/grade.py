"""Grading a class: every submission in processes of its own, hidden cases, points, and a page for each student.

Whatever a file does, it gets a verdict and the run goes on; what cannot be graded is said so, with zero points, for a
person to look at. How busy the machine is decides nothing: time is that of the processor, equal files are graded once,
and who did not answer in time gets a second try when all others are done.
"""

import dataclasses
import hashlib
import json
import multiprocessing
import os
import sys
import traceback
import zlib
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ..counting import counted
from ..errors import ArgumentError, DataError
from ..kernels.threads import available_cores, set_threads
from .asking import MEMORY
from .blanks import PACKAGE
from .check import check_file, explanation
from .exercises import exercises_of
from .feedback import feedback_page, own_functions, picture_of
from .files import read_program, set_aside, write_file
from .remarks import sentences
from .submissions import collect
from .summary import SEPARATOR, grades_csv, summary

SECONDS = 5.0  # of computing, for all calls of an exercise together
# The verdict of a whole submission is the first of these that one of its exercises has.
GRAVE = ("tampered", "too much memory", "too slow", "crashed")
INTERRUPTED = "not graded: interrupted"
RESULTS = ("grades.csv", "grades.json", "feedback")


def grade(
    folder,
    *,
    out,
    homework=None,
    seed=0,
    seconds=SECONDS,
    memory=MEMORY,
    processes=None,
    pictures=True,
    separator=SEPARATOR,
    tell=lambda words: None,
):
    """Grade all submissions of a folder into `out`: grades.csv, grades.json and feedback/STUDENT_hwNN.html.

    seed draws the arrays of all cases, hidden ones too: another year, other numbers. processes: no more than there are
    cores. tell(words) is called with what a person should know before the end. Returns what grades.json holds: the
    seed, the records of all submissions in the order of collect, remarks on files that are not graded, a summary.

    Results that are in `out` already are kept in a folder earlier-N there. After Ctrl-C those that are graded are
    written, before KeyboardInterrupt goes on. ArgumentError for a number that means nothing, or an `out` that holds the
    submissions; an OSError, before anything is graded, where nothing can be written.
    """
    _check_numbers(seed=seed, seconds=seconds, memory=memory, processes=processes)
    out = Path(out)
    if out.resolve() in (Path(folder).resolve(), *Path(folder).resolve().parents):
        raise ArgumentError(f"--out must be a folder of its own; {out} holds the submissions")
    collected = collect(folder, homework, out=out)
    _prepare(out, tell)
    groups = _equal_files(collected.submissions)
    options = {"out": str(out), "seed": seed, "seconds": seconds, "memory": memory, "pictures": pictures}
    records = {}
    try:
        graded = _grade_all(list(groups), _at_once(processes, len(groups), tell), options)
        for first, record in counted(graded, label="grading", total=len(groups)):
            records |= {s: _of_equal(record, s, first, options) for s in groups[first]}
    except KeyboardInterrupt:
        tell(f"interrupted: {len(records)} of {len(collected.submissions)} are graded; {out}/grades.csv says which")
        _write_report(collected, groups, records, out, seed, separator)
        raise
    return _write_report(collected, groups, records, out, seed, separator)


def _check_numbers(*, seed, seconds, memory, processes):
    if seed < 0:
        raise ArgumentError(f"--seed must be a whole number, 0 or more; got {seed}")
    if not 0 < seconds < 1e6:
        raise ArgumentError(f"--seconds must be a time above 0; got {seconds:g}")
    if not 64 << 20 <= memory < 1 << 50:
        raise ArgumentError(f"--memory must be at least 64 MB, which Python and NumPy need; got {memory >> 20}")
    if processes is not None and processes < 1:
        raise ArgumentError(f"--processes must be at least 1; got {processes}")


def _prepare(out, tell):
    """See that results can be written, and set those of another run aside."""
    out.mkdir(parents=True, exist_ok=True)
    edited = _edited(out)
    kept = set_aside(out, RESULTS)
    write_file(out / ".writable", "").unlink()
    if kept is not None:
        words = "; grades.csv was changed since by hand: carry over what should stay" * edited
        tell(f"the results that were in {out} are kept in {kept}{words}")


def _edited(out):
    """Whether grades.csv is no longer what was written."""
    try:
        written = json.loads((out / "grades.json").read_text(encoding="utf-8"))["sha256 of grades.csv"]
        return written != _print_of((out / "grades.csv").read_bytes())
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _print_of(contents):
    return hashlib.sha256(contents).hexdigest()


def _equal_files(submissions):
    """{the first submission of those with equal files: all of them}."""
    groups, seen = {}, {}
    for submission in submissions:
        key = None
        if submission.path is not None and not submission.linked:
            try:
                key = (submission.homework, read_program(submission.path))
            except (OSError, ValueError):
                key = None  # it gets its own verdict on that
        first = submission if key is None else seen.setdefault(key, submission)
        groups.setdefault(first, []).append(submission)
    return groups


def _at_once(processes, groups, tell):
    cores = available_cores()
    if processes is not None and processes > cores:
        tell(f"{processes} processes were asked for; {cores} core{'s' * (cores != 1)} can be used: {cores} at a time")
    return max(1, min(processes or cores, cores, groups))


def _of_equal(record, submission, first, options):
    """The record of a submission whose file is that of another one, and its page."""
    if submission is first:
        return record
    note = _joined(submission.note, record.get("own note", record["note"]))
    record = record | {"student": submission.student, "note": note}
    page = feedback_page(record, record.get("pictures", {}), record.get("functions", {}))
    return _with_page(options["out"], record, page)


def _write_report(collected, groups, records, out, seed, separator):
    ordered = [
        _plain(records[s]) if s in records else _record(s, [], INTERRUPTED, s.note) for s in collected.submissions
    ]
    twins = [sorted(s.student for s in group) for first, group in groups.items() if len(group) > 1]
    remarks = collected.remarks() + [f"the same file, graded once: {', '.join(names)}" for names in twins]
    table = grades_csv(ordered, separator=separator)
    report = {"seed": seed, "submissions": ordered, "remarks": remarks, "summary": summary(ordered)}
    report["sha256 of grades.csv"] = _print_of(table)
    try:
        write_file(out / "grades.csv", table)
        write_file(out / "grades.json", json.dumps(report, indent=1) + "\n")
    except OSError as error:  # a full disk, say: what is known must not be lost
        report["unwritten"] = f"{error.filename}: {error.strerror}"
    return report


def _plain(record):
    """The record without what only its page needs."""
    return {key: value for key, value in record.items() if key not in ("own note", "pictures", "functions", "again")}


def _grade_all(submissions, processes, options):
    """Yield (submission, record) as they come. Who brings the grading process down is graded again, alone; and so is
    who did not answer, though it computed nothing: it may have been the others who kept the machine busy."""
    left = list(submissions)
    with _pool(processes) as pool:
        futures = {pool.submit(_in_pool, submission, options): submission for submission in submissions}
        try:
            for future in as_completed(futures):
                if not isinstance(future.exception(), BrokenProcessPool):
                    record = _outcome(futures[future], future)
                    if not record.get("again"):
                        left.remove(futures[future])
                        yield futures[future], record
        except BaseException:  # Ctrl-C: what runs comes to its end, nothing else begins
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for submission in left:
        with _pool(1) as pool:
            yield submission, _outcome(submission, pool.submit(_in_pool, submission, options))


def _pool(processes):
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread)


def _one_thread():
    set_threads(1)  # the cores are taken by the other submissions


def _in_pool(submission, options):
    try:
        return _graded(submission, **options)
    except KeyboardInterrupt:
        os._exit(130)  # or the next submission would be begun


def _outcome(submission, future):
    return future.result() if future.exception() is None else _failed(submission, future)


def grade_one(submission, **options):
    """Grade one submission and write its feedback page; returns a record of plain values.

    options: out, the folder; seed, seconds, memory, pictures as for `grade`.
    """
    return _plain(_graded(submission, **options))


def _graded(submission, *, out, seed=0, seconds=SECONDS, memory=MEMORY, pictures=True):
    """The record, with what the page of an equal file needs."""
    options = {"seed": seed, "seconds": seconds, "memory": memory, "hidden": True, "strict": True}
    verdicts, word, note, text = [], None, "", ""
    try:
        text = _text_of(submission)
        if submission.path is not None:
            verdicts = [_with_line(verdict, text.split("\n")) for verdict in check_file(submission.path, **options)]
    except (DataError, ArgumentError) as error:
        word, note = "crashed", str(error)
    except OSError as error:
        word, note = "not graded: look at it by hand", f"{submission.path}: {error.strerror or error}"
    images = {v.exercise.id: picture_of(v) for v in verdicts} if pictures else {}
    functions = own_functions(submission.homework, text)
    note = _joined(note, *sentences(verdicts), _evidence(verdicts))
    again = any(r.trouble is not None and r.trouble.kind == "waits" for v in verdicts for r in v.results)
    record = _record(submission, [_entry(v) for v in verdicts], word or _overall(submission, verdicts), note)
    record = _without_places(record, submission) | {"pictures": images, "functions": functions, "again": again}
    record |= {"own note": record["note"], "note": _joined(submission.note, record["note"])}
    return _with_page(out, record, feedback_page(record, images, functions))


def _joined(*notes):
    return "\n".join(note for note in notes if note)


def _evidence(verdicts):
    """The line that makes a file tampered, for whoever decides what to do about it."""
    troubles = [r.trouble for verdict in verdicts for r in verdict.results if r.trouble is not None]
    trouble = next((t for t in troubles if t.kind == "forbidden"), None)
    if trouble is None:
        return ""
    place = f"line {trouble.line}: {trouble.text}" if trouble.line else ""
    return f"{trouble.message}{' | ' * bool(place)}{place}"


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


def _with_page(out, record, page):
    """The record, once its page is written; or with a note that it could not be."""
    student = record["student"]
    if len(student.encode()) > 150:  # the name of a file has an end
        student = f"{student[:40]}-{zlib.crc32(student.encode()):08x}"
    try:
        write_file(Path(out) / "feedback" / f"{student}_{record['homework']}.html", page)
    except OSError as error:
        words = f"the page could not be written: {error.strerror}"
        return record | {"note": _joined(record["note"], words)}
    return record
