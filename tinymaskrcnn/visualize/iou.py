"""Intersection over union as a picture: what two boxes share, and what they cover together."""

import numpy as np
from matplotlib.patches import Patch, Rectangle

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..ops.boxes import area, iou_matrix
from . import style
from .boxes import draw_image, write_labels
from .legends import legend_below, line_handle, picture_axes
from .lettering import with_glyphs
from .steps import Steps

A_COLOR, B_COLOR = style.BLUE, style.ORANGE
SHARED_COLOR = style.GREEN


def draw_iou(a, b, *, ax=None, image=None, window=None):
    """Two boxes: the intersection hatched, the union outlined, the areas and their ratio in numbers.

    a (4,), b (4,), image (H, W, C) or None, window (x1, y1, x2, y2) that is shown or None  ->  axes
    """
    a, b = _box("a", a), _box("b", b)
    ax = picture_axes(ax, left=0.11 if image is None else 0.03)
    if image is not None:
        draw_image(image, ax=ax)
    window = _around(a, b) if window is None and image is None else window
    if window is not None:
        _plain_window(ax, window, ticks=image is None)
    shared = _intersection(a, b)
    for box, color in ((a, A_COLOR), (b, B_COLOR)):
        ax.add_patch(_rectangle(box, facecolor=color, alpha=0.3, edgecolor="none"))
        ax.add_patch(_rectangle(box, fill=False, edgecolor=color, linewidth=1.2, linestyle=(0, (4, 2))))
    if shared is not None:
        look = {"facecolor": SHARED_COLOR, "hatch": "////", "edgecolor": style.ink() if image is None else "white"}
        ax.add_patch(_rectangle(shared, alpha=0.75 if image is None else 0.5, linewidth=0, **look))
    outline = style.ink() if image is None else style.RED
    for x, y in _union_outline(a, b):
        ax.plot(x, y, color=outline, linewidth=2.2, solid_capstyle="projecting", zorder=4)
    write_labels([a, b], ["A", "B"], [A_COLOR, B_COLOR], ax=ax)
    return _say_numbers(ax, a, b, shared, outline)


def iou_steps(a, path, *, values=None, label="position along the path", image=None, frames=13, title=None):
    """Drag a box along a path past box `a`: one frame per place, and beside it the curve of the IoU.

    a (4,), path (K, 4), values (K,) what the horizontal axis of the curve counts  ->  Steps
    frames: how many places are shown, spread evenly over the path, or which rows of it.
    """
    a, path = _box("a", a), np.asarray(to_host(path), np.float64)
    if path.ndim != 2 or path.shape[1] != 4 or len(path) < 2:
        raise ShapeError(f"iou_steps: path must be (K, 4) with at least 2 boxes; got shape {path.shape}")
    values = np.arange(len(path)) if values is None else np.asarray(to_host(values), np.float64)
    if values.shape != path.shape[:1]:
        raise ShapeError(f"iou_steps: values must have one entry for each of {len(path)} boxes; got {values.shape}")
    curve = iou_matrix(a[None], path)[0]
    window = _around(a, *path)  # the same for all frames; on an image, this part of it
    if image is not None:
        window = _moved_into(window, np.shape(image)[:2])
    shown = _which(frames, len(path))
    figures = [_frame(a, path[k], values, curve, k, label, image, window) for k in shown]
    captions = [f"{label} {values[k]:.3g}: IoU {curve[k]:.2f}" for k in shown]
    return Steps(figures, captions, title=title)


# ---------------------------------------------------------------- the parts of the picture


def _box(name, box):
    box = np.asarray(to_host(box), np.float64)
    if box.shape != (4,):
        raise ShapeError(f"draw_iou: {name} must be one box (4,) as x1, y1, x2, y2; got shape {box.shape}")
    if not np.isfinite(box).all() or box[2] < box[0] or box[3] < box[1]:
        raise ArgumentError(f"draw_iou: {name} needs finite x1 <= x2 and y1 <= y2; got {box.tolist()}")
    return box


def _which(frames, count):
    """The rows of a path that become frames."""
    if np.ndim(frames) == 0:
        return np.unique(np.linspace(0, count - 1, frames).round().astype(int))
    rows = np.asarray(frames)
    if rows.dtype.kind != "i" or len(rows) == 0 or rows.min() < 0 or rows.max() >= count:
        raise ArgumentError(f"iou_steps: frames must be a number or rows 0 to {count - 1} of the path; got {frames}")
    return rows


