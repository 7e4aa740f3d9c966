"""The last stage of a ResNet as the box head: with the first three it is the whole network again."""

import numpy as np
import pytest
from tiny_model import tiny_config, tiny_model

from tinymaskrcnn.models.build import build_body, build_model
from tinymaskrcnn.models.heads.res5 import res5_body


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_three_stages_and_the_head_are_the_whole_resnet(block):
    config = tiny_config(block=block, fpn="c4", norm="group").backbone
    whole = build_body(config, rng=np.random.default_rng(0))
    first = build_body(config, stages=3, rng=np.random.default_rng(1))
    head = res5_body(config, rng=np.random.default_rng(2))
    state = whole.state_dict()
    first.load_state_dict({name: array for name, array in state.items() if not name.startswith("layer4")})
    head.load_state_dict({name: array for name, array in state.items() if name.startswith("layer4")})
    x = np.random.default_rng(3).standard_normal((2, 64, 64, 1)).astype(np.float32)
    (*_, c4), _ = first.forward(x)
    (*_, c5), _ = whole.forward(x)
    np.testing.assert_allclose(head.forward(c4)[0], c5.mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_the_parameters_moved_from_the_backbone_into_the_head():
    pyramid, c4 = tiny_model(), tiny_model(fpn="c4")
    names = {name for name, _ in c4.named_parameters()}
    moved = {name for name, _ in pyramid.named_parameters() if name.startswith("backbone.body.layer4.")}
    assert moved and {name.replace("backbone.body.", "roi_heads.box_head.") for name in moved} <= names
    assert not moved & names and not any(".fc6." in name or "fpn" in name for name in names)
    assert c4.roi_heads.heads["box"].predictor.cls_score.weight.value.shape == (4, 3)


def test_the_head_looks_at_stride_16_alone():
    """A RoI of one cell is that cell, whatever its size: the level rule has no say."""
    model = build_model(tiny_config(fpn="c4"), rng=np.random.default_rng(0))
    pool = model.roi_heads.heads["box"].pool
    c4 = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1).repeat(4, axis=3)
    rois = np.array([[16, 32, 32, 48], [0, 0, 64, 64], [8, 8, 9, 9]], np.float32)
    crops, cache = pool.forward([c4], rois=rois, image_index=np.zeros(3, int))
    np.testing.assert_allclose(crops[:, 1, 1, 0], [9, 7.5, (1 + 4) / 32], rtol=1e-6)  # half of a sixteenth of a cell
    assert [d.shape for d in pool.backward(crops, cache)] == [c4.shape]
