"""Settings that change nothing beside the others: those of a head that a model has not, of another system's proposer.

`idle_settings` names them, with a reason; the long tests of tests/models/test_idle.py turn every setting of every
system, to see that it is so, and that nothing else is idle.
"""

import functools
import itertools

from ..config import Config, photograph_preset, tour_preset
from ..config_rules import OUTSIDE
from ..errors import listed
from .faster_rcnn import C4
from .for_scenes import model_for
from .systems import SYSTEMS, system_settings

ROOM = 380  # characters for names and reasons
# Of RoIConfig, what R-CNN's head looks at: it cuts from the picture, and names a crop.
RCNN_LOOKS_AT = {"positive_iou", "negative_low", "samples_per_image", "positive_fraction", "delta_weights"}
RCNN_LOOKS_AT |= {"head_width", "box_init", "score_threshold", "nms_iou", "min_size", "detections_per_image"}


def idle_settings(config):
    """{dotted setting of a Config that changes nothing in it: why}; whether it is set otherwise than usual or not."""
    idle = {}
    for names, why in _rules(config):
        idle |= {name: why for name in names if name not in idle}
    return idle


def idle_in_words(config):
    """One sentence for a person about idle settings that somebody chose, with their reasons; "" when there are none.

    Not chosen is what everybody has, or what comes with a system, with a preset or with the scenes.
    """
    along = _coming_along(config)
    chosen = [(name, why) for name, why in idle_settings(config).items() if _at(config, name) not in along(name)]
    groups = [(why, [name for name, _ in group]) for why, group in itertools.groupby(chosen, key=lambda pair: pair[1])]
    said, left = "", len(chosen)
    for why, names in groups:
        part = f"{listed(names, most=3)} ({why})"
        if len(said) + len(part) > ROOM:
            break
        said, left = f"{said}, {part}" if said else part, left - len(names)
    count = f"{len(chosen)} setting{'s'[: len(chosen) > 1]} change{'s'[len(chosen) > 1 :]} nothing here"
    return f"{count}: {said}{f' and {left} more' if left else ''}" if chosen else ""


def _coming_along(config):
    """A function: name of a setting  ->  its values in presets, in systems and beside the scenes."""
    presets = Config(), Config(model=photograph_preset(("background",))), tour_preset()
    tables = C4, model_for(config.scenes), *map(system_settings, SYSTEMS)
    return lambda name: [_at(preset, name) for preset in presets] + [table[name] for table in tables if name in table]


def _at(config, name):
    return functools.reduce(getattr, name.split("."), config)


def _rules(config):
    """Pairs of some settings and why they are idle, the plainest reason first."""
    yield from _data(config)
    if config.train.procedure == "pretrain":
        why = "train.procedure 'pretrain' trains the backbone alone"
        yield [*_all(config, "rpn"), *_all(config, "roi"), *_all(config, "proposals"), *_all(config, "rcnn")], why
        yield _in("backbone", "fpn_channels fpn_norm"), why
        yield ["model.heads", "model.box_gradient", "model.keypoint_names"], why
    else:
        yield from _proposer(config)
        yield from _heads(config)
    yield from _backbone(config.model.backbone)
    yield from _optimizer(config.train)


def _data(config):
    if config.coco.annotations:
        yield [f"scenes.{name}" for name in vars(config.scenes)], "pictures are annotated, no scenes are drawn"
        yield ["train.train_scenes", "train.eval_scenes"], "pictures are annotated, no scenes are drawn"
        if not (config.coco.val_annotations or config.coco.val_list or config.coco.val_proposals):
            yield ["coco.val_images"], "there are no coco.val_annotations"
        if config.model.system not in OUTSIDE:
            yield ["coco.proposals", "coco.val_proposals"], f"{config.model.system} proposes by itself"
        return
    yield [f"coco.{name}" for name in vars(config.coco) if name != "annotations"], "there are no coco.annotations"
    if config.scenes.source == "figures":
        yield ["scenes.extreme_points"], "scenes.source is 'figures', which have joints of their own"
    if not config.scenes.surface:
        names = ("pen", "light", "blur", "jpeg")
        yield [f"scenes.{name}" for name in names], "scenes.surface is '': nothing is photographed"


