"""Checkpoints that are whole or not there: one npz file, written beside the old one and then put in its place.

The file holds plain arrays (`model/...`, `optimizer/...`), a JSON text with the step, the configuration and the format,
and a SHA-256 over everything. Random numbers need no state here: step n of a run draws from (seed, n).
"""

import contextlib
import errno
import hashlib
import itertools
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import before_later_settings, to_dict
from ..errors import CheckpointError, NonFiniteError, listed, shown
from ..files import decode, parse_json, whole_file
from ..plain_arrays import Npz, check_floats, fits_float32, member_name, native

FORMAT = 1
LARGEST_DESCRIPTION = 1 << 22  # bytes of JSON
LARGEST_INFLATION = 20  # checkpoints are written as they are; one that was packed later is smaller, but not so much
MOST_STEPS = 1 << 53
PLACES = ("annotations", "images", "val_annotations", "val_images", "train_list", "val_list")  # files may be moved
PLACES += ("proposals", "val_proposals")
FREE_TO_CHANGE = (  # do not touch what was learned so far
    *("train.steps", "train.checkpoint_every", "train.eval_scenes"),
    *(f"coco.{place}" for place in PLACES),
    "coco.skip_broken",
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
    if broken := [name for name, array in arrays.items() if array.dtype.kind == "f" and not fits_float32(array)]:
        raise NonFiniteError(
            f"{path}: not written: after step {step}, {listed(broken, most=3)} held NaN or infinite numbers "
            "(a training diverged: a lower learning rate helps)."
        )
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
    if not path.is_file():
        raise CheckpointError(f"{path}: is not a file")
    with Npz(path, error=CheckpointError, kind="a checkpoint", inflation=LARGEST_INFLATION) as file:
        about = _description(path, file) if "about" in file.names else {}
        arrays = {name: file.read(name) for name in file.names}
    if "about" not in arrays or "checksum" not in arrays:
        raise CheckpointError(f"{path}: damaged or truncated, or not a checkpoint (it does not say what it holds)")
    if arrays["checksum"].tobytes() != _checksum(arrays):
        raise CheckpointError(f"{path}: the checksum does not match: the file was changed or damaged")
    if config is not None:
        _compare(path, about["config"], json.loads(json.dumps(config)), part)
    for name, array in arrays.items():
        _check_array(path, name, array)
    return Checkpoint(about["step"], about["config"], _below(arrays, "model/"), _below(arrays, "optimizer/"))


def _description(path, file):
    """The format, the step and the configuration that a checkpoint says of itself, each of its kind."""
    contents = file.read("about", largest=LARGEST_DESCRIPTION).tobytes()
    about = parse_json(decode(contents, f"{path}: about", error=CheckpointError), path, error=CheckpointError)
    if not isinstance(about, dict) or "format" not in about:
        raise CheckpointError(f"{path}: damaged or truncated, or not a checkpoint (it does not say what it is)")
    if type(about["format"]) is not int or about["format"] != FORMAT:
        raise CheckpointError(f"{path}: has format {shown(about['format'])}; this version reads format {FORMAT}")
    step, config = about.get("step"), about.get("config")
    if type(step) is not int or not 0 <= step < MOST_STEPS:
        raise CheckpointError(f"{path}: its step must be a whole number, at least 0; got {shown(step)}")
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: its config must be a table of settings; got {shown(config)}")
    return about


def _check_array(path, name, array):
    """Weights and what an optimizer remembers are finite floats; its number of updates is a whole number."""
    if name in ("about", "checksum"):
        return
    if name == "optimizer/updates":
        if array.shape != () or array.dtype.kind not in "iu" or not 0 <= array < MOST_STEPS:
            raise CheckpointError(f"{path}: {name} must be a whole number, at least 0; got {shown(array)}")
        return
    part, _, rest = name.partition("/")
    if part not in ("model", "optimizer") or not rest:
        raise CheckpointError(f"{path}: {member_name(name)}: belongs to no checkpoint")
    least = 0.0 if name.endswith("running_var") else -math.inf
    check_floats(f"{path}: {member_name(name)}", array, least=least, error=CheckpointError)


def _below(arrays, prefix):
    return {name.removeprefix(prefix): native(array) for name, array in arrays.items() if name.startswith(prefix)}


@contextlib.contextmanager
def naming(path):
    """Inside, a CheckpointError of whoever takes a checkpoint's contents over begins with the file's name."""
    try:
        yield
    except CheckpointError as error:
        if str(error).startswith(f"{path}:"):
            raise
        raise CheckpointError(f"{path}: {error}") from error


def _compare(path, stored, wanted, part):
    if part:
        stored, wanted = stored.get(part), wanted[part]
    if not isinstance(stored, dict):
        raise CheckpointError(f"{path}: its config must have a table {part!r}; got {shown(stored)}")
    differing = [d for d in differences(stored, wanted, part) if d[0] not in FREE_TO_CHANGE and not _newer(*d)]
    if differing:
        said = [
            f"{shown(name)[1:-1]} is {shown(was, 30)} there and {shown(now, 30)} here" for name, was, now in differing
        ]
        kept = max(1, sum(end <= 300 for end in itertools.accumulate(map(len, said))))
        more = f"; and {len(said) - kept} more" if len(said) > kept else ""
        raise CheckpointError(f"{path}: was made with another configuration: {'; '.join(said[:kept])}{more}")


def _newer(name, was, now):
    """Whether a setting that the checkpoint does not know yet says how it was made: as its default, or as before."""
    before = to_dict(before_later_settings())
    for part in name.split("."):
        before = before.get(part) if isinstance(before, dict) else None
    return was is None and before is not None and json.loads(json.dumps(before)) == now


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
