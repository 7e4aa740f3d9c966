"""Colours, figures and files, in one place; no pyplot, so nothing is global, nothing leaks, and no screen is needed."""

from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ..errors import ArgumentError
from ..files import whole_file
from .lettering import as_written

# Okabe and Ito's colours, told apart with every common kind of colour blindness, and three more for ten classes
PALETTE = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#8A8AFF", "#AA4499", "#999933")
BLUE, ORANGE, GREEN, PURPLE, YELLOW, DARK_BLUE, RED = PALETTE[:7]
GREY = "#7F7F7F"
TITLE, TEXT, SMALL = 11, 9, 8  # font sizes in points
DPI = 110


# What is drawn on the bare page, in light and in dark; colours that carry meaning are the palette's in both
THEMES = {
    "light": {"ink": "#000000", "muted": "#444444", "faint": "#E5E5E5", "paper": "#FFFFFF"},
    "dark": {"ink": "#F2F2F2", "muted": "#B8B8B8", "faint": "#3A3A3A", "paper": "#16181D"},
}


def use_theme(name):
    """Draw all further figures dark on light ("light") or light on dark ("dark"), by matplotlib's own settings."""
    if name not in THEMES:
        raise ArgumentError(f"use_theme: name must be one of {tuple(THEMES)}; got {name!r}")
    theme = THEMES[name]
    lines = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    pages = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    rcParams.update({key: theme["ink"] for key in lines} | {key: theme["paper"] for key in pages})
    rcParams.update({"grid.color": theme["faint"], "legend.edgecolor": theme["faint"], "hatch.color": theme["ink"]})


def _of_theme(part):
    dark = sum(to_rgb(rcParams["figure.facecolor"])) < 1.5
    return THEMES["dark" if dark else "light"][part]


def ink():
    """The colour of text and lines on the page."""
    return _of_theme("ink")


def muted():
    """The colour of what stands back: remarks, secondary lines."""
    return _of_theme("muted")


def faint():
    """The colour of grids and of what only hints."""
    return _of_theme("faint")


def paper():
    """The colour of the page."""
    return _of_theme("paper")


def away_from_paper():
    """The part of a map from dark to light, as two shares, whose colours stand out from the page."""
    return (0.0, 0.85) if _of_theme("paper") == THEMES["light"]["paper"] else (0.3, 1.0)


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows by itself, without pyplot."""

    def _repr_png_(self):
        import io

        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue(), {"alt": self.alt_text()}

    def alt_text(self):
        """What a reader who does not see the picture is told: the titles it bears, and what its axes show."""
        parts = [self.get_suptitle(), *(text.get_text() for text in self.texts)]
        for ax in self.axes:
            against = " against ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
            parts.append(": ".join(filter(None, (ax.get_title() or ax.get_title("left"), against))))
        if not any(part.strip() for part in parts):
            parts = [text.get_text() for ax in self.axes for text in ax.texts][:8]
        words = "; ".join(dict.fromkeys(" ".join(part.replace(r"\$", "$").split()) for part in parts if part.strip()))
        return words or "picture"


def new_figure(width, height):
    """An empty figure of width x height inches."""
    figure = NotebookFigure(figsize=(width, height), dpi=DPI, facecolor=paper())
    FigureCanvasAgg(figure)
    return figure


def new_axes(ax=None, *, width=4.0, height=4.0):
    """The axes that were given, or the only axes of a new figure."""
    return ax if ax is not None else new_figure(width, height).add_axes((0.03, 0.03, 0.94, 0.88))


def plain_axes(ax):
    """A quiet frame for curves: no upper and right line, a light grid behind."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color=faint(), linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=SMALL)
    return ax


def color_of(label):
    """The colour of a class: 1, 2, ... take the palette in turn."""
    return PALETTE[(int(label) - 1) % len(PALETTE)]


def name_of(label, class_names=None):
    """The name of a class, or its number when there are no names."""
    known = class_names is not None and 0 <= int(label) < len(class_names)
    return str(class_names[int(label)]) if known else str(int(label))


def ink_on(color):
    """Black or white, whichever reads better on a colour "#RRGGBB"."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else "white"


def say(ax, message, *, y=0.07):
    """Write a message into the axes, near the lower edge so that it hides little of a picture."""
    ax.text(
        0.5,
        y,
        as_written(message),
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize=TEXT,
        wrap=True,
        zorder=10,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": paper(), "edgecolor": GREY, "alpha": 0.9},
    )


def message_figure(message):
    """A figure that only says why it is empty."""
    figure = new_figure(6, 2)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    say(ax, message, y=0.5)
    return figure


def running_mean(values, window):
    """Centred mean over `window` neighbours; the window shrinks at both ends, so nothing is invented there.

    values (K,)  ->  means (K,)
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    half = window // 2
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def save_figure(figure, path, *, dpi="figure"):
    """Write a picture in one move (.png, .pdf, .svg or .jpg), in dots per inch: its own. Returns the path."""
    kind = Path(path).suffix[1:].lower()
    if kind not in figure.canvas.get_supported_filetypes():
        raise ArgumentError(f"save_figure: path must end in .png, .pdf, .svg or .jpg; got {str(path)!r}")
    with whole_file(path) as file:
        figure.savefig(file, format=kind, dpi=dpi)
    return Path(path)
