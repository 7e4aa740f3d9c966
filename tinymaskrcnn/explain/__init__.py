"""What watches a network without being one: a detection with everything in between, and what became of each object."""

from .fate import STAGES, Fate, why_missed
from .trace import DetectionTrace, trace_detection

__all__ = ["STAGES", "DetectionTrace", "Fate", "trace_detection", "why_missed"]
