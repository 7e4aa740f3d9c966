"""Exercises on anchors."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import drawn


def _any_sizes(draw):
    """Sizes and ratios whose halved sides do not lie between two pixels: there rounding twice would decide."""
    counts = draw.turn([(4, 2), (2, 5), (3, 1), (7, 3)])
    while True:
        sizes, ratios = (draw.rng.uniform(low, high, n) for (low, high), n in zip(draw.turn(SIDES), counts))
        root = np.sqrt(ratios)[:, None]
        halves = np.concatenate([sizes / root, sizes * root]) / 2
        if abs(halves % 1 - 0.5).min() > 1e-3:
            break
    form = draw.turn([list, tuple, np.array, lambda x: np.array(x, np.float32), list])
    return Call((form(sizes), form(ratios)))


SIDES = ((5, 90), (0.3, 3)), ((0.2, 6), (0.2, 5)), ((90, 2500), (0.05, 20))  # sizes and ratios

BASE = Exercise(
    id="hw03.base_anchors",
    title="The anchors of one cell",
    points=2,
    lesson="05",
    recipe="""
        sizes and ratios are arrays of positive float32 numbers here (the first two lines see to that); a ratio
        is height / width.
        1. An anchor of size s and ratio r is s / sqrt(r) wide and s * sqrt(r) high: its area stays s * s.
        2. Order: all sizes of the first ratio, then all sizes of the second, ...: (R, sizes) -> (A,).
        3. The anchors lie around the corner (0, 0) of their cell: half their size to each side.
        4. Round the corners to whole pixels (np.round, after halving).
        Return base (A, 4) as x1, y1, x2, y2.
    """,
    returns=("base",),
    cases=(
        Case("one size, flat, square and tall", "value", lambda rng: Call(([32], [0.5, 1.0, 2.0]))),
        Case("two sizes, two ratios", "value", lambda rng: Call(([16, 32], [1.0, 4.0])), "which of them come first?"),
        Case("the digit detector's", "value", lambda rng: Call(([20], [1.0, 1.5, 2.0])), hidden=True),
        Case(
            "any", "value", lambda rng: Call((list(rng.uniform(9, 60, 3)), list(rng.uniform(0.3, 3, 2)))), hidden=True
        ),
        Case("a single number as size", "shape", lambda rng: Call((64, [1.0]))),
        Case("an odd size", "adversarial", lambda rng: Call(([5, 7], [1.0])), "half of 5 is 2.5, rounded to 2"),
        Case(
            "odd sizes and ratios",
            "adversarial",
            lambda rng: Call((rng.uniform(5, 90, 3).tolist(), rng.uniform(0.3, 3, 3).tolist())),
        ),
        Case("very flat and very tall", "adversarial", lambda rng: Call(([40], [0.1, 12.0]))),
        Case("a large one", "adversarial", lambda rng: Call(([3001, 2000000], [1.0, 4.0]))),
        Case("two hundred sizes", "adversarial", lambda rng: Call((list(range(10, 210)), [1.0, 4.0]))),
        *drawn(
            "any sizes and ratios",
            _any_sizes,
            why="more sizes than ratios, or fewer; as lists, tuples or arrays; sides below a pixel too",
        ),
        Case(
            "nothing is written into",
            "ownership",
            lambda rng: Call((np.array([16, 32], np.float32), np.array([0.5, 2], np.float32))),
        ),
        Case("lists stay as they were", "ownership", lambda rng: Call(([16, 32, 50], [0.5, 2]))),
    ),
    mistakes=(
        Mistake(
            "the ratio is turned round: it is height / width, so a ratio of 2 is a tall anchor",
            (
                ("(1 / stretch * sizes)", "(stretch * sizes)"),
                ("heights = (stretch * sizes)", "heights = (1 / stretch * sizes)"),
            ),
        ),
        Mistake(
            "the area grows with the ratio: divide and multiply by its square root",
            (("np.sqrt(ratios)", "ratios"),),
        ),
        Mistake(
            "the width stays the size and the height takes the whole ratio: the area should stay s * s",
            (
                ("widths = (1 / stretch * sizes)", "widths = (stretch**0 * sizes)"),
                ("heights = (stretch * sizes)", "heights = (stretch**2 * sizes)"),
            ),
        ),
        Mistake(
            "all ratios of the first size come first: it should be all sizes of the first ratio",
            (
                ("(1 / stretch * sizes).reshape(-1)", "(1 / stretch * sizes).T.reshape(-1)"),
                ("heights = (stretch * sizes).reshape(-1)", "heights = (stretch * sizes).T.reshape(-1)"),
            ),
        ),
        Mistake(
            "the corners are not rounded to whole pixels",
            (
                (
                    "np.round(np.stack([-widths, -heights, widths, heights], axis=1) / 2)",
                    "np.stack([-widths, -heights, widths, heights], axis=1) / 2",
                ),
            ),
        ),
        Mistake(
            "rounding comes before halving: halve first, then round",
            (
                (
                    "np.round(np.stack([-widths, -heights, widths, heights], axis=1) / 2)",
                    "np.round(np.stack([-widths, -heights, widths, heights], axis=1)) / 2",
                ),
            ),
        ),
        Mistake(
            "the anchors are twice as large: half their size lies to each side of the corner",
            (("axis=1) / 2)", "axis=1))"),),
        ),
        Mistake(
            "the anchors begin at the corner of the cell: they lie around it",
            (
                (
                    "np.stack([-widths, -heights, widths, heights], axis=1) / 2",
                    "np.stack([0 * widths, 0 * heights, widths, heights], axis=1)",
                ),
            ),
        ),
        Mistake(
            "x and y are exchanged: a box is x1, y1, x2, y2",
            (("[-widths, -heights, widths, heights]", "[-heights, -widths, heights, widths]"),),
        ),
    ),
)


def _grid(base, rows, columns, stride):
    return lambda rng: Call((np.array(base, np.float32),), {"grid_size": (rows, columns), "stride": stride})


def _random_grid(rng):
    rows, columns, stride_y, stride_x = (int(n) for n in rng.integers(2, 9, 4))
    base = rng.uniform(-9, 9, (3, 4)).astype(np.float32)
    return Call((base,), {"grid_size": (rows, columns), "stride": (stride_y, stride_x)})


def _any_grid(draw):
    base = (draw.rng.uniform(-9, 9, (draw.turn([3, 1, 7]), 4)) * draw.scale).astype(draw.dtype)
    base[0, :2] /= 1000
    down, across = (draw.rng.uniform(0.3, 30, 2) * draw.scale).tolist()
    stride = draw.turn([(down, across), across, [down, across], (np.float64(down), np.float64(across))])
    return Call((base,), {"grid_size": draw.turn([(5, 9), (9, 4), (1, 7), [7, 1]]), "stride": stride})


ONE = [[-2, -2, 2, 2]]
TWO = [[-2, -2, 2, 2], [-4, -2, 4, 2]]

GRID = Exercise(
    id="hw03.grid_anchors",
    title="Anchors on every cell of a feature map",
    points=2,
    lesson="05",
    recipe="""
        base (A, 4) holds the anchors of a cell whose corner is (0, 0); rows, columns, stride_y and stride_x are
        known.
        1. Where each cell lies: the corner of cell (i, j) is at x = j * stride_x, y = i * stride_y, without a
           half cell.
        2. Move every base anchor to every cell: x1 and x2 by x, y1 and y2 by y.
        3. Order: cells row by row, and in a cell its A anchors, (h, w, A, 4) -> (h*w*A, 4). It must be the
           order in which the outputs of the RPN, (N, h, w, A*4), reshape.
        Return anchors (h*w*A, 4) in the dtype of base.
    """,
    returns=("anchors",),
    cases=(
        Case("two rows, three columns", "value", _grid(ONE, 2, 3, 8)),
        Case("two anchors a cell", "value", _grid(TWO, 2, 2, 4), "the anchors of a cell stay together"),
        Case("a large grid", "value", _grid(TWO, 5, 7, 16), hidden=True),
        Case("any", "value", _random_grid, hidden=True),
        Case(
            "another stride down than across",
            "adversarial",
            _grid(ONE, 2, 3, (4, 10)),
            "stride is (vertical, horizontal)",
        ),
        Case("a grid without cells", "adversarial", _grid(TWO, 0, 3, 8)),
        Case("a grid without columns", "adversarial", _grid(TWO, 3, 0, 8)),
        Case("no anchors", "adversarial", _grid(np.zeros((0, 4)), 2, 3, 8), "A = 0"),
        Case(
            "strides that are no whole numbers",
            "adversarial",
            _grid(ONE, 37, 15, (7.7, 2.3)),
            "37 * 7.7 / 7.7 is a little above 37: count the cells in whole numbers, and multiply then",
        ),
        Case("hundreds of cells", "adversarial", _grid(TWO, 31, 13, (8, 16)), "31 rows of 13 cells"),
        *drawn(
            "other anchors on the same grid",
            lambda draw: Call((draw.rng.uniform(-9, 9, (3, 4)),), {"grid_size": (2, 5), "stride": 3}),
            times=2,
            why="the anchors are those that were given, whatever came before",
        ),
        *drawn("any grid", _any_grid, why="any base anchors, rows, columns and strides, large and tiny"),
        Case("float32 stays float32", "shape", _grid(ONE, 3, 1, 2.5)),
        Case(
            "float64 stays float64",
            "shape",
            lambda rng: Call((np.array(TWO, np.float64),), {"grid_size": (2, 3), "stride": 4}),
        ),
        Case("nothing is written into", "ownership", _grid(TWO, 3, 3, 8)),
        Case("lists stay as they were", "ownership", _grid(TWO, 3, 2, [8, 4])),
    ),
    mistakes=(
        Mistake(
            "the anchors sit in the middle of their cells: here they lie around its corner, without a half cell",
            (
                ("base.dtype) * stride_y", "base.dtype) * stride_y + stride_y / 2"),
                ("base.dtype) * stride_x", "base.dtype) * stride_x + stride_x / 2"),
            ),
        ),
        Mistake(
            "x and y are exchanged: x goes with the column, y with the row",
            (("np.stack([x, y, x, y], axis=-1)", "np.stack([y, x, y, x], axis=-1)"),),
        ),
        Mistake(
            "the cells run column by column: they should run row by row",
            (("(centres[:, :, None] + base)", "(centres[:, :, None] + base).transpose(1, 0, 2, 3)"),),
        ),
        Mistake(
            "all cells of the first anchor come first: the anchors of a cell stay together",
            (("(centres[:, :, None] + base)", "(centres[:, :, None] + base).transpose(2, 0, 1, 3)"),),
        ),
        Mistake(
            "the strides are exchanged: stride is (vertical, horizontal)",
            (
                ("base.dtype) * stride_y", "base.dtype) * stride_x"),
                ("np.arange(columns, dtype=base.dtype) * stride_x", "np.arange(columns, dtype=base.dtype) * stride_y"),
            ),
        ),
        Mistake(
            "only the upper left corner moves: both corners of an anchor go with the cell",
            (("np.stack([x, y, x, y], axis=-1)", "np.stack([x, y, 0 * x, 0 * y], axis=-1)"),),
        ),
        Mistake(
            "the stride is left out: neighbouring cells lie a stride apart, not a pixel",
            (("base.dtype) * stride_y", "base.dtype)"), ("base.dtype) * stride_x", "base.dtype)")),
        ),
    ),
)
