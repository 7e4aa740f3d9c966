"""The registry's cases of other backbones, of pyramids that lack a part, and of other mask heads."""

import numpy as np
import strategies as draw
from cases import layer, methods
from strategies import Draw

from tinymaskrcnn.config import BackboneConfig, RoIConfig
from tinymaskrcnn.models.backbones import plain, pyramids, resnet, vgg
from tinymaskrcnn.models.heads import mask_variants, res5
from tinymaskrcnn.nn import layers, module
from tinymaskrcnn.targets.roi import RoISamples

VGG = dict(depths=(2, 1, 1, 1, 1), widths=(2, 3, 4, 4, 5), in_channels=1)
MAPS = draw.pyramid(2, (4, 2), 2)  # of two levels, two channels each
ODD = draw.pyramid(1, (5, 3), 2)
C4 = BackboneConfig(fpn="c4", depths=(1, 1, 1, 2), widths=(4, 4, 3, 5), norm="group")
X4 = BackboneConfig(fpn="c4", block="bottleneck", widths=(4, 4, 4, 8), groups=2, group_width=64, norm="batch")
ROI = RoIConfig(box_size=3, mask_size=2, mask_widths=(3,), mask_deconv_width=3)
ROIS = dict(
    rois=draw.rois(4, side=6, bins=2, samples=2, scale=0.25),
    image_index=draw.image_index(4, 2),
    zero_rows=("rois", "image_index"),
)
CROPS = dict(ROIS, rois=draw.rois(4, side=6, bins=3, samples=2, scale=0.25))


def body(rng):
    conv, pooled = layers.Conv2d(1, 2, 3, padding=1, rng=rng), layers.Conv2d(2, 3, 2, stride=2, rng=rng)
    return resnet.Body(module.Sequential(conv), [module.Sequential(pooled)])


BACKBONES = [
    layer(body, (1, 4, 4, 1)),
    layer(lambda rng: vgg.VGG(rng=rng, **VGG), (1, 32, 32, 1), directions=1),
    layer(lambda rng: vgg.VGG(norm="group", stages=3, rng=rng, **VGG), (1, 32, 32, 1), directions=1, note="norm"),
    layer(lambda rng: plain.PlainCNN(widths=(2, 3, 4, 5), rng=rng), (1, 32, 32, 1), directions=1),
    layer(lambda rng: pyramids.NoTopDown((2, 2), 3, rng=rng), MAPS),
    layer(lambda rng: pyramids.NoTopDown((2, 2), 2, norm="batch", rng=rng), ODD, note="odd"),
    layer(lambda rng: pyramids.NoLateral((2, 2), 3, rng=rng), MAPS),
    layer(lambda rng: pyramids.NoLateral((2, 2), 2, norm="batch", rng=rng), ODD, note="odd"),
    layer(lambda rng: pyramids.FinestOnly((2, 2), 3, rng=rng), MAPS),
    layer(lambda rng: pyramids.FinestOnly((2, 2), 2, norm="batch", rng=rng), ODD, note="odd"),
    layer(lambda rng: pyramids.LastMap(), MAPS),
    layer(lambda rng: res5.res5_body(C4, rng=rng), (4, 3, 3, 3), note="res5"),
    layer(lambda rng: res5.res5_body(X4, rng=rng), (4, 4, 4, 4), note="res5-groups"),
    layer(lambda rng: one_map(res5.Res5BoxHead(C4, 3, ROI, rng=rng)), draw.pyramid(2, (4,), 3), **CROPS),
]


def one_map(head):
    """A head that looks at C2 alone."""
    head.pool.levels = 1
    return head


def mask_head(kind):
    return lambda rng: one_map(kind(2, 3, ROI, rng=rng))


def mask_losses(kind):
    def make(rng):
        head = mask_head(kind)(rng)
        return head.loss_forward, head.loss_backward

    return make


def positives(rng):
    """Three RoIs on two images, of two classes, the last of them padding."""
    return RoISamples(
        rois=draw.rois(3, side=4, bins=2, samples=2, scale=0.25)(rng),
        image_index=np.array([0, 1, 1]),
        labels=np.array([1, 2, 1]),
        deltas=np.zeros((3, 4)),
        weight=np.array([1.0, 1, 0]),
        matched=np.zeros(3, np.int64),
        row=np.arange(3),
        mask_rows=np.array([0, 1, 2]),
        mask_weight=np.array([1.0, 1, 0]),
    )


ASKED = dict(ROIS, channel=draw.labels(4, 3), zero_rows=("rois", "image_index", "channel"))
MASKS = [
    layer(mask_head(mask_variants.AgnosticMaskHead), MAPS, **ASKED | {"channel": np.zeros(4, np.int64)}),
    layer(lambda rng: mask_variants.SoftmaxMaskPredictor(3, 2, 3, rng=rng), (4, 2, 2, 3)),
    layer(mask_head(mask_variants.SoftmaxMaskHead), MAPS, **ROIS),
    methods(
        "SoftmaxMaskHead.loss",
        mask_losses(mask_variants.SoftmaxMaskHead),
        (3, 4, 4, 3),
        seen=Draw(positives),
        answers=draw.uniform(0, 1, 3, 4, 4),
        skip={"zero_rows": "the samples belong to these two images"},
    ),
    layer(lambda rng: mask_variants.FlatMaskPredictor(5, 3, 3, rng=rng), (4, 5), channel=draw.labels(4, 3)),
    layer(mask_head(mask_variants.FlatMaskHead), MAPS, **ASKED),
]
