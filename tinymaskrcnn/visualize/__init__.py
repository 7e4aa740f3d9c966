"""Pictures: images with boxes and masks, predictions beside truth, curves.

Functions called draw_... put something on axes and return them; functions called ..._figure make a whole figure. Both
work without a screen, and a notebook shows the figures by itself.
"""

from .arrays import draw_array, draw_gradient
from .boxes import draw_boxes, draw_image
from .detections import draw_detections, draw_judged, draw_truth
from .features import draw_feature_map, feature_maps_figure, pyramid_figure
from .figures import (
    coverage_figure,
    curves_figure,
    detections_figure,
    precision_recall_figure,
    profile_figure,
    save_figure,
)
from .masks import draw_masks
from .steps import Steps
from .style import use_theme

__all__ = [
    "Steps",
    "coverage_figure",
    "curves_figure",
    "detections_figure",
    "draw_array",
    "draw_boxes",
    "draw_detections",
    "draw_feature_map",
    "draw_gradient",
    "draw_image",
    "draw_judged",
    "draw_masks",
    "draw_truth",
    "feature_maps_figure",
    "precision_recall_figure",
    "profile_figure",
    "pyramid_figure",
    "save_figure",
    "use_theme",
]
