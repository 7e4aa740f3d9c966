"""Where a missed object died, as pictures, from an `explain.Fate`."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..explain.fate import STAGES
from . import style
from .boxes import draw_boxes, draw_image
from .lettering import as_written, with_glyphs
from .steps import Steps

FITS, LOST, TARGET = style.BLUE, style.RED, style.PURPLE
DASHED = (0, (4, 2))
MOST = 60  # boxes drawn in one picture


def fate_steps(trace, fate, target_box, *, title=None):
    """The boxes that fit one object after each stage, up to the stage that left none, and the box that decided it.

    DetectionTrace, Fate, target_box (4,)  ->  Steps, all from near
    """
    target = np.asarray(target_box, np.float64)
    stages = list(fate.counts)  # those there are
    end = stages.index(fate.stage) if fate.stage in stages else len(stages)
    meanings, frames, captions = dict(STAGES), [], []
    for name in stages[:end]:
        fits = _plural(fate.counts[name], "fits", "fit")
        frames.append(_frame(trace.image, target, fate.fitting[name], f"after {name}: {fits}"))
        captions.append(f"{name} ({meanings[name]}): {fits} the object with IoU {fate.min_iou:g} or more.")
    if fate.stage != "found":
        before = fate.fitting[stages[end - 1]] if end else np.zeros((0, 4))
        frames.append(_frame(trace.image, target, before, f"{fate.stage}: lost", fate.culprit))
        captions.append(f"{fate.stage}: {fate.reason}.")
    return Steps(frames, captions, title=title)


def _frame(image, target, boxes, title, culprit=None):
    """All frames have one size, so that nothing jumps; the object itself is dashed and lies on top."""
    figure = style.new_figure(3.9, 4.4)
    ax = draw_image(image, ax=figure.add_axes((0.03, 0.1, 0.94, 0.94 * 3.9 / 4.4)))
    for x1, y1, x2, y2 in boxes[:MOST].tolist():
        look = {"fill": False, "edgecolor": FITS, "linewidth": 1.1, "alpha": 0.8, "zorder": 0.9}  # under the object
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **look))
    handles = [Line2D([], [], color=TARGET, linestyle=DASHED, label="the object")]
    if len(boxes):
        handles.append(Line2D([], [], color=FITS, label="fits it" if culprit is None else "fitted it"))
    if culprit is not None:
        draw_boxes(culprit[None], ax=ax, colors=LOST, linewidth=2)
        handles.append(Line2D([], [], color=LOST, linewidth=2, label="decided"))
    draw_boxes(target[None], ax=ax, colors=TARGET, linestyles=[DASHED], linewidth=2)
    _look_at(ax, target, image.shape)
    ax.set_title(with_glyphs(title), fontsize=style.TEXT)
    figure.legend(handles=handles, loc="lower center", ncols=3, fontsize=style.SMALL, frameon=False, handlelength=2.6)
    return figure


def _look_at(ax, box, shape):
    """A square window around a box, two and a half times as large, moved into the image where it sticks out."""
    side = min(2.5 * (box[2:] - box[:2]).max(), max(shape[:2]))
    low = (box[:2] + box[2:] - side) / 2
    low = np.maximum(np.minimum(low, np.array([shape[1], shape[0]]) - side), 0)
    ax.set_xlim(low[0], low[0] + side)
    ax.set_ylim(low[1] + side, low[1])


def fate_figure(fates, names):
    """How many boxes fitted each object after each stage, and the stage that left none.

    list of Fate, as many names  ->  Figure
    """
    width, high = 1.5 + 2.45 * len(fates), 0.27 * len(STAGES) + 1.2
    figure = style.new_figure(width, high)
    for column, (fate, name) in enumerate(zip(fates, names, strict=True)):
        place = ((1.35 + 2.45 * column) / width, 0.32 / high, 2.2 / width, (high - 0.75) / high)
        ax = figure.add_axes(place)
        _draw_funnel(ax, fate)
        ax.set_title(as_written(name), fontsize=style.TEXT)
        if column:
            ax.set_yticklabels([])
    if fates:
        remark = f"boxes that fit, IoU ≥ {fates[0].min_iou:g}, after each stage"
        figure.text(1.35 / width, 0.1 / high, remark, fontsize=style.SMALL, color=style.muted())
    return figure


def _draw_funnel(ax, fate):
    """A bar for every stage, logarithmic in length, with its number; after the last box, the reader sees where."""
    stages, counts = list(fate.counts), list(fate.counts.values())
    lost = stages.index(fate.stage) if fate.stage in stages else len(stages)
    lengths = np.log10(np.array(counts) + 1.0)
    longest = max(float(lengths.max()), 1.0)
    ax.barh(
        np.arange(len(stages)),
        lengths,
        height=0.7,
        color=[FITS if i < lost else style.GREY for i in range(len(counts))],
    )
    for i, (length, count) in enumerate(zip(lengths, counts)):
        text = "lost here" if i == lost else str(count) if count or i < lost else ""
        color = style.ink() if i != lost else LOST
        weight = "bold" if i == lost else "normal"
        ax.text(length + 0.03 * longest, i, text, va="center", fontsize=style.SMALL, color=color, weight=weight)
    ax.set_yticks(np.arange(len(stages)), stages, fontsize=style.SMALL)
    ax.set_ylim(len(stages) - 0.4, -0.6)
    ax.set_xlim(0, 1.3 * longest)
    ax.set_xticks([])
    ax.spines[["top", "right", "bottom"]].set_visible(False)


def _plural(count, one, many):
    return f"1 box {one}" if count == 1 else f"{count} boxes {many}" if count else f"no box {one}"
