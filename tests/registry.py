"""Every public pair and every public Module, with an example on which the whole harness runs; one line each.

    pair("linear", x=(5, 3), weight=(3, 4), bias=(4,))
    layer(lambda rng: Linear(3, 4, rng=rng), (5, 3))

A tuple of ints as a positional argument is a shape, filled with standard normal numbers; a Draw from strategies.py
draws what a kink or a meaning asks for; any other value is handed on as it is. The cases run in the tests of their
room; tests/test_harness.py fails when a public pair or Module has none, or a case has no room.
"""

import numpy as np
import strategies as draw
from cases import layer, methods, pair
from registry_backbones import BACKBONES, MASKS
from registry_crops import CROPS
from strategies import Draw
from tiny_model import tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.config import RoIConfig, RPNConfig
from tinymaskrcnn.models import (
    blocks,
    exact_joint,
    mask_rcnn,
    mask_scoring_rcnn,
    moving_targets,
    poolers,
    roi_heads,
    rpn,
)
from tinymaskrcnn.models.backbones import fpn, resnet
from tinymaskrcnn.models.fast_rcnn import GivenProposals
from tinymaskrcnn.models.heads import box, keypoint, mask
from tinymaskrcnn.nn import layers, module, more_layers, sync_norm
from tinymaskrcnn.targets.keypoint import KeypointTargets
from tinymaskrcnn.targets.mask_iou import ScoredMaskTargets
from tinymaskrcnn.targets.roi import RoISamples
from tinymaskrcnn.targets.rpn import RPNTargets

# ---------------------------------------------------------------- operators

PAIRS = [
    pair("linear", x=(5, 3), weight=(3, 4), bias=(4,)),
    # convolution: (H + 2p - k) % stride != 0, one window, pairs of numbers, groups, no bias
    pair("conv2d", x=(2, 5, 4, 2), weight=(3, 3, 2, 3), bias=(3,), padding=1),
    pair("conv2d", "stride-rest", x=(2, 6, 5, 2), weight=(3, 3, 2, 2), bias=(2,), stride=2),
    pair(
        "conv2d",
        "dilation",
        x=(1, 6, 7, 2),
        weight=(2, 3, 2, 2),
        bias=(2,),
        dilation=(2, 1),
        stride=(1, 2),
        padding=(0, 2),
    ),
    pair("conv2d", "groups", x=(2, 4, 4, 4), weight=(3, 3, 2, 6), bias=(6,), groups=2, padding=1, stride=2),
    pair("conv2d", "depthwise", x=(2, 4, 3, 3), weight=(3, 2, 1, 3), bias=(3,), groups=3),
    pair("conv2d", "1x1", x=(2, 3, 4, 3), weight=(1, 1, 3, 2), bias=(2,)),
    pair("conv2d", "1x1-stride", x=(2, 4, 5, 3), weight=(1, 1, 3, 2), bias=None, stride=2),
    pair("conv2d", "no-bias", x=(2, 4, 4, 2), weight=(3, 3, 2, 2), bias=None, padding=1),
    pair("conv2d", "one-window", x=(2, 3, 3, 2), weight=(3, 3, 2, 4), bias=(4,), stride=3),
    pair("conv_transpose2d", x=(2, 3, 4, 2), weight=(2, 2, 2, 3), bias=(3,), stride=2),
    pair("conv_transpose2d", "overlap", x=(1, 3, 4, 2), weight=(4, 3, 2, 2), bias=(2,), stride=(2, 1), padding=1),
    pair("conv_transpose2d", "gaps", x=(2, 2, 3, 2), weight=(1, 2, 2, 2), bias=None, stride=3),
    pair(
        "select_conv1x1",
        x=(4, 3, 2, 3),
        weight=(1, 1, 3, 5),
        bias=(5,),
        channel=draw.labels(4, 3),
        zero_rows=("x", "channel"),
    ),
    # activations
    pair("relu", x=draw.away_from(0, shape=(3, 4, 2))),
    pair("sigmoid", x=draw.uniform(-4, 4, 3, 5)),
    pair("softmax", x=(4, 5)),
    pair("softmax", "maps", x=(2, 3, 2, 4)),
    # normalisation
    pair("batch_norm2d", x=(3, 2, 3, 2), weight=(2,), bias=(2,)),
    pair("batch_norm2d_relu", x=(3, 2, 3, 2), weight=(2,), bias=(2,)),
    pair(
        "frozen_batch_norm2d", x=(2, 3, 2, 3), weight=(3,), bias=(3,), mean=draw.normal(3), var=draw.uniform(0.5, 2, 3)
    ),
    pair("group_norm", x=(2, 2, 3, 4), weight=(4,), bias=(4,), groups=2),
    pair("group_norm", "layer", x=(2, 2, 2, 3), weight=(3,), bias=(3,), groups=1),
    # pooling: overlap shows `=` for `+=`, a rest shows a wrong border
    pair("max_pool2d", x=draw.distinct(2, 4, 6, 2), kernel=2),
    pair("max_pool2d", "overlap", x=draw.distinct(2, 6, 5, 2), kernel=3, stride=2, padding=1),
    pair("max_pool2d", "dense", x=draw.distinct(1, 4, 5, 2), kernel=(2, 3), stride=1),
    pair("max_pool2d", "subsample", x=draw.distinct(2, 5, 4, 2), kernel=1, stride=2),
    pair("avg_pool2d", x=(2, 5, 6, 2), kernel=2),
    pair("avg_pool2d", "overlap", x=(2, 6, 5, 2), kernel=3, stride=2, padding=1),
    pair("global_avg_pool2d", x=(2, 3, 4, 3)),
    # resizing
    pair("upsample_nearest2d", x=(2, 2, 3, 2), size=(4, 6)),
    pair("upsample_nearest2d", "odd-size", x=(2, 2, 3, 2), size=(3, 5)),
    pair("resize_bilinear", x=(2, 3, 4, 2), size=(5, 7)),
    pair("resize_bilinear", "smaller", x=(2, 5, 4, 2), size=(2, 3)),
]

