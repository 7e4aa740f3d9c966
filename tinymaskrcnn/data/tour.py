"""The small trained digit detector that the package ships, so that a tour of the network can begin without training.

Its weights were made by this project, on the embedded digits, with

    tinymaskrcnn train --preset tour --threads 1 --out runs/tour
    tinymaskrcnn convert runs/tour --half --out tinymaskrcnn/data/tour_detector.npz
"""

from importlib.resources import as_file, files

from ..interop.model_file import load_model

FILE = "tour_detector.npz"


def load_tour_detector():
    """A Mask R-CNN that finds handwritten digits, in eval mode; its settings are in model.config."""
    with as_file(files(__package__).joinpath(FILE)) as path:
        return load_model(path)
