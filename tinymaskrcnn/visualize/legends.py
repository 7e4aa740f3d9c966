"""A picture with its legend underneath, where it hides nothing."""

from matplotlib.lines import Line2D

from . import style
from .lettering import as_written


def picture_axes(ax=None, *, width=4.6, height=5.0, left=0.03, bottom=0.14):
    """The axes that were given, or those of a new figure with room below for a legend."""
    if ax is not None:
        return ax
    return style.new_figure(width, height).add_axes((left, bottom, 1 - left - 0.03, 1 - bottom - 0.09))


def legend_below(ax, handles, *, ncols=2, gap=0.02):
    """Put the handles (each with a label) under the axes; `gap` is a share of their height."""
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -gap),
        ncols=ncols,
        fontsize=style.SMALL,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.4,
    )
    return ax


def line_handle(label, color, linestyle="-", *, linewidth=1.8, marker=None):
    """A legend entry: a piece of line as it is drawn in the picture."""
    return Line2D([], [], color=color, linestyle=linestyle, linewidth=linewidth, marker=marker, label=as_written(label))
