"""Which proposals the heads learn from, and what each should answer: class, box, mask (Fast R-CNN, section 2.3)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backend import array_module, constant, has_kernel
from ..ops import boxes, roi_align
from .matcher import NEUTRAL, POSITIVE, balanced_sample, draw_keys, match

PIXELS = 1 << 21  # of masks that are looked at together, 8 MB


@dataclass(frozen=True)
class RoISamples:
    """The RoIs of a training step, flat over the batch.

    rois (K, 4), image_index (K,), labels (K,) with 0 = background, deltas (K, 4), weight (K,) 0 for padding,
    matched (K,) row of the object in the flattened (N*M) targets, row (K,) of the RoI among the proposals of its image,
    objects behind them; mask_rows (Q,) indices of the rows that may be positive: those the mask and the keypoint head
    see, mask_weight (Q,) 1 where they are.
    """

    rois: Any
    image_index: Any
    labels: Any
    deltas: Any
    weight: Any
    matched: Any
    row: Any
    mask_rows: Any
    mask_weight: Any

    def positives(self):
        """Of these the rows that may be positive, with weight 1 where they are."""
        return self.pick(self.mask_rows, weight=self.mask_weight)

    def pick(self, rows, **others):
        """Some of the RoIs, rows (n,) int, and what else is then different."""
        kept = "rois", "image_index", "labels", "deltas", "matched", "row"
        picked = {name: getattr(self, name)[rows] for name in kept}
        return replace(self, **picked, **others)


def append_objects(proposals, valid, targets):
    """Proposals and, behind them, the objects themselves: so that there are positives from the first step on."""
    xp = array_module(proposals)
    together = xp.concatenate([proposals, targets.boxes.astype(proposals.dtype)], axis=1)
    return together, xp.concatenate([valid, targets.valid], axis=1)


def draw_rois(proposals, valid, targets, config, *, rng):
    """A balanced random sample, as many rows in each image: positives first, then negatives, then padding.

    proposals (N, P, 4), valid (N, P) bool, targets with boxes (N, M, 4)
    ->  row (N, S) of the proposal, matched (N, S) row of its object, positive (N, S) bool, weight (N, S) bool: False
    is padding
    """
    xp = array_module(proposals)
    iou = boxes.iou_matrix(proposals, targets.boxes)  # (N, P, M)
    matched, label = match(iou, targets.valid, positive_iou=config.positive_iou, negative_iou=config.positive_iou)
    drawn = valid & (iou.max(axis=2) >= config.negative_low)  # no padding, and nothing too far off to teach anything
    label = xp.where(drawn, label, NEUTRAL)
    keys = draw_keys(label.shape, rng=rng, like=proposals)
    count = config.samples_per_image
    chosen = balanced_sample(label, keys, count=count, positive_fraction=config.positive_fraction)
    positive = chosen & (label == POSITIVE)
    rank = keys + chosen + positive  # keys lie in (0, 1]: positives are above 2, negatives above 1, the rest below
    row = xp.argsort(-rank, axis=1)[:, :count]
    return row, *(xp.take_along_axis(of_all, row, axis=1) for of_all in (matched, positive, chosen))


def sample_rois(proposals, valid, targets, config, *, rng):
    """Draw a balanced sample of proposals and say what each should answer.

    proposals (N, P, 4), valid (N, P) bool, targets with boxes (N, M, 4)  ->  RoISamples, up to N * samples_per_image
    """
    xp = array_module(proposals)
    proposals, valid = append_objects(proposals, valid, targets)
    row, matched, positive, weight = draw_rois(proposals, valid, targets, config, rng=rng)
    rois = xp.take_along_axis(proposals, row[..., None], axis=1)
    labels = xp.where(positive, xp.take_along_axis(targets.labels, matched, axis=1), 0)
    objects = xp.where(positive[..., None], xp.take_along_axis(targets.boxes, matched[..., None], axis=1), rois)
    rois = xp.where(weight[..., None], rois, constant((0, 0, 1, 1), rois))  # padding: some harmless box
    objects = xp.where(weight[..., None], objects, rois)
    deltas = boxes.encode(objects, rois, weights=config.delta_weights)

    (n, count), m = weight.shape, targets.labels.shape[1]
    image_index = xp.broadcast_to(xp.arange(n)[:, None], (n, count))
    mask_columns = min(count, int(config.samples_per_image * config.positive_fraction))
    mask_rows = (xp.arange(n)[:, None] * count + xp.arange(mask_columns)[None]).reshape(-1)
    return drop_padding(
        RoISamples(
            rois=rois.reshape(-1, 4),
            image_index=image_index.reshape(-1),
            labels=labels.reshape(-1),
            deltas=deltas.reshape(-1, 4),
            weight=weight.reshape(-1).astype(rois.dtype),
            matched=(matched + xp.arange(n)[:, None] * m).reshape(-1),
            row=row.reshape(-1),
            mask_rows=mask_rows,
            mask_weight=positive[:, :mask_columns].reshape(-1).astype(rois.dtype),
        ),
        everywhere=bool(config.box_norm or config.mask_norm),
    )


def drop_padding(samples, *, everywhere):
    """On the host, leave out the rows of weight 0: fewer rows, same losses. A device keeps them: fixed shapes.

    everywhere: on a device too, though it has to wait for the count. Batch norms in the heads need that, since every
    row counts in their statistics.
    """
    xp = array_module(samples.rois)
    if xp is not np and not everywhere:
        return samples
    keep = xp.flatnonzero(samples.weight)
    new_row = xp.cumsum(samples.weight > 0) - 1
    mask_rows = new_row[samples.mask_rows[samples.mask_weight > 0]]
    mask_weight = xp.ones(len(mask_rows), samples.rois.dtype)
    return samples.pick(keep, weight=samples.weight[keep], mask_rows=mask_rows, mask_weight=mask_weight)


@has_kernel
def mask_targets(masks, rois, matched, *, sizes, size, aligned):
    """Each object's mask, seen through its RoI on the grid of the prediction (Mask R-CNN, section 3.1).

    masks (N, M, H, W) 0/1, rois (Q, 4) in the picture, matched (Q,) row of the flattened (N*M) objects, sizes (N, 2),
    height and width of each picture before it was padded  ->  targets (Q, size, size)

    Adaptive sampling: each bin is the mean of bilinear samples of the mask, in 0..1, as in torchvision. With one
    channel only, a weight along the rows times one along the columns is best applied as two matrix products. A mask
    ends where its picture ends: beyond the last pixel a sample reads that pixel again, not the zeros of the padding.
    """
    # BEGIN SOLUTION hw04.mask_targets
    xp = array_module(rois)
    n, m, height, width = masks.shape
    masks = masks.reshape(n * m, height, width)
    heights, widths = sizes[matched // m].T  # (Q,) of each RoI's picture
    weights = roi_align.adaptive_weights
    rows = weights(rois[:, 1], rois[:, 3], size, heights, longest=height, aligned=aligned)  # (Q, size, H)
    columns = weights(rois[:, 0], rois[:, 2], size, widths, longest=width, aligned=aligned)  # (Q, size, W)
    targets = xp.empty((len(rois), size, size), rois.dtype)
    chunk = max(PIXELS // (height * width), 1)
    for start in range(0, len(rois), chunk):
        part = slice(start, start + chunk)
        seen = masks[matched[part]].astype(rois.dtype)  # (q, H, W)
        targets[part] = rows[part] @ seen @ columns[part].transpose(0, 2, 1)
    return targets
    # END SOLUTION
