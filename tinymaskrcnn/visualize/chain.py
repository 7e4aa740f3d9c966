"""One detection from its anchor to its mask as a strip of pictures, and how far every number was from ending it."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..explain.chain import name_of
from ..explain.detection_steps import grid_of
from . import style
from .boxes import draw_boxes, draw_image
from .lettering import as_written
from .masks import draw_masks
from .skeleton import draw_keypoints

BEFORE, AFTER, GONE, SAME = style.BLUE, style.ORANGE, style.RED, style.GREEN
DOTTED = (0, (1, 1.2))
SIDE, GAP, ABOVE, BELOW = 2.2, 0.14, 0.3, 0.52  # inches: of a panel, between panels, for its title, for its caption
LINE = 0.3  # of a line of numbers
CLASSES = 4  # bars of the likeliest ones


def chain_figure(explanation, k=0):
    """How detection k came to be, from near, and on lines of numbers what would have ended it.

    Explanation, k: a detection that it shows  ->  Figure
    """
    if not len(explanation):
        return style.message_figure(explanation.stages().splitlines()[-1])
    chain = explanation.chain(k)
    lines = {}
    for other in chain.counterfactuals:
        if "." in other.setting and other.setting != "roi.canonical_size":
            lines.setdefault(other.setting, []).append(other)
    panels = [_whole, *([_anchor, _rivals] if explanation.trace.anchors is not None else [_proposal]), _grid]
    panels += [_classes, _deltas, _last_rivals, _mask]
    columns = -(-len(panels) // 2)
    width = GAP + columns * (SIDE + GAP)
    row = ABOVE + SIDE + BELOW
    judged = explanation.target is not None
    top = 0.62 if judged else 0.4
    high = top + 2 * row + 0.35 + LINE * len(lines) + 0.25
    figure = style.new_figure(width, high)
    figure.text(GAP / width, 1 - 0.2 / high, as_written(chain.title), fontsize=style.TITLE, va="center", weight="bold")
    if judged:
        color = style.GREEN if explanation.verdicts[k].kind == "right" else GONE
        text = as_written(chain["verdict"].text)
        figure.text(GAP / width, 1 - 0.46 / high, text, fontsize=style.TEXT, va="center", color=color)
    window = _window(explanation, k)
    for i, panel in enumerate(panels):
        x = GAP + (i % columns) * (SIDE + GAP)
        y = high - top - (i // columns) * row - ABOVE - SIDE
        ax = figure.add_axes((x / width, y / high, SIDE / width, SIDE / high))
        title, caption = panel(ax, explanation, k, chain, window)
        ax.set_title(f"{i + 1}  {title}", fontsize=style.TEXT, loc="left")
        look = {"fontsize": style.SMALL, "va": "top", "color": style.muted()}
        figure.text(x / width, (y - 0.06) / high, as_written(caption), **look)
    place = (2.1 / width, 0.25 / high, (width - 2.1 - 2.3) / width, LINE * max(len(lines), 1) / high)
    _draw_numbers(figure.add_axes(place), lines)
    return figure


# ---------------------------------------------------------------- panels: (title, caption of two lines)


def _whole(ax, explanation, k, chain, window):
    draw_image(explanation.trace.image, ax=ax)
    ax.set_anchor("N")
    found = explanation.trace.detections
    draw_boxes(found.boxes[k][None], ax=ax, colors=AFTER)
    low, side = window
    ax.add_patch(Rectangle(low, side, side, fill=False, edgecolor=style.GREY, linestyle=DOTTED))
    return "the picture", f"{explanation.shown} shown; from near:\nwhat the dotted square holds"


def _anchor(ax, explanation, k, chain, window):
    trace, place = explanation.trace, chain["anchor"].numbers
    deltas = chain["deltas"].numbers
    _near(ax, trace.image, window)
    cell = 2 ** place["level"]
    corner = (place["column"] * cell, place["row"] * cell)
    ax.add_patch(Rectangle(corner, cell, cell, facecolor=BEFORE, alpha=0.45, edgecolor="none"))
    draw_boxes(np.array([deltas["before"]]), ax=ax, colors=BEFORE, linestyles=[DOTTED])
    draw_boxes(np.array([deltas["after"]]), ax=ax, colors=AFTER)
    level = trace.config.backbone.level_name(place["level"])
    numbers = chain["objectness"].numbers
    caption = f"size {place['size']:g}, height/width {place['ratio']:g}; objectness\n{numbers['objectness']:.3g}, "
    return f"anchor on {level}, moved", caption + f"number {numbers['rank']} of {numbers['of']} there"


def _proposal(ax, explanation, k, chain, window):
    trace = explanation.trace
    _near(ax, trace.image, window)
    draw_boxes(trace.proposals.boxes[trace.origins[k]][None], ax=ax, colors=BEFORE)
    return "proposal", "it came with the picture, number\n{number} of {of}".format(**chain["proposal"].numbers)


def _rivals(ax, explanation, k, chain, window):
    trace, numbers = explanation.trace, chain["RPN NMS"].numbers
    _suppressed(ax, trace.image, window, numbers, trace.proposals.boxes[trace.origins[k]])
    rank = chain["proposals"].numbers
    return "RPN NMS", f"suppressed {numbers['suppressed']}; number {rank['rank']} of {rank['of']}\nover all levels"


def _grid(ax, explanation, k, chain, window):
    trace, grid = explanation.trace, grid_of(explanation.trace, k)
    _near(ax, trace.image, window)
    look = {"color": style.YELLOW, "linewidth": 0.6, "alpha": 0.8}
    ax.vlines(grid.x_edges, grid.y_edges[0], grid.y_edges[-1], **look)
    ax.hlines(grid.y_edges, grid.x_edges[0], grid.x_edges[-1], **look)
    ax.plot(*grid.points.T, ".", color=style.YELLOW, markersize=2.2)
    level = trace.config.backbone.level_name(chain["level"].numbers["level"])
    how = {"align": "RoIAlign", "pool": "RoIPool", "warp": "RoIWarp", "prroi": "PrRoIPool"}[grid.operator]
    side = chain["level"].numbers["side"]
    return f"{how} reads {level}", f"side {side:.0f} px; {len(grid.points)} places,\ncells of {grid.cell} px"


def _classes(ax, explanation, k, chain, window):
    trace = explanation.trace
    said = trace.proposals.probabilities[trace.origins[k]]
    label = trace.detections.labels[k]
    order = np.argsort(-said, kind="stable")[:CLASSES]
    order = order if label in order else np.append(order[:-1], label)
    colors = [AFTER if c == label else style.GREY for c in order]
    ax.barh(np.arange(len(order)), said[order], color=colors, height=0.62)
    for i, c in enumerate(order):
        text = f"{name_of(trace.config, c)}  {said[c]:.2g}"
        ax.text(0.02, i - 0.4, as_written(text), fontsize=style.SMALL, va="bottom", color=style.ink())
    ax.set_xlim(0, 1)
    ax.set_ylim(len(order) - 0.5, -0.85)
    ax.set_yticks([])
    ax.set_xticks([])
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    numbers = chain["class"].numbers
    rival = name_of(trace.config, numbers["second"])
    ahead = "before" if numbers["margin"] >= 0 else "behind"
    logit = f"{abs(numbers['logit_margin']):.2f} between them"
    return "class", f"{abs(numbers['margin']):.2g} {ahead} {rival}: a logit of\n{logit}"


def _deltas(ax, explanation, k, chain, window):
    deltas = chain["box deltas"].numbers
    _near(ax, explanation.trace.image, window)
    draw_boxes(np.array([deltas["before"]]), ax=ax, colors=BEFORE, linestyles=[DOTTED])
    draw_boxes(np.array([deltas["after"]]), ax=ax, colors=AFTER)
    words = chain["box deltas"].text.split(":")[0].split(", ")
    half = -(-len(words) // 2)
    return "box of its class", ", ".join(words[:half]) + (",\n" if words[half:] else "") + ", ".join(words[half:])


def _last_rivals(ax, explanation, k, chain, window):
    trace, numbers = explanation.trace, chain["final NMS"].numbers
    _suppressed(ax, trace.image, window, numbers, trace.detections.boxes[k])
    rank = chain["detections"].numbers
    place = f"number {rank['rank']} of {rank['of']}\nin the picture"
    return "NMS of its class", f"suppressed {numbers['suppressed']}; {place}"


def _mask(ax, explanation, k, chain, window):
    trace, found = explanation.trace, explanation.trace.detections
    _near(ax, trace.image, window)
    row = found.select([k])
    draw_masks(row.masks, ax=ax, colors=AFTER)
    draw_keypoints(row.keypoints, ax=ax, colors=[AFTER], names=trace.config.keypoint_names)
    draw_boxes(found.boxes[k][None], ax=ax, colors=AFTER, linewidth=1.2)
    if found.masks is None:
        return "detection", "this model has no masks"
    numbers = chain["mask"].numbers
    if "iou" in numbers:
        return "mask", f"{numbers['pixels']} pixels, IoU {numbers['iou']:.2f} with the\nobject's mask"
    return "mask", f"{numbers['pixels']} pixels from {trace.config.roi.mask_threshold:g} on"


def _suppressed(ax, image, window, numbers, box):
    """A box that stayed, and those that went because of it: the more they share with it, the stronger."""
    _near(ax, image, window)
    for (x1, y1, x2, y2), iou in zip(numbers["boxes"], numbers["ious"]):
        look = {"fill": False, "edgecolor": GONE, "linewidth": 0.9, "alpha": 0.25 + 0.6 * min(iou, 1.0)}
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **look))
    draw_boxes(np.asarray(box)[None], ax=ax, colors=AFTER)


def _window(explanation, k):
    """A square around all that becomes of a detection: its lower corner, its side."""
    trace = explanation.trace
    boxes = [trace.detections.boxes[k], trace.proposals.boxes[trace.origins[k]]]
    if trace.anchors is not None:
        boxes.append(trace.anchors.boxes[trace.proposals.anchor[trace.origins[k]]])
    low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    side = 1.35 * float((high - low).max())
    return (low + high - side) / 2, side


def _near(ax, image, window):
    draw_image(image, ax=ax)
    (x, y), side = window
    ax.set_xlim(float(x), float(x + side))
    ax.set_ylim(float(y + side), float(y))
    ax.set_facecolor(style.faint())  # beyond the image


# ---------------------------------------------------------------- lines of numbers


def _draw_numbers(ax, lines):
    """For each setting where it is, and on either side how far it may go until a step decides otherwise."""
    for i, (setting, limits) in enumerate(lines.items()):
        scale, now = _scale(limits), limits[0].now
        least = [other.same for other in limits if other.other < other.same]
        most = [other.same for other in limits if other.other > other.same]
        ax.hlines(i, 0, 1, color=GONE, linewidth=1.2, linestyle=DOTTED)
        ax.hlines(i, scale(max(least)) if least else 0, scale(min(most)) if most else 1, color=SAME, linewidth=3.2)
        ax.plot([scale(now)], [i], marker="|", markersize=11, markeredgewidth=2, color=style.ink())
        words = f"{f'from {max(least):.3g} ' if least else ''}{f'to {min(most):.3g} ' if most else ''}".strip()
        ax.text(-0.015, i, setting, ha="right", va="center", fontsize=style.SMALL)
        ax.text(1.015, i, f"{words}, now {now:g}", ha="left", va="center", fontsize=style.SMALL)
    ax.set_xlim(0, 1)
    ax.set_ylim(len(lines) - 0.5, -0.6)
    ax.set_axis_off()
    if lines:
        looks = {"linestyle": "none", "marker": "|", "markersize": 9, "markeredgewidth": 2, "color": style.ink()}
        handles = [
            Line2D([], [], label="now", **looks),
            Line2D([], [], color=SAME, linewidth=3.2, label="up to here it is decided as now"),
            Line2D([], [], color=GONE, linewidth=1.2, linestyle=DOTTED, label="beyond, otherwise"),
        ]
        where = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3}
        ax.legend(handles=handles, fontsize=style.SMALL, frameon=False, **where)


def _scale(limits):
    """Of a share itself; of numbers and lengths the logarithm, so that 3 and 256 find room on one line."""
    values = [value for other in limits for value in (other.now, other.same, other.other)]
    if max(values) <= 1.001 and isinstance(limits[0].same, float):
        return lambda value: min(max(float(value), 0.0), 1.0)
    most = np.log10(1 + 1.3 * max(values))
    return lambda value: float(np.log10(1 + max(value, 0)) / most)
