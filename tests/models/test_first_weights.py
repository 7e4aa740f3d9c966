"""Which initialiser draws each weight of every whole network: small where an answer begins, else to keep the scale."""

import numpy as np
import pytest
from first_weights import Ones, initialisers
from tiny_model import tiny_config

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.systems import system_settings

ANSWERS = {  # how the paths of those end that are not drawn as He et al. do it
    "rpn.head.conv.0.0": 0.01,
    "rpn.head.cls_logits": 0.01,
    "rpn.head.bbox_pred": 0.01,
    "box_predictor.cls_score": "small",
    "box_predictor.bbox_pred": "small",
    "mask_predictor.mask_fcn_logits": "lecun",
    "mask_iou_predictor.mask_iou": 0.01,
}
HIDDEN = {"box_head.fc6": "small", "box_head.fc7": "small", "body.conv1": "fan_out"}  # the one with other widths
GAUSSIAN = {"box_predictor.cls_score": 0.01, "box_predictor.bbox_pred": 0.001}
SYSTEMS = ("mask_rcnn", "faster_rcnn", "fast_rcnn", "rcnn", "mask_scoring_rcnn", "keypoint_rcnn")
CHAINED = {"box_gradient": "features+targets", "norm": "group"}


def expected(name, schemes):
    if ".fpn." in name:
        return "lecun"
    return next((scheme for end, scheme in schemes.items() if name.removesuffix(".weight").endswith(end)), "kaiming")


@pytest.mark.parametrize("system", [*SYSTEMS, "chained"])
def test_first_weights_by_their_place(system):
    narrow = {"model.backbone.widths": (4, 4, 4, 4), "model.backbone.stem_width": 4, "model.roi.head_width": 4}
    narrow |= {"model.roi.keypoint_widths": (4,)}
    config = (
        override(Config(), system_settings(system) | narrow).model if system != "chained" else tiny_config(**CHAINED)
    )
    found = initialisers(build_model(config, rng=Ones))
    schemes = ANSWERS | (GAUSSIAN if system == "chained" else HIDDEN)  # the tiny model asks for the papers'
    assert found == {name: expected(name, schemes) for name in found} and len(found) > 15
    assert {scheme for name in found if (scheme := expected(name, schemes)) in ("small", "fan_out")} == (
        set() if system == "chained" else {"small", "fan_out"}
    )


def test_the_same_generator_the_same_weights():
    config = Config().model
    states = [build_model(config, rng=np.random.default_rng(s)).state_dict() for s in (3, 3, 4)]
    assert all(np.array_equal(array, states[1][name]) for name, array in states[0].items())
    assert any(not np.array_equal(array, states[2][name]) for name, array in states[0].items())
