"""Numbers by name, side by side: what each part of a network weighs, keeps or receives."""

import math

import numpy as np

from ..errors import ArgumentError
from . import style
from .lettering import as_written, with_glyphs

HATCHES = (None, "////", "....", "xxxx")
COLORS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)


def bars_figure(values, *, title, label, fmt="{:.3g}", log=False):
    """A bar for every name, the first on top, with its number behind it; several series stand side by side.

    {name: number}, or {series: {name: number}} with the same names in each; label says what the numbers are  ->  Figure
    """
    several = all(isinstance(v, dict) for v in values.values())
    series = values if several else {"": values}
    names = list(next(iter(series.values()), ()))
    if not names or any(list(numbers) != names for numbers in series.values()):
        raise ArgumentError("bars_figure: values must hold at least one name, the same ones in every series")
    if any(v < 0 or not math.isfinite(v) for numbers in series.values() for v in numbers.values()):
        raise ArgumentError("bars_figure: values must be finite and not negative: bars begin at 0")
    figure = style.new_figure(7.6, 1.15 + 0.24 * len(names) * len(series) + 0.1 * len(names))
    ax = style.plain_axes(figure.subplots())
    ax.grid(False, axis="y")
    log = log and any(v > 0 for numbers in series.values() for v in numbers.values())
    ax.set_xscale("log" if log else "linear")
    thick = 0.8 / len(series)
    for k, (name, numbers) in enumerate(series.items()):
        y = np.arange(len(names)) + (k - (len(series) - 1) / 2) * thick
        options = {"color": COLORS[k % len(COLORS)], "hatch": HATCHES[k % len(HATCHES)], "edgecolor": style.paper()}
        ax.barh(y, list(numbers.values()), 0.9 * thick, label=as_written(name), linewidth=0.5, **options)
    _limits(ax, [v for numbers in series.values() for v in numbers.values()], log)
    left = ax.get_xlim()[0]
    for k, numbers in enumerate(series.values()):
        for y, value in enumerate(numbers.values()):
            place = max(value, left), y + (k - (len(series) - 1) / 2) * thick
            ax.text(*place, f"  {fmt.format(value)}", va="center", fontsize=style.SMALL)
    ax.set_yticks(np.arange(len(names)), [as_written(name) for name in names])
    ax.tick_params(axis="y", length=0, labelsize=style.TEXT)
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.set_xlabel(with_glyphs(label), fontsize=style.TEXT)
    ax.set_title(with_glyphs(title), fontsize=style.TITLE, loc="left", pad=24 if several else 6)
    if several:
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.99), "ncols": len(series)}
        ax.legend(fontsize=style.SMALL, frameon=False, borderpad=0.1, **place)
    figure.tight_layout()
    return figure


def _limits(ax, numbers, log):
    """Room for the numbers behind the bars; a logarithmic axis begins below the smallest that is not 0."""
    most = max(numbers) or 1.0
    if not log:
        ax.set_xlim(0, 1.15 * most)
        return
    low = 10 ** math.floor(math.log10(min(v for v in numbers if v > 0)) - 0.2)
    ax.set_xlim(low, most * (most / low) ** 0.15)
