"""MNIST: found in a folder, read from its idx files, verified by checksum; downloaded only when asked for.

MNIST (Y. LeCun, C. Cortes, C. Burges) is 70,000 handwritten digits of 28x28 pixels, and no part of this package.
"""

import functools
import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError
from .digits import make_bank
from .download import fetch

# file -> (bytes, SHA-256), both of the decompressed file: the gzip around it may differ from mirror to mirror
FILES = {
    "train-images-idx3-ubyte": (47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
DEFLATE = 1032  # gzip makes nothing smaller than a 1032nd
VALIDATION = 10_000  # the last so many digits of the training files


# ---------------------------------------------------------------- where it is


def cache_folder():
    """Where a download goes: $TINYMASKRCNN_CACHE/mnist, or ~/.cache/tinymaskrcnn/mnist."""
    root = os.environ.get("TINYMASKRCNN_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "tinymaskrcnn") / "mnist"


def candidates(data_dir=None):
    """The folders to look in, first choice first; a folder that is named explicitly is the only one."""
    if data_dir is not None:
        return [Path(data_dir), Path(data_dir) / "mnist"]
    shared = os.environ.get("TINYMASKRCNN_DATA")
    return ([Path(shared) / "mnist"] if shared else []) + [cache_folder()]


def find(data_dir=None):
    """The first candidate folder that holds any MNIST file; DataError says where it looked and how to get them."""
    folders = candidates(data_dir)
    for folder in folders:
        if any(_path(folder, name) for name in FILES):
            return folder
    raise DataError(
        f"MNIST was not found; looked in {', '.join(map(str, folders))}. Download it with `tinymaskrcnn data mnist`, "
        "or name the folder that holds its four idx files: `tinymaskrcnn train --data DIR`, and so with evaluate."
    )


def _path(folder, name):
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


# ---------------------------------------------------------------- reading


def load(data_dir=None, *, verify=True):
    """All of MNIST as a DigitBank: t10k is the test split, the last 10,000 training digits are for validation.

    Raises DataError when files are missing or broken; verify=False skips the checksums (for other idx sets).
    """
    return _load(find(data_dir).resolve(), verify)


@functools.lru_cache(maxsize=1)  # training and evaluation share one copy
def _load(folder, verify):
    train_images, train_labels = read_pair(folder, "train", verify=verify)
    test_images, test_labels = read_pair(folder, "t10k", verify=verify)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{folder}: training and test digits must have one size; got {train_images.shape[1:]} and "
            f"{test_images.shape[1:]}"
        )
    trained, total = len(train_labels), len(train_labels) + len(test_labels)
    first = trained - min(VALIDATION, trained // 6)
    splits = {
        "train": np.arange(first),
        "validation": np.arange(first, trained),
        "test": np.arange(trained, total),
    }
    images = np.concatenate([train_images, test_images])
    return make_bank("mnist", images, np.concatenate([train_labels, test_labels]), full=255, splits=splits)


def read_pair(folder, part, *, verify=True):
    """Images (K, H, W) and labels (K,) of one part, "train" or "t10k"; their numbers must agree."""
    images = _read(folder, f"{part}-images-idx3-ubyte", verify, axes=3)
    labels = _read(folder, f"{part}-labels-idx1-ubyte", verify, axes=1)
    if len(images) != len(labels):
        raise DataError(f"{folder}: the {part} files hold {len(images)} images but {len(labels)} labels")
    if len(labels) and labels.max() > 9:
        raise DataError(f"{folder}: {part} labels must be 0..9; got {labels.max()}")
    return images, labels


def _read(folder, name, verify, *, axes):
    path = _path(Path(folder), name)
    if path is None:
        raise DataError(f"{folder}: {name} (or {name}.gz) is missing; get it with `tinymaskrcnn data mnist`")
    size, digest = FILES[name]
    if verify:
        raw = read_file(path, limit=size)
        check(raw, size, digest, path)
    else:  # as much as the file says of itself, however much more is packed into it
        head = read_file(path, limit=4 + 4 * axes - 1)
        raw = read_file(path, limit=_claimed(head, axes)) if len(head) == 4 + 4 * axes else head
    return parse_idx(raw, axes=axes, name=path)


def _claimed(head, axes):
    """How many bytes an idx file has by its head."""
    return len(head) + math.prod(int.from_bytes(head[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes))


def read_file(path, *, limit=None):
    """The bytes of a file, decompressed if it is gzip; never more than limit + 1 of them."""
    try:
        with open(path, "rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            source = gzip.GzipFile(fileobj=stream) if packed else stream
            most = os.fstat(stream.fileno()).st_size * (DEFLATE if packed else 1)
            return source.read(-1 if limit is None else min(limit, most) + 1)  # reserved before a byte is read
    except (OSError, EOFError, zlib.error) as error:  # EOFError: the gzip stream ends early
        raise DataError(f"{path}: cannot be read, or is truncated ({error})") from error


def check(raw, size, digest, path):
    """Raise DataError unless these are exactly the bytes of the original file."""
    if len(raw) != size:
        more = "more than that" if len(raw) > size else f"{len(raw)}"
        raise DataError(f"{path}: must hold {size} bytes when decompressed; got {more}")
    given = hashlib.sha256(raw).hexdigest()
    if given != digest:
        raise DataError(f"{path}: is not the original MNIST file; SHA-256 must be {digest}, got {given}")


def parse_idx(raw, *, axes, name="idx"):
    """The idx format: two zero bytes, a type (8 = uint8), the number of axes, each axis as 4 big-endian bytes, data.

    raw bytes  ->  array uint8 with so many axes
    """
    if len(raw) < 4 + 4 * axes:
        raise DataError(f"{name}: truncated; the header needs {4 + 4 * axes} bytes, the file has {len(raw)}")
    magic = int.from_bytes(raw[:4], "big")
    if magic != 0x0800 + axes:
        raise DataError(
            f"{name}: not an idx file of uint8 with {axes} axes; magic must be {0x0800 + axes}, got {magic}"
        )
    shape = tuple(int.from_bytes(raw[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes))
    wanted, given = _claimed(raw[: 4 + 4 * axes], axes), len(raw)
    if given != wanted:
        kind = "truncated" if given < wanted else "has trailing bytes"
        raise DataError(f"{name}: {kind}; shape {shape} needs {wanted} bytes, the file has {given}")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


# ---------------------------------------------------------------- getting it


def download(target=None, *, progress=True, mirrors=MIRRORS, timeout=30.0):
    """Fetch the four files into a folder (the cache when none is named) and return it; only ever called explicitly.

    Files that are there and sound are left alone, a broken download is continued, every file is verified.
    """
    folder = Path(target) if target is not None else cache_folder()
    for name, (size, digest) in FILES.items():

        def verify(path, size=size, digest=digest):
            check(read_file(path, limit=size), size, digest, path)

        if not _is_sound(folder, name, verify):
            urls = [f"{mirror}/{name}.gz" for mirror in mirrors]
            fetch(urls, folder / f"{name}.gz", verify=verify, progress=progress, timeout=timeout)
    return folder


def _is_sound(folder, name, verify):
    path = _path(folder, name)
    try:
        if path is not None:
            verify(path)
    except DataError as error:
        if path.suffix != ".gz":  # it would hide the file that is about to come
            raise DataError(f"{error}. Remove this file, then download again.") from error
        return False
    return path is not None
