"""Pooling step by step: the window slides, a number is kept, and its gradient goes back to where it came from."""

import numpy as np

from ..backend import to_host
from ..errors import ArgumentError
from ..ops import average_pool, pool
from . import style
from .arrays import draw_array, draw_gradient
from .steps import Steps

POOLS = {
    "max": (pool.max_pool2d_forward, pool.max_pool2d_backward),
    "average": (average_pool.avg_pool2d_forward, average_pool.avg_pool2d_backward),
}
WINDOW, PART = style.RED, style.GREEN  # outlines of the window and of what counts in it


def pool_steps(x, *, kernel, stride=None, kind="max", title=None):
    """Each window of a small picture in turn: what it covers, which pixel wins, what is kept.

    x (H, W)  ->  Steps
    """
    x, y, routes, windows = _pooled(x, kernel, stride, kind)
    frames, captions, found = [], [], np.full(y.shape, np.nan)
    for (p, q), window in windows.items():
        found[p, q] = y[p, q]
        marks = [(*window, WINDOW)]
        if kind == "max":
            i, j = np.argwhere(routes[p, q] > 0)[0]
            marks.append((i, j, i + 1, j + 1, PART))
        left, right = _pair_of_axes(x.shape, y.shape)
        draw_array(x, ax=left, title="x", cmap="cividis", highlight=marks)
        draw_array(
            found,
            ax=right,
            title="y",
            cmap="cividis",
            vmin=x.min(),
            vmax=x.max(),
            highlight=[(p, q, p + 1, q + 1, WINDOW)],
        )
        frames.append(left.figure)
        captions.append(_forward_words(kind, p, q, window, x, y))
    return Steps(frames, captions, title=title)


def pool_gradient_steps(x, dy, *, kernel, stride=None, kind="max", title=None):
    """Each number of dy in turn: which pixels of x it goes back to, and what has gathered there so far.

    x (H, W), dy (HO, WO)  ->  Steps
    """
    x, y, routes, windows = _pooled(x, kernel, stride, kind)
    dy = np.asarray(to_host(dy), np.float64)
    if dy.shape != y.shape:
        raise ArgumentError(f"pool_gradient_steps: dy must have the shape {y.shape} of y; got {dy.shape}")
    total = np.einsum("pq,pqhw->hw", dy, routes)
    reach = max(np.abs(total).max(), np.abs(dy).max(), 1e-12)
    frames, captions, dx = [], [], np.zeros(x.shape)
    for (p, q), window in windows.items():
        dx = dx + dy[p, q] * routes[p, q]
        winners = np.argwhere(routes[p, q] > 0) if kind == "max" else []
        got = [(i, j, i + 1, j + 1, PART) for i, j in winners]
        left, right = _pair_of_axes(x.shape, y.shape)
        draw_gradient(dx, ax=left, title="dx so far", vmax=reach, highlight=[(*window, WINDOW), *got])
        draw_gradient(dy, ax=right, title="dy", vmax=reach, highlight=[(p, q, p + 1, q + 1, WINDOW)])
        frames.append(left.figure)
        captions.append(_backward_words(kind, p, q, dy, routes, windows))
    return Steps(frames, captions, title=title)


def _pooled(x, kernel, stride, kind):
    """x, y, {(p, q): window}, and routes[p, q] (H, W): the share of y[p, q]'s gradient that each pixel receives."""
    if kind not in POOLS:
        raise ArgumentError(f"pool_steps: kind must be one of {sorted(POOLS)}; got {kind!r}")
    x = np.asarray(to_host(x), np.float64)
    if x.ndim != 2:
        raise ArgumentError(f"pool_steps: x must be one picture (H, W); got {x.shape}")
    stride = kernel if stride is None else stride
    forward, backward = POOLS[kind]
    y, cache = forward(x[None, :, :, None], kernel=kernel, stride=stride)
    routes = np.zeros((*y.shape[1:3], *x.shape))
    for p, q in np.ndindex(y.shape[1:3]):
        one = np.zeros_like(y)
        one[0, p, q, 0] = 1
        routes[p, q] = backward(one, cache)[0, :, :, 0]
    tops = {(p, q): (p * stride, q * stride) for p, q in np.ndindex(y.shape[1:3])}
    windows = {place: (i, j, i + kernel, j + kernel) for place, (i, j) in tops.items()}
    return x, y[0, :, :, 0], routes, windows


def _forward_words(kind, p, q, window, x, y):
    row0, col0, row1, col1 = window
    value = f"{y[p, q]:.3g}"
    where = f"Window over rows {row0} to {row1 - 1} and columns {col0} to {col1 - 1}"
    if kind == "average":
        return f"{where}: the mean of its {(row1 - row0) * (col1 - col0)} pixels is {value}."
    equals = int((x[row0:row1, col0:col1] == y[p, q]).sum())
    tie = f" {equals} pixels are equal: the first, row by row, wins." if equals > 1 else ""
    return f"{where}: the largest pixel is {value}.{tie}"


def _backward_words(kind, p, q, dy, routes, windows):
    given = f"dy[{p}, {q}] = {dy[p, q]:.3g}"
    if kind == "average":
        share = routes[p, q].max()
        return f"{given}: every pixel of the window receives 1/{round(1 / share)} of it, {dy[p, q] * share:.3g}."
    i, j = np.argwhere(routes[p, q] > 0)[0]
    before = [place for place in windows if place < (p, q) and routes[place][i, j] > 0]
    again = " It had won before: the gradients add up." if before else ""
    return f"{given} goes to the winner, pixel ({i}, {j}).{again}"


def _pair_of_axes(left, right):
    """Axes for two grids with cells of one size, an arrow's breadth between them."""
    cell, gap, edge, head = 0.44, 0.55, 0.1, 0.34
    width = cell * (left[1] + right[1]) + gap + 2 * edge
    height = cell * max(left[0], right[0]) + head + edge
    figure, axes, x = style.new_figure(width, height), [], edge
    for H, W in (left, right):
        bottom = edge + cell * (max(left[0], right[0]) - H) / 2
        axes.append(figure.add_axes((x / width, bottom / height, cell * W / width, cell * H / height)))
        x += cell * W + gap
    return axes
