"""The registry's cases of R-CNN, which looks at crops one by one."""

import numpy as np
import strategies as draw
from cases import layer, methods
from strategies import Draw
from tiny_model import tiny_proposals, tiny_rcnn, tiny_samples, tiny_scene

from tinymaskrcnn.models import crops, rcnn
from tinymaskrcnn.models.backbones import resnet
from tinymaskrcnn.targets.roi import RoISamples

RESNET = dict(depths=(1, 1, 1, 1), widths=(4, 4, 8, 8), stem_width=4, in_channels=1)
LABELS = np.array([1, 2, 0, 0, 0])


def crop_network(rng):
    body = resnet.ResNet(block="basic", stem="3x3", norm="group", rng=rng, **RESNET)
    return crops.CropNetwork(body, 8, 1, 5, rng=rng)


def part(chosen):
    """A part of a tiny R-CNN."""
    return lambda rng: chosen(tiny_rcnn(seed=int(rng.integers(100))))


def head(model):
    return model.roi_heads.heads["box"]


def seen():
    """Five sampled crops, of which one is padding; only their labels and weights are asked for."""
    weight = np.array([1.0, 1, 0, 1, 1])
    return RoISamples(**dict.fromkeys(RoISamples.__dataclass_fields__) | {"labels": LABELS, "weight": weight})


def whole():
    images, targets = tiny_scene()
    proposals, valid = tiny_proposals(targets)
    given = {"proposals": proposals, "proposals_valid": valid}
    return layer(
        lambda rng: tiny_rcnn(),
        Draw(lambda rng: images),
        targets=None,
        samples=Draw(lambda rng: tiny_samples(tiny_rcnn(), images, targets, **given)),
        **given,
        skip={"zero_rows": "the samples belong to these two images"},
        directions=1,
        note="rcnn",
    )


CROPS = [
    layer(
        lambda rng: crops.Warp(4, 1),
        draw.pyramid(2, (6,), 2),
        rois=draw.rois(4, side=6, bins=4, samples=1),
        image_index=draw.image_index(4, 2),
        zero_rows=("rois", "image_index"),
    ),
    layer(crop_network, (3, 32, 32, 1), directions=1),
    layer(lambda rng: rcnn.ClassPredictor(8, 4, 3, rng=rng), (5, 4)),
    layer(part(lambda model: model.backbone), (2, 4, 4, 1)),
    layer(
        part(head),
        draw.pyramid(2, (40,), 1),
        rois=np.array([[2.0, 3, 20, 30], [10, -2, 38, 14], [5, 5, 9, 9]]),
        image_index=np.array([0, 1, 1]),
        zero_rows=("rois", "image_index"),
        directions=1,
    ),
    methods(
        "RCNNHead.loss",
        part(lambda model: (head(model).loss_forward, head(model).loss_backward)),
        (5, 3),
        seen=seen(),
        skip={"zero_rows": "the samples belong to these crops"},
    ),
    whole(),
]
