"""Curves of a training run, and precision-recall curves of its evaluation."""

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from . import style
from .lettering import as_written

LAST = ("gradient_norm", "learning_rate", "seconds", "memory_mb")  # entries of a row that are not losses
TITLES = {
    "loss": "loss (sum of all)",
    "gradient_norm": "gradient norm",
    "learning_rate": "learning rate",
    "seconds": "seconds per step",
    "memory_mb": "memory (MB)",
}
EXACT = ("learning_rate", "memory_mb")  # drawn as they are: a mean would round their corners off
_POINTS = 2000  # more raw points than this are thinned out: the eye sees no difference, the file does


def curves_figure(rows):
    """Every entry of metrics.jsonl in a panel of its own: points are single steps, the line is their running mean.

    list of {"step": ..., "loss": ..., other numbers}  ->  Figure
    """
    names = _names(rows)
    if not names:
        return style.message_figure("no training steps have been recorded yet")
    losses, others = [n for n in names if n not in LAST], [n for n in names if n in LAST]
    rows_of_names = [losses[i : i + 3] for i in range(0, len(losses), 3)] + ([others] if others else [])
    figure = style.new_figure(10.1, 2.35 * len(rows_of_names) + 0.35)
    grid = figure.add_gridspec(len(rows_of_names), 12)
    window = max(1, len(rows) // 25)
    for i, row in enumerate(rows_of_names):
        span = 4 if i * 3 < len(losses) else 3  # three losses in a row, or four of the others
        for j, name in enumerate(row):
            ax = style.plain_axes(figure.add_subplot(grid[i, j * span : (j + 1) * span]))
            color = style.GREY if name in LAST else style.DARK_BLUE
            _draw_series(ax, *_series(rows, name), 1 if name in EXACT else window, color)
            ax.set_title(TITLES.get(name, name.removeprefix("loss_").replace("_", " ")), fontsize=style.TITLE)
            ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            if i == len(rows_of_names) - 1:
                ax.set_xlabel("step", fontsize=style.TEXT)
    figure.text(
        0.5,
        0.1 / figure.get_figheight(),
        f"points: single steps; line: mean over {window} steps" if window > 1 else "line: single steps",
        ha="center",
        fontsize=style.SMALL,
        color=style.muted(),
    )
    figure.tight_layout(rect=(0, 0.3 / figure.get_figheight(), 1, 1), h_pad=1.2, w_pad=1.2)
    return figure


def precision_recall_figure(evaluation, class_names=None):
    """Left: precision against recall, mean of all classes, at every IoU threshold. Right: AP of each class.

    Evaluation  ->  Figure
    """
    classes = np.flatnonzero(evaluation.num_truths[:, 0])
    if len(classes) == 0:
        return style.message_figure("no precision-recall curve: the evaluated images hold no objects")
    figure = style.new_figure(9.4, max(3.6, 1.3 + 0.24 * len(classes)))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    draw_precision_recall(evaluation, ax=left)
    _draw_classes(style.plain_axes(right), evaluation, classes, class_names)
    what = {"bbox": "boxes", "segm": "masks"}[evaluation.iou_type]
    left.set_title(f"precision and recall of {what}, mean of {len(classes)} classes", fontsize=style.TITLE)
    right.set_title(f"average precision of {what} by class", fontsize=style.TITLE)
    figure.tight_layout(w_pad=2.0)
    return figure


def draw_precision_recall(evaluation, *, ax=None):
    """Precision against recall, mean of all classes that have objects, a curve for every IoU threshold.

    Evaluation  ->  axes
    """
    if ax is None:
        ax = style.new_figure(5.6, 3.8).add_axes((0.11, 0.14, 0.7, 0.78))
    classes = np.flatnonzero(evaluation.num_truths[:, 0])
    if len(classes) == 0:
        ax.set_axis_off()
        style.say(ax, "no curve: the evaluated images hold no objects", y=0.5)
        return ax
    _draw_curves(style.plain_axes(ax), evaluation, classes)
    return ax


def _names(rows):
    """The entries that hold a number somewhere: the sum first, then the losses as they come, then the rest."""
    found = {}
    for row in rows:
        for name, value in row.items():
            if name != "step" and _is_number(value):
                found.setdefault(name, None)
    return sorted(found, key=lambda name: (name != "loss", LAST.index(name) + 1 if name in LAST else 0))


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _series(rows, name):
    pairs = [(row["step"], row[name]) for row in rows if _is_number(row.get(name))]
    return np.array(pairs, np.float64).T


def _draw_series(ax, steps, values, window, color):
    smooth = style.running_mean(values, window) if window > 1 else values
    if window > 1:
        thin = slice(None, None, -(-len(steps) // _POINTS))
        ax.plot(steps[thin], values[thin], ".", markersize=3, color=color, alpha=0.35, markeredgewidth=0)
    ax.plot(steps, smooth, color=color, linewidth=1.8, marker="o" if len(steps) == 1 else None)
    ax.set_ylim(*_limits(ax, values, smooth))


def _limits(ax, values, smooth):
    """From 0 to just above nearly all points; the few that lie higher are counted in the corner."""
    lowest = min(0.0, float(values.min()))
    top = max(float(np.quantile(values, 0.99)), float(smooth.max())) * 1.08
    if top <= lowest:
        return lowest - 0.05, lowest + 1  # a constant 0
    above = int((values > top).sum())
    if above:
        text = f"{above} higher {'point' if above == 1 else 'points'}, up to {values.max():.3g}"
        place = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(0.98, 0.97, text, **place, fontsize=style.SMALL, color=style.muted())
    return lowest, top


def _draw_curves(ax, evaluation, classes):
    precision = evaluation.precision[:, :, classes, 0, -1].mean(axis=2)  # (T, R)
    shades = colormaps["viridis"](np.linspace(*style.away_from_paper(), len(precision)))
    for curve, iou, shade in zip(precision, evaluation.iou_thresholds, shades):
        ax.plot(evaluation.recall_thresholds, curve, color=shade, linewidth=1.6, label=f"{iou:.2f}")
    ax.set_xlim(0, 1.01)
    ax.set_ylim(0, 1.03)
    ax.set_xlabel("recall", fontsize=style.TEXT)
    ax.set_ylabel("precision", fontsize=style.TEXT)
    legend = ax.legend(title="IoU ≥", fontsize=style.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    legend.get_title().set_fontsize(style.SMALL)


def _draw_classes(ax, evaluation, classes, class_names):
    y = np.arange(len(classes))
    marks = (  # the smaller mark lies on the larger, so equal values stay visible
        ("AP50", 0.5, "o", 10, style.BLUE),
        ("AP75", 0.75, "s", 7, style.ORANGE),
        ("AP", None, "D", 4, style.DARK_BLUE),
    )
    for text, iou, marker, size, color in marks:
        values = [evaluation.average_precision(iou=iou, label=int(k) + 1) for k in classes]
        ax.plot(values, y, marker, color=color, markersize=size, label=text, clip_on=False)
    names = [f"{as_written(style.name_of(k + 1, class_names))}  ({evaluation.num_truths[k, 0]})" for k in classes]
    ax.set_yticks(y, names)
    ax.set_ylim(len(classes) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xlabel("average precision", fontsize=style.TEXT)
    ax.set_ylabel("class (number of objects)", fontsize=style.TEXT)
    ax.legend(fontsize=style.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
