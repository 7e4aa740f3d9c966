"""Anchors as pictures: where they stand, how they are labelled, what a delta does, whether they fit the objects."""

import numpy as np
from matplotlib.patches import Patch

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..ops.anchors import crosses_border
from ..ops.boxes import encode, to_center
from ..targets.matcher import NEGATIVE, NEUTRAL, POSITIVE
from . import style
from .boxes import draw_boxes, draw_image, write_labels
from .legends import legend_below, line_handle, picture_axes
from .lettering import with_glyphs


def coverage_figure(report):
    """Share of the objects of each size whose best anchor reaches IoU 0.5, and 0.7.

    list of {"size": (low, high), "objects": n, "share_50": x, "share_70": y}, or an AnchorReport  ->  Figure
    """
    good, fair = getattr(report, "good", 0.7), getattr(report, "fair", 0.5)
    rows = _from_report(report) if hasattr(report, "bins") else list(report)
    rows = [row for row in rows if row["objects"]]
    if not rows:
        return style.message_figure("no anchor coverage: the scenes that were looked at hold no objects")
    figure = style.new_figure(max(5.4, 1.6 + 0.95 * len(rows)), 3.8)
    ax = style.plain_axes(figure.subplots())
    ax.grid(False, axis="x")
    x = np.arange(len(rows))
    kinds = (("share_50", fair, -0.2, style.BLUE, None), ("share_70", good, 0.2, style.DARK_BLUE, "////"))
    for name, limit, shift, color, hatch in kinds:
        shares = [row[name] for row in rows]
        label = f"a fair anchor: IoU ≥ {limit:g}" if name == "share_50" else f"a good anchor: IoU ≥ {limit:g}"
        ax.bar(x + shift, shares, 0.38, color=color, hatch=hatch, edgecolor=style.paper(), linewidth=0.5, label=label)
        for place, share in zip(x + shift, shares):
            ax.text(place, share + 0.015, f"{share:.0%}", ha="center", fontsize=style.SMALL)
    ax.set_xticks(x, [f"{_bin_name(row['size'])}\n{row['objects']} obj." for row in rows])
    ax.set_xlim(-0.6 if len(rows) > 1 else -1.2, max(len(rows) - 0.4, 1.2))
    ax.set_ylim(0, 1.12)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    ax.set_xlabel("size of the object: √(width · height) in pixels", fontsize=style.TEXT)
    ax.set_ylabel("share of the objects", fontsize=style.TEXT)
    ax.set_title("How many objects have an anchor that fits", fontsize=style.TITLE, pad=26)
    ax.legend(fontsize=style.SMALL, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=2)
    figure.tight_layout()
    return figure


def _from_report(report):
    return [
        {"size": (b["low"], b["high"]), "objects": b["count"], "share_50": b["fair"], "share_70": b["good"]}
        for b in report.bins()
    ]


def _bin_name(size):
    low, high = size
    return f"{low:g}+" if high is None or high >= 1e9 else f"{low:g}–{high:g}"


# ---------------------------------------------------------------- anchors on a picture


