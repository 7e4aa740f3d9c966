"""What every setting may be: its type down to the last entry, its range, and what else it has to fit.

RULES names the same classes and settings as config.py, in the same order; the kinds of rule stand in config_kinds.py.
They are held at every way in, because the classes themselves ask for it: `settle` when one is made, `check_relations`
when a file was read or a network is built.
"""

from .config_kinds import flag, heads, levels, number, one_line, one_of, row, some_of, text, two, whole
from .errors import ConfigError, shown

PROCEDURES = ("joint", "alternating", "pretrain", "stages")

SYSTEMS = ("rcnn", "fast_rcnn", "faster_rcnn", "mask_rcnn", "mask_scoring_rcnn", "keypoint_rcnn")
OUTSIDE = {"rcnn", "fast_rcnn"}  # systems whose proposals come from outside the network (data/proposals)
HEADS = dict.fromkeys(("rcnn", "fast_rcnn", "faster_rcnn"), {"box"})  # what a system has, where that is no choice
HEADS |= {"mask_scoring_rcnn": {"box", "mask"}, "keypoint_rcnn": {"box", "mask", "keypoint"}}

SHARE = number(0, 1)
WIDTH = whole(1, 65536)
PIXELS = whole(0, 100_000)
SAMPLES = whole(1, 100_000)
CANDIDATES = whole(1, 10**6)
COUNT = whole(0, 10**9)

# What settings that came later were before they came, where that is not their default.
BEFORE = {"BackboneConfig": {"init": "fan_in"}, "RoIConfig": {"box_init": "gaussian"}}

