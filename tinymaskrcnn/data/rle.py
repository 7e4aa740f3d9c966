"""Run-length encoded masks, as COCO stores them: the lengths of alternating runs, down the columns, first run off.

The mask [[0, 1], [1, 1]] reads 0, 1, 1, 1 down its columns: counts [1, 3]. A mask that starts with a set pixel has
counts[0] = 0. COCO's files hold the counts as a list, or packed into a short string (`to_string`).
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError, DataError, ShapeError, shown


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


def encoded(masks):
    """Masks as run lengths, whichever they are.

    masks (M, H, W), or a list of M RLE  ->  list of M RLE
    """
    return list(masks) if isinstance(masks, (list, tuple)) else encode_many(masks)


def from_edges(edges, *, size):
    """A mask that is switched on and off, in turn, at these places down its columns; a run that goes on is one run.

    edges (E,) ascending, no place more than twice, size (H, W)  ->  RLE
    """
    H, W = size
    changes = edges[1:] != edges[:-1]  # equal: off at the bottom of a column, on at the top of the next
    kept = edges < H * W
    kept[1:] &= changes
    kept[:-1] &= changes
    stops = np.concatenate([[0], edges[kept], [H * W]])
    return RLE((H, W), stops[1:] - stops[:-1])


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


def to_boxes(rles):
    """The smallest box around each mask; four zeros for an empty one.

    list of M RLE  ->  boxes (M, 4) float64
    """
    boxes = np.zeros((len(rles), 4))
    counts, owner, place = side_by_side([rle.counts for rle in rles])
    pixels = np.array([rle.size[0] * rle.size[1] for rle in rles], np.int64)
    stop = np.cumsum(counts) - (np.cumsum(pixels) - pixels)[owner]
    on = (place % 2 == 1) & (counts > 0)
    owner, start, stop = owner[on], (stop - counts)[on], stop[on]
    if len(owner) == 0:
        return boxes
    H = np.array([rle.size[0] for rle in rles])[owner]
    (x1, y1), (x2, y2) = np.divmod(start, H), np.divmod(stop - 1, H)
    spans = x2 > x1  # a run that goes on into the next column touches the lower border, and the upper one
    y1, y2 = np.where(spans, 0, y1), np.where(spans, H - 1, y2)
    first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    lowest = [np.minimum.reduceat(v, first) for v in (x1, y1)]
    highest = [np.maximum.reduceat(v, first) + 1 for v in (x2, y2)]
    boxes[owner[first]] = np.stack(lowest + highest, axis=1)
    return boxes


def side_by_side(parts):
    """Arrays of several lengths as one, with the number of the array that each entry is from and its place in there."""
    lengths = np.array([len(part) for part in parts], np.int64)
    owner = np.repeat(np.arange(len(parts)), lengths)
    place = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64), owner, place


def from_boxes(boxes, *, size):
    """Filled boxes as masks, cut off at the border of a picture of H x W pixels.

    boxes (M, 4)  ->  list of M RLE

    Borders are rounded to fifths of a pixel first, and a pixel is on when the middle fifth of it lies inside: that is
    how COCO fills polygons.
    """
    H, W = _picture_size(size, "from_boxes")
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ShapeError(f"from_boxes: boxes must be finite and (M, 4); got shape {boxes.shape}")
    fifths = np.trunc(5 * boxes + 0.5)
    borders = np.clip(np.ceil((fifths - 2) / 5), 0, [W, H, W, H]).astype(np.int64)
    return [_filled(*box, H, W) for box in borders.tolist()]


def _filled(x1, y1, x2, y2, H, W):
    """The box of whole pixels x1 <= x < x2, y1 <= y < y2."""
    if x2 <= x1 or y2 <= y1:
        return RLE((H, W), np.array([H * W]))
    starts = np.arange(x1, x2) * H
    edges = np.stack([starts + y1, starts + y2], axis=1).ravel()
    if y2 - y1 == H:  # whole columns are one run
        edges = edges[[0, -1]]
    counts = np.diff(edges, prepend=0, append=H * W)
    return RLE((H, W), counts if counts[-1] else counts[:-1])


def merge(rles, *, intersect=False):
    """The union of masks of one size, or what is common to all of them, without decoding.

    list of M RLE, M >= 1  ->  RLE
    """
    if len(rles) == 0:
        raise ArgumentError("merge: needs at least one mask, for its size; got an empty list")
    _check_sizes("merge", rles)
    position = np.concatenate([np.cumsum(rle.counts)[: len(rle.counts) // 2 * 2] for rle in rles])
    change = np.concatenate([np.tile([1, -1], len(rle.counts) // 2) for rle in rles])
    order = np.argsort(position, kind="stable")
    position, cover = position[order], np.cumsum(change[order])  # how many masks are on from here
    final = np.append(position[1:] != position[:-1], True)[: len(position)]  # of several changes at one place, the last
    position, on = position[final], cover[final] >= (len(rles) if intersect else 1)
    turns = position[on != np.append(False, on[:-1])[: len(on)]]
    H, W = rles[0].size
    counts = np.diff(turns, prepend=0, append=H * W)
    return RLE((H, W), counts if counts[-1] or len(counts) == 1 else counts[:-1])


# ---------------------------------------------------------------- intersection over union


def intersections(detections, truths):
    """Pixels that two masks share, for every pair, without decoding.

    list of D RLE, list of G RLE  ->  pixels (D, G) float64
    """
    detection, truth = np.indices((len(detections), len(truths))).reshape(2, -1)
    return pair_intersections(detections, truths, detection, truth).reshape(len(detections), len(truths))


def pair_intersections(detections, truths, detection, truth):
    """Pixels that the masks of each pair share, given as row numbers detection (P,) and truth (P,).

    list of D RLE, list of G RLE  ->  pixels (P,) float64

    Let F(p) count the pixels of a truth before position p. A run [s, e) of a detection shares F(e) - F(s) pixels with
    that truth, and F is piecewise linear: one np.interp per truth serves all runs of all its detections.
    """
    _check_sizes("intersections", [*detections, *truths])
    pixels = np.zeros(len(detection))
    near = np.flatnonzero(_meet(to_boxes(detections)[detection], to_boxes(truths)[truth]))  # most pairs share nothing
    pixels[near] = _shared_pixels(detections, truths, detection[near], truth[near])
    return pixels


def _meet(a, b):
    """Whether the boxes of each pair overlap: a (P, 4), b (P, 4)  ->  (P,) bool"""
    return (np.maximum(a[:, :2], b[:, :2]) < np.minimum(a[:, 2:], b[:, 2:])).all(axis=1)


def _shared_pixels(detections, truths, detection, truth):
    edges = {}  # of each detection: where its runs that are on start and stop, in turn
    for d in np.unique(detection).tolist():
        counts = detections[d].counts
        edges[d] = np.cumsum(counts[: len(counts) // 2 * 2])
    pixels = np.zeros(len(detection))
    for g in np.unique(truth).tolist():
        pairs = np.flatnonzero(truth == g)
        parts = [edges[d] for d in detection[pairs].tolist()]
        counts = truths[g].counts
        position = np.concatenate([[0], np.cumsum(counts)])
        before = np.concatenate([[0], np.cumsum(counts * (np.arange(len(counts)) % 2))])
        start_stop = np.interp(np.concatenate(parts), position, before).reshape(-1, 2)
        shared = np.concatenate([[0], np.cumsum(start_stop[:, 1] - start_stop[:, 0])])
        last = np.cumsum([len(part) // 2 for part in parts])
        pixels[pairs] = np.diff(shared[last], prepend=0)
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
    return from_strings([text], sizes=[size])[0]


def from_strings(texts, *, sizes):
    """Read many strings at once, which is what makes it fast.

    list of M str or bytes, list of M sizes (H, W)  ->  list of M RLE
    """
    raws = [_bytes_of(text) for text in texts]
    code, text, _ = side_by_side([np.frombuffer(raw, np.uint8) for raw in raws])
    code = code.astype(np.int64) - 48
    _check_characters(raws, code, text)
    if len(raws) == 0:
        return []
    last = np.flatnonzero((code & 32) == 0)  # where each number ends
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(code)) - np.repeat(first, last - first + 1)
    if place.max() > 7:
        raise DataError(f"from_string: a number is too long: {_shorten(raws[text[place.argmax()]])}")
    number = np.add.reduceat((code & 31) << (5 * place), first)
    number -= np.where(code[last] & 16, 1 << (5 * (last - first + 1)), 0)  # the sign bit
    borders = np.searchsorted(text[last], np.arange(len(raws) + 1))
    _undo_differences(number, text[last], borders)
    return _fill_pictures(number, borders, sizes)


def _bytes_of(text):
    if not isinstance(text, str):
        return bytes(text)
    if not text.isascii():  # the strings are made of 64 characters, which all are
        raise DataError(f"from_string: not a complete run-length string: {shown(text)}")
    return text.encode("ascii")


def _undo_differences(number, text, borders):
    """Add to each number from its fourth on the one two before it, within every string; in place."""
    place = np.arange(len(number)) - borders[text]
    for chosen in (place % 2 == 1, (place % 2 == 0) & (place > 0)):
        rows = np.flatnonzero(chosen)
        total = np.concatenate([[0], np.cumsum(number[rows])])  # running over all strings
        before = total[np.searchsorted(rows, borders[:-1])]  # what the strings before this one add up to
        number[rows] = total[1:] - before[text[rows]]


def _fill_pictures(number, borders, sizes):
    """Cut the counts of many masks apart, all of which must fill their pictures."""
    distinct = {repr(size): size for size in sizes}  # most often only one
    distinct = {text: _picture_size(size, "from_string") for text, size in distinct.items()}
    sizes = [distinct[repr(size)] for size in sizes]
    pixels = np.array([H * W for H, W in sizes])
    first = borders[:-1]
    wrong = np.add.reduceat(number, first) != pixels
    wrong |= (np.minimum.reduceat(number, first) < 0) | (np.maximum.reduceat(number, first) > pixels)
    if wrong.any():
        k = int(wrong.argmax())
        _from_counts(number[borders[k] : borders[k + 1]], sizes[k], "from_string")  # raises
    return [RLE(size, number[i:j]) for size, i, j in zip(sizes, first.tolist(), borders[1:].tolist())]


def _check_characters(raws, code, text):
    """Every string must have characters, all of 6 bits, and the last one without the bit that says "more follow"."""
    lengths = np.array([len(raw) for raw in raws], np.int64)
    wrong = np.flatnonzero(lengths == 0)
    if len(wrong) == 0:
        wrong = np.append(text[(code < 0) | (code > 63)], np.flatnonzero(code[np.cumsum(lengths) - 1] & 32))
    if len(wrong):
        raise DataError(f"from_string: not a complete run-length string: {_shorten(raws[wrong[0]])}")


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
    try:
        counts = np.array(entry["counts"])
    except ValueError:  # lists of several lengths
        counts = np.zeros((), object)
    if counts.ndim != 1 or counts.dtype.kind not in "iu":
        raise DataError("from_coco: counts must be a string or a list of whole numbers")
    return _from_counts(counts.astype(np.int64), entry["size"], "from_coco")


def _from_counts(counts, size, name):
    H, W = _picture_size(size, name)
    # each one too, because a sum of huge numbers wraps around
    if counts.sum() != H * W or counts.min(initial=0) < 0 or counts.max(initial=0) > H * W:
        total = sum(counts.tolist())
        raise DataError(f"{name}: the runs must fill {H} x {W} = {H * W} pixels; they count {total}")
    return RLE((H, W), counts)


def _picture_size(size, name):
    whole = isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(s, (int, np.integer)) for s in size)
    if not whole or min(size) < 0 or int(size[0]) * int(size[1]) >= 2**40:
        raise DataError(
            f"{name}: size must be [H, W] of a possible picture, two whole numbers from 0 up; got {_shorten(size)}"
        )
    return int(size[0]), int(size[1])


def _shorten(value):
    text = repr(value[:40]) if isinstance(value, (bytes, str)) else repr(value)
    return text if len(text) < 60 else text[:60] + "..."
