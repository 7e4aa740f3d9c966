"""The settings of the package's detector of handwritten digits, for photographs of paper and of boards.

It was trained from the weights of the tour's detector and the digits of MNIST's training files. How, and how well it
reads what: docs/handwriting.md.
"""

import dataclasses

from ..config import Config, TrainConfig, scene_preset, tour_preset


def handwriting_preset():
    """The network of the tour, which looks at ink alone here, and pages of all kinds."""
    tour = tour_preset().model
    sizes = ((14, 20), (28, 40), (56, 80), (112, 160), (160, 224))
    rpn = dataclasses.replace(tour.rpn, anchor_sizes=sizes, anchor_ratios=(1.0, 1.7, 3.0))
    roi = dataclasses.replace(tour.roi, positive_fraction=0.5, detections_per_image=100)
    model = dataclasses.replace(tour, ink=True, rpn=rpn, roi=roi)
    scenes = dataclasses.replace(scene_preset("paper"), surface="any")
    return Config(model=model, scenes=scenes, train=TrainConfig(steps=1500, batch_size=4))
