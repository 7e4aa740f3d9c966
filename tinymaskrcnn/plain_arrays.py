"""Arrays in files that a stranger made: .npz archives, what an array may claim, and which numbers a model can use.

Nothing in a file is ever executed, and no memory is spent on what it claims before that was compared with the bytes
that are really there. np.load trusts the headers, and zipfile the directory, that they read.
"""

import ast
import contextlib
import math
import re
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np

from .errors import DataError, TinyMaskRCNNError, shown

LARGEST_HEADER = 10_000  # bytes of an array's description; NumPy's own bound
LARGEST_DIMENSIONS = 32
LONGEST_NAME = 500
LARGEST_INFLATION = 200  # uncompressed bytes per byte of file; real weights stay below 3
SMALL = 1 << 26  # bytes that may be inflated from anything
CHUNK = 1 << 20
USUAL_HEADER = re.compile(  # as NumPy writes it; literal_eval, which reads any form, takes ten times as long
    r"\{'descr': '([^']{2,4})', 'fortran_order': (True|False), "
    r"'shape': \((|[0-9]{1,18},|[0-9]{1,18}(?:, [0-9]{1,18})+)\), \}"
)
NUMBER = re.compile(r"[0-9]+")
ENCRYPTED = 0x1 | 0x20 | 0x40  # flags of a zip member: encrypted, a patch, strongly encrypted


def read_npz(path, *, error=DataError):
    """All arrays of an .npz file by name; `error` names the file and what is wrong with it."""
    with Npz(path, error=error) as file:
        return {name: native(file.read(name)) for name in file.names}


