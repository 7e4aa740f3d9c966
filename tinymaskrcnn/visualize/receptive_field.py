"""How much of the picture one cell of a feature map sees, by counting, and drawn on the picture."""

from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.patches import Rectangle

from ..errors import ArgumentError
from . import style
from .boxes import draw_boxes, draw_image
from .lettering import as_written

LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Field:
    """What the cells of a feature map see along one axis: `size` pixels each, `jump` pixels apart, from `start` on.

    start is the left edge of cell 0's field; padding puts it left of the image.
    """

    size: int = 1
    jump: int = 1
    start: int = 0

    def span(self, cell):
        """First pixel that a cell sees, and the one after the last."""
        first = self.start + cell * self.jump
        return first, first + self.size

    def cell_at(self, pixel):
        """The cell whose field has its centre nearest to a pixel's centre."""
        return int(np.floor((pixel + 0.5 - self.start - self.size / 2) / self.jump + 0.5))


def receptive_field(layers):
    """Follow a stack of sliding windows and say after each what one of its cells sees: a list of Field.

    layers: (kernel, stride, padding, dilation), the last three 1, 0, 1 when left out; or layers with such options, as
    Conv2d and MaxPool2d  ->  [Field]
    """
    field, fields = Field(), []
    for layer in layers:
        kernel, stride, padding, dilation = window_of(layer)
        field = Field(
            size=field.size + dilation * (kernel - 1) * field.jump,  # the outermost taps lie that far apart in pixels
            jump=field.jump * stride,
            start=field.start - padding * field.jump,
        )
        fields.append(field)
    return fields


def window_of(layer):
    """(kernel, stride, padding, dilation) of a square layer, or of such a tuple with its end left out."""
    if isinstance(layer, (tuple, list)):
        given, defaults = tuple(layer), (None, 1, 0, 1)
        if 1 <= len(given) <= 4 and all(isinstance(n, (int, np.integer)) for n in given):
            return given + defaults[len(given) :]
    options = dict(getattr(layer, "options", {}))
    weight = getattr(layer, "weight", None)
    kernel = options.get("kernel", weight.value.shape[0] if weight is not None and weight.value.ndim == 4 else None)
    stride = options.get("stride", 1) or kernel  # pooling: windows that touch
    window = kernel, stride, options.get("padding", 0), options.get("dilation", 1)
    if not options or not all(isinstance(n, int) for n in window):
        raise ArgumentError(
            "receptive_field: layers must hold (kernel, stride, padding, dilation) or square convolution and pooling "
            f"layers; got {layer!r}"
        )
    return window


def draw_receptive_field(image, layers, *, at, show=None, names=None, ax=None, title=None, margin=None):
    """Draw what the cell above one pixel sees, as a box on the picture for each of some layers.

    image (H, W, C), layers: as in receptive_field, at (row, column): a pixel  ->  axes

    - show: indices of the layers whose field is drawn (default: all), names: one for each of them
    - margin: at most so many pixels around the picture are shown (default: all that the boxes need)

    What lies outside the picture is hatched: there the layers saw padding.
    """
    fields = receptive_field(layers)
    show = range(len(fields)) if show is None else show
    names = [f"layer {i + 1}" for i in show] if names is None else names
    if len(names) != len(show):
        raise ArgumentError(f"draw_receptive_field: names must be one for each of {len(show)} layers; got {len(names)}")
    H, W = np.shape(image)[:2]
    sizes = zip(_lengths(H, layers), _lengths(W, layers))
    boxes = [_box(field, size, at) for field, size in zip(fields, sizes)]
    boxes = np.array([boxes[i] for i in show], float).reshape(-1, 4)
    reach = max([0, *(-boxes[:, :2]).ravel(), *(boxes[:, 2:] - [W, H]).ravel()])
    reach = reach if margin is None else min(reach, margin)
    if ax is None:
        height = 4.1 * (H + 2 * reach) / (W + 2 * reach) + 0.4
        ax = style.new_figure(6.7, height).add_axes((0.02, 0.06 / height, 4.1 / 6.7, 1 - 0.4 / height))
    draw_image(image, ax=ax, title=title)
    _show_border(ax, H, W, reach)
    for i, box, name, color, line in zip(show, boxes, names, cycle(style.PALETTE), cycle(LINES)):
        draw_boxes([box], ax=ax, colors=color, linestyles=line, linewidth=2.2)
        label = f"{as_written(name)}: {fields[i].size} px, every {fields[i].jump}"
        ax.plot([], [], color=color, linestyle=line, linewidth=2.2, label=label)
    ax.plot(at[1] + 0.5, at[0] + 0.5, "+", color=style.RED, markersize=9, markeredgewidth=2, zorder=7)
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), fontsize=style.SMALL, frameon=False, borderaxespad=0)
    return ax


def _lengths(length, layers):
    """Cells along one axis after each layer, of an image of so many pixels."""
    for layer in layers:
        kernel, stride, padding, dilation = window_of(layer)
        length = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        if length < 1:
            raise ArgumentError("draw_receptive_field: the picture is too small for the layers: no window fits")
        yield length


def _box(field, size, at):
    """The field of the cell nearest above a pixel, as a box x1, y1, x2, y2."""
    (y1, y2), (x1, x2) = (field.span(min(max(field.cell_at(p), 0), n - 1)) for p, n in zip(at, size))
    return x1, y1, x2, y2


def _show_border(ax, H, W, reach):
    """Open the view by `reach` pixels (and a little, for the lines) and hatch what lies outside the picture."""
    reach = reach + 0.012 * (W + 2 * reach)
    ax.set_xlim(-reach, W + reach)
    ax.set_ylim(H + reach, -reach)
    look = {"facecolor": style.faint(), "edgecolor": style.GREY, "hatch": "//", "linewidth": 0, "zorder": -1}
    ax.add_patch(Rectangle((-reach, -reach), W + 2 * reach, H + 2 * reach, **look))
