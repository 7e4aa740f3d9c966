"""The trained detectors that the package ships, by the names that the commands know.

Their weights were made by this project: "handwriting" as docs/handwriting.md says, "tour" on the embedded digits, with

    tinymaskrcnn train --preset tour --threads 1 --out runs/tour
    tinymaskrcnn convert runs/tour --half --out tinymaskrcnn/zoo/tour_detector.npz
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from ..config import tour_preset
from ..interop.model_file import load_model
from .handwriting import handwriting_preset

DEFAULT = "handwriting"  # what looks at pictures where no model is named


@dataclass(frozen=True)
class Shipped:
    """A detector of the package: the file of its weights, the Config it was trained with, and what it is."""

    file: str
    preset: Callable
    about: str


SHIPPED = {
    "handwriting": Shipped("handwriting_detector.npz", handwriting_preset, "the package's detector of handwriting"),
    "tour": Shipped("tour_detector.npz", tour_preset, "the small digit detector of the package"),
}


def is_shipped(path):
    """Whether a path means a detector of the package: one of their names, unless a file or folder is called so."""
    return str(path) in SHIPPED and not Path(path).exists()


def load_shipped(name):
    """The model that the package ships under a name, in eval mode; its settings are in model.config."""
    with as_file(files(__package__).joinpath(SHIPPED[str(name)].file)) as path:
        return load_model(path)


def load_tour_detector():
    """A small Mask R-CNN that finds digits in scenes, so that a tour of the network can begin without training."""
    return load_shipped("tour")


def load_handwriting_detector():
    """A Mask R-CNN that finds handwritten digits of 14 to 64 pixels in photographs."""
    return load_shipped("handwriting")