ROI = dict(features=(2, 6, 6, 2), image_index=draw.image_index(3, 2), output_size=2)
ROWS = [("rois", "image_index"), ("features", "rois", "image_index")]
PYRAMID = dict(
    pyramid=[draw.normal(2, 4, 5, 2), draw.normal(2, 2, 3, 2)],
    image_index=draw.image_index(4, 2),
    output_size=2,
    scales=(0.25, 0.125),
)
BOXES = dict(ROI, box_gradient=True, zero_rows=ROWS)
PAIRS += [
    pair(
        "roi_align",
        **ROI,
        rois=draw.rois(3, side=6, bins=2, samples=2),
        scale=1.0,
        without_gradient=("rois",),
        zero_rows=ROWS,
    ),
    pair("roi_align", "box", **BOXES, rois=draw.rois(3, side=6, bins=2, samples=2, scale=0.5), scale=0.5),
    pair(
        "roi_align",
        "box-old",
        **BOXES,
        rois=draw.rois(3, side=6, bins=2, samples=2, aligned=False),
        scale=1.0,
        aligned=False,
    ),
    pair("roi_align", "box-adaptive", **BOXES, rois=draw.rois(3, side=6, bins=2, samples=0), scale=1.0, samples=0),
    pair("roi_align", "one-sample", **BOXES, rois=draw.rois(3, side=6, bins=2, samples=1), scale=1.0, samples=1),
    pair(
        "pyramid_roi_align",
        **PYRAMID,
        rois=draw.rois(4, side=4, bins=2, samples=2, scale=0.25),
        level=np.array([0, 1, 0, 1]),
        zero_rows=[("rois", "image_index", "level"), ("pyramid", "rois", "image_index", "level")],
    ),
    pair(
        "pyramid_roi_align",
        "adaptive",
        **dict(PYRAMID, samples=0, aligned=False),
        rois=draw.rois(4, side=4, bins=2, samples=0, scale=0.25, aligned=False),
        level=np.array([1, 1, 0, 1]),
        zero_rows=("rois", "image_index", "level"),
    ),
    *(
        pair(
            "pyramid_roi_align_boxes",
            note,
            **dict(PYRAMID, **settings),
            rois=draw.rois(4, side=4, bins=2, scale=0.25, **({"samples": 2} | settings)),
            level=np.array([0, 1, 0, 1]),
            zero_rows=[("rois", "image_index", "level"), ("pyramid", "rois", "image_index", "level")],
        )
        for note, settings in (("", {}), ("adaptive", {"samples": 0}), ("old", {"aligned": False}))
    ),
    pair(
        "roi_pool",
        features=draw.distinct(2, 6, 6, 2),
        rois=draw.rois(3, side=6, bins=2, samples=2),
        image_index=draw.image_index(3, 2),
        output_size=2,
        scale=1.0,
        without_gradient=("rois",),
        zero_rows=ROWS,
    ),
]

