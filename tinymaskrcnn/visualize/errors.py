"""The errors of a data set, kind by kind: how many, what they cost, and the worst of them as pictures."""

import numpy as np

from . import style
from .boxes import draw_boxes, draw_image
from .lettering import as_written

SIDE, GAP, NAMES, BARS, BELOW, TOP = 1.5, 0.16, 1.5, 1.5, 0.42, 0.72  # inches
FOUND, TRUE = style.ORANGE, style.BLUE


def errors_figure(report, images, *, examples=4):
    """A row for every kind of error that occurs: its number, its cost as a bar, and the worst ones from near.

    ErrorReport, {number of a picture: image (H, W, C)} of all that its `examples` name  ->  Figure
    """
    kinds = [kind for kind in report.kinds if report.count(kind)]
    if not kinds:
        return style.message_figure("there is no error")
    none = [kind for kind in report.kinds if kind not in kinds]
    row = SIDE + BELOW
    width = NAMES + BARS + GAP + examples * (SIDE + GAP)
    high = TOP + len(kinds) * row + (0.3 if none else 0.1)
    figure = style.new_figure(width, high)
    metric = report.metric
    title = f"{metric} {report.average(report.ap):.3f} of {report.pictures} pictures: what it is short of 1"
    figure.text(0.1 / width, 1 - 0.2 / high, as_written(title), fontsize=style.TITLE, va="center", weight="bold")
    reading = "orange: what was found; dotted blue: the object; bars: what the score would gain without these errors"
    reading = reading.replace("the score", metric)
    figure.text(0.1 / width, 1 - 0.46 / high, reading, fontsize=style.TEXT, va="center", color=style.muted())
    most = max(report.cost(kind) for kind in kinds) or 1.0
    for r, kind in enumerate(kinds):
        top = high - TOP - r * row
        count = report.count(kind)
        words = f"{kind.replace(', ', ',' + chr(10))}\n{count} error{'s' * (count != 1)}"
        figure.text(0.1 / width, (top - 0.1) / high, as_written(words), fontsize=style.TEXT, va="top")
        ax = figure.add_axes((NAMES / width, (top - SIDE / 2 - 0.1) / high, BARS / width, 0.2 / high))
        ax.barh([0], [report.cost(kind)], color=style.RED, height=1)
        ax.set(xlim=(0, 1.6 * most), ylim=(-0.5, 0.5))
        ax.set_axis_off()
        ax.text(report.cost(kind), 0, f"  {report.cost(kind):.3f}", va="center", fontsize=style.TEXT)
        for c, example in enumerate(report.examples(kind, examples)):
            x = NAMES + BARS + GAP + c * (SIDE + GAP)
            ax = figure.add_axes((x / width, (top - SIDE) / high, SIDE / width, SIDE / high))
            _draw_example(ax, example, images[example["picture"]])
            look = {"fontsize": style.SMALL, "va": "top", "color": style.muted()}
            text = _caption(example, report.class_names)
            figure.text(x / width, (top - SIDE - 0.05) / high, as_written(text), **look)
    if none:
        place = 0.1 / width, 0.16 / high
        figure.text(*place, f"none: {'; '.join(none)}", fontsize=style.TEXT, va="center", color=style.muted())
    return figure


def _draw_example(ax, example, image):
    draw_image(image, ax=ax, title=None)
    boxes = [np.asarray(example[name], np.float64) for name in ("box", "true_box") if example[name] is not None]
    if example["true_box"] is not None:
        draw_boxes(np.array([example["true_box"]]), ax=ax, colors=TRUE, linestyles=[(0, (1, 1.2))])
    if example["box"] is not None:
        draw_boxes(np.array([example["box"]]), ax=ax, colors=FOUND)
    low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    middle, side = (low + high) / 2, 1.5 * max(*(high - low), 8.0)
    ax.set_xlim(middle[0] - side / 2, middle[0] + side / 2)
    ax.set_ylim(middle[1] + side / 2, middle[1] - side / 2)
    ax.set(xticks=[], yticks=[], aspect="equal", facecolor=style.paper())
    ax.spines[:].set(visible=True, color=style.faint(), linewidth=0.8)


def _caption(example, names):
    where = f"picture {example['picture']}"
    true = None if example["true"] is None else names[example["true"]]
    if example["detection"] is None:
        return f"a {true}\n{where}"
    said = f"{names[example['label']]} {example['score']:.2f}"
    return f"{said}{'' if true is None else f' for a {true}'}\nIoU {example['iou']:.2f}, {where}"
