"""Files at the ground of everything: written whole or not at all, and read as text and JSON whoever wrote them.

A file is written under a temporary name beside its own, flushed, and renamed: at every moment its path is the old file
or the new one. What a killed process left under such a name is swept away by the next write to the same path.
"""

import codecs
import contextlib
import errno
import json
import math
import os
import re
from pathlib import Path

from .errors import DataError, shown

MARKS = {  # the mark that editors, spreadsheets and shells put in front of a text, and the encoding it stands for
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@contextlib.contextmanager
def whole_file(path, mode="wb", *, place=os.replace, **options):
    """An open file that gets its name when the block ends well; whatever else happens, no part of it stays behind.

    mode and options are those of `open`; place(temporary, path) gives the name. An OSError of writing names `path`,
    never the temporary name.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; give the name of a file in it", str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    sweep(path)
    try:
        with open(temporary, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the bytes are on the disk before the name points at them
        place(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):  # of something else in the block
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path, contents):
    """Write bytes, or a text in UTF-8, in one move; what was there before is replaced. Returns the path."""
    if isinstance(contents, str):
        contents = contents.encode("utf-8", "backslashreplace")  # a lone surrogate has no bytes
    with whole_file(path) as file:
        file.write(contents)
    return Path(path)


def sweep(path):
    """Remove what processes that are no more left half-written on the way to `path`."""
    path = Path(path)
    _sweep(path.parent, rf"\.{re.escape(path.name)}\.(\d+)\.tmp")


def sweep_folder(folder, names=()):
    """Remove what dead processes left half-written in a folder of this package's own.

    names are those of its files: versions before this one wrote NAME.tmp, which says nothing of its process.
    """
    _sweep(folder, r"\..+\.(\d+)\.(?:tmp|part)")
    for name in names:
        with contextlib.suppress(OSError):
            (Path(folder) / f"{name}.tmp").unlink(missing_ok=True)


def _sweep(folder, pattern):
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = re.fullmatch(pattern, entry.name)
            if match and not _alive(int(match[1])):
                os.unlink(entry.path)


def _alive(process):
    if os.name == "nt":  # there, to ask with os.kill would end it
        return process != os.getpid()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to somebody else
        return True
    return process != os.getpid()  # our own number on an old file: it was another process's before


def _sync_folder(folder):
    """Make the new name survive a power cut; not every system lets a folder be opened for this."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_text(path, *, error=DataError):
    """The text of a file in UTF-8, or in what the mark at its beginning says (Notepad, Excel and PowerShell set one).

    Raises `error`, with the file's name, when it is missing, a folder, or no text.
    """
    path = Path(path)
    try:
        contents = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise error(f"{path}: is a folder, not a file") from None
    except (OSError, ValueError) as problem:  # a ValueError: a NUL in the name
        raise error(f"{path}: cannot be read ({getattr(problem, 'strerror', None) or problem})") from problem
    return decode(contents, path, error=error)


def read_lines(path, *, error=DataError):
    """The lines of a text that hold something, without the blanks around it; a line ends where an editor ends it."""
    text = read_text(path, error=error).replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\ufeff", "")  # also inside, where two files with a mark were put together
    return [line.strip() for line in text.split("\n") if line.strip()]  # splitlines would cut a name at U+2028 too


def decode(contents, where, *, error=DataError):
    """bytes -> text as `read_text` reads it; `where` names them in the error."""
    encoding = next((name for mark, name in MARKS.items() if contents.startswith(mark)), "utf-8")
    try:
        text = contents.decode(encoding)
    except UnicodeDecodeError as problem:
        byte = contents[problem.start : problem.start + 1].hex()
        raise error(
            f"{where}: is not a text in UTF-8 (byte 0x{byte} at place {problem.start}); save it with the encoding UTF-8"
        ) from problem
    if "\0" in text:  # UTF-16 without a mark, or no text at all
        raise error(f"{where}: is not a text in UTF-8 (it holds zero bytes); save it with the encoding UTF-8")
    return text


def read_json(path, *, error=DataError):
    """What a JSON file holds; see `parse_json`."""
    return parse_json(read_text(path, error=error), path, error=error)


def parse_json(text, where, *, error=DataError):
    """The value of a JSON text in which every number is finite and no table has the same key twice.

    Raises `error`, which begins with `where`, with what is wrong and the line.
    """

    def constant(name):
        raise _Refused(f"{name} is not a number in JSON")

    def decimal(digits):
        if not math.isfinite(value := float(digits)):
            raise _Refused(f"the number {shown(digits)} is too large")
        return value

    def whole(digits):
        if len(digits) > 300:  # no count or place has as many; the work to read one grows with the square
            raise _Refused(f"a number of {len(digits)} digits is too large")
        return int(digits)

    return loads(text, where, error=error, parse_constant=constant, parse_float=decimal, parse_int=whole)


def loads(text, where, *, error=DataError, **hooks):
    """json.loads with its hooks; a key that a table has twice, of which one would be lost, is an `error` too."""
    try:
        return json.loads(text, object_pairs_hook=_table, **hooks)
    except _Refused as problem:
        raise error(f"{where}: not valid JSON: {problem}") from None
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise error(f"{where}: not valid JSON: {problem.msg} ({place})") from problem
    except RecursionError:
        raise error(f"{where}: not valid JSON: lists or tables are nested too deep") from None
    except ValueError as problem:  # a number with thousands of digits
        raise error(f"{where}: not valid JSON: {shown(str(problem), 120)}") from None


def _table(pairs):
    entries = dict(pairs)
    if len(entries) < len(pairs):
        seen = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise _Refused(f"a table has the key {shown(double)} twice")
    return entries


class _Refused(Exception):
    """Text that Python's json reads and that means nothing here."""
