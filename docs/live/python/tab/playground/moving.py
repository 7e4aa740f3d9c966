"""A box that is moved by its gradient: RoIAlign says how the crop changes when an edge moves, the box head the rest."""

import copy

import numpy as np

from tinymaskrcnn.models.poolers import pooler
from tinymaskrcnn.ops import losses, softmax
from tinymaskrcnn.ops.boxes import iou_matrix

SMALLEST = 4.0  # pixels: no box is moved to less


class Mover:
    """The box head of a detector, with a RoIAlign whose backward also says what the loss wants of the box."""

    def __init__(self, model):
        head, config = model.roi_heads.heads["box"], model.config.roi
        levels = {"levels": head.pool.levels, "lowest": head.pool.lowest}
        self.pool = pooler(config.box_size, config, box_gradient=True, **levels)
        self.body, self.predictor = copy.deepcopy(head.body), copy.deepcopy(head.predictor)
        for part in (self.pool, self.body, self.predictor):
            part.train()  # so that they keep what their backwards need

    def look(self, pyramid, box, label):
        """Loss −log p(label) of a crop, p of all classes, and the gradient by the box's edges: box (4,)  ->  (4,)"""
        rois = np.asarray(box, np.float32)[None]
        crops, c_pool = self.pool.forward(pyramid, rois, image_index=np.zeros(1, int))
        h, c_body = self.body.forward(crops)
        (logits, deltas), c_predictor = self.predictor.forward(h)
        one = np.ones(1, np.float32)
        loss, c_loss = losses.softmax_cross_entropy_forward(
            logits, labels=np.array([label]), weight=one, normalizer=one.sum()
        )
        dlogits = losses.softmax_cross_entropy_backward(1.0, c_loss)
        dcrops = self.body.backward(self.predictor.backward((dlogits, np.zeros_like(deltas)), c_predictor), c_body)
        _, drois = self.pool.backward(dcrops, c_pool)
        return float(loss), softmax.softmax_forward(logits)[0][0], drois[0]

    def walk(self, pyramid, box, label, *, steps, pixels, side):
        """Move a box against its gradient: in each step the edge that it pulls hardest goes so many pixels.

        box (4,), label, in a picture of side pixels  ->  {"boxes": steps + 1 of 4, "losses": steps + 1, and of the last
        box "gradient": 4, "probabilities": num_classes}
        """
        box, path = np.asarray(box, np.float64), []
        for step in range(steps + 1):
            loss, probabilities, gradient = self.look(pyramid, box, label)
            path.append((box, loss, gradient))
            if step < steps and (most := abs(gradient).max()) > 0:
                box = held(box - pixels / most * gradient, side)
        boxes, found, gradients = zip(*path)
        walked = {"boxes": [box.tolist() for box in boxes], "losses": list(found), "gradient": gradients[-1].tolist()}
        return walked | {"probabilities": probabilities.tolist()}


def held(box, side):
    """The box within the picture, and no smaller than SMALLEST."""
    low = np.clip(box[:2], 0, side - SMALLEST)
    high = np.clip(box[2:], low + SMALLEST, side)
    return np.concatenate([low, high])


def overlap(box, boxes):
    """IoU of a box with boxes (K, 4)  ->  (K,)"""
    return iou_matrix(np.asarray(box, np.float64)[None], np.asarray(boxes, np.float64))[0]


def pulls(box, gradient, longest=13.0):
    """Where the loss wants the edges of a box: [[the middle of an edge, where it is drawn to]], each of 2 pixels.

    The edge that is drawn hardest goes `longest` pixels; of those that hardly move nothing is told.
    """
    x1, y1, x2, y2 = box
    middles = [[x1, (y1 + y2) / 2], [(x1 + x2) / 2, y1], [x2, (y1 + y2) / 2], [(x1 + x2) / 2, y2]]
    reach = -longest * np.asarray(gradient) / max(np.abs(gradient).max(), 1e-12)
    ways = [[by, 0.0] if edge % 2 == 0 else [0.0, by] for edge, by in enumerate(reach.tolist())]
    return [[at, way] for at, way in zip(middles, ways) if max(map(abs, way)) > 0.5]
