"""Which pixels an anchor's objectness depends on: the receptive field, as the network's own backward has it.

On paper a cell of a pyramid sees nearly the whole picture. How much it heeds what it sees is the gradient of its score
by the pixels: large near its middle, fading outwards (the effective receptive field, Luo et al. 2016).
"""

import numpy as np

from ..errors import ArgumentError
from ..structures import collate
from .watched import watched


def objectness_reach(model, image, anchors):
    """How much each pixel would change the objectness of some anchors: `|d logit / d pixel|`, over channels.

    MaskRCNN in eval mode on the host, image (H, W, C) in 0..1, anchors (K,) int, rows of the trace's Anchors
    ->  reach (K, H, W)
    """
    if model.training:
        raise ArgumentError("objectness_reach: call model.eval() first, so that statistics rest")
    twin, batch = watched(model), collate([image])
    x, c_normalize = twin.normalize.forward(batch.images, sizes=batch.sizes)
    pyramid, c_backbone = twin.backbone.forward(x)
    (logits, deltas), c_rpn = twin.rpn.forward(pyramid)
    height, width = image.shape[:2]
    reach = np.empty((len(anchors), height, width), logits.dtype)
    for k, row in enumerate(anchors):
        dlogits = np.zeros_like(logits)
        dlogits[0, row] = 1
        dpyramid = twin.rpn.backward((dlogits, np.zeros_like(deltas)), c_rpn)
        dimage = twin.normalize.backward(twin.backbone.backward(dpyramid, c_backbone), c_normalize)
        reach[k] = abs(dimage[0, :height, :width]).sum(axis=2)
    return reach


def side_of_reach(reach, middle, *, share=0.9):
    """The side of the smallest square around a place that holds this share of the whole reach, in whole pixels.

    reach (H, W), middle (2,) as x, y  ->  int
    """
    height, width = reach.shape
    away = np.maximum(abs(np.arange(height)[:, None] + 0.5 - middle[1]), abs(np.arange(width) + 0.5 - middle[0]))
    order = np.argsort(away, axis=None, kind="stable")
    held = np.cumsum(reach.ravel()[order].astype(np.float64))
    last = int(np.searchsorted(held, share * held[-1]))
    return int(np.ceil(2 * away.ravel()[order[min(last, len(order) - 1)]]))
