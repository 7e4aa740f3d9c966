"""What of a whole Config fits: its model, its data, and the procedure that it is trained by.

Asked when it is known which data that is, of settings that config_rules.py has found to be sound by themselves.
"""

from .config_rules import OUTSIDE
from .errors import ConfigError

JOINTS = {"figures": 13}  # keypoints of a scene's objects, by its source
KINDS_OF_OBJECTS = {"digits": 10, "mnist": 10, "figures": 3}


def check_data(config):
    """Raise ConfigError when the model of a Config does not fit its data or its procedure."""
    for wrong in (*_procedure(config), *_data(config)):
        raise ConfigError(wrong)


def _procedure(config):
    procedure, system = config.train.procedure, config.model.system
    if (procedure == "stages") != (system == "rcnn") and procedure != "pretrain":
        wanted = "'stages'" if system == "rcnn" else "another than 'stages', which is R-CNN's,"
        yield f"train.procedure must be {wanted} for system {system!r}; got {procedure!r}"
    if procedure == "stages" and not config.coco.annotations and not config.train.train_scenes:
        yield "train.train_scenes must be above 0 for R-CNN, whose stages go through the same scenes again; got 0"
    if config.train.average and procedure in ("alternating", "stages"):
        wanted = f"must be 0 for train.procedure {procedure!r}, whose parts go on from each other's weights"
        yield f"train.average {wanted}; got {config.train.average}"
    yield from _frozen(config)
    if config.train.procedure != "alternating":
        return
    if config.train.steps < 6:
        needs = "train.procedure 'alternating', which divides them among four"
        yield f"train.steps must be at least 6 for {needs}; got {config.train.steps}"
    if config.model.system in OUTSIDE:
        yield f"train.procedure must be 'joint' for system {config.model.system!r}, which has no RPN; got 'alternating'"
    if config.model.box_gradient != "none":
        apart = "where train.procedure 'alternating' trains proposer and heads apart"
        yield f"model.box_gradient must be 'none' {apart}; got {config.model.box_gradient!r}"


def _frozen(config):
    """What is to stay as it is cannot be what is to learn."""
    frozen = config.train.frozen_stages
    if config.train.procedure == "pretrain" and frozen != -1:
        yield f"train.frozen_stages must be -1 for train.procedure 'pretrain', which trains the backbone; got {frozen}"
    if config.model.backbone.fpn == "c4" and config.model.system != "rcnn" and frozen > 3:
        yield f"train.frozen_stages must be at most 3 for backbone.fpn 'c4', which has no fourth stage; got {frozen}"


def _data(config):
    model, scenes, annotated = config.model, config.scenes, bool(config.coco.annotations)
    kinds, what = KINDS_OF_OBJECTS[scenes.source], "ten digits" if scenes.source != "figures" else "figures"
    if not annotated and model.num_classes <= kinds:
        yield f"model.num_classes must be at least {kinds + 1} for scenes of {what}; got {model.num_classes}"
    joints = JOINTS.get(scenes.source, 4 if scenes.extreme_points else 0)
    if not annotated and "keypoint" in model.heads and model.roi.num_keypoints != joints:
        if joints:
            yield f"model.roi.num_keypoints must be {joints} for these scenes; got {model.roi.num_keypoints}"
        else:
            yield "scenes.extreme_points must be true, or scenes.source 'figures', for a model with a keypoint head"
    channels = model.backbone.in_channels
    if annotated and channels not in (1, 3):
        yield f"model.backbone.in_channels must be 1 (grey) or 3 (colour); got {channels}"
    if not annotated and channels != (3 if config.scenes.color else 1):
        scenes = "3 for colour scenes" if config.scenes.color else "1 for grey scenes"
        yield f"model.backbone.in_channels must be {scenes}; got {channels}"
