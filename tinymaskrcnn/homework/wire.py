"""Trees of arrays as bytes between two processes, without pickle: what a student's code sends back is data only."""

import json
import math
import struct

import numpy as np
import scipy.sparse

LARGEST = 1 << 28  # bytes of a message
_KINDS = "biuf"


class WireError(Exception):
    """The bytes are not a message of this format."""


def pack(tree):
    """A tree of dictionaries, tuples, lists, numbers, strings, None, arrays and CSR matrices  ->  bytes."""
    arrays = []
    head = json.dumps(_describe(tree, arrays)).encode()
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return struct.pack(">II", len(head), len(body)) + head + body


def _describe(x, arrays):
    if x is None or isinstance(x, (bool, int, str)):
        return {"is": x}
    if isinstance(x, float):
        return {"float": x.hex()}
    if isinstance(x, (tuple, list)):
        return {type(x).__name__ if type(x) in (tuple, list) else "tuple": [_describe(item, arrays) for item in x]}
    if isinstance(x, dict):
        return {"dict": [[str(key), _describe(value, arrays)] for key, value in x.items()]}
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in _KINDS:
        array = np.asarray(x)
        arrays.append(array)
        return {"array": [array.dtype.str, list(array.shape)], "scalar": isinstance(x, np.generic)}
    if scipy.sparse.issparse(x):
        csr = x.tocsr()
        return {
            "csr": [_describe(part, arrays) for part in (csr.data, csr.indices, csr.indptr)],
            "shape": list(csr.shape),
        }
    return {"other": type(x).__name__}


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
    except (ValueError, TypeError, KeyError, IndexError, struct.error, RecursionError, AttributeError) as error:
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
        matrix = scipy.sparse.csr_matrix(tuple(parts), shape=tuple(entry["shape"]))
        matrix.check_format(full_check=True)
        return matrix, place
    return Other(str(entry["other"])), place


def _array(entry, body, place):
    name, shape = entry["array"]
    dtype = np.dtype(name)
    if dtype.kind not in _KINDS or any(not isinstance(n, int) or n < 0 for n in shape):
        raise WireError(f"not an array: {name!r} {shape!r}")
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


def receive(stream):
    """Read one message; EOFError when the other side is gone."""
    sizes = _read(stream, 8)
    head, body = struct.unpack(">II", sizes)
    if head + body > LARGEST:
        raise WireError(f"a message of {head + body} bytes is larger than {LARGEST}")
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
