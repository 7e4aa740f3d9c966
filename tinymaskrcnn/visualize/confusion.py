"""What was taken for what: detections beside the truth, counted by class."""

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle

from ..backend import to_host
from ..errors import ShapeError
from . import style
from .detections import MIN_IOU, MIN_SCORE, match
from .lettering import as_written


def confusion_matrix(truths, detections, *, num_classes, min_score=MIN_SCORE, min_iou=MIN_IOU):
    """Count which class every object was given.

    list of Target, list of Detections  ->  counts (num_classes, num_classes) int: rows the truth, columns what was
    said; row 0: detections where nothing is or found twice, column 0: objects that were missed

    Who has found what is decided as in `judge`; what lies in a crowd region is not counted.
    """
    if len(truths) != len(detections):
        raise ShapeError(f"confusion_matrix: {len(truths)} truths came with {len(detections)} detections")
    counts = np.zeros((num_classes, num_classes), np.int64)
    for truth, found in zip(truths, detections):
        rows = np.flatnonzero(to_host(found.scores) >= min_score)
        shown = type(found)(to_host(found.boxes)[rows], to_host(found.labels)[rows], to_host(found.scores)[rows])
        verdicts, objects, missed = match(truth, shown, min_iou=min_iou)
        for label, k, verdict in zip(shown.labels, objects, verdicts):
            if verdict != "crowd":
                counts[truth.labels[k] if k >= 0 else 0, label] += 1
        np.add.at(counts, (truth.labels[missed], 0), 1)
    return counts


def confusion_figure(counts, class_names=None):
    """A confusion matrix with its counts written into it; the diagonal is right, everything else is a mistake.

    counts (K, K) int: rows the truth, columns what was said, 0 nothing  ->  Figure
    """
    counts = _square("confusion_figure", counts)
    K = len(counts)
    names = [style.name_of(label, class_names) for label in range(1, K)]
    longest = max(map(len, names), default=1)
    side, left, above = max(2.6, 0.42 * K), 0.85 + 0.07 * max(longest - 4, 0), 1.15 + 0.07 * max(longest - 6, 0)
    width, height = left + side + 0.15, side + above
    figure = style.new_figure(width, height)
    ax = figure.add_axes((left / width, 0.08 / height, side / width, (side - 0.05) / height))
    draw_confusion(counts, class_names, ax=ax)
    title = f"{int(np.trace(counts[1:, 1:]))} of {int(counts[1:].sum())} objects right"
    figure.text((left + side / 2) / width, 1 - 0.1 / height, title, ha="center", va="top", fontsize=style.TITLE)
    return figure


def draw_confusion(counts, class_names=None, *, ax=None):
    """The matrix alone: its counts, and the names of the classes above and at the left.

    counts (K, K) int: rows the truth, columns what was said, 0 nothing  ->  axes
    """
    counts = _square("draw_confusion", counts)
    if ax is None:
        return confusion_figure(counts, class_names).axes[0]
    K = len(counts)
    names = [style.name_of(label, class_names) for label in range(1, K)]
    longest = max(map(len, names), default=1)
    _draw_counts(ax, counts)
    ax.set_xticks(np.arange(K) + 0.5, ["missed", *map(as_written, names)], fontsize=style.SMALL)
    ax.set_yticks(np.arange(K) + 0.5, ["nothing", *map(as_written, names)], fontsize=style.SMALL)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0)
    for text in ax.get_xticklabels()[: None if longest > 4 else 1]:
        text.set_rotation(90)
    ax.set_xlabel("what the network said", fontsize=style.TEXT)
    ax.set_ylabel("what is there", fontsize=style.TEXT)
    return ax


def _square(function, counts):
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ShapeError(f"{function}: counts must be (K, K); got shape {counts.shape}")
    return counts


def _draw_counts(ax, counts):
    """Right answers blue, mistakes red and hatched, the stronger the larger their share of the row."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for i, j in np.argwhere(counts > 0):
        color = style.DARK_BLUE if i == j else style.RED
        tint = to_hex(0.8 * (1 - share[i, j]) + (1 - 0.8 * (1 - share[i, j])) * np.array(to_rgb(color)))
        look = {"facecolor": tint, "hatch": None if i == j else "////", "edgecolor": "#FFFFFF80", "linewidth": 0}
        ax.add_patch(Rectangle((j, i), 1, 1, **look))
        text = {"ha": "center", "va": "center", "fontsize": style.TEXT, "color": style.ink_on(tint)}
        ax.text(j + 0.5, i + 0.5, str(counts[i, j]), **text)
    K = len(counts)
    lines = {"color": style.faint(), "linewidth": 0.8, "zorder": 0.5}
    ax.hlines(np.arange(1, K), 0, K, **lines)
    ax.vlines(np.arange(1, K), 0, K, **lines)
    ax.set_xlim(0, K)
    ax.set_ylim(K, 0)
    ax.set_aspect("equal")
