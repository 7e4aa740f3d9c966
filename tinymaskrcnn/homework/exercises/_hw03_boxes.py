"""Exercises on IoU and deltas."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake


def random_boxes(rng, *shape, size=20.0, dtype=np.float64):
    """Boxes with sides of at least 1 inside a square of `size`: (..., 4)."""
    corner = rng.uniform(0, size / 2, (*shape, 2))
    side = rng.uniform(1, size / 2, (*shape, 2))
    return np.concatenate([corner, corner + side], axis=-1).astype(dtype)


def _pairs(*leading, dtype=np.float64):
    """Two sets of boxes that lie in one another's way, with any leading axes."""
    *front, k, m = leading
    return lambda rng: Call(
        (random_boxes(rng, *front, k, size=12, dtype=dtype), random_boxes(rng, *front, m, size=12, dtype=dtype))
    )


def _boxes(*lists):
    return lambda rng: Call(tuple(np.array(boxes, np.float64).reshape(-1, 4) for boxes in lists))


IOU = Exercise(
    id="hw03.iou_matrix",
    title="Intersection over union, every box with every box",
    points=3,
    lesson="04",
    recipe="""
        Boxes are corners x1, y1, x2, y2; there is no + 1 anywhere. `_corners(boxes)` gives the four coordinates
        apart, each without the last axis.
        1. Give a an axis for the boxes of b, and b one for the boxes of a, so that they meet as (..., K, 1) and
           (..., 1, M).
        2. The intersection reaches from the larger of the two left edges to the smaller of the two right edges;
           the same for top and bottom. Boxes that do not meet have no intersection: neither of its sides may
           count below 0.
        3. The union is both areas together, less what was counted twice. `area(boxes)` gives (...), with 0 for
           a box whose corners are swapped.
        4. Divide; two empty boxes have IoU 0, not 0 / 0.
        Return the matrix (..., K, M).
    """,
    returns=("iou",),
    cases=(
        Case("one box with three", "value", _boxes([[0, 0, 2, 2]], [[1, 1, 3, 3], [0, 0, 2, 2], [0, 0, 2, 4]])),
        Case(
            "boxes side by side, apart, and corner to corner",
            "value",
            _boxes([[0, 0, 2, 2]], [[2, 0, 4, 2], [3, 3, 9, 9], [2, 2, 3, 3]]),
            "boxes that share no area",
        ),
        Case("many with many", "value", _pairs(6, 5), hidden=True),
        Case(
            "boxes with sides below 1",
            "adversarial",
            _boxes([[0, 0, 0.2, 0.2]], [[0.1, 0.1, 0.3, 0.3]]),
            "the boxes of a picture counted in other units: scale changes no IoU, this one is 1/7",
        ),
        Case(
            "boxes as large as a picture",
            "adversarial",
            _boxes([[0, 0, 2000, 1000]], [[1000, 500, 3000, 1500]]),
            "scale changes no IoU: this one is 1/7 as well",
            hidden=True,
        ),
        Case(
            "tiny boxes",
            "adversarial",
            _boxes([[0, 0, 2e-3, 2e-3]], [[1e-3, 1e-3, 3e-3, 3e-3]]),
            "a small number added to the union is not small beside theirs",
        ),
        Case("float32 stays float32", "shape", _pairs(3, 2, dtype=np.float32)),
        Case("two pictures at once", "shape", _pairs(2, 3, 4), "leading axes: (2, 3, 4) with (2, 4, 4)"),
        Case(
            "empty boxes and swapped corners",
            "adversarial",
            _boxes([[1, 1, 1, 1], [4, 4, 2, 2], [0, 0, 4, 4]], [[1, 1, 1, 1], [0, 0, 4, 4], [3, 3, 1, 1]]),
            "boxes without area: their IoU is 0 and never NaN",
        ),
        Case("one inside the other", "adversarial", _boxes([[0, 0, 10, 10]], [[4, 4, 6, 6], [0, 0, 10, 5]])),
        Case("no boxes", "adversarial", _boxes(np.zeros((0, 4)), [[0, 0, 1, 1]]), "K = 0: a matrix of shape (0, 1)"),
        Case(
            "far apart along both axes",
            "adversarial",
            _boxes([[0, 0, 1, 1]], [[3, 3, 5, 5]]),
            "a negative width times a negative height is positive",
        ),
        Case("nothing is written into", "ownership", _pairs(3, 4)),
    ),
    mistakes=(
        Mistake(
            "the sides of the intersection are not held at 0: two negative sides make a positive area out of nothing",
            (
                (
                    "width = xp.maximum(xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1), 0)",
                    "width = xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1)",
                ),
                (
                    "height = xp.maximum(xp.minimum(ay2, by2) - xp.maximum(ay1, by1), 0)",
                    "height = xp.minimum(ay2, by2) - xp.maximum(ay1, by1)",
                ),
            ),
        ),
        Mistake(
            "the area of the intersection is held at 0, its sides are not: two negative sides make a positive area out "
            "of nothing, so hold each side at 0",
            (
                (
                    "width = xp.maximum(xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1), 0)",
                    "width = xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1)",
                ),
                (
                    "height = xp.maximum(xp.minimum(ay2, by2) - xp.maximum(ay1, by1), 0)",
                    "height = xp.minimum(ay2, by2) - xp.maximum(ay1, by1)",
                ),
                ("width * height", "xp.maximum(width * height, 0)"),
            ),
        ),
        Mistake(
            "the union is held at 1: boxes may be smaller than that, and scale changes no IoU; only a union of 0 needs "
            "another number",
            (("xp.where(union > 0, union, 1)", "xp.maximum(union, 1)"),),
        ),
        *(
            Mistake(
                "you add a small number to the union, or hold it at one: beside small boxes it is not small; only a "
                "union of 0 needs another number",
                (("xp.where(union > 0, union, 1)", f"({instead})"),),
            )
            for instead in [
                *(f"union + 1e-{digits}" for digits in (12, 10, 9, 8, 7, 6, 5, 3)),
                *(f"xp.maximum(union, 1e-{digits})" for digits in (5, 4, 3)),
            ]
        ),
        Mistake(
            "the union counts the intersection twice: take it away once",
            (("[..., None, :] - intersection", "[..., None, :]"),),
        ),
        Mistake(
            "you add 1 to the sides: coordinates are continuous here, and a box from 0 to 2 is 2 wide",
            (
                (
                    "xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1), 0)",
                    "xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1) + 1, 0)",
                ),
                (
                    "xp.minimum(ay2, by2) - xp.maximum(ay1, by1), 0)",
                    "xp.minimum(ay2, by2) - xp.maximum(ay1, by1) + 1, 0)",
                ),
                (
                    "area(a)[..., :, None] + area(b)[..., None, :]",
                    "(ax2 - ax1 + 1) * (ay2 - ay1 + 1) + (bx2 - bx1 + 1) * (by2 - by1 + 1)",
                ),
            ),
        ),
        Mistake(
            "you add 1 to the sides of the intersection: coordinates are continuous here, there is no + 1",
            (
                (
                    "xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1), 0)",
                    "xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1) + 1, 0)",
                ),
                (
                    "xp.minimum(ay2, by2) - xp.maximum(ay1, by1), 0)",
                    "xp.minimum(ay2, by2) - xp.maximum(ay1, by1) + 1, 0)",
                ),
            ),
        ),
        Mistake(
            "you divide by the smaller of the two areas: that is the overlap, not the IoU",
            (
                (
                    "area(a)[..., :, None] + area(b)[..., None, :] - intersection",
                    "xp.minimum(area(a)[..., :, None], area(b)[..., None, :])",
                ),
            ),
        ),
        Mistake(
            "two boxes without area give 0 / 0: where the union is empty, divide by 1 instead",
            (("xp.where(union > 0, union, 1)", "union"),),
        ),
        Mistake(
            "the intersection reaches from the smaller left edge to the larger right edge: that is the box around both",
            (
                ("xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1)", "xp.maximum(ax2, bx2) - xp.minimum(ax1, bx1)"),
                ("xp.minimum(ay2, by2) - xp.maximum(ay1, by1)", "xp.maximum(ay2, by2) - xp.minimum(ay1, by1)"),
            ),
        ),
    ),
)


