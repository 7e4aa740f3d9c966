"""Arrays as JSON: what a page reads, and what a recorded answer holds."""

import base64

import numpy as np

KINDS = {"float32": np.float32, "uint8": np.uint8, "int32": np.int32}


def plain(value):
    """Dictionaries, sequences, numbers and arrays as JSON can hold them; an array is {"shape", "type", "data"}.

    Its bytes are little-endian in base64; floats become float32, whole numbers int32, bool and uint8 stay bytes.
    """
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        return value
    kind = "uint8" if value.dtype.kind == "b" or value.dtype == np.uint8 else "int32"
    kind = "float32" if value.dtype.kind == "f" else kind
    data = base64.b64encode(np.ascontiguousarray(value, KINDS[kind]).tobytes()).decode()
    return {"shape": list(value.shape), "type": kind, "data": data}


def array(told):
    """The array that `plain` made {"shape", "type", "data"} of."""
    return np.frombuffer(base64.b64decode(told["data"]), KINDS[told["type"]]).reshape(told["shape"])
