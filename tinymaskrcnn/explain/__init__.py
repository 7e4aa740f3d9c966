"""What watches a network without being one: why a detection is there, what became of each object, what errors cost."""

from .chain import Chain, Counterfactual, Step
from .error_analysis import ErrorAnalysis
from .error_report import ErrorReport, side_by_side
from .explanation import Explanation, explain
from .fate import STAGES, Fate, why_missed
from .gradient_flow import GradientFlow
from .gradients import LossGradients, loss_gradients
from .map_checks import MapChecks, check_maps, occlude, random_maps
from .pictures import ExplainsPictures
from .reach import objectness_reach
from .score_maps import ScoreMaps, score_maps
from .trace import DetectionTrace, trace_detection, what_if
from .verdicts import Verdict, judge_detections
from .walk import walk_step
from .walked import Walk

__all__ = [
    "STAGES",
    "Chain",
    "Counterfactual",
    "DetectionTrace",
    "ErrorAnalysis",
    "ErrorReport",
    "Explanation",
    "ExplainsPictures",
    "Fate",
    "GradientFlow",
    "LossGradients",
    "MapChecks",
    "ScoreMaps",
    "Step",
    "Verdict",
    "Walk",
    "check_maps",
    "explain",
    "judge_detections",
    "loss_gradients",
    "objectness_reach",
    "occlude",
    "random_maps",
    "score_maps",
    "side_by_side",
    "trace_detection",
    "walk_step",
    "what_if",
    "why_missed",
]
