"""Every setting of a model, of its scenes and of its training, as frozen dataclasses; presets are functions.

The defaults of the classes are those of the digit detector; the papers' values stand in the comments. What each setting
may be stands in config_rules.py, and is checked whenever one of these is made.
"""

import dataclasses
from dataclasses import dataclass, field

from . import config_rules
from .errors import ConfigError, listed, shown


class Settings:
    """Base of all: no setting that breaks a rule of config_rules.py ever exists; ConfigError names it."""

    def __post_init__(self):
        config_rules.settle(self)


@dataclass(frozen=True)
class BackboneConfig(Settings):
    kind: str = "resnet"  # "resnet", "vgg" or "plain": see models/backbones
    block: str = "basic"  # "basic" (ResNet-18/34) or "bottleneck" (ResNet-50/101)
    depths: tuple = (2, 2, 2, 2)  # blocks per stage; ResNet-50: (3, 4, 6, 3). VGG: convolutions of its five groups
    widths: tuple = (16, 32, 64, 128)  # output channels of each; ResNet-50: (256, 512, 1024, 2048)
    stem: str = "3x3"  # "3x3": 3x3 stride 2, stage 1 stride 2; "7x7": 7x7 stride 2 and max pooling, stage 1 stride 1
    stem_width: int = 16  # ResNet: 64
    norm: str = "batch"  # "batch", "frozen", "group" or, but for a ResNet, "" (none)
    norm_eps: float = 1e-5  # 0 for torchvision's first COCO weights
    groups: int = 1  # of a bottleneck's 3x3 convolution; ResNeXt-50: 32
    group_width: int = 64  # channels per group at 256 outputs, more in proportion; ResNeXt-50 (32x4d): 4
    init: str = "fan_out"  # first weights keep the scale of gradients; "fan_in" that of values: see nn/init.py
    in_channels: int = 1
    fpn_channels: int = 64  # FPN paper: 256
    fpn_norm: str = ""  # "" (convolutions with bias, as in the paper) or "batch"
    fpn: str = "full"  # or "no_lateral", "no_top_down", "p2" (the finest level alone), "c4", "c5" (one map, no pyramid)

    @property
    def levels(self):
        """The numbers of the maps that proposals and heads look at, P2 to P6 or one; their strides are 2**number."""
        return {"p2": (2,), "c4": (4,), "c5": (5,)}.get(self.fpn, (2, 3, 4, 5, 6))

    @property
    def stage_channels(self):
        """The channels of C2 to C5."""
        if self.kind == "resnet":
            return self.widths
        before = {"vgg": 2, "plain": 1}[self.kind]  # the layers of the stem; C5 is C4, pooled
        return (*self.widths[before:], self.widths[-1])

    @property
    def channels(self):
        """The channels of the maps that proposals and heads look at."""
        return {"c4": self.stage_channels[2], "c5": self.stage_channels[3]}.get(self.fpn, self.fpn_channels)

    @property
    def has_res5(self):
        """Whether the box head is the last stage of a ResNet, as its paper has it on C4 (models/heads/res5)."""
        return (self.kind, self.fpn) == ("resnet", "c4")

    def level_name(self, level):
        """ "P3", or "C4" where there is no pyramid."""
        return f"{'C' if self.fpn in ('c4', 'c5') else 'P'}{level}"


@dataclass(frozen=True)
class RPNConfig(Settings):
    anchor_sizes: tuple = ((20,), (28,), (40,), (64,), (96,))  # per level P2..P6; FPN paper: 32, 64, 128, 256, 512
    anchor_ratios: tuple = (1.0, 1.5, 2.0)  # height / width; digits are tall. Papers: 0.5, 1, 2
    objectness: str = "sigmoid"  # "sigmoid" (one logit) or "softmax" (two logits, the papers')
    positive_iou: float = 0.7  # Faster R-CNN, section 3.1.2
    negative_iou: float = 0.3
    ignore_border_anchors: bool = False  # Faster R-CNN: trained without anchors that leave the image
    samples_per_image: int = 64  # Faster R-CNN: 256
    positive_fraction: float = 0.5
    pre_nms_top_n: tuple = (512, 256)  # per level, training and inference; torchvision: 2000, 1000
    post_nms_top_n: tuple = (128, 64)  # per image; torchvision: 2000, 1000
    nms_iou: float = 0.7
    min_size: float = 1e-3
    beta: float = 1 / 9  # knee of the smooth L1 loss; torchvision's
    conv_depth: int = 1  # 3x3 convolutions before the two outputs


