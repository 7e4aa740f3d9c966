"""What a detector found, beside what is there, with every mistake marked."""

import numpy as np
from matplotlib.lines import Line2D

from ..backend import to_host
from ..errors import ShapeError
from ..evaluation.matching import box_areas, box_intersections, intersection_over_union
from . import style
from .boxes import draw_boxes, draw_image
from .masks import draw_masks
from .skeleton import draw_keypoints

PANEL = 3.3  # inches that a picture is wide
MIN_SCORE = 0.5  # a detection below this is not shown beside the truth
MIN_IOU = 0.5  # of its box with the object's, for a detection to count as having found it

# verdict -> colour, line, sentence of the legend
VERDICTS = {
    "right": (style.GREEN, "-", "right: class and place fit"),
    "wrong class": (style.ORANGE, (0, (6, 2)), "wrong class: an object is there, but another"),
    "false": (style.RED, (0, (1, 1.2)), "false: no object there, or found twice"),
    "crowd": (style.GREY, "-", "in a crowd region: not judged"),
    "missed": (style.PURPLE, (0, (3, 2)), "missed: nothing found here"),
}
TRUTH_COLOR = style.BLUE


def draw_truth(image, target, class_names=None, *, ax=None, title=None, color=None, keypoint_names=()):
    """The objects of one image: masks, boxes, names; keypoints, and between those whose names are known, limbs.

    image (H, W, C), Target  ->  axes
    """
    ax = draw_image(image, ax=ax, title=title)
    colors = [color or style.color_of(label) for label in target.labels]
    draw_masks(target.masks, ax=ax, colors=colors)
    crowd = target.crowd if target.crowd is not None else np.zeros(len(target), bool)
    names = [f"{_name(k, class_names)} {'crowd' if c else ''}".strip() for k, c in zip(target.labels, crowd)]
    draw_boxes(target.boxes, ax=ax, colors=colors, labels=names)
    draw_keypoints(target.keypoints, ax=ax, colors=colors, names=keypoint_names, labelled=True)
    if len(target) == 0:
        style.say(ax, "no objects in this image")
    return ax


def draw_detections(image, detections, class_names=None, *, ax=None, title=None, min_score=0.0, keypoint_names=()):
    """The detections of one image: masks, boxes, names and scores, one colour for each class; keypoints and limbs.

    image (H, W, C), Detections  ->  axes

    Of a model that scores its masks, the second number is the mask's.
    """
    ax = draw_image(image, ax=ax, title=title)
    shown = _select(detections, min_score)
    colors = [style.color_of(label) for label in shown.labels]
    _draw_found(ax, shown, colors, keypoint_names)
    draw_boxes(shown.boxes, ax=ax, colors=colors, labels=_captions(shown, class_names))
    if len(shown) == 0:
        style.say(ax, _nothing_found(detections, min_score))
    return ax


def judge(truth, detections, *, min_iou=MIN_IOU):
    """Say of each detection, from the best score down, whether it is right, and which objects were missed.

    Target, Detections  ->  verdicts: K of "right", "wrong class", "false", "crowd"; missed (M,) bool

    An object is found once. What overlaps a crowd region is not judged, and a crowd cannot be missed.
    """
    verdicts, _, missed = match(truth, detections, min_iou=min_iou)
    return verdicts, missed


def match(truth, detections, *, min_iou=MIN_IOU):
    """`judge`, and of each detection the object it was held against.

    Target, Detections  ->  verdicts: K texts; objects (K,) int, -1 where there is none; missed (M,) bool
    """
    boxes, labels = to_host(detections.boxes), to_host(detections.labels)
    M = len(truth)
    crowd = truth.crowd.astype(bool) if truth.crowd is not None else np.zeros(M, bool)
    found = crowd.copy()
    overlap = _overlaps(boxes, truth.boxes, crowd)  # (K, M)
    verdicts, objects = np.full(len(labels), "false", dtype=object), np.full(len(labels), -1)
    order = np.argsort(-to_host(detections.scores), kind="stable")
    for same_class, verdict in ((True, "right"), (False, "wrong class")):  # a right one has the first claim
        for k in order:
            fits = (overlap[k] >= min_iou) & ~found & ((truth.labels == labels[k]) == same_class)
            if verdicts[k] == "false" and fits.any():
                verdicts[k] = verdict
                objects[k] = np.argmax(np.where(fits, overlap[k], -1))
                found[objects[k]] = True
    in_crowd = ((overlap >= min_iou) & crowd & (labels[:, None] == truth.labels)).any(axis=1)
    verdicts[(verdicts == "false") & in_crowd] = "crowd"
    return verdicts.tolist(), objects, ~found


