"""A profile as a picture: where time and memory of a training step, or of inference, go."""

import numpy as np

from . import style

PARTS = (  # name, its bar's place within a stage, colour, hatching, its mark for memory
    ("forward", -0.2, style.BLUE, None, "o"),
    ("backward", 0.2, style.DARK_BLUE, "////", "D"),
    ("update", 0.0, style.GREY, None, "s"),
)


def profile_figure(profile):
    """Time and memory of every stage, from top to bottom in the order of the work.

    Profile  ->  Figure
    """
    rows = len(profile.stages)
    figure = style.new_figure(11.0, 1.5 + 0.27 * rows)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    draw_stage_times(profile, ax=left)
    draw_stage_memory(profile, ax=right, names=False)
    height, width = profile.size
    pictures = f"{profile.batch} picture{'s' if profile.batch > 1 else ''} of {width}x{height}"
    figure.suptitle(f"{profile.work} of {pictures}: {profile.seconds * 1e3:.0f} ms", fontsize=style.TITLE)
    figure.tight_layout(w_pad=1.5)
    return figure


def draw_stage_times(profile, *, ax=None):
    """Milliseconds of each stage, forward and backward side by side, and its share of the whole; returns the axes."""
    ax = _stage_axes(profile, ax, names=True)
    parts = [part for part in PARTS if any(getattr(stage, part[0]) is not None for stage in profile.stages)]
    alone = len(parts) == 1
    for name, shift, color, hatch, _ in parts:
        times = [1e3 * (getattr(stage, name) or 0) for stage in profile.stages]
        place = np.arange(len(times)) + (0 if alone else shift)
        options = {"color": color, "hatch": hatch, "edgecolor": style.paper(), "linewidth": 0.5}
        ax.barh(place, times, 0.7 if alone else 0.4, label=None if alone else name, **options)
    for y, stage in enumerate(profile.stages):
        longest = 1e3 * max(stage.forward or 0, stage.backward or 0, stage.update or 0)
        text = f"{1e3 * stage.seconds:.1f} ms, {stage.seconds / profile.seconds:.0%}"
        ax.text(longest, y, f"  {text}", va="center", fontsize=style.SMALL)
    ax.set_xlim(0, 1.3 * ax.dataLim.x1 or 1)  # room for the words behind the longest bar
    ax.set_xlabel("milliseconds", fontsize=style.TEXT)
    if not alone:
        _legend_above(ax, len(parts))
    return ax


def draw_stage_memory(profile, *, ax=None, names=True):
    """Megabytes that each stage keeps for backward, and the most that all held meanwhile; returns the axes."""
    ax = _stage_axes(profile, ax, names=names)
    y = np.arange(len(profile.stages))
    kept = [stage.kept / 1e6 for stage in profile.stages]
    if any(kept):
        ax.barh(y, kept, 0.7, color=style.ORANGE, label="kept for backward")
    for name, _, color, _, mark in PARTS:
        rows = [place for place in y if name in profile.stages[place].peaks]
        peaks = [profile.stages[place].peaks[name] / 1e6 for place in rows]
        if rows:
            ax.plot(
                peaks, rows, mark, color=color, markersize=5, label=f"in use: {name}" if name == "forward" else name
            )
    ax.set_xlim(0, 1.08 * max(*kept, profile.peak / 1e6, 1e-3))
    ax.set_xlabel("megabytes beyond the model's own", fontsize=style.TEXT)
    _legend_above(ax, 4)
    return ax


def _legend_above(ax, columns):
    ax.legend(
        fontsize=style.SMALL,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=columns,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _stage_axes(profile, ax, *, names):
    """A row for each stage, the first on top."""
    rows = len(profile.stages)
    if ax is None:
        ax = style.new_figure(7.0, 1.5 + 0.27 * rows).add_axes((0.27, 0.12, 0.7, 0.78))
    style.plain_axes(ax).grid(False, axis="y")
    ax.set_yticks(np.arange(rows), [stage.stage if names else "" for stage in profile.stages])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(rows - 0.4, -0.6)
    return ax
