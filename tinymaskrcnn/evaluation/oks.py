"""Object keypoint similarity (OKS): for keypoints what IoU is for boxes, 1 when every labelled point is hit exactly."""

import numpy as np

# How far, relative to the object's size, two people who label the same point of a person differ: nose, eyes, ears,
# shoulders, elbows, wrists, hips, knees, ankles (COCO's 17 keypoints; the eyes are clear-cut, the hips are not).
COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
OTHER_SIGMA = 0.07  # of points that are not COCO's seventeen: about that of a hip or a wrist


def default_sigmas(num_keypoints):
    """COCO's sigmas for its 17 keypoints of a person, the same middling one for every point of other objects."""
    return COCO_SIGMAS if num_keypoints == len(COCO_SIGMAS) else (OTHER_SIGMA,) * num_keypoints


def keypoint_similarity(detected, truth, boxes, areas, *, sigmas=COCO_SIGMAS):
    """OKS of each pair: the mean over labelled points of exp(-distance² / (2 area (2 sigma)²)).

    detected (P, J, 3), truth (P, J, 3), boxes (P, 4) of the truth, areas (P,) of the truth  ->  oks (P,) float64

    An object without labelled points is to be ignored, and so is what was found near it: then the distance is the one
    to its box, made twice as large to every side, and all J points count.
    """
    detected, truth, boxes = (np.asarray(a, np.float64) for a in (detected, truth, boxes))
    labelled = truth[..., 2] > 0  # (P, J)
    unlabelled = ~labelled.any(axis=1)
    size = boxes[:, 2:] - boxes[:, :2]
    low, high = (boxes[:, :2] - size)[:, None], (boxes[:, :2] + 2 * size)[:, None]
    point = detected[..., :2]
    outside = np.maximum(low - point, 0) + np.maximum(point - high, 0)
    offset = np.where(unlabelled[:, None, None], outside, point - truth[..., :2])  # (P, J, 2)
    spread = (2 * np.asarray(sigmas, np.float64)) ** 2
    error = (offset**2).sum(axis=2) / spread / (np.asarray(areas, np.float64)[:, None] + np.spacing(1)) / 2
    counted = labelled | unlabelled[:, None]
    return np.where(counted, np.exp(-error), 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)


def keypoint_extents(keypoints):
    """Area of the box around all points of each object: COCO's area of a keypoint detection.

    keypoints (K, J, 3)  ->  areas (K,) float64
    """
    if len(keypoints) == 0:
        return np.zeros(0)
    points = np.asarray(keypoints, np.float64)[..., :2]
    return (points.max(axis=1) - points.min(axis=1)).prod(axis=1)
