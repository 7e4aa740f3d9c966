"""torchvision's detection models as ours, and back: the same names, other layouts.

Attribute names equal torchvision's, so an array finds its place by name. What differs is the order of axes: channels
stand last here, and a linear layer behind a crop sees its pixels as (S, S, C) instead of (C, S, S).
"""

import re

import numpy as np

from ..config import TORCHVISION_KINDS
from ..errors import CheckpointError, ConfigError, listed
from ..models.build import build_model
from ..plain_arrays import fits_float32
from .expressible import OF_TORCHVISION, refuse_unknown
from .shapes import COUNTER, expected_shapes, flatten_layer, infer_config

WRAPPERS = ("module.", "model.", "net.", "network.", "detector.", "state_dict.")  # a model inside another object
INSERTED = r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."  # by torch.compile and the like, anywhere
TRANSPOSED = ("conv5_mask.weight", "kps_score_lowres.weight")  # of transposed convolutions: (in, out, kh, kw)
RENAMED = (  # names in older files -> names since torchvision 0.14
    (r"(rpn\.head\.conv)\.(weight|bias)", lambda m: f"{m[1]}.0.0.{m[2]}"),
    (r"(roi_heads\.mask_head)\.mask_fcn(\d+)\.(weight|bias)", lambda m: f"{m[1]}.{int(m[2]) - 1}.0.{m[3]}"),
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)", lambda m: f"{m[1]}.0.{m[2]}"),
)


def from_state_dict(kind, arrays, *, config=None):
    """A model of ours that computes what torchvision's model `kind` computes with these weights.

    arrays {torchvision name: array}  ->  model in eval mode, its settings in model.config

    Widths, depths and the number of classes are read off the shapes; give a ModelConfig for what shapes do not tell
    (anchors, thresholds). Every array must find its place, and every place an array: CheckpointError names the rest.
    float64 arrays make a float64 model, all others a float32 one.
    """
    arrays = modern_names(arrays)
    _check_kind(kind, arrays)
    config = config or infer_config(kind, arrays)
    refuse_unknown(config, who="torchvision", knows=OF_TORCHVISION)
    shapes = expected_shapes(config)
    weights = _account(kind, arrays, shapes, config)
    model = build_model(config, rng=np.random.default_rng(0)).eval()
    if all(array.dtype == np.float64 for array in weights.values()):
        model.astype(np.float64)
    return model.load_state_dict({name: _to_ours(name, array, config) for name, array in weights.items()})


def read_config(kind, arrays):
    """The ModelConfig that from_state_dict gives these arrays: to be changed, and then given to it."""
    arrays = modern_names(arrays)
    _check_kind(kind, arrays)
    return infer_config(kind, arrays)


def to_state_dict(model):
    """The inverse of from_state_dict: {torchvision name: array}, which torch's load_state_dict takes as it is.

    The counters of batch norms are left out; torch starts them at zero.
    """
    config, state = model.config, model.state_dict()
    refuse_unknown(config, who="torchvision", knows=OF_TORCHVISION)
    if config.backbone.norm not in ("batch", "frozen") or config.rpn.objectness != "sigmoid":
        raise ConfigError(
            "to_state_dict: torchvision's models have batch norms and a sigmoid objectness; "
            f"this one has {config.backbone.norm!r} norms and a {config.rpn.objectness} objectness"
        )
    return to_torchvision({name: state[name] for name in expected_shapes(config)}, config)


def to_torchvision(arrays, config):
    """Arrays by name in torchvision's layout: weights of a model with this config, or their gradients."""
    shapes = expected_shapes(config)
    return {name: _to_theirs(name, array, shapes[name], config) for name, array in arrays.items()}


# ---------------------------------------------------------------- axes


def _to_ours(name, array, config):
    """(O, C, KH, KW) -> (KH, KW, C, O), transposed convolutions (C, O, KH, KW) -> (KH, KW, C, O), (O, C) -> (C, O)."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 0, 1) if name.endswith(TRANSPOSED) else array.transpose(2, 3, 1, 0)
    elif array.ndim == 2:
        if name == f"{flatten_layer(config.roi)}.weight":
            side, channels = config.roi.box_size, _crop_channels(config)
            array = array.reshape(-1, channels, side, side).transpose(0, 2, 3, 1).reshape(len(array), -1)
        array = array.T
    return array


def _to_theirs(name, array, shape, config):
    """Mirror of _to_ours."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 0, 1) if name.endswith(TRANSPOSED) else array.transpose(3, 2, 0, 1)
    elif array.ndim == 2:
        array = array.T
        if name == f"{flatten_layer(config.roi)}.weight":
            side, channels = config.roi.box_size, _crop_channels(config)
            array = array.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(array).reshape(shape)


