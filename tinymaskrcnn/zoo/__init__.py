"""Trained networks that the package ships."""

from .shipped import SHIPPED, is_shipped, load_handwriting_detector, load_shipped, load_tour_detector

__all__ = ["SHIPPED", "is_shipped", "load_handwriting_detector", "load_shipped", "load_tour_detector"]