def draw_judged(image, truth, detections, class_names=None, *, ax=None, min_score=MIN_SCORE, keypoint_names=()):
    """The detections of one image with every mistake marked, the missed objects included; counts in the title.

    image (H, W, C), Target, Detections  ->  axes
    """
    shown = _select(detections, min_score)
    verdicts, missed = judge(truth, shown)
    ax = draw_image(image, ax=ax)
    marks = verdicts + ["missed"] * int(missed.sum())
    colors, lines = [VERDICTS[mark][0] for mark in marks], [VERDICTS[mark][1] for mark in marks]
    labels = _captions(shown, class_names)
    labels += [f"missed {_name(label, class_names)}".strip() for label in truth.labels[missed]]
    boxes = np.concatenate([shown.boxes.reshape(-1, 4), truth.boxes[missed].reshape(-1, 4)])
    _draw_found(ax, shown, colors[: len(verdicts)], keypoint_names)
    draw_boxes(boxes, ax=ax, colors=colors, linestyles=lines, labels=labels)
    ax.set_title(count_verdicts(verdicts, missed), fontsize=style.TEXT, loc="left")
    if len(verdicts) == 0 and not missed.any():
        style.say(ax, _nothing_found(detections, min_score))
    elif len(verdicts) == 0:
        ax.set_xlabel(_nothing_found(detections, min_score), fontsize=style.SMALL)
    return ax


def detections_figure(
    images, truths, detections, class_names=None, *, max_rows=4, min_score=None, keypoint_names=(), panel=PANEL
):
    """Truth beside prediction, one image a row; without truths (None) only the predictions, two images a row.

    list of images, list of Target or None, list of Detections  ->  Figure

    min_score defaults to 0.5 beside truth, and to 0 without: then the caller has chosen what to show.
    panel: inches that a picture is wide; the larger, the less of it do names and frames hide.
    """
    for name, given in (("truths", truths), ("detections", detections)):
        if given is not None and len(given) != len(images):
            raise ShapeError(f"detections_figure: {len(images)} images came with {len(given)} {name}")
    if len(images) == 0:
        return style.message_figure("there are no images to show")
    if truths is None:
        return _predictions_figure(images, detections, class_names, max_rows, min_score or 0.0, keypoint_names, panel)
    min_score = MIN_SCORE if min_score is None else min_score
    rows = min(len(images), max_rows)
    figure, panels = _grid(images[:rows], columns=2, gap=0.42, top=0.55, bottom=0.85, panel=panel)
    for (left, right), image, truth, found in zip(panels, images, truths, detections):
        draw_truth(image, truth, class_names, ax=left, color=TRUTH_COLOR, keypoint_names=keypoint_names)
        draw_judged(image, truth, found, class_names, ax=right, min_score=min_score, keypoint_names=keypoint_names)
        left.set_title(_plural(len(truth), "object"), fontsize=style.TEXT, loc="left")
    height = figure.get_figheight()
    for ax, text in ((panels[0][0], "truth"), (panels[0][1], f"prediction, score ≥ {min_score:g}")):
        box = ax.get_position()
        figure.text(box.x0, 1 - 0.1 / height, text, fontsize=style.TITLE, weight="bold", va="top")
    crowds = any(truth.crowd is not None and truth.crowd.any() for truth in truths[:rows])
    _legend(figure, ("right", "missed", "wrong class", "false") + (("crowd",) if crowds else ()))
    return figure


