"""Files that are whole or not there: written to another name, flushed, and renamed; and reading a student's file."""

import contextlib
import importlib.util
import os
from pathlib import Path

from ..errors import ArgumentError, DataError

LARGEST = 256 << 10  # bytes of a student's file; a released one has 10 kB


@contextlib.contextmanager
def _written(path, contents):
    """A temporary file beside `path` that holds the contents, on disk; it is gone afterwards."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write a text file in one move; what was there before is replaced. Returns the path."""
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path, contents):
    """Write a file in one move; what was there before is replaced. Returns the path."""
    with _written(path, contents) as temporary:
        os.replace(temporary, path)
    return Path(path)


def write_new(path, text):
    """Write a text file where none is; ArgumentError when there is one: it may be somebody's work. Returns the path."""
    taken = ArgumentError(f"{path} is there already and stays as it is; name another folder with --out")
    with _written(path, text.encode()) as temporary:
        try:
            os.link(temporary, path)  # fails, in one step, when the path is taken
        except FileExistsError:
            raise taken from None
        except OSError:  # a file system without hard links
            if Path(path).exists():
                raise taken from None
            os.rename(temporary, path)
    return Path(path)


def read_program(path):
    """The text of a Python file, with any mark or line ends that editors put into it.

    DataError when it is too large, or no text in UTF-8 or in what its first lines say.
    """
    size = os.stat(path).st_size
    if size > LARGEST:
        raise DataError(f"{path}: {size} bytes; a homework file has at most {LARGEST}")
    try:
        return importlib.util.decode_source(Path(path).read_bytes())
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error
    except (SyntaxError, LookupError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error})") from error
