"""Two sets of results side by side, and the stored ones: torchvision's answers for machines without torchvision."""

import io
import json
from pathlib import Path

import numpy as np

TOLERANCE = 1e-9  # float64, relative to the largest number of an array
STORED = Path(__file__).parent.parent / "fixtures" / "operators.npz"


def differences(got, want):
    """{name: relative error}; integers are equal or infinitely wrong, and so is a missing, misshapen or NaN result."""
    errors = {name: np.inf for name in set(got) ^ set(want)}
    return errors | {name: _error(np.asarray(got[name]), np.asarray(want[name])) for name in set(got) & set(want)}


def largest_difference(got, want):
    return max(differences(got, want).values())


def _error(got, want):
    if got.shape != want.shape or (got.dtype.kind == "f") != (want.dtype.kind == "f"):
        return np.inf
    if want.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else np.inf
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return np.inf
    scale = max(np.abs(want).max(initial=0), 1e-12)
    return float(np.abs(got.astype(np.float64) - want).max(initial=0) / scale)


# ---------------------------------------------------------------- stored answers


def save(path, records, made_with):
    """records {name: (arrays, settings, results)} as one array of numbers and one text that says what they are.

    made_with: who answered, in words
    """
    numbers, index = [], {}
    for name, (arrays, settings, results) in records.items():
        index[name] = {"settings": settings, "arrays": {}, "results": {}}
        for part, tree in (("arrays", arrays), ("results", results)):
            for key, array in tree.items():
                index[name][part][key] = [array.dtype.str, list(array.shape)]
                numbers.append(array.astype(np.float64).ravel())
    texts = {"index": json.dumps(index), "made_with": made_with}
    texts = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, numbers=np.concatenate(numbers), **texts)
    Path(path).write_bytes(buffer.getvalue())


def load(path=STORED):
    """The records that save wrote; inputs are stored, too, and so do not depend on how a generator draws."""
    with np.load(path, allow_pickle=False) as file:
        numbers, index = file["numbers"], json.loads(file["index"].tobytes())
    position, records = 0, {}
    for name, entry in index.items():
        trees = {}
        for part in ("arrays", "results"):
            trees[part] = {}
            for key, (dtype, shape) in entry[part].items():
                size = int(np.prod(shape))
                trees[part][key] = numbers[position : position + size].astype(dtype).reshape(shape)
                position += size
        records[name] = (trees["arrays"], _tuples(entry["settings"]), trees["results"])
    return records


def made_with(path=STORED):
    with np.load(path, allow_pickle=False) as file:
        return file["made_with"].tobytes().decode()


def _tuples(settings):
    """JSON knows lists only."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