def _proposer(config):
    system = config.model.system
    if system not in OUTSIDE:
        yield _all(config, "proposals"), f"{system} proposes by itself"
    else:
        yield _all(config, "rpn"), f"the proposals of {system} come from outside"
    if config.model.proposals.method == "sliding_window":
        yield ["model.proposals.measures"], "model.proposals.method 'sliding_window' joins no regions"
    if config.model.backbone.in_channels == 1:
        yield ["model.proposals.color_spaces"], "a grey picture has its intensity alone"


def _heads(config):
    model, roi = config.model, config.model.roi
    if model.system != "rcnn":
        yield _all(config, "rcnn"), "they are R-CNN's"
    else:
        why = "R-CNN cuts its crops from the picture, and its head is the whole network"
        yield [name for name in _all(config, "roi") if name.rpartition(".")[2] not in RCNN_LOOKS_AT], why
        yield _in("backbone", "fpn fpn_channels fpn_norm"), "R-CNN has one map, the last"
        yield from _fits(model.rcnn)
    if "mask" not in model.heads:
        names = "mask_size mask_widths mask_norm mask_deconv_width mask_kind mask_threshold paste"
        yield _in("roi", names), "there is no mask head"
    if "keypoint" not in model.heads:
        why = "there is no keypoint head"
        yield [*_in("roi", "num_keypoints keypoint_widths keypoint_size"), "model.keypoint_names"], why
    if roi.mask_kind == "fc":
        yield _in("roi", "mask_deconv_width"), "model.roi.mask_kind is 'fc'"
    if roi.pooling != "align":
        yield _in("roi", "sampling_ratio"), f"model.roi.pooling is {roi.pooling!r}"
    if roi.pooling == "pool" and "mask" not in model.heads:
        yield _in("roi", "aligned"), "model.roi.pooling is 'pool'"
    if len(model.backbone.levels) == 1:
        yield _in("roi", "canonical_size canonical_level"), "all crops come from one map"
    if model.backbone.has_res5:
        yield _in("roi", "head_width"), "the box head is the last stage of the ResNet"
    elif not roi.box_convs:
        yield _in("roi", "box_norm"), "model.roi.box_convs is []"


def _fits(rcnn):
    softmax = rcnn.classifier == "softmax"
    names = [name for name in vars(rcnn) if name.startswith("svm_")] if softmax else []
    names += [] if rcnn.regress else ["ridge_iou", "ridge_strength"]
    names += ["feature_norm"] if softmax and not rcnn.regress else []
    yield _in("rcnn", " ".join(names)), "model.rcnn says that scores and boxes come without these fits"
    if not rcnn.regress:
        yield _in("roi", "delta_weights"), "model.rcnn.regress is False"


def _backbone(backbone):
    kind = backbone.kind
    if kind != "resnet":
        names = "block stem stem_width groups group_width" + (" depths" if kind == "plain" else "")
        yield _in("backbone", names), f"they are a ResNet's, and model.backbone.kind is {kind!r}"
    if not backbone.norm:
        yield _in("backbone", "norm_eps"), "model.backbone.norm is ''"
    if backbone.fpn in ("c4", "c5"):
        yield _in("backbone", "fpn_channels fpn_norm"), f"model.backbone.fpn is {backbone.fpn!r}: there is no pyramid"


def _optimizer(train):
    if train.optimizer != "sgd":
        yield ["train.momentum"], f"it is that of 'sgd', and train.optimizer is {train.optimizer!r}"
    if train.schedule != "step":
        yield ["train.step_milestones"], f"train.schedule is {train.schedule!r}"


def _in(part, names):
    return [f"model.{part}.{name}" for name in names.split()]


def _all(config, part):
    return [f"model.{part}.{name}" for name in vars(getattr(config.model, part))]