# RoIWarp has one point per bin; PrRoIPool may have its edges anywhere, also on grid lines: nothing jumps
ON_GRID = np.array([[1.5, 0.5, 3.5, 4.5], [0.0, 2.5, 5.5, 6.0], [-1.0, 1.0, 2.0, 7.5]])
LEVELS = dict(PYRAMID, level=np.array([0, 1, 0, 1]), box_gradient=True)
LEVEL_ROWS = [("rois", "image_index", "level"), ("pyramid", "rois", "image_index", "level")]
PAIRS += [
    pair("roi_warp", **BOXES, rois=draw.rois(3, side=6, bins=2, samples=1, scale=0.5, within=0), scale=0.5),
    pair(
        "roi_warp",
        "old",
        **BOXES,
        rois=draw.rois(3, side=6, bins=2, samples=1, aligned=False, within=0),
        scale=1.0,
        aligned=False,
    ),
    pair(
        "pyramid_roi_warp",
        **LEVELS,
        rois=draw.rois(4, side=4, bins=2, samples=1, scale=0.125, within=0),
        zero_rows=LEVEL_ROWS,
    ),
    pair("prroi_pool", **BOXES, rois=ON_GRID, scale=1.0),
    pair("prroi_pool", "old", **BOXES, rois=draw.uniform(0, 6, 3, 4), scale=0.5, aligned=False),
    pair("pyramid_prroi_pool", **LEVELS, rois=draw.uniform(0, 16, 4, 4), zero_rows=LEVEL_ROWS),
    pair(
        "pyramid_roi_pool",
        **LEVELS | {"pyramid": [draw.distinct(2, 4, 5, 2), draw.distinct(2, 2, 3, 2)]},
        rois=draw.rois(4, side=4, bins=2, samples=2, scale=0.25),
        zero_rows=LEVEL_ROWS,
    ),
]
PAIRS += [
    pair(
        "warp",
        images=(2, 6, 6, 2),
        boxes=draw.rois(3, side=6, bins=4, samples=1),
        image_index=draw.image_index(3, 2),
        size=4,
        context=1,
        zero_rows=("boxes", "image_index"),
    ),
]

# losses
KNEES = dict(prediction=draw.away_from(-1, 0, 1, shape=(4, 3)), target=np.zeros((4, 3)))
PAIRS += [
    pair("softmax_cross_entropy", logits=(5, 3), labels=draw.labels(5, 3)),
    pair("softmax_cross_entropy", "weighted", logits=(5, 3), labels=draw.labels(5, 3), weight=draw.bits(5)),
    pair("sigmoid_cross_entropy", logits=(4, 3), targets=draw.uniform(0, 1, 4, 3)),
    pair("sigmoid_cross_entropy", "rows", logits=(4, 2), targets=draw.bits(4, 2), weight=draw.bits(4), normalizer=3.0),
    pair("smooth_l1", **KNEES, beta=1.0),
    pair("smooth_l1", "weighted", **KNEES, beta=1.0, weight=draw.bits(4), normalizer=2.0),
    pair("smooth_l1", "absolute", **KNEES, beta=0.0),
    pair("hinge", scores=draw.away_from(-1, 1, shape=(4, 3)), targets=draw.signs(4, 3)),
    pair("hinge", "weighted", scores=draw.away_from(-1, 1, shape=(5,)), targets=draw.signs(5), weight=draw.bits(5)),
    pair("squared_error", prediction=(4, 3), target=draw.normal(4, 3)),
    pair("squared_error", "weighted", prediction=(4,), target=draw.normal(4), weight=draw.bits(4)),
]  # fmt: skip

