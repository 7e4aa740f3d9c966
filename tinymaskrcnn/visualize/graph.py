"""A small computation as a graph: numbers run forward along the arrows, gradients run back."""

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ..errors import ArgumentError
from . import style
from .lettering import as_written, with_glyphs
from .steps import Steps

COLUMN, ROW = 2.1, 1.05  # inches from one node to the next
WIDE, HIGH = 0.5, 0.34  # of a node, in units of columns and rows


def draw_graph(
    places, edges, *, labels=None, values=None, gradients=None, notes=None, backward=(), active=(), ax=None, title=None
):
    """Draw the nodes of a computation, what each holds, and what has come back to it.

    places {node: (column, row)}, edges [(from, to)]  ->  axes

    - labels: {node: what stands in it}; the node's own name unless given
    - values: {node: number or text}, written above it; gradients: the same below, as "dx = 6" at the node x
    - notes: {edge: text on the arrow}, the local derivative for instance
    - backward: edges that a gradient has gone back along, drawn reversed and dashed
    - active: nodes to be filled: those that are being computed now
    """
    _check(places, edges, labels, values, gradients, notes, backward, active)
    ax = _axes(ax, places, title)
    for edge in edges:
        _draw_edge(ax, places, edge, back=edge in set(backward), note=(notes or {}).get(edge))
    for node, (column, row) in places.items():
        _draw_node(ax, column, row, (labels or {}).get(node, node), active=node in active)
        if node in (values or {}):
            text = as_written(_text(values[node]))
            ax.text(column, row - 0.29, text, fontsize=style.TEXT, color=style.ink(), ha="center", va="center")
        if node in (gradients or {}):
            text = as_written(f"d{node} = {_text(gradients[node])}")
            ax.text(column, row + 0.3, text, fontsize=style.TEXT, color=_back(), ha="center", va="center")
    return ax


def graph_steps(places, edges, *, values, gradients, captions, notes=None, labels=None, title=None):
    """A computation node by node: each value on the way forward, then each gradient on the way back.

    places, edges, values, gradients, notes and labels as in draw_graph  ->  Steps

    - values: in the order of forward; the nodes that no edge leads to come together in the first picture
    - gradients: in the order of backward; each arrives along the edges that leave its node
    - captions: one for each picture
    """
    inputs = [node for node in values if all(end != node for _, end in edges)]
    known, frames = {node: values[node] for node in inputs}, []
    for active in [inputs, *([node] for node in values if node not in inputs)]:
        known = known | {node: values[node] for node in active}
        frames.append(draw_graph(places, edges, labels=labels, values=known, active=active))
    arrived = {}
    for node, gradient in gradients.items():
        arrived = arrived | {node: gradient}
        used = [edge for edge in edges if edge[0] == node]
        said = {edge: notes[edge] for edge in used if edge in (notes or {})}
        look = {"labels": labels, "values": values, "gradients": arrived, "notes": said}
        frames.append(draw_graph(places, edges, backward=used, active=[node], **look))
    return Steps(frames, captions, title=title)


def _back():
    """The colour of what flows back, readable on the page."""
    return style.RED if style.paper() == style.THEMES["light"]["paper"] else style.ORANGE


def _text(value):
    return value if isinstance(value, str) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _check(places, edges, labels, values, gradients, notes, backward, active):
    named = {*(labels or {}), *(values or {}), *(gradients or {}), *active, *(node for edge in edges for node in edge)}
    if unknown := sorted(named - set(places)):
        raise ArgumentError(f"draw_graph: places must hold every node; {unknown} are missing from {list(places)}")
    if unknown := sorted(({*(notes or {}), *backward}) - set(edges)):
        raise ArgumentError(f"draw_graph: notes and backward must be among the edges; got {unknown}")


def _axes(ax, places, title):
    columns, rows = ([place[i] for place in places.values()] for i in (0, 1))
    left, right, top, bottom = min(columns) - 0.5, max(columns) + 0.5, min(rows) - 0.5, max(rows) + 0.5
    if ax is None:
        width, height = COLUMN * (right - left), ROW * (bottom - top) + (0.35 if title else 0)
        share = ROW * (bottom - top) / height
        ax = style.new_figure(width, height).add_axes((0, 0, 1, share))
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_axis_off()
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def _draw_node(ax, column, row, label, *, active):
    face = style.BLUE if active else style.paper()
    corner = (column - WIDE / 2 + 0.06, row - HIGH / 2 + 0.06)
    ax.add_patch(
        FancyBboxPatch(
            corner,
            WIDE - 0.12,
            HIGH - 0.12,
            boxstyle="round,pad=0.06",
            facecolor=face,
            edgecolor=style.ink(),
            linewidth=2.2 if active else 1.2,
            zorder=3,
        )
    )
    look = {"fontsize": style.TEXT, "color": style.ink_on(face), "ha": "center", "va": "center", "zorder": 4}
    ax.text(column, row, as_written(label), **look)


def _draw_edge(ax, places, edge, *, back, note):
    (x0, y0), (x1, y1) = (places[node] for node in edge)
    lean = 0.09 * ((y1 > y0) - (y1 < y0))  # two arrows at one node keep their heads apart
    start, end = (x0 + WIDE / 2 + 0.02, y0 + lean), (x1 - WIDE / 2 - 0.02, y1 - lean)
    look = {"color": _back(), "linestyle": (0, (4, 2)), "linewidth": 2.0} if back else {"color": style.muted()}
    if back:
        start, end = end, start
    ax.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, shrinkA=0, shrinkB=0, zorder=2, **look)
    )
    if note:
        ax.text(
            (start[0] + end[0]) / 2,
            (start[1] + end[1]) / 2,
            as_written(note),
            fontsize=style.SMALL,
            color=_back(),
            ha="center",
            va="center",
            zorder=5,
            bbox={"boxstyle": "round,pad=0.3", "facecolor": style.paper(), "edgecolor": "none"},
        )
