"""Names and shapes from settings equal torchvision's list; settings are found again in shapes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from interop import small

from tinymaskrcnn.config import BackboneConfig, ModelConfig, RPNConfig, torchvision_preset
from tinymaskrcnn.errors import CheckpointError
from tinymaskrcnn.interop.shapes import COUNTER, expected_shapes, infer_config
from tinymaskrcnn.models.build import build_model


def published():
    """{kind: {name: shape}} as torchvision 0.28 lists them."""
    text = (small.FIXTURES / "torchvision_names.json").read_text()
    return {kind: {name: tuple(shape) for name, shape in names.items()} for kind, names in json.loads(text).items()}


def hollow(shapes):
    """Arrays of any shape that take no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("kind", small.KINDS)
def test_the_presets_have_torchvisions_names_and_shapes(kind):
    names = published()[kind]
    assert len(names) > 300
    assert expected_shapes(torchvision_preset(kind)) == {n: s for n, s in names.items() if not n.endswith(COUNTER)}


@pytest.mark.parametrize("kind", small.KINDS)
def test_settings_are_read_off_the_shapes(kind):
    frozen = {name: shape for name, shape in published()[kind].items() if not name.endswith(COUNTER)}
    preset = torchvision_preset(kind)
    assert infer_config(kind, hollow(frozen)) == preset
    trained = infer_config(kind, hollow(published()[kind]))  # batch norms, not frozen ones, count their batches
    assert trained == replace(preset, backbone=replace(preset.backbone, norm="batch", norm_eps=1e-5))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", small.KINDS)
def test_random_widths_depths_and_classes_are_read_off_the_shapes(kind, seed):
    config = small.settings(kind, seed)
    found = infer_config(kind, hollow(expected_shapes(config)))
    assert expected_shapes(found) == expected_shapes(config)
    assert found.num_classes == config.num_classes == len(found.class_names)
    assert (found.backbone, found.rpn.conv_depth) == (config.backbone, config.rpn.conv_depth)


def test_a_missing_array_leaves_the_published_setting():
    kind = small.KINDS[1]
    assert infer_config(kind, {}) == torchvision_preset(kind)


def test_a_huge_number_in_a_name_makes_no_huge_model():
    names = {"backbone.body.layer1.999999999.conv1.weight": (1,), "roi_heads.mask_head.888888888.0.weight": (1, 1)}
    found = infer_config("maskrcnn_resnet50_fpn", hollow(names))
    assert found.backbone.depths[0] == 1 and len(found.roi.mask_widths) == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", small.KINDS)
def test_a_built_model_has_these_shapes(kind, seed):
    check_model(small.settings(kind, seed))


@pytest.mark.parametrize("norm", ["batch", "frozen", "group"])
def test_so_has_a_model_of_digits(norm):
    check_model(ModelConfig(backbone=BackboneConfig(norm=norm), rpn=RPNConfig(objectness="softmax")))


def check_model(config):
    state = build_model(config, rng=np.random.default_rng(0)).state_dict()
    shapes = expected_shapes(config)
    assert {name: array.size for name, array in state.items()} == {n: int(np.prod(s)) for n, s in shapes.items()}


@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_every_setting_of_the_heads_is_read_off_the_shapes(kind, seed):
    config = small.settings(kind, seed)
    found = infer_config(kind, hollow(expected_shapes(config)))
    for name in ("head_width", "mask_widths", "mask_deconv_width", "keypoint_widths", "num_keypoints", "box_convs"):
        part = {"m": "mask", "k": "keypoint", "n": "keypoint"}.get(name[0], "box")
        if part in config.heads:
            assert getattr(found.roi, name) == getattr(config.roi, name), name
    assert found.roi.box_size == config.roi.box_size and found.heads == config.heads


@pytest.mark.parametrize("side", [3, 7, 9])
@pytest.mark.parametrize("kind", [small.KINDS[0], small.KINDS[2]])
def test_the_side_of_a_crop_is_the_root_of_its_pixels(kind, side):
    config = small.settings(kind)
    config = replace(config, roi=replace(config.roi, box_size=side))
    assert infer_config(kind, hollow(expected_shapes(config))).roi.box_size == side


@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_stems_and_norms_are_told_apart(stem, norm):
    config = small.settings(small.KINDS[0])
    config = replace(config, backbone=replace(config.backbone, stem=stem))
    shapes = expected_shapes(config)
    if norm == "batch":
        last = [name for name in shapes if name.startswith("backbone.body.") and name.endswith("running_var")][-1]
        shapes = {last.replace(".running_var", COUNTER): (), **shapes}
    found = infer_config(small.KINDS[0], hollow(shapes)).backbone
    assert (found.stem, found.norm, found.norm_eps) == (stem, norm, 1e-5 if norm == "batch" else 0.0)
    head = {"roi_heads.box_head.1" + COUNTER: (), "backbone.fpn.x" + COUNTER: ()}  # norms elsewhere say nothing
    assert infer_config(small.KINDS[0], hollow(expected_shapes(config) | head)).backbone.norm == "frozen"


@pytest.mark.parametrize("groups, per_group", [(2, 4), (4, 2), (1, 8), (8, 1)])
def test_groups_are_outputs_over_inputs(groups, per_group):
    config = small.settings(small.KINDS[0], 1)
    width = groups * per_group
    backbone = replace(config.backbone, block="bottleneck", groups=1, group_width=64, widths=(4 * width,) * 4)
    shapes = expected_shapes(replace(config, backbone=backbone))
    name = "backbone.body.layer1.0.conv2.weight"
    shapes |= {name: (width, per_group, 3, 3)}
    found = infer_config(small.KINDS[0], hollow(shapes)).backbone
    assert found.groups == groups
    if groups > 1:
        assert found.group_width == per_group * 256 // found.widths[0]


def test_shapes_that_no_model_has():
    kind = small.KINDS[1]
    shapes = expected_shapes(small.settings(kind))
    for name in (
        "backbone.body.conv1.weight",
        "backbone.fpn.inner_blocks.0.0.weight",
        "roi_heads.mask_head.1.0.weight",
    ):
        with pytest.raises(CheckpointError, match=f"the arrays have wrong shapes for any {kind}: "):
            infer_config(kind, hollow(shapes | {name: (0, *shapes[name][1:])}))
    flat = infer_config(kind, hollow(shapes | {"roi_heads.box_head.fc6.weight": (5,)}))  # judged by the accounting
    assert (flat.roi.head_width, flat.roi.box_size) == (5, torchvision_preset(kind).roi.box_size)
