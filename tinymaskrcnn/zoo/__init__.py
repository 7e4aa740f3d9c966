"""Trained networks that the package ships."""

from .tour import load_tour_detector

__all__ = ["load_tour_detector"]
