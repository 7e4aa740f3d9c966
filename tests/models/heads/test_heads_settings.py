"""What every kind of head makes of its settings: the sizes of its parts, their norms, their first weights."""

import numpy as np
import pytest
from first_weights import Ones, initialisers

from tinymaskrcnn.config import BackboneConfig, RoIConfig
from tinymaskrcnn.models.heads.box import BoxHead
from tinymaskrcnn.models.heads.keypoint import KeypointHead
from tinymaskrcnn.models.heads.mask import MaskHead
from tinymaskrcnn.models.heads.mask_variants import MASK_HEADS, AgnosticMaskHead, FlatMaskHead, SoftmaxMaskHead
from tinymaskrcnn.models.heads.res5 import Res5BoxHead

SETTINGS = dict(box_size=3, head_width=6, mask_size=5, mask_widths=(7, 4), mask_deconv_width=8, pooling="pool")
SETTINGS |= dict(keypoint_size=9, keypoint_widths=(10, 11), num_keypoints=12)
NORMS = dict(box_norm="batch", mask_norm="batch")
KEYPOINT = {"keypoint_head.0": (3, 3, 2, 10), "keypoint_head.2": (3, 3, 10, 11)}
KEYPOINT |= {"keypoint_predictor.kps_score_lowres": (4, 4, 11, 12)}
BOX = {"box_predictor.cls_score": (6, 13), "box_predictor.bbox_pred": (6, 52)}
MASK = {"mask_head.0.0": (3, 3, 2, 7), "mask_head.1.0": (3, 3, 7, 4), "mask_predictor.conv5_mask": (2, 2, 4, 8)}
LAST = "mask_predictor.mask_fcn_logits"
FLAT = {"mask_head.1": (50, 7), "mask_head.3": (7, 4), LAST: (4, 13 * 100)}
HEADS = {
    BoxHead: (3, {"box_head.fc6": (18, 6), "box_head.fc7": (6, 6), **BOX}),
    MaskHead: (5, MASK | {LAST: (1, 1, 8, 13)}),
    AgnosticMaskHead: (5, MASK | {LAST: (1, 1, 8, 1)}),
    SoftmaxMaskHead: (5, MASK | {LAST: (1, 1, 8, 13)}),
    FlatMaskHead: (5, FLAT),
    KeypointHead: (9, KEYPOINT),
}
WIDE = {"mask_fcn_logits": "lecun"}  # all others: He's, but for
BOXES = {
    "uniform": dict.fromkeys(("fc6", "fc7", "box_head.2", "cls_score", "bbox_pred"), "small"),
    "gaussian": {"cls_score": 0.01, "bbox_pred": 0.001},
}


def weights(head):
    """{name of a layer: shape of its weight}, norms aside."""
    return {n.removesuffix(".weight"): p.value.shape for n, p in head.named_parameters() if p.value.ndim > 1}


def norms(head):
    """The names of a head's batch norms."""
    return {name.removesuffix(".running_var") for name, _ in head.named_buffers() if name.endswith("running_var")}


@pytest.mark.parametrize("kind", HEADS)
def test_every_size_comes_from_its_setting(kind):
    head = kind(2, 13, RoIConfig(**SETTINGS), rng=np.random.default_rng(0))
    size, wanted = HEADS[kind]
    assert weights(head) == wanted and not norms(head)
    assert (head.pool.output_size, head.pool.config.pooling, head.pool.levels, head.pool.lowest) == (size, "pool", 4, 2)
    assert head.config is head.pool.config


@pytest.mark.parametrize("init", BOXES)
@pytest.mark.parametrize("kind", [*HEADS, "convs", "res5"])
def test_first_weights_keep_the_scale_where_a_relu_follows_and_are_small_where_an_answer_begins(kind, init):
    config = RoIConfig(**SETTINGS, box_init=init, box_convs=(5,) if kind == "convs" else ())
    if kind == "res5":
        by = {"uniform": "fan_out", "gaussian": "fan_in"}[init]
        head = Res5BoxHead(BackboneConfig(fpn="c4", norm="batch", init=by), 13, config, rng=Ones)
    else:
        head = (BoxHead if kind == "convs" else kind)(2, 13, config, rng=Ones)
    schemes = WIDE | BOXES[init]
    if (kind, init) == ("res5", "uniform"):  # of these 64 maps are made 128
        schemes |= {"box_head.layer4.0.conv1": "fan_out", "box_head.layer4.0.downsample.0": "fan_out"}
    for name, scheme in initialisers(head).items():
        whole = name.removesuffix(".weight")
        assert scheme == schemes.get(whole, schemes.get(whole.split(".")[-1], "kaiming")), name


def test_a_box_head_of_convolutions_and_its_norms():
    config = RoIConfig(**SETTINGS, **NORMS, box_convs=(5, 8))
    head = BoxHead(2, 13, config, rng=np.random.default_rng(0))
    assert weights(head) == {"box_head.0.0": (3, 3, 2, 5), "box_head.1.0": (3, 3, 5, 8), "box_head.3": (72, 6), **BOX}
    assert norms(head) == {"box_head.0.1", "box_head.1.1"}


@pytest.mark.parametrize("kind", [MaskHead, AgnosticMaskHead, SoftmaxMaskHead])
def test_norms_of_the_mask_head_are_set(kind):
    head = kind(2, 13, RoIConfig(**SETTINGS, **NORMS), rng=np.random.default_rng(0))
    assert norms(head) == {"mask_head.0.1", "mask_head.1.1"}


@pytest.mark.parametrize("block, groups, width", [("basic", 1, 64), ("bottleneck", 2, 32)])
def test_the_stage_that_serves_as_a_box_head_is_the_backbones(block, groups, width):
    """Its width, depth, norm, eps and groups; half of its crop's side is left at its first block."""
    settings = dict(block=block, groups=groups, group_width=width, norm="group", norm_eps=0.25)
    backbone = BackboneConfig(fpn="c4", depths=(1, 2, 1, 3), widths=(8, 16, 24, 32), **settings)
    head = Res5BoxHead(backbone, 13, RoIConfig(**SETTINGS), rng=np.random.default_rng(0))
    sizes = weights(head)
    assert {name.split(".")[2] for name in sizes if "layer4" in name} == {"0", "1", "2"}
    inner = 32 * width // 256 * groups
    second = "box_head.layer4.0.conv2"
    assert sizes[second] == ((3, 3, inner // groups, inner) if block == "bottleneck" else (3, 3, 32, 32))
    assert sizes["box_head.layer4.0.downsample.0"] == (1, 1, 24, 32)
    assert sizes["box_predictor.cls_score"] == (32, 13) and sizes["box_predictor.bbox_pred"] == (32, 52)
    assert {m.eps for _, m in head.named_modules() if hasattr(m, "eps")} == {0.25}
    y, _ = head.body.layers[0].forward(np.zeros((1, 6, 6, 24), np.float32))
    assert y.shape == (1, 3, 3, 32) and head.pool.output_size == 3 and head.config.num_keypoints == 12


def test_the_kinds_of_masks_by_name():
    assert [kind.__name__ for kind in MASK_HEADS.values()] == [
        "MaskHead",
        "AgnosticMaskHead",
        "SoftmaxMaskHead",
        "FlatMaskHead",
    ]
