"""The family by name: which settings make which system of the one in config.py.

A system is a backbone, a proposer and a list of heads. What it adds to its ancestor stands in the file of its name.
"""

from . import faster_rcnn

SYSTEMS = {  # config_rules.SYSTEMS has the same names, in the same order
    "faster_rcnn": faster_rcnn.SETTINGS,
    "mask_rcnn": {"model.heads": ("box", "mask")},
}


def system_settings(name):
    """What a system sets by its name: {dotted setting: value}."""
    return {"model.system": name, **SYSTEMS[name]}
