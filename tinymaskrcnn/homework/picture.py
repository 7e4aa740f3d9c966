"""The first wrong case as a picture: what was wanted, what came, and where they differ."""

import textwrap

import numpy as np

from ..visualize import style
from ..visualize.arrays import draw_array, draw_gradient
from .judge import agrees

MARK = style.RED  # an orange red, and called orange: those who see no red see it so
LETTERS, LINE = 15, 0.15  # letters of a caption to an inch, and inches to a line
MOST = 12  # rows and columns that are drawn; of a larger array the part around the first wrong number


def wrong_figure(verdict):
    """The picture of a Verdict's first wrong case; None where there are no two arrays to be drawn.

    Verdict  ->  Figure or None
    """
    first = verdict.first
    if first is None or first.wrong is None:
        return None
    wrong = first.wrong
    if verdict.exercise.picture is not None:
        figure = verdict.exercise.picture(first.call, wrong.want, wrong.got)
        if figure is not None:
            return figure
    if not _drawable(wrong.want) or not _drawable(wrong.got):
        return None
    if wrong.want.shape != wrong.got.shape:
        return _shapes_figure(verdict.exercise, wrong)
    if agrees(wrong.want, wrong.got).all():
        return None  # only the type differs, which no picture shows
    return _difference_figure(verdict.exercise, wrong)


def _drawable(array):
    return isinstance(array, np.ndarray) and array.dtype.kind in "biuf" and array.size > 0


def _difference_figure(exercise, wrong):
    place = tuple(int(i) for i in np.argwhere(~agrees(wrong.want, wrong.got))[0]) if wrong.want.ndim else ()
    want, where = slice_around(wrong.want, place)
    got, _ = slice_around(wrong.got, place)
    right = agrees(*(np.asarray(side, wrong.want.dtype) for side in (want, got)))
    marks = [(i, j, i + 1, j + 1, MARK) for i, j in np.argwhere(~right)]
    difference = np.where(np.isfinite(got) & np.isfinite(want), got.astype(float) - want, np.nan)
    difference[right] = 0  # rounding is no difference
    blank = "" if np.isfinite(got).all() else ", blank: not finite"
    caption = f"{exercise.id}: {wrong.name}{where}; outlined in orange: what differs{blank}"
    figure, axes = _panels(want.shape, 3, caption)
    low, high = _range(want, got)
    draw_array(want, ax=axes[0], title="wanted", cmap="cividis", vmin=low, vmax=high)
    draw_array(got, ax=axes[1], title="yours", cmap="cividis", vmin=low, vmax=high, highlight=marks)
    draw_gradient(difference, ax=axes[2], title="yours - wanted")
    return figure


def _shapes_figure(exercise, wrong):
    want, _ = slice_around(wrong.want, (0,) * wrong.want.ndim)
    got, _ = slice_around(wrong.got, (0,) * wrong.got.ndim)
    shape = max(want.shape[0], got.shape[0]), max(want.shape[1], got.shape[1])
    figure, axes = _panels(shape, 2, f"{exercise.id}: {wrong.name} has another shape")
    low, high = _range(want, got)
    draw_array(want, ax=axes[0], title=f"wanted: {wrong.want.shape}", cmap="cividis", vmin=low, vmax=high)
    draw_array(got, ax=axes[1], title=f"yours: {wrong.got.shape}", cmap="cividis", vmin=low, vmax=high)
    return figure


def slice_around(array, place):
    """A 2-D part of an array that holds a place, and words for which part that is.

    array (...), place: an index of it  ->  part (at most MOST x MOST), " [0, :, :, 1]"
    """
    if array.ndim < 2:
        rows, text = np.atleast_2d(array), ""
        place = (0, *place) if place else (0, 0)
    else:
        first, second = _plane(array.shape)
        index = [slice(None) if axis in (first, second) else place[axis] for axis in range(array.ndim)]
        rows = array[tuple(index)]
        text = "" if array.ndim == 2 else f" [{', '.join(':' if isinstance(i, slice) else str(i) for i in index)}]"
        place = place[first], place[second]
    starts = [max(min(p - MOST // 2, n - MOST), 0) for p, n in zip(place, rows.shape)]
    cut = rows[starts[0] : starts[0] + MOST, starts[1] : starts[1] + MOST]
    if cut.shape != rows.shape:
        text += f" rows {starts[0]}.., columns {starts[1]}.."
    return cut, text


def _plane(shape):
    """The two axes that show most: rows and columns of (N, H, W, C), else the last two."""
    return (1, 2) if len(shape) == 4 else (len(shape) - 2, len(shape) - 1)


def _range(*arrays):
    values = np.concatenate([a[np.isfinite(a)].astype(float).ravel() for a in arrays])
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


def _panels(shape, count, caption):
    """Axes side by side over a caption, which has as many lines as it needs."""
    height, width = (0.4 * max(n, 2) for n in shape)
    wide = min(count * (max(width, 1.5) + 0.35) + 0.35, 14.0)
    lines = textwrap.wrap(caption, int(wide * LETTERS))
    foot, head = 0.2 + LINE * len(lines), 0.4
    high = foot + height + head
    figure = style.new_figure(wide, high)
    place = {"left": 0.15 / wide, "right": 1 - 0.15 / wide, "bottom": foot / high, "top": 1 - head / high}
    look = {"ha": "center", "va": "bottom", "fontsize": style.SMALL, "color": style.muted()}
    figure.text(0.5, 0.08 / high, "\n".join(lines), **look)
    return figure, figure.subplots(1, count, squeeze=False, gridspec_kw={**place, "wspace": 0.25})[0]
