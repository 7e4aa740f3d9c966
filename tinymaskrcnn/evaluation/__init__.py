"""COCO's way to judge detections: matching, average precision and recall, run-length encoded masks."""

from .average_precision import COCO_AREA_RANGES, Evaluation
from .evaluator import Evaluator, evaluate
from .rle import RLE

__all__ = ["COCO_AREA_RANGES", "RLE", "Evaluation", "Evaluator", "evaluate"]
