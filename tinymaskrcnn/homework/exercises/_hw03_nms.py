"""The exercise on non-maximum suppression."""

import numpy as np

from ...ops.boxes import iou_matrix
from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import drawn
from ._hw03_boxes import odd_boxes, random_boxes


def _nms(boxes, scores, iou_threshold=0.5, **data):
    """A call with fixed boxes."""
    arrays = np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)
    return lambda rng: Call(arrays, {"iou_threshold": iou_threshold, **data})


def _ties(rng):
    """Sixty boxes on four heaps, with three scores among them: which one of a heap stays is decided by the order."""
    corner = 10.0 * (np.arange(60) % 4)[:, None] + [0, 0]
    scores = 0.1 * (1 + np.arange(60) * 7 % 11 % 3)
    return Call((np.concatenate([corner, corner + 4], axis=1), scores), {"iou_threshold": 0.5})


def _crowd(count, threshold, dtype=np.float64, groups=0, invalid=False, levels=0):
    """Random boxes in one another's way."""

    def make(rng):
        data = {"iou_threshold": threshold}
        if groups:
            data["group"] = rng.integers(0, groups, count)
        if invalid:
            data["valid"] = rng.random(count) < 0.7
        scores = rng.integers(1, levels + 1, count) / 10 if levels else rng.random(count)
        return Call((random_boxes(rng, count, size=12, dtype=dtype), scores.astype(dtype)), data)

    return make


def between(ious, low, high):
    """The middle of the widest gap that some IoUs leave between low and high: there no rounding decides."""
    known = np.unique([low, *ious[(ious > low) & (ious < high)].tolist(), high])
    widest = int(np.diff(known).argmax())
    return float(known[widest : widest + 2].mean())


def _any_crowd(draw):
    """Boxes in heaps, some of them without area, with and without groups and rows that do not count."""
    rng, count = draw.rng, draw.turn([40, 9, 150, 25, 70])
    boxes = odd_boxes(draw, count)
    boxes = (boxes + rng.choice([-25, 0, 8], (count, 1)) * draw.scale).astype(draw.dtype)
    ties = rng.integers(-3, 3, count).astype(draw.dtype)
    by_a_hair = np.nextafter(draw.dtype(0.5), draw.dtype(rng.integers(0, 2)), dtype=draw.dtype)
    near_ties = np.where(rng.random(count) < 0.5, by_a_hair, draw.dtype(0.5))
    scores = draw.turn([ties, rng.standard_normal(count).astype(draw.dtype), near_ties, 1e6 * ties])
    data = {"iou_threshold": between(iou_matrix(*[boxes.astype(np.float64)] * 2), 0.1, 0.25)}
    groups = rng.choice(np.array([0, 1, 7, 800, 4999], draw.turn([np.int64, np.int32])), count)
    data |= draw.turn([{"group": groups}, {}, {"group": groups - 2}])
    some = {"valid": rng.random(count) < 0.7}
    data |= draw.turn([some, some, {}, {}, some])
    return Call((boxes, scores.astype(draw.dtype)), data)


def _small_in_groups(rng):
    """Boxes of a thousandth of the picture, counted in shares of it: far from 0 float32 cannot tell them apart."""
    corner = rng.integers(0, 64, (90, 2)) / 16384 + rng.choice([0, 0.5], (90, 1))
    boxes = np.concatenate([corner, corner + rng.integers(16, 64, (90, 2)) / 16384], axis=1).astype(np.float32)
    scores = rng.permutation(90).astype(np.float32)
    group = rng.choice([3, 700, 1901], 90)
    return Call((boxes, scores), {"iou_threshold": between(iou_matrix(boxes, boxes), 0.2, 0.35), "group": group})


def _guarded(rng):
    """Boxes with all that a call may bring along."""
    call = _crowd(9, 0.3)(rng)
    group = np.array([1, 2, 1, 1, 2, 2, 1, 1, 1])
    return Call(call.args, {"iou_threshold": 0.3, "group": group, "valid": np.arange(9) != 2})


def _couples(rng):
    """Two hundred couples, each a group of neighbours in the order of the scores: all rows decide."""
    corner = rng.permutation(200)[:, None, None] * [3.0, 0] + rng.integers(0, 2, (200, 2, 2))
    boxes = np.concatenate([corner, corner + 4], axis=-1).reshape(-1, 4)
    where = rng.permutation(400)
    group = np.arange(200).repeat(2)[where]
    return Call((boxes[where], (400.0 - np.arange(400))[where]), {"iou_threshold": 0.35, "group": group})


