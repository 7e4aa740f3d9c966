"""Our models against torchvision's stored answers; and faults that people make, planted one by one, all noticed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from interop import record, small

from tinymaskrcnn.ops import boxes
from tinymaskrcnn.ops import roi_align as roi_align_op
from tinymaskrcnn.targets import roi as roi_targets
from tinymaskrcnn.targets import rpn as rpn_targets


@cache
def stored(kind):
    return record.load(kind)


@pytest.mark.parametrize("kind", small.KINDS)
def test_equals_torchvisions_stored_answers(kind):
    """Every stage, the detections, every loss, the gradient of every parameter, the running statistics."""
    errors = record.measure(stored(kind))
    assert not record.excess(errors)
    losses = {"fasterrcnn": 4, "maskrcnn": 5, "keypointrcnn": 5}[kind.split("_")[0]]
    assert sum(what.startswith("loss ") for what in errors) == losses
    trained = [name for name in stored(kind).weights if name.endswith((".weight", ".bias"))]
    if not kind.endswith("_v2"):
        trained = [name for name in trained if "bn" not in name and "downsample.1" not in name]  # frozen
    assert {what.removeprefix("gradient ") for what in errors if what.startswith("gradient ")} == set(trained)


def test_the_stored_models_find_something():
    for kind in small.KINDS:
        assert all(len(found["boxes"]) >= 3 for found in stored(kind).detections)
        assert all(0 < chosen.sum() <= 32 for chosen in stored(kind).rois[0])
        assert all({-1, 0, 1} == set(labels.tolist()) for labels in stored(kind).anchors[1])


def test_the_fixtures_stay_small():
    assert sum(path.stat().st_size for path in small.FIXTURES.glob("*")) <= 3e6


# ---------------------------------------------------------------- faults in a weight


def noticed(kind, **planted):
    """The largest error, in units of its tolerance, with a fault planted."""
    with np.errstate(all="ignore"):
        what, error = record.worst(record.measure(stored(kind), **planted))
    return error / record.tolerance(what)


def square(kind):
    """Weights whose last two axes, or only two, may be swapped without anybody complaining about shapes."""
    for name, array in stored(kind).weights.items():
        if array.ndim > 1 and array.shape[-1] == array.shape[-2] > 1:
            yield name


SQUARE = [(small.KINDS[2], name) for name in square(small.KINDS[2])]  # the kind with most layers, and keypoints
SQUARE += [(small.KINDS[3], name) for name in square(small.KINDS[3]) if "keypoint" in name]


@pytest.mark.in_turn
@pytest.mark.parametrize("kind, name", SQUARE, ids=lambda value: value)
def test_a_transposed_weight_is_noticed(kind, name):
    weights = stored(kind).weights
    assert noticed(kind, weights=weights | {name: weights[name].swapaxes(-1, -2).copy()}) > 1e3


def test_a_crop_flattened_in_the_other_order_is_noticed():
    kind, name = "maskrcnn_resnet50_fpn", "roi_heads.box_head.fc6.weight"
    weights = stored(kind).weights
    wrong = weights[name].reshape(len(weights[name]), -1, 49).swapaxes(1, 2).reshape(weights[name].shape)
    assert noticed(kind, weights=weights | {name: wrong}) > 1e3


# ---------------------------------------------------------------- faults in a setting


def changed(config, **settings):
    """settings as part__name=value."""
    for name, value in settings.items():
        part, _, field = name.partition("__")
        inner = replace(getattr(config, part), **{field: value}) if field else value
        config = replace(config, **{part: inner})
    return config


FROZEN, V2, KEYPOINT = "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2", "keypointrcnn_resnet50_fpn"
SETTINGS = {
    "RoIAlign with the half pixel": (FROZEN, {"roi__aligned": True}),
    "one sample per bin": (FROZEN, {"roi__sampling_ratio": 1}),
    "level rule of another size": (FROZEN, {"roi__canonical_size": 56.0}),
    "RPN beta": (FROZEN, {"rpn__beta": 1.0}),
    "box beta": (FROZEN, {"roi__beta": 1.0}),
    "eps of frozen norms": (FROZEN, {"backbone__norm_eps": 1e-5}),
    "eps of batch norms": (V2, {"backbone__norm_eps": 1e-3}),
    "eps left out of batch norms": (V2, {"backbone__norm_eps": 1e-12}),
    "mean and standard deviation as BGR": (FROZEN, {"image_mean": (0.406, 0.456, 0.485)}),
    "anchor ratios as width / height": (FROZEN, {"rpn__anchor_ratios": (2.0, 1.0, 0.5)}),
    "anchor sizes": (FROZEN, {"rpn__anchor_sizes": ((12,), (20,), (32,), (56,), (91,))}),
    "delta weights": (FROZEN, {"roi__delta_weights": (1.0, 1.0, 1.0, 1.0)}),
    "NMS of proposals": (FROZEN, {"rpn__nms_iou": 0.6}),
    "NMS of detections": (FROZEN, {"roi__nms_iou": 0.5}),
    "fewer proposals": (FROZEN, {"rpn__post_nms_top_n": (60, 29)}),
    "score threshold": (FROZEN, {"roi__score_threshold": 0.4}),
    "masks into exact boxes": (FROZEN, {"roi__paste": "continuous"}),
    "mask threshold": (FROZEN, {"roi__mask_threshold": 0.45}),
    "RoIAlign of keypoints with the half pixel": (KEYPOINT, {"roi__aligned": True}),
    "positive anchors": (KEYPOINT, {"rpn__positive_iou": 0.5}),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("fault", SETTINGS)
def test_a_wrong_setting_is_noticed(fault):
    kind, settings = SETTINGS[fault]
    config = changed(stored(kind).config, **settings)
    assert config != stored(kind).config
    assert noticed(kind, config=config) > 10


# ---------------------------------------------------------------- faults in the code


def test_a_fault_in_the_code_is_noticed(monkeypatch):
    decode, points, match = boxes.decode, roi_align_op.sample_points, rpn_targets.match
    faults = {
        "log sizes held too early": (boxes, "decode", lambda *a, **s: decode(*a, **s | {"clamp": 0.05})),
        "adaptive sampling of masks": (
            roi_align_op,
            "sample_points",
            lambda *a, **s: points(*a, **s | {"samples": 2}),
        ),
        "no low-quality matches": (rpn_targets, "match", lambda *a, **s: match(*a, **s | {"low_quality": False})),
        "objects are no proposals": (roi_targets, "append_objects", lambda boxes, valid, targets: (boxes, valid)),
    }
    for fault, (module, name, wrong) in faults.items():
        with monkeypatch.context() as patch:
            patch.setattr(module, name, wrong)
            try:
                assert noticed(FROZEN) > 1e3, fault
            except ValueError:  # fewer candidates than torchvision had
                assert fault == "objects are no proposals"


def test_a_gradient_that_is_lost_is_noticed():
    """The RPN's part, a head's part, or one level of the pyramid missing in the backward pass."""

    def without_rpn(model):
        backward = model.rpn.backward
        model.rpn.backward = lambda dy, cache: [0 * d for d in backward(dy, cache)]

    def without_mask_head(model):
        backward = model.roi_heads.heads["mask"].pool.backward
        model.roi_heads.heads["mask"].pool.backward = lambda dy, cache: [0 * d for d in backward(dy, cache)]

    def without_p2(model):
        backward = model.backbone.fpn.backward
        model.backbone.fpn.backward = lambda dy, cache: backward([0 * dy[0], *dy[1:]], cache)

    for change in (without_rpn, without_mask_head, without_p2):
        assert noticed(FROZEN, change=change) > 1e3, change.__name__