RULES = {
    "BackboneConfig": {
        "kind": one_of("resnet", "vgg", "plain"),
        "block": one_of("basic", "bottleneck"),
        "depths": row(whole(1, 1000), least=4, most=5),
        "widths": row(WIDTH, least=4, most=5),
        "stem": one_of("3x3", "7x7"),
        "stem_width": WIDTH,
        "norm": one_of("batch", "frozen", "group", ""),
        "norm_eps": SHARE,
        "groups": WIDTH,
        "group_width": WIDTH,
        "init": one_of("fan_out", "fan_in"),
        "in_channels": whole(1, 1024),
        "fpn_channels": WIDTH,
        "fpn_norm": one_of("", "batch"),
        "fpn": one_of("full", "no_lateral", "no_top_down", "p2", "c4", "c5"),
    },
    "RPNConfig": {
        "anchor_sizes": levels(),
        "anchor_ratios": row(number(1e-3, 1e3), least=1, most=32),
        "objectness": one_of("sigmoid", "softmax"),
        "positive_iou": SHARE,
        "negative_iou": SHARE,
        "ignore_border_anchors": flag(),
        "samples_per_image": SAMPLES,
        "positive_fraction": SHARE,
        "pre_nms_top_n": row(CANDIDATES, least=2, most=2),
        "post_nms_top_n": row(CANDIDATES, least=2, most=2),
        "nms_iou": SHARE,
        "min_size": number(0, 1e5),
        "beta": number(0, 1e3),
        "conv_depth": whole(1, 100),
    },
    "RoIConfig": {
        "canonical_size": number(1, 1e5),
        "canonical_level": whole(-10, 20),
        "pooling": one_of("align", "pool", "warp", "prroi"),
        "sampling_ratio": whole(0, 64),
        "aligned": flag(),
        "box_size": whole(1, 128),
        "mask_size": whole(1, 256),
        "positive_iou": SHARE,
        "negative_low": SHARE,
        "samples_per_image": SAMPLES,
        "positive_fraction": SHARE,
        "delta_weights": row(number(1e-3, 1e3), least=4, most=4),
        "beta": number(0, 1e3),
        "head_width": WIDTH,
        "box_init": one_of("uniform", "gaussian"),
        "box_convs": row(WIDTH),
        "box_norm": one_of("", "batch"),
        "mask_widths": row(WIDTH),
        "mask_norm": one_of("", "batch"),
        "mask_deconv_width": WIDTH,
        "mask_kind": one_of("per_class", "agnostic", "softmax", "fc"),
        "mask_iou_widths": row(WIDTH),
        "num_keypoints": whole(1, 1000),
        "keypoint_widths": row(WIDTH),
        "keypoint_size": whole(1, 128),
        "score_threshold": number(-1, 1),  # below 0: everything
        "nms_iou": SHARE,
        "min_size": number(0, 1e5),
        "detections_per_image": SAMPLES,
        "mask_threshold": SHARE,
        "paste": one_of("continuous", "integer"),
    },
    "ProposalConfig": {
        "method": one_of("selective_search", "sliding_window"),
        "color_spaces": row(one_of("hsv", "lab", "rgi", "hue", "intensity"), least=1),
        "scales": row(number(0, 1e6, above=True), least=1),
        "measures": row(some_of("color", "texture", "size", "fill"), least=1),
        "sigma": number(0, 100),
        "min_size": COUNT,
        "min_side": number(0, 1e5),
        "most": SAMPLES,
        "longer_side": whole(16, 4096),
    },
    "RCNNConfig": {
        "warp_size": whole(32, 1024),
        "context": whole(0, 511),
        "classifier": one_of("svm", "softmax"),
        "regress": flag(),
        "feature_norm": number(0, 1e6, above=True),
        "svm_c": number(0, 1e6, above=True),
        "svm_positive_weight": number(0, 1e6, above=True),
        "svm_bias_multiplier": number(0, 1e6, above=True),
        "svm_negative_iou": SHARE,
        "svm_retrain_after": whole(1, 10**9),
        "ridge_iou": SHARE,
        "ridge_strength": number(0, 1e12, above=True),
    },
    "ModelConfig": {
        "system": one_of(*SYSTEMS),
        "num_classes": whole(1, 65536),
        "class_names": row(one_line(), least=1, most=65536),
        "keypoint_names": row(one_line(), most=1000),
        "image_mean": row(number(-1e3, 1e3), least=1, most=1024),
        "image_std": row(number(1e-6, 1e3), least=1, most=1024),
        "heads": heads(),
        "resize_shorter": PIXELS,
        "resize_longer": PIXELS,
        "ink": flag(),
        "box_gradient": one_of("none", "features", "features+targets"),
    },
    "SceneConfig": {
        "source": one_of("digits", "mnist", "figures"),
        "extreme_points": flag(),
        "image_size": whole(16, 4096),
        "digits_per_image": two(whole, 0, 10),
        "digit_size": two(whole, 6, 4094),
        "max_overlap": SHARE,
        "rotation": number(0, 180),
        "noise": SHARE,
        "clutter": SHARE,
        "texture": SHARE,
        "grid": SHARE,
        "stains": SHARE,
        "alpha": two(number, 0.05, 1.0),
        "color": flag(),
        "min_visible": SHARE,
        "surface": one_of("", "paper", "board", "any"),
        "pen": two(number, 0.01, 0.5),
        "light": SHARE,
        "blur": number(0, 100),
        "jpeg": whole(0, 100),
    },
    "TrainConfig": {
        "procedure": one_of(*PROCEDURES),
        "steps": COUNT,
        "batch_size": whole(1, 10**6),
        "accumulate": whole(1, 10**6),
        "optimizer": one_of("sgd", "adamw"),
        "learning_rate": number(0, 1e3),
        "momentum": SHARE,
        "weight_decay": number(0, 1e3),
        "schedule": one_of("constant", "step", "cosine"),
        "warmup_steps": COUNT,
        "step_milestones": row(number(0, 1e3)),
        "clip_norm": number(0, 1e12),
        "average": number(0, 0.999999),
        "checkpoint_every": whole(1, 10**9),
        "seed": whole(0, 2**128),
        "train_scenes": COUNT,
        "eval_scenes": COUNT,
        "frozen_stages": whole(-1, 4),
        "sync_batch_norm": flag(),
    },
    "CocoConfig": {
        "annotations": text(),
        "images": text(),
        "val_annotations": text(),
        "val_images": text(),
        "train_list": text(),
        "val_list": text(),
        "proposals": text(),
        "val_proposals": text(),
        "category_ids": row(whole(-(2**63), 2**63 - 1), most=65536),
        "flip": SHARE,
        "crop": PIXELS,
        "skip_broken": flag(),
    },
}

