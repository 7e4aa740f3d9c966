"""Pictures: images with boxes and masks, predictions beside truth, curves.

Functions called draw_... put something on axes and return them; functions called ..._figure make a whole figure. Both
work without a screen, and a notebook shows the figures by itself.
"""

from . import screenless  # noqa: F401, I001  before anything of matplotlib

from . import touch
from .anchors import draw_anchor_grid, draw_anchor_labels, draw_deltas, draw_label_bands
from .arrays import arrays_figure, draw_array, draw_gradient
from .bars import bars_figure
from .boxes import draw_boxes, draw_image
from .broken import broken_figure
from .chain import chain_figure
from .confusion import confusion_figure, confusion_matrix, draw_confusion
from .convolution import convolution_figure, draw_kernel, draw_reads, draw_window, draw_windows
from .detections import draw_detections, draw_judged, draw_truth
from .errors import errors_figure
from .fates import fate_figure, fate_steps
from .features import draw_feature_map, draw_pyramid, feature_maps_figure, pyramid_figure
from .figures import (
    coverage_figure,
    curves_figure,
    detections_figure,
    draw_precision_recall,
    precision_recall_figure,
    profile_figure,
    save_figure,
)
from .film import TrainingFilm
from .gradient_flow import gradient_flow_figure
from .gradients import gradients_figure
from .graph import draw_graph, graph_steps
from .im2col import draw_im2col, im2col_figure
from .iou import draw_iou, iou_steps
from .lines import draw_bars, draw_histogram, draw_lines, mark_x
from .masks import draw_masks
from .nms import draw_nms_state, nms_states, nms_steps
from .pool_windows import pool_gradient_steps, pool_steps
from .pooling import draw_pooling_grid
from .pooling_matrix import draw_interpolation_matrix, draw_matrix_row, interpolation_matrix_figure
from .pooling_operators import roi_operators_figure
from .pooling_steps import roi_align_steps
from .recall import draw_best, recall_figure
from .receptive_field import draw_receptive_field, receptive_field
from .score_maps import score_maps_figure
from .report import Report, explanation_page
from .stages import (
    class_scores_figure,
    draw_level_boxes,
    draw_objectness,
    masks_figure,
    objectness_figure,
    proposals_figure,
    roi_grids_figure,
)
from .steps import Steps
from .style import use_theme

__all__ = [
    "Report",
    "Steps",
    "TrainingFilm",
    "arrays_figure",
    "bars_figure",
    "broken_figure",
    "chain_figure",
    "class_scores_figure",
    "confusion_figure",
    "confusion_matrix",
    "convolution_figure",
    "coverage_figure",
    "curves_figure",
    "detections_figure",
    "draw_anchor_grid",
    "draw_anchor_labels",
    "draw_array",
    "draw_bars",
    "draw_best",
    "draw_boxes",
    "draw_confusion",
    "draw_deltas",
    "draw_detections",
    "draw_feature_map",
    "draw_gradient",
    "draw_graph",
    "draw_histogram",
    "draw_im2col",
    "draw_image",
    "draw_interpolation_matrix",
    "draw_iou",
    "draw_judged",
    "draw_kernel",
    "draw_level_boxes",
    "draw_lines",
    "draw_label_bands",
    "draw_masks",
    "draw_matrix_row",
    "draw_nms_state",
    "draw_objectness",
    "draw_pooling_grid",
    "draw_precision_recall",
    "draw_pyramid",
    "draw_reads",
    "draw_receptive_field",
    "draw_truth",
    "draw_window",
    "draw_windows",
    "errors_figure",
    "explanation_page",
    "fate_figure",
    "fate_steps",
    "feature_maps_figure",
    "gradient_flow_figure",
    "gradients_figure",
    "graph_steps",
    "im2col_figure",
    "interpolation_matrix_figure",
    "iou_steps",
    "mark_x",
    "masks_figure",
    "nms_states",
    "nms_steps",
    "objectness_figure",
    "pool_gradient_steps",
    "pool_steps",
    "precision_recall_figure",
    "profile_figure",
    "proposals_figure",
    "pyramid_figure",
    "recall_figure",
    "receptive_field",
    "roi_align_steps",
    "roi_grids_figure",
    "roi_operators_figure",
    "save_figure",
    "score_maps_figure",
    "touch",
    "use_theme",
]
