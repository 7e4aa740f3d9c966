"""Checkpoints and models in one file: damaged as bytes, as archives, and in what they hold, then signed again."""

import functools
import json
import tempfile
from pathlib import Path

import numpy as np

from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RoIConfig, RPNConfig, TrainConfig
from tinymaskrcnn.interop.model_file import load_model, save_model
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.checkpoint import _checksum
from tinymaskrcnn.train.loop import resume
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.trainer import Trainer

from .archives import archive, damaged_arrays
from .damage import damaged_bytes, damaged_tree, pick, strange
from .frame import Door

MODEL = ModelConfig(
    backbone=BackboneConfig(depths=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_width=4, fpn_channels=4),
    rpn=RPNConfig(pre_nms_top_n=(20, 20), post_nms_top_n=(8, 8)),
    roi=RoIConfig(head_width=4, mask_widths=(4,), mask_deconv_width=4),
    heads=("box", "mask"),
)
CONFIGS = {name: Config(model=MODEL, train=TrainConfig(optimizer=name)) for name in ("sgd", "adamw")}


def trainer(config):
    return Trainer(build_model(config.model, rng=np.random.default_rng(0)), None, config.train)


@functools.cache
def sound(kind):
    """The arrays of a sound file, its description decoded."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder), CONFIGS.get(kind, CONFIGS["sgd"]))
        if kind in CONFIGS:
            state = trainer(run.config)
            state.optimizer.zero_grad()
            state.optimizer.step(0.1)
            state.step = 1
            run.save(state.state_dict())
        else:
            save_model(run.checkpoint_file, build_model(MODEL, rng=np.random.default_rng(0)), half=kind == "half")
        with np.load(run.checkpoint_file) as file:
            arrays = {name: file[name] for name in file.files if name not in ("about", "checksum")}
            return arrays, json.loads(bytes(file["about"]))


def signed(arrays, about):
    """All arrays of the file, with the checksum that fits them."""
    text = about if isinstance(about, str) else json.dumps(about)
    arrays = arrays | {"about": np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)}
    try:
        return arrays | {"checksum": np.frombuffer(_checksum(arrays), np.uint8)}
    except (TypeError, ValueError, BufferError):  # of arrays that have no bytes of their own
        return arrays | {"checksum": np.zeros(32, np.uint8)}


def damaged(rng, kind):
    arrays, about = sound(kind)
    way = int(rng.integers(8))
    if way <= 1:
        about = damaged_tree(rng, about)
    elif way == 2:
        place = pick(rng, ["step", "format", "config"])
        about = about | {place: strange(rng)}
    elif way <= 5:
        arrays = damaged_arrays(rng, arrays)
    contents = archive(rng, signed(arrays, about))
    return damaged_bytes(rng, contents) if way == 6 else contents


def make_checkpoint(rng, folder):
    kind = pick(rng, ["sgd", "adamw"])
    path = folder / kind / "checkpoint.npz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(damaged(rng, kind))
    return path


def use_checkpoint(path):
    """A training goes on from it: an update without gradients, whose weights must be numbers."""
    run = RunFolder(path.parent, CONFIGS[path.parent.name])
    state = trainer(run.config)
    resume(state, run)
    assert type(state.step) is int and state.step >= 0
    state.optimizer.zero_grad()
    state.optimizer.step(0.1)
    for name, array in state.model.state_dict().items():
        assert array.dtype == np.float32 and np.isfinite(array).all(), name


def make_model(rng, folder):
    path = folder / "model.npz"
    path.write_bytes(damaged(rng, pick(rng, ["whole", "half", "sgd"])))
    return path


def use_model(path):
    model = load_model(path)
    for name, array in model.state_dict().items():
        assert array.dtype in (np.float32, np.float64) and np.isfinite(array).all(), name


DOORS = [
    Door("checkpoint", make_checkpoint, use_checkpoint, cost=5.0),
    Door("model file", make_model, use_model, cost=2.0),
]
