"""COCO's way to judge detections: matching, average precision and recall, keypoint similarity."""

from ..data.rle import RLE
from .average_precision import COCO_AREA_RANGES, Evaluation
from .evaluator import Evaluator, evaluate
from .oks import COCO_SIGMAS
from .results import evaluate_results, load_results, save_results

__all__ = [
    "COCO_AREA_RANGES",
    "COCO_SIGMAS",
    "RLE",
    "Evaluation",
    "Evaluator",
    "evaluate",
    "evaluate_results",
    "load_results",
    "save_results",
]
