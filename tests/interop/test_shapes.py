"""Names and shapes from settings equal torchvision's list; settings are found again in shapes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from interop import small

from tinymaskrcnn.config import BackboneConfig, ModelConfig, RPNConfig, torchvision_preset
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
