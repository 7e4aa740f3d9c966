"""What is on a figure, as lines that can be kept and compared: every artist's look, and where it stands.

Only what a drawing function decides is written down: no sizes of texts, which depend on fonts, and no ticks that
matplotlib chooses.
"""

import io
import itertools
import re

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator
from PIL import Image

from tinymaskrcnn.visualize import steps, style


def recorded(draw, monkeypatch):
    """The lines of all figures that a function makes; of frames as they are when they are taken, with captions."""
    figures, frames = [], []
    new = style.new_figure

    def taken(frame, number):
        frames.append(lines_of(frame.figure.canvas.figure if isinstance(frame, Artist) else figures[number - 1]))
        return PNG

    with monkeypatch.context() as patch:
        patch.setattr(style, "new_figure", lambda *size: figures.append(new(*size)) or figures[-1])
        patch.setattr(steps, "_png_of", taken)
        found = draw()
    if isinstance(found, steps.Steps):
        parts = [[f"frame: {caption}", *lines] for caption, lines in zip(found.captions, frames)]
        return [f"steps: {found.title}", *(line for part in parts for line in part)]
    return [line for figure in figures for line in lines_of(figure)]


def _png():
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "png")
    return buffer.getvalue()


PNG = _png()


def differences(lines, kept):
    """The lines that are not as they were: other words, or numbers that differ by more than rounding does."""
    pairs = itertools.zip_longest(lines, kept, fillvalue="(none)")
    return [f"{now}\n    was: {then}" for now, then in pairs if not _same(now, then)]


def _same(one, other):
    numbers = [[float(number) for number in NUMBER.findall(line)] for line in (one, other)]
    return NUMBER.sub("#", one) == NUMBER.sub("#", other) and np.allclose(*numbers, rtol=2e-4, atol=2e-4)


NUMBER = re.compile(r"(?<![#\w.])-?\d+\.?\d*(?:e[-+]?\d+)?(?!\w)")


def lines_of(figure):
    """The lines of one figure: the page, then each axes and what lies on it, in the order of drawing."""
    lines = [f"figure {_numbers(figure.get_size_inches())} {_color(figure.get_facecolor())}"]
    lines += _grouped([*figure.texts, *filter(None, [figure._suptitle])])
    for ax in figure.axes:
        lines += [_of_axes(ax)]
        titles = [getattr(ax, name) for name in ("title", "_left_title", "_right_title")]
        lines += _grouped([*titles, ax.xaxis.label, ax.yaxis.label], placed=False)
        lines += _grouped([*ax.images, *ax.collections, *ax.patches, *ax.lines, *ax.texts])
        if ax.get_legend() is not None:
            lines += _of_legend(ax.get_legend())
    return lines


def _of_axes(ax):
    frame = "".join(name[0] for name, spine in ax.spines.items() if spine.get_visible()) if ax.axison else "off"
    ticks = [_ticks(axis) for axis in (ax.xaxis, ax.yaxis)]
    limits = [*ax.get_xlim(), *ax.get_ylim()]
    place = _numbers(ax.get_position(original=True).bounds)
    scales = f"{ax.get_xscale()[:3]}/{ax.get_yscale()[:3]}"
    return f"axes {place} limits {_numbers(limits)} {scales} {ax.get_aspect()} frame {frame} {' '.join(ticks)}"


def _ticks(axis):
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return "ticks free"
    labels = [text.get_text() for text in axis.get_ticklabels()]
    size = {text.get_fontsize() for text in axis.get_ticklabels()}
    return f"ticks {_numbers(axis.get_ticklocs())} {'|'.join(labels)} {_numbers(sorted(size))}"


def _of_legend(legend):
    entries = "|".join(text.get_text() for text in legend.get_texts())
    size = _numbers(sorted({text.get_fontsize() for text in legend.get_texts()}))
    place = _numbers(legend.get_bbox_to_anchor().transformed(legend.axes.transAxes.inverted()).bounds)
    look = f"size {size} loc {legend._loc} at {place} columns {legend._ncols} frame {legend.get_frame_on()}"
    return [f"legend {entries} {look}", *_grouped(legend.legend_handles, placed=False)]


def _grouped(artists, *, placed=True):
    """A line for all of one look, with their words and a sum over where they stand."""
    groups = {}
    for artist in artists:
        words = artist.get_text() if isinstance(artist, Text) else ""
        if artist.get_visible() and (words.strip() or not isinstance(artist, Text)):
            place = _place(artist) if placed else []
            groups.setdefault(_look(artist), []).append((words, np.asarray(place, float).ravel()))
    return [
        " ".join(filter(None, [look, f"x{len(group)}", _summed([p for _, p in group]), "|".join(w for w, _ in group)]))
        for look, group in groups.items()
    ]