SHOWN = 8  # boxes in a picture

CHAIN = [[0, 0, 10, 2], [4, 0, 14, 2], [8, 0, 18, 2]]  # the middle one overlaps both others, which do not touch much
TWINS = [[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4]]


def _around_the_first_wrong(boxes, wrong):
    """At most SHOWN rows: the first one whose fate is wrong, and those that overlap it most."""
    if len(boxes) <= SHOWN or not wrong.any():
        return np.arange(len(boxes))[:SHOWN]
    first = int(wrong.argmax())
    overlap = iou_matrix(boxes[[first]], boxes)[0]
    overlap[first] = 2
    nearest = np.argsort(-overlap, kind="stable")[:SHOWN]
    return np.sort(nearest[overlap[nearest] > 0])


def picture(call, want, got):
    """The boxes, each with its score; green where right, else what should have happened. Of many, those that matter."""
    from ...visualize import style
    from ...visualize.boxes import draw_boxes

    boxes, scores = call.args
    if not isinstance(got, np.ndarray) or got.shape != want.shape or got.dtype != bool or len(boxes) == 0:
        return None
    rows = _around_the_first_wrong(boxes, want != got)
    boxes, scores, want, got = boxes[rows], scores[rows], want[rows], got[rows]
    figure = style.new_figure(6.4, 4.6)
    ax = figure.add_axes((0.04, 0.04, 0.92, 0.84))
    corners = boxes.reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = 0.12 * max(float((high - low).max()), 1e-9)
    ax.set_xlim(low[0] - margin, high[0] + margin)
    ax.set_ylim(high[1] + margin, low[1] - margin)
    ax.set_xticks([])
    ax.set_yticks([])
    words = {(True, True): "kept", (False, False): "gone", (True, False): "lost!", (False, True): "stays!"}
    colors = {
        (True, True): style.GREEN,
        (False, False): style.GREY,
        (True, False): style.RED,
        (False, True): style.ORANGE,
    }
    pairs = [(bool(w), bool(g)) for w, g in zip(want, got)]
    labels = [f"{score:.2f} {words[pair]}" for score, pair in zip(scores, pairs)]
    lines = ["-" if w else "--" for w, _ in pairs]
    draw_boxes(boxes, ax=ax, colors=[colors[pair] for pair in pairs], labels=labels, linestyles=lines)
    ax.set_title("score and fate; lost!: you dropped it, stays!: you kept it, both wrongly", fontsize=style.TEXT)
    return figure


