"""The backward as a picture: what each loss sends to every level of the pyramid, and on to the pixels."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from . import style
from .boxes import draw_boxes, draw_image
from .features import _sides, _spans
from .lettering import as_written, with_glyphs

TOGETHER = "all together"
PANEL, GAP, NAMES = 1.32, 0.1, 1.02  # inches: a panel, the page between two, the column of names
HEAD, BELOW = 0.08, 0.24  # inches: above the first row, and the line with the norm below each
LOUD = 99  # percent of a picture's pixels that the colours reach; the loudest ones are cut, or one would hide the rest
READING = (
    "Pixels: orange where more light would raise the loss, blue where it would lower it.",
    "Levels: the stronger the colour, the more a cell's channels matter, up or down.",
    "The levels of a row share one scale, of square roots; an empty panel is an exact zero",
    "or next to one: below each panel stands the length of its gradient.",
)


def gradients_figure(gradients, image, *, of=0, boxes=None, lowest=2, title=None):
    """What every loss sends back, a row for each and one for their sum: at the pixels and at each level of a pyramid.

    {loss: LossGradients} of `explain.loss_gradients`, image (H, W, C), which picture of the batch it is, its true boxes
    (M, 4) or None  ->  Figure

    Of pixels the sum over channels is drawn, of cells the mean absolute value; below each, the length of the gradient.
    """
    rows = _rows(gradients, np.shape(image), of)
    count = len(next(iter(rows.values()))[1])
    ratio = np.shape(image)[0] / np.shape(image)[1]
    tall = PANEL * min(max(ratio, 0.4), 2.0)
    step, head = tall + BELOW + GAP, HEAD + (0.3 if title else 0)
    width = NAMES + (count + 1) * (PANEL + GAP) + 0.05
    height = head + (len(rows) + 1) * step
    figure = style.new_figure(width, height)

    def panel(row, column):
        left, top = NAMES + column * (PANEL + GAP), head + row * step
        return figure.add_axes((left / width, 1 - (top + tall) / height, PANEL / width, tall / height))

    first = draw_image(image, ax=panel(0, 0), title=None)
    if boxes is not None:
        draw_boxes(boxes, ax=first, colors=style.PURPLE, linewidth=1.2)
    _name(figure, "the picture", None, head + tall / 2)
    for k, line in enumerate(READING):
        place = (NAMES + PANEL + 2 * GAP) / width, 1 - (head + 0.2 + 0.25 * k) / height
        figure.text(*place, line, fontsize=style.TEXT, color=style.muted(), va="top")
    for r, (name, (at_image, at_levels, loss)) in enumerate(rows.items(), start=1):
        _name(figure, name, loss, head + r * step + tall / 2)
        _draw_pixels(panel(r, 0), at_image, np.asarray(to_host(image)))
        loudest = max(float(np.abs(level).mean(axis=2).max()) for level in at_levels) or 1.0
        for k, (level, span) in enumerate(zip(at_levels, _spans(at_levels))):
            _draw_level(panel(r, k + 1), level, span, at_levels[0].shape, loudest)
            if r == 1:
                figure.axes[-1].set_title(f"P{lowest + k}: {_sides(level.shape)}", fontsize=style.SMALL, pad=3)
    if title:
        figure.text(0.06 / width, 1 - 0.08 / height, with_glyphs(title), fontsize=style.TITLE, va="top")
    return figure


def _rows(gradients, shape, of):
    """{name: (gradient at the picture or None, [gradients at its levels], loss)}, the last one the sum."""
    if not gradients:
        raise ArgumentError("gradients_figure: gradients must hold at least one loss; got none")
    rows = {}
    for name, one in gradients.items():
        levels = [np.asarray(to_host(level)) for level in one.dpyramid]
        if not 0 <= of < len(levels[0]):
            last = len(levels[0]) - 1
            raise ArgumentError(f"gradients_figure: of must be a picture of the batch, 0..{last}; got {of}")
        pixels = None if one.dimages is None else np.asarray(to_host(one.dimages))[of]
        if pixels is not None and pixels.shape != tuple(shape):
            raise ShapeError(f"gradients_figure: image must have the shape {pixels.shape} of its gradient; got {shape}")
        rows[name] = pixels, [level[of] for level in levels], one.loss
    if len(rows) > 1:
        pixels, levels, losses = zip(*rows.values())
        together = None if any(part is None for part in pixels) else sum(pixels)
        rows[TOGETHER] = together, [sum(parts) for parts in zip(*levels)], sum(losses)
    return rows


def _name(figure, name, loss, middle):
    """The name of a row, and the value of its loss, beside its panels."""
    words = as_written(name.replace("_", "\n", 1) if loss is not None else name)
    y = 1 - middle / figure.get_figheight()
    value = "" if loss is None else f"\n{loss:.3g}"
    figure.text(0.06 / figure.get_figwidth(), y, words + value, fontsize=style.TEXT, va="center")


def _draw_pixels(ax, gradient, image):
    """The gradient at every pixel, added over the channels, and in outlines the ink that it belongs to."""
    if gradient is None:
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel("frozen", fontsize=style.SMALL, color=style.muted(), labelpad=3)
        return
    draw_gradient(gradient, image, ax=ax)


def draw_gradient(gradient, image, *, ax, reach=None):
    """How more light at each pixel would change a number: orange raises it, blue lowers it, the page is zero.

    gradient (H, W, C), image (H, W, C) whose ink is outlined, reach: what the full colours stand for
    """
    values, grey = gradient.sum(axis=2), image.mean(axis=2)
    reach = reach or reach_of(gradient)
    _draw(ax, values, gradient, Normalize(-reach, reach), [style.BLUE, style.paper(), style.RED])
    height, width = grey.shape
    if values.any() and np.ptp(grey) > 0:
        halfway = (float(grey.min()) + float(grey.max())) / 2
        look = {"colors": [style.muted()], "linewidths": 0.6}
        ax.contour(np.arange(width) + 0.5, np.arange(height) + 0.5, grey, levels=[halfway], **look)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)


def reach_of(gradient):
    """What the full colours stand for: all but the loudest pixels of a gradient (H, W, C)."""
    values = np.abs(gradient.sum(axis=2))
    return float(np.percentile(values, LOUD)) or float(values.max()) or 1.0


def _draw_level(ax, gradient, span, finest, loudest):
    """How strong the gradient is at every cell: the mean of its channels' absolute values."""
    rows, columns = (n * span for n in gradient.shape[:2])
    colors = [style.paper(), style.ORANGE, style.RED, style.ink()]
    scale = PowerNorm(0.5, 0, loudest)
    _draw(ax, np.abs(gradient).mean(axis=2), gradient, scale, colors, extent=(0, columns, rows, 0))
    ax.set_xlim(0, finest[1])  # the last cells of a level may reach beyond the picture
    ax.set_ylim(finest[0], 0)


def _draw(ax, values, gradient, scale, colors, extent=None):
    """Colours that begin with the page, for zero; below the panel the length of the gradient."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color=style.faint(), linewidth=0.8)
    extent = (0, values.shape[1], values.shape[0], 0) if extent is None else extent
    look = {"cmap": LinearSegmentedColormap.from_list("from the page", colors), "norm": scale, "aspect": "auto"}
    ax.imshow(values, extent=extent, interpolation="nearest", **look)
    length = float(np.linalg.norm(gradient.astype(np.float64)))
    ax.set_xlabel(f"{length:.2g}" if length else "0", fontsize=style.SMALL, color=style.muted(), labelpad=3)
