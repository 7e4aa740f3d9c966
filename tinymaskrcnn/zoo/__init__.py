"""Trained networks that the package ships."""

from .handwriting import load_handwriting_detector
from .tour import load_tour_detector

__all__ = ["load_handwriting_detector", "load_tour_detector"]
