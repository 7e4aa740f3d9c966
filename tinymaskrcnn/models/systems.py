"""The family by name: which settings make which system of the one in config.py.

A system is a backbone, a proposer and a list of heads. What it adds to its ancestor stands in the file of its name.
"""

import functools

from ..config import Config
from . import fast_rcnn, faster_rcnn, keypoint_rcnn, mask_scoring_rcnn, rcnn
from .for_scenes import model_for

SYSTEMS = {  # config_rules.SYSTEMS has the same names, in the same order
    "rcnn": rcnn.SETTINGS,
    "fast_rcnn": fast_rcnn.SETTINGS,
    "faster_rcnn": faster_rcnn.SETTINGS,
    "mask_rcnn": {"model.heads": ("box", "mask")},
    "mask_scoring_rcnn": mask_scoring_rcnn.SETTINGS,
    "keypoint_rcnn": keypoint_rcnn.SETTINGS,
}

SCENES = {"keypoint_rcnn": keypoint_rcnn.SCENES}  # where those of the default have not what it learns


def system_settings(name, *, scenes=True):
    """What a system sets by its name: {dotted setting: value}; what only others set goes back to its default.

    scenes: with the scenes that it is shown on, and what they ask of the model; without, for pictures of one's own.
    """
    of_any = [setting for settings in SYSTEMS.values() for setting in settings]
    defaults = {setting: functools.reduce(getattr, setting.split("."), Config()) for setting in of_any}
    settings = {"model.system": name, **defaults, **SYSTEMS[name]}
    if not scenes or name not in SCENES:
        return settings
    drawn = {f"scenes.{setting}": value for setting, value in vars(SCENES[name]).items()}
    return settings | drawn | model_for(SCENES[name])