HOMES = {  # where in a Config the settings of a class lie
    "BackboneConfig": "model.backbone",
    "RPNConfig": "model.rpn",
    "RoIConfig": "model.roi",
    "ProposalConfig": "model.proposals",
    "RCNNConfig": "model.rcnn",
    "ModelConfig": "model",
    "SceneConfig": "scenes",
    "TrainConfig": "train",
    "CocoConfig": "coco",
}


def take(kind, name, value, default, where=None):
    """The value of a setting as its class keeps it; ConfigError says what it has to be.

    kind: the class's name. where: how messages call the class, when not by its place in a Config.
    """
    rule = RULES[kind][name]
    try:
        return rule.take(value)
    except (ValueError, OverflowError):
        place = f"{where or HOMES[kind]}.{name}"
        example = f", for example {shown(default, 60)}" if isinstance(default, tuple) and default else ""
        raise ConfigError(f"{place} must be {rule.wanted}{example}; got {shown(value)}") from None


def settle(config):
    """Hold a configuration that was just made to the rules, and let it keep tuples, ints and floats of Python's."""
    kind = type(config).__name__
    for name in RULES.get(kind, ()):
        default = type(config).__dataclass_fields__[name].default
        object.__setattr__(config, name, take(kind, name, getattr(config, name), default))


# ---------------------------------------------------------------- what fits what


def check_relations(config, where=None):
    """Raise ConfigError when settings do not fit each other; `where`: how messages call this part of a Config."""
    kind = type(config).__name__
    home = where or HOMES.get(kind, "")
    for relation in _RELATIONS.get(kind, ()):
        for wrong in relation(config):
            raise ConfigError(f"{home}.{wrong}" if home else wrong)


def check_network(config):
    """What of a ModelConfig's relations a network needs; the names of its classes are nothing to it."""
    for part in (config.backbone, config.rpn, config.roi, config.rcnn):
        check_relations(part)
    for wrong in _model(config):
        raise ConfigError(f"model.{wrong}")


def _backbone(config):
    stages = 5 if config.kind == "vgg" else 4
    for name in ("depths", "widths"):
        if (given := len(getattr(config, name))) != stages:
            yield f"{name} must have {stages} entries for kind {config.kind!r}; got {given}"
    if config.kind == "resnet":
        yield from _resnet(config)


def _resnet(config):
    if not config.norm:
        yield "norm must be 'batch', 'frozen' or 'group' for kind 'resnet'; got ''"
    if config.block == "basic" and (config.groups, config.group_width) != (1, 64):
        yield f"groups need block 'bottleneck'; got {config.groups} of width {config.group_width} with 'basic'"
    if config.block == "bottleneck":
        for width in config.widths:
            if width * config.group_width < 256:
                yield f"group_width must leave a channel per group at {width} outputs; got {config.group_width}"


def _rpn(config):
    if config.negative_iou > config.positive_iou:
        yield f"negative_iou must be at most positive_iou; got {config.negative_iou} and {config.positive_iou}"


def _roi(config):
    if config.negative_low > config.positive_iou:
        yield f"negative_low must be at most positive_iou; got {config.negative_low} and {config.positive_iou}"


def _rcnn(config):
    if config.warp_size % 32:
        yield f"warp_size must be a multiple of 32, the stride of a network's last map; got {config.warp_size}"
    if 2 * config.context >= config.warp_size:
        yield f"context must be less than half of warp_size, {config.warp_size}; got {config.context}"


