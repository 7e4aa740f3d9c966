"""From what the heads say to detections: decode, suppress per class, keep the best, paste the masks."""

from dataclasses import replace

import numpy as np

from ..backend import array_module, has_kernel, to_host
from ..errors import ArgumentError
from ..ops import boxes, nms, softmax
from .found import rows_in_use


def detections_from_boxes(logits, deltas, proposals, valid, config, *, sizes):
    """Scores above the threshold, decoded, clipped, suppressed per class and trimmed to the best D of each image.

    logits (N*P, num_classes), deltas (N*P, num_classes, 4), proposals (N, P, 4), valid (N, P) bool, sizes (N, 2)
    ->  boxes (N, D, 4), labels (N, D), scores (N, D), valid (N, D) bool: best first, padded with False
    """
    xp = array_module(logits)
    n, p = valid.shape
    classes = logits.shape[1] - 1  # without background, whose score and deltas are not asked for
    scores = softmax.softmax_forward(logits)[0][:, 1:].reshape(n, p * classes)
    candidate = ((scores.reshape(n, p, classes) > config.score_threshold) & valid[:, :, None]).reshape(n, -1)
    deltas, proposals, sizes = deltas[:, 1:].reshape(-1, 4), proposals.reshape(-1, 4), sizes.astype(deltas.dtype)

    def box_of(rows):  # rows of N * P * classes
        proposal = rows // classes
        decoded = boxes.decode(deltas[rows], proposals[proposal], weights=config.delta_weights)
        size = sizes[proposal // p]
        return boxes.clip(decoded, height=size[:, 0], width=size[:, 1])

    rows = rows_in_use(candidate.reshape(-1))
    found = box_of(rows)
    keep = xp.zeros(n * p * classes, bool)
    keep[rows] = nms.nms(
        found,
        scores.reshape(-1)[rows],
        iou_threshold=config.nms_iou,
        group=rows // (p * classes) * classes + rows % classes,  # every class of every image on its own
        valid=candidate.reshape(-1)[rows] & (found[:, 2:] - found[:, :2] >= config.min_size).all(axis=1),
    )
    keep = keep.reshape(n, -1)

    best = nms.top_n(xp.where(keep, scores, -1), config.detections_per_image)  # (N, D)
    chosen = best + p * classes * xp.arange(n)[:, None]
    return (
        box_of(chosen.reshape(-1)).reshape(*best.shape, 4),
        best % classes + 1,
        xp.take_along_axis(scores, best, axis=1),
        xp.take_along_axis(keep, best, axis=1),
    )


# ---------------------------------------------------------------- masks into pictures

AREA = 1 << 20  # pixels interpolated together


def paste_masks(masks, found, *, height, width, threshold=0.5, mode="continuous", area=AREA):
    """Enlarge each predicted mask to its box and set it into an empty picture.

    masks (K, S, S) in 0..1, found (K, 4) boxes in pixels  ->  (K, height, width) bool; soft when threshold is None

    Bilinear between the S x S mask pixels, zero outside the mask: rows and columns are interpolated by one small
    matrix each, so that pasting is two matrix products. Only the region around a box is computed; regions of like size
    go together, as many as fit into `area` pixels.
    mode "continuous" pastes into the exact box, "integer" into whole pixels, the same as torchvision.
    """
    xp = array_module(masks)
    pasted = xp.zeros((len(masks), height, width), masks.dtype if threshold is None else bool)
    where = {"height": height, "width": width, "threshold": threshold, "mode": mode, "area": area}
    for k, (x1, y1, x2, y2), values in pasted_windows(masks, found, **where):
        pasted[k, y1:y2, x1:x2] = values
    return pasted


def pasted_there(found, paste, *, old, new, config):
    """Masks on a device, pasted before they leave it where a kernel can: Found, and what then makes masks of its own.

    found of N images, old and new: of each its size (height, width) that the network saw, and that of the picture
    """
    if paste is not paste_masks or "mask" not in found.said:
        return found, paste
    settings = {"threshold": config.mask_threshold, "mode": config.paste}
    bits = paste_bits(found.said["mask"], found.boxes, old=old, new=new, **settings)
    return (found, paste) if bits is None else (replace(found, said=found.said | {"mask": bits}), unpack_masks)


@has_kernel
def paste_bits(masks, boxes, *, old, new, threshold, mode):
    """Masks pasted row by row, eight pixels in a byte; None where no kernel does that, and the host is to paste.

    masks (N, D, S, S) in 0..1, boxes (N, D, 4) in pixels of old  ->  bits (N, D, bytes of the largest picture), or None
    """


def unpack_masks(bits, found, *, height, width, **settings):
    """In the place of paste_masks: bits (K, at least height * ceil(width / 8))  ->  masks (K, height, width) bool"""
    rows = bits[:, : height * -(-width // 8)].reshape(len(bits), height, -(-width // 8))
    return np.unpackbits(rows, axis=2, count=width).view(bool)


def pasted_windows(masks, found, *, height, width, threshold=0.5, mode="continuous", area=AREA):
    """Like paste_masks, one mask after another, so that nobody has to hold all of them at the size of the picture.

    ->  yields, in any order, the row of a mask, the window x1, y1, x2, y2 beyond which it is 0, and the pixels there
    """
    if mode not in ("continuous", "integer"):
        raise ArgumentError(f"paste_masks: mode must be 'continuous' or 'integer'; got {mode!r}")
    xp = array_module(masks)
    weights = _interpolation if mode == "continuous" else _integer_interpolation
    regions = _regions(to_host(found), masks.shape[1:], (height, width))  # (K, 4), on the host
    if threshold is not None and threshold <= 0:  # then even the pixels outside are on
        regions[:] = 0, 0, width, height
    for rows in _alike(regions[:, 2:] - regions[:, :2], area):
        x1, y1, x2, y2 = regions[rows].T
        part = xp.asarray(rows)
        box, first = found[part], xp.asarray(regions[rows, :2])
        pixels = [xp.arange(int((b - a).max())) + first[:, i : i + 1] for i, a, b in ((0, x1, x2), (1, y1, y2))]
        rows_of = weights(box[:, 1], box[:, 3], pixels[1], masks.shape[1])  # (k, h, S)
        columns_of = weights(box[:, 0], box[:, 2], pixels[0], masks.shape[2])  # (k, w, S)
        soft = rows_of @ masks[part] @ columns_of.transpose(0, 2, 1)  # (k, h, w), the smaller ones with a margin
        soft = soft if threshold is None else soft >= threshold
        for k, (a, b, c, d), values in zip(rows.tolist(), regions[rows].tolist(), soft):
            yield k, (a, b, c, d), values[: d - b, : c - a]


def _regions(found, size, picture):
    """The pixels that a mask can reach: half a mask pixel beyond its box, and two more to be safe.

    found (K, 4), size and picture (rows, columns)  ->  regions (K, 4) int, within the picture
    """
    low, high = found[:, :2].astype(np.float64), found[:, 2:].astype(np.float64)
    reach = np.maximum(high - low, 0) / np.array(size[::-1]) + 2
    edges = np.stack([np.floor(low - reach), np.ceil(np.maximum(low, high) + reach)], axis=1)  # (K, 2, 2)
    return np.clip(edges, 0, picture[::-1]).astype(np.int64).reshape(-1, 4)


def _alike(sides, area):
    """Rows in groups of like regions, each at most `area` in sum when all are as wide and as high as the largest.

    sides (K, 2) int  ->  a list of rows (k,)
    """
    order = np.argsort(sides.prod(axis=1), kind="stable")
    order = order[sides[order].all(axis=1)]  # what lies outside the picture is nothing
    groups, largest = [], (0, 0)
    for row, side in zip(order.tolist(), sides[order].tolist()):
        largest = tuple(map(max, largest, side))
        if not groups or largest[0] * largest[1] * (len(groups[-1]) + 1) > area:
            groups.append([])
            largest = side
        groups[-1].append(row)
    return [np.array(group) for group in groups]


def _integer_interpolation(low, high, pixel, size):
    """The weights of torchvision: a border of zeros around the mask, then whole pixels from first to last.

    low (K,), high (K,), pixel (K, length) int  ->  (K, length, size)
    """
    xp = array_module(low)
    one, half = low.dtype.type(1), low.dtype.type(0.5)
    reach = (high - low) * half * low.dtype.type((size + 2) / size)  # the box grows as the mask does by its border
    centre = (high + low) * half
    first, last = xp.trunc(centre - reach), xp.trunc(centre + reach)
    pixel = pixel.astype(low.dtype)
    count = xp.maximum(last - first + one, one)[:, None]
    place = (size + 2) / count * (pixel - first[:, None] + half) - half  # (K, length), in the mask with its border
    place = xp.clip(place, 0, size + 1)
    inside = (pixel >= first[:, None]) & (pixel <= last[:, None])
    distance = xp.abs(place[..., None] - xp.arange(1, size + 1, dtype=low.dtype))  # the border itself is 0: left out
    return xp.maximum(1 - distance, 0) * inside[..., None]


def _interpolation(low, high, pixel, size):
    """Weights with which the centre of a picture's pixel sees the `size` mask pixels between low and high.

    low (K,), high (K,), pixel (K, length) int  ->  (K, length, size); a tent of width 1 around its place in the mask
    """
    xp = array_module(low)
    centre = pixel.astype(low.dtype) + low.dtype.type(0.5)
    scale = size / xp.maximum(high - low, 1e-6)
    place = (centre - low[:, None]) * scale[:, None] - low.dtype.type(0.5)  # (K, length)
    distance = xp.abs(place[..., None] - xp.arange(size, dtype=low.dtype))
    return xp.maximum(1 - distance, 0)
