"""A student's file is read, a new file is never written over an old one, and results of before are set aside."""

import codecs
import importlib.util
import os
import re
from pathlib import Path

from ..errors import ArgumentError, DataError
from ..files import whole_file, write_whole

LARGEST = 256 << 10  # bytes of a student's file; a released one has 10 kB
ASIDE = "earlier"  # the folders that results of before go to: earlier-1, earlier-2, ...
NOTEBOOK_BEGINS = re.compile(rb'\s*\{.*"cells"\s*:\s*\[', re.DOTALL)  # its JSON, whatever the file's name
NOTEBOOK_FILE = (
    "this is a notebook's own file; hand it in as Python: in Jupyter, File, Save and Export Notebook As, Executable "
    "Script"
)


def write_file(path, contents):
    """Write a text or bytes in one move, into a folder that is made where it is missing. Returns the path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, contents)


def write_new(path, text):
    """Write a text file where none is; ArgumentError when there is one: it may be somebody's work. Returns the path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file(path, new=True) as file:
            file.write(text.encode())
    except FileExistsError:
        raise ArgumentError(f"{path} is there already and stays as it is; name another folder with --out") from None
    return Path(path)


def set_aside(folder, names):
    """Move what is there of some names in a folder to a new folder inside it, and return that; None when nothing is."""
    folder = Path(folder)
    there = [folder / name for name in names if (folder / name).exists()]
    if not there:
        return None
    numbers = [re.fullmatch(rf"{ASIDE}-(\d+)", entry.name) for entry in folder.iterdir()]
    place = folder / f"{ASIDE}-{1 + max((int(match[1]) for match in numbers if match), default=0)}"
    place.mkdir()
    for path in there:
        path.rename(place / path.name)
    return place


def read_program(path):
    """The text of a Python file, with any mark or line ends that editors put into it.

    DataError when it is too large, a notebook, or no text in UTF-8 or in what its first lines say.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        contents = file.read(LARGEST)
    if Path(path).suffix.lower() == ".ipynb" or NOTEBOOK_BEGINS.match(contents.removeprefix(codecs.BOM_UTF8)):
        raise DataError(f"{path}: {NOTEBOOK_FILE}")
    if size > LARGEST:
        raise DataError(f"{path}: {size} bytes; a homework file has at most {LARGEST}")
    try:
        return importlib.util.decode_source(contents)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error
    except (SyntaxError, LookupError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error})") from error