# boxes that learn
CORNERS = draw.rois(5, side=20, bins=2, samples=1)
WEIGHTS = (10.0, 8.0, 5.0, 4.0)
CHOSEN = np.array([[4, 0, 2], [1, 3, 4]])
PAIRS += [
    pair("decode", deltas=(5, 4), anchors=CORNERS, weights=WEIGHTS),
    pair("decode", "clamped", deltas=(5, 4), anchors=CORNERS, clamp=0.3),
    pair("clip", boxes=draw.away_from(0, 9, 12, shape=(6, 4), reach=15.0), height=9.0, width=12.0),
    pair("encode", boxes=CORNERS, anchors=draw.rois(5, side=18, bins=3, samples=1), weights=WEIGHTS),
    pair(
        "move_anchors",
        deltas=(2, 5, 4),
        anchors=CORNERS,
        chosen=CHOSEN,
        height=np.array([[20.0], [9.0]]),
        width=np.array([[12.0], [17.0]]),
    ),
    pair(
        "drawn_rois",
        proposals=(2, 4, 4),
        image_index=np.array([0, 0, 1, 1, 1]),
        row=np.array([3, 4, 5, 0, 2]),
        rois=draw.normal(5, 4),
        zero_rows=("image_index", "row", "rois"),
    ),
    pair("smooth_l1_both", prediction=draw.away_from(-1, 0, 1, shape=(4, 3)), target=np.zeros((4, 3)), beta=1.0),
    pair("sigmoid_cross_entropy_both", logits=(4, 3), targets=draw.uniform(0, 1, 4, 3)),
    pair(
        "sigmoid_cross_entropy_both",
        "rows",
        logits=(4, 2, 2),
        targets=draw.uniform(0, 1, 4, 2, 2),
        weight=draw.bits(4),
        normalizer=3.0,
    ),
    *(
        pair(
            "moving_mask",
            note,
            rois=draw.rois(4, side=12, bins=3, samples=0, aligned=aligned),
            masks=Draw(lambda rng: rng.integers(0, 2, (2, 2, 12, 10)).astype(np.uint8)),
            matched=np.array([0, 1, 3, 2]),
            sizes=np.array([[12, 10], [11, 9]]),
            size=3,
            aligned=aligned,
            zero_rows=("rois", "matched"),
        )
        for note, aligned in (("", True), ("old", False))
    ),
    pair(
        "moving_area",
        rois=CORNERS,
        masks=Draw(lambda rng: rng.integers(0, 2, (2, 2, 20, 20)).astype(np.uint8)),
        matched=np.array([0, 1, 3, 2, 1]),
        size=3,
        zero_rows=("rois", "matched"),
    ),
    pair(
        "mask_iou",
        masks=Draw(lambda rng: rng.integers(0, 2, (4, 3, 3)) / 2 + rng.uniform(0.05, 0.45, (4, 3, 3))),
        areas=np.array([20.0, 0.3, 12.0, 30.0]),  # cut by their boxes, but for the second
        logits=draw.normal(4, 3, 3),
        zero_rows=("masks", "areas", "logits"),
    ),
]

# ---------------------------------------------------------------- layers and containers


class OneRank:
    """Ranks of which there is one; more of them meet in tests/nn/test_sync_norm.py."""

    def everybody(self, array):
        return [array]


LAYERS = [
    layer(lambda rng: layers.Linear(3, 4, rng=rng), (5, 3)),
    layer(lambda rng: layers.Conv2d(2, 3, 3, stride=2, padding=1, rng=rng), (2, 5, 4, 2)),
    layer(lambda rng: layers.Conv2d(4, 4, 3, groups=2, bias=False, rng=rng), (2, 4, 4, 4), note="groups"),
    layer(lambda rng: layers.ConvTranspose2d(2, 3, 2, stride=2, rng=rng), (2, 3, 2, 2)),
    layer(lambda rng: layers.BatchNorm2d(2), (3, 2, 3, 2)),
    layer(lambda rng: sync_norm.synchronise(layers.BatchNorm2d(2), OneRank()), (3, 2, 3, 2)),
    layer(lambda rng: more_layers.FrozenBatchNorm2d(2), (3, 2, 3, 2)),
    layer(lambda rng: more_layers.GroupNorm(2, 4), (2, 2, 3, 4)),
    layer(lambda rng: layers.ReLU(), draw.away_from(0, shape=(3, 4))),
    layer(lambda rng: more_layers.Sigmoid(), (3, 4)),
    layer(lambda rng: more_layers.Softmax(), (3, 4)),
    layer(lambda rng: more_layers.MaxPool2d(3, stride=2, padding=1), draw.distinct(2, 5, 6, 2)),
    layer(lambda rng: more_layers.AvgPool2d(2), (2, 4, 6, 2)),
    layer(lambda rng: more_layers.GlobalAvgPool2d(), (2, 3, 4, 2)),
    layer(lambda rng: more_layers.UpsampleNearest2d(), (2, 2, 3, 2)),
    layer(lambda rng: layers.Flatten(), (2, 2, 3, 2)),
    layer(lambda rng: module.Identity(), (2, 3)),
    layer(
        lambda rng: module.Sequential(
            layers.Conv2d(2, 3, 3, padding=1, rng=rng), layers.ReLU(), layers.Conv2d(3, 2, 1, rng=rng)
        ),
        (2, 4, 3, 2),
    ),
]

