"""How good a predicted mask is: its IoU with the whole object, also where the box cuts it (Mask Scoring R-CNN, 3.3)."""

from dataclasses import dataclass
from typing import Any

from ..backend import array_module


@dataclass(frozen=True)
class ScoredMaskTargets:
    """For Q RoIs the masks (Q, 2S, 2S) in 0..1, as `mask_targets` makes them, and the objects' whole areas (Q,) in
    cells of that grid."""

    masks: Any
    areas: Any


def whole_areas(masks, rois, matched, *, size):
    """The area of each RoI's object, of what lies outside the RoI too, counted in cells of the RoI's grid.

    masks (N, M, H, W) 0/1, or a SpanBatch, rois (Q, 4) in the picture, matched (Q,) row of the flattened (N*M) objects,
    size: cells of the grid on each side  ->  areas (Q,)

    A cell of a small RoI is a fraction of a pixel, so the area may be many times the size * size cells of the grid.
    """
    xp = array_module(rois)
    pixels = masks.areas() if hasattr(masks, "areas") else masks.sum(axis=(2, 3))  # (N, M); spans need not be painted
    pixels = pixels.reshape(-1)[matched].astype(rois.dtype)
    cell = (rois[:, 2:] - rois[:, :2]).prod(axis=1) / (size * size)
    return pixels / xp.maximum(cell, 1e-6)


def mask_iou_targets(logits, targets):
    """The IoU of each predicted mask, cut off at probability 1/2, with the whole object.

    logits (Q, 2S, 2S), ScoredMaskTargets  ->  iou (Q,) in 0..1, data: no gradient

    The union has the object's whole area, that in the crop divided by the share of the object that lies in the crop: a
    box that cuts an object cannot score 1, however well it is filled. Both masks are cut off on the same grid, so that
    one predicted perfectly scores 1 in a box that holds it, also where cells are finer than pixels and edges are soft.
    """
    xp = array_module(logits)
    predicted, mask = (logits >= 0).astype(logits.dtype), (targets.masks >= 0.5).astype(logits.dtype)
    shared, inside, area = (cells.sum(axis=(1, 2)) for cells in (predicted * mask, mask, predicted))
    share = xp.minimum(targets.masks.sum(axis=(1, 2)) / xp.maximum(targets.areas, 1e-6), 1)
    whole = inside / xp.maximum(share, 1e-6)
    return shared / xp.maximum(area + whole - shared, 1e-6)
