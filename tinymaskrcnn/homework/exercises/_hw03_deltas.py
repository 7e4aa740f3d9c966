"""Exercises on deltas."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import drawn
from ._hw03_boxes import odd_boxes, random_boxes


def _matched(rng, *shape, dtype=np.float64, size=20.0, **data):
    """Boxes with their anchors."""
    return Call(tuple((random_boxes(rng, *shape) * (size / 20)).astype(dtype) for _ in range(2)), data)


FRONTS = (5,), (2, 7), (), (2, 1, 7)


def _any_weights(draw):
    drawn_ones = {"weights": tuple(draw.rng.uniform(0.1, 3, 4).tolist())}
    return draw.turn([drawn_ones, {}, WEIGHTS, {"weights": (2, 3, 5, 7)}, drawn_ones])


def _any_matched(draw):
    front, weights = draw.turn(FRONTS), _any_weights(draw)
    boxes, anchors = ((random_boxes(draw.rng, *front) - 12) * draw.scale for _ in range(2))
    return Call((boxes.astype(draw.dtype), anchors.astype(draw.dtype)), weights)


def _any_deltas(draw):
    front, weights = draw.turn(FRONTS), _any_weights(draw)
    clamp = draw.turn([{}, {"clamp": 0.0}, {"clamp": 0.75}, {"clamp": 5.5}, {"clamp": -0.5}])
    weight = np.array(weights.get("weights", (1.0, 1, 1, 1)))
    deltas = draw.rng.uniform(-2, 2, (*front, 4)) * [1, 1, 3, 3] * weight
    return Call((deltas.astype(draw.dtype), odd_boxes(draw, *front)), weights | clamp)


def _flat(dtype):
    """Anchors without extent along x, y or both, in the middle of their boxes."""
    boxes = np.array([[-1, -2, 1, 2], [-4, -2, 4, 2], [-1, -1, 1, 1], [-3, -2, 3, 2]], dtype)
    anchors = np.array([[0, 0, 0, 0], [2, -1, -2, 1], [-1, 4, 1, -4], [-2e-7, -1, 2e-7, 1]], dtype)
    return lambda rng: Call((boxes, anchors))


def _beside(dtype):
    """The same anchors, their boxes elsewhere: the way is long in widths of SMALLEST_SIDE."""
    call = _flat(dtype)(None)
    return lambda rng: Call((call.args[0] + dtype(2), call.args[1]))


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
        Case(
            "swapped corners, and a box thinner than SMALLEST_SIDE",
            "adversarial",
            lambda rng: Call((np.array([[4.0, 4, 2, 2], [1, 1, 1.0000002, 3]]), np.array([[0.0, 0, 4, 4]] * 2))),
            "a side below 0, and one of 2e-7: both are held at SMALLEST_SIDE, not 0 alone",
        ),
        Case("sides below 1", "adversarial", lambda rng: _matched(rng, 3, size=0.2), "scale changes no delta"),
        Case(
            "left of the picture and above it",
            "adversarial",
            lambda rng: Call(tuple(random_boxes(rng, 3) - 15 for _ in range(2))),
            "corners may be negative: anchors reach beyond the picture",
        ),
        Case("no boxes", "adversarial", lambda rng: Call((np.zeros((0, 4)), np.zeros((0, 4))))),
        Case("two pictures without boxes", "adversarial", lambda rng: Call((np.zeros((2, 0, 4)),) * 2, WEIGHTS)),
        Case(
            "anchors without extent",
            "adversarial",
            _flat(np.float64),
            "a side of an anchor that is 0, below 0 or thinner than SMALLEST_SIDE is held at it like a box's",
        ),
        Case("anchors without extent, float32", "adversarial", _flat(np.float32)),
        Case(
            "anchors without extent, boxes elsewhere",
            "adversarial",
            _beside(np.float64),
            "dx and dy are counted in sides that were held at SMALLEST_SIDE",
        ),
        Case("hundreds of boxes", "adversarial", lambda rng: _matched(rng, 290, **WEIGHTS)),
        *drawn(
            "any boxes", _any_matched, why="any leading axes and weights, large and tiny boxes, left of the picture too"
        ),
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
            "corners are taken for centre and size: to_center makes centre and size of them",
            (("_corners(to_center(boxes))", "_corners(boxes)"), ("_corners(to_center(anchors))", "_corners(anchors)")),
        ),
        Mistake(
            "array * tuple becomes float64: take the four numbers of weights apart, wx, wy, ww, wh = weights",
            (
                *(("wx * (gx", "(gx"), ("wy * (gy", "(gy"), ("ww * xp", "xp"), ("wh * xp", "xp")),
                ("xp.stack(deltas, axis=-1)", "xp.stack(deltas, axis=-1) * weights"),
            ),
        ),
        Mistake(
            "the four deltas are stacked along a new first axis: stack along the last axis, axis=-1",
            (("xp.stack(deltas, axis=-1)", "xp.stack(deltas)"),),
        ),
        Mistake(
            "only sides of 0 are replaced: a side below 0, or of 1e-9, must count as SMALLEST_SIDE as well",
            (
                (
                    "(xp.maximum(side, SMALLEST_SIDE) for side in (gw, gh, aw, ah))",
                    "(xp.where(side == 0, SMALLEST_SIDE, side) for side in (gw, gh, aw, ah))",
                ),
            ),
        ),
        Mistake(
            "SMALLEST_SIDE takes the place of sides that are not above 0: one of 1e-9 must be held at it as well",
            (
                (
                    "(xp.maximum(side, SMALLEST_SIDE) for side in (gw, gh, aw, ah))",
                    "(xp.where(side <= 0, SMALLEST_SIDE, side) for side in (gw, gh, aw, ah))",
                ),
            ),
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
            "far away",
            "adversarial",
            lambda rng: Call((np.array([[30.0, -40, 0, 0]]), random_boxes(rng, 1))),
            "dx = 30: only dw and dh are held at `clamp`, a box may move as far as it likes",
        ),
        Case(
            "left of the picture and above it",
            "adversarial",
            lambda rng: Call((rng.normal(0, 0.5, (3, 4)), random_boxes(rng, 3) - 15)),
            "corners may be negative: anchors reach beyond the picture",
        ),
        Case(
            "another clamp",
            "adversarial",
            lambda rng: Call((np.array([[0.0, 0, 3, 0.5]]), random_boxes(rng, 1)), {"clamp": 1.0}),
            "clamp is an argument: here dw and dh are held at 1",
        ),
        Case(
            "sides below 1",
            "adversarial",
            lambda rng: Call((rng.normal(0, 0.5, (3, 4)), random_boxes(rng, 3) * 0.01)),
            "anchors of a hundredth of a pixel and more",
        ),
        Case(
            "wild with weights",
            "adversarial",
            lambda rng: Call((np.array([[0.0, 0, 10, 10]]), random_boxes(rng, 1)), {"weights": (10.0, 10.0, 5.0, 5.0)}),
            "10 / 5 = 2 is below the clamp, 10 is not: divide first",
        ),
        Case("no boxes", "adversarial", lambda rng: Call((np.zeros((0, 4)), np.zeros((0, 4))))),
        Case("two pictures without boxes", "adversarial", lambda rng: Call((np.zeros((2, 0, 4)),) * 2, WEIGHTS)),
        Case(
            "another clamp for both sides",
            "adversarial",
            lambda rng: Call((np.array([[0.1, 0.2, 0.5, 3], [0, 0, 3, 0.5]]), random_boxes(rng, 2)), {"clamp": 1.0}),
            "clamp is an argument: dw is held at 1, and so is dh",
        ),
        Case(
            "a wild prediction, float32",
            "adversarial",
            lambda rng: Call(
                (np.array([[0, 0, 500, 0], [0, 0, 0, 500]], np.float32), random_boxes(rng, 2, dtype=np.float32)),
                {"weights": (10.0, 10.0, 5.0, 5.0)},
            ),
        ),
        Case("hundreds of boxes", "adversarial", lambda rng: _deltas(rng, 290, **WEIGHTS)),
        *drawn(
            "any deltas",
            _any_deltas,
            times=12,
            why="any leading axes, weights and clamp (0 too), large and tiny anchors, some without extent or turned "
            "round",
        ),
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
            "the anchors' corners are taken for their centre and size: to_center makes centre and size of them",
            (("_corners(to_center(anchors))", "_corners(anchors)"),),
        ),
        Mistake(
            "array / tuple becomes float64: take the four numbers of weights apart, wx, wy, ww, wh = weights",
            (("_corners(deltas)", "_corners(deltas / (1.0, 1.0, 1.0, 1.0))"),),
        ),
        Mistake(
            "dx and dy are held at `clamp` too: that is for dw and dh, which exp makes large",
            (("dx / wx * aw", "xp.minimum(dx / wx, clamp) * aw"), ("dy / wy * ah", "xp.minimum(dy / wy, clamp) * ah")),
        ),
        Mistake(
            "`clamp` is not used: dw and dh are held at a number of your own",
            (
                ("xp.minimum(dw / ww, clamp)", "xp.minimum(dw / ww, float(xp.log(1000 / 16)))"),
                ("xp.minimum(dh / wh, clamp)", "xp.minimum(dh / wh, float(xp.log(1000 / 16)))"),
            ),
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
