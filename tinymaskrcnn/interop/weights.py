"""Weight files in, NumPy arrays out: .npz, .safetensors, and .pth where torch is installed.

A weight file comes from a stranger. Nothing in it is ever executed (no pickle), and no array is made before its size
was compared with the bytes that are really there: a small file cannot ask for much memory.
"""

import ast
import importlib
import json
import math
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError, listed, shown

LARGEST_HEADER = 100_000_000  # bytes of JSON in a .safetensors file, as in the format's own library
LARGEST_NPY_HEADER = 10_000  # bytes; NumPy's own bound
LARGEST_DIMENSIONS = 32
LARGEST_INFLATION = 200  # uncompressed bytes per byte of file; real weights stay below 3
SMALL = 1 << 26  # bytes that may be inflated from anything


def read_weights(path):
    """All arrays of a weight file by name; DataError names the file and what is wrong with it.

    path of .npz, .safetensors, .pth or .pt  ->  {name: array}
    """
    path = Path(path)
    readers = {".npz": read_npz, ".safetensors": read_safetensors, ".pth": read_torch, ".pt": read_torch}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: weights must be one of {', '.join(sorted(readers))}; got {path.suffix or 'no suffix'!r}"
        )
    if not path.is_file():
        raise DataError(f"{path}: is a folder, not a file" if path.is_dir() else f"{path}: there is no such file")
    arrays = reader(path)
    if not arrays:
        raise DataError(f"{path}: holds no arrays")
    return arrays


# ---------------------------------------------------------------- .npz: a zip archive of arrays


