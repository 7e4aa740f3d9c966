"""The detector of handwritten digits that the package ships: for photographs of paper and of boards.

Its weights were made by this project, from those of the tour's detector and the digits of MNIST's training files. How,
and how well it reads what: docs/handwriting.md.
"""

import dataclasses
from importlib.resources import as_file, files
from pathlib import Path

from ..config import Config, TrainConfig, scene_preset, tour_preset
from ..interop.model_file import load_model

FILE = "handwriting_detector.npz"
NAME = "handwriting"  # what the commands call it


def handwriting_preset():
    """What it was trained with: the network of the tour, which looks at ink alone here, and pages of all kinds."""
    tour = tour_preset().model
    sizes = ((14, 20), (28, 40), (56, 80), (112, 160), (160, 224))
    rpn = dataclasses.replace(tour.rpn, anchor_sizes=sizes, anchor_ratios=(1.0, 1.7, 3.0))
    roi = dataclasses.replace(tour.roi, positive_fraction=0.5, detections_per_image=100)
    model = dataclasses.replace(tour, ink=True, rpn=rpn, roi=roi)
    scenes = dataclasses.replace(scene_preset("paper"), surface="any")
    return Config(model=model, scenes=scenes, train=TrainConfig(steps=1500, batch_size=4))


def is_handwriting(path):
    """Whether a path means this detector: "handwriting", unless there is a file or folder of that name."""
    return str(path) == NAME and not Path(path).exists()


def load_handwriting_detector():
    """A Mask R-CNN that finds handwritten digits of 14 to 64 pixels in photographs, in eval mode."""
    with as_file(files(__package__).joinpath(FILE)) as path:
        return load_model(path)