class Npz:
    """An open .npz file: `names` in the file's order, and read(name), the array.

    The directory is checked at once: every member a plain array in a way of storing that NumPy writes, none twice, none
    over another, all together no larger than the file can hold. Each array is checked before it is made.
    """

    def __init__(self, path, *, error=DataError, kind="an .npz file", inflation=LARGEST_INFLATION):
        self.path, self.error, self.kind = Path(path), error, kind
        with self._refusing():
            if not zipfile.is_zipfile(path):
                raise ValueError("not an npz file")
            self._archive = zipfile.ZipFile(path)
        try:
            with self._refusing():
                self._members = self._checked_members(inflation)
        except BaseException:
            self._archive.close()
            raise
        self.names = tuple(self._members)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._archive.close()

    def read(self, name, *, largest=None):
        """The array of that name, of at most `largest` bytes where that is given."""
        member, where = self._members[name], f"{self.path}: {member_name(name)}"
        if largest is not None and member.file_size > largest:
            raise self.error(f"{where}: has {member.file_size:,} bytes; at most {largest:,} make sense")
        with self._refusing(where), self._archive.open(member) as file:
            return _read_array(where, file, member.file_size, self.error)

    @contextlib.contextmanager
    def _refusing(self, where=None):
        """Whatever a damaged or hostile file leads zipfile to is an error that names the file."""
        try:
            yield
        except TinyMaskRCNNError:
            raise
        except Exception as problem:
            why = shown(str(problem) or type(problem).__name__, 160)[1:-1]
            raise self.error(f"{where or self.path}: damaged or truncated, or not {self.kind} ({why})") from problem

    def _checked_members(self, inflation):
        members = {}
        for member in self._archive.infolist():
            where = f"{self.path}: {member_name(member.filename)}"
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise self.error(f"{where}: is not an array")
            if len(name) > LONGEST_NAME or not name.isprintable():
                raise self.error(f"{where}: is no name for an array")
            if name in members:
                raise self.error(f"{self.path}: the name {member_name(member.filename)} appears twice")
            if member.flag_bits & ENCRYPTED:
                raise self.error(f"{where}: is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self.error(f"{where}: is compressed in a way that NumPy does not write ({member.compress_type})")
            members[name] = member
        check_inflation(self.path, members.values(), inflation, error=self.error)
        self._check_places(members.values())
        return members

    def _check_places(self, members):
        """No two members may claim the same bytes, and none may reach into the directory behind them."""
        members = sorted(members, key=lambda member: member.header_offset)
        ends = [member.header_offset for member in members[1:]] + [self._archive.start_dir]
        for member, end in zip(members, ends):
            where = f"{self.path}: {member_name(member.filename)}"
            if member.header_offset + zipfile.sizeFileHeader + member.compress_size > end:
                raise self.error(f"{where}: overlaps what stands behind it: they claim the same bytes")
            if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
                raise self.error(f"{where}: claims {member.file_size:,} bytes; {member.compress_size:,} are there")


def member_name(name):
    """A name in a file as a message shows it: whole and bare when it is short and prints, else cut and quoted."""
    return name if len(name) <= 100 and name.isprintable() else shown(name, 100)


def check_inflation(path, members, most=LARGEST_INFLATION, *, error=DataError):
    """Raise `error` when the members of a zip archive claim to unpack to much more than their file could hold."""
    inflated, stored = sum(member.file_size for member in members), Path(path).stat().st_size
    if inflated > max(SMALL, most * stored):
        raise error(f"{path}: {stored:,} bytes of file claim to hold {inflated:,} bytes of arrays")


# ---------------------------------------------------------------- one array


def _read_array(where, file, size, error):
    """The array in an open member of `size` bytes: its header is compared with them before memory is taken."""
    dtype, shape, fortran, start = _read_header(where, file, size, error)
    check_size(where, shape, dtype.itemsize, size - start, error=error)
    values = np.empty(math.prod(shape), dtype)
    place, room = 0, memoryview(values.view(np.uint8))
    while chunk := file.read(CHUNK):  # at the end zipfile compares the member's checksum
        room[place : place + len(chunk)] = chunk
        place += len(chunk)
    if place != len(room):
        raise error(f"{where}: ends after {start + place:,} of {size:,} bytes")
    if dtype.kind == "b":
        values = values.view(np.uint8) != 0  # a byte of a bool has one bit, whatever the file says
    return values.reshape(shape, order="F" if fortran else "C")


def _read_header(where, file, size, error):
    """(dtype, shape, fortran, length) from the header of one array: magic, version, and a dictionary of literals."""
    if file.read(6) != b"\x93NUMPY":
        raise error(f"{where}: is not an array")
    count = {b"\1": "<H", b"\2": "<I", b"\3": "<I"}.get(file.read(2)[:1])
    if count is None:
        raise error(f"{where}: is an array of an unknown format")
    (length,) = struct.unpack(count, file.read(struct.calcsize(count)))
    start = 8 + struct.calcsize(count) + length
    if length > LARGEST_HEADER or start > size:
        raise error(f"{where}: its header claims {length:,} bytes")
    text = file.read(length).decode("latin1").strip()
    if usual := USUAL_HEADER.fullmatch(text):
        descr, fortran, shape = usual[1], usual[2] == "True", tuple(map(int, NUMBER.findall(usual[3])))
    else:
        descr, fortran, shape = _literal_header(where, text, error)
    return _plain_dtype(where, descr, error), shape, fortran, start


def _literal_header(where, text, error):
    """(descr, fortran, shape) of a header in another form than NumPy writes today."""
    try:
        with warnings.catch_warnings():  # of strange literals
            warnings.simplefilter("ignore")
            header = ast.literal_eval(text)
        return header["descr"], header["fortran_order"] is True, header["shape"]
    except Exception as problem:  # a dictionary of literals is small; whatever else stands there may end anywhere
        raise error(f"{where}: its header cannot be read") from problem


def _plain_dtype(where, descr, error):
    if re.search(r"'\|?O\d*'", repr(descr)):
        raise error(f"{where}: holds pickled Python objects, which are never loaded from a file")
    plain = isinstance(descr, str) and re.fullmatch(r"[<>|=]?(f[248]|[iu][1248]|b1|[?])", descr)
    if not plain:
        raise error(f"{where}: must hold plain numbers; got {shown(descr)}")
    return np.dtype(descr)


def check_size(where, shape, itemsize, given, *, error=DataError):
    """Raise `error` unless a shape is a list of lengths that fills the given bytes exactly."""
    if not isinstance(shape, (tuple, list)) or len(shape) > LARGEST_DIMENSIONS:
        raise error(f"{where}: its shape must be a list of at most {LARGEST_DIMENSIONS} lengths")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise error(f"{where}: its shape must hold lengths of 0 or more; got {shown(shape, 80)}")
    if max(shape, default=0) >= 1 << 63 or math.prod(shape) * itemsize != given:
        raise error(
            f"{where}: shape {shown(tuple(shape), 80)} at {itemsize} bytes each does not fill the {given:,} bytes given"
        )


# ---------------------------------------------------------------- numbers


def native(array):
    """The same numbers in this machine's order of bytes."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def fits_float32(array):
    """Whether an array holds floats that are finite, also after the cast to float32, in which models compute."""
    if array.dtype.kind != "f":
        return False
    if array.dtype.itemsize > 4:
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(np.float32)
    return bool(np.isfinite(array).all())


def check_floats(where, array, *, least=-math.inf, error=DataError):
    """Raise `error` unless an array holds floats that fit float32, none below `least`."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise error(f"{where} must hold floats; got {getattr(array, 'dtype', type(array).__name__)}")
    if not fits_float32(array):
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = array.astype(np.float32)
        wrong = array[~np.isfinite(numbers)]
        raise error(
            f"{where} must hold finite numbers; {len(wrong):,} of {array.size:,} are NaN, infinite or too large for "
            f"float32; the first is {wrong.flat[0]:g}"
        )
    if array.size and array.min() < least:
        raise error(f"{where} must be at least {least:g}; its smallest number is {array.min():g}")
