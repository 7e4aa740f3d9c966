"""Drawn images for the comparison with pycocotools: crowds, ties, copies, strangers, objects without keypoints."""

import numpy as np

from tinymaskrcnn.structures import Detections, Target

RANGES = {"all": (0, 1e10), "small": (0, 30), "medium": (30, 80), "large": (80, 1e10)}
SIZE = 24
JOINTS = 17


def box_masks(boxes):
    """Filled boxes with their upper left pixel missing, so that mask and box areas differ."""
    y, x = np.mgrid[:SIZE, :SIZE]
    x1, y1, x2, y2 = (boxes[:, i, None, None] for i in range(4))
    return (x >= x1) & (x < x2) & (y >= y1) & (y < y2) & ~((x == np.floor(x1)) & (y == np.floor(y1)))


def draw_boxes(rng, count):
    corner = rng.integers(0, SIZE - 4, (count, 2))
    return np.concatenate([corner, np.minimum(corner + rng.integers(2, 14, (count, 2)), SIZE)], axis=1).astype(
        np.float32
    )


def draw_keypoints(rng, boxes):
    """Labelled points in and around each box, in halves of a pixel; some objects have none."""
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    points = np.round(2 * (boxes[:, None, :2] + size * rng.uniform(-0.2, 1.2, (len(boxes), JOINTS, 2)))) / 2
    seen = rng.choice([0, 1, 2], (len(boxes), JOINTS, 1)) * (rng.random((len(boxes), 1, 1)) < 0.8)
    return np.concatenate([points * (seen > 0), seen], axis=2).astype(np.float32)


def draw_image(rng, classes):
    """Some objects, some crowds; detections are moved copies, exact copies and strangers, with scores that tie."""
    boxes = draw_boxes(rng, rng.integers(0, 6))
    labels = rng.integers(1, classes + 1, len(boxes))
    crowd = rng.random(len(boxes)) < 0.2 if rng.random() < 0.7 else None
    masks = box_masks(boxes)
    areas = np.round(masks.sum(axis=(1, 2)) * rng.uniform(0.8, 1.2, len(boxes)), 2) if rng.random() < 0.5 else None
    truth = Target(boxes, labels, masks, crowd, draw_keypoints(rng, boxes), areas)

    copies = rng.integers(0, len(boxes), rng.integers(0, 9)) if len(boxes) else np.zeros(0, int)
    moved = boxes[copies] + rng.choice([0, 0, 0, 1, -1, 0.25], (len(copies), 4)).astype(np.float32)
    strangers = draw_boxes(rng, rng.integers(0, 4))
    found = np.concatenate([moved, strangers]).clip(0, SIZE)
    guess = np.concatenate([labels[copies], rng.integers(1, classes + 1, len(strangers))])
    swapped = rng.random(len(guess)) < 0.1
    guess = np.where(swapped, rng.integers(1, classes + 1, len(guess)), guess)
    scores = (rng.integers(1, 8, len(guess)) / 8).astype(np.float32)
    keypoints = np.concatenate([truth.keypoints[copies], draw_keypoints(rng, strangers)])
    hit = rng.random((len(keypoints), 1, 1)) < 0.3  # exactly
    keypoints[..., :2] += np.where(hit, 0, rng.normal(0, 0.7, keypoints[..., :2].shape))
    return truth, Detections(found, guess, scores, box_masks(found), keypoints)


def one_image(scores=(0.9,), labels=(1,)):
    """An object and copies of it, as many as there are scores."""
    boxes = np.array([[2, 2, 12, 12]], np.float32)
    truth = Target(boxes, np.array([1]), box_masks(boxes))
    found = np.repeat(boxes, len(scores), axis=0)
    return truth, Detections(found, np.array(labels), np.array(scores, np.float32), box_masks(found))


def empty_image():
    """No object, and nothing found."""
    boxes, labels, masks = np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros((0, SIZE, SIZE), bool)
    return Target(boxes, labels, masks), Detections(boxes, labels, np.zeros(0, np.float32), masks)