def read_npz(path):
    """The arrays of an .npz file, each checked by `check_npz` before it is made."""
    check_npz(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged or truncated ({error})") from error


def check_npz(path):
    """Raise DataError unless every member of an .npz is a plain array of the size that its bytes can hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(set(names)) < len(names):
                raise DataError(f"{path}: the name {_first_double(names)!r} appears twice")
            _check_inflation(path, members)
            for member in members:
                with archive.open(member) as file:
                    _check_npy(f"{path}: {member.filename}", file, member.file_size)
    except DataError:
        raise
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, struct.error) as error:
        raise DataError(f"{path}: damaged or truncated, or not an .npz file ({error})") from error


def _check_inflation(path, members):
    inflated, stored = sum(m.file_size for m in members), Path(path).stat().st_size
    if inflated > max(SMALL, LARGEST_INFLATION * stored):
        raise DataError(f"{path}: {stored:,} bytes of file claim to hold {inflated:,} bytes of arrays")


def _check_npy(where, file, size):
    """Read the header of one array: magic, version, and a Python dictionary of literals."""
    if not where.endswith(".npy") or file.read(6) != b"\x93NUMPY":
        raise DataError(f"{where}: is not an array")
    version = file.read(2)
    count = {b"\1": "<H", b"\2": "<I", b"\3": "<I"}.get(version[:1])
    if count is None:
        raise DataError(f"{where}: is an array of an unknown format")
    (length,) = struct.unpack(count, file.read(struct.calcsize(count)))
    header_end = 8 + struct.calcsize(count) + length
    if length > LARGEST_NPY_HEADER or header_end > size:
        raise DataError(f"{where}: its header claims {length:,} bytes")
    try:
        header = ast.literal_eval(file.read(length).decode("latin1").strip())
        dtype, shape = np.dtype(header["descr"]), header["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise DataError(f"{where}: its header cannot be read") from error
    if dtype.hasobject:
        raise DataError(f"{where}: holds pickled Python objects, which are never loaded from a file")
    if dtype.kind not in "fiub":
        raise DataError(f"{where}: must hold plain numbers; got {dtype}")
    _check_size(where, shape, dtype.itemsize, size - header_end)


def _check_size(where, shape, itemsize, given):
    """The shape must be a list of lengths that fills the given bytes exactly."""
    if not isinstance(shape, (tuple, list)) or len(shape) > LARGEST_DIMENSIONS:
        raise DataError(f"{where}: its shape must be a list of at most {LARGEST_DIMENSIONS} lengths")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise DataError(f"{where}: its shape must hold lengths of 0 or more; got {str(shape)[:80]}")
    if max(shape, default=0) >= 1 << 63 or math.prod(shape) * itemsize != given:
        raise DataError(
            f"{where}: shape {str(tuple(shape))[:80]} at {itemsize} bytes each does not fill the {given:,} bytes given"
        )


def _first_double(names):
    seen = set()
    return next(name for name in names if name in seen or seen.add(name))


# ---------------------------------------------------------------- .safetensors

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "u1",
}  # fmt: skip


def read_safetensors(path):
    """The arrays of a .safetensors file: 8 bytes of header length, a JSON table of contents, then the numbers.

    BF16 becomes float32 (its upper half); every byte must belong to exactly one array.
    """
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise DataError(f"{path}: has {size} bytes, too few for a .safetensors file")
        (length,) = struct.unpack("<Q", start)
        if length > min(size - 8, LARGEST_HEADER):
            raise DataError(
                f"{path}: its header claims {length:,} bytes; {size - 8:,} follow (truncated, or another format)"
            )
        contents = _safetensors_contents(path, file.read(length), size - 8 - length)
        arrays = {}
        for name, (dtype, shape, begin, end) in contents.items():
            file.seek(8 + length + begin)
            values = np.frombuffer(file.read(end - begin), DTYPES[dtype])
            if dtype == "BF16":
                values = (values.astype(np.uint32) << 16).view(np.float32)
            elif dtype == "BOOL":
                values = values.astype(bool)
            arrays[name] = values.astype(values.dtype.newbyteorder("="), copy=False).reshape(shape)
    return arrays


def _safetensors_contents(path, header, room):
    """{name: (dtype, shape, begin, end)}, checked against each other and against the bytes that follow."""
    entries = _parse_json(path, header)
    entries.pop("__metadata__", None)
    contents = {}
    for name, entry in entries.items():
        where = f"{path}: {name[:200]}"
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise DataError(f"{where}: must be described by dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise DataError(f"{where}: dtype must be one of {', '.join(DTYPES)}; got {str(dtype)[:40]!r}")
        if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets)):
            raise DataError(f"{where}: data_offsets must be two whole numbers; got {str(offsets)[:80]}")
        begin, end = offsets
        if not 0 <= begin <= end <= room:
            raise DataError(f"{where}: data_offsets {offsets} lie outside the {room:,} bytes of numbers (truncated?)")
        _check_size(where, shape, np.dtype(DTYPES[dtype]).itemsize, end - begin)
        contents[name] = (dtype, shape, begin, end)
    _check_cover(path, contents, room)
    return contents


def _check_cover(path, contents, room):
    """Arrays must lie one behind the other, without overlap and without bytes that belong to none."""
    place, previous = 0, None
    for name, (_, _, begin, end) in sorted(contents.items(), key=lambda item: item[1][2:]):
        if begin < place:
            raise DataError(f"{path}: {previous} and {name} overlap: they claim the same bytes")
        if begin > place:
            raise DataError(f"{path}: {begin - place:,} bytes before {name} belong to no array")
        place, previous = end, name
    if place != room:
        raise DataError(f"{path}: {room - place:,} bytes at the end belong to no array")


def _parse_json(path, header):
    def table(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise DataError(f"{path}: the name {_first_double(names)!r} appears twice in the header")
        return dict(pairs)

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    try:
        entries = json.loads(header.decode("utf-8"), object_pairs_hook=table, parse_constant=refuse)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise DataError(f"{path}: its header is not valid JSON ({str(error)[:80]})") from error
    if not isinstance(entries, dict):
        raise DataError(f"{path}: its header must be a table of arrays; got {type(entries).__name__}")
    return entries


# ---------------------------------------------------------------- .pth


STATE_DICTS = ("model", "state_dict", "model_state_dict", "module", "net", "weights")  # where training scripts keep it


def read_torch(path):
    """The tensors of a .pth file as arrays; torch reads it with weights_only=True, which runs no code of the file.

    A checkpoint that keeps its weights under "model", "state_dict" or the like is looked into. bfloat16 turns float32.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise DataError(
            f"{path}: reading {Path(path).suffix} needs torch; install it, or save as .safetensors"
        ) from error
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _check_inflation(path, archive.infolist())
        with warnings.catch_warnings(action="ignore"):  # what is wrong is said below
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except Exception as error:  # whatever a broken or hostile file leads torch to
        raise DataError(f"{path}: {_why_torch_failed(error)}") from error
    state = _state_dict(loaded)
    if not isinstance(state, dict):
        raise DataError(f"{path}: must hold a state_dict, tensors by name; got {_article(type(state).__name__)}")
    other = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if other:
        raise DataError(
            f"{path}: must hold a state_dict, tensors by name; {listed(map(shown, other), most=4)} "
            f"{'is none' if len(other) == 1 else 'are none'}"
        )
    return {str(name): _to_array(f"{path}: {name}", torch, tensor) for name, tensor in state.items()}


def _why_torch_failed(error):
    """In our own words: torch's end in advice to load the file in another way, which runs the code in it."""
    if unknown := re.search(r"GLOBAL (\S{1,80}) was not an allowed global", str(error)):
        return (
            f"holds a Python object ({unknown[1]}), which is never loaded from a file. Where it was made, save the "
            "tensors alone: torch.save(model.state_dict(), path)"
        )
    return "cannot be read as weights: it is damaged, or was not written by torch.save"


def _state_dict(loaded):
    """What a training script wrapped its tensors in, taken off: {"epoch": 3, "model": {...}}  ->  {...}"""
    for _ in range(3):
        inner = [loaded[key] for key in STATE_DICTS if isinstance(loaded, dict) and isinstance(loaded.get(key), dict)]
        if not inner:
            break
        loaded = inner[0]
    return loaded


def _article(word):
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def _to_array(where, torch, tensor):
    """A tensor's own numbers; one number that claims to be many (stride 0) is refused."""
    try:
        tensor = tensor.detach()
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise DataError(f"{where}: claims shape {tuple(tensor.shape)} over fewer numbers")
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).resolve_conj().resolve_neg().numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:  # sparse, quantized, on no device
        raise DataError(f"{where}: is a tensor of {str(tensor.dtype)[:40]} that has no plain array") from error
