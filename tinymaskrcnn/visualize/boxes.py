"""An image, boxes on it, and labels that keep out of each other's way."""

import functools

import numpy as np
from matplotlib import patheffects
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from ..backend import to_host
from ..data import transforms
from ..errors import ShapeError
from . import style
from .lettering import as_written, with_glyphs

MOST_SHOWN = 1200  # pixels of a picture's longer side that are drawn


def draw_image(image, *, ax=None, title=None):
    """Show an image, one data unit a pixel, so that a box x1, y1, x2, y2 lies where it belongs.

    image (H, W), (H, W, 1) or (H, W, 3), floats in 0..1 or uint8  ->  axes
    """
    image = np.asarray(to_host(image))
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ShapeError(f"draw_image: image must be (H, W), (H, W, 1) or (H, W, 3); got shape {image.shape}")
    H, W, C = image.shape
    image = image[shown_pixels(H, W)]
    floats = image / 255 if image.dtype == np.uint8 else image.astype(np.float32)
    pixels = np.repeat(floats, 3 // C, axis=2).clip(0, 1)
    ax = style.new_axes(ax, width=4.0, height=max(1.5, 4.4 * H / W))
    ax.imshow(pixels, extent=(0, W, H, 0), interpolation="nearest")  # pixel (0, 0) covers 0..1
    ax.set_xlim(0, W)
    ax.set_ylim(H, 0)
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def shown_pixels(height, width):
    """Which rows and columns of a picture are drawn: evenly spread ones of a large one, whose panel shows no more.

    ->  an index of arrays (height, width, ...); of every pixel where neither side is above MOST_SHOWN
    """
    factor = min(1.0, MOST_SHOWN / max(height, width))
    if factor == 1:
        return slice(None), slice(None)
    rows, columns = (transforms.nearest_pixels(max(1, round(side * factor)), side) for side in (height, width))
    return np.ix_(rows, columns)


def draw_boxes(boxes, *, ax, colors=None, labels=None, linestyles="-", linewidth=1.8):
    """Outline boxes on an image that draw_image has shown; labels are written beside them.

    boxes (K, 4), colors and linestyles: one or K, labels: K strings  ->  axes
    """
    boxes = np.asarray(to_host(boxes)).reshape(-1, 4)
    colors = _one_each("colors", style.BLUE if colors is None else colors, len(boxes))
    linestyles = _one_each("linestyles", linestyles, len(boxes))
    for box, color, linestyle in zip(boxes, colors, linestyles):
        x1, y1, x2, y2 = (float(v) for v in box)
        shadow = [patheffects.Stroke(linewidth=linewidth + 1.6, foreground="black", alpha=0.6), patheffects.Normal()]
        ax.add_patch(
            Rectangle(
                (x1, y1),
                x2 - x1,
                y2 - y1,
                fill=False,
                edgecolor=color,
                linewidth=linewidth,
                linestyle=linestyle,
                path_effects=shadow,  # legible on any background
            )
        )
    if labels is not None:
        write_labels(boxes, _one_each("labels", labels, len(boxes)), colors, ax=ax)
    return ax


def write_labels(boxes, labels, colors, *, ax):
    """Write a label at each box: the free place among its corners that hides least of the other labels and boxes."""
    unit = _data_per_point(ax)
    obstacles = np.asarray(boxes, np.float64).reshape(-1, 4)
    taken = [_rectangle(*text.get_position(), text.get_text(), unit) for text in ax.texts]
    taken = np.array(taken, np.float64).reshape(-1, 4)
    for box, label, color in zip(obstacles, map(as_written, labels), colors):
        if not label:
            continue
        places = np.array(_inside(_places(box.tolist(), *_size(label, unit)), ax))
        costs = 10 * _shared(places, taken) + _shared(places, obstacles)
        costs += 0.01 * np.arange(len(places)) * (places[:, 2:] - places[:, :2]).prod(axis=1)  # among equals the first
        best = places[costs.argmin()]
        taken = np.concatenate([taken, best[None]])
        x1, y1, x2, y2 = best.tolist()
        ax.text(
            (x1 + x2) / 2,
            (y1 + y2) / 2,
            label,
            fontsize=style.SMALL,
            ha="center",
            va="center",
            color=style.ink_on(color),
            zorder=6,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": color, "edgecolor": "none"},
        )
    return ax


def _size(label, unit):
    """Width and height of a label in data units, with the margin of its background."""
    return (_text_width(label) + 0.5 * style.SMALL) * unit, 1.45 * style.SMALL * unit


@functools.lru_cache(maxsize=1024)
def _text_width(label):
    """Width of a label in points."""
    font = FontProperties(size=style.SMALL)
    lines = label.replace(r"\$", "$").split("\n")
    return max(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in lines)


def _rectangle(x, y, label, unit):
    width, height = _size(label, unit)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _places(box, width, height):
    """Above, below, right, left, then inside the corners; all as x1, y1, x2, y2."""
    x1, y1, x2, y2 = box
    corners = [(x1, y1 - height), (x2 - width, y1 - height), (x1, y2), (x2 - width, y2), (x2, y1), (x1 - width, y1)]
    corners += [(x2, y2 - height), (x1 - width, y2 - height), (x1, y1), (x2 - width, y2 - height)]
    return [(x, y, x + width, y + height) for x, y in corners]


def _inside(places, ax):
    """Push places that stick out back into the picture."""
    left, right = sorted(ax.get_xlim())
    top, bottom = sorted(ax.get_ylim())
    moved = []
    for x1, y1, x2, y2 in places:
        x = max(left, min(x1, right - (x2 - x1)))
        y = max(top, min(y1, bottom - (y2 - y1)))
        moved.append((x, y, x + x2 - x1, y + y2 - y1))
    return moved


def _shared(places, others):
    """Area that each of some rectangles shares with all others: places (P, 4), others (n, 4)  ->  (P,)"""
    low, high = (pick(places[:, None, part], others[None, :, part]) for pick, part in _CORNERS)
    return np.maximum(high - low, 0).prod(axis=2).sum(axis=1)


_CORNERS = ((np.maximum, slice(0, 2)), (np.minimum, slice(2, 4)))  # of what two rectangles share: x1, y1 and x2, y2


def _data_per_point(ax):
    """Length of a point (1/72 inch) in data units: text is measured in points, pictures in pixels."""
    ax.apply_aspect()
    left, right = ax.get_xlim()
    return abs(right - left) / (ax.get_window_extent().width * 72 / ax.figure.dpi)


def _one_each(name, values, count):
    values = [values] * count if isinstance(values, str) else list(values)
    if len(values) != count:
        raise ShapeError(f"draw_boxes: {name} must have one entry for each of {count} boxes; got {len(values)}")
    return values