def _rectangle(box, **look):
    return Rectangle((box[0], box[1]), box[2] - box[0], box[3] - box[1], **look)


def _around(*boxes):
    """A square window around all boxes, with a margin."""
    boxes = np.array(boxes)
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    reach = 0.58 * max((high - low).max(), 1e-6)
    return np.concatenate([(low + high) / 2 - reach, (low + high) / 2 + reach])


def _moved_into(window, size):
    """The window moved, and if need be made smaller, so that it shows nothing but the image."""
    x1, y1, x2, y2 = window
    side = min(x2 - x1, *size)
    x, y = (min(max(start, 0), length - side) for start, length in ((x1, size[1]), (y1, size[0])))
    return np.array([x, y, x + side, y + side])


def _plain_window(ax, window, *, ticks):
    x1, y1, x2, y2 = window
    ax.set_xlim(x1, x2)
    ax.set_ylim(y2, y1)  # y runs down, as in a picture
    ax.set_aspect("equal")
    if ticks:
        style.plain_axes(ax)
        ax.xaxis.tick_top()
        ax.spines[["bottom", "top"]].set_visible(False)
        ax.spines["left"].set_visible(False)
        ax.tick_params(length=0)


def _intersection(a, b):
    """The box that both share, or None."""
    shared = np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])])
    return shared if (shared[2:] > shared[:2]).all() else None


def _union_outline(a, b):
    """The pieces of both borders that are not inside the other box: (x pair, y pair) each."""
    pieces = []
    for own, other in ((a, b), (b, a)):
        x1, y1, x2, y2 = own
        for y in (y1, y2):
            inside = other[1] < y < other[3]
            pieces += [((p, q), (y, y)) for p, q in _without(x1, x2, other[0], other[2], inside)]
        for x in (x1, x2):
            inside = other[0] < x < other[2]
            pieces += [((x, x), (p, q)) for p, q in _without(y1, y2, other[1], other[3], inside)]
    return pieces


def _without(start, end, low, high, inside):
    """What remains of start..end when low..high is cut out, if it is to be cut out at all."""
    if not inside or high <= start or low >= end:
        return [(start, end)]
    return [(p, q) for p, q in ((start, low), (high, end)) if q > p]


def _say_numbers(ax, a, b, shared, outline):
    size_a, size_b = float(area(a)), float(area(b))
    intersection = 0.0 if shared is None else float(area(shared))
    union = size_a + size_b - intersection
    ratio = float(iou_matrix(a[None], b[None])[0, 0])
    ax.set_title(f"IoU = {intersection:.4g} / {union:.4g} = {ratio:.2f}", fontsize=style.TITLE)
    handles = [
        Patch(facecolor=A_COLOR, alpha=0.5, label=f"area of A: {size_a:.4g}"),
        Patch(facecolor=B_COLOR, alpha=0.5, label=f"area of B: {size_b:.4g}"),
        Patch(facecolor=SHARED_COLOR, hatch="////", edgecolor=style.ink(), label=f"intersection: {intersection:.4g}"),
        line_handle(f"union: {union:.4g}", outline, linewidth=2.2),
    ]
    return legend_below(ax, handles)


def _frame(a, b, values, curve, k, label, image, window):
    figure = style.new_figure(8.4, 4.2)
    draw_iou(a, b, ax=figure.add_axes((0.05, 0.15, 0.43, 0.74)), image=image, window=window)
    ax = style.plain_axes(figure.add_axes((0.59, 0.15, 0.38, 0.74)))
    ax.locator_params(axis="x", nbins=5)
    ax.plot(values, curve, color=style.DARK_BLUE if style.paper() == "#FFFFFF" else style.BLUE, linewidth=1.8)
    ax.plot(values[k], curve[k], "o", color=style.RED, markersize=8, zorder=5)
    ax.axvline(values[k], color=style.muted(), linewidth=0.8, linestyle=":")
    ax.set_ylim(-0.03, 1.05)
    ax.set_xlabel(with_glyphs(label), fontsize=style.TEXT)
    ax.set_title("IoU along the way", fontsize=style.TITLE)
    return figure
