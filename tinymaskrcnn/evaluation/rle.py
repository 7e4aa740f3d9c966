"""Run-length encoded masks, as COCO stores them: the lengths of alternating runs, down the columns, first run off.

The mask [[0, 1], [1, 1]] reads 0, 1, 1, 1 down its columns: counts [1, 3]. A mask that starts with a set pixel has
counts[0] = 0. COCO's files hold the counts as a list, or packed into a short string (`to_string`).
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError, DataError, ShapeError


@dataclass(frozen=True, eq=False)
class RLE:
    """One mask: size (H, W) and counts (runs,) int64, whose even entries count pixels that are off, odd ones on."""

    size: tuple
    counts: np.ndarray


def encode(mask):
    """Run-length encode one mask.

    mask (H, W) bool or integer, any value but 0 is on  ->  RLE
    """
    if np.ndim(mask) != 2:
        raise ShapeError(f"encode: mask must be (H, W); got shape {np.shape(mask)}. For many masks use encode_many.")
    return encode_many(mask[None])[0]


def encode_many(masks):
    """Run-length encode masks of one size.

    masks (M, H, W) bool or integer  ->  list of M RLE
    """
    if np.ndim(masks) != 3:
        raise ShapeError(f"encode_many: masks must be (M, H, W); got shape {np.shape(masks)}")
    M, H, W = masks.shape
    columns = (masks != 0).transpose(0, 2, 1).reshape(M, W * H)
    padded = np.zeros((M, W * H + 1), bool)  # every mask starts as if after a pixel that is off
    padded[:, 1:] = columns
    owner, change = np.nonzero(padded[:, 1:] != padded[:, :-1])  # where a new run starts
    first = np.searchsorted(owner, np.arange(M + 1))
    rles = []
    for m in range(M):
        starts = change[first[m] : first[m + 1]]
        rles.append(RLE((H, W), np.diff(starts, prepend=0, append=W * H)))
    return rles


def decode(rle):
    """Mirror of encode.

    RLE  ->  mask (H, W) bool
    """
    H, W = rle.size
    on = np.arange(len(rle.counts)) % 2 == 1
    return np.repeat(on, rle.counts).reshape(W, H).T


def decode_many(rles, *, size):
    """Mirror of encode_many; size (H, W) is needed for an empty list.

    list of M RLE  ->  masks (M, H, W) bool
    """
    masks = np.zeros((len(rles), *size), bool)
    for mask, rle in zip(masks, rles):
        if tuple(rle.size) != tuple(size):
            raise ShapeError(f"decode_many: every mask must be of size {tuple(size)}; got {tuple(rle.size)}")
        mask[...] = decode(rle)
    return masks


def area(rle):
    """Number of pixels that are on."""
    return int(rle.counts[1::2].sum())


# ---------------------------------------------------------------- intersection over union


def intersections(detections, truths):
    """Pixels that two masks share, for every pair, without decoding.

    list of D RLE, list of G RLE  ->  pixels (D, G) float64

    Let F(p) count the pixels of a truth before position p. A run [s, e) of a detection shares F(e) - F(s) pixels with
    that truth, and F is piecewise linear: one np.interp per truth serves all runs of all detections.
    """
    _check_sizes("intersections", [*detections, *truths])
    D, G = len(detections), len(truths)
    ends = [np.cumsum(rle.counts) for rle in detections]
    stop = np.concatenate([e[1::2] for e in ends]) if D else np.zeros(0)
    start = np.concatenate([e[:-1:2] for e in ends]) if D else np.zeros(0)
    owner = np.repeat(np.arange(D), [len(e) // 2 for e in ends])
    pixels = np.zeros((D, G))
    for g, rle in enumerate(truths):
        position = np.concatenate([[0], np.cumsum(rle.counts)])
        on = rle.counts * (np.arange(len(rle.counts)) % 2)
        before = np.concatenate([[0], np.cumsum(on)])
        shared = np.interp(stop, position, before) - np.interp(start, position, before)
        pixels[:, g] = np.bincount(owner, weights=shared, minlength=D)
    return pixels


def iou(detections, truths, crowd=None):
    """Intersection over union of every pair; for a crowd region, intersection over the detection's area.

    list of D RLE, list of G RLE, crowd (G,) bool  ->  iou (D, G) float64

    A detection wholly inside a crowd region thus scores 1: COCO does not blame it. Two empty masks score 0.
    """
    if crowd is not None and len(crowd) != len(truths):
        raise ShapeError(f"iou: crowd must have one entry for each of {len(truths)} truths; got {len(crowd)}")
    shared = intersections(detections, truths)
    detection_area = np.array([area(rle) for rle in detections], np.float64)[:, None]
    truth_area = np.array([area(rle) for rle in truths], np.float64)
    union = detection_area + truth_area - shared
    if crowd is not None:
        union = np.where(np.asarray(crowd, bool), detection_area, union)
    return shared / np.maximum(union, 1)


def _check_sizes(name, rles):
    sizes = {tuple(rle.size) for rle in rles}
    if len(sizes) > 1:
        raise ShapeError(f"{name}: all masks must be of one size; got {sorted(sizes)}")


# ---------------------------------------------------------------- COCO's string


def to_string(rle):
    """Pack the counts as COCO does: from the fourth on as the difference to the count two before, 5 bits a character.

    RLE  ->  str

    Each number is cut into groups of 5 bits, lowest first; bit 6 says that more follow; 48 makes it printable.
    """
    number = rle.counts.astype(np.int64)
    number[3:] -= rle.counts[1:-2]
    shifted = number[:, None] >> (5 * np.arange(8))  # (runs, 8): what is left before each group
    group, rest = shifted & 31, shifted >> 5
    done = rest == np.where(group & 16, -1, 0)  # the rest is only copies of the sign bit
    last = done.argmax(axis=1)[:, None]
    place = np.arange(8)
    characters = group + np.where(place < last, 32, 0) + 48
    return characters[place <= last].astype(np.uint8).tobytes().decode("ascii")


def from_string(text, *, size):
    """Mirror of to_string; DataError when the string is cut off or does not fill H x W pixels.

    str or bytes  ->  RLE
    """
    raw = text.encode("latin-1", "replace") if isinstance(text, str) else bytes(text)
    code = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if len(code) == 0 or code.min() < 0 or code.max() > 63 or code[-1] & 32:
        raise DataError(f"from_string: not a complete run-length string: {_shorten(raw)}")
    last = np.flatnonzero((code & 32) == 0)  # where each number ends
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(code)) - np.repeat(first, last - first + 1)
    if place.max() > 7:
        raise DataError(f"from_string: a number is too long: {_shorten(raw)}")
    number = np.add.reduceat((code & 31) << (5 * place), first)
    number -= np.where(code[last] & 16, 1 << (5 * (last - first + 1)), 0)  # the sign bit
    number[1::2] = np.cumsum(number[1::2])
    number[2::2] = np.cumsum(number[2::2])
    return _from_counts(number, size, "from_string")


def to_coco(rle):
    """The dictionary of COCO's result files.

    RLE  ->  {"size": [H, W], "counts": str}
    """
    return {"size": [int(side) for side in rle.size], "counts": to_string(rle)}


def from_coco(entry):
    """Mirror of to_coco; takes counts as a string or as a list (COCO writes crowd regions as lists).

    {"size": [H, W], "counts": str or list}  ->  RLE
    """
    if not isinstance(entry, dict) or not {"size", "counts"} <= set(entry):
        raise ArgumentError(f"from_coco: entry must be a dict with size and counts; got {type(entry).__name__}")
    if isinstance(entry["counts"], (str, bytes)):
        return from_string(entry["counts"], size=entry["size"])
    return _from_counts(np.array(entry["counts"], np.int64), entry["size"], "from_coco")


def _from_counts(counts, size, name):
    H, W = (int(side) for side in size)
    if (counts < 0).any() or counts.sum() != H * W:
        raise DataError(f"{name}: the runs must fill {H} x {W} = {H * W} pixels; they count {int(counts.sum())}")
    return RLE((H, W), counts)


def _shorten(raw):
    return repr(raw if len(raw) < 40 else raw[:40] + b"...")
