"""What watches a network without being one: a detection with everything in between, and what became of each object."""

from .fate import STAGES, Fate, why_missed
from .gradients import LossGradients, loss_gradients
from .reach import objectness_reach
from .trace import DetectionTrace, trace_detection
from .walk import walk_step
from .walked import Walk

__all__ = [
    "STAGES",
    "DetectionTrace",
    "Fate",
    "LossGradients",
    "Walk",
    "loss_gradients",
    "objectness_reach",
    "trace_detection",
    "walk_step",
    "why_missed",
]
