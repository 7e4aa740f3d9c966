"""Files between the stages of a training: arrays that say what they were made from, and are used for nothing else."""

import hashlib
import json
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, shown
from ..files import decode, parse_json, sweep_folder, whole_file
from ..plain_arrays import Npz, native
from .checkpoint import differences

LARGEST_DESCRIPTION = 1 << 20  # bytes of JSON


class StageFiles:
    """A folder of .npz files; each is the old one or the new one, also when its writer is killed.

    made_from, a table of plain values, goes into every file that is written; a file that was made from something else,
    a digest of other pictures or weights, or another setting, is refused by a CheckpointError that says what differs.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, name):
        return self.folder / f"{name}.npz"

    def has(self, name):
        return self.path(name).exists()

    def write(self, name, arrays, *, made_from):
        """Write {name: array}, in one move."""
        self.folder.mkdir(parents=True, exist_ok=True)
        about = {"made_from": made_from, "arrays": {key: digest(array) for key, array in arrays.items()}}
        about = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        with whole_file(self.path(name)) as file:
            np.savez(file, about=about, **arrays)

    def read(self, name, *, made_from):
        """{name: array}, or CheckpointError for a missing, damaged or foreign file."""
        path = self.path(name)
        if not path.exists():
            raise CheckpointError(f"{path}: there is no such file")
        with Npz(path, error=CheckpointError, kind="a file of a training's stage") as file:
            if "about" not in file.names:
                raise CheckpointError(f"{path}: does not say what it was made from")
            text = decode(file.read("about", largest=LARGEST_DESCRIPTION).tobytes(), path, error=CheckpointError)
            about = parse_json(text, path, error=CheckpointError)
            about = about if isinstance(about, dict) else {}
            _compare(path, about.get("made_from"), json.loads(json.dumps(made_from)))
            arrays = {name: file.read(name) for name in file.names if name != "about"}
        if about.get("arrays") != {name: digest(array) for name, array in arrays.items()}:
            raise CheckpointError(f"{path}: the checksum of its arrays does not match: the file was changed or damaged")
        return {name: native(array) for name, array in arrays.items()}

    def clean(self):
        """Remove what killed processes left half-written."""
        sweep_folder(self.folder)


def _compare(path, stored, wanted):
    if not isinstance(stored, dict):
        raise CheckpointError(f"{path}: must say in a table what it was made from; got {shown(stored)}")
    if differing := differences(stored, wanted):
        said = [f"{shown(n)[1:-1]} is {shown(was, 30)} there and {shown(now, 30)} here" for n, was, now in differing]
        more = f"; and {len(said) - 2} more" if len(said) > 2 else ""
        raise CheckpointError(
            f"{path}: was made from something else: {'; '.join(said[:2])}{more}. Remove the folder {path.parent.name} "
            "to make it anew"
        )


def digest(*arrays):
    """A short text that stands for the numbers, types and shapes of arrays."""
    sha = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        sha.update(f"{array.dtype.str} {array.shape}\n".encode())
        sha.update(array.data if array.size else b"")
    return sha.hexdigest()[:24]
