"""Boxes looked at one by one: cut out of the picture, brought to one size, and shown to a whole network."""

import math

import numpy as np

from ..nn.module import Module
from ..nn.state import at_rest
from ..ops import warp
from .heads.box import box_body


class Warp(Module):
    """Cut boxes out of the pictures: pyramid [(N, H, W, C)], rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)."""

    def __init__(self, size, context):
        self.size, self.context = size, context

    def forward(self, pyramid, *, rois, image_index):
        (images,) = pyramid
        options = {"size": self.size, "context": self.context}
        crops, cache = warp.warp_forward(images, boxes=rois, image_index=image_index, **options)
        return crops, self.keep(cache)

    def backward(self, dcrops, cache):
        return [None if dcrops is None else warp.warp_backward(dcrops, cache)]  # None: the first layers are frozen


class CropNetwork(Module):
    """The network: its last feature map ("pool5"), and two fully connected layers on it: crops  ->  fc7 (K, width)."""

    def __init__(self, body, channels, size, width, *, rng):
        self.body = body
        self.fc = box_body(channels, size, width, rng=rng)

    def members(self):
        return [("body", self.body), ("", self.fc)]

    def forward(self, crops):
        features, c_body = self.body.forward(crops)
        fc7, c_fc = self.fc.forward(features[-1])
        return fc7, self.keep((c_body, c_fc, len(features)))

    def backward(self, dfc7, cache):
        c_body, c_fc, levels = cache
        return self.body.backward([None] * (levels - 1) + [self.fc.backward(dfc7, c_fc)], c_body)

    def features(self, crops):
        """Both: crops (K, S, S, C)  ->  pool5 (K, F), fc7 (K, width). Call it in eval mode."""
        pool5 = self.body.forward(crops)[0][-1]
        return pool5.reshape(len(crops), math.prod(pool5.shape[1:])), self.fc.forward(pool5)[0]


def last_map(body, size, channels):
    """(side, channels) of the last feature map that a body makes of crops of size x size pixels: it is shown one."""
    with at_rest(body):
        features, _ = body.forward(np.zeros((1, size, size, channels), np.float32))
    return features[-1].shape[1], features[-1].shape[3]
