"""Files at the ground of everything: written whole or not at all, and read as text and JSON whoever wrote them.

A file is written under a temporary name beside its own, flushed, and renamed: at every moment its path is the old file
or the new one. What a killed process left under such a name is swept away by the next write to the same path. A link
stays and its target is written; what is no regular file (a pipe, a device) is written to and never replaced.
"""

import codecs
import contextlib
import errno
import itertools
import json
import math
import os
import re
import stat
from pathlib import Path

from .errors import DataError, shown

MARKS = {  # the mark that editors, spreadsheets and shells put in front of a text, and the encoding it stands for
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


WRITTEN_AS = r"(\d+)(?:-(\d+))?"  # in a temporary name: the process, and which of its writes it was

_numbers = itertools.count()
_going = set()  # the numbers of the writes of this process that go on, in whatever thread


@contextlib.contextmanager
def whole_file(path, mode="wb", *, new=False, **options):
    """An open file that gets its name when the block ends well; whatever else happens, no part of it stays behind.

    mode and options are those of `open`. A file that was there keeps its permissions; a new one must not be there, also
    not at the end, or FileExistsError says so. An OSError of writing names `path`, never the temporary name.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; give the name of a file in it", str(path))
    there = None if new else _status(path)
    if there and not stat.S_ISREG(there.st_mode):
        with _naming(path, path), open(path, mode, **options) as file:
            yield file
        return
    target = path if new or not path.is_symlink() else Path(os.path.realpath(path))
    with _temporary(target) as temporary, _naming(path, temporary):
        with open(temporary, mode, **options) as file:
            if there:
                with contextlib.suppress(OSError):  # a file system without permissions
                    os.chmod(temporary, stat.S_IMODE(there.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())  # the bytes are on the disk before the name points at them
        (_name_if_free if new else os.replace)(temporary, target)
        _sync_folder(target.parent)


def _name_if_free(temporary, path):
    try:
        os.link(temporary, path)  # fails, in one step, when the name is taken
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.rename(temporary, path)


def put_in_place(part, path):
    """Give a finished file, whose bytes gathered under another name in the same folder, its own name in one move."""
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    _sync_folder(Path(path).parent)


def _status(path):
    """What the path leads to; None when that is not there."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _temporary(path):
    """A name beside `path` that no other write has, in this process or another; what lies there at the end goes."""
    sweep(path)
    number = next(_numbers)
    temporary = path.with_name(f".{_cut(path.name)}.{os.getpid()}-{number}.tmp")
    _going.add(number)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        _going.discard(number)


def _cut(name, most=200):
    """The beginning of a name, of whole characters: a file system's names have at most 255 bytes."""
    name = name[:most]
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


@contextlib.contextmanager
def _naming(path, opened):
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(opened)):  # of something else in the block
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


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
    names = "|".join(map(re.escape, {path.name, _cut(path.name)}))  # versions before this one cut none
    _sweep(path.parent, rf"\.(?:{names})\.{WRITTEN_AS}\.tmp")


def sweep_folder(folder, names=()):
    """Remove what dead processes left half-written in a folder of this package's own.

    names are those of its files: versions before this one wrote NAME.tmp, which says nothing of its process.
    """
    _sweep(folder, rf"\..+\.{WRITTEN_AS}\.(?:tmp|part)")
    for name in names:
        with contextlib.suppress(OSError):
            (Path(folder) / f"{name}.tmp").unlink(missing_ok=True)


def _sweep(folder, pattern):
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = re.fullmatch(pattern, entry.name)
            if match and not _alive(int(match[1]), match[2]):
                with contextlib.suppress(FileNotFoundError):  # another sweep was faster
                    os.unlink(entry.path)


def _alive(process, number):
    if process == os.getpid():  # our own number on an old file may have been another process's before
        return number is not None and int(number) in _going
    if os.name == "nt":  # there, to ask with os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to somebody else
        pass
    return True


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
    """The value of a JSON text in which every number is finite and no table has one key with two values.

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
    """json.loads with its hooks; a key with two values, of which one would be lost, is an `error` too."""
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
        first = {}
        for key, value in pairs:
            if not _same(first.setdefault(key, value), value):
                values, begin = f"{shown(first[key])} and {shown(value)}", ": ".join(map(shown, pairs[0]))
                raise _Refused(f"a table has the key {shown(key)} twice, with {values}; it begins with {begin}")
    return entries


def _same(one, other):
    """Whether two values are written alike: 1 and true are not, and tables in another order are."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


class _Refused(Exception):
    """Text that Python's json reads and that means nothing here."""
