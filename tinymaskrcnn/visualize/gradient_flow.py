"""How loud the gradient is at every stage while a network learns, and whether the losses pull the same way."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from ..errors import ArgumentError
from ..explain.gradient_flow import PLACES
from . import style
from .lettering import as_written
from .lines import draw_lines

SIDE = 2.5  # inches: of a matrix
NAMES = 1.25  # inches: room for the names of losses
COLORS = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#999999", "#B0A000", "#6F4E9C", "#444444")


def gradient_flow_figure(flow, *, loss="all"):
    """Above, the length of the gradient at every stage; below, the mean cosine between each two losses where they meet.

    GradientFlow, loss: whose gradient the curves show, "all" for the sum  ->  Figure
    """
    if not flow.shots:
        raise ArgumentError("gradient_flow_figure: call look at least once before")
    width, above, below = NAMES + 3 * (SIDE + 0.2) + 0.1, 3.0, SIDE + 1.4
    figure = style.new_figure(width, above + below)
    high = above + below
    ax = figure.add_axes((0.75 / width, (below + 0.45) / high, (width - 2.5) / width, (above - 0.85) / high))
    series = flow.series(loss)
    colors = {stage: COLORS[i % len(COLORS)] for i, stage in enumerate(series)}
    draw_lines(series, ax=ax, log="y", xlabel="step", ylabel="length of the gradient", markers=True, colors=colors)
    whose = "all losses together" if loss == "all" else loss
    ax.set_title(as_written(f"the gradient of {whose}, stage by stage"), fontsize=style.TITLE, loc="left")
    ax.legend(fontsize=style.SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    title = "mean cosine between the gradients of two losses: blue together, orange against each other"
    figure.text(0.1 / width, (below - 0.12) / high, title, fontsize=style.TITLE, va="top")
    names = [name.replace("_", " ") for name in flow.losses]
    for k, place in enumerate(PLACES):
        left = NAMES + k * (SIDE + 0.2)
        ax = figure.add_axes((left / width, 0.95 / high, SIDE / width, SIDE * 0.92 / high))
        _draw_cosines(ax, flow.mean_cosines(place), names, place, first=k == 0)
    return figure


def _draw_cosines(ax, cosines, names, place, *, first):
    shown = np.where(np.eye(len(cosines), dtype=bool), np.nan, cosines)
    colors = LinearSegmentedColormap.from_list("cosine", [style.ORANGE, style.paper(), style.BLUE])
    colors = colors.with_extremes(bad=style.faint())
    ax.imshow(np.ma.masked_invalid(shown), vmin=-1, vmax=1, cmap=colors)
    for i, row in enumerate(shown):
        for j, value in enumerate(row):
            if not np.isnan(value):
                ax.text(j, i, f"{value:+.2f}", ha="center", va="center", fontsize=style.SMALL, color=style.ink())
    places = range(len(names))
    ax.set_xticks(places, map(as_written, names), rotation=40, ha="right", fontsize=style.SMALL)
    ax.set_yticks(places, map(as_written, names) if first else [""] * len(names), fontsize=style.SMALL)
    ax.tick_params(length=0)
    ax.spines[:].set(visible=True, color=style.faint(), linewidth=0.8)
    none = "" if (~np.isnan(shown)).any() else ": no two meet"
    ax.set_title(f"{place}{none}", fontsize=style.TEXT, loc="left")
