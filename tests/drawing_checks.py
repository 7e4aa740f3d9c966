"""What every picture must satisfy: no text and no axes are cut off at the edge, none lies on another of its kind."""

import numpy as np
import pytest
from matplotlib.text import Text

HAIR = 1.5  # pixels that two texts, or two axes, may share
# For tests that ask where things stand and what they say: a theme changes colours alone (visualize/test_dark_pages.py).
THEMES = ("light", pytest.param("dark", marks=pytest.mark.long))


def drawn_texts(figure):
    """Every text that is visible, with the rectangle (pixels) that it covers."""
    figure.draw_without_rendering()  # all is put in its place, and no pixel is drawn
    return placed_texts(figure)


def placed_texts(figure):
    """The same of a figure that has been drawn."""
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):  # ticks beyond the limits are not drawn
                if not (ax.axison and low <= tick.get_loc() <= high):
                    hidden |= {tick.label1, tick.label2}
        if not ax.axison:
            hidden |= {ax.xaxis.label, ax.yaxis.label}
    found = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            found.append((text.get_text(), text.get_window_extent()))
    return found


def words(figure):
    return [text for text, _ in drawn_texts(figure)]


def assert_legible(figure):
    """No text and no axes stick out of the figure, no two texts and no two axes share more than a hair."""
    _assert_apart(drawn_texts(figure), figure.bbox)
    axes = [ax for ax in figure.axes if ax.get_visible()]
    _assert_apart([(f"axes {k}", ax.get_window_extent()) for k, ax in enumerate(axes)], figure.bbox)


def _assert_apart(named, edge):
    """named [(name, rectangle)] lie within `edge` and beside each other."""
    if not named:
        return
    names = [name for name, _ in named]
    low, high = (np.array([getattr(box, corner) for _, box in named]) for corner in ("min", "max"))  # (K, 2) of x, y
    for axis, where in enumerate(("at the side", "at the top or bottom")):
        cut = (low[:, axis] < edge.min[axis] - 1) | (high[:, axis] > edge.max[axis] + 1)
        assert not cut.any(), f"{names[np.argmax(cut)]!r} is cut off {where}"
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    pairs = np.argwhere(np.triu((shared > HAIR).all(axis=2), k=1))
    assert not len(pairs), f"{names[pairs[0][0]]!r} lies on {names[pairs[0][1]]!r}"
