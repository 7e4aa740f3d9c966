"""Keypoints as dots, and the limbs that are known between them as lines."""

import numpy as np

DOT = {"markeredgecolor": "white", "linestyle": "none"}
LIMBS = (  # by the names of their two ends, of the stick figures and of COCO's person
    *(("head", "left_shoulder"), ("head", "right_shoulder"), ("left_shoulder", "right_shoulder")),
    *(("left_hip", "right_hip"), ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip")),
    *((f"{side}_shoulder", f"{side}_elbow") for side in ("left", "right")),
    *((f"{side}_hip", f"{side}_knee") for side in ("left", "right")),
    *((f"{side}_elbow", f"{side}_{end}") for side in ("left", "right") for end in ("hand", "wrist")),
    *((f"{side}_knee", f"{side}_{end}") for side in ("left", "right") for end in ("foot", "ankle")),
    *(("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear")),
)


def limbs(names):
    """The limbs between keypoints of these names, as pairs of their places."""
    place = {name: j for j, name in enumerate(names)}
    return [(place[a], place[b]) for a, b in LIMBS if a in place and b in place]


def draw_keypoints(keypoints, *, ax, colors, names=(), labelled=False):
    """A dot at each keypoint of each object, and lines between those whose names are the two ends of a limb.

    keypoints (K, J, 3), or None where there are none; labelled: the third number is a visibility: what is absent is
    left out, what is hidden has a hole.
    """
    pairs = limbs(names)
    for points, color in zip(() if keypoints is None else keypoints, colors):
        there = points[:, 2] > 0 if labelled else np.ones(len(points), bool)
        for a, b in pairs if len(names) == len(points) else ():
            if there[a] and there[b]:
                ax.plot(*points[[a, b], :2].T, color=color, linewidth=1.2, solid_capstyle="round")
        ax.plot(*points[there, :2].T, color=color, marker="o", markersize=4, **DOT)
        hidden = labelled & (points[:, 2] == 1)
        if hidden.any():
            ax.plot(*points[hidden, :2].T, color="white", marker=".", markersize=3, **DOT)
