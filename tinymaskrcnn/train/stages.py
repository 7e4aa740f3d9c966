"""The stages of Mask R-CNN and the functions that make them up, for those who want to watch them."""

from ..models.crops import CropNetwork
from ..models.heads import box
from ..models.rpn import RPN
from .recorder import Hook

BETWEEN = "in between"  # sums of gradients, choosing rows, joining levels
LOSSES = "losses"
OPTIMIZER = "optimizer"
DATA = "data"

CROPS = {"box_roi_pool": "boxes", "mask_roi_pool": "masks", "keypoint_roi_pool": "keypoints"}


def hooks_of_training(trainer):
    """Every stage of a Trainer's step."""
    model = trainer.model
    return [
        Hook(trainer, "train_step", BETWEEN, "update"),
        *(Hook(trainer.optimizer, name, OPTIMIZER, "update") for name in ("zero_grad", "clip", "step")),
        *_module_hooks(model, BETWEEN),
        *_network_hooks(model),
        Hook(model, "choose_samples", "sampling and targets", "forward"),
        *_pair_hooks(model.rpn, "loss", LOSSES),
        *(hook for head in model.roi_heads.heads.values() for hook in _pair_hooks(head, "loss", LOSSES)),
    ]


def hooks_of_inference(model):
    """Every stage of MaskRCNN.detect."""
    return [
        Hook(model, "detect", BETWEEN, "forward"),
        *_network_hooks(model),
        Hook(model.roi_heads, "detect", BETWEEN, "forward"),
        Hook(box, "detections_from_boxes", "detections, NMS", "forward"),
        Hook(model.roi_heads, "report", "masks pasted", "forward"),
    ]


def _network_hooks(model):
    """What training and inference have in common: the layers, and the proposals."""
    body, heads = model.backbone.body, model.roi_heads
    to_pyramid, to_level = _levels_by_size(model.config.backbone)
    hooks = [*_module_hooks(model.normalize, "normalize"), *_module_hooks(body, "stem")]
    for i, stage in enumerate(body.stages, start=1):
        hooks += _module_hooks(stage, f"stage {i}")
    if hasattr(model.backbone, "fpn"):
        hooks += _module_hooks(model.backbone.fpn, "FPN" if model.backbone.fpn.parameters() else BETWEEN)
    hooks += [Hook(model.rpn, "forward", to_pyramid, "forward", keeps=True)]
    hooks += [Hook(model.rpn, "backward", BETWEEN, "backward")]
    hooks += [Hook(model.rpn, "propose", "proposals, NMS", "forward")]
    if isinstance(model.rpn, RPN):  # what comes with a batch has neither
        hooks += [*_module_hooks(model.rpn.head, to_level), Hook(model.rpn, "anchors", "proposals, NMS", "forward")]
    hooks += _module_hooks(heads, BETWEEN)
    for head in heads.heads.values():
        hooks += _module_hooks(head, BETWEEN)
        for name, member in head.members():
            hooks += _module_hooks(member, _part_of_head(name, member))
        if isinstance(head.body, CropNetwork):
            hooks += [Hook(head.body, "features", "box head", "forward")]
    return hooks


def _part_of_head(name, member):
    """ "box head", "mask predictor"; "RoIAlign for boxes"."""
    if name in CROPS:
        return f"{type(member).__name__.removeprefix('Pyramid')} for {CROPS[name]}"
    return name.replace("_", " ")


def _module_hooks(module, stage):
    return [Hook(module, "forward", stage, "forward", keeps=True), Hook(module, "backward", stage, "backward")]


def _pair_hooks(owner, name, stage):
    forward = Hook(owner, f"{name}_forward", stage, "forward", keeps=True)
    return [forward, Hook(owner, f"{name}_backward", stage, "backward")]


def _levels_by_size(backbone):
    """One head serves all levels of the pyramid; a level is known by the size of its map."""
    levels = {}

    def to_pyramid(pyramid):
        levels.clear()
        for level, features in zip(backbone.levels, pyramid):
            levels.setdefault(tuple(features.shape[1:3]), f"RPN head, {backbone.level_name(level)}")
        return BETWEEN

    def to_level(x, *cache):
        features = x[0] if isinstance(x, tuple) else x  # backward is given a pair
        return levels[tuple(features.shape[1:3])]

    return to_pyramid, to_level
