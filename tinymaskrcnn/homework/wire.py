"""Trees of arrays as bytes between two processes, without pickle: what a student's code sends back is data only."""

import importlib
import json
import math
import re
import struct
import sys

import numpy as np

LARGEST = 1 << 24  # bytes of the arrays of a message: of all answers that are right none has a thousandth of it
LARGEST_HEAD = 1 << 20  # bytes of what describes them, which take many times that once they are objects
_KINDS = "biuf"
_DTYPE = re.compile(r"[<>|][biuf]\d{1,2}")  # NumPy itself reads far more out of a name
FAULTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, struct.error)


class WireError(Exception):
    """The bytes are not a message of this format."""


def pack(tree):
    """A tree of dictionaries, tuples, lists, numbers, strings, None, arrays and CSR matrices  ->  bytes.

    WireError when it is too large to be sent.
    """
    arrays = []
    head = json.dumps(_describe(tree, arrays)).encode()
    _check_sizes(len(head), sum(array.nbytes for array in arrays))
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return struct.pack(">II", len(head), len(body)) + head + body


def _check_sizes(head, body):
    if head > LARGEST_HEAD or body > LARGEST:
        raise WireError(f"{(head + body) / 1e6:.0f} MB are larger than any message")


def _describe(x, arrays):
    if x is None or isinstance(x, (bool, int, str)):
        return {"is": x}
    if isinstance(x, float):
        return {"float": x.hex()}
    if isinstance(x, (tuple, list)):
        return {type(x).__name__ if type(x) in (tuple, list) else "tuple": [_describe(item, arrays) for item in x]}
    if isinstance(x, dict):
        return {"dict": [[str(key), _describe(value, arrays)] for key, value in x.items()]}
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in _KINDS and not np.ma.is_masked(x):
        array = np.asarray(x)
        arrays.append(array)
        return {"array": [array.dtype.str, list(array.shape)], "scalar": isinstance(x, np.generic)}
    if "scipy.sparse" in sys.modules and sys.modules["scipy.sparse"].issparse(x):  # who has one has imported it
        csr = x.tocsr()
        return {
            "csr": [_describe(part, arrays) for part in (csr.data, csr.indices, csr.indptr)],
            "shape": list(csr.shape),
        }
    return {"other": _kind(x)}


def _kind(x):
    """What a value that cannot travel is, in a word or two."""
    if isinstance(x, (np.ndarray, np.generic)):
        masked = "masked " * isinstance(x, np.ma.MaskedArray)
        return f"{masked}{x.dtype} array {x.shape}"[:80] if isinstance(x, np.ndarray) else f"{x.dtype} number"
    return type(x).__name__


class Other:
    """Stands for a value that cannot travel: only its type's name arrives."""

    def __init__(self, name):
        self.name = name


def unpack(message):
    """Mirror of pack; raises WireError for bytes that pack did not make."""
    try:
        sizes = struct.unpack(">II", message[:8])
        head, body = message[8 : 8 + sizes[0]], memoryview(message)[8 + sizes[0] :]
        tree, used = _build(json.loads(head), body, 0)
    except FAULTS as error:
        raise WireError(str(error)) from error
    if used != len(body) or sizes[1] != len(body):
        raise WireError("the message has a wrong length")
    return tree


def _build(entry, body, place):
    if "is" in entry:
        return entry["is"], place
    if "float" in entry:
        return float.fromhex(entry["float"]), place
    for name, kind in (("tuple", tuple), ("list", list)):
        if name in entry:
            items = []
            for item in entry[name]:
                value, place = _build(item, body, place)
                items.append(value)
            return kind(items), place
    if "dict" in entry:
        built = {}
        for key, item in entry["dict"]:
            built[key], place = _build(item, body, place)
        return built, place
    if "array" in entry:
        return _array(entry, body, place)
    if "csr" in entry:
        parts = []
        for item in entry["csr"]:
            part, place = _build(item, body, place)
            parts.append(part)
        matrix = importlib.import_module("scipy.sparse").csr_matrix(tuple(parts), shape=tuple(entry["shape"]))
        matrix.check_format(full_check=True)
        return matrix, place
    return Other(str(entry["other"])), place


def _array(entry, body, place):
    name, shape = entry["array"]
    if not _DTYPE.fullmatch(name) or any(not isinstance(n, int) or n < 0 for n in shape):
        raise WireError(f"not an array: {name!r} {shape!r}")
    dtype = np.dtype(name)
    size = math.prod(shape) * dtype.itemsize
    if place + size > len(body):
        raise WireError("an array reaches beyond the message")
    array = np.frombuffer(body[place : place + size], dtype).reshape(shape).copy()
    return (array[()] if entry.get("scalar") else array), place + size


def send(stream, tree):
    """Write one message and flush."""
    message = pack(tree)
    stream.write(message)
    stream.flush()


def send_any(stream, reply):
    """Send what a student's function led to, or the trouble that this cannot be sent."""
    try:
        message = pack(reply)
    except WireError as error:
        message = pack({**reply, "output": None, "trouble": ["memory", f"the answer is too large: {error}", 0, ""]})
    except Exception as error:  # objects that are not what they seem
        words = f"the answer cannot be sent ({type(error).__name__})"
        message = pack({**reply, "output": None, "trouble": ["exception", words, 0, ""]})
    stream.write(message)
    stream.flush()


def receive(stream):
    """Read one message; EOFError when the other side is gone."""
    sizes = _read(stream, 8)
    head, body = struct.unpack(">II", sizes)
    _check_sizes(head, body)
    return unpack(sizes + _read(stream, head + body))


def _read(stream, count):
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
