"""Which anchor sizes would fit these objects? k-means with IoU for nearness (Redmon and Farhadi 2017, section 2)."""

import numpy as np

ROUNDS = 100
FITTING = 0.5  # share of the objects that an anchor fits, or IoU with the best one in the mean: below it, none fits


def suggest_sizes(boxes, count, *, ratios=(0.5, 1.0, 2.0)):
    """Sizes of anchors that fit the objects best, and how well: their best anchor's IoU, when both have one centre.

    boxes (M, 4), ratios of height / width  ->  sizes (count,) ascending, iou (M,)

    Every object goes to the size whose best ratio shares most with it, and every size to the middle of its objects.
    """
    sides = np.maximum(np.asarray(boxes, np.float64)[:, 2:] - np.asarray(boxes, np.float64)[:, :2], 1e-6)
    own = np.sqrt(sides.prod(axis=1))
    sizes = np.quantile(own, (np.arange(count) + 0.5) / count)
    best, best_iou = sizes, shared_shapes(sides, sizes, ratios)
    for _ in range(ROUNDS):
        nearest = shared_shapes(sides, sizes, ratios).argmax(axis=1)
        members = [own[nearest == k] for k in range(count)]
        moved = np.sort([np.median(each) if len(each) else size for each, size in zip(members, sizes)])
        iou = shared_shapes(sides, moved, ratios)
        if iou.max(axis=1).mean() > best_iou.max(axis=1).mean():
            best, best_iou = moved, iou
        if np.array_equal(moved, sizes):
            break
        sizes = moved
    return best, best_iou.max(axis=1)


def better_sizes(boxes, rpn):
    """As many sizes for every level as now, such that they fit, as a setting: boxes (M, 4), RPNConfig  ->  words"""
    levels = [len(sizes) for sizes in rpn.anchor_sizes]
    sizes, iou = suggest_sizes(boxes, sum(levels), ratios=rpn.anchor_ratios)
    each = [[round(float(size)) for size in part] for part in np.split(sizes, np.cumsum(levels)[:-1])]
    if iou.mean() < FITTING:
        shapes = list(rpn.anchor_ratios)
        return f"other shapes: with model.rpn.anchor_ratios {shapes} no sizes fit; 0.5, 1 and 2 are usual"
    return f"model.rpn.anchor_sizes={each}, by which the best one shares IoU {iou.mean():.2f} in the mean"


def shared_shapes(sides, sizes, ratios):
    """IoU of boxes with the best ratio of every size, all around one centre.

    sides (M, 2) width and height, sizes (S,), ratios (R,)  ->  iou (M, S)
    """
    root = np.sqrt(np.asarray(ratios, np.float64))
    anchors = np.asarray(sizes)[:, None, None] * np.stack([1 / root, root], axis=1)  # (S, R, 2)
    shared = np.minimum(sides[:, None, None], anchors).prod(axis=3)
    union = sides.prod(axis=1)[:, None, None] + anchors.prod(axis=2) - shared
    return (shared / union).max(axis=2)