@dataclass(frozen=True)
class RoIConfig(Settings):
    canonical_size: float = 28.0  # box side that maps to canonical_level; FPN paper, equation 1: 224 (photographs)
    canonical_level: int = 3  # FPN paper: 4
    pooling: str = "align"  # RoIAlign; or "pool", "warp" (RoIWarp), "prroi" (PrRoIPool): see models/poolers.py
    sampling_ratio: int = 2  # of RoIAlign; 0 = adaptive
    aligned: bool = True  # half-pixel RoIAlign; torchvision's detection models: False
    box_size: int = 7
    mask_size: int = 14
    positive_iou: float = 0.5
    negative_low: float = 0.0  # background overlaps an object by at least this; Fast R-CNN: 0.1, its hard examples
    samples_per_image: int = 64  # Fast R-CNN: 128 / 64 per image; torchvision: 512
    positive_fraction: float = 0.25
    delta_weights: tuple = (10.0, 10.0, 5.0, 5.0)
    beta: float = 1 / 9
    head_width: int = 128  # torchvision: 1024
    box_init: str = "uniform"  # first weights: torchvision's, or "gaussian" (Fast R-CNN); see nn/init.py
    box_convs: tuple = ()  # widths of 3x3 convolutions in the box head, before one FC; none: two FCs and no convolution
    box_norm: str = ""  # "" or "batch", after each of these
    mask_widths: tuple = (64, 64, 64, 64)  # torchvision: 4 x 256
    mask_norm: str = ""  # "" or "batch"
    mask_deconv_width: int = 64
    mask_kind: str = "per_class"  # or "agnostic", "softmax" (across classes), "fc" (fully connected)
    mask_iou_widths: tuple = ()  # of the MaskIoU head's convolutions; none: masks get no score of their own
    num_keypoints: int = 17  # COCO's person
    keypoint_widths: tuple = (512,) * 8  # Mask R-CNN, section 5
    keypoint_size: int = 14  # heatmaps are four times as large
    score_threshold: float = 0.05
    nms_iou: float = 0.5
    min_size: float = 1e-2
    detections_per_image: int = 20  # torchvision: 100
    mask_threshold: float = 0.5
    paste: str = "continuous"  # masks into exact boxes, or "integer": into whole pixels, as torchvision does


@dataclass(frozen=True)
class ProposalConfig(Settings):
    """Proposals that come from outside the network, for systems without an RPN.

    Sizes are meant for pictures of 128x128 pixels: areas grow with a picture's area, sides with its root.
    """

    method: str = "selective_search"  # or "sliding_window"
    color_spaces: tuple = ("hsv", "lab")  # R-CNN: these; a grey picture has its intensity alone
    scales: tuple = (50.0, 150.0)  # tolerance of the first regions; R-CNN: 50 and 100 in pictures 500 pixels wide
    measures: tuple = ("color+texture+size+fill", "texture+size+fill")  # of likeness; R-CNN: these
    sigma: float = 0.8  # of the smoothing before the first regions are made
    min_size: int = 8  # pixels of such a region
    min_side: float = 6.0  # of a box; R-CNN: 20 in pictures 500 pixels wide
    most: int = 256  # per picture; R-CNN: 2000
    longer_side: int = 320  # larger pictures are searched at this size; R-CNN: 500


@dataclass(frozen=True)
class RCNNConfig(Settings):
    """Of R-CNN alone: what its network sees, and what is learned from its features afterwards."""

    warp_size: int = 64  # of a crop; R-CNN: 227
    context: int = 5  # pixels of the crop that lie around the box, on each side; R-CNN: 16
    classifier: str = "svm"  # what scores a box: "svm", or "softmax", the one that the network learned by (appendix B)
    regress: bool = True  # whether boxes are moved at last
    feature_norm: float = 20.0  # features are scaled to this mean length before anything is fitted to them
    svm_c: float = 1e-3  # how much a margin counts that is missed
    svm_positive_weight: float = 2.0
    svm_bias_multiplier: float = 10.0
    svm_negative_iou: float = 0.3  # boxes below it with every object of a class are negatives of that class
    svm_retrain_after: int = 2000  # hard negatives
    ridge_iou: float = 0.6  # boxes that regression learns from
    ridge_strength: float = 1000.0


