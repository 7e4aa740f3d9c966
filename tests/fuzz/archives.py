"""Ways to damage the arrays of an .npz archive, from the numbers in them to the bytes of the zip file around them."""

import io
import re
import struct
import warnings
import zipfile

import numpy as np

from .damage import damaged_bytes, pick

VALUES = (np.nan, np.inf, -np.inf, 1e300, -1e300, 3.5e38, -1.0, 0.0, 1e-320, 2.0**31)
DTYPES = ("<c8", "<i8", "<U4", "?", "<f2", "<f8", ">f4", "<M8[s]", "<u1", "<f4,<i2", "S3", "O", "<f4")
NAMES = (
    "",
    "model/",
    "model/x",
    "optimizer/x",
    "../x",
    "/etc/x",
    "a\\b",
    "x" * 700,
    "n\n\x1b[31m",
    "about",
    "\u202e猫",
)
SHAPES = (
    "()",
    "(-1,)",
    "(1 << 40,)",
    "(2, True)",
    "(4294967296,)",
    "(0, 9999999999999999999999)",
    "[2]",
    "None",
    "(1,) * 99",
)
HEADERS = (
    "",
    "{",
    "(" * 9000,
    "{}",
    "[1]",
    "__import__('os').abort()",
    "{'descr': '<f4'}",
    "\0",
    "1if 2else 3",
    "'\\d'",
)


def damaged_arrays(rng, arrays):
    """A copy of {name: array} in which one to three arrays hold, are or are called something else, are gone or new."""
    arrays = dict(arrays)
    for _ in range(int(rng.integers(1, 4))):
        name = pick(rng, sorted(arrays) or [""])
        array = arrays.get(name, np.zeros(3, np.float32))
        kind = int(rng.integers(8))
        if kind <= 2:
            array = array.astype(np.float64 if rng.random() < 0.5 and array.dtype.kind == "f" else array.dtype)
            if array.size:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    array.flat[int(rng.integers(array.size))] = np.array(pick(rng, VALUES)).astype(array.dtype)
            arrays[name] = array
        elif kind == 3:
            arrays[name] = _as(array, pick(rng, DTYPES))
        elif kind == 4:
            shapes = (array.reshape(-1), array[..., None], array[:0] if array.ndim else array, array.T, array[None])
            arrays[name] = pick(rng, [*shapes, np.asfortranarray(array)])
        elif kind == 5:
            arrays.pop(name, None)
        elif kind == 6:
            arrays[pick(rng, NAMES)] = arrays.pop(name, array)
        else:
            arrays[pick(rng, NAMES)] = array
    return arrays


def _as(array, dtype):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return array.astype(dtype)
        except (TypeError, ValueError):
            return np.zeros(array.shape, dtype)


def archive(rng, arrays):
    """The bytes of {name: array} as an .npz, half of the time with something done to it as an archive."""
    members = {}
    for name, array in arrays.items():
        file = io.BytesIO()
        np.save(file, array)
        members[f"{name}.npy"] = file.getvalue()
    kind = int(rng.integers(12))
    if kind == 0 and members:
        name = pick(rng, sorted(members))
        members[name] = _damaged_npy(rng, members[name])
    elif kind == 1:
        members[pick(rng, ["x.txt", "model/", "x.npy", "model/x.npy"])] = rng.bytes(30)
    odd = pick(rng, [zipfile.ZIP_STORED] * 7 + [zipfile.ZIP_DEFLATED] * 2 + [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    contents = _zipped(members, {pick(rng, sorted(members) or [""]): odd}, twice=kind == 2)
    if kind == 3:
        return damaged_bytes(rng, contents)
    if kind in (4, 5):
        return _damaged_directory(rng, contents)
    return _with_bomb(contents) if kind == 6 and rng.random() < 0.1 else contents


def _zipped(members, methods, *, twice=False):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, contents in members.items():
            for _ in range(1 + twice):
                made.writestr(name or "x", contents, methods.get(name, zipfile.ZIP_STORED))
    return file.getvalue()


def _damaged_npy(rng, contents):
    """One array's file with a header that means something else, and a checksum that fits it."""
    end = 10 + struct.unpack("<H", contents[8:10])[0]
    header, numbers = contents[10:end].decode("latin1"), contents[end:]
    kind = int(rng.integers(5))
    if kind == 0:
        header = header[: header.index("'shape'")] + f"'shape': {pick(rng, SHAPES)}}}"
    elif kind == 1:
        header = header.replace("'<f4'", repr(pick(rng, [*DTYPES, "<f16", "|V4", "x", [("a", "|O")], None])))
    elif kind == 2:
        header = pick(rng, HEADERS)
    elif kind == 3:
        return damaged_bytes(rng, contents)
    else:
        length = pick(rng, [0, 2**16 - 1, len(header) + len(numbers) + 1])
        return contents[:8] + struct.pack("<H", length) + header.encode("latin1") + numbers
    return contents[:8] + struct.pack("<H", len(header)) + header.encode("latin1") + numbers


def _damaged_directory(rng, contents):
    """One field of one entry, in the zip file's directory or before the member itself, with another value."""
    contents = bytearray(contents)
    mark = pick(rng, [b"PK\1\2", b"PK\3\4", b"PK\5\6"])
    found = [match.start() for match in re.finditer(re.escape(mark), contents)]
    if found:
        at = pick(rng, found) + 4 + 2 * int(rng.integers(20))
        width = pick(rng, ["<H", "<I"])
        most = 8 * struct.calcsize(width)
        value = pick(rng, [0, 1, 8, 9, 99, (1 << most) - 1, int(rng.integers(1 << 16))])
        contents[at : at + most // 8] = struct.pack(width, value)
    return bytes(contents)


def _with_bomb(contents):
    """A member more: many zeros, deflated."""
    file = io.BytesIO(contents)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as made, made.open("model/bomb.npy", "w") as member:
        header = repr({"descr": "<f4", "fortran_order": False, "shape": (24 << 20,)}).encode()
        member.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
        for _ in range(6):
            member.write(bytes(16 << 20))
    return file.getvalue()
