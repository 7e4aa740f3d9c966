"""Feature maps as pictures: one channel, several of them, and a pyramid beside its image."""

import numpy as np
from matplotlib.patches import Rectangle

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from . import style
from .boxes import draw_image
from .lettering import with_glyphs

DIVERGING = ("PuOr", "RdBu", "BrBG", "PRGn", "PiYG", "coolwarm", "seismic", "bwr")


def draw_feature_map(features, *, ax=None, channel=None, title=None, extent=None, cmap="viridis", vmin=None, vmax=None):
    """Show one channel of a feature map, or how strong all of them are together: the mean of their absolute values.

    features (H, W, C) or (H, W)  ->  axes

    Cell (i, j) covers j..j+1 and i..i+1. On an image, extent=(0, width, height, 0) stretches the cells over its pixels.
    A diverging map is centred on 0.
    """
    values = _plane(features, channel)
    H, W = values.shape
    ax = style.new_axes(ax, width=3.4, height=min(max(3.4 * H / W, 1.2), 7.0))
    if cmap in DIVERGING and vmin is None and vmax is None:
        vmax = float(np.abs(values).max()) or 1.0
        vmin = -vmax
    extent = (0, W, H, 0) if extent is None else extent
    ax.imshow(values, extent=extent, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def feature_maps_figure(features, *, channels=8, title=None, columns=4, cmap="viridis"):
    """Channels of one feature map side by side, in one scale of colours.

    features (H, W, C), channels: how many, and then those that vary most; or a sequence of their numbers  ->  Figure
    """
    features = np.asarray(to_host(features))
    if features.ndim != 3:
        raise ShapeError(f"feature_maps_figure: features must be (H, W, C); got shape {features.shape}")
    numbers = _chosen(features, channels)
    shown = features[:, :, numbers]
    low, high = float(shown.min()), float(shown.max())
    if cmap in DIVERGING:
        low, high = -max(-low, high), max(-low, high)
    columns = min(columns, len(numbers))
    rows = -(-len(numbers) // columns)
    side = min(2.0, 8.4 / columns)
    top = 0.34 if title else 0.1
    width, height = columns * side + 0.9, rows * (side + 0.25) + top
    figure = style.new_figure(width, height)
    for place, number in enumerate(numbers):
        row, column = divmod(place, columns)
        x, y = column * side + 0.08, height - top - (row + 1) * (side + 0.25) + 0.05
        ax = figure.add_axes((x / width, y / height, (side - 0.12) / width, (side - 0.08) / height))
        draw_feature_map(features, ax=ax, channel=number, cmap=cmap, vmin=low, vmax=high)
        ax.set_title(f"channel {number}", fontsize=style.SMALL, pad=3)
    place = ((columns * side + 0.1) / width, 0.12 / height, 0.13 / width, (height - top - 0.45) / height)
    bar = figure.colorbar(ax.images[0], cax=figure.add_axes(place))
    bar.ax.tick_params(labelsize=style.SMALL)
    if title:
        figure.text(0.08 / width, 1 - 0.1 / height, title, fontsize=style.TITLE, va="top")
    return figure


def pyramid_figure(pyramid, image=None, *, lowest=2):
    """The levels of a feature pyramid, all as wide as the image they were made from: deeper levels have larger cells.

    list of L (H, W, C) or (1, H, W, C), image (H, W, C) or None  ->  Figure

    The colour is the mean of the absolute values of all channels, from the least to the most of each level.
    """
    levels = [_level(level) for level in pyramid]
    if not levels:
        raise ArgumentError("pyramid_figure: pyramid must hold at least one level; got an empty list")
    spans = _spans(levels)
    panels = len(levels) + (image is not None)
    columns = panels if panels <= 4 else -(-panels // 2)
    rows = -(-panels // columns)
    H, W, _ = levels[0].shape
    side, tall = 2.3, 2.3 * min(max(H / W, 0.4), 2.0)
    figure = style.new_figure(columns * side, rows * (tall + 0.3))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    if image is not None:
        draw_image(image, ax=axes[0])
        axes[0].set_title("image " + _sides(np.shape(image)[:2]), fontsize=style.TEXT)
    for i, (level, ax) in enumerate(zip(levels, axes[image is not None :])):
        rows_seen, columns_seen = (n * spans[i] for n in level.shape[:2])
        draw_feature_map(level, ax=ax, extent=(0, columns_seen, rows_seen, 0))
        ax.set_xlim(0, W)  # the last cells of a level may reach beyond the image
        ax.set_ylim(H, 0)
        cell = "" if image is None else f", a cell is {spans[i] * np.shape(image)[1] / W:.3g} px"
        ax.set_title(f"P{lowest + i}: {_sides(level.shape)}{cell}", fontsize=style.TEXT)
    for ax in axes[panels:]:
        ax.set_axis_off()
    figure.tight_layout(pad=0.4, w_pad=0.6)
    return figure


def draw_pyramid(pyramid, *, ax=None, lowest=2, gap=0.08):
    """All levels of a pyramid side by side on one axes, each as wide as the finest: deeper levels have larger cells.

    list of L (H, W, C) or (1, H, W, C)  ->  axes, one data unit a cell of the finest level
    """
    levels = [_level(level) for level in pyramid]
    if not levels:
        raise ArgumentError("draw_pyramid: pyramid must hold at least one level; got an empty list")
    spans = _spans(levels)
    H, W, _ = levels[0].shape
    step = W * (1 + gap)
    width = len(levels) * step - W * gap
    ax = style.new_axes(ax, width=min(1.9 * len(levels), 9.5), height=min(1.9 * len(levels), 9.5) * H / width + 0.35)
    for i, level in enumerate(levels):
        left, (rows, columns) = i * step, level.shape[:2]
        draw_feature_map(level, ax=ax, extent=(left, left + columns * spans[i], rows * spans[i], 0))
        ax.images[-1].set_clip_path(Rectangle((left, 0), W, H, transform=ax.transData))  # as in pyramid_figure
        name = f"P{lowest + i}: {_sides(level.shape)}"
        ax.text(i * step + W / 2, -0.03 * H, name, ha="center", va="bottom", fontsize=style.SMALL)
    ax.set_xlim(0, width)
    ax.set_ylim(H, 0)
    ax.set_frame_on(False)
    return ax


def _plane(features, channel):
    """The (H, W) that is drawn."""
    values = np.asarray(to_host(features))
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ShapeError(f"draw_feature_map: features must be (H, W, C) or (H, W); got shape {values.shape}")
    if channel is None:
        return np.abs(values).mean(axis=2) if values.ndim == 3 else values
    if values.ndim == 2 or not -values.shape[2] <= channel < values.shape[2]:
        count = 0 if values.ndim == 2 else values.shape[2]
        raise ArgumentError(f"draw_feature_map: channel must name one of {count} channels; got {channel}")
    return values[:, :, channel]


def _chosen(features, channels):
    """The numbers of the channels to show."""
    count = features.shape[2]
    numbers = list(channels) if np.ndim(channels) else None
    if numbers is None:
        if channels < 1:
            raise ArgumentError(f"feature_maps_figure: channels must be at least 1; got {channels}")
        varied = np.argsort(-features.std(axis=(0, 1)), kind="stable")[:channels]
        return sorted(varied.tolist())
    if not numbers or not all(0 <= number < count for number in numbers):
        raise ArgumentError(f"feature_maps_figure: channels must name some of 0..{count - 1}; got {numbers}")
    return numbers


def _spans(levels):
    """How many cells of the finest level a cell of each level is wide.

    A level that halves the one before, rounding up, has cells twice as wide: of three cells remain two, and the second
    reaches beyond the image. Any other level is stretched over the image.
    """
    spans = [1.0]
    for before, level in zip(levels, levels[1:]):
        halved = all(n == -(-m // 2) for n, m in zip(level.shape[:2], before.shape[:2]))
        spans.append(2 * spans[-1] if halved else levels[0].shape[1] / level.shape[1])
    return spans


def _level(level):
    level = np.asarray(to_host(level))
    level = level[0] if level.ndim == 4 and len(level) == 1 else level
    if level.ndim != 3:
        raise ShapeError(f"pyramid_figure: each level must be (H, W, C), or (1, H, W, C); got shape {level.shape}")
    return level


def _sides(shape):
    return "×".join(str(n) for n in shape)