def _crop_channels(config):
    return config.roi.box_convs[-1] if config.roi.box_convs else config.backbone.fpn_channels


# ---------------------------------------------------------------- names


def modern_names(arrays):
    """The arrays under the names that torchvision uses today, without what wrappers of a model add to them."""
    renamed = {}
    for name, array in _unwrapped(arrays):
        for pattern, new_name in RENAMED:
            if match := re.fullmatch(pattern, name):
                name = new_name(match)
        if name in renamed:
            raise CheckpointError(f"weights: {name} is given twice, under its old and its new name")
        renamed[name] = np.asarray(array)
    return renamed


def _unwrapped(arrays):
    """Pairs of name and array: `module.model.backbone...` of parallel or averaged training  ->  `backbone...`."""
    pairs = [(re.sub(INSERTED, "", name), array) for name, array in arrays.items() if name != "n_averaged"]
    while pairs and any(all(name.startswith(prefix) for name, _ in pairs) for prefix in WRAPPERS):
        pairs = [(name.partition(".")[2], array) for name, array in pairs]
    return pairs


def recognize(names):
    """The torchvision model that these names belong to, or None when they look like nothing known."""

    def has(prefix):
        return any(name.startswith(prefix) for name in names)

    if has("layer1.0.") and "conv1.weight" in names:
        return "a ResNet without detection heads"
    if has("head.classification_head."):
        return "a one-stage detector (RetinaNet, FCOS, SSD)"
    if has("backbone.body.0."):
        return "a detector with a MobileNet backbone"
    if not has("backbone.body.layer1.") or not has("roi_heads.box_"):
        return None
    v2 = "_v2" if "roi_heads.box_head.0.0.weight" in names else ""
    kinds = {(False, False): "fasterrcnn", (True, False): "maskrcnn", (False, True): "keypointrcnn"}
    kind = kinds.get((has("roi_heads.mask_"), has("roi_heads.keypoint_")))
    return f"{kind}_resnet50_fpn{v2}" if kind else None


def _check_kind(kind, arrays):
    if kind not in TORCHVISION_KINDS:
        raise ConfigError(f"kind must be one of {', '.join(TORCHVISION_KINDS)}; got {kind!r}")
    found = recognize(arrays)
    if found is not None and found != kind:
        raise CheckpointError(f"these are the weights of {found}, not of {kind}")


# ---------------------------------------------------------------- accounting


def _account(kind, arrays, shapes, config):
    """The arrays that the model wants, after making sure that it gets all of them and leaves none."""
    weights = {name: array for name, array in arrays.items() if not _is_counter(name, arrays)}
    missing = [name for name in shapes if name not in weights]
    unexpected = [name for name in weights if name not in shapes]
    if missing or unexpected:
        raise CheckpointError(
            f"these weights do not fit {kind}: missing {listed(missing)}; unexpected {listed(unexpected)}"
        )
    _check_classes(weights, config.num_classes)
    wrong = [
        f"{name} {weights[name].shape}, not {shape}" for name, shape in shapes.items() if weights[name].shape != shape
    ]
    if wrong:
        raise CheckpointError(f"these weights do not fit {kind}: wrong shapes {listed(wrong)}")
    not_floats = [f"{name} {array.dtype}" for name, array in weights.items() if array.dtype.kind != "f"]
    if not_floats:
        raise CheckpointError(f"weights must hold floats; got {listed(not_floats)}")
    not_finite = [name for name, array in weights.items() if not fits_float32(array)]
    if not_finite:
        raise CheckpointError(f"weights hold NaN or infinite values (as float32): {listed(not_finite)}")
    return weights


def _is_counter(name, arrays):
    """A counter is accounted for when the batch norm that it counts for is there."""
    return name.endswith(COUNTER) and f"{name.removesuffix(COUNTER)}.running_mean" in arrays


def _check_classes(weights, num_classes):
    """Say it in words when the heads were trained for another number of classes, or do not agree."""
    counts = {"cls_score": 1, "bbox_pred": 4, "mask_fcn_logits": 1}
    for name, array in weights.items():
        layer, _, part = name.removeprefix("roi_heads.").rpartition(".")
        rows = counts.get(layer.rpartition(".")[2]) if name.startswith("roi_heads.") else None
        if rows and part == "weight" and array.ndim and array.shape[0] != num_classes * rows:
            raise CheckpointError(
                f"wrong number of classes: {name} has {array.shape[0]} rows, for {array.shape[0] / rows:g} classes; "
                f"the model has {num_classes} (background included)"
            )
