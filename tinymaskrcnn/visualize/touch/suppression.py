"""Non-maximum suppression of real boxes, under a threshold that a reader moves."""

import numpy as np

from ...backend import to_host
from ...errors import ArgumentError, ShapeError
from ..nms import draw_nms_state, nms_states
from .page import Touch, numbers, picture_address

MOST = 400  # boxes; a script compares every one with every other at each move


def nms(image, boxes, scores, *, threshold=0.7):
    """Boxes with their scores on a picture, a threshold to move, and of each box what became of it and because of whom.

    image (H, W, C), boxes (K, 4), scores (K,), best 400 of them  ->  Touch
    They are compared in float32, as those of a network are.
    """
    boxes, scores = (np.asarray(to_host(array), np.float32) for array in (boxes, scores))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1] or not len(boxes):
        shapes = f"{boxes.shape} and {scores.shape}"
        raise ShapeError(f"touch.nms: boxes must be (K, 4) and scores (K,), at least one; got shapes {shapes}")
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"touch.nms: threshold must lie between 0 and 1; got {threshold}")
    best = np.argsort(-scores, kind="stable")[:MOST]
    boxes, scores, image = boxes[best], scores[best], np.asarray(to_host(image))
    data = dict(boxes=numbers(boxes), scores=numbers(scores), threshold=round(float(threshold), 2))
    data |= dict(image=picture_address(image), extent=[0, 0, *image.shape[1::-1]])
    last = nms_states(boxes, scores, threshold)[-1]
    kept = f"NMS at {threshold:g}: {last.kept.sum()} of {len(boxes)} boxes stay"
    still = draw_nms_state(image, last, title=kept).figure
    title = f"{len(boxes)} boxes: move the threshold of non-maximum suppression"
    return Touch("suppression", data, title=title, still=still, alt=still.alt_text())