NMS = Exercise(
    id="hw03.nms",
    title="Non-maximum suppression",
    points=4,
    lesson="04",
    recipe="""
        Greedy: from the best score down, keep a box unless it overlaps one that is already KEPT by more than
        iou_threshold. A box that was itself suppressed suppresses nobody.
        1. Go through the boxes from the best score down; of equal scores, the earlier row first (a stable sort
           of -scores).
        2. A row that is not valid (where `valid` is given) is never kept and suppresses nothing.
        3. Where `group` is given, boxes of different groups do not see each other.
        4. `iou_matrix(a, b)` gives the IoU of every box of a with every box of b, (K, M).
        Return keep (K,) bool in the order of the INPUT: keep[k] belongs to boxes[k]. A plain loop is fine here.
    """,
    returns=("keep",),
    cases=(
        Case(
            "a chain of three",
            "value",
            _nms(CHAIN, [0.9, 0.8, 0.7], 0.4),
            "the second falls to the first, so nothing is left that could suppress the third",
        ),
        Case(
            "best one last",
            "value",
            _nms([[0, 0, 4, 4], [0, 1, 4, 5], [9, 9, 12, 12]], [0.6, 0.9, 0.7]),
            "the answer is in the order of the input, not of the scores",
        ),
        Case("a crowd", "value", _crowd(12, 0.3), hidden=True),
        Case(
            "overlap exactly at the threshold",
            "adversarial",
            _nms([[0, 0, 4, 4], [0, 2, 4, 4]], [0.9, 0.8], 0.5),
            "IoU 0.5 is not more than 0.5: both stay",
        ),
        Case("equal scores", "adversarial", _nms(TWINS, [0.5, 0.5, 0.5]), "the earlier row goes first"),
        Case(
            "many equal scores",
            "adversarial",
            _ties,
            "60 boxes on four heaps, and three scores: of equal scores the earlier row goes first, in long arrays too",
        ),
        Case(
            "two classes",
            "adversarial",
            _nms(TWINS, [0.9, 0.8, 0.7], group=np.array([1, 2, 1])),
            "boxes of different groups do not compete",
        ),
        Case(
            "classes 0, 1 and 2",
            "adversarial",
            _nms([*TWINS, TWINS[0]], [0.9, 0.8, 0.7, 0.6], group=np.array([1, 0, 2, 1])),
            "group 0 is a group like any other",
        ),
        Case(
            "two classes, one of them left of the picture",
            "adversarial",
            _nms([[0, 0, 4, 4], [-5, -5, -1, -1], [1, 0, 4, 4]], [0.9, 0.8, 0.7], group=np.array([0, 1, 1])),
            "boxes may have negative corners: who moves the groups apart must move them far enough",
        ),
        Case(
            "left of the picture",
            "adversarial",
            _nms([[-9, 0, -1, 4], [-8, 0, 0, 4], [-3, 0, 3, 4]], [0.9, 0.8, 0.7]),
            "corners may be negative",
        ),
        Case(
            "scores that are no probabilities",
            "adversarial",
            _nms([[0, 0, 4, 4], [9, 9, 12, 12], [0, 0, 4, 4]], [0.01, -2.0, 0.0]),
            "scores may be small, 0 or negative: only their order counts",
        ),
        Case(
            "scores that differ by a hair",
            "adversarial",
            _nms(TWINS, [0.5, 0.5 + 1e-12, 0.4]),
            "the second is the best, by 1e-12",
        ),
        Case(
            "rows that do not count",
            "adversarial",
            _nms(TWINS, [0.9, 0.8, 0.7], valid=np.array([False, True, True])),
            "the best row is not valid: it is not kept, and suppresses nothing",
        ),
        Case(
            "a crowd of groups, some rows not valid",
            "adversarial",
            _crowd(40, 0.2, groups=3, invalid=True),
            hidden=True,
        ),
        Case("three hundred boxes", "adversarial", _crowd(300, 0.4), "more boxes than one block holds", hidden=True),
        Case("three hundred boxes, four scores", "adversarial", _crowd(300, 0.4, levels=4), hidden=True),
        Case(
            "threshold 0",
            "adversarial",
            _nms([[0, 0, 4, 4], [3, 3, 9, 9], [4, 0, 6, 4]], [0.9, 0.8, 0.7], 0),
            "0 is a threshold like any other: whoever overlaps at all goes, whoever only touches stays",
        ),
        Case(
            "tiny scores",
            "adversarial",
            _nms([*TWINS, TWINS[0]], [-1e-13, 1e-13, 2e-13, 0.0]),
            "the third is the best, by 1e-13",
        ),
        Case(
            "four hundred boxes in couples",
            "adversarial",
            _couples,
            "400 boxes, two of each group: of every two the second goes",
        ),
        Case("threshold 1", "adversarial", _nms(TWINS, [0.9, 0.8, 0.7], 1.0), "no IoU is more than 1: all stay"),
        Case("no row counts", "adversarial", _nms(TWINS, [0.9, 0.8, 0.7], valid=np.zeros(3, bool)), "no row is valid"),
        Case(
            "scores of minus infinity",
            "adversarial",
            _nms([*TWINS, [9, 9, 12, 12]], [-np.inf, -np.inf, 0.5, -np.inf]),
            "scores may be minus infinity: such rows come last, in their order",
        ),
        Case(
            "boxes without area",
            "adversarial",
            _nms([[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 4, 4], [3, 3, 1, 1]], [0.9, 0.8, 0.7, 0.6], 0),
            "they overlap nothing, not even their equals: all stay",
        ),
        Case(
            "small boxes in groups with large numbers",
            "adversarial",
            _small_in_groups,
            "float32 boxes of a thousandth of the picture: moved apart by their group's number they lose their digits",
        ),
        *drawn(
            "any boxes",
            _any_crowd,
            times=12,
            why="large and tiny boxes in heaps, up to 150 of them; scores with ties, or almost; groups with gaps",
        ),
        Case("no boxes", "adversarial", _nms([], [])),
        Case(
            "no boxes, but groups",
            "adversarial",
            _nms([], [], group=np.zeros(0, np.int64), valid=np.zeros(0, bool)),
        ),
        Case("float32, and a mask of bools", "shape", _crowd(8, 0.3, dtype=np.float32)),
        Case("nothing is written into", "ownership", _crowd(8, 0.3)),
        Case("groups and valid stay as they were", "ownership", _guarded),
    ),
    without=("_greedy", "BLOCK"),
    mistakes=(
        Mistake(
            "a box that was itself suppressed still suppresses others: only kept boxes count",
            (
                ("range(0, len(order), BLOCK)", "range(0, len(order), max(len(order), 1))"),
                ("len(boxes[first : first + BLOCK])", "len(boxes)"),
                (
                    "kept = _greedy(alive[first : first + size], clash[:, :size])",
                    "here = alive[first : first + size]\n"
                    "        kept = here & ~xp.triu(clash[:, :size] & here[:, None], 1).any(axis=0)",
                ),
            ),
        ),
        Mistake(
            "a box goes that overlaps by exactly the threshold: it must be more",
            (("> iou_threshold", ">= iou_threshold"),),
        ),
        Mistake(
            "boxes of different groups suppress each other: compare their groups as well",
            (("clash &= group[first : first + size, None] == group[first:]", "pass"),),
        ),
        Mistake(
            "the groups are moved apart, but not far enough where corners are negative: compare the groups instead",
            (
                (
                    "boxes = boxes[order]",
                    "boxes = boxes[order] + (0 if group is None or not len(boxes) else "
                    "(boxes.max() + 1) * group[order][:, None])",
                ),
                ("clash &= group[first : first + size, None] == group[first:]", "pass"),
            ),
        ),
        Mistake(
            "the groups are moved apart by so much that float32 boxes lose their digits: compare the groups instead",
            (
                (
                    "boxes = boxes[order]",
                    "boxes = boxes[order] + (0 if group is None or not len(boxes) else "
                    "((boxes.max() - boxes.min() + 1) * group[order][:, None]).astype(boxes.dtype))",
                ),
                ("clash &= group[first : first + size, None] == group[first:]", "pass"),
            ),
        ),
        Mistake(
            "boxes with a low score are dropped: non-maximum suppression only compares, it knows no least score",
            (("keep[order] = alive", "keep[order] = alive; keep &= scores > 0"),),
        ),
        Mistake(
            "rows that are not valid take part: they are never kept, and suppress nothing",
            (("if valid is None else valid[order]", ""),),
        ),
        Mistake(
            "rows that are not valid are not kept, but still suppress others",
            (
                ("if valid is None else valid[order]", ""),
                ("keep[order] = alive", "keep[order] = alive if valid is None else alive & valid[order]"),
            ),
        ),
        Mistake(
            "the answer stands in the order of the scores: put it back into the order of the input",
            (("keep[order] = alive", "keep[:] = alive"),),
        ),
        Mistake(
            "the worst score goes first: sort by -scores",
            (("xp.argsort(-scores, ", "xp.argsort(scores, "),),
        ),
        Mistake(
            "the rows are taken as they come: go from the best score down",
            (('xp.argsort(-scores, kind="stable")', "xp.arange(len(scores))"),),
        ),
        Mistake(
            "of equal scores the later row goes first: the sort must be stable, on -scores rather than reversed",
            (('xp.argsort(-scores, kind="stable")', 'xp.argsort(scores, kind="stable")[::-1]'),),
        ),
        Mistake(
            "the sort is not stable: of equal scores the earlier row goes first, np.argsort(-scores, kind='stable')",
            (('xp.argsort(-scores, kind="stable")', "xp.argsort(-scores)"),),
        ),
        Mistake(
            "the sort is not stable: of equal scores the earlier row goes first, np.argsort(-scores, kind='stable')",
            (('xp.argsort(-scores, kind="stable")', "xp.argsort(scores)[::-1]"),),
        ),
        Mistake(
            "it returns the indices of what is kept: wanted is a bool for every box",
            (("    return keep", "    return xp.flatnonzero(keep)"),),
        ),
        Mistake(
            "it returns the indices of what is kept, best first: wanted is a bool for every box",
            (("    return keep", "    return order[alive]"),),
        ),
    ),
    picture=picture,
)
