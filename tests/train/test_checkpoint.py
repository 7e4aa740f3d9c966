"""A checkpoint is whole or not there: damage is noticed, a full disk keeps the old one, SIGKILL leaves a good one."""

import errno
import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinymaskrcnn import files
from tinymaskrcnn.config import Config, to_dict
from tinymaskrcnn.errors import CheckpointError, NonFiniteError
from tinymaskrcnn.train import checkpoint as module
from tinymaskrcnn.train.checkpoint import differences, load_checkpoint, save_checkpoint

CONFIG = {"model": {"num_classes": 11, "rpn": {"nms_iou": 0.7}}, "train": {"steps": 10, "seed": 0}}


def write(path, step=3, config=CONFIG, scale=1.0):
    model = {"conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3) * scale, "empty": np.zeros((0, 4))}
    save_checkpoint(path, step=step, config=config, model=model, optimizer={"updates": np.array(step)})
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


def test_what_goes_in_comes_out(path):
    model = write(path)
    loaded = load_checkpoint(path, config=CONFIG)
    assert loaded.step == 3 and loaded.config == CONFIG
    assert list(loaded.model) == list(model) and loaded.optimizer["updates"] == 3
    for name, array in model.items():
        np.testing.assert_array_equal(loaded.model[name], array)
        assert loaded.model[name].dtype == array.dtype
    assert os.listdir(path.parent) == ["checkpoint.npz"]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_a_run_that_has_not_begun(path, dtype):
    save_checkpoint(path, step=0, config=CONFIG, model={}, optimizer={"updates": np.array(0, dtype)})
    assert load_checkpoint(path).step == 0 and load_checkpoint(path).optimizer["updates"] == 0


def test_missing(path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated(path, share):
    write(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        load_checkpoint(path)


def test_every_changed_byte_of_the_contents_is_noticed(path):
    model = write(path)
    raw = path.read_bytes()
    start = raw.index(model["conv.weight"].tobytes())
    for position in (start, start + 11, raw.index(b'"step": 3') + 8):
        path.write_bytes(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :])
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def test_contents_swapped_with_valid_zip_sums_are_noticed_by_the_checksum(path):
    write(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["model/conv.weight"] = arrays["model/conv.weight"] + 1
    np.savez(path, **arrays)
    with pytest.raises(CheckpointError, match="checksum"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [pickle.dumps({"a": 1}), b"hello", b"PK\x03\x04 not really"])
def test_not_a_checkpoint(path, content):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged or truncated, or not a checkpoint"):
        load_checkpoint(path)


def test_other_array_files_are_refused(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(CheckpointError, match="not an npz file"):
        load_checkpoint(path)
    np.savez(path, weight=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(path)


def test_wrong_version(path, monkeypatch):
    monkeypatch.setattr(module, "FORMAT", 99)
    write(path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="has format 99; this version reads format 1"):
        load_checkpoint(path)


def rewritten(path, about=lambda about: about, **changes):
    """The same file with another description or other arrays, and a checksum that fits: made on purpose."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "checksum"}
    text = about(json.loads(bytes(arrays["about"])))
    text = text if isinstance(text, str) else json.dumps(text)
    arrays["about"] = np.frombuffer(text.encode(), np.uint8)
    arrays |= {name.replace("__", "/"): array for name, array in changes.items()}
    np.savez(path, **arrays, checksum=np.frombuffer(module._checksum(arrays), np.uint8))


DESCRIPTIONS = {
    **{f"step {step!r}": ({"step": step}, "its step must be") for step in (None, "x", -1, 1.5, True, 1 << 60, [3])},
    **{f"config {c!r}": ({"config": c}, "its config must be a table") for c in (None, [], "x", 3)},
    **{f"format {f!r}": ({"format": f}, "has format") for f in (None, "1", 1.0, True, 2, [1])},
    **{
        f"step {text}": (f'{{"format": 1, "config": {{}}, "step": {text}}}', "not valid JSON")
        for text in ("NaN", "1e999")
    },
    "nested": ("[" * 100_000, "nested too deep"),
    "twice": ('{"format": 1, "format": 2}', "twice"),
    "a list": ("[1]", "not a checkpoint"),
    "empty": ("", "not valid JSON"),
    "long": (json.dumps("x" * 5_000_000), "make sense"),
    "no step": ('{"format": 1, "config": {}}', "its step must be"),
    "no config": ('{"format": 1, "step": 1}', "its config must be"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_description_is_not_trusted_because_its_checksum_fits(path, case):
    change, sentence = DESCRIPTIONS[case]
    write(path)
    rewritten(path, lambda about: change if isinstance(change, str) else about | change)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(str(path)) and len(str(caught.value)) < 500


CONTENTS = {
    "NaN": ({"model__w": np.array([1, np.nan], np.float32)}, "model/w must hold finite numbers; 1 of 2"),
    "infinite": ({"model__w": np.array([np.inf], np.float32)}, "the first is inf"),
    "too large for float32": ({"model__w": np.array([1e300])}, r"the first is 1e\+300"),
    "complex": ({"model__w": np.ones(2, complex)}, "plain numbers"),
    "text": ({"model__w": np.array(["a"])}, "plain numbers"),
    "whole numbers": ({"model__w": np.ones(2, np.int64)}, "model/w must hold floats; got int64"),
    "negative variance": ({"model__n.running_var": np.array([-1.0], np.float32)}, "must be at least 0"),
    "NaN momentum": ({"optimizer__velocity.w": np.array([np.nan])}, "optimizer/velocity.w must hold finite"),
    "updates NaN": ({"optimizer__updates": np.array(np.nan)}, "optimizer/updates must be a whole number"),
    "updates -1": ({"optimizer__updates": np.array(-1)}, "optimizer/updates must be a whole number"),
    "updates twice": ({"optimizer__updates": np.array([1, 2])}, "optimizer/updates must be a whole number"),
    "a stranger": ({"other": np.ones(2)}, "other: belongs to no checkpoint"),
    "a nameless one": ({"model__": np.ones(2)}, "belongs to no checkpoint"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_arrays_are_not_trusted_because_their_checksum_fits(path, case):
    changes, sentence = CONTENTS[case]
    write(path)
    rewritten(path, **changes)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(str(path)) and len(str(caught.value)) < 500


def test_a_checkpoint_of_a_machine_with_the_other_order_of_bytes(path):
    model = write(path)
    rewritten(path, **{f"model__{name}": array.astype(array.dtype.newbyteorder(">")) for name, array in model.items()})
    for name, array in load_checkpoint(path).model.items():
        np.testing.assert_array_equal(array, model[name])
        assert array.dtype == model[name].dtype


def test_what_could_not_be_loaded_is_not_written(path):
    write(path, step=3)
    with pytest.raises(NonFiniteError, match=r"not written: after step 4, model/conv.weight held NaN"):
        write(path, step=4, scale=np.nan)
    assert load_checkpoint(path).step == 3


def test_a_table_that_is_none_and_a_thousand_differences(path):
    write(path, config={"model": 3})
    with pytest.raises(CheckpointError, match="must have a table 'model'; got 3"):
        load_checkpoint(path, config=CONFIG, part="model")
    write(path, config=CONFIG | {"x" * 40 + str(i): "y" * 1000 for i in range(1000)})
    with pytest.raises(CheckpointError, match="another configuration: .*and 99. more") as caught:
        load_checkpoint(path, config=CONFIG)
    assert len(str(caught.value)) - len(str(path)) < 500


def test_another_configuration_is_named_entry_by_entry(path):
    write(path)
    other = json.loads(json.dumps(CONFIG))
    other["model"]["rpn"]["nms_iou"] = 0.5
    other["train"]["seed"] = 1
    with pytest.raises(CheckpointError, match=r"model.rpn.nms_iou is 0.7 there and 0.5 here; train.seed is 0 .* 1"):
        load_checkpoint(path, config=other)
    with pytest.raises(CheckpointError, match="nms_iou"):
        load_checkpoint(path, config=other, part="model")
    other["model"] = CONFIG["model"]
    assert load_checkpoint(path, config=other, part="model").step == 3  # only the training differs


def test_the_number_of_steps_may_change(path):
    write(path)
    longer = CONFIG | {"train": CONFIG["train"] | {"steps": 999}}
    assert load_checkpoint(path, config=longer).step == 3


MAY_CHANGE = {  # how long a run is, what is looked at, and where its files lie; all else made the weights what they are
    "train": {"steps", "checkpoint_every", "eval_scenes"},
    "coco": {
        *("annotations", "images", "val_annotations", "val_images", "train_list", "val_list", "skip_broken"),
        *("proposals", "val_proposals"),
    },
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part in ("train", "coco", "scenes") for name in to_dict(Config())[part]]
)
def test_pictures_may_be_moved_and_a_run_be_longer_and_nothing_else(path, part, name):
    config = json.loads(json.dumps(to_dict(Config())))
    other = config | {part: config[part] | {name: "something else"}}
    write(path, config=config)
    if name in MAY_CHANGE.get(part, ()):
        assert load_checkpoint(path, config=other).step == 3
    else:
        with pytest.raises(CheckpointError, match=rf"{part}\.{name} is .* there and 'something else' here"):
            load_checkpoint(path, config=other)


def test_a_path_may_be_a_text(path, monkeypatch):
    write(str(path), step=3)
    assert load_checkpoint(str(path)).step == 3
    with pytest.raises(CheckpointError, match="none.npz: there is no checkpoint"):
        load_checkpoint(str(path.parent / "none.npz"))
    with pytest.raises(CheckpointError, match="is not a file"):
        load_checkpoint(str(path.parent))
    monkeypatch.setattr(files, "open", lambda name, mode: FullDisk(name, 40), raising=False)
    with pytest.raises(CheckpointError, match="the disk is full .* is untouched"):
        write(str(path), step=4)


def test_any_other_failure_is_said_with_its_reason(path):
    with pytest.raises(CheckpointError, match=r"b/a.npz: could not be written: No such file or directory; no earlier"):
        write(path.parent / "b" / "a.npz")


def test_settings_newer_than_the_checkpoint_stand_at_their_defaults(path):
    now = json.loads(json.dumps(to_dict(Config())))
    old = json.loads(json.dumps(now))
    del old["coco"], old["train"]["frozen_stages"], old["model"]["backbone"]["groups"]
    write(path, config=old)
    assert load_checkpoint(path, config=now).step == 3
    now["train"]["frozen_stages"] = 2
    now["coco"]["crop"] = 64
    with pytest.raises(CheckpointError, match="coco is None there .*train.frozen_stages is None there and 2 here"):
        load_checkpoint(path, config=now)


def test_differences_sees_missing_entries():
    assert differences({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}) == [("a.c", None, 2)]


def test_tuples_in_the_configuration_equal_the_lists_of_json(path):
    config = {"model": {"depths": (2, 2)}, "train": {}}
    write(path, config=config)
    load_checkpoint(path, config=config)


class FullDisk:
    """A file that takes so many bytes and then says that no space is left."""

    def __init__(self, path, room):
        self.file = open(path, "wb")
        self.room = room

    def write(self, data):
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 40, 300, 1200])
def test_a_full_disk_keeps_the_old_checkpoint(path, monkeypatch, room):
    write(path, step=3)
    monkeypatch.setattr(files, "open", lambda name, mode: FullDisk(name, room), raising=False)
    with pytest.raises(CheckpointError, match=r"disk is full \(needs .* MB, .* MB are free\); .* untouched"):
        write(path, step=4)
    monkeypatch.undo()
    assert load_checkpoint(path).step == 3
    assert os.listdir(path.parent) == ["checkpoint.npz"]


def test_a_full_disk_at_the_first_checkpoint(path, monkeypatch):
    monkeypatch.setattr(files, "open", lambda name, mode: FullDisk(name, 100), raising=False)
    with pytest.raises(CheckpointError, match="no earlier checkpoint exists"):
        write(path)
    assert os.listdir(path.parent) == []


def test_ctrl_c_while_writing_keeps_the_old_checkpoint(path, monkeypatch):
    def interrupted(handle):
        raise KeyboardInterrupt

    write(path, step=3)
    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, step=4)
    monkeypatch.undo()
    assert load_checkpoint(path).step == 3 and os.listdir(path.parent) == ["checkpoint.npz"]


KILLED = """
import sys, numpy as np
from tinymaskrcnn.train.checkpoint import save_checkpoint
model = {f"w{i}": np.zeros(100_000, np.float32) for i in range(10)}
for step in range(10**6):
    for array in model.values():
        array[...] = step
    save_checkpoint(sys.argv[1], step=step, config={}, model=model, optimizer={})
    if step == 0:
        print("ready", flush=True)
"""


def test_sigkill_at_any_moment_leaves_a_checkpoint(path):
    rng = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        loaded = load_checkpoint(path)
        assert all((array == loaded.step).all() for array in loaded.model.values())
        left = set(os.listdir(path.parent)) - {"checkpoint.npz"}
        assert all(re.fullmatch(rf"\.checkpoint\.npz\.{process.pid}-\d+\.tmp", name) for name in left)
        assert len(left) <= 1
    write(path)
    assert os.listdir(path.parent) == ["checkpoint.npz"]  # what the dead ones left is swept