# ---------------------------------------------------------------- models, tiny

ROI_CONFIG = RoIConfig(
    canonical_size=6.0,
    canonical_level=2,
    box_size=2,
    mask_size=2,
    samples_per_image=4,
    head_width=5,
    mask_widths=(3,),
    mask_deconv_width=3,
    mask_iou_widths=(4, 3),
    num_keypoints=2,
    keypoint_widths=(3,),
    keypoint_size=2,
)
RPN_CONFIG = RPNConfig(anchor_sizes=((4,), (8,)), anchor_ratios=(0.5, 1.0), samples_per_image=6)
ROIS = dict(
    rois=draw.rois(4, side=6, bins=2, samples=2, scale=0.25),
    image_index=draw.image_index(4, 2),
    zero_rows=("rois", "image_index"),
)
RESNET = dict(depths=(1, 1, 1, 1), widths=(4, 4, 8, 8), stem_width=4, in_channels=1)


BOXES_TOO = dict(image_index=draw.image_index(4, 2), zero_rows=("rois", "image_index"))


def learning_pool(kind):
    """A pool of this kind over two levels, with a gradient for the RoIs."""
    return lambda rng: kind(2, ROI_CONFIG, levels=2, box_gradient=True)


def backbone_with_fpn(rng):
    body = resnet.ResNet(block="basic", stem="3x3", norm="group", rng=rng, **RESNET)
    return fpn.BackboneWithFPN(body, fpn.FPN(RESNET["widths"], 2, rng=rng))


def rpn_losses(rng):
    module = rpn.RPN(3, RPN_CONFIG, rng=rng)
    return module.loss_forward, module.loss_backward


def head(kind):
    """A head of this kind for three classes on a pyramid of two channels."""
    return lambda rng: kind(2, 3, ROI_CONFIG, rng=rng)


def head_losses(kind):
    def make(rng):
        module = head(kind)(rng)
        return module.loss_forward, module.loss_backward

    return make


def some_heads(*kinds):
    return lambda rng: fixed_heatmap_bias(roi_heads.RoIHeads([head(kind)(rng) for kind in kinds], ROI_CONFIG))


def rpn_targets(rng):
    """Sampled answers for two images of four anchors; the deltas are so far off that no |difference| is near beta."""
    positive, weight = draw.bits(2, 4)(rng), draw.bits(2, 4)(rng)
    return RPNTargets(positive, weight, rng.uniform(3, 4, (2, 4, 4)))


def roi_samples(rng):
    """Five RoIs on two images, the third of them padding; the first two are positive."""
    return RoISamples(
        rois=draw.rois(5, side=4, bins=2, samples=2, scale=0.25)(rng),
        image_index=np.array([0, 1, 1, 1, 1]),
        labels=np.array([1, 2, 0, 0, 0]),
        deltas=rng.uniform(3, 4, (5, 4)),
        weight=np.array([1.0, 1, 0, 1, 1]),
        matched=np.zeros(5, np.int64),
        row=np.array([0, 1, 2, 4, 3]),
        mask_rows=np.array([0, 1, 2]),
        mask_weight=np.array([1.0, 1, 0]),
    )


def keypoint_answers(q, j, places):
    """Places of the keypoints of q RoIs; the first counts."""
    return Draw(lambda rng: KeypointTargets(rng.integers(0, places, (q, j)), draw.bits(q, j)(rng)))


def moving_answers(rng):
    """The objects that the five RoIs should be led to, and the masks that these see."""
    masks = rng.integers(0, 2, (2, 1, 16, 16)).astype(np.uint8)
    boxes = draw.rois(5, side=4, bins=2, samples=2, scale=0.25)(rng)
    return {"box": boxes, "mask": moving_targets.MaskAnswers(masks, np.array([[16, 16], [16, 12]]))}


def scored_masks(rng):
    """Masks of three RoIs, whose objects reach beyond them."""
    return ScoredMaskTargets(draw.bits(3, 4, 4)(rng), rng.uniform(16, 30, 3))


