"""Which pixels the score of a detection heeds, what would move its box, and whether the map can be believed."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize

from ..explain.chain import name_of
from . import style
from .boxes import draw_boxes, draw_image
from .gradients import draw_gradient, reach_of
from .lettering import as_written

SIDE, GAP, ABOVE, BELOW = 2.2, 0.16, 0.3, 0.56  # inches: of a panel, between panels, for its title, for its caption
TOP = 0.62
READING = "orange: more light raises the {}; blue: it lowers it; the page is zero, and below each map stands its length"


def score_maps_figure(maps, checks=None):
    """The gradient of one detection's score by the pixels: with the box held, by what moves the box, and both.

    ScoreMaps, MapChecks or None  ->  Figure; with checks, a second row with what came of them
    """
    rows = [[_whole, _map("held"), _map("moves"), _map("free")]]
    if checks is not None:
        rows.append([_random, _covered("measured"), _covered("told"), _against])
    width, row = GAP + 4 * (SIDE + GAP), ABOVE + SIDE + BELOW
    high = TOP + len(rows) * row
    figure = style.new_figure(width, high)
    config = maps.trace.config
    title = f"{maps.of} {maps.score:.3g} of {name_of(config, maps.label)}: which pixels it heeds"
    figure.text(GAP / width, 1 - 0.2 / high, as_written(title), fontsize=style.TITLE, va="center", weight="bold")
    reading = READING.format(maps.of)
    figure.text(GAP / width, 1 - 0.46 / high, reading, fontsize=style.TEXT, va="center", color=style.muted())
    window = _window(maps)
    for r, panels in enumerate(rows):
        for c, panel in enumerate(panels):
            x, y = GAP + c * (SIDE + GAP), high - TOP - r * row - ABOVE - SIDE
            ax = figure.add_axes((x / width, y / high, SIDE / width, SIDE / high))
            name, caption = panel(ax, maps, checks, window)
            ax.set_title(name, fontsize=style.TEXT, loc="left")
            ax.set_xlabel("")
            look = {"fontsize": style.SMALL, "va": "top", "color": style.muted()}
            figure.text(x / width, (y - 0.07) / high, as_written(caption), **look)
    return figure


def _window(maps):
    """(x, y) of a corner and the side of a square around the proposal, with as much again around it."""
    x1, y1, x2, y2 = maps.proposal.astype(np.float64)
    side = 2.2 * max(x2 - x1, y2 - y1, 4.0)
    return ((x1 + x2 - side) / 2, (y1 + y2 - side) / 2), side


def _near(ax, window):
    (x, y), side = window
    ax.set_xlim(x, x + side)
    ax.set_ylim(y + side, y)
    ax.set(xticks=[], yticks=[], aspect="equal", facecolor=style.paper())
    ax.spines[:].set(visible=True, color=style.faint(), linewidth=0.8)


def _proposal(ax, maps):
    draw_boxes(maps.proposal[None], ax=ax, colors=style.PURPLE, linestyles=[(0, (1, 1.2))], linewidth=1.0)


# ---------------------------------------------------------------- panels: (title, caption of two lines)


def _whole(ax, maps, checks, window):
    draw_image(maps.trace.image, ax=ax, title=None)
    _proposal(ax, maps)
    _near(ax, window)
    return "the picture", "dotted: the proposal, through\nwhich the score was read"


def _map(way):
    names = {"held": "with the box held", "moves": "by moving the box", "free": "both: the box is free"}
    words = {"held": "what lies in the crop", "moves": "by way of RoIAlign's edges and the RPN"}
    words |= {"free": "the whole derivative"}

    def panel(ax, maps, checks, window):
        gradient = getattr(maps, way)
        reach = None if way == "moves" else reach_of(maps.free)  # those two can be compared, this one mostly is fainter
        draw_gradient(gradient, maps.trace.image, ax=ax, reach=reach)
        _proposal(ax, maps)
        _near(ax, window)
        how = words[way] if gradient.any() or way != "moves" else "nothing moves it"
        how = how.replace("RoIAlign's", "the crop's") if maps.trace.config.roi.pooling != "align" else how
        return names[way], f"{how}\nlength {np.linalg.norm(gradient):.2g}"

    return panel


def _random(ax, maps, checks, window):
    draw_gradient(checks.control.held, maps.trace.image, ax=ax)
    _proposal(ax, maps)
    _near(ax, window)
    length = np.linalg.norm(checks.control.held)
    likeness = f"correlation {checks.likeness:.2f} with the first map"
    return "random weights", f"untrained: length {length:.2g},\n{likeness}"


def _covered(which):
    names = {"measured": "each patch covered", "told": "what the first map says of it"}

    def panel(ax, maps, checks, window):
        values = getattr(checks.whole, which)["held"]
        most = float(np.abs(values).max()) or 1.0
        colors = LinearSegmentedColormap.from_list("from the page", [style.BLUE, style.paper(), style.RED])
        patches, scale = checks.whole.patches, Normalize(-most, most)
        for (x1, y1, x2, y2), value in zip(patches, values):
            look = {"facecolor": colors(scale(value)), "edgecolor": style.faint(), "linewidth": 0.5}
            ax.fill([x1, x2, x2, x1], [y1, y1, y2, y2], **look)
        _proposal(ax, maps)
        _near(ax, window)
        side = {"measured": "measured, the box held", "told": "its pixels, added up"}[which]
        return names[which], f"{side}\nfrom {values.min():.2g} to {values.max():+.2g}"

    return panel


def _against(ax, maps, checks, window):
    ax.axhline(0, color=style.faint(), linewidth=0.8)
    ax.axvline(0, color=style.faint(), linewidth=0.8)
    for one, color, mark in ((checks.whole, style.RED, "o"), (checks.faint, style.BLUE, "+")):
        told, measured = (part["held"] / (np.abs(part["held"]).max() or 1.0) for part in (one.told, one.measured))
        ax.plot(told, measured, mark, color=color, markersize=4, label=f"covered by {one.strength:.0%}")
    ax.set(xticks=[], yticks=[], xlim=(-1.1, 1.1), ylim=(-1.1, 1.5))
    ax.spines[:].set(visible=True, color=style.faint(), linewidth=0.8)
    ax.legend(fontsize=style.SMALL, frameon=False, loc="upper left", handletextpad=0.2, borderaxespad=0.1)
    whole, faint = checks.whole.correlation(), checks.faint.correlation()
    caption = f"each to its own scale: correlation {whole:.2f}\ncovered, {faint:.2f} covered faintly"
    return "measured (up) by told (right)", caption
