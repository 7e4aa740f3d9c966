"""Checkpoints that are whole or not there: one npz file, written beside the old one and then put in its place.

The file holds plain arrays (`model/...`, `optimizer/...`), a JSON text with the step, the configuration and the format,
and a SHA-256 over everything. Random numbers need no state here: step n of a run draws from (seed, n).
"""

import errno
import hashlib
import json
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import Config, to_dict
from ..errors import CheckpointError
from ..files import whole_file

FORMAT = 1
PLACES = ("annotations", "images", "val_annotations", "val_images", "train_list", "val_list")  # files may be moved
FREE_TO_CHANGE = (  # do not touch what was learned so far
    *("train.steps", "train.checkpoint_every", "train.eval_scenes"),
    *(f"coco.{place}" for place in PLACES),
)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: the number of completed steps, the configuration, and arrays by name."""

    step: int
    config: dict
    model: dict
    optimizer: dict


def save_checkpoint(path, *, step, config, model, optimizer):
    """Write a checkpoint so that at every moment `path` is the old file or the new one, never something between.

    config is a table from `config.to_dict`, model and optimizer are state_dicts. When the disk is full, or the file
    cannot be written for another reason, the old checkpoint stays and a CheckpointError says so.
    """
    path = Path(path)
    arrays = {f"model/{name}": array for name, array in model.items()}
    arrays |= {f"optimizer/{name}": array for name, array in optimizer.items()}
    about = json.dumps({"format": FORMAT, "step": step, "config": config}, sort_keys=True)
    arrays["about"] = np.frombuffer(about.encode(), np.uint8)
    arrays["checksum"] = np.frombuffer(_checksum(arrays), np.uint8)

    try:
        with whole_file(path) as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise CheckpointError(_write_failure(path, error, arrays)) from error


def _write_failure(path, error, arrays):
    if error.errno == errno.ENOSPC:
        needed = sum(a.nbytes for a in arrays.values()) / 1e6
        free = shutil.disk_usage(path.parent).free / 1e6
        why = f"the disk is full (needs {needed:.1f} MB, {free:.1f} MB are free)"
    else:
        why = error.strerror or str(error)
    kept = "the checkpoint written before it is untouched" if path.exists() else "no earlier checkpoint exists"
    return f"{path}: could not be written: {why}; {kept}"


def _checksum(arrays):
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if name != "checksum":
            array = np.ascontiguousarray(arrays[name])
            digest.update(f"{name} {array.dtype.str} {arrays[name].shape}\n".encode())
            digest.update(array.data if array.size else b"")
    return digest.digest()


def load_checkpoint(path, *, config=None, part=""):
    """Read and verify a checkpoint; raises CheckpointError for a missing, damaged, foreign or unfitting file.

    Give config (a table from `config.to_dict`) to insist that the checkpoint was made with it; part "model" compares
    only that part of the configuration.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"{path}: there is no checkpoint")
    try:
        arrays, about = _read(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: damaged or truncated, or not a checkpoint ({error})") from error
    if config is not None:
        _compare(path, about["config"], json.loads(json.dumps(config)), part)
    return Checkpoint(about["step"], about["config"], _below(arrays, "model/"), _below(arrays, "optimizer/"))


def _read(path):
    opened = np.load(path, allow_pickle=False)
    if not isinstance(opened, np.lib.npyio.NpzFile):
        raise ValueError("not an npz file")
    with opened as file:
        about = json.loads(bytes(file["about"]))
        if about["format"] != FORMAT:
            raise CheckpointError(f"{path}: has format {about['format']}; this version reads format {FORMAT}")
        arrays = {name: file[name] for name in file.files}
    if bytes(arrays["checksum"]) != _checksum(arrays):
        raise CheckpointError(f"{path}: the checksum does not match: the file was changed or damaged")
    return arrays, about


def _below(arrays, prefix):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _compare(path, stored, wanted, part):
    if part:
        stored, wanted = stored[part], wanted[part]
    differing = [d for d in differences(stored, wanted, part) if d[0] not in FREE_TO_CHANGE and not _newer(*d)]
    if differing:
        listed = "; ".join(f"{name} is {was!r} there and {now!r} here" for name, was, now in differing[:8])
        more = f"; and {len(differing) - 8} more" if len(differing) > 8 else ""
        raise CheckpointError(f"{path}: was made with another configuration: {listed}{more}")


def _newer(name, was, now):
    """Whether a setting that the checkpoint does not know yet stands at its default, which is how it was made."""
    default = to_dict(Config())
    for part in name.split("."):
        default = default.get(part) if isinstance(default, dict) else None
    return was is None and default is not None and json.loads(json.dumps(default)) == now


def differences(stored, wanted, prefix=""):
    """The entries in which two configuration tables differ, as (dotted name, stored value, wanted value)."""
    found = []
    for name in sorted(set(stored) | set(wanted)):
        dotted = f"{prefix}.{name}" if prefix else name
        was, now = stored.get(name), wanted.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            found += differences(was, now, dotted)
        elif was != now:
            found.append((dotted, was, now))
    return found
