"""A folder with MNIST's four files, packed or not, of which some are damaged or much larger than they look."""

import gzip
import struct

import numpy as np

from tinymaskrcnn.data import mnist

from .damage import damaged_bytes, pick
from .frame import Door

PARTS = {"train": 12, "t10k": 4}


def _idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def _flood():
    """Half a gigabyte of zeros behind a sound head, as half a megabyte."""
    return gzip.compress(struct.pack(">4I", 0x0803, 12, 28, 28) + bytes(2**29), 1)


def make_set(rng, folder):
    """A new folder, so that nothing of the one before is remembered."""
    folder = folder / f"mnist{rng.integers(10**9)}"
    folder.mkdir()
    for part, count in PARTS.items():
        images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = (np.arange(count) % pick(rng, [10] * 9 + [11])).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            raw, packed = _idx(array), rng.random() < 0.5
            raw = damaged_bytes(rng, raw) if rng.random() < 0.15 else raw
            raw = gzip.compress(raw, 1) if packed else raw
            raw = damaged_bytes(rng, raw) if rng.random() < 0.1 else raw
            if rng.random() < 0.98:
                (folder / (f"{name}.gz" if packed else name)).write_bytes(raw)
    if rng.random() < 0.01:
        (folder / "train-images-idx3-ubyte.gz").write_bytes(_flood())
        (folder / "train-images-idx3-ubyte").unlink(missing_ok=True)
    return folder


def use_set(folder):
    bank = mnist.load(folder, verify=False)
    assert bank.labels.max() <= 9 and sum(len(bank.members(s)) for s in ("train", "validation", "test")) > 0


DOORS = [Door("MNIST", make_set, use_set)]
