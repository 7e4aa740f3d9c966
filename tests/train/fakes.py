"""A model and a stream that are small enough to train in a test, with everything the trainer relies on."""

import numpy as np

from tinymaskrcnn.nn.module import Buffer, Module, Parameter
from tinymaskrcnn.ops import linear
from tinymaskrcnn.structures import Detections, ImageBatch, Target, TargetBatch


class Dense(Module):
    def __init__(self, in_features, out_features, *, rng):
        self.weight = Parameter(rng.normal(0, 0.1, (in_features, out_features)).astype(np.float32))
        self.bias = Parameter(np.zeros(out_features, np.float32), decay=False)

    def forward(self, x):
        y, cache = linear.linear_forward(x, self.weight.value, self.bias.value)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        dx, dweight, dbias = linear.linear_backward(dy, cache)
        self.weight.grad += dweight
        self.bias.grad += dbias
        return dx


class FakeModel(Module):
    """Two dense layers that guess the first box of each picture; drops pixels at random; keeps running statistics."""

    def __init__(self, pixels=64, hidden=8, *, rng):
        self.backbone = Dense(pixels, hidden, rng=rng)
        self.head = Dense(hidden, 4, rng=rng)
        self.running_mean = Buffer(np.zeros(pixels, np.float32))

    def forward(self, images, *, targets, sizes=None, rng=None):
        x = images.reshape(len(images), -1)
        x = x * rng.integers(0, 2, x.shape).astype(np.float32)  # the random part of a step
        self.running_mean.value[...] = 0.9 * self.running_mean.value + 0.1 * x.mean(0)
        h, c_backbone = self.backbone.forward(x)
        y, c_head = self.head.forward(h)
        error = y - targets.boxes[:, 0] / 8
        losses = {"box_delta": (error**2).mean(), "mask": np.float32(0.1) * (h**2).mean()}
        return losses, (error, h, c_backbone, c_head)

    def backward(self, dlosses, cache):
        error, h, c_backbone, c_head = cache
        dh = self.head.backward(dlosses["box_delta"] * 2 * error / error.size, c_head)
        self.backbone.backward(dh + dlosses["mask"] * 0.2 * h / h.size, c_backbone)

    def detect(self, images, *, sizes=None):
        box = np.array([[1, 1, 5, 5]], np.float32)
        return [Detections(box, np.array([1]), np.array([0.9], np.float32), np.ones((1, 8, 8), bool)) for _ in images]


class FakeStream:
    """Batches of 8x8 noise, each a function of its number."""

    def __init__(self, seed=0, batch_size=3):
        self.seed = seed
        self.batch_size = batch_size

    def scene(self, i):
        rng = np.random.default_rng([self.seed, 99, i])
        masks = np.zeros((1, 8, 8), bool)
        masks[0, 1:5, 1:5] = True
        return rng.random((8, 8, 1), np.float32), Target(np.array([[1, 1, 5, 5]], np.float32), np.array([1]), masks)

    def batch(self, i):
        scenes = [self.scene(i * self.batch_size + k) for k in range(self.batch_size)]
        images = np.stack([image for image, _ in scenes])
        boxes = np.stack([target.boxes for _, target in scenes])
        shape = boxes.shape[:2]
        targets = TargetBatch(boxes, np.ones(shape, np.int64), np.zeros((*shape, 8, 8), np.uint8), np.ones(shape, bool))
        return ImageBatch(images, np.full((len(images), 2), 8), targets)


def fake_model(seed=0, **sizes):
    return FakeModel(rng=np.random.default_rng(seed), **sizes)
