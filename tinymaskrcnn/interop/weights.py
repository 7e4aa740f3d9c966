"""Weight files in, NumPy arrays out: .npz, .safetensors, and .pth where torch is installed.

A weight file comes from a stranger. Nothing in it is ever executed (no pickle), and no array is made before its size
was compared with the bytes that are really there: a small file cannot ask for much memory.
"""

import importlib
import re
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np

from ..errors import DataError, listed, shown
from ..files import parse_json
from ..plain_arrays import LONGEST_NAME, check_floats, check_inflation, check_size, member_name, read_npz

LARGEST_HEADER = 10_000_000  # bytes of JSON in a .safetensors file: tens of thousands of arrays


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
    for name, array in arrays.items():
        where = f"{path}: {member_name(name)}"
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise DataError(f"{where}: is no name for an array")
        if array.dtype.kind not in "iub":  # counters of norms
            check_floats(where, array)
    return arrays


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
        where = f"{path}: {member_name(name)}"
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise DataError(f"{where}: must be described by dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise DataError(f"{where}: dtype must be one of {', '.join(DTYPES)}; got {shown(dtype, 40)}")
        if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets)):
            raise DataError(f"{where}: data_offsets must be two whole numbers; got {shown(offsets, 80)}")
        begin, end = offsets
        if not 0 <= begin <= end <= room:
            raise DataError(
                f"{where}: data_offsets {shown(offsets, 80)} lie outside the {room:,} bytes of numbers (truncated?)"
            )
        check_size(where, shape, np.dtype(DTYPES[dtype]).itemsize, end - begin)
        contents[name] = (dtype, shape, begin, end)
    _check_cover(path, contents, room)
    return contents


def _check_cover(path, contents, room):
    """Arrays must lie one behind the other, without overlap and without bytes that belong to none."""
    place, previous = 0, None
    for name, (_, _, begin, end) in sorted(contents.items(), key=lambda item: item[1][2:]):
        if begin < place:
            raise DataError(
                f"{path}: {member_name(previous)} and {member_name(name)} overlap: they claim the same bytes"
            )
        if begin > place:
            raise DataError(f"{path}: {begin - place:,} bytes before {member_name(name)} belong to no array")
        place, previous = end, name
    if place != room:
        raise DataError(f"{path}: {room - place:,} bytes at the end belong to no array")


def _parse_json(path, header):
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: its header is not valid JSON ({error.reason} at byte {error.start})") from error
    entries = parse_json(text, f"{path}: its header")
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
                check_inflation(path, archive.infolist())
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
    return {str(name): _to_array(f"{path}: {member_name(str(name))}", torch, tensor) for name, tensor in state.items()}


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
