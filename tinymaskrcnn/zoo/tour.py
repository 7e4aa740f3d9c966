"""The small trained digit detector that the package ships, so that a tour of the network can begin without training.

Its weights were made by this project, on the embedded digits, with

    tinymaskrcnn train --preset tour --threads 1 --out runs/tour
    tinymaskrcnn convert runs/tour --half --out tinymaskrcnn/zoo/tour_detector.npz
"""

from importlib.resources import as_file, files
from pathlib import Path

from ..interop.model_file import load_model

FILE = "tour_detector.npz"
NAME = "tour"  # what the commands call it


def is_tour(path):
    """Whether a path means the detector in the package: "tour", unless there is a file or folder of that name."""
    return str(path) == NAME and not Path(path).exists()


def load_tour_detector():
    """A Mask R-CNN that finds handwritten digits, in eval mode; its settings are in model.config."""
    with as_file(files(__package__).joinpath(FILE)) as path:
        return load_model(path)
