"""Which pixels the score of one detection heeds: its gradient by the picture, with the box held and with it free.

A score is read through a box, and the box is made of the same pixels. With the box held, the gradient goes through the
features alone. The other way leads out of the crop to the edges of the proposal (RoIAlign's gradient for its boxes),
through clipping and decoding into the RPN's deltas, and from there to the pixels: what would move the box, and through
it the score. Both together are the whole derivative, as in exact joint training. Which anchor it was, and from which
level its box is cut, are decisions and have no gradient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, shown
from ..ops import box_gradients, softmax
from ..structures import collate
from .watched import watched

OF = ("score", "logit")


@dataclass(frozen=True)
class ScoreMaps:
    """How the score of one detection follows the pixels, per unit of brightness: a picture goes from 0 to 1.

    score: what is followed, of: "score", the probability, or "logit"; label; proposal (4,): the box that it was read
    through; anchor: a row of the trace's Anchors, None where proposals were given; held (H, W, C): with the box held;
    moves (H, W, C): by what the pixels do to the box; edges (4,): by each edge of the proposal, per pixel of its shift.
    """

    score: float
    of: str
    label: int
    proposal: np.ndarray
    anchor: int | None
    held: np.ndarray
    moves: np.ndarray
    edges: np.ndarray
    trace: Any

    @property
    def free(self):
        """The whole derivative (H, W, C): the box follows the picture."""
        return self.held + self.moves


def score_maps(trace, k, *, of="score"):
    """The gradient of the score of detection k by the pixels: DetectionTrace, k  ->  ScoreMaps

    Of the network as it is at inference, whose weights and gradients are left alone.
    """
    if of not in OF:
        raise ArgumentError(f"score_maps: of must be 'score' or 'logit'; got {shown(of)}")
    if not 0 <= k < len(trace.detections):
        raise ArgumentError(f"score_maps: there is no detection {k}; there are {len(trace.detections)}, from 0 on")
    model = trace.said.model
    origin, label = trace.origins[k], int(trace.detections.labels[k])
    anchor = None if trace.proposals.anchor is None else int(trace.proposals.anchor[origin])
    return follow_score(watched(model, box_gradient=True), trace, anchor, trace.proposals.boxes[origin], label, of)


def follow_score(net, trace, anchor, proposal, label, of):
    """Forward and back: net of `watched`; anchor None: the proposal is held in any case."""
    batch = collate([trace.image])
    images = batch.images.astype(net.parameters()[0].value.dtype)
    x, c_normalize = net.normalize.forward(images, sizes=batch.sizes)
    pyramid, c_backbone = net.backbone.forward(x)
    roi = proposal[None].astype(images.dtype)
    if anchor is not None:
        said, c_rpn = net.rpn.forward(pyramid)
        roi, c_move = propose_again(net, pyramid, said[1], anchor, images.shape[1:3], batch.sizes)
    head = net.roi_heads.heads["box"]
    (logits, deltas), c_head = head.forward(pyramid, rois=roi, image_index=np.zeros(1, int))
    score, dlogits = _score(logits, label, of)
    dpyramid, drois = head.backward((dlogits, np.zeros_like(deltas)), c_head)

    def at_pixels(dpyramid):
        dimages = net.normalize.backward(net.backbone.backward(dpyramid, c_backbone), c_normalize)
        height, width = trace.image.shape[:2]
        return dimages[0, :height, :width]

    held = at_pixels(dpyramid)
    moves = np.zeros_like(held)
    if anchor is not None:
        ddeltas = box_gradients.move_anchors_backward(drois[:, None], c_move)
        moves = at_pixels(net.rpn.backward((np.zeros_like(said[0]), ddeltas), c_rpn))
    return ScoreMaps(score, of, label, roi[0], anchor, held, moves, drois[0], trace)


def propose_again(net, pyramid, deltas, anchor, image_size, sizes):
    """The proposal that an anchor becomes in each picture, (N, 4), as a function of deltas (N, A, 4), and its cache."""
    height, width = sizes[:, 0:1].astype(deltas.dtype), sizes[:, 1:2].astype(deltas.dtype)
    settings = {
        "anchors": np.concatenate(net.rpn.anchors(pyramid, image_size)),
        "chosen": np.full((len(deltas), 1), anchor),
    }
    proposals, cache = box_gradients.move_anchors_forward(deltas, **settings, height=height, width=width)
    return proposals[:, 0], cache


def _score(logits, label, of):
    """logits (1, num_classes)  ->  the score of a class, and its gradient by the logits"""
    own = np.zeros_like(logits)
    own[0, label] = 1
    if of == "logit":
        return float(logits[0, label]), own
    probabilities, cache = softmax.softmax_forward(logits)
    return float(probabilities[0, label]), softmax.softmax_backward(own, cache)
