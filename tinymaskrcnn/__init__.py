"""tinymaskrcnn: Mask R-CNN from scratch, every gradient written out and proved.

from tinymaskrcnn import Config, Experiment

experiment = Experiment.start("runs/first", Config())
experiment.train()
print(experiment.evaluate()["segm"]["AP"])
experiment.draw()
"""

import importlib

__version__ = "0.1.0"

_HOMES = {  # what is offered here, and the module that is imported when it is first asked for
    "Config": "config",
    "Experiment": "experiment",
    "Detections": "structures",
    "Target": "structures",
    "build_model": "models.build",
    "read_image": "data.pictures",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