@dataclass(frozen=True)
class ModelConfig(Settings):
    system: str = "mask_rcnn"  # which member of the family: a name of models/systems.py
    num_classes: int = 11  # ten digits and background
    class_names: tuple = ("background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    keypoint_names: tuple = ()  # in the order of the keypoint head's, or nothing; known limbs are drawn between them
    image_mean: tuple = (0.1,)  # per channel, for pixels in 0..1
    image_std: tuple = (0.25,)
    heads: tuple = ("box", "mask")  # Faster R-CNN: ("box",), Keypoint R-CNN: ("box", "keypoint")
    resize_shorter: int = 0  # pictures are resized to this shorter side, 0 = left alone; torchvision: 800
    resize_longer: int = 0  # ... but no longer than this; torchvision: 1333
    ink: bool = False  # grey pictures become ink on black before the network sees them: see data/ink.py
    box_gradient: str = "none"  # proposals are data; "features", "features+targets": the heads move them (exact joint)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    rpn: RPNConfig = field(default_factory=RPNConfig)
    roi: RoIConfig = field(default_factory=RoIConfig)
    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    rcnn: RCNNConfig = field(default_factory=RCNNConfig)


@dataclass(frozen=True)
class SceneConfig(Settings):
    """What the scene generator draws; sizes in pixels, strengths and shares in 0..1 (0 = off)."""

    source: str = "digits"  # "digits" (embedded), "mnist", or "figures": stick figures with joints, as high as digits
    extreme_points: bool = False  # digits get four keypoints: the top, left, bottom and right end of what can be seen
    image_size: int = 128  # height and width
    digits_per_image: tuple = (1, 5)  # inclusive, 0..10; a digit that finds no free place is left out
    digit_size: tuple = (20, 36)  # inclusive range of the upright digit's height
    max_overlap: float = 0.2  # largest share of a digit's box that any one other box may cover
    rotation: float = 0.0  # degrees, drawn from -rotation .. rotation
    noise: float = 0.1  # share of every pixel that is a uniform random number
    clutter: float = 0.0  # strokes that are not digits; 1 draws 16 of them
    texture: float = 0.0  # strength of a smooth background texture
    grid: float = 0.0  # strength of ruled lines
    stains: float = 0.0  # strength of soft blobs
    alpha: tuple = (1.0, 1.0)  # range of the ink's opacity
    color: bool = False  # three channels and coloured inks
    min_visible: float = 0.25  # a digit less visible than this share of its ink is taken out of the scene
    surface: str = ""  # "" (black, as all above), or photographs of a "paper", a "board" or of "any": see data/pages.py
    pen: tuple = (0.04, 0.16)  # there: range of a stroke's width, as a share of the digit's height
    light: float = 0.0  # there: how far light falls off, and how dark shadows are
    blur: float = 0.0  # there: largest deviation of the blur, in pixels
    jpeg: int = 0  # there: lowest quality of the compression, 0 = none


@dataclass(frozen=True)
class TrainConfig(Settings):
    procedure: str = "joint"  # how: all losses at once (train/procedures.py)
    steps: int = 1500
    batch_size: int = 8
    accumulate: int = 1  # batches per optimizer step
    optimizer: str = "sgd"  # "sgd" or "adamw"
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "cosine"  # "constant", "step" or "cosine"
    warmup_steps: int = 50
    step_milestones: tuple = (0.7, 0.9)  # shares of the run at which "step" divides the rate by 10
    clip_norm: float = 10.0  # 0 = off
    average: float = 0.0  # above 0, a run's weights are a running mean: 0.98 is one of about the last 50 steps
    checkpoint_every: int = 100
    seed: int = 0
    train_scenes: int = 0  # so many different scenes, again and again; 0: every one is new
    eval_scenes: int = 200
    frozen_stages: int = -1  # fine-tuning: 0 keeps the stem as it is, 1 the first stage too, ...; -1 trains everything
    sync_batch_norm: bool = True  # on several ranks: statistics of the whole batch; False: of a rank's own pictures


@dataclass(frozen=True)
class CocoConfig(Settings):
    """Pictures with annotations in COCO's format; without annotations, scenes are generated."""

    annotations: str = ""  # json file
    images: str = ""  # folder of the pictures
    val_annotations: str = ""  # what is evaluated; "" = the training file
    val_images: str = ""
    train_list: str = ""  # text files with file names or ids, one per line; "" = all pictures
    val_list: str = ""
    proposals: str = ""  # files of proposals for these pictures; "" = made as model.proposals says
    val_proposals: str = ""
    category_ids: tuple = ()  # of labels 0, 1, 2, ...; 0 where a label has none
    flip: float = 0.5  # probability that a training picture is mirrored
    crop: int = 0  # side in pixels (before resizing) of the random windows that are trained on; 0 = whole pictures
    skip_broken: bool = False  # leave broken annotations out instead of stopping at them


@dataclass(frozen=True)
class Config(Settings):
    """A whole experiment: stored as config.json in every run folder."""

    model: ModelConfig = field(default_factory=ModelConfig)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    coco: CocoConfig = field(default_factory=CocoConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


SCENE_PRESETS = ("clean", "cluttered", "hard", "figures", "paper", "board")


def scene_preset(name):
    """Scenes by name: "clean" (the default), "cluttered" paper, "hard" (many sizes, turned, occluded, coloured),
    "figures": people, robots and aliens made of sticks, who stand in each other's way; "paper" and "board":
    photographs of handwriting."""
    clean = SceneConfig()
    cluttered = dataclasses.replace(clean, clutter=0.4, texture=0.3, grid=0.25, stains=0.3, noise=0.15, rotation=10.0)
    hard = dataclasses.replace(
        cluttered,
        digits_per_image=(0, 10),
        digit_size=(14, 56),
        max_overlap=0.5,
        rotation=25.0,
        noise=0.25,
        alpha=(0.6, 1.0),
        color=True,
    )
    figures = dataclasses.replace(
        clean, source="figures", digits_per_image=(1, 3), digit_size=(44, 72), max_overlap=0.4, min_visible=0.5
    )
    size = {"image_size": 192, "digits_per_image": (2, 10), "digit_size": (16, 64), "max_overlap": 0.1}
    drawn = {"rotation": 12.0, "clutter": 0.4, "texture": 0.3, "grid": 0.7, "stains": 0.3, "alpha": (0.6, 1.0)}
    seen = {"noise": 0.06, "light": 0.7, "blur": 1.2, "jpeg": 30}
    paper = dataclasses.replace(clean, surface="paper", **size, **drawn, **seen)
    board = dataclasses.replace(paper, surface="board")
    presets = dict(zip(SCENE_PRESETS, (clean, cluttered, hard, figures, paper, board)))
    if name not in presets:
        raise ConfigError(f"scenes must be one of {SCENE_PRESETS}; got {name!r}")
    return presets[name]


def tour_preset():
    """The small digit detector that the package ships: a fifth of the default's weights, trained twice as long."""
    backbone = BackboneConfig(depths=(1, 1, 1, 1), widths=(16, 32, 48, 64), init="fan_in", fpn_channels=32)
    roi = RoIConfig(head_width=64, box_init="gaussian", mask_widths=(32, 32, 32, 32), mask_deconv_width=32)
    return Config(model=ModelConfig(backbone=backbone, roi=roi), train=TrainConfig(steps=3000))


def photograph_preset(class_names, *, channels=3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), heads=None):
    """A small model for photographs of about 256 pixels that is trained from scratch, so with group normalisation."""
    return ModelConfig(
        num_classes=len(class_names),
        class_names=tuple(class_names),
        image_mean=mean,
        image_std=std,
        heads=heads or ("box", "mask"),
        resize_shorter=256,
        resize_longer=384,
        backbone=BackboneConfig(norm="group", init="fan_in", in_channels=channels),
        rpn=RPNConfig(anchor_sizes=((16,), (32,), (64,), (128,), (256,)), anchor_ratios=(0.5, 1.0, 2.0)),
        roi=RoIConfig(
            canonical_size=64.0, box_init="gaussian", detections_per_image=100, keypoint_widths=(64,) * 4
        ),
    )


TORCHVISION_KINDS = (
    "fasterrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "keypointrcnn_resnet50_fpn",
)

# The class of each label of torchvision's COCO models, in order; N/A: the ten numbers that COCO left out.
COCO_CLASSES = tuple(
    """background,person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,N/A,stop sign,
    parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,N/A,backpack,umbrella,N/A,N/A,handbag,
    tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,
    tennis racket,bottle,N/A,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,
    pizza,donut,cake,chair,couch,potted plant,bed,N/A,dining table,N/A,N/A,toilet,N/A,tv,laptop,mouse,remote,keyboard,
    cell phone,microwave,oven,toaster,sink,refrigerator,N/A,book,clock,vase,scissors,teddy bear,hair drier,
    toothbrush""".replace("\n    ", "").split(",")
)


def torchvision_preset(kind, *, num_classes=None, backbone=None, rpn=None, roi=None, **model):
    """The ModelConfig of a torchvision detection model by its name there, trained on COCO.

    backbone, rpn and roi are dictionaries of settings to change, `model` those of ModelConfig: a narrow variant is
    torchvision_preset("maskrcnn_resnet50_fpn", num_classes=5, backbone={"widths": (16, 32, 64, 128)}).
    The weights that torchvision trained first hold frozen batch norms without an eps; v2 trains its batch norms.
    """
    if kind not in TORCHVISION_KINDS:
        raise ConfigError(f"kind must be one of {TORCHVISION_KINDS}; got {kind!r}")
    v2, person = kind.endswith("_v2"), kind.startswith("keypoint")
    heads = {"f": ("box",), "m": ("box", "mask"), "k": ("box", "keypoint")}[kind[0]]
    norm = "batch" if v2 else ""
    count = num_classes or (2 if person else 91)
    names = COCO_CLASSES[:2] if person else COCO_CLASSES
    if count != len(names):
        names = ("background", *(f"class {i}" for i in range(1, count)))
    resnet50 = {"block": "bottleneck", "depths": (3, 4, 6, 3), "widths": (256, 512, 1024, 2048), "stem": "7x7"}
    resnet50 |= {"stem_width": 64, "in_channels": 3, "fpn_channels": 256, "fpn_norm": norm}
    resnet50 |= {"norm": "batch", "norm_eps": 1e-5} if v2 else {"norm": "frozen", "norm_eps": 0.0}
    photographs = {"anchor_sizes": ((32,), (64,), (128,), (256,), (512,)), "anchor_ratios": (0.5, 1.0, 2.0)}
    photographs |= {"samples_per_image": 256, "pre_nms_top_n": (2000, 1000), "post_nms_top_n": (2000, 1000)}
    heads_of_photographs = {"canonical_size": 224.0, "canonical_level": 4, "aligned": False, "samples_per_image": 512}
    heads_of_photographs |= {"head_width": 1024, "box_convs": (256,) * 4 if v2 else (), "box_norm": norm}
    heads_of_photographs |= {"mask_widths": (256,) * 4, "mask_norm": norm, "mask_deconv_width": 256}
    heads_of_photographs |= {"detections_per_image": 100, "paste": "integer"}
    settings = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}  # ImageNet's
    settings |= {"heads": heads, "resize_shorter": 800, "resize_longer": 1333, "class_names": names}
    return ModelConfig(
        num_classes=count,
        backbone=BackboneConfig(**(resnet50 | (backbone or {}))),
        rpn=RPNConfig(**(photographs | {"conv_depth": 2 if v2 else 1} | (rpn or {}))),
        roi=RoIConfig(**(heads_of_photographs | (roi or {}))),
        **(settings | model),
    )


