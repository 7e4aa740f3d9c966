"""Every stage of a detection as a picture, from an `explain.DetectionTrace`."""

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..errors import ArgumentError
from ..models.poolers import pooler
from ..ops.boxes import to_center
from . import style
from .boxes import draw_boxes, draw_image
from .features import draw_feature_map
from .lettering import as_written, with_glyphs
from .masks import draw_masks

# The look of a pyramid level, from P2 on: colour and line
LEVELS = (
    (style.BLUE, "-"),
    (style.ORANGE, (0, (5, 1.5))),
    (style.GREEN, (0, (3, 1.5))),
    (style.PURPLE, (0, (1, 1.2))),
    (style.YELLOW, (0, (5, 1.5, 1, 1.5))),
)
MOST = 5  # objects side by side


def draw_objectness(trace, level, *, ax=None, title=None):
    """How sure the RPN is of an object at each cell of a level: the most of the cell's anchors, on the image.

    DetectionTrace, level: 2 for P2  ->  axes

    A cell is drawn around the centre of its anchors, and the less sure, the more of the image shows through.
    """
    require_anchors(trace, "draw_objectness")
    rows, columns, _ = _level(trace, level).shape
    of_level = trace.anchors.objectness[trace.anchors.level == level]
    best = of_level.reshape(rows, columns, -1).max(axis=2)
    ax = draw_image(trace.image, ax=ax)
    limits = ax.get_xlim(), ax.get_ylim()
    far_x, far_y = to_center(trace.anchors.boxes[trace.anchors.level == level][-1:])[0, :2]  # of the last cell
    wide, high = far_x / (columns - 1) if columns > 1 else 2**level, far_y / (rows - 1) if rows > 1 else 2**level
    extent = np.array([-0.5 * wide, (columns - 0.5) * wide, (rows - 0.5) * high, -0.5 * high])
    look = {"cmap": "viridis", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    ax.imshow(best, extent=extent, alpha=0.85 * best, **look)
    ax.set_xlim(*limits[0])
    ax.set_ylim(*limits[1])
    name = trace.config.backbone.level_name(level)
    title = with_glyphs(title) if title else f"{name}: {rows}×{columns} cells, up to {best.max():.2f}"
    ax.set_title(title, fontsize=style.TEXT)
    return ax


def objectness_figure(trace):
    """draw_objectness of every level, with one scale of colours.

    DetectionTrace  ->  Figure
    """
    require_anchors(trace, "objectness_figure")
    levels = trace.config.backbone.levels
    columns = min(3, len(levels))
    rows = -(-len(levels) // columns)
    figure, panels = _panels(trace.image, rows, columns, side=2.6, gap=0.3, right=0.75)
    for ax, level in zip(panels, levels):
        draw_objectness(trace, level, ax=ax)
    for ax in panels[len(levels) :]:
        ax.set_axis_off()
    width = figure.get_figwidth()
    place = figure.add_axes((1 - 0.62 / width, 0.15, 0.14 / width, 0.7))
    bar = figure.colorbar(panels[0].images[-1], cax=place)
    bar.solids.set_alpha(1)
    bar.ax.tick_params(labelsize=style.SMALL)
    bar.ax.set_title("object", fontsize=style.SMALL)
    return figure


def draw_level_boxes(image, boxes, levels, *, ax=None, scores=None, title=None):
    """Many boxes, each in the look of its pyramid level; the surer, the stronger.

    image (H, W, C), boxes (K, 4), levels (K,) int from 2, scores (K,) in 0..1 or None  ->  axes
    """
    ax = draw_image(image, ax=ax, title=title)
    scores = np.ones(len(boxes)) if scores is None else np.asarray(scores)
    for level, (color, line) in enumerate(LEVELS, start=2):
        rows = np.flatnonzero(np.asarray(levels) == level)
        rows = rows[np.argsort(scores[rows], kind="stable")]  # the surest on top
        if len(rows) == 0:
            continue
        patches = [Rectangle((x1, y1), x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes[rows].tolist()]
        edges = [to_rgba(color, 0.12 + 0.88 * score) for score in scores[rows]]
        ax.add_collection(
            PatchCollection(patches, facecolor="none", edgecolor=edges, linestyle=line, linewidth=1.2, zorder=2)
        )
    return ax


def proposals_figure(trace):
    """The boxes of the RPN before its NMS, after it, and the best of those over all levels: the proposals.

    DetectionTrace  ->  Figure
    """
    require_anchors(trace, "proposals_figure")
    candidates, proposals, kept = trace.candidates, trace.proposals, trace.candidates.kept
    origins = _proposal_levels(trace)
    figure, panels = _panels(trace.image, 1, 3, side=3.0, gap=0.3, below=0.35)
    views = (
        ("before NMS: {} boxes", candidates.boxes, candidates.level, candidates.scores),
        ("after NMS: {} boxes", candidates.boxes[kept], candidates.level[kept], candidates.scores[kept]),
        ("the best: {} proposals", proposals.boxes, origins, proposals.scores),
    )
    for ax, (title, boxes, levels, scores) in zip(panels, views):
        draw_level_boxes(trace.image, boxes, levels, ax=ax, scores=scores)
        ax.set_title(title.format(len(boxes)), fontsize=style.TEXT)
    names = sorted(set(candidates.level.tolist()))
    handles = [
        Line2D([], [], color=color, linestyle=line, label=f"from {trace.config.backbone.level_name(level)}")
        for level in names
        for color, line in [LEVELS[level - 2]]
    ]
    handles.append(Line2D([], [], linestyle="none", label="the fainter, the less sure"))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=style.SMALL, frameon=False)
    return figure


def _proposal_levels(trace):
    """The level whose anchors each proposal was made of; the one it is cut from is another question."""
    scores = np.where(trace.candidates.kept, trace.candidates.scores, -1)
    return trace.candidates.level[np.argsort(-scores, kind="stable")[: len(trace.proposals.boxes)]]


def roi_grids_figure(trace, proposals=None):
    """Some RoIs from near with their bins: on the image, on the level they are cut from, and what is cut out.

    DetectionTrace, proposals: row numbers, by default those of the best detections  ->  Figure

    One channel is drawn, the one that varies most on its level, because pooling treats each on its own: a crop has the
    colours of the cells it was cut from.
    """
    chosen = _chosen(trace, proposals, trace.origins, "proposals")
    if len(chosen) == 0:
        return style.message_figure("no RoI to show: nothing was found in this image")
    config = trace.config.roi
    figure, panels = _panels(np.ones((1, 1)), 3, len(chosen), side=1.72, gap=0.28)
    grid = np.array(panels).reshape(3, len(chosen))
    for column, row in enumerate(chosen):
        roi, level = trace.proposals.boxes[row], int(trace.proposals.level[row])
        features, side = _level(trace, level), 2**level
        H, W, _ = features.shape
        draw_image(trace.image, ax=grid[0, column])
        grid[0, column].set_title(f"proposal {row}: {_size(roi)} px", fontsize=style.TEXT)
        channel = int(features.std(axis=(0, 1)).argmax())
        most = float(np.abs(features[:, :, channel]).max()) or 1.0
        look = {"channel": channel, "cmap": "PuOr", "vmin": -most, "vmax": most}
        draw_feature_map(features, ax=grid[1, column], extent=(0, W * side, H * side, 0), **look)
        name = trace.config.backbone.level_name(level)
        grid[1, column].set_title(f"{name}: {H}×{W}, channel {channel}", fontsize=style.TEXT)
        for ax, color in zip(grid[:2, column], (style.YELLOW, "black")):  # light on the image, dark on the map
            _draw_bins(ax, roi, config.box_size, color=color)
            _look_at(ax, roi, margin=1.4)
        crop = _crop(features, roi, level, config)
        draw_feature_map(crop, ax=grid[2, column], **look)
        grid[2, column].set_title(f"crop: {'×'.join(map(str, crop.shape))}", fontsize=style.TEXT)
    return figure


def _draw_bins(ax, roi, count, *, color):
    x1, y1, x2, y2 = (float(v) for v in roi)
    look = {"color": color, "linewidth": 0.7}
    ax.vlines(np.linspace(x1, x2, count + 1), y1, y2, **look)
    ax.hlines(np.linspace(y1, y2, count + 1), x1, x2, **look)


def _look_at(ax, box, *, margin):
    """Show a square around the middle of a box, `margin` times as large as its longer side."""
    centre, half = (box[:2] + box[2:]) / 2, margin * (box[2:] - box[:2]).max() / 2
    ax.set_xlim(float(centre[0] - half), float(centre[0] + half))
    ax.set_ylim(float(centre[1] + half), float(centre[1] - half))
    ax.set_facecolor(style.faint())  # beyond the image


def _crop(features, roi, level, config):
    pool = pooler(config.box_size, config, levels=1, lowest=level)
    return pool.forward([features[None]], rois=roi[None], image_index=np.zeros(1, int))[0][0]


def class_scores_figure(trace, proposals=None):
    """What the box head says about some proposals: the piece of the image, and a bar for each class.

    DetectionTrace, proposals: row numbers, by default those of the best detections  ->  Figure
    """
    chosen = _chosen(trace, proposals, trace.origins, "proposals")
    if len(chosen) == 0:
        return style.message_figure("no scores to show: nothing was found in this image")
    names = ["none", *trace.config.class_names[1:]]  # "background" is too long for a tick
    width, high = 1.75 * len(chosen) + 0.55, 3.9
    figure = style.new_figure(width, high)
    for column, row in enumerate(chosen):
        x = (0.55 + 1.75 * column) / width
        piece = figure.add_axes((x, 1 - 1.75 / high, 1.5 / width, 1.5 / high))
        _draw_piece(trace.image, trace.proposals.boxes[row], ax=piece)
        piece.set_title(f"proposal {row}", fontsize=style.TEXT)
        ax = style.plain_axes(figure.add_axes((x, 0.25 / high, 1.5 / width, 1.78 / high)))
        _draw_scores(ax, trace.proposals.probabilities[row], names)
        if column:
            ax.set_yticklabels([])
    return figure


def _draw_scores(ax, scores, names):
    best = int(np.argmax(scores))
    colors = [style.ORANGE if k == best else style.DARK_BLUE for k in range(len(scores))]
    bars = ax.barh(np.arange(len(scores)), scores, color=colors, height=0.75)
    bars[best].set_hatch("////")
    bars[best].set_edgecolor(style.paper())
    ax.set_yticks(np.arange(len(names)), [as_written(name) for name in names], fontsize=style.SMALL)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.grid(False, axis="y")
    inside = scores[best] > 0.6
    place = {"ha": "right" if inside else "left", "va": "center", "fontsize": style.SMALL}
    box = {"boxstyle": "square,pad=0.1", "facecolor": style.paper(), "edgecolor": "none"}
    ax.text(scores[best] - 0.05 if inside else scores[best] + 0.05, best, f"{scores[best]:.2f}", bbox=box, **place)


def masks_figure(trace, detections=None):
    """The masks of some detections: the piece of the image, the probabilities in the box, and pasted into the image.

    DetectionTrace, detections: row numbers, by default the best  ->  Figure
    """
    if trace.mask_probabilities is None:
        raise ArgumentError("masks_figure: the traced model has no mask head")
    chosen = _chosen(trace, detections, np.arange(len(trace.detections)), "detections")
    if len(chosen) == 0:
        return style.message_figure("no masks to show: nothing was found in this image")
    found, side = trace.detections, trace.mask_probabilities.shape[1]
    figure, panels = _panels(trace.image, 3, len(chosen), side=1.65, gap=0.28, right=0.65)
    grid = np.array(panels).reshape(3, len(chosen))
    for column, row in enumerate(chosen):
        box, color = found.boxes[row], style.color_of(found.labels[row])
        name = style.name_of(found.labels[row], trace.config.class_names)
        _draw_piece(trace.image, box, ax=grid[0, column])
        grid[0, column].set_title(f"{as_written(name)}  {found.scores[row]:.2f}", fontsize=style.TEXT)
        extent = (float(box[0]), float(box[2]), float(box[3]), float(box[1]))
        draw_feature_map(trace.mask_probabilities[row], ax=grid[1, column], extent=extent, vmin=0, vmax=1)
        grid[1, column].set_title(f"{side}×{side} in its box", fontsize=style.TEXT)
        draw_image(trace.image, ax=grid[2, column])
        draw_masks(found.masks[row : row + 1], ax=grid[2, column], colors=color)
        draw_boxes(box[None], ax=grid[2, column], colors=color, linewidth=1)
        grid[2, column].set_title(f"{int(found.masks[row].sum())} pixels", fontsize=style.TEXT)
    width, place = figure.get_figwidth(), grid[1, 0].get_position()
    bar = figure.colorbar(
        grid[1, 0].images[0], cax=figure.add_axes((1 - 0.5 / width, place.y0, 0.1 / width, place.height))
    )
    bar.ax.tick_params(labelsize=style.SMALL)
    return figure


# ---------------------------------------------------------------- parts


def require_anchors(trace, who):
    """Raise unless the network of a trace has made its proposals by itself."""
    if trace.anchors is None:
        raise ArgumentError(f"{who}: there are no anchors to draw, the proposals came with the picture")


def _level(trace, level):
    levels = trace.config.backbone.levels
    if level not in levels:
        wanted = f"{levels[0]} to {levels[-1]}" if len(levels) > 1 else f"{levels[0]}"
        raise ArgumentError(f"level must be {wanted}; got {level}")
    return trace.pyramid[levels.index(level)]


def _chosen(trace, given, best, name):
    """Row numbers to show: those that were given, or the best, each once."""
    count = len(getattr(trace, name).boxes)
    rows = list(dict.fromkeys(np.asarray(best).tolist())) if given is None else [int(row) for row in given]
    if not all(0 <= row < count for row in rows):
        raise ArgumentError(f"{name} must be row numbers below {count}; got {rows}")
    return rows[:MOST]


def _draw_piece(image, box, *, ax):
    """The part of an image that a box cuts out, in the box's own shape."""
    draw_image(image, ax=ax)
    ax.set_xlim(float(box[0]), float(box[2]))
    ax.set_ylim(float(box[3]), float(box[1]))
    return ax


def _size(box):
    return f"{box[2] - box[0]:.0f}×{box[3] - box[1]:.0f}"


def _panels(image, rows, columns, *, side, gap, left=0.1, right=0.1, below=0.08):
    """A figure with rows x columns panels in the shape of the image, and room for a title above each."""
    high = side * min(max(image.shape[0] / image.shape[1], 0.4), 2.0)
    width = left + columns * side + (columns - 1) * 0.12 + right
    height = rows * (high + gap) + below
    figure, panels, y = style.new_figure(width, height), [], height
    for _ in range(rows):
        y -= gap + high
        for column in range(columns):
            x = left + column * (side + 0.12)
            panels.append(figure.add_axes((x / width, y / height, side / width, high / height)))
    return figure, panels
