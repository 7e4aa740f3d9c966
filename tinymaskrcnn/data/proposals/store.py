"""Proposals on disk: found once for each picture of a stream, and kept in a folder that knows what they are of.

The folder holds about.json, which tells the data and the settings, and parts of plain arrays, each written in one move:
whatever was found before an interruption is found again.
"""

import json

import numpy as np

from ...errors import DataError, listed, shown
from ...files import read_json, sweep_folder, whole_file, write_whole
from ...plain_arrays import read_npz

FORMAT = 1
PART = 64  # pictures; as many searches at most are lost in an interruption


class ProposalStore:
    """The proposals of the pictures of a stream, by number: read from the folder, or found and put there.

    about: a table of what they depend on, data and settings. DataError when the folder holds proposals of anything
    else. find(number) -> boxes (P, 4) float32 in pixels of the whole picture. Without a folder they are kept in memory.
    """

    def __init__(self, folder, about, find):
        self.folder, self.find = folder, find
        self.about = json.loads(json.dumps({"format": FORMAT, **about}))
        self.known, self._new, self._parts = {}, [], []
        if folder is not None and (folder / "about.json").exists():
            _compare(folder, read_json(folder / "about.json"), self.about)
            sweep_folder(folder)
            self._parts = sorted(folder.glob("part-*.npz"))
            for path in self._parts:
                self.known |= _read_part(path)

    def of(self, number):
        """Proposals of a picture: boxes (P, 4) float32."""
        if number not in self.known:
            self.known[number] = self.find(number)
            self._new.append(number)
            if len(self._new) == PART:
                self.flush()
        return self.known[number]

    def missing(self, numbers):
        """Those of some pictures that nobody has searched yet."""
        return [number for number in numbers if number not in self.known]

    def flush(self):
        """Write what is new."""
        if not self._new or self.folder is None:
            return
        if not (self.folder / "about.json").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / "about.json", json.dumps(self.about, indent=1) + "\n")
        path = self.folder / f"part-{len(self._parts):05d}.npz"
        boxes = [self.known[number] for number in self._new]
        with whole_file(path) as file:
            np.savez(
                file,
                numbers=np.array(self._new, np.int64),
                counts=np.array([len(b) for b in boxes], np.int64),
                boxes=np.concatenate(boxes),
            )
        self._parts.append(path)
        self._new = []


def _compare(folder, stored, about):
    """Raise DataError unless the folder's proposals are those that are asked for."""
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise DataError(f"{folder}: is no folder of proposals that this version can read")
    stored, wanted = _flat(stored), _flat(about)
    differing = [name for name in wanted | stored if stored.get(name) != wanted.get(name)]
    if differing:
        said = [f"{n} is {shown(stored.get(n), 30)} there and {shown(wanted.get(n), 30)} here" for n in differing]
        what = "another data set" if any(n.startswith("data.") for n in differing) else "other settings"
        raise DataError(f"{folder}: holds proposals of {what}: {listed(said, most=3)}")


def _flat(table, prefix=""):
    """{"data.seed": 0}: tables within tables as one."""
    flat = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _read_part(path):
    """{number: boxes} of one file."""
    arrays = read_npz(path)
    try:
        numbers, counts, boxes = arrays["numbers"], arrays["counts"], arrays["boxes"]
        whole = numbers.dtype.kind == counts.dtype.kind == "i" and counts.min(initial=0) >= 0
        if not whole or numbers.shape != counts.shape or boxes.shape != (int(counts.sum()), 4):
            raise KeyError
    except (KeyError, ValueError, IndexError):
        raise DataError(f"{path}: is no part of a folder of proposals; delete it, and they are found again") from None
    if boxes.dtype != np.float32 or not np.isfinite(boxes).all():
        raise DataError(f"{path}: its boxes must be finite float32 numbers; delete it, and they are found again")
    return dict(zip(numbers.tolist(), np.split(boxes, np.cumsum(counts)[:-1])))