def _predictions_figure(images, detections, class_names, max_rows, min_score, keypoint_names, panel):
    columns = min(2, len(images))
    shown = min(len(images), columns * max_rows)
    figure, panels = _grid(images[:shown:columns], columns=columns, gap=0.42, top=0.4, bottom=0.1, panel=panel)
    axes = [ax for row in panels for ax in row]
    for ax, image, found in zip(axes, images[:shown], detections):
        draw_detections(image, found, class_names, ax=ax, min_score=min_score, keypoint_names=keypoint_names)
        count = int((to_host(found.scores) >= min_score).sum())
        ax.set_title(f"{_plural(count, 'object')} found", fontsize=style.TEXT, loc="left")
    for ax in axes[shown:]:
        ax.set_axis_off()
    return figure


# ---------------------------------------------------------------- parts


def _legend(figure, names):
    handles = [Line2D([], [], color=TRUTH_COLOR, linewidth=2, label="truth: an object")]
    for name in names:
        color, line, text = VERDICTS[name]
        handles.append(Line2D([], [], color=color, linewidth=2, linestyle=line, label=text))
    figure.legend(handles=handles, loc="lower center", ncols=2, fontsize=style.SMALL, frameon=False, handlelength=3)


def _select(detections, min_score):
    """The detections whose score is high enough, on the host, best first."""
    fields = {name: to_host(value) if hasattr(value, "dtype") else value for name, value in vars(detections).items()}
    found = type(detections)(**fields)
    order = np.argsort(-found.scores, kind="stable")
    return found.select(order[found.scores[order] >= min_score])


def _captions(shown, class_names):
    """Name and score of each; behind a stroke the score of its mask, where masks have their own."""
    texts = [f"{_name(k, class_names)}  {s:.2f}".strip() for k, s in zip(shown.labels, shown.scores)]
    if shown.mask_scores is None:
        return texts
    return [f"{text} | {score:.2f}" for text, score in zip(texts, shown.mask_scores)]


def _name(label, class_names):
    """The name of a class; nothing where there is but one class, whose name would only hide what it names."""
    only_one = class_names is not None and len(class_names) == 2  # background and this one
    return "" if only_one else style.name_of(label, class_names)


def _draw_found(ax, shown, colors, keypoint_names):
    """The masks and keypoints that there are, the best detection on top."""
    worst_first = shown.select(np.arange(len(shown))[::-1])
    draw_masks(worst_first.masks, ax=ax, colors=colors[::-1])
    draw_keypoints(worst_first.keypoints, ax=ax, colors=colors[::-1], names=keypoint_names)


def _nothing_found(detections, min_score):
    if len(detections) == 0:
        return "nothing found"
    best = float(to_host(detections.scores).max())
    return f"nothing found: the best score, {best:.2f}, is below {min_score:g}"


def _overlaps(boxes, truths, crowd):
    """IoU of every pair (K, M); for a crowd region, the share of the detection inside it."""
    K, M = len(boxes), len(truths)
    k, m = np.repeat(np.arange(K), M), np.tile(np.arange(M), K)
    shared = box_intersections(boxes[k], truths[m])
    return intersection_over_union(shared, box_areas(boxes)[k], box_areas(truths)[m], crowd[m]).reshape(K, M)


def _plural(count, noun):
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def count_verdicts(verdicts, missed):
    """What `judge` returns, in a few words."""
    counts = {name: verdicts.count(name) for name in ("right", "wrong class", "false")} | {"missed": int(missed.sum())}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to find, nothing found"


def _grid(images, *, columns, gap, top, bottom, panel):
    """A figure with one row of panels for each image, placed in inches so that titles and legend have their room."""
    heights = [panel * min(max(im.shape[0] / im.shape[1], 0.3), 2.0) for im in images]
    margin = 0.15
    width = columns * panel + (columns + 1) * margin
    height = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure = style.new_figure(width, height)
    panels, y = [], height - top
    for tall in heights:
        y -= tall
        lefts = [margin + c * (panel + margin) for c in range(columns)]
        panels.append([figure.add_axes((x / width, y / height, panel / width, tall / height)) for x in lefts])
        y -= gap
    return figure, panels
