"""The exercise on what the mask head should answer."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import drawn


def _square():
    """One picture of 4x4 pixels with one object: the middle four."""
    masks = np.zeros((1, 1, 4, 4), bool)
    masks[0, 0, 1:3, 1:3] = True
    return masks


def _wide():
    """One picture of 3x6 pixels with one object in its upper two rows, four columns wide."""
    masks = np.zeros((1, 1, 3, 6), bool)
    masks[0, 0, :2, 1:5] = True
    return masks


def _cut(rois, size=2, *, aligned=True, masks=None, matched=None):
    rois = np.array(rois, np.float64).reshape(-1, 4)
    masks = _square() if masks is None else masks
    matched = np.zeros(len(rois), np.int64) if matched is None else np.array(matched)
    sizes = np.repeat([masks.shape[2:]], len(masks), axis=0)
    return lambda rng: Call((masks, rois, matched), {"sizes": sizes, "size": size, "aligned": aligned})


def _random_cut(dtype=np.float64, kind=bool, aligned=True):
    def make(rng):
        masks = (rng.random((2, 3, 9, 11)) < 0.5).astype(kind)
        corner = rng.uniform(0, 5, (4, 2))
        rois = np.concatenate([corner, corner + rng.uniform(1, 4, (4, 2))], axis=1).astype(dtype)
        sizes = np.array([[9, 11], [9, 11]])
        return Call((masks, rois, rng.integers(0, 6, 4)), {"sizes": sizes, "size": 3, "aligned": aligned})

    return make


def _at_the_border(aligned):
    """Two pictures of different sizes in one batch, each with a RoI that ends at its lower right corner."""

    def make(rng):
        sizes = np.array([[9, 6], [5, 11]])
        masks = np.zeros((2, 2, 9, 11), np.uint8)
        for own, (height, width) in zip(masks, sizes):
            own[:, :height, :width] = rng.random((2, height, width)) < 0.8
        rois = np.array([[1, 2, 6, 9], [3, 1, 11, 5], [2, 3, 6, 9]], np.float64)
        return Call((masks, rois, np.array([1, 2, 0])), {"sizes": sizes, "size": 3, "aligned": aligned})

    return make


def _any_cut(draw):
    """Masks of padded pictures of any size; RoIs of a part of a pixel, of all pixels, and up to every border."""
    rng, (n, m, height, width) = draw.rng, draw.turn([(2, 3, 9, 13), (3, 1, 14, 6), (1, 4, 5, 21)])
    sizes = np.stack([rng.integers(3, length + 1, n) for length in (height, width)], axis=1)
    sizes[0] = height, width
    masks = np.zeros((n, m, height, width), draw.turn([bool, np.uint8]))
    for own, (high, wide) in zip(masks, sizes):
        own[:, :high, :wide] = rng.random((m, high, wide)) < 0.6
    count = draw.turn([7, 1, 160])
    matched = rng.integers(0, n * m, count)
    ends = sizes[matched // m][:, [1, 0, 1, 0]]
    first, second = rng.random((2, count, 2))
    shares = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
    shares = np.where(rng.random((count, 4)) < 0.25, [0, 0, 1, 1], shares)
    data = {"sizes": sizes, "size": draw.turn([3, 7, 2, 1]), "aligned": draw.turn([True, False, False])}
    return Call((masks, (shares * ends).astype(draw.dtype), matched), data)


CHESS = (np.add.outer(np.arange(4), np.arange(5)) % 2 == 0)[None, None]


def _large(rng):
    """Six RoIs of a picture of more than two megapixels: no two of them are looked at together."""
    masks = np.zeros((1, 1, 1500, 1403), bool)
    masks[..., 100:1200:7, 200:] = True
    corner = rng.uniform(0, 1000, (6, 2))
    rois = np.concatenate([corner, corner + rng.uniform(1, 400, (6, 2))], axis=1)
    rois[0] = 150, 90, 1400, 1500
    call = _cut(rois, 3, masks=masks)(rng)
    return Call((masks, rois.astype(np.float32), call.args[2]), call.data)


TARGETS = Exercise(
    id="hw04.mask_targets",
    title="What the mask head should answer",
    points=3,
    lesson="07",
    recipe="""
        Each RoI belongs to an object; its target is that object's mask, seen through the RoI on a grid of size
        x size bins. `roi_align.adaptive_weights(start, end, bins, lengths, longest=..., aligned=aligned)` gives,
        for edges start and end (Q,), each along an axis of lengths (Q,) pixels, a matrix (Q, bins, longest): how
        much each bin takes of each pixel. start, end, bins and lengths are positional.
        1. The masks (N, M, H, W) as one list (N*M, H, W): matched[q] is the row of RoI q's object in it, so that
           its picture is number matched[q] // M.
        2. Pictures were padded to H x W; sizes (N, 2) holds the height and the width of each before that. A mask
           ends where its picture ends: take heights and widths (Q,), one for each RoI.
        3. The weights along the rows, from y1, y2 and the heights, (Q, size, H), and along the columns, from x1,
           x2 and the widths, (Q, size, W).
        4. For each RoI: rows (size, H) times mask (H, W) times columns turned round (W, size). The masks hold 0
           and 1 as bool or uint8: make them floats of the RoIs' dtype first.
        Return targets (Q, size, size) in the dtype of the RoIs: shares between 0 and 1, not rounded. A loop
        over RoIs is fine.
    """,
    returns=("targets",),
    without=("PIXELS",),
    cases=(
        Case("the whole picture in four bins", "value", _cut([[0, 0, 4, 4]]), "each bin is covered by a quarter"),
        Case("the object alone", "value", _cut([[1, 1, 3, 3]]), "all ones"),
        Case("the upper half of the object", "value", _cut([[0, 1, 4, 2]]), "rows come from y, columns from x"),
        Case(
            "a picture wider than high",
            "value",
            _cut([[1, 0, 5, 2], [2, 0, 6, 3]], masks=_wide()),
            "H counts rows and goes with y, W counts columns and goes with x",
        ),
        Case("many", "value", _random_cut(), hidden=True),
        Case("edges between pixels", "adversarial", _cut([[0.5, 0.25, 2.75, 3.5]]), "shares between 0 and 1"),
        Case(
            "objects of the second picture",
            "adversarial",
            _cut([[0, 0, 2, 2], [0, 0, 2, 2]], masks=np.arange(24).reshape(2, 3, 2, 2) % 5 == 0, matched=[4, 5]),
            "matched counts through all pictures: row 4 is object 1 of picture 1",
        ),
        Case("wide pictures, not aligned", "adversarial", _random_cut(aligned=False)),
        Case(
            "at the border of padded pictures",
            "adversarial",
            _at_the_border(aligned=True),
            "beyond the last pixel of a picture lies padding, which is no part of its masks",
        ),
        Case("at the border, not aligned", "adversarial", _at_the_border(aligned=False), hidden=True),
        Case("masks as uint8", "adversarial", _random_cut(kind=np.uint8)),
        Case("no RoIs", "adversarial", _cut(np.zeros((0, 4)))),
        Case("edges close to 0", "adversarial", _cut([[5e-7, 4e-7, 3, 3.5]], 3, masks=CHESS), "5e-7 is not 0"),
        Case("RoIs of a picture of two megapixels", "adversarial", _large),
        Case("a RoI without extent", "adversarial", _cut([[2, 1, 2, 1], [1, 1, 3, 3]], 3)),
        *drawn(
            "any RoIs",
            _any_cut,
            times=12,
            why="pictures of several sizes, padded; bool and uint8; RoIs of a part of a pixel, and up to every border",
        ),
        Case("float32 stays float32", "shape", _random_cut(np.float32)),
        Case("nothing is written into", "ownership", _random_cut()),
    ),
    mistakes=(
        Mistake(
            "x and y are exchanged: rows come from y1 and y2, columns from x1 and x2",
            (
                ("rois[:, 0], rois[:, 2], size, widths", "rois[:, 1], rois[:, 3], size, widths"),
                ("rois[:, 1], rois[:, 3], size, heights", "rois[:, 0], rois[:, 2], size, heights"),
            ),
        ),
        Mistake(
            "the targets are turned on their side: rows times mask times columns, in this order",
            (
                (
                    "rows[part] @ seen @ columns[part].transpose(0, 2, 1)",
                    "(rows[part] @ seen @ columns[part].transpose(0, 2, 1)).transpose(0, 2, 1)",
                ),
            ),
        ),
        Mistake(
            "the targets are rounded to 0 and 1: a bin is a share, and the loss takes shares",
            (("    return targets", "    return (targets >= 0.5).astype(rois.dtype)"),),
        ),
        Mistake(
            "the object is looked for in the first picture: matched counts through all pictures",
            (("masks[matched[part]]", "masks[matched[part] % m]"),),
        ),
        Mistake(
            "aligned is not handed on",
            (
                ("longest=height, aligned=aligned", "longest=height, aligned=True"),
                ("longest=width, aligned=aligned", "longest=width, aligned=True"),
            ),
        ),
        Mistake(
            "the whole mask is shrunk: the target is the mask seen through the RoI",
            (
                ("rois[:, 1], rois[:, 3], size", "0 * rois[:, 1], 0 * rois[:, 3] + height, size"),
                ("rois[:, 0], rois[:, 2], size", "0 * rois[:, 0], 0 * rois[:, 2] + width, size"),
            ),
        ),
        Mistake(
            "at the border of its picture a mask is mixed with zeros of the padding: hand the picture's own height and "
            "width on as lengths",
            (("sizes[matched // m].T", "xp.repeat(xp.asarray([[height, width]]), len(rois), axis=0).T"),),
        ),
        Mistake(
            "height and width of the pictures are exchanged: sizes holds (height, width)",
            (("heights, widths = ", "widths, heights = "),),
        ),
        Mistake(
            "RoI q gets mask q: its object is matched[q]",
            (("masks[matched[part]]", "masks[np.arange(len(matched))[part] % len(masks)]"),),
        ),
    ),
)
