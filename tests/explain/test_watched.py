"""A copy that says what the network says at inference, and can be asked for its way back."""

import numpy as np
import pytest
from explain.explained import KINDS, network, picture

from tinymaskrcnn.explain.watched import watched
from tinymaskrcnn.structures import collate


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_the_network_says_and_keeps_its_caches(kind):
    model = network(kind, 3)
    rng = np.random.default_rng(1)
    for _, buffer in model.named_buffers():
        buffer.value[...] = rng.uniform(0.5, 1.5, buffer.value.shape)
    batch, rois = collate([picture(3)]), np.array([[3, 4, 30, 25]], np.float32)
    before = {name: value.copy() for name, value in model.state_dict().items()}
    said = []
    for net in (model, watched(model), watched(model, box_gradient=True)):
        x, _ = net.normalize.forward(batch.images, sizes=batch.sizes)
        pyramid, c_backbone = net.backbone.forward(x)
        (logits, deltas), _ = net.rpn.forward(pyramid)
        y, c_head = net.roi_heads.heads["box"].forward(pyramid, rois=rois, image_index=np.zeros(1, int))
        said.append((*pyramid, logits, deltas, *y))
        assert (c_backbone is None) == (c_head is None) == (net is model)
    for other in said[1:]:
        for mine, its in zip(said[0], other, strict=True):
            np.testing.assert_allclose(its, mine, rtol=1e-4, atol=1e-5)
    assert all((before[name] == value).all() for name, value in model.state_dict().items()) and not model.training