def to_dict(config):
    """Plain dictionaries and lists, ready for json.dumps."""
    return dataclasses.asdict(config)


def before_later_settings():
    """The default Config of a time when later settings, whose defaults differ from what was done then, were not yet."""
    kinds = {"backbone": BackboneConfig, "roi": RoIConfig}
    parts = {name: kind(**config_rules.BEFORE[kind.__name__]) for name, kind in kinds.items()}
    return Config(model=ModelConfig(**parts))


def from_dict(kind, entries, where="config"):
    """Rebuild a configuration dataclass from `to_dict`; an unknown, ill-typed or ill-fitting entry is a ConfigError.

    where: how messages call the table, for example by its file.
    """
    if not isinstance(entries, dict):
        raise ConfigError(f"{where} must be a table of settings; got {type(entries).__name__}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    if unknown := sorted(map(str, set(entries) - set(fields))):
        raise ConfigError(f"{where} has unknown entries {shown(unknown)}; known are {listed(sorted(fields), most=40)}")
    before = config_rules.BEFORE.get(kind.__name__, {})
    if len(entries) > len(fields) / 2 and not before.keys() & entries.keys():
        entries = before | entries  # a run wrote all settings there were; who writes by hand names few
    values = {}
    for name, value in entries.items():
        if dataclasses.is_dataclass(fields[name].type):
            values[name] = from_dict(fields[name].type, value, f"{where}.{name}")
        else:
            values[name] = config_rules.take(kind.__name__, name, value, fields[name].default, where)
    config = kind(**values)
    config_rules.check_relations(config, where)
    return config
