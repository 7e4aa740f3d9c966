"""A detection linked with what it was made of: proposal, anchor, level and receptive field light up together."""

import numpy as np
from matplotlib import colormaps

from ...errors import ArgumentError
from ...explain.reach import objectness_reach, side_of_reach
from .. import style
from ..boxes import draw_boxes, draw_image
from ..stages import require_anchors
from .page import Touch, numbers, picture_address

MOST = 10  # detections; each brings a picture of its receptive field
FIELD = (1.0, 0.5, 0.25)  # the colour of that picture


def trace(model, traced, *, class_names=None):
    """A picture on which each detection, pointed at, shows where it came from.

    MaskRCNN in eval mode, DetectionTrace of it  ->  Touch
    The ten surest detections, each with its proposal, the anchor of that and its cell, the levels of the pyramid, and
    how every pixel would change the anchor's objectness.
    """
    require_anchors(traced, "touch.trace")
    found = traced.detections
    if not len(found):
        raise ArgumentError("touch.trace: nothing was detected in this picture, so there is nothing to link")
    names = traced.config.class_names if class_names is None else class_names
    shown = range(min(MOST, len(found)))
    rows = traced.proposals.anchor[traced.origins[: len(shown)]]
    reaches = objectness_reach(model, traced.image, rows)
    entries = [_entry(traced, k, names, reach) for k, reach in zip(shown, reaches)]
    image, extent = traced.image, [0, 0, *traced.image.shape[1::-1]]
    lowest = traced.config.backbone.levels[0]
    levels = [_level(lowest + k, features) for k, features in enumerate(traced.pyramid)]
    data = dict(found=entries, levels=levels, image=picture_address(image), extent=extent)
    still = _still(traced, names, entries)
    title = "Point at a detection: where did it come from?"
    return Touch("linked", data, title=title, still=still, alt=still.alt_text())


def _entry(traced, k, names, reach):
    """One detection and its ancestors, for the script."""
    found, proposals, anchors = traced.detections, traced.proposals, traced.anchors
    origin = traced.origins[k]
    row = proposals.anchor[origin]
    level = int(anchors.level[row])
    return dict(
        name=style.name_of(found.labels[k], names),
        score=float(found.scores[k]),
        detection=numbers(found.boxes[k].round(2)),
        proposal=numbers(proposals.boxes[origin].round(2)),
        level=int(proposals.level[origin]),
        anchor=numbers(anchors.boxes[row]),
        anchor_level=level,
        objectness=float(anchors.objectness[row]),
        rank=int(anchors.rank[row]) + 1,
        cell=numbers(_cell(traced, row, level)),
        others=_others(proposals.probabilities[origin], int(found.labels[k]), names),
        reach=dict(picture=_reach_picture(reach), size=side_of_reach(reach, _middle(anchors.boxes[row]))),
    )


def _cell(traced, row, level):
    """The cell of the map that an anchor belongs to, as a box in pixels of the image."""
    of_level = np.flatnonzero(traced.anchors.level == level)
    height, width = traced.pyramid[level - traced.anchors.level[0]].shape[:2]
    i, j = divmod((row - of_level[0]) // (len(of_level) // (height * width)), width)
    return 2**level * np.array([j, i, j + 1, i + 1])


def _middle(box):
    return (box[:2] + box[2:]) / 2


def _others(probabilities, label, names):
    """What else the box head thought of the same proposal, in a few words."""
    second = int(np.argsort(-np.where(np.arange(len(probabilities)) == label, -1, probabilities), kind="stable")[0])
    name = "nothing" if second == 0 else f"“{style.name_of(second, names)}”"
    return f"Next best for its proposal: {name}, {probabilities[second]:.2f}."


def _reach_picture(reach):
    """reach (H, W)  ->  a picture whose opacity says how much a pixel matters; roots, so that little is seen too."""
    strength = np.sqrt(reach / max(float(reach.max()), 1e-30))[..., None]
    return picture_address(np.concatenate([np.broadcast_to(FIELD, (*reach.shape, 3)), 0.85 * strength], axis=2))


def _level(number, features):
    height, width = features.shape[:2]
    size = np.sqrt((features.astype(np.float64) ** 2).mean(axis=2))
    colors = colormaps["viridis"](size / max(float(size.max()), 1e-30))[..., :3]
    covers = [0, 0, 2**number * width, 2**number * height]  # in pixels: the picture, and what it was padded by
    return dict(number=number, size=f"{height} × {width}", picture=picture_address(colors), covers=covers)


def _still(traced, names, entries):
    """Each sure detection with its proposal and its anchor."""
    figure = style.new_figure(6.0, 4.6)
    ax = figure.add_axes((0.02, 0.12, 0.96, 0.8))
    draw_image(traced.image, ax=ax, title="Detections and what they were made of")
    sure = [entry for entry in entries if entry["score"] >= 0.5] or entries[:1]
    dotted, dashed = (0, (1, 1.5)), (0, (4, 2))
    looks = ("anchor", style.BLUE, dotted), ("proposal", style.ORANGE, dashed), ("detection", style.GREEN, "-")
    for part, color, line in looks:
        labels = [f"{entry['name']} {entry['score']:.2f}" for entry in sure] if part == "detection" else None
        boxes = np.array([entry[part] for entry in sure])
        draw_boxes(boxes, ax=ax, colors=color, linestyles=[line] * len(sure), labels=labels, linewidth=1.8)
        ax.plot([], [], color=color, linestyle=line, label=part)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, fontsize=style.SMALL, frameon=False)
    return figure
