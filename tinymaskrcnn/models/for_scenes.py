"""What scenes ask of a model: channels for colours, names for what is in them, anchors for how large it is."""

from ..config import Config
from ..data import figures
from ..data.scenes import EXTREME_POINTS

COLOR = {
    "model.backbone.in_channels": 3,
    "model.image_mean": (0.1, 0.1, 0.1),
    "model.image_std": (0.25, 0.25, 0.25),
}
FIGURES = {  # for boxes of 30 to 100 pixels, as wide as high or higher
    "model.class_names": figures.CLASS_NAMES,
    "model.num_classes": len(figures.CLASS_NAMES),
    "model.rpn.anchor_sizes": ((24,), (40,), (56,), (80,), (112,)),
    "model.rpn.anchor_ratios": (0.75, 1.0, 1.5),
    "model.roi.canonical_size": 112.0,  # crops from the finest map: a joint is a matter of pixels
    "model.roi.samples_per_image": 32,  # of three figures at most
}
MNIST = {  # for strokes of two to three pixels, and digits from square to four times as high as wide; docs/training.md
    "model.rpn.anchor_ratios": (1.0, 1.6, 2.4, 4.0),
    "train.steps": 2500,
    "model.backbone.init": "fan_in",  # the first weights with which all of this was measured
    "model.roi.box_init": "gaussian",
}
MNIST_SIZES = ((14, 20), (20, 28), (28, 40), (40, 64), (64, 96))  # of anchors, in pixels of the scene
MNIST_SCALE = 2  # scenes are looked at twice as large


def model_for(scenes):
    """What a SceneConfig asks of a model, and of its training, beside the default: {dotted setting: value}."""
    is_figures = scenes.source == "figures"
    settings = (COLOR if scenes.color else {}) | (FIGURES if is_figures else {})
    if scenes.source == "mnist" and not scenes.surface:
        settings |= MNIST | _magnified(scenes.image_size)
    joints = figures.JOINTS if is_figures else EXTREME_POINTS if scenes.extreme_points else ()
    if not joints:
        return settings
    return settings | {"model.keypoint_names": joints, "model.roi.num_keypoints": len(joints)}


def _magnified(side):
    """Settings by which a model looks at MNIST's scenes of this height and width in twice their size."""
    sides = {f"model.resize_{name}": MNIST_SCALE * side for name in ("shorter", "longer")}
    anchors = tuple(tuple(MNIST_SCALE * size for size in sizes) for sizes in MNIST_SIZES)
    # Crops from the finest map, as with figures: no digit is so large that another one would serve it.
    return sides | {"model.rpn.anchor_sizes": anchors, "model.roi.canonical_size": 120.0}


def still_wanted(settings, config):
    """Of settings those that a Config has as everybody has them: what was chosen on purpose stays."""
    return {name: value for name, value in settings.items() if _at(config, name) == _at(Config(), name)}


def _at(config, name):
    for part in name.split("."):
        config = getattr(config, part)
    return config
