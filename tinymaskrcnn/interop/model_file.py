"""A model in one file: its settings and its weights, as plain arrays, made by `tinymaskrcnn convert`.

The format is that of a run's checkpoint at step 0 without an optimizer: whole or not there, and verified by a checksum.
"""

import math

import numpy as np

from ..config import ModelConfig, from_dict, to_dict
from ..errors import ArgumentError, CheckpointError, ConfigError
from ..models.build import build_model
from ..train.checkpoint import load_checkpoint, naming, save_checkpoint
from .shapes import expected_shapes


def save_model(path, model, *, half=False):
    """Write a model, its settings included, so that `path` is the old file or the new one, never something between.

    half stores kernels and matrices as float16, half as many bytes; biases and norms stay as they are. What is loaded
    computes in float32 again.
    """
    state = model.state_dict()
    if half:
        state = {name: _halved(name, array) if array.ndim > 1 else array for name, array in state.items()}
    save_checkpoint(path, step=0, config={"model": to_dict(model.config)}, model=state, optimizer={})


def _halved(name, array):
    largest = float(np.abs(array).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ArgumentError(f"save_model: {name} must lie within 65504 to be stored as float16; got {largest:g}")
    return array.astype(np.float16)


def load_model(path):
    """The model of a file by `save_model`, or of a run's checkpoint, in eval mode; its settings are in model.config.

    Raises CheckpointError for a missing, damaged or foreign file, before memory is spent on what it claims to hold.
    """
    checkpoint = load_checkpoint(path)
    config = _read_config(path, checkpoint)
    try:
        model = build_model(config, rng=np.random.default_rng(0)).eval()
    except ConfigError as error:
        raise CheckpointError(f"{path}: is not a model of tinymaskrcnn ({error})") from error
    if checkpoint.model and all(array.dtype == np.float64 for array in checkpoint.model.values()):
        model.astype(np.float64)
    with naming(path):
        return model.load_state_dict(checkpoint.model)


def _read_config(path, checkpoint):
    """The ModelConfig in a file, after making sure that it describes the arrays beside it and no larger model."""
    try:
        config = from_dict(ModelConfig, checkpoint.config["model"], f"{path}: model")
        layers = (sum(config.backbone.depths), config.rpn.conv_depth, len(config.heads))
        shapes = expected_shapes(config) if max(layers) <= len(checkpoint.model) else {}
        wanted = {name: math.prod(shape) for name, shape in shapes.items()}
    except (ConfigError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(f"{path}: is not a model of tinymaskrcnn ({error})") from error
    if wanted != {name: array.size for name, array in checkpoint.model.items()}:
        raise CheckpointError(f"{path}: its settings describe another model than its {len(checkpoint.model)} arrays")
    return config