def draw_anchor_grid(image, anchors, stride, *, ax=None, cell=None, margin=0.0, title=None):
    """The cells of one level and their centres; the anchors of one cell, dashed where they leave the image.

    image (H, W, C), anchors (h*w*A, 4) of the level, stride: pixels per cell, cell (row, column) or None  ->  axes
    margin: how many pixels around the image are shown, so that one sees what crosses its border. Lines part the cells
    that the features look at; dots are where the anchors stand, which is elsewhere on levels that do not divide.
    """
    anchors = np.asarray(to_host(anchors), np.float64).reshape(-1, 4)
    H, W = np.shape(image)[:2]
    rows, columns = -(-H // stride), -(-W // stride)
    per_cell, rest = divmod(len(anchors), rows * columns)
    if rest or per_cell == 0:
        raise ShapeError(
            f"draw_anchor_grid: anchors must have A rows for each of {rows} x {columns} cells of stride {stride}; "
            f"got {len(anchors)} rows"
        )
    i, j = (rows // 2, columns // 2) if cell is None else cell
    if not (0 <= i < rows and 0 <= j < columns):
        raise ArgumentError(f"draw_anchor_grid: cell must lie in the grid of {rows} x {columns}; got {tuple(cell)}")
    ax = draw_image(image, ax=picture_axes(ax), title=title)
    ax.set_xlim(-margin, W + margin)
    ax.set_ylim(H + margin, -margin)
    ax.spines[:].set_visible(not margin)
    centres = to_center(anchors[::per_cell])[:, :2]
    _grid(ax, rows, columns, stride, W, H, centres)
    start = (i * columns + j) * per_cell
    shown = anchors[start : start + per_cell]
    crossing = crosses_border(shown, height=H, width=W)
    colors = [style.PALETTE[k % 3 if per_cell <= 3 else k % len(style.PALETTE)] for k in range(per_cell)]
    draw_boxes(shown, ax=ax, colors=colors, linestyles=[(0, (4, 2)) if c else "-" for c in crossing])
    ax.plot(*centres[i * columns + j], "o", color=style.RED, markersize=5, markeredgecolor="white", zorder=7)
    handles = [
        line_handle(f"{x2 - x1:g} × {y2 - y1:g}{' crosses' if c else ''}", color, (0, (4, 2)) if c else "-")
        for (x1, y1, x2, y2), color, c in zip(shown, colors, crossing)
    ]
    apart = centres[-1] / np.maximum([columns - 1, rows - 1], 1)
    uneven = any(n > 1 and gap != stride for n, gap in zip((columns, rows), apart))
    if not uneven:
        handles.append(line_handle(f"{rows} × {columns} cells", style.GREY, "none", marker="."))
    else:
        ax.plot(j * stride, i * stride, "x", color=style.ORANGE, markersize=8, markeredgewidth=2, zorder=8)
        every = "/".join(f"{gap:g}" for gap in np.unique(apart[apart > 0]))
        handles.append(line_handle(f"anchors: {every} px", style.RED, "none", marker="o"))
        handles.append(line_handle(f"features: {stride:g} px", style.ORANGE, "none", marker="x"))
    legend_below(ax, handles, ncols=3 if per_cell > 3 or uneven else 2)
    ax.get_legend().set_title(f"width × height of the anchors of cell ({i}, {j})", {"size": style.SMALL})
    return ax


def _grid(ax, rows, columns, stride, width, height, centres):
    """Thin lines between the cells of the feature map, and a dot at the place where each cell's anchors are centred."""
    for j in range(columns):
        ax.plot([j * stride] * 2, [0, height], color="white", linewidth=0.4, alpha=0.35)
    for i in range(rows):
        ax.plot([0, width], [i * stride] * 2, color="white", linewidth=0.4, alpha=0.35)
    ax.plot(*centres.T, ".", color=style.YELLOW, markersize=2 if rows > 16 else 4, zorder=5, clip_on=False)


# positive, neutral, negative -> colour, line, width, how many are drawn at most
LABEL_LOOKS = {
    POSITIVE: ("positive", style.GREEN, "-", 1.8, 40),
    NEUTRAL: ("neutral", style.ORANGE, (0, (4, 2)), 0.9, 16),
    NEGATIVE: ("negative", style.BLUE, (0, (1, 2)), 0.9, 14),
}


def draw_anchor_labels(image, anchors, label, *, ax=None, objects=None, title=None, limits=None):
    """Anchors coloured by their label, as many as can be read; the legend counts them all.

    image (H, W, C), anchors (A, 4), label (A,) of 1 positive, 0 neutral, -1 negative  ->  axes
    objects (M, 4) are the true boxes; limits {label: how many are drawn at most}. Which ones is no accident: they are
    spread evenly over the array.
    """
    anchors, label = np.asarray(to_host(anchors)).reshape(-1, 4), np.asarray(to_host(label))
    if label.shape != anchors.shape[:1]:
        raise ShapeError(f"draw_anchor_labels: label must be ({len(anchors)},) like anchors; got {label.shape}")
    ax = draw_image(image, ax=picture_axes(ax), title=title)
    handles = []
    for kind in (NEGATIVE, NEUTRAL, POSITIVE):  # what matters most on top
        name, color, line, width, most = LABEL_LOOKS[kind]
        rows = np.flatnonzero(label == kind)
        drawn = _spread(rows, most if limits is None else limits.get(kind, most))
        draw_boxes(anchors[drawn], ax=ax, colors=color, linestyles=[line] * len(drawn), linewidth=width)
        drawn_too = f" ({len(drawn) or 'not'} drawn)" if len(drawn) < len(rows) else ""
        handles.insert(0, line_handle(f"{name}: {len(rows)}{drawn_too}", color, line))
    if objects is not None:
        objects = np.asarray(to_host(objects)).reshape(-1, 4)
        draw_boxes(objects, ax=ax, colors=style.PURPLE, linewidth=1.2)
        handles.append(line_handle(f"object: {len(objects)}", style.PURPLE, linewidth=1.2))
    return legend_below(ax, handles)


def _spread(rows, most):
    """At most `most` of the rows, evenly spread, the same ones each time."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)] if most else rows[:0]


def draw_deltas(anchor, box, *, ax=None):
    """What the four deltas of a box mean: an arrow from centre to centre, and how the sides grow.

    anchor (4,), box (4,)  ->  axes
    """
    anchor, box = (np.asarray(to_host(b), np.float64) for b in (anchor, box))
    if anchor.shape != (4,) or box.shape != (4,):
        raise ShapeError(f"draw_deltas: anchor and box must be (4,); got {anchor.shape} and {box.shape}")
    ax = picture_axes(ax, left=0.11)
    both = np.array([anchor, box])
    low, high = both[:, :2].min(axis=0), both[:, 2:].max(axis=0)
    reach = 0.62 * (high - low).max()
    (x1, y1), (x2, y2) = (low + high) / 2 - reach, (low + high) / 2 + reach
    ax.set_xlim(x1, x2)
    ax.set_ylim(y2, y1)
    ax.set_aspect("equal")
    style.plain_axes(ax).xaxis.tick_top()
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    draw_boxes(both, ax=ax, colors=[style.BLUE, style.ORANGE], linestyles=[(0, (4, 2)), "-"])
    write_labels(both, ["anchor", "box"], [style.BLUE, style.ORANGE], ax=ax)
    (ax_, ay, aw, ah), (gx, gy, gw, gh) = to_center(both)
    arrow = {"arrowstyle": "-|>", "color": style.RED, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (gx, gy), (ax_, ay), arrowprops=arrow)
    ax.plot([ax_], [ay], "o", color=style.RED, markersize=5)
    dx, dy, dw, dh = encode(box, anchor)
    ax.set_title(f"deltas {dx:+.2f}, {dy:+.2f}, {dw:+.2f}, {dh:+.2f}", fontsize=style.TITLE)
    handles = [
        line_handle(f"dx = {gx - ax_:+.3g} / {aw:.3g} = {dx:+.2f}", style.RED),
        line_handle(f"dy = {gy - ay:+.3g} / {ah:.3g} = {dy:+.2f}", style.RED),
        line_handle(f"dw = log({gw:.3g} / {aw:.3g}) = {dw:+.2f}", style.ORANGE),
        line_handle(f"dh = log({gh:.3g} / {ah:.3g}) = {dh:+.2f}", style.ORANGE),
    ]
    return legend_below(ax, handles)


def draw_label_bands(best_iou, *, positive_iou, negative_iou, ax=None, title=None):
    """How many anchors have which best IoU, and which label the two thresholds give them; counts on a log scale.

    best_iou (A,) of every anchor with its best object  ->  axes
    """
    best_iou = np.asarray(to_host(best_iou), np.float64).reshape(-1)
    if not 0 <= negative_iou <= positive_iou <= 1:
        raise ArgumentError(
            f"draw_label_bands: needs 0 <= negative_iou <= positive_iou <= 1; got {negative_iou} and {positive_iou}"
        )
    ax = style.plain_axes(picture_axes(ax, height=3.8, left=0.16, bottom=0.3))
    label = np.where(best_iou >= positive_iou, POSITIVE, np.where(best_iou < negative_iou, NEGATIVE, NEUTRAL))
    hatches = {NEGATIVE: "..", NEUTRAL: "//", POSITIVE: None}
    handles = []
    for kind, hatch in hatches.items():
        name, color = LABEL_LOOKS[kind][:2]
        look = {"facecolor": color, "hatch": hatch, "edgecolor": style.paper(), "linewidth": 0.5}
        ax.hist(best_iou[label == kind], bins=np.linspace(0, 1, 21), **look)
        text = f"{name}: {(label == kind).sum()}"
        handles.append(Patch(facecolor=color, hatch=hatch, edgecolor=style.paper(), label=text))
    for limit in {positive_iou, negative_iou}:
        ax.axvline(limit, color=style.ink(), linewidth=1.2, linestyle="--")
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.7)
    ax.set_xlim(0, 1)
    ax.set_xlabel("IoU with the best object", fontsize=style.TEXT)
    ax.set_ylabel("anchors", fontsize=style.TEXT)
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return legend_below(ax, handles, ncols=3, gap=0.2)
