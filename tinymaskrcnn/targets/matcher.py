"""Which object each box belongs to, if any, and which boxes a step learns from (Faster R-CNN, section 3.1)."""

from ..backend import array_module, has_kernel, move_like

POSITIVE, NEUTRAL, NEGATIVE = 1, 0, -1


def match(iou, valid, *, positive_iou, negative_iou, low_quality=False):
    """Label every box by its best object.

    iou (N, K, M) of boxes with objects, valid (N, M) bool  ->  matched (N, K) index of the best object, label (N, K)

    label is POSITIVE where the best IoU >= positive_iou, NEGATIVE where it is < negative_iou, else NEUTRAL. With
    low_quality, every box that is the best of some object (ties included) is POSITIVE too; its matched object stays
    its own best one, which may be another. An object that no box overlaps rescues none (torchvision: all of them).
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


# ---------------------------------------------------------------- a balanced random sample


def draw_keys(shape, *, rng, like):
    """Distinct random numbers in (0, 1], one per box, where `like` lives.

    They are drawn on the host and moved, so that a CPU and a GPU choose the same boxes.
    """
    return move_like(1.0 - rng.random(shape), like)


@has_kernel
def balanced_sample(label, keys, *, count, positive_fraction):
    """Choose up to `count` boxes per image, at most count * positive_fraction of them positive.

    label (N, K) int, keys (N, K) random in (0, 1]  ->  chosen (N, K) bool
    """
    quota = int(count * positive_fraction)
    positives = _top(label == POSITIVE, keys, quota, array_module(keys).full((len(keys), 1), quota))
    room = count - positives.sum(axis=1, keepdims=True)  # positives that are missing leave room for negatives
    negatives = _top(label == NEGATIVE, keys, count, room)
    return positives | negatives


def _top(candidates, keys, most, room):
    """The candidates with the largest keys, in each row as many as there is room (N, 1), which is nowhere above most.

    Who is in has a key of at least that of the last one let in, which is 2, above all keys, where there is no room.
    """
    xp = array_module(keys)
    most = min(most, keys.shape[1])
    if most == 0:
        return candidates & False
    key = xp.where(candidates, keys, 0)
    largest = xp.partition(key, keys.shape[1] - most, axis=1)[:, keys.shape[1] - most :]
    largest = -xp.sort(-largest, axis=1)  # best first, so that place `room - 1` holds the last key let in
    place = xp.minimum(room, most) - 1
    threshold = xp.where(place >= 0, xp.take_along_axis(largest, xp.maximum(place, 0), axis=1), 2.0)
    return candidates & (key >= threshold) & (key > 0)
