"""Which pixels an anchor heeds: measured by changing pixels, one at a time, in a network in float64."""

import numpy as np
import pytest
from tiny_model import tiny_model

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.reach import objectness_reach, side_of_reach
from tinymaskrcnn.structures import collate


@pytest.fixture(scope="module")
def asked():
    """A model whose statistics are not those that it began with, a picture that needs padding, some anchors."""
    model, rng = tiny_model(seed=3), np.random.default_rng(1)
    for _, buffer in model.named_buffers():
        buffer.value[...] = rng.uniform(0.5, 1.5, buffer.value.shape)
    return model.eval(), rng.random((50, 64, 1)).astype(np.float32), [0, 137, 700]


def logits_of(model, image):
    batch = collate([image])
    x, _ = model.normalize.forward(batch.images, sizes=batch.sizes)
    (logits, _), _ = model.rpn.forward(model.backbone.forward(x)[0])
    return logits[0].astype(np.float64)


def test_it_is_what_a_small_change_of_a_pixel_does(asked):
    model, image, anchors = asked
    reach = objectness_reach(model, image, anchors)
    assert reach.shape == (3, 50, 64)
    rng = np.random.default_rng(0)
    for k, row in enumerate(anchors):
        near = np.argwhere(reach[k] > 0.3 * reach[k].max())
        for y, x in near[rng.permutation(len(near))[:3]]:
            step = np.zeros_like(image)
            step[y, x] = 0.01
            measured = (logits_of(model, image + step)[row] - logits_of(model, image - step)[row]) / 0.02
            np.testing.assert_allclose(reach[k, y, x], abs(measured), rtol=0.08)


def test_the_model_is_left_alone(asked):
    model, image, anchors = asked
    before = {name: value.copy() for name, value in model.state_dict().items()}
    objectness_reach(model, image, anchors)
    assert all((before[name] == value).all() for name, value in model.state_dict().items()) and not model.training


def test_a_model_in_training_is_refused():
    with pytest.raises(ArgumentError, match="eval"):
        objectness_reach(tiny_model(seed=3).train(), np.zeros((64, 64, 1), np.float32), [0])


def test_the_square_holds_its_share():
    reach = np.zeros((20, 20))
    reach[10, 10] = 0.85
    reach[10, 13] = 0.1
    reach[0, 0] = 0.05
    assert side_of_reach(reach, np.array([10.5, 10.5]), share=0.8) <= 1
    assert side_of_reach(reach, np.array([10.5, 10.5]), share=0.9) == 6
    assert side_of_reach(reach, np.array([10.5, 10.5]), share=1.0) == 20