def _model(config):
    backbone = config.backbone
    if set(config.heads) != (wanted := HEADS.get(config.system, set(config.heads))):
        yield f"heads must be {sorted(wanted)} for system {config.system!r}; got {shown(list(config.heads))}"
    if config.system in OUTSIDE and config.box_gradient != "none":
        wanted = f"box_gradient must be 'none' for system {config.system!r}, whose boxes no network made"
        yield f"{wanted}; got {config.box_gradient!r}"
    for name in ("image_mean", "image_std"):
        if (given := len(getattr(config, name))) != backbone.in_channels:
            yield f"{name} must have as many entries as backbone.in_channels, {backbone.in_channels}; got {given}"
    levels, given = backbone.levels, len(config.rpn.anchor_sizes)
    if given != len(levels):
        first, last = map(backbone.level_name, (levels[0], levels[-1]))
        wanted = f"each of the {len(levels)} levels {first}..{last}" if len(levels) > 1 else f"the one map, {first}"
        yield f"rpn.anchor_sizes must have an entry for {wanted}; got {given}"
    yield from _norms_in_heads(config)
    if config.ink and backbone.in_channels != 1:
        yield f"backbone.in_channels must be 1 for a model that looks at ink; got {backbone.in_channels}"
    if (config.resize_shorter > 0) != (config.resize_longer > 0):
        given = f"{config.resize_shorter} and {config.resize_longer}"
        yield f"resize_shorter and resize_longer must both be above 0, or both 0 to leave pictures alone; got {given}"
    for head in ("mask", "keypoint"):
        if head in config.heads and not getattr(config.roi, f"{head}_widths"):
            yield f"roi.{head}_widths must name at least one width for a model with that head; got ()"
    if (config.system == "mask_scoring_rcnn") != bool(widths := config.roi.mask_iou_widths):
        yield f"roi.mask_iou_widths must name widths for system 'mask_scoring_rcnn' and for no other; got {widths}"
    if widths and config.roi.mask_kind != "per_class":
        yield f"roi.mask_kind must be 'per_class' for masks that are scored; got {config.roi.mask_kind!r}"


def _norms_in_heads(config):
    """Batch norms in a head count every row, so padding is kept from heads that say that they have some."""
    backbone, roi = config.backbone, config.roi
    if backbone.has_res5:
        if roi.box_convs:
            yield "roi.box_convs must be [] for backbone.fpn 'c4', whose box head is the last stage of the ResNet"
        if roi.box_norm != (wanted := "batch" if backbone.norm == "batch" else ""):
            place = f"where the box head is the last stage of a ResNet with {backbone.norm!r} norms"
            yield f"roi.box_norm must be {wanted!r} {place}; got {roi.box_norm!r}"
    if roi.mask_kind == "fc" and roi.mask_norm and "mask" in config.heads:
        yield f"roi.mask_norm must be '' for roi.mask_kind 'fc'; got {roi.mask_norm!r}"


def _names(config):
    count, names = config.num_classes, config.class_names
    if count != len(names):
        yield f"num_classes must count class_names (background first); got {count} and {len(names)} names"
    if double := doubled(names):
        yield f"class_names must tell all classes apart; got {shown(double)} twice"
    names, joints = config.keypoint_names, config.roi.num_keypoints
    if "keypoint" in config.heads and names and len(names) != joints:
        yield f"keypoint_names must count roi.num_keypoints, {joints}, or be left out; got {len(names)}"


def _scenes(config):
    if config.surface and config.source == "figures":
        yield f"surface must be '' for scenes.source 'figures', which are drawn on black; got {config.surface!r}"
    if config.digit_size[1] > config.image_size - 2:
        most = f"{config.image_size - 2} (image_size less a pixel on each side)"
        yield f"digit_size must be whole numbers in 6..{most}; got {config.digit_size}"


_RELATIONS = {
    "BackboneConfig": [_backbone],
    "RPNConfig": [_rpn],
    "RoIConfig": [_roi],
    "RCNNConfig": [_rcnn],
    "ModelConfig": [_model, _names],
    "SceneConfig": [_scenes],
}


def doubled(names):
    """A class name that stands there twice, or None; COCO's N/A, a number without a class, may."""
    seen = set()
    return next((name for name in names if name != "N/A" and (name in seen or seen.add(name))), None)
