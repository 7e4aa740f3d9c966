"""From what the heads say to detections: decode, suppress per class, keep the best, paste the masks."""

from ..backend import array_module
from ..errors import ArgumentError
from ..ops import activation, boxes, nms
from .rpn import top_n


def detections_from_boxes(logits, deltas, proposals, valid, config, *, sizes):
    """Scores above the threshold, decoded, clipped, suppressed per class and trimmed to the best D of each image.

    logits (N*P, num_classes), deltas (N*P, num_classes, 4), proposals (N, P, 4), valid (N, P) bool, sizes (N, 2)
    ->  boxes (N, D, 4), labels (N, D), scores (N, D), valid (N, D) bool: best first, padded with False
    """
    xp = array_module(logits)
    n, p = valid.shape
    num_classes = logits.shape[1]
    scores = activation.softmax_forward(logits)[0].reshape(n, p, num_classes)[..., 1:]  # without background
    deltas = deltas.reshape(n, p, num_classes, 4)[:, :, 1:]
    found = boxes.decode(deltas, proposals[:, :, None], weights=config.delta_weights)
    height = sizes[:, 0].astype(found.dtype)[:, None, None]
    width = sizes[:, 1].astype(found.dtype)[:, None, None]
    found = boxes.clip(found, height=height, width=width)  # (N, P, num_classes - 1, 4)

    sides = found[..., 2:] - found[..., :2]
    candidate = (scores > config.score_threshold) & (sides >= config.min_size).all(axis=-1) & valid[..., None]
    label = xp.broadcast_to(xp.arange(1, num_classes), scores.shape)
    group = label + num_classes * xp.arange(n)[:, None, None]
    keep = nms.nms(
        found.reshape(-1, 4),
        scores.reshape(-1),
        iou_threshold=config.nms_iou,
        group=group.reshape(-1),
        valid=candidate.reshape(-1),
    ).reshape(n, -1)

    best = top_n(xp.where(keep, scores.reshape(n, -1), -1), config.detections_per_image)  # (N, D)
    return (
        xp.take_along_axis(found.reshape(n, -1, 4), best[..., None], axis=1),
        xp.take_along_axis(label.reshape(n, -1), best, axis=1),
        xp.take_along_axis(scores.reshape(n, -1), best, axis=1),
        xp.take_along_axis(keep, best, axis=1),
    )


def paste_masks(masks, found, *, height, width, threshold=0.5, mode="continuous", chunk=16):
    """Enlarge each predicted mask to its box and set it into an empty picture.

    masks (K, S, S) in 0..1, found (K, 4) boxes in pixels  ->  (K, height, width) bool; soft when threshold is None

    Bilinear between the S x S mask pixels, zero outside the mask: rows and columns are interpolated by one small
    matrix each, so that pasting is two matrix products. `chunk` objects at a time bound the memory.
    mode "continuous" pastes into the exact box, "integer" into whole pixels, the same as torchvision.
    """
    if mode not in ("continuous", "integer"):
        raise ArgumentError(f"paste_masks: mode must be 'continuous' or 'integer'; got {mode!r}")
    xp = array_module(masks)
    weights = _interpolation if mode == "continuous" else _integer_interpolation
    pasted = xp.zeros((len(masks), height, width), masks.dtype if threshold is None else bool)
    for start in range(0, len(masks), chunk):
        part = slice(start, start + chunk)
        rows = weights(found[part, 1], found[part, 3], height, masks.shape[1])  # (k, height, S)
        columns = weights(found[part, 0], found[part, 2], width, masks.shape[2])  # (k, width, S)
        soft = rows @ masks[part] @ columns.transpose(0, 2, 1)
        pasted[part] = soft if threshold is None else soft >= threshold
    return pasted


def _integer_interpolation(low, high, length, size):
    """The weights of torchvision: a border of zeros around the mask, then whole pixels from first to last.

    low (K,), high (K,)  ->  (K, length, size)
    """
    xp = array_module(low)
    one, half = low.dtype.type(1), low.dtype.type(0.5)
    reach = (high - low) * half * low.dtype.type((size + 2) / size)  # the box grows as the mask does by its border
    centre = (high + low) * half
    first, last = xp.trunc(centre - reach), xp.trunc(centre + reach)
    pixel = xp.arange(length, dtype=low.dtype)
    count = xp.maximum(last - first + one, one)[:, None]
    place = (size + 2) / count * (pixel - first[:, None] + half) - half  # (K, length), in the mask with its border
    place = xp.clip(place, 0, size + 1)
    inside = (pixel >= first[:, None]) & (pixel <= last[:, None])
    distance = xp.abs(place[..., None] - xp.arange(1, size + 1, dtype=low.dtype))  # the border itself is 0: left out
    return xp.maximum(1 - distance, 0) * inside[..., None]


def _interpolation(low, high, length, size):
    """Weights with which the centre of every picture pixel sees the `size` mask pixels between low and high.

    low (K,), high (K,)  ->  (K, length, size); a tent of width 1 around the pixel's place in the mask
    """
    xp = array_module(low)
    centre = xp.arange(length, dtype=low.dtype) + low.dtype.type(0.5)
    scale = size / xp.maximum(high - low, 1e-6)
    place = (centre[None] - low[:, None]) * scale[:, None] - low.dtype.type(0.5)  # (K, length)
    distance = xp.abs(place[..., None] - xp.arange(size, dtype=low.dtype))
    return xp.maximum(1 - distance, 0)
