"""Intervals side by side: what each arm of a comparison reached with each seed, and how sure the difference is."""

import math

from . import style
from .lettering import as_written, with_glyphs

HEIGHT = 0.36  # inches of an arm


def intervals_figure(values, intervals, *, title, label, effect=None):
    """On the left every value of every arm, seeds joined by thin lines; on the right mean differences and intervals.

    values {arm: {seed: number}}, intervals {arm: (mean, low, high) or None}, label: what the values are  ->  Figure

    effect: the size that matters, a band around 0 on the right. An interval that is not known is a point.
    """
    if not any(values.values()):
        return style.message_figure("nothing is measured yet")
    figure = style.new_figure(8.4, 1.1 + HEIGHT * len(values))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1))
    draw_values(values, ax=left, label=label)
    draw_differences(intervals, ax=right, effect=effect)
    left.set_yticks(range(len(values)), [as_written(name) for name in values], fontsize=style.SMALL)
    left.set_ylim(len(values) - 0.5, -0.5)
    left.set_title(with_glyphs(title), fontsize=style.TITLE, loc="left", pad=8)
    figure.tight_layout()
    return figure


def draw_values(values, *, ax=None, label=""):
    """A point for every seed of every arm, from the top down; seeds have thin lines from arm to arm.

    values {arm: {seed: number}}  ->  axes
    """
    ax = style.plain_axes(style.new_axes(ax))
    seeds = sorted({seed for of_arm in values.values() for seed in of_arm})
    for seed in seeds:
        places = [(of_arm[seed], row) for row, of_arm in enumerate(values.values()) if seed in of_arm]
        ax.plot(*zip(*places), color=style.GREY, linewidth=0.7, alpha=0.6, zorder=1)
    for row, of_arm in enumerate(values.values()):
        ax.plot(list(of_arm.values()), [row] * len(of_arm), "o", color=style.DARK_BLUE, markersize=4, zorder=2)
    ax.set_xlabel(with_glyphs(label), fontsize=style.TEXT)
    return ax


def draw_differences(intervals, *, ax=None, effect=None):
    """A mean difference with its interval for every arm that has one; a line at 0 and a band of what does not matter.

    intervals {arm: (mean, low, high) or None}  ->  axes
    """
    ax = style.plain_axes(style.new_axes(ax))
    ax.axvline(0, color=style.ink(), linewidth=0.9)
    if effect:
        ax.axvspan(-effect, effect, color=style.faint(), zorder=0)
    known = [interval for interval in intervals.values() if interval is not None]
    for row, interval in enumerate(intervals.values()):
        if interval is None:
            continue
        mean, low, high = interval
        clear = math.isfinite(low) and (low > 0 or high < 0)
        color = style.RED if clear else style.GREY
        if math.isfinite(low):
            ax.plot([low, high], [row, row], color=color, linewidth=2.2, solid_capstyle="butt")
        ax.plot([mean], [row], "D", color=color, markersize=5)
    _limits(ax, known, effect)
    ax.set_xlabel("difference, 95 % interval", fontsize=style.TEXT)
    ax.locator_params(axis="x", nbins=5)  # long numbers, with their signs
    return ax


def _limits(ax, known, effect):
    """Far enough for every mean; an interval that is many times as wide is cut off."""
    reach = max([abs(mean) for mean, _, _ in known] + [effect or 0, 1e-3])
    ends = [abs(end) for _, low, high in known for end in (low, high) if math.isfinite(end)]
    reach = min(max([1.3 * reach, *(1.08 * end for end in ends)]), 4 * reach)
    ax.set_xlim(-reach, reach)
