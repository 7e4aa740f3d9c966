"""The exercise on IoU, and boxes to try it on."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import drawn


def random_boxes(rng, *shape, size=20.0, dtype=np.float64):
    """Boxes with sides of at least 1 inside a square of `size`: (..., 4)."""
    corner = rng.uniform(0, size / 2, (*shape, 2))
    side = rng.uniform(1, size / 2, (*shape, 2))
    return np.concatenate([corner, corner + side], axis=-1).astype(dtype)


def odd_boxes(draw, *shape):
    """Boxes around 0, some of them without width or height, or with swapped corners, along one axis or both."""
    corner = draw.rng.uniform(-6, 3, (*shape, 2))
    side = draw.rng.uniform(0.5, 10, (*shape, 2)) * draw.rng.choice([1, 1, 1, 1, 1, 1, 0, -1], (*shape, 2))
    return (np.concatenate([corner, corner + side], axis=-1) * draw.scale).astype(draw.dtype)


def _any_pairs(draw):
    front = draw.turn([(), (2, 3), (3,), (2, 1, 2)])
    k, m = draw.turn([(4, 9), (8, 3), (3, 7)])
    a, b = odd_boxes(draw, *front, k), odd_boxes(draw, *front, m)
    b[..., 0, :] = a[..., 0, :] = random_boxes(draw.rng, *front, dtype=draw.dtype) * draw.scale  # the same box
    b[..., 1, :] = a[..., 1, :] = np.repeat(a[..., 1, :2], 2, axis=-1)  # the same point
    return Call((a, b))


def _without(k, m, *front, dtype=np.float64):
    return lambda rng: Call((np.ones((*front, k, 4), dtype), np.ones((*front, m, 4), dtype)))


def _pairs(*leading, dtype=np.float64):
    """Two sets of boxes that lie in one another's way, with any leading axes."""
    *front, k, m = leading
    return lambda rng: Call(
        (random_boxes(rng, *front, k, size=12, dtype=dtype), random_boxes(rng, *front, m, size=12, dtype=dtype))
    )


def _boxes(*lists):
    return lambda rng: Call(tuple(np.array(boxes, np.float64).reshape(-1, 4) for boxes in lists))


def picture(call, want, got):
    """The boxes of both sets, and for the first pair that is wrong what it should be and what it is."""
    from ...visualize import style
    from ...visualize.boxes import draw_boxes
    from ..judge import agrees, told_apart

    a, b = call.args
    fits = isinstance(got, np.ndarray) and got.shape == want.shape and got.dtype.kind == "f"
    if not fits or want.ndim != 2 or not 0 < want.size <= 12:
        return None
    wrong = np.argwhere(~agrees(want, got))
    if not len(wrong):
        return None
    k, m = wrong[0]
    figure = style.new_figure(6.4, 4.6)
    ax = figure.add_axes((0.14, 0.08, 0.8, 0.8))
    both = np.concatenate([a, b]).reshape(-1, 2)
    low, high = both.min(axis=0), both.max(axis=0)
    margin = 0.12 * max(float((high - low).max()), 1e-9)
    ax.set_xlim(low[0] - margin, high[0] + margin)
    ax.set_ylim(high[1] + margin, low[1] - margin)
    ax.set_aspect("equal")
    ax.locator_params(axis="x", nbins=5)  # the numbers of tiny boxes are long
    for boxes, name, color, line in ((a, "a", style.BLUE, "-"), (b, "b", style.ORANGE, "--")):
        labels = [f"{name}[{i}]" for i in range(len(boxes))]
        draw_boxes(boxes, ax=ax, colors=[color] * len(boxes), labels=labels, linestyles=[line] * len(boxes))
    wanted, yours = told_apart(want[k, m], got[k, m], least=4)
    ax.set_title(f"IoU of a[{k}] and b[{m}]: wanted {wanted}, yours {yours}", fontsize=style.TEXT)
    return figure


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
        Case(
            "left of the picture and above it",
            "adversarial",
            _boxes([[-4, -4, 0, 0]], [[-2, -2, 2, 2], [-9, -3, -1, -1]]),
            "corners may be negative: anchors reach beyond the picture",
        ),
        Case("no boxes", "adversarial", _boxes(np.zeros((0, 4)), [[0, 0, 1, 1]]), "K = 0: a matrix of shape (0, 1)"),
        Case(
            "far apart along both axes",
            "adversarial",
            _boxes([[0, 0, 1, 1]], [[3, 3, 5, 5]]),
            "a negative width times a negative height is positive",
        ),
        Case("nothing to compare with", "adversarial", _without(3, 0), "M = 0: a matrix of shape (3, 0)"),
        Case("three pictures without boxes", "adversarial", _without(0, 0, 3, dtype=np.float32)),
        Case("no pictures", "adversarial", _without(2, 3, 0), "a batch of no pictures: a matrix of shape (0, 2, 3)"),
        Case("hundreds of boxes", "adversarial", _pairs(7, 310), "7 boxes with 310"),
        Case("hundreds of rows", "adversarial", _pairs(290, 3), "290 boxes with 3"),
        *drawn(
            "any boxes",
            _any_pairs,
            why="any leading axes, large and tiny boxes, some without width or height, some turned round along one "
            "axis only, some equal",
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
            "the corners are taken in another order: `_corners` gives x1, y1, x2, y2",
            (
                ("ax1, ay1, ax2, ay2 =", "ax1, ax2, ay1, ay2 ="),
                ("bx1, by1, bx2, by2 =", "bx1, bx2, by1, by2 ="),
            ),
        ),
        Mistake(
            "the new axes are missing: a needs one for the boxes of b, [..., :, None, :], and b one for the boxes of "
            "a, [..., None, :, :]",
            (("_corners(a[..., :, None, :])", "_corners(a)"), ("_corners(b[..., None, :, :])", "_corners(b)")),
        ),
        Mistake(
            "the new axes are exchanged: a needs [..., :, None, :], b [..., None, :, :], and the matrix has a row for "
            "each box of a",
            (
                ("a[..., :, None, :]", "a[..., None, :, :]"),
                ("b[..., None, :, :]", "b[..., :, None, :]"),
                ("area(a)[..., :, None] + area(b)[..., None, :]", "area(a)[..., None, :] + area(b)[..., :, None]"),
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
                *(f"union + 1e-{digits}" for digits in (16, 15, 14, 12, 10, 9, 8, 7, 6, 5, 3)),
                *(f"xp.maximum(union, 1e-{digits})" for digits in (9, 8, 7, 6, 5, 4, 3)),
                "union + xp.finfo(union.dtype).eps",
                "union + xp.finfo(float).eps",
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
    picture=picture,
)