def fixed_heatmap_bias(heads):
    """A softmax over places does not see what a bias adds to all of them: its gradient is 0, or rounding noise."""
    if "keypoint" in heads.heads:
        heads.heads["keypoint"].predictor.kps_score_lowres.bias.trainable = False
    return heads


def whole_model(**config):
    """A tiny model with everything a step decided held fixed."""

    def scene():
        return tiny_scene(keypoints=3 if "keypoint" in config.get("heads", ()) else 0)

    def model(rng):
        model = tiny_model(**config)
        fixed_heatmap_bias(model.roi_heads)
        return model

    return layer(
        model,
        Draw(lambda rng: scene()[0]),
        targets=None,
        samples=Draw(lambda rng: tiny_samples(tiny_model(**config), *scene())),
        skip=no_images("the samples"),
        directions=1,
        note="-".join(str(v) for v in config.values()),
    )


def chained_heads(*kinds):
    """Heads whose RoIs are proposals, and whose pools say how these should move."""

    def make(rng):
        heads = exact_joint.ChainedHeads([head(kind)(rng) for kind in kinds], ROI_CONFIG)
        for each in heads.heads.values():
            each.pool = poolers.pooler(each.pool.output_size, ROI_CONFIG, box_gradient=True)
        return heads

    return make


def chained_move(rng):
    module = exact_joint.ChainedRPN(3, RPN_CONFIG, rng=rng)
    return module.move_forward, module.move_backward


def no_images(what):
    return {"zero_rows": f"{what} belong to these two images"}


