"""Curves, bars and histograms with names, told apart by colour and by form."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import blended_transform_factory

from ..backend import to_host
from ..errors import ArgumentError
from . import style
from .lettering import as_written, with_glyphs

DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
HATCHES = ("", "///", "...", "xx")
COLORS = (style.DARK_BLUE, style.RED, style.GREEN, style.PURPLE)
DARK_COLORS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)


def draw_lines(
    curves, *, ax=None, title=None, xlabel="", ylabel="", log="", markers=False, smooth=1, colors=None, linestyles=None
):
    """Draw named curves.

    curves {name: (x, y) or y}, x (K,), y (K,)  ->  axes

    - log: "x", "y" or "xy" for logarithmic axes
    - smooth: also over how many neighbours a running mean is drawn, the raw curve behind it thin
    - colors, linestyles: {name: colour}, {name: line style}, where the order of the curves should not choose
    """
    ax = _axes(ax, title, xlabel, ylabel)
    _refuse_none("draw_lines", "curves", curves)
    for i, (name, curve) in enumerate(curves.items()):
        y = np.asarray(to_host(curve[1] if isinstance(curve, tuple) else curve), np.float64)
        x = np.asarray(to_host(curve[0]), np.float64) if isinstance(curve, tuple) else np.arange(len(y))
        if x.shape != y.shape or y.ndim != 1:
            raise ArgumentError(f"draw_lines: x and y of {name!r} must be of one length; got {x.shape} and {y.shape}")
        color = (colors or {}).get(name, _color(i))
        look = {"color": color, "linestyle": (linestyles or {}).get(name, DASHES[i % 4]), "linewidth": 1.8}
        if smooth > 1:
            ax.plot(x, y, color=color, linewidth=0.7, alpha=0.35)
            y = style.running_mean(y, smooth)
        ax.plot(x, y, label=as_written(name), marker="os^D"[i % 4] if markers else None, markersize=4, **look)
    for name in log:
        _logarithmic(ax, name)
    return _legend(ax, len(curves))


def draw_bars(groups, *, names=None, ax=None, title=None, xlabel="", ylabel="", log=False):
    """Draw one bar per entry, the groups side by side: the gradient of every layer of two networks, for instance.

    groups {name: numbers (K,)}, names: K texts below the bars, 1 to K unless given  ->  axes
    """
    ax = _axes(ax, title, xlabel, ylabel)
    _refuse_none("draw_bars", "groups", groups)
    heights = {name: np.asarray(to_host(values), np.float64) for name, values in groups.items()}
    K = max(len(h) for h in heights.values())
    names = [str(k + 1) for k in range(K)] if names is None else list(names)
    if any(h.shape != (K,) for h in heights.values()) or len(names) != K:
        given = {name: h.shape for name, h in heights.items()}
        raise ArgumentError(f"draw_bars: groups and names must have one length; got {given} and {len(names)} names")
    width = 0.84 / len(heights)
    for i, (name, height) in enumerate(heights.items()):
        x = np.arange(K) - 0.42 + (i + 0.5) * width
        look = {"color": _color(i), "hatch": HATCHES[i % 4], "edgecolor": style.paper(), "linewidth": 0}
        ax.bar(x, height, width, label=as_written(name), **look)
    ax.set_xticks(np.arange(K), [as_written(name) for name in names], fontsize=style.SMALL)
    ax.grid(False, axis="x")
    if log:
        ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(top=high * (high / low) ** 0.2 if log else high + 0.2 * (high - low))  # room for the legend
    if log:
        _logarithmic(ax, "y")
    return _legend(ax, len(heights), loc="upper right", ncols=len(heights))


def draw_histogram(samples, *, ax=None, title=None, xlabel="", bins=30, limits=None):
    """Draw how often which number occurs, the groups over each other; a dashed line marks each mean.

    samples {name: numbers, any shape}, limits (low, high) of the bins  ->  axes
    """
    ax = _axes(ax, title, xlabel, "share")
    _refuse_none("draw_histogram", "samples", samples)
    flat = {name: np.asarray(to_host(values), np.float64).ravel() for name, values in samples.items()}
    low, high = limits or (min(v.min() for v in flat.values()), max(v.max() for v in flat.values()))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for i, (name, values) in enumerate(flat.items()):
        share = np.full(values.size, 1 / values.size)
        look = {"weights": share, "edgecolor": _color(i), "linestyle": DASHES[i % 4], "linewidth": 1.4}
        look["label"] = as_written(name)
        ax.hist(np.clip(values, edges[0], edges[-1]), edges, histtype="stepfilled", facecolor=(*_rgb(i), 0.25), **look)
        ax.axvline(values.mean(), color=_color(i), linewidth=1.2, linestyle=(0, (3, 2)))
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, ax.get_ylim()[1] * (1 + 0.1 * len(flat)))  # room for the legend
    return _legend(ax, len(flat))


def mark_x(ax, x, text):
    """A thin vertical line at x with a word beside its upper end; returns the axes."""
    ax.axvline(x, color=style.muted(), linewidth=1, linestyle=":")
    place = blended_transform_factory(ax.transData, ax.transAxes)
    ax.text(x, 0.98, f" {as_written(text)}", transform=place, fontsize=style.SMALL, color=style.muted(), va="top")
    return ax


def _axes(ax, title, xlabel, ylabel):
    if ax is None:
        ax = style.new_figure(6.4, 3.4).add_axes((0.11, 0.15, 0.86, 0.74))
    style.plain_axes(ax)
    ax.set_xlabel(with_glyphs(xlabel), fontsize=style.TEXT)
    ax.set_ylabel(with_glyphs(ylabel), fontsize=style.TEXT)
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def _logarithmic(ax, name):
    """A logarithmic axis "x" or "y"; within two decades it names 1, 2 and 5 as plain numbers."""
    getattr(ax, f"set_{name}scale")("log")
    axis = getattr(ax, f"{name}axis")
    low, high = sorted(axis.get_view_interval())
    if high / low < 100:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(ax, count, **place):
    if count > 1:
        ax.legend(
            fontsize=style.SMALL, framealpha=0.9, facecolor=style.paper(), edgecolor=style.faint(), handlelength=3
        )
    return ax


def _color(i):
    """Strong colours on white, light ones on black."""
    light = style.paper() == style.THEMES["light"]["paper"]
    return (COLORS if light else DARK_COLORS)[i % 4]


def _rgb(i):
    color = _color(i)
    return tuple(int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))


def _refuse_none(function, name, given):
    if not given:
        raise ArgumentError(f"{function}: {name} must hold at least one entry; got {given!r}")
