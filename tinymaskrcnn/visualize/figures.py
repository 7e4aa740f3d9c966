"""All whole figures in one place, and the function that writes them to files."""

from .anchors import coverage_figure
from .curves import curves_figure, draw_precision_recall, precision_recall_figure
from .detections import detections_figure
from .profile import profile_figure
from .style import save_figure

__all__ = [
    "coverage_figure",
    "curves_figure",
    "detections_figure",
    "draw_precision_recall",
    "precision_recall_figure",
    "profile_figure",
    "save_figure",
]
