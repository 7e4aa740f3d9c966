"""Non-maximum suppression step by step: who is looked at, who stays, and who goes because of whom."""

from dataclasses import dataclass

import numpy as np

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..ops.boxes import iou_matrix
from . import style
from .boxes import draw_boxes, draw_image, write_labels
from .legends import legend_below, line_handle, picture_axes
from .steps import Steps

NOBODY = -1
SHOWN = 3  # more numbers than these would hide the boxes

# what has become of a box -> colour, line, width
LOOKS = {
    "current": (style.ORANGE, "-", 2.6),
    "kept before": (style.GREEN, "-", 1.8),
    "suppressed now": (style.RED, (0, (4, 2)), 1.5),
    "suppressed before": (style.GREY, (0, (1, 1.6)), 0.9),
    "waiting": (style.BLUE, (0, (6, 1.5, 1, 1.5)), 1.1),
}


@dataclass(frozen=True)
class NMSState:
    """NMS after one box was looked at.

    boxes (K, 4), scores (K,), iou_threshold; current: index of the box that was kept last, NOBODY before the first;
    kept (K,) bool; suppressed_by (K,) index of the box that suppressed each, NOBODY if none did; suppressed_iou (K,)
    the IoU of the two, 0 if none did.
    """

    boxes: np.ndarray
    scores: np.ndarray
    iou_threshold: float
    current: int
    kept: np.ndarray
    suppressed_by: np.ndarray
    suppressed_iou: np.ndarray

    @property
    def waiting(self):
        """(K,) bool: neither kept nor suppressed so far."""
        return ~self.kept & (self.suppressed_by == NOBODY)

    @property
    def suppressed_now(self):
        """(K,) bool: what the current box has suppressed."""
        return (self.suppressed_by == self.current) & (self.suppressed_by != NOBODY)


def nms_states(boxes, scores, iou_threshold, *, group=None):
    """Every state of greedy NMS, the first with all boxes waiting, the last as `ops.nms.nms` leaves them.

    boxes (K, 4), scores (K,), group (K,) or None  ->  list of NMSState, one more than boxes are kept
    """
    boxes, scores = np.asarray(to_host(boxes)), np.asarray(to_host(scores))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ShapeError(
            f"nms_states: boxes must be (K, 4) and scores (K,); got shapes {boxes.shape} and {scores.shape}"
        )
    if not 0 <= iou_threshold <= 1:
        raise ArgumentError(f"nms_states: iou_threshold must lie between 0 and 1; got {iou_threshold}")
    iou = iou_matrix(boxes, boxes)
    rivals = iou > iou_threshold
    if group is not None:
        group = np.asarray(to_host(group))
        rivals &= group[:, None] == group
    kept, by, how = np.zeros(len(boxes), bool), np.full(len(boxes), NOBODY), np.zeros(len(boxes), iou.dtype)
    states = [NMSState(boxes, scores, iou_threshold, NOBODY, kept, by, how)]
    for k in np.argsort(-scores, kind="stable").tolist():
        if by[k] != NOBODY:
            continue
        kept, by, how = kept.copy(), by.copy(), how.copy()
        kept[k] = True
        loses = rivals[k] & ~kept & (by == NOBODY)
        by[loses], how[loses] = k, iou[k, loses]
        states.append(NMSState(boxes, scores, iou_threshold, k, kept, by, how))
    return states


def draw_nms_state(image, state, *, ax=None, title=None):
    """One state: the current box and those it suppresses with their IoU, kept ones, suppressed ones, waiting ones.

    image (H, W, C), NMSState  ->  axes
    """
    ax = draw_image(image, ax=picture_axes(ax), title=title or _title(state))
    groups = {
        "waiting": state.waiting,
        "suppressed before": (state.suppressed_by != NOBODY) & ~state.suppressed_now,
        "suppressed now": state.suppressed_now,
        "kept before": state.kept & (np.arange(len(state.kept)) != state.current),
        "current": np.arange(len(state.kept)) == state.current,
    }
    for name, chosen in groups.items():  # what matters most is drawn last, on top
        color, line, width = LOOKS[name]
        draw_boxes(state.boxes[chosen], ax=ax, colors=color, linestyles=[line] * int(chosen.sum()), linewidth=width)
    _label(ax, state, groups)
    handles = [line_handle(f"{name}: {groups[name].sum()}", *LOOKS[name][:2]) for name in reversed(groups)]
    return legend_below(ax, handles, ncols=3)


def nms_steps(image, boxes, scores, iou_threshold, *, group=None, title=None):
    """NMS as a film: all boxes, then one frame for each box that is kept.

    image (H, W, C), boxes (K, 4), scores (K,)  ->  Steps
    """
    states = nms_states(boxes, scores, iou_threshold, group=group)
    figures = [draw_nms_state(image, state).figure for state in states]
    return Steps(figures, [nms_caption(state) for state in states], title=title)


def nms_caption(state):
    """What happened in this step, in a sentence."""
    if state.current == NOBODY:
        return f"{len(state.boxes)} boxes wait. Two that share more than IoU {state.iou_threshold:g} compete."
    found = f"Of those that wait, box {state.current} has the best score, {state.scores[state.current]:.2f}: it stays."
    values = np.sort(state.suppressed_iou[state.suppressed_now])[::-1]
    left = f"{int(state.waiting.sum())} still wait." if state.waiting.any() else "Nobody waits any more."
    if len(values) == 0:
        return f"{found} It overlaps no waiting box by more than {state.iou_threshold:g}. {left}"
    shown = ", ".join(f"{v:.2f}" for v in values[:5]) + (", ..." if len(values) > 5 else "")
    return f"{found} It suppresses {len(values)} (IoU {shown}). {left}"


def _title(state):
    return "Before the first step" if state.current == NOBODY else f"{int(state.kept.sum())} kept so far"


def _label(ax, state, groups):
    """The score at each box that stays, and at the first few of those that are just suppressed their IoU."""
    stay = [*np.flatnonzero(groups["current"]).tolist(), *np.flatnonzero(groups["kept before"]).tolist()]
    gone = np.flatnonzero(groups["suppressed now"])
    gone = gone[np.argsort(-state.suppressed_iou[gone], kind="stable")][:SHOWN].tolist()
    labels = [f"{state.scores[k]:.2f}" for k in stay] + [f"IoU {state.suppressed_iou[k]:.2f}" for k in gone]
    looks = ["current" if k == state.current else "kept before" for k in stay] + ["suppressed now"] * len(gone)
    write_labels(state.boxes[stay + gone], labels, [LOOKS[name][0] for name in looks], ax=ax)