# ---------------------------------------------------------------- deltas


def _matched(rng, *shape, dtype=np.float64, **data):
    """Boxes with their anchors."""
    return Call((random_boxes(rng, *shape, dtype=dtype), random_boxes(rng, *shape, dtype=dtype)), data)


WEIGHTS = {"weights": (10.0, 20.0, 5.0, 2.0)}

ENCODE = Exercise(
    id="hw03.encode",
    title="From an anchor to a box: deltas",
    points=2,
    lesson="04",
    recipe="""
        `to_center(boxes)` turns corners into centre and size: (..., 4) with cx, cy, width, height;
        `_corners(...)` takes the four numbers apart.
        1. Take centre and size of the boxes (gx, gy, gw, gh) and of the anchors (ax, ay, aw, ah).
        2. Hold all four sides at SMALLEST_SIDE at least: rows that only fill up an array may be all zero, and a
           logarithm of 0 helps nobody.
        3. dx and dy: how far to move the centre, counted in widths or heights of the anchor. dw and dh: the
           logarithm of how many times as wide or high the box is as the anchor.
        4. Each delta times its weight (wx, wy, ww, wh).
        Return the deltas (..., 4), stacked along the last axis.
    """,
    returns=("deltas",),
    cases=(
        Case(
            "moved, and moved and grown",
            "value",
            lambda rng: Call((np.array([[2.0, 2, 6, 10], [0, 0, 8, 4]]), np.array([[0.0, 0, 4, 8], [0, 0, 4, 4]]))),
        ),
        Case("wide anchors and high ones", "value", lambda rng: _matched(rng, 5), hidden=True),
        Case(
            "a box that is the anchor",
            "value",
            lambda rng: Call((np.array([[1.0, 2, 5, 4]]), np.array([[1.0, 2, 5, 4]]))),
            "all deltas are 0",
        ),
        Case("with weights", "adversarial", lambda rng: _matched(rng, 4, **WEIGHTS), "four different weights"),
        Case("float32 stays float32", "shape", lambda rng: _matched(rng, 3, dtype=np.float32)),
        Case("two pictures at once", "shape", lambda rng: _matched(rng, 2, 3), "leading axes: (2, 3, 4)"),
        Case(
            "rows of zeros",
            "adversarial",
            lambda rng: Call((np.zeros((2, 4)), np.array([[0.0, 0, 0, 0], [0, 0, 4, 4]]))),
            "rows that only fill up an array: the result stays finite",
        ),
        Case("no boxes", "adversarial", lambda rng: Call((np.zeros((0, 4)), np.zeros((0, 4))))),
        Case("nothing is written into", "ownership", lambda rng: _matched(rng, 3)),
    ),
    mistakes=(
        Mistake(
            "the way is counted in pixels: divide dx by the width and dy by the height of the anchor",
            (("(gx - ax) / aw", "(gx - ax)"), ("(gy - ay) / ah", "(gy - ay)")),
        ),
        Mistake(
            "the way is divided by the size of the box: it is the anchor that everybody knows at inference",
            (("(gx - ax) / aw", "(gx - ax) / gw"), ("(gy - ay) / ah", "(gy - ay) / gh")),
        ),
        Mistake(
            "dw and dh are ratios without their logarithm",
            (("xp.log(gw / aw)", "gw / aw"), ("xp.log(gh / ah)", "gh / ah")),
        ),
        Mistake(
            "the logarithm has its fraction upside down: box over anchor",
            (("xp.log(gw / aw)", "xp.log(aw / gw)"), ("xp.log(gh / ah)", "xp.log(ah / gh)")),
        ),
        Mistake(
            "the way points from the box to the anchor: subtract the anchor from the box",
            (("(gx - ax)", "(ax - gx)"), ("(gy - ay)", "(ay - gy)")),
        ),
        Mistake(
            "the deltas are divided by their weights: multiply (decode divides)",
            (
                ("wx * (gx - ax) / aw", "(gx - ax) / aw / wx"),
                ("wy * (gy - ay) / ah", "(gy - ay) / ah / wy"),
                ("ww * xp.log(gw / aw)", "xp.log(gw / aw) / ww"),
                ("wh * xp.log(gh / ah)", "xp.log(gh / ah) / wh"),
            ),
        ),
        Mistake(
            "the weights are left out",
            (("wx * (gx", "(gx"), ("wy * (gy", "(gy"), ("ww * xp", "xp"), ("wh * xp", "xp")),
        ),
        Mistake(
            "a row of zeros gives NaN or infinity: hold all sides at SMALLEST_SIDE first",
            (("(xp.maximum(side, SMALLEST_SIDE) for side in (gw, gh, aw, ah))", "gw, gh, aw, ah"),),
        ),
        Mistake(
            "dy is divided by the anchor's width: vertical ways are counted in heights",
            (("(gy - ay) / ah", "(gy - ay) / aw"),),
        ),
        Mistake(
            "the way leads from corner to corner: deltas lead from centre to centre",
            (
                (
                    "gx, gy, gw, gh = _corners(to_center(boxes))",
                    "gx, gy, gw, gh = *_corners(boxes)[:2], *_corners(to_center(boxes))[2:]",
                ),
                (
                    "ax, ay, aw, ah = _corners(to_center(anchors))",
                    "ax, ay, aw, ah = *_corners(anchors)[:2], *_corners(to_center(anchors))[2:]",
                ),
            ),
        ),
    ),
)


