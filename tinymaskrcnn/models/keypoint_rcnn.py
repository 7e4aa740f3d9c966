"""Keypoint R-CNN (He et al. 2017, section 5): a third kind of answer about a RoI, where its joints are.

Mask R-CNN, and one head more beside its others: for every type of joint one heatmap over the RoI, in which a single
place is right. Nothing else had to change, which is the point: `heads/keypoint.py` is all there is. Here boxes, masks
and joints are learned at once, of stick figures (`data/figures.py`), or, with `scenes.extreme_points`, of the four ends
of a digit.

The paper's head has eight convolutions of 512 channels for people in photographs; figures need less.
"""

from ..config import scene_preset

SETTINGS = {"model.heads": ("box", "mask", "keypoint"), "model.roi.keypoint_widths": (48,) * 4}
SCENES = scene_preset("figures")
