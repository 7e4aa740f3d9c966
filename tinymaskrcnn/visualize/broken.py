"""What is wrong with annotated pictures, as pictures: each broken entry drawn where the file says that it is."""

import math

import numpy as np

from . import style
from .boxes import draw_boxes, draw_image
from .legends import line_handle
from .lettering import as_written

COLUMNS, SIDE, GAP, BELOW, TOP = 4, 2.0, 0.22, 0.78, 0.7  # inches
SOUND, BROKEN = style.BLUE, style.RED
WORDS = 34  # characters of a line below a picture
LINES = 4


def broken_figure(cases, *, left=0, title="What is wrong with the annotations"):
    """A panel for each case.

    cases [{"image" (H, W, C) or None, "size" (height, width), "box" x1, y1, x2, y2 or None, "outlines" [(J, 2)],
    "marks" (J, 2), "others" [(x1, y1, x2, y2)], "where": a name, "what": a sentence}], left: how many there are besides
    ->  Figure
    """
    if not cases:
        return style.message_figure("nothing is wrong with the annotations")
    columns = min(COLUMNS, len(cases))
    rows = math.ceil(len(cases) / columns)
    width = max(GAP + columns * (SIDE + GAP), 6.2)
    high = TOP + rows * (SIDE + BELOW) + (0.3 if left else 0.1)
    figure = style.new_figure(width, high)
    more = f"{title}: {len(cases)} of {len(cases) + left}" if left else title
    figure.text(GAP / width, 1 - 0.2 / high, as_written(more), fontsize=style.TITLE, va="center", weight="bold")
    handles = [line_handle("as the file says", BROKEN, (0, (4, 2))), line_handle("sound objects", SOUND)]
    place = (GAP / width, 1 - 0.62 / high)
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=place, ncols=2, frameon=False, fontsize=style.TEXT)
    for k, case in enumerate(cases):
        x, y = GAP + k % columns * (SIDE + GAP), high - TOP - (k // columns) * (SIDE + BELOW)
        _draw(figure.add_axes((x / width, (y - SIDE) / high, SIDE / width, SIDE / high)), case)
        text = as_written("\n".join(_lines(case)))
        figure.text(x / width, (y - SIDE - 0.05) / high, text, fontsize=style.SMALL, va="top")
    return figure


def _draw(ax, case):
    (height, width), box = case["size"], case["box"]
    if case["image"] is None:
        style.say(ax, "no picture to be seen", y=0.5)
    else:
        draw_image(case["image"], ax=ax)
        if len(case["others"]):
            draw_boxes(np.array(case["others"], np.float64), ax=ax, colors=SOUND, linewidth=1.0)
    low, high = np.zeros(2), np.array([width, height], float)
    ax.plot(*case["marks"].T, "o", color=BROKEN, markersize=4)
    for outline in case["outlines"]:
        ax.plot(*np.concatenate([outline, outline[:1]]).T, color=BROKEN, linewidth=1.2, linestyle=(0, (1, 1)))
    if box is not None:
        draw_boxes(np.array([box], np.float64), ax=ax, colors=BROKEN, linestyles=[(0, (4, 2))])
        middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        ax.plot(*middle, "+", color=BROKEN, markersize=9, markeredgewidth=1.6)  # a box without an area is seen, too
    ends = [np.reshape(box, (2, 2))] if box is not None else []
    reach = np.concatenate([[low, high], *ends, case["marks"], *case["outlines"]])
    reach = np.clip(reach, low - 2 * (high - low), high + 2 * (high - low))  # what lies far away is cut off
    low, high = reach.min(axis=0), reach.max(axis=0)
    side = max(*(high - low), 1) * 1.06
    middle = (low + high) / 2
    ax.set_xlim(middle[0] - side / 2, middle[0] + side / 2)
    ax.set_ylim(middle[1] + side / 2, middle[1] - side / 2)
    ax.set(xticks=[], yticks=[], aspect="equal", facecolor=style.faint())
    ax.spines[:].set(visible=True, color=style.faint(), linewidth=0.8)


def _lines(case):
    """The name of the entry, and what is wrong with it in a few short lines."""
    words, lines = case["what"].split(), [case["where"][:WORDS]]
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > WORDS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], lines[LINES - 1][: WORDS - 4] + " ..."]
