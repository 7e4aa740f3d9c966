"""All exhibits, room by room; in the last one are those that change nothing."""

from ...errors import ArgumentError, meant, shown
from . import crops, detection, harmless, learning, losses

ROOMS = {
    "Boxes and crops": crops.EXHIBITS,
    "Anchors, proposals, detections": detection.EXHIBITS,
    "Losses and gradients": losses.EXHIBITS,
    "Networks and training": learning.EXHIBITS,
    "Nothing is wrong": harmless.EXHIBITS,
}
EXHIBITS = {exhibit.name: exhibit for room in ROOMS.values() for exhibit in room}


def find(name):
    """The Exhibit of a name; ArgumentError says which one was probably meant."""
    if name not in EXHIBITS:
        close = meant(name, EXHIBITS)
        hint = f"did you mean {close}?" if close else "`tinymaskrcnn museum list` names them"
        raise ArgumentError(f"the museum has no exhibit {shown(name)}; {hint}")
    return EXHIBITS[name]