def _deltas(rng, *shape, scale=0.5, dtype=np.float64, **data):
    return Call((rng.normal(0, scale, (*shape, 4)).astype(dtype), random_boxes(rng, *shape, dtype=dtype)), data)


DECODE = Exercise(
    id="hw03.decode",
    title="Deltas applied to anchors",
    points=2,
    lesson="04",
    recipe="""
        The inverse of encode: what encode did last is undone first.
        1. Take the four deltas apart, and the anchors' centre and size.
        2. Divide each delta by its weight.
        3. Move the centre by dx widths and dy heights of the anchor.
        4. Grow the sides by exp(dw) and exp(dh), after holding dw and dh at `clamp` at most, so that a wild
           prediction cannot overflow. Only upwards: a box may shrink as it likes.
        5. Back to corners: `from_center(...)` takes (..., 4) with cx, cy, width, height.
        Return the boxes (..., 4).
    """,
    returns=("boxes",),
    cases=(
        Case(
            "move, grow, and nothing",
            "value",
            lambda rng: Call(
                (
                    np.array([[0.5, -0.5, 0, 0], [0, 0, np.log(2), 0], [0, 0, 0, 0]]),
                    np.array([[0.0, 0, 4, 8], [0, 0, 4, 4], [1, 2, 5, 4]]),
                )
            ),
        ),
        Case("many", "value", lambda rng: _deltas(rng, 5), hidden=True),
        Case(
            "with weights", "adversarial", lambda rng: _deltas(rng, 4, scale=3.0, **WEIGHTS), "four different weights"
        ),
        Case("float32 stays float32", "shape", lambda rng: _deltas(rng, 3, dtype=np.float32)),
        Case("two pictures at once", "shape", lambda rng: _deltas(rng, 2, 3), "leading axes: (2, 3, 4)"),
        Case(
            "a wild prediction",
            "adversarial",
            lambda rng: Call((np.array([[0.0, 0, 1000, 900], [0, 0, 6, -1000]]), random_boxes(rng, 2))),
            "dw = 1000: a box grows 62.5 times at most, and shrinks without a limit",
        ),
        Case(
            "wild with weights",
            "adversarial",
            lambda rng: Call((np.array([[0.0, 0, 10, 10]]), random_boxes(rng, 1)), {"weights": (10.0, 10.0, 5.0, 5.0)}),
            "10 / 5 = 2 is below the clamp, 10 is not: divide first",
        ),
        Case("no boxes", "adversarial", lambda rng: Call((np.zeros((0, 4)), np.zeros((0, 4))))),
        Case("nothing is written into", "ownership", lambda rng: _deltas(rng, 3)),
    ),
    mistakes=(
        Mistake(
            "dx and dy are added as pixels: they count widths and heights of the anchor",
            (("dx / wx * aw", "dx / wx"), ("dy / wy * ah", "dy / wy")),
        ),
        Mistake(
            "the size is multiplied by dw itself: it was a logarithm, so take exp",
            (
                ("xp.exp(xp.minimum(dw / ww, clamp))", "xp.minimum(dw / ww, clamp)"),
                ("xp.exp(xp.minimum(dh / wh, clamp))", "xp.minimum(dh / wh, clamp)"),
            ),
        ),
        Mistake(
            "nothing holds dw and dh at `clamp`: exp(1000) is infinite",
            (("xp.minimum(dw / ww, clamp)", "dw / ww"), ("xp.minimum(dh / wh, clamp)", "dh / wh")),
        ),
        Mistake(
            "the clamp comes before the weights: divide first, then hold",
            (
                ("xp.minimum(dw / ww, clamp)", "xp.minimum(dw, clamp) / ww"),
                ("xp.minimum(dh / wh, clamp)", "xp.minimum(dh, clamp) / wh"),
            ),
        ),
        Mistake(
            "the weights are left out",
            (("dx / wx", "dx"), ("dy / wy", "dy"), ("dw / ww", "dw"), ("dh / wh", "dh")),
        ),
        Mistake(
            "the deltas are multiplied by their weights: encode did that, decode divides",
            (("dx / wx", "dx * wx"), ("dy / wy", "dy * wy"), ("dw / ww", "dw * ww"), ("dh / wh", "dh * wh")),
        ),
        Mistake(
            "centre and size are returned as they are: from_center makes corners of them",
            (("from_center(xp.stack([cx, cy, w, h], axis=-1))", "xp.stack([cx, cy, w, h], axis=-1)"),),
        ),
        Mistake(
            "dw and dh are held from below too: a box may shrink as it likes",
            (
                ("xp.minimum(dw / ww, clamp)", "xp.clip(dw / ww, -clamp, clamp)"),
                ("xp.minimum(dh / wh, clamp)", "xp.clip(dh / wh, -clamp, clamp)"),
            ),
        ),
        Mistake(
            "the size is growth added to the anchor's: it is multiplied, w = aw * exp(dw)",
            (("w = aw * xp.exp", "w = aw + xp.exp"), ("h = ah * xp.exp", "h = ah + xp.exp")),
        ),
    ),
)