def _look(artist):
    """How an artist looks, wherever it stands."""
    words = [type(artist).__name__, *_own_look(artist), f"z{artist.get_zorder():g}"]
    if artist.get_alpha() is not None:
        words.append(f"alpha {_numbers(artist.get_alpha())}")
    if not str(artist.get_label()).startswith("_"):
        words.append(str(artist.get_label()))
    for effect in artist.get_path_effects() or []:
        words += [f"{type(effect).__name__} {sorted(getattr(effect, '_gc', {}).items())}"]
    return " ".join(filter(None, words))


def _own_look(artist):
    if isinstance(artist, Text):
        box = artist.get_bbox_patch()
        turned = artist.get_rotation(), artist.get_ha(), artist.get_va(), artist.get_weight(), artist.get_style()
        words = [f"{artist.get_fontsize():g}", _color(artist.get_color()), "/".join(map(str, turned))]
        if isinstance(artist, Annotation) and artist.arrow_patch:
            words += ["arrow", *_own_look(artist.arrow_patch)]
        return words if box is None else [*words, "box", *_own_look(box), f"{box.get_alpha()}"]
    if isinstance(artist, Line2D):
        line = [_color(artist.get_color()), f"{artist.get_linewidth():g}", _dashes(artist), artist.get_drawstyle()]
        if artist.get_marker() in ("None", "", None):
            return line
        edge = f"{_color(artist.get_markeredgecolor())} {artist.get_markeredgewidth():g}"
        marker = f"marker {artist.get_marker()} {artist.get_markersize():g} {_color(artist.get_markerfacecolor())}"
        return [*line, marker, edge]
    if isinstance(artist, AxesImage):
        limits = f"{artist.get_cmap().name} {_numbers(artist.get_clim())}" if artist.get_array().ndim == 2 else ""
        return [limits, str(artist.get_interpolation())]
    if isinstance(artist, FancyArrowPatch):
        return [*_faces(artist), type(artist.get_arrowstyle()).__name__, f"{artist.get_mutation_scale():g}"]
    if isinstance(artist, FancyBboxPatch):
        return [*_faces(artist), type(artist.get_boxstyle()).__name__, f"{sorted(vars(artist.get_boxstyle()).items())}"]
    if isinstance(artist, Patch):
        return [*_faces(artist), artist.get_hatch() or ""]
    return [_numbers(artist.get_linewidths())] if isinstance(artist, Collection) else []


def _place(artist):
    """Where an artist stands, in its own coordinates, as numbers whose sum changes when one of them does."""
    if isinstance(artist, Annotation):
        return [*artist.xyann, *artist.xy]
    if isinstance(artist, Text):
        return [*artist.get_position()]
    if isinstance(artist, Line2D):
        return np.ma.filled(np.ma.masked_invalid(artist.get_xydata()), 0)
    if isinstance(artist, AxesImage):
        values = np.ma.filled(artist.get_array().astype(float), 0)
        return [*artist.get_extent(), *_weighted(values)]
    if isinstance(artist, FancyArrowPatch):
        return artist.get_path().vertices
    if isinstance(artist, Patch):
        return artist.get_patch_transform().transform(artist.get_path().vertices)
    if isinstance(artist, Collection):
        paths = [_weighted(path.vertices) for path in artist.get_paths()]
        colors = [_weighted(artist.get_edgecolor()), _weighted(artist.get_facecolor())]
        return [*np.ravel(paths), *np.ravel(colors), *np.ravel(artist.get_offsets())]
    return []


def _weighted(values):
    """Two sums that tell most changes of an array: the plain one, and one in which each number has its own weight."""
    values = np.nan_to_num(np.asarray(values, float).ravel(), posinf=0, neginf=0)
    return values.sum(), (values * (1.5 + np.cos(np.arange(len(values))))).sum()


def _summed(places):
    whole = np.concatenate([np.zeros(0), *places])
    return _numbers(whole) if len(whole) <= 4 else f"({len(whole)}) {_numbers(_weighted(whole))}"


def _faces(patch):
    face = _color(patch.get_facecolor()) if patch.get_fill() else "unfilled"
    return [face, _color(patch.get_edgecolor()), f"{patch.get_linewidth():g}", _dashes(patch)]


def _dashes(artist):
    pattern = artist._unscaled_dash_pattern if hasattr(artist, "_unscaled_dash_pattern") else artist.get_linestyle()
    return "" if pattern == (0, None) else str(pattern).replace(" ", "")


def _color(color):
    return color if isinstance(color, str) and color in ("none", "auto") else to_hex(color, keep_alpha=True)


def _numbers(values):
    return " ".join(f"{float(v) + 0.0:.5g}" for v in np.ravel(values))
