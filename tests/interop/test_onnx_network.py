"""Picture, anchors and proposals in onnxruntime beside models/: every part alone."""

import dataclasses

import numpy as np
import pytest
from onnx_run import channels_first, pyramid_of, run_nodes
from tiny_model import tiny_model

from tinymaskrcnn.config import BackboneConfig, ModelConfig
from tinymaskrcnn.data.resizing import resize_to_config
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.interop import onnx_network
from tinymaskrcnn.models.mask_rcnn import Normalize
from tinymaskrcnn.ops.bilinear import resize_bilinear_forward
from tinymaskrcnn.structures import collate


@pytest.mark.parametrize("shorter, longer", [(0, 0), (64, 100), (90, 100)])
@pytest.mark.parametrize("size", [(33, 64), (64, 33), (64, 96), (1, 3)])
def test_the_picture_is_resized_normalised_and_padded(size, shorter, longer):
    sides = {"resize_shorter": shorter, "resize_longer": longer}
    backbone = BackboneConfig(in_channels=2)
    config = ModelConfig(image_mean=(0.2, 0.3), image_std=(0.5, 2.0), backbone=backbone, **sides)
    layer = Normalize(config.image_mean, config.image_std)
    image = np.random.default_rng(0).random((*size, 2), dtype=np.float32)

    def prepare(g, image):
        x, new_size = onnx_network.resize(g, image, g.Shape(image, end=2), config)
        return [*onnx_network.normalize_and_pad(g, layer, x, new_size), new_size]

    there, padded_size, new_size = run_nodes(prepare, image=image)
    batch = collate([resize_to_config(image, config)])
    here, _ = layer.forward(batch.images, sizes=batch.sizes)
    assert new_size.tolist() == batch.sizes[0].tolist() and tuple(padded_size) == here.shape[1:3]
    np.testing.assert_allclose(there.transpose(0, 2, 3, 1), here, atol=2e-5)  # of source coordinates in float32


@pytest.mark.parametrize("size", [(2, 400), (400, 2), (1, 1000)])
def test_of_a_very_long_picture_one_row_is_left(size):
    """data/resizing.py refuses it; a file that is handed on cannot, and goes on with what there is."""
    config = ModelConfig(resize_shorter=64, resize_longer=100)
    image = np.random.default_rng(0).random((*size, 1), dtype=np.float32)
    x, new_size = run_nodes(lambda g, image: onnx_network.resize(g, image, g.Shape(image, end=2), config), image=image)
    assert new_size.tolist() == [1 if side == min(size) else 100 for side in size]
    wanted = resize_bilinear_forward(image[None], size=tuple(new_size.tolist()))[0]
    np.testing.assert_allclose(x.transpose(0, 2, 3, 1), wanted, atol=2e-5)
    with pytest.raises(ArgumentError, match="has no pixel left"):
        resize_to_config(image, config)


@pytest.mark.parametrize("size", [(64, 96), (96, 160), (32, 32)])
def test_anchors_also_where_a_level_has_no_whole_stride(size):
    model = tiny_model()
    pyramid = pyramid_of(size)
    here = model.rpn.anchors(pyramid, size)
    there = run_nodes(
        lambda g, size, **levels: [
            onnx_network.level_anchors(g, level, size, model.rpn.config, i) for i, level in enumerate(levels.values())
        ],
        size=np.array(size),
        **channels_first(pyramid),
    )
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
@pytest.mark.parametrize("min_size", [1e-3, 8, 1e5])
def test_proposals(kind, min_size):
    model = tiny_model(objectness=kind).eval()
    rpn = model.rpn
    limits = {"pre_nms_top_n": (3, 20), "post_nms_top_n": (3, 8)}  # in training and here
    rpn.config = dataclasses.replace(rpn.config, min_size=float(min_size), **limits)
    for layer in (rpn.head.cls_logits, rpn.head.bbox_pred):
        layer.weight.value *= 5  # spread the scores and move the boxes
    size, true_size = (96, 128), (90, 100)
    pyramid = pyramid_of(size)
    (logits, deltas), _ = rpn.forward(pyramid)
    here, valid = rpn.propose(pyramid, logits, deltas, image_size=size, sizes=np.array([true_size]))
    there = run_nodes(
        lambda g, size, limits, **levels: onnx_network.propose(g, rpn, list(levels.values()), size, limits),
        size=np.array(size),
        limits=np.float32([100, 90, 100, 90]),
        **channels_first(pyramid),
    )
    np.testing.assert_allclose(there, here[0][valid[0]], rtol=1e-4, atol=1e-3)
    assert len(there) == (0 if min_size == 1e5 else 8)
