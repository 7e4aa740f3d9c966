"""Heads whose answers move with their RoIs: the object stays where it is, so a RoI that moves has another way to go.

What a head should say is asked anew at every forward, from the RoI as it is: the box head's deltas lead from the RoI
to the object, the mask head's target is the object's mask seen through the RoI. Both follow the RoI smoothly, and so
does the share of the object that lies in it, by which a mask's IoU is less than it looks in the crop. The class and
the cell of a heatmap that a keypoint lies in only jump: their derivative is 0, and their heads are the usual ones.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backend import array_module
from ..contract import checked
from ..errors import ArgumentError, ConfigError
from ..ops import box_gradients, more_losses, roi_align
from ..targets.mask_iou import ScoredMaskTargets, mask_iou_targets, whole_areas
from ..targets.roi import PIXELS, mask_targets
from .heads.box import BoxHead
from .heads.keypoint import KeypointHead
from .heads.mask import MaskHead
from .heads.mask_variants import SoftmaxMaskHead
from .mask_scoring_rcnn import MaskScoringHead

LEAST = 1e-6  # below which targets/mask_iou.py takes no area and no share

# ---------------------------------------------------------------- masks


@checked
def moving_mask_forward(rois, *, masks, matched, sizes, size, aligned):
    """`mask_targets` as a pair.

    rois (Q, 4), masks (N, M, H, W) 0/1, matched (Q,) int, sizes (N, 2)  ->  targets (Q, size, size)
    """
    settings = dict(sizes=sizes, size=size, aligned=aligned)
    return mask_targets(masks, rois, matched, **settings), (rois, masks, matched, settings)


@checked
def moving_mask_backward(dtargets, cache):
    """Mirror of moving_mask_forward: targets = rows @ mask @ columns.T, and an edge moves the points of its axis.

    dtargets (Q, size, size)  ->  drois (Q, 4)
    How many points each bin takes is a decision, and so is whether one lies beyond the picture.
    """
    rois, masks, matched, settings = cache
    xp, size, aligned = array_module(rois), settings["size"], settings["aligned"]
    n, m, height, width = masks.shape
    masks = masks.reshape(n * m, height, width)
    heights, widths = settings["sizes"][matched // m].T
    y = rois[:, 1], rois[:, 3], size, heights
    x = rois[:, 0], rois[:, 2], size, widths
    rows = roi_align.adaptive_weights(*y, longest=height, aligned=aligned)  # (Q, size, H)
    columns = roi_align.adaptive_weights(*x, longest=width, aligned=aligned)
    drows, dcolumns = xp.empty_like(rows), xp.empty_like(columns)
    chunk = max(PIXELS // (height * width), 1)
    for start in range(0, len(rois), chunk):
        part = slice(start, start + chunk)
        seen = masks[matched[part]].astype(rois.dtype)  # (q, H, W)
        drows[part] = dtargets[part] @ (columns[part] @ seen.transpose(0, 2, 1))
        dcolumns[part] = dtargets[part].transpose(0, 2, 1) @ (rows[part] @ seen)
    dtop, dbottom = _edges(drows, *y, aligned=aligned)
    dleft, dright = _edges(dcolumns, *x, aligned=aligned)
    return xp.stack([dleft, dtop, dright, dbottom], axis=1)


def _edges(dweights, start, end, bins, lengths, *, aligned):
    """From a gradient by the weights of `adaptive_weights` to one by the two ends of each RoI.

    dweights (Q, S, longest)  ->  dstart (Q,), dend (Q,)
    """
    xp, dtype, longest = array_module(dweights), dweights.dtype, dweights.shape[2]
    start, end = start[:, None, None], end[:, None, None]
    length = lengths.astype(dtype)[:, None, None]
    held = (end - start < 1) & (not aligned)  # at one pixel: it does not stretch
    size = xp.where(held, 1, end - start)
    count = xp.ceil(size / bins)
    point = xp.arange(-(-longest // bins), dtype=dtype)  # as many as the longest RoI could have: nobody has to look
    along = (xp.arange(bins, dtype=dtype)[:, None] + (point + 0.5) / xp.maximum(count, 1)) / bins  # (Q, S, n)
    position = (start - (0.5 if aligned else 0)) + along * size
    follows = (point < count) & (position > 0) & (position < length - 1)
    low = xp.floor(xp.clip(xp.where(follows, position, 0), 0, length - 1)).astype(np.int32)
    high = xp.minimum(low + 1, longest - 1)
    gain = xp.take_along_axis(dweights, high, axis=2) - xp.take_along_axis(dweights, low, axis=2)
    dposition = gain * follows / xp.maximum(count, 1)
    along = xp.where(held, 0, along)
    return (dposition * (1 - along)).sum(axis=(1, 2)), (dposition * along).sum(axis=(1, 2))


# ---------------------------------------------------------------- the IoU of a mask with the whole object


@checked
def moving_area_forward(rois, *, masks, matched, size):
    """`whole_areas` as a pair.

    rois (Q, 4), masks (N, M, H, W) 0/1, matched (Q,) int  ->  areas (Q,)
    """
    areas = whole_areas(masks, rois, matched, size=size)
    return areas, (rois, areas, size)


@checked
def moving_area_backward(dareas, cache):
    """Mirror of moving_area_forward: an object has as many cells as a cell of the RoI is small.

    dareas (Q,)  ->  drois (Q, 4)
    """
    rois, areas, size = cache
    xp = array_module(rois)
    width, height = (rois[:, 2:] - rois[:, :2]).T
    shrinks = width * height / size**2 > LEAST
    dwidth, dheight = (xp.where(shrinks, -dareas * areas / xp.where(shrinks, side, 1), 0) for side in (width, height))
    return xp.stack([-dwidth, -dheight, dwidth, dheight], axis=1)


@checked
def mask_iou_forward(masks, areas, *, logits):
    """`mask_iou_targets` as a pair.

    masks (Q, 2S, 2S) in 0..1, areas (Q,), logits (Q, 2S, 2S)  ->  iou (Q,)
    """
    return mask_iou_targets(logits, ScoredMaskTargets(masks, areas)), (masks, areas, logits)


@checked
def mask_iou_backward(diou, cache):
    """Mirror of mask_iou_forward. Which cells lie on the object, and which are said to, is decided; the share moves.

    diou (Q,)  ->  dmasks (Q, 2S, 2S), dareas (Q,)
    """
    masks, areas, logits = cache
    xp, dtype = array_module(masks), masks.dtype
    predicted, mask = (logits >= 0).astype(dtype), (masks >= 0.5).astype(dtype)
    shared, inside, area = (cells.sum(axis=(1, 2)) for cells in (predicted * mask, mask, predicted))
    seen, whole_area = masks.sum(axis=(1, 2)), xp.maximum(areas, LEAST)
    share = xp.maximum(xp.minimum(seen / whole_area, 1), LEAST)
    union = area + inside / share - shared
    dunion = xp.where(union > LEAST, -diou * shared / xp.maximum(union, LEAST) ** 2, 0)
    follows = (seen < whole_area) & (seen / whole_area > LEAST)
    dshare = xp.where(follows, -dunion * inside / share**2, 0)
    dareas = xp.where(areas > LEAST, -dshare * seen / whole_area**2, 0)
    return xp.broadcast_to((dshare / whole_area)[:, None, None], masks.shape), dareas


# ---------------------------------------------------------------- the heads


class MovingBoxes:
    """In front of a box head: its deltas are counted from where the RoI is now.

    Its answers are the boxes of the objects (K, 4). Its pool returns a gradient for the RoIs.
    """

    def answers(self, seen, targets, *, sizes):
        return targets.boxes.reshape(-1, 4)[seen.matched].astype(seen.rois.dtype)

    def learn_forward(self, pyramid, *, samples, answers):
        deltas, c_encode = box_gradients.encode_forward(answers, samples.rois, weights=self.config.delta_weights)
        losses, cache = super().learn_forward(pyramid, samples=replace(samples, deltas=deltas), answers=None)
        return losses, self.keep((cache, c_encode))

    def learn_backward(self, dlosses, cache):
        """Mirror of learn_forward: dpyramid [(N, H, W, C)] * L, drois (K, 4)."""
        (c_head, c_loss), c_encode = cache
        dlogits, ddeltas = self.loss_backward(dlosses, c_loss)
        dpyramid, drois = self.backward((dlogits, ddeltas), c_head)
        dtarget = -ddeltas.sum(axis=1)  # only the difference counts: what pushes one pulls the other
        return dpyramid, drois + box_gradients.encode_backward(dtarget, c_encode)[1]


@dataclass(frozen=True)
class MaskAnswers:
    """What to look at through a RoI: masks (N, M, H, W), and sizes (N, 2) of the pictures before padding."""

    masks: Any
    sizes: Any


class MovingMasks:
    """In front of a mask head: its target is what the RoI shows of the object now.

    Its answers are MaskAnswers. Its pool returns a gradient for the RoIs.
    """

    def answers(self, seen, targets, *, sizes):
        if targets.masks is None:
            raise ArgumentError("MaskRCNN.forward: the model has a mask head, and the targets have no masks")
        return MaskAnswers(targets.masks, sizes)

    def learn_forward(self, pyramid, *, samples, answers):
        seen = self.sees(samples)
        settings = dict(masks=answers.masks, sizes=answers.sizes, matched=seen.matched)
        settings |= dict(size=2 * self.config.mask_size, aligned=self.config.aligned)
        crops, c_crops = moving_mask_forward(seen.rois, **settings)
        losses, cache = super().learn_forward(pyramid, samples=samples, answers=crops)
        return losses, self.keep((cache, c_crops))

    def learn_backward(self, dlosses, cache):
        """Mirror of learn_forward: dpyramid [(N, H, W, C)] * L, drois (Q, 4)."""
        (c_head, c_loss), c_crops = cache
        dlogits, dcrops = more_losses.sigmoid_cross_entropy_both_backward(dlosses["mask"], c_loss)
        dpyramid, drois = self.backward(dlogits, c_head)
        return dpyramid, drois + moving_mask_backward(dcrops, c_crops)


class MovingScoredMasks(MovingMasks):
    """In front of a head that scores its masks: the IoU that is to be predicted follows the RoI, too."""

    def learn_forward(self, pyramid, *, samples, answers):
        seen = self.sees(samples)
        where = dict(masks=answers.masks, matched=seen.matched, size=2 * self.config.mask_size)
        crops, c_crops = moving_mask_forward(seen.rois, **where, sizes=answers.sizes, aligned=self.config.aligned)
        areas, c_areas = moving_area_forward(seen.rois, **where)
        moved = ScoredMaskTargets(crops, areas)
        losses, cache = super(MovingMasks, self).learn_forward(pyramid, samples=samples, answers=moved)
        return losses, self.keep((cache, c_crops, c_areas))

    def loss_forward(self, y, *, seen, answers):
        losses, cache = super().loss_forward(y, seen=seen, answers=answers)
        return losses, (cache, mask_iou_forward(answers.masks, answers.areas, logits=y[0])[1])

    def loss_backward(self, dlosses, cache):
        return super().loss_backward(dlosses, cache[0])

    def learn_backward(self, dlosses, cache):
        """Mirror of learn_forward: dpyramid [(N, H, W, C)] * L, drois (Q, 4)."""
        (c_head, c_loss), c_crops, c_areas = cache
        dlogits, diou = self.loss_backward(dlosses, c_loss)
        dpyramid, drois = self.backward((dlogits, diou), c_head)
        (c_mask, _), c_target = c_loss
        _, dcrops = more_losses.sigmoid_cross_entropy_both_backward(dlosses["mask"], c_mask)
        dshown, dareas = mask_iou_backward(-diou, c_target)  # only the difference counts
        drois = drois + moving_mask_backward(dcrops + dshown, c_crops)
        return dpyramid, drois + moving_area_backward(dareas, c_areas)


SMOOTH = {BoxHead.loss_forward: MovingBoxes, MaskHead.loss_forward: MovingMasks}  # losses whose answers move
SMOOTH |= {MaskScoringHead.loss_forward: MovingScoredMasks}
JUMPS = {KeypointHead.loss_forward, SoftmaxMaskHead.loss_forward}  # losses whose answers are decisions: a cell, a class


@functools.cache
def moving(kind):
    """The class of a head whose answers follow its RoIs; `kind` itself where they only jump.

    Raises ConfigError for a head of which nobody has said what its answers do.
    """
    if kind.loss_forward in JUMPS:
        return kind
    if kind.loss_forward not in SMOOTH:
        wanted = "model.box_gradient must be 'none' or 'features' with"
        raise ConfigError(f"{wanted} a {kind.__name__}, whose answers do not follow its RoIs; got 'features+targets'")
    moves = SMOOTH[kind.loss_forward]
    return type(f"Moving{kind.__name__}", (moves, kind), {"__doc__": moves.__doc__})