MODELS = [
    layer(
        lambda rng: resnet.ResNet(block="basic", stem="3x3", norm="group", rng=rng, **RESNET),
        (1, 32, 32, 1),
        directions=1,
    ),
    layer(
        lambda rng: resnet.ResNet(block="bottleneck", stem="7x7", norm="frozen", rng=rng, **RESNET),
        (1, 32, 32, 1),
        note="bottleneck",
        directions=1,
    ),
    layer(lambda rng: resnet.basic_block(2, 3, stride=2, norm="batch", rng=rng), (2, 5, 4, 2)),
    layer(
        lambda rng: resnet.bottleneck(4, 8, stride=2, groups=2, group_width=64, norm="batch", rng=rng),
        (2, 5, 4, 4),
        note="groups",
    ),
    layer(lambda rng: resnet.basic_block(2, 2, norm="frozen", rng=rng), (2, 3, 3, 2), note="identity"),
    layer(lambda rng: fpn.FPN((2, 3), 2, rng=rng), draw.pyramid(2, (4, 2), 2)[:1] + draw.pyramid(2, (2,), 3)),
    layer(lambda rng: fpn.FPN((2, 2), 2, rng=rng), draw.pyramid(1, (5, 3), 2), note="odd"),
    layer(lambda rng: fpn.FPN((2, 2), 2, norm="batch", rng=rng), draw.pyramid(2, (5, 3), 2), note="norm"),
    layer(backbone_with_fpn, (1, 32, 32, 1), directions=1),
    layer(lambda rng: rpn.RPNHead(3, 2, rng=rng), (2, 3, 2, 3)),
    layer(lambda rng: rpn.RPNHead(3, 2, depth=2, rng=rng), (2, 3, 2, 3), note="deep"),
    layer(lambda rng: rpn.RPN(3, RPN_CONFIG, rng=rng), draw.pyramid(2, (3, 2), 3)),
    layer(lambda rng: rpn.RPNHead(3, 2, outputs=2, rng=rng), (2, 3, 2, 3), note="two-scores"),
    layer(lambda rng: blocks.Difference(), (2, 3, 2, 4)),
    methods("RPN.loss", rpn_losses, (2, 4), (2, 4, 4), targets=Draw(rpn_targets)),
    layer(
        lambda rng: roi_heads.PyramidRoIAlign(2, ROI_CONFIG, levels=2),
        draw.pyramid(2, (6, 3), 2),
        **ROIS,
    ),
    layer(
        learning_pool(poolers.PyramidRoIAlignBoxes),
        draw.pyramid(2, (6, 3), 2),
        draw.rois(4, side=6, bins=2, samples=2, scale=0.25),
        **BOXES_TOO,
    ),
    layer(lambda rng: poolers.PyramidRoIPool(2, ROI_CONFIG, levels=2), draw.pyramid(2, (6, 3), 2), **ROIS),
    layer(
        learning_pool(poolers.PyramidRoIPool),
        draw.pyramid(2, (6, 3, 2), 2),
        draw.rois(4, side=6, bins=2, samples=2, scale=0.25),
        **BOXES_TOO,
        note="box",
    ),
    layer(lambda rng: poolers.PyramidRoIWarp(2, ROI_CONFIG, levels=2), draw.pyramid(2, (6, 3), 2), **ROIS),
    layer(
        learning_pool(poolers.PyramidRoIWarp),
        draw.pyramid(2, (6, 3, 2), 2),
        draw.rois(4, side=6, bins=4, samples=1, scale=0.25, within=0),
        **BOXES_TOO,
        note="box",
    ),
    layer(lambda rng: poolers.PyramidPrRoIPool(2, ROI_CONFIG, levels=2), draw.pyramid(2, (6, 3), 2), **ROIS),
    layer(
        learning_pool(poolers.PyramidPrRoIPool),
        draw.pyramid(2, (6, 3, 2), 2),
        draw.rois(4, side=6, bins=2, samples=2, scale=0.25),
        **BOXES_TOO,
        note="box",
    ),
    layer(lambda rng: box.box_body(2, 2, 5, rng=rng), (4, 2, 2, 2), note="box-body"),
    layer(lambda rng: box.box_body(2, 2, 5, convs=(3, 2), norm="batch", rng=rng), (4, 2, 2, 2), note="box-body-convs"),
    layer(lambda rng: box.BoxPredictor(4, 3, rng=rng), (5, 4)),
    methods(
        "BoxHead.loss",
        head_losses(box.BoxHead),
        Draw(lambda rng: (rng.standard_normal((5, 3)), rng.uniform(-1, 1, (5, 3, 4)))),
        seen=Draw(roi_samples),
        skip=no_images("the samples"),
    ),
    layer(lambda rng: mask.MaskPredictor(3, 2, 3, rng=rng), (4, 2, 2, 3), channel=draw.labels(4, 3)),
    layer(lambda rng: mask.mask_body(2, (3, 2), norm="batch", rng=rng), (4, 3, 2, 2), note="mask-body-norm"),
    methods(
        "MaskHead.loss",
        head_losses(mask.MaskHead),
        (3, 4, 4),
        seen=Draw(lambda rng: roi_samples(rng).positives()),
        answers=draw.bits(3, 4, 4),
        skip=no_images("the samples"),
    ),
    layer(lambda rng: keypoint.keypoint_body(2, (3, 2), rng=rng), (2, 3, 3, 2), note="keypoint-body"),
    layer(lambda rng: keypoint.KeypointPredictor(3, 2, rng=rng), (3, 2, 2, 3)),
    methods(
        "KeypointHead.loss",
        head_losses(keypoint.KeypointHead),
        (3, 2, 2, 2),
        answers=keypoint_answers(3, 2, 4),
        skip=no_images("the answers"),
    ),
    layer(head(box.BoxHead), draw.pyramid(2, (4, 2), 2), **ROIS),
    layer(
        head(mask.MaskHead),
        draw.pyramid(2, (4, 2), 2),
        channel=draw.labels(4, 3),
        **(ROIS | {"zero_rows": (*ROIS["zero_rows"], "channel")}),
    ),
    layer(
        head(mask_scoring_rcnn.MaskScoringHead),
        draw.pyramid(2, (4, 2), 2),
        channel=draw.labels(4, 3),
        **(ROIS | {"zero_rows": (*ROIS["zero_rows"], "channel")}),
    ),
    layer(lambda rng: mask_scoring_rcnn.MaskIoUPredictor(4, 3, rng=rng), (5, 4), channel=draw.labels(5, 3)),
    layer(lambda rng: mask_scoring_rcnn.mask_iou_body(3, (4, 2), 3, 5, rng=rng), (4, 3, 3, 3), note="mask-iou-body"),
    methods(
        "MaskScoringHead.loss",
        head_losses(mask_scoring_rcnn.MaskScoringHead),
        Draw(lambda rng: (draw.away_from(0, shape=(3, 4, 4))(rng), rng.standard_normal(3))),
        seen=Draw(lambda rng: roi_samples(rng).positives()),
        answers=Draw(scored_masks),
        skip=no_images("the samples"),
    ),
    layer(head(keypoint.KeypointHead), draw.pyramid(2, (4, 2), 2), **ROIS),
    layer(
        some_heads(box.BoxHead, mask.MaskHead),
        draw.pyramid(2, (4, 2), 2),
        samples=Draw(roi_samples),
        answers=Draw(lambda rng: {"box": None, "mask": draw.bits(3, 4, 4)(rng)}),
        skip=no_images("the samples"),
    ),
    layer(
        some_heads(box.BoxHead, keypoint.KeypointHead),
        draw.pyramid(2, (4, 2), 2),
        samples=Draw(roi_samples),
        answers=Draw(lambda rng: {"box": None, "keypoint": keypoint_answers(3, 2, 64)(rng)}),
        skip=no_images("the samples"),
        note="keypoint",
    ),
    layer(
        lambda rng: mask_rcnn.Normalize((0.1, 0.2), (0.5, 0.4)),
        (2, 3, 4, 2),
        sizes=np.array([[3, 4], [2, 3]]),
    ),
    layer(
        lambda rng: GivenProposals(),
        draw.pyramid(2, (4, 2), 2),
        proposals=Draw(lambda rng: rng.random((2, 3, 4), np.float32)),
        proposals_valid=np.ones((2, 3), bool),
        skip=no_images("the proposals"),
        without_gradient=("pyramid",),
    ),
    # exact joint training
    layer(lambda rng: exact_joint.ChainedRPN(3, RPN_CONFIG, rng=rng), draw.pyramid(2, (3, 2), 3)),
    methods(
        "ChainedRPN.move",
        chained_move,
        (2, 26, 4),
        pyramid=draw.pyramid(2, (3, 2), 3),
        chosen=np.array([[25, 0, 7], [3, 18, 20]]),
        image_size=(12, 12),
        sizes=np.array([[12, 12], [9, 11]]),
        skip=no_images("the pyramid and the sizes"),
    ),
    layer(
        chained_heads(box.BoxHead, mask.MaskHead),
        draw.pyramid(2, (4, 2), 2),
        draw.rois(8, side=4, bins=2, samples=2, scale=0.25, shape=(2, 4, 4)),
        samples=Draw(roi_samples),
        answers=Draw(lambda rng: {"box": None, "mask": draw.bits(3, 4, 4)(rng)}),
        skip=no_images("the samples"),
    ),
    layer(
        chained_heads(moving_targets.moving(box.BoxHead), moving_targets.moving(mask.MaskHead)),
        draw.pyramid(2, (4, 2), 2),
        draw.rois(8, side=4, bins=2, samples=2, scale=0.25, shape=(2, 4, 4)),
        samples=Draw(roi_samples),
        answers=Draw(moving_answers),
        skip=no_images("the samples"),
        note="targets",
    ),
    whole_model(norm="group", box_gradient="features", positive_iou=0.15),
    whole_model(norm="group", box_gradient="features+targets", positive_iou=0.15),
    whole_model(norm="frozen", box_gradient="features+targets", positive_iou=0.15, heads=("box", "mask", "keypoint")),
    whole_model(norm="group", box_gradient="features+targets", positive_iou=0.15, fpn="c4"),
    whole_model(norm="group"),
    whole_model(norm="group", heads=("box",)),
    whole_model(norm="frozen", heads=("box", "keypoint")),
    whole_model(norm="batch", version="v2"),
    whole_model(norm="group", fpn="c4"),
    whole_model(norm="", kind="vgg", fpn="c4", mask_kind="agnostic"),
    whole_model(norm="", kind="plain", fpn="p2", mask_kind="softmax"),
    whole_model(norm="group", fpn="no_lateral", mask_kind="fc"),
    whole_model(norm="group", heads=("box",), pooling="pool"),
    whole_model(norm="group", heads=("box",), pooling="warp"),
    whole_model(norm="group", heads=("box",), pooling="prroi"),
    whole_model(norm="group", mask_iou_widths=(4, 4)),
    whole_model(norm="frozen", mask_iou_widths=(4, 4), box_gradient="features", positive_iou=0.15),
    whole_model(norm="frozen", heads=("box", "mask", "keypoint")),
]

CASES = PAIRS + LAYERS + MODELS + BACKBONES + MASKS + CROPS


ROOMS = "ops", "nn", "models", "models/backbones", "models/heads"


def harness_cases(room):
    """The cases of a room's own operators, layers or networks."""
    return [case for case in CASES if case.home == room]
