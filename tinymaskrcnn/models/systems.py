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


FIXED = ("model.system", "model.heads", "model.roi.mask_iou_widths")  # follow from the name alone


def system_settings(name, *, scenes=True):
    """What a system sets by its name: {dotted setting: value}; what only others set goes back to its default.

    scenes: with the scenes that it is shown on, and what they ask of the model; without, for pictures of one's own.
    """
    of_any = [setting for settings in SYSTEMS.values() for setting in settings]
    default = Config()
    settings = {"model.system": name, **{setting: _at(default, setting) for setting in of_any}, **SYSTEMS[name]}
    if not scenes or name not in SCENES:
        return settings
    return settings | scene_settings(name) | model_for(SCENES[name])


def scene_settings(name):
    """Of the scenes that a system is shown on; nothing where they are those of all."""
    return {f"scenes.{setting}": value for setting, value in vars(SCENES[name]).items()} if name in SCENES else {}


def chosen(config):
    """The settings of a Config that its system would have set, and that somebody set otherwise: their names."""
    of_any = set().union(*map(system_settings, SYSTEMS))
    default = Config()
    own = {name: _at(default, name) for name in of_any} | system_settings(config.model.system)
    return {name for name, value in own.items() if name not in FIXED and _at(config, name) != value}


def _at(config, name):
    return functools.reduce(getattr, name.split("."), config)
