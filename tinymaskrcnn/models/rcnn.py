"""R-CNN (Girshick et al. 2014): boxes from outside, and a network for classification that looks at each by itself.

Nothing is shared between the boxes of a picture: each is cut out and warped to one size, and goes through the whole
network alone. The network learns as a classifier of crops. Then it is left as it is, and its features serve linear
classifiers, one for each class, and a regression that moves the box (train/rcnn_stages.py).
"""

import numpy as np

from ..backend import array_module, move_like
from ..nn.init import by_box_init, normal
from ..nn.layers import Linear
from ..nn.module import Buffer, Module
from ..ops import activation, boxes, losses, nms
from .crops import CropNetwork, Warp, last_map
from .fast_rcnn import GivenProposals
from .found import Found
from .heads.box import BoxHead
from .mask_rcnn import MaskRCNN
from .roi_heads import Head, RoIHeads

SETTINGS = {
    "model.heads": ("box",),
    "model.roi.samples_per_image": 16,  # of 8 pictures: 32 crops of objects and 96 of background in a batch, as then
    "model.roi.nms_iou": 0.3,
    "model.roi.delta_weights": (1.0, 1.0, 1.0, 1.0),
    "train.procedure": "stages",
    "train.train_scenes": 1000,  # as if photographed
}
CROPS = 512  # that go through the network at a time when nothing is kept


class Untouched(Module):
    """A backbone that leaves the picture as it is. Its body, the network, is what the head shows the crops to."""

    def __init__(self, body):
        self.body = body

    def forward(self, x):
        return [x], None

    def backward(self, dpyramid, cache):
        return dpyramid[0]  # None when the first layers are frozen


class ClassPredictor(Module):
    """Scores for the classification that the network learns by; and, learned after it, what replaces them.

    fc7 (K, width)  ->  logits (K, num_classes)
    Of every class but background: svm_weight (width, classes) and bbox_weight (F, classes * 4), with their biases.
    """

    def __init__(self, features, width, num_classes, *, rng):
        self.cls_score = Linear(width, num_classes, rng=rng, init=normal(0.01))
        classes = num_classes - 1
        self.svm_weight, self.svm_bias = _zeros(width, classes), _zeros(classes)
        self.bbox_weight, self.bbox_bias = _zeros(features, classes * 4), _zeros(classes * 4)

    def forward(self, fc7):
        return self.cls_score.forward(fc7)

    def backward(self, dlogits, cache):
        return self.cls_score.backward(dlogits, cache)

    def install(self, svm_weight, svm_bias, bbox_weight, bbox_bias):
        """Take over what was learned on the host."""
        arrays = {"svm_weight": svm_weight, "svm_bias": svm_bias, "bbox_weight": bbox_weight, "bbox_bias": bbox_bias}
        for name, array in arrays.items():
            buffer = getattr(self, name)
            buffer.value[...] = move_like(array.astype(buffer.value.dtype), buffer.value)


def _zeros(*shape):
    return Buffer(np.zeros(shape, np.float32))


class RCNNHead(BoxHead):
    """A class and a box for every crop: a box head that cuts from the picture, and whose body is the whole network."""

    def __init__(self, body, config, *, rng):
        rcnn, roi = config.rcnn, config.roi
        size, channels = last_map(body, rcnn.warp_size, config.backbone.in_channels)
        network = CropNetwork(body, channels, size, roi.head_width, rng=rng)
        predictor = ClassPredictor(size * size * channels, roi.head_width, config.num_classes, rng=rng)
        Head.__init__(self, Warp(rcnn.warp_size, rcnn.context), network, predictor)
        by_box_init(self, roi.box_init, rng=rng)
        self.config, self.rcnn = roi, rcnn

    def loss_forward(self, logits, *, seen, answers=None):
        """Cross-entropy over all sampled crops: logits (K, num_classes)  ->  {"box_class"}"""
        loss, cache = losses.softmax_cross_entropy_forward(logits, labels=seen.labels, weight=seen.weight)
        return {"box_class": loss}, cache

    def loss_backward(self, dlosses, cache):
        return losses.softmax_cross_entropy_backward(dlosses["box_class"], cache)

    def features(self, pyramid, *, rois, image_index):
        """pool5 (K, F) and fc7 (K, width) of boxes (K, 4), a part of them at a time."""
        xp = array_module(rois)
        parts = []
        for first in range(0, max(len(rois), 1), CROPS):
            part = slice(first, first + CROPS)
            crops, _ = self.pool.forward(pyramid, rois=rois[part], image_index=image_index[part])
            parts.append(self.body.features(crops))
        return tuple(xp.concatenate(arrays) for arrays in zip(*parts))

    def judge(self, pool5, fc7):
        """pool5 (K, F), fc7 (K, width)  ->  scores (K, classes) in 0..1, deltas (K, classes, 4), background left out"""
        predictor = self.predictor
        deltas = pool5 @ predictor.bbox_weight.value + predictor.bbox_bias.value
        if self.rcnn.classifier == "softmax":
            scores = activation.softmax_forward(predictor.forward(fc7)[0])[0][:, 1:]
        else:  # margins have no scale; in 0..1 they keep their order, and 1/2 is the plane
            scores, _ = activation.sigmoid_forward(fc7 @ predictor.svm_weight.value + predictor.svm_bias.value)
        return scores, deltas.reshape(*scores.shape, 4)

    def detect(self, pyramid, found, *, sizes):
        """Score, suppress per class, move the boxes once, suppress again, and keep the best D of each image."""
        xp, n = array_module(found.boxes), len(found.boxes)
        proposals, image_index = found.boxes.reshape(-1, 4), found.image_index()
        scores, deltas = self.judge(*self.features(pyramid, rois=proposals, image_index=image_index))
        classes = scores.shape[1]
        scores = scores.reshape(-1)  # rows of N * P * classes from here on
        where, image_index = xp.repeat(proposals, classes, axis=0), xp.repeat(image_index, classes)
        group = image_index * classes + xp.arange(len(scores)) % classes
        rule = {"iou_threshold": self.config.nms_iou, "group": group}
        valid = xp.repeat(found.valid.reshape(-1), classes) & (scores > self.config.score_threshold)
        keep = nms.nms(where, scores, valid=valid, **rule)
        if self.rcnn.regress:
            where = boxes.decode(deltas.reshape(-1, 4), where, weights=self.config.delta_weights)
        height, width = sizes[image_index].astype(where.dtype).T
        where = boxes.clip(where, height=height, width=width)
        keep &= (where[:, 2:] - where[:, :2] >= self.config.min_size).all(axis=1)
        keep = nms.nms(where, scores, valid=keep, **rule).reshape(n, -1)
        scores = scores.reshape(n, -1)
        best = nms.top_n(xp.where(keep, scores, -1), self.config.detections_per_image)  # (N, D)
        of_each = (xp.take_along_axis(rows, best, axis=1) for rows in (scores, keep))
        found_boxes = xp.take_along_axis(where.reshape(n, -1, 4), best[..., None], axis=1)
        return Found(found_boxes, best % classes + 1, *of_each)


def build_rcnn(body, config, *, rng):
    """An R-CNN around a network `body`, by ModelConfig."""
    heads = RoIHeads([RCNNHead(body, config, rng=rng)], config.roi)
    return MaskRCNN(Untouched(body), GivenProposals(), heads, config)
