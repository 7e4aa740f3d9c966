"""What was found in a few scenes, small enough for the file of a row, so that pages can draw it without a network."""

import numpy as np

from ..data import rle
from ..structures import Detections

SCENES = 3  # of the held-out ones, the first
MIN_SCORE, MOST = 0.3, 8  # of what is kept of each


def sketched(found):
    """Detections of one scene, masks run-length encoded  ->  a table for JSON, its best detections rounded."""
    rows = np.flatnonzero(found.scores >= MIN_SCORE)[:MOST]
    best = found.select(rows)
    table = {"boxes": np.round(best.boxes.astype(float), 1).tolist(), "labels": best.labels.tolist()}
    table["scores"] = np.round(best.scores.astype(float), 2).tolist()
    if best.masks is not None:
        table["masks"] = [rle.to_string(mask) for mask in best.masks]
    return table


def drawn_from(table, *, size):
    """Mirror of sketched: the Detections of a table, masks as run lengths of (H, W)."""
    masks = [rle.from_string(text, size=size) for text in table["masks"]] if "masks" in table else None
    boxes = np.array(table["boxes"], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(table["labels"], np.int64), np.array(table["scores"], np.float32), masks=masks)
