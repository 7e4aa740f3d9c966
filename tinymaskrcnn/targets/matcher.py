"""Which object does each box belong to, if any (Faster R-CNN, section 3.1.2)."""

from ..backend import array_module

POSITIVE, NEUTRAL, NEGATIVE = 1, 0, -1


def match(iou, valid, *, positive_iou, negative_iou, low_quality=False):
    """Label every box by its best object.

    iou (N, K, M) of boxes with objects, valid (N, M) bool  ->  matched (N, K) index of the best object, label (N, K)

    label is POSITIVE where the best IoU >= positive_iou, NEGATIVE where it is < negative_iou, else NEUTRAL. With
    low_quality, every box that is the best of some object (ties included) is POSITIVE too, so that no object that
    any box overlaps is left without one; its matched object stays its own best one.
    """
    # BEGIN SOLUTION hw03.match
    xp = array_module(iou)
    iou = xp.where(valid[:, None, :], iou, -1)  # padding overlaps nothing
    matched = iou.argmax(axis=2)
    best = iou.max(axis=2)
    label = xp.where(best >= positive_iou, POSITIVE, xp.where(best < negative_iou, NEGATIVE, NEUTRAL))
    if low_quality:
        best_of_object = iou.max(axis=1, keepdims=True)  # (N, 1, M)
        is_best = (iou == best_of_object) & (best_of_object > 0)  # an object that nothing overlaps rescues nobody
        label = xp.where(is_best.any(axis=2), POSITIVE, label)
    return matched, label
    # END SOLUTION
