"""The family by name: which settings make which system of the one in config.py.

A system is a backbone, a proposer and a list of heads. What it adds to its ancestor stands in the file of its name.
"""

import functools

from ..config import Config
from . import fast_rcnn, faster_rcnn, rcnn

SYSTEMS = {  # config_rules.SYSTEMS has the same names, in the same order
    "rcnn": rcnn.SETTINGS,
    "fast_rcnn": fast_rcnn.SETTINGS,
    "faster_rcnn": faster_rcnn.SETTINGS,
    "mask_rcnn": {"model.heads": ("box", "mask")},
}


def system_settings(name):
    """What a system sets by its name: {dotted setting: value}; what only others set goes back to its default."""
    of_any = [setting for settings in SYSTEMS.values() for setting in settings]
    defaults = {setting: functools.reduce(getattr, setting.split("."), Config()) for setting in of_any}
    return {"model.system": name, **defaults, **SYSTEMS[name]}
