"""metrics.jsonl: one line of JSON per training step, appended as the run goes."""

import codecs
import contextlib
import io
import itertools
import json
import os
import re
import sys
from pathlib import Path

from ..errors import DataError, shown
from ..files import parse_json, read_text, whole_file, write_whole

LONGEST_LINE = 1 << 16  # bytes; a row has a few hundred
BEGINNING = '{"step": '  # of every row
NAME = re.compile(r"\w{1,60}")
MOST_NAMES = 64
MOST_STEPS = 1 << 53
LARGEST = 3.5e38  # the numbers of a training are those of float32


def append_row(path, row):
    """Add one row; a row is a single write, so that a killed run loses at most its last line."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:  # a failed write does not say which file
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_rows(path):
    """The rows of a metrics file by ascending step; how many of its lines are none is said on stderr.

    A last line that a kill cut off is left out without a word.
    """
    lines, faults = _read(path)
    if faults:
        _say(path, faults, "what is no row is left out")
    return [row for row, _ in lines.values()]


def truncate_rows(path, step):
    """Keep only the rows up to `step`: what came after a checkpoint is computed again when a run resumes.

    ->  the rows kept. A file with lines that are no rows is kept beside as it was, and that is said on stderr.
    """
    lines, faults = _read(path)
    if faults:
        _say(path, faults, f"the file as it was is kept as {_set_aside(Path(path)).name}")
    kept = [entry for number, entry in lines.items() if number <= step]
    write_whole(path, "".join(line + "\n" for _, line in kept))
    return [row for row, _ in kept]


def _read(path):
    """({step: (row, its line)} by ascending step, what is wrong with other lines); of a step's rows the last counts."""
    found, faults, names, previous = {}, [], set(), 0
    for number, line in enumerate(_lines(Path(path)), start=1):
        if not line.strip():
            continue
        try:
            row = _row(line, f"line {number}", names)
        except DataError as error:
            if isinstance(line, str) and not line.endswith("\n") and _cut_off(line):
                break
            faults.append(str(error))
            continue
        if row["step"] <= previous:
            faults.append(f"line {number}: step {row['step']} stands behind step {previous}")
        previous = row["step"]
        found[previous] = row, line.strip()
    return dict(sorted(found.items())), faults


def _lines(path):
    """The lines of a file as texts with their ends; bytes that are no text, or too long for a row, stay bytes."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder, not a file")
    if not path.exists():
        return
    with open(path, "rb") as file:
        if file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # saved by an editor
            with contextlib.suppress(DataError):
                yield from io.StringIO(read_text(path))
                return
        while line := file.readline(LONGEST_LINE):
            more = line
            while len(more) == LONGEST_LINE and not more.endswith(b"\n"):
                more = file.readline(LONGEST_LINE)
            try:
                yield line.decode("utf-8-sig") if more is line else line
            except UnicodeDecodeError:
                yield line


def _row(line, where, names):
    """The row in a line, after making sure that it is one: a table of numbers under the names of the rows before."""
    if not isinstance(line, str):
        raise DataError(f"{where}: is no text, or too long for a row")
    row = parse_json(line, where)
    if not isinstance(row, dict) or "step" not in row:
        raise DataError(f"{where}: is no table with a step")
    if type(row["step"]) is not int or not 1 <= row["step"] < MOST_STEPS:
        raise DataError(f"{where}: step must be a whole number, at least 1; got {shown(row['step'])}")
    for name, value in row.items():
        number = type(value) in (int, float) and abs(value) < LARGEST
        if not number and value is not None:
            raise DataError(f"{where}: {shown(name)} must be a number; got {shown(value)}")
    if len(names | row.keys()) > MOST_NAMES or not all(map(NAME.fullmatch, row)):
        raise DataError(f"{where}: has entries that no training writes")
    names.update(row)  # those of all rows
    return row


def _cut_off(line):
    """Whether a last line without an end is what a kill leaves: the beginning of a row."""
    return line.startswith(BEGINNING[: len(line)])


def _say(path, faults, what):
    count = f"{len(faults)} line{'s are' if len(faults) > 1 else ' is'} no row of a training, or out of place"
    print(f"{path}: {count} ({shown(faults[0], 160)[1:-1]}); {what}", file=sys.stderr)


def _set_aside(path):
    """Keep the file under the next free name metrics.damaged.jsonl, metrics.damaged-2.jsonl, ..."""
    for number in itertools.count(1):
        aside = path.with_name(f"{path.stem}.damaged{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not aside.exists():
            with contextlib.suppress(FileExistsError):  # somebody else took the name meanwhile
                with whole_file(aside, new=True) as file:
                    file.write(path.read_bytes())
                return aside


def resident_megabytes():
    """Memory that this process holds right now, or the most it ever held where the system says only that; in MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak / 1e3, 1)
