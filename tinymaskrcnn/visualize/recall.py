"""Proposals as pictures: how many of them it takes to cover the objects, and the best one of each object."""

import numpy as np

from ..backend import to_host
from ..ops.boxes import iou_matrix
from . import style
from .boxes import draw_boxes, draw_image
from .legends import legend_below, line_handle, picture_axes
from .lines import draw_lines

DASHED = (0, (4, 2))


def recall_figure(report, image=None, truth=None, proposals=None):
    """Recall and mean overlap against the number of proposals; beside them a picture, its objects and their best boxes.

    RecallReport, image (H, W, C), truth a Target, proposals (P, 4) of it  ->  Figure
    """
    if not report.best.size:
        return style.message_figure("no recall: the pictures that were looked at hold no objects")
    figure = style.new_figure(9.6 if image is not None else 5.2, 4.2)
    axes = figure.subplots(1, 2, squeeze=False)[0] if image is not None else [figure.subplots()]
    curves = {"recall at IoU 0.5": report.recall(0.5), "recall at IoU 0.7": report.recall(0.7), "MABO": report.mabo()}
    lines = {name: (report.counts, values) for name, values in curves.items()}
    title = f"{len(report.labels)} objects of {report.pictures} pictures"
    ax = draw_lines(lines, ax=axes[0], title=title, xlabel="proposals per picture", log="x", markers=True)
    ax.set_ylim(0, 1.03)
    if image is not None:
        draw_best(image, truth, proposals, ax=axes[1])
    figure.tight_layout()
    return figure


def draw_best(image, truth, proposals, *, ax=None):
    """The objects of a picture, and for each the proposal that overlaps it most.

    image (H, W, C), truth a Target, proposals (P, 4)  ->  axes
    """
    proposals = np.asarray(to_host(proposals), np.float32).reshape(-1, 4)
    ax = draw_image(image, ax=picture_axes(ax), title=f"the best of {len(proposals)} proposals")
    draw_boxes(truth.boxes, ax=ax, colors=style.GREEN, linestyles=[DASHED] * len(truth))
    if len(proposals) and len(truth):
        overlap = iou_matrix(truth.boxes.astype(np.float32), proposals)
        labels = [f"{iou:.2f}" for iou in overlap.max(axis=1)]
        draw_boxes(proposals[overlap.argmax(axis=1)], ax=ax, colors=style.ORANGE, labels=labels)
    best = line_handle("best proposal, its IoU", style.ORANGE, "-")
    handles = [line_handle("object", style.GREEN, DASHED), best]
    legend_below(ax, handles, ncols=2)
    return ax
