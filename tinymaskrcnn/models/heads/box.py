"""The box head: from a crop of features to a class and a refined box (Fast R-CNN)."""

from ...backend import array_module
from ...nn.containers import Sequential
from ...nn.init import normal
from ...nn.layers import Flatten, Linear, ReLU
from ...nn.module import Module
from ...ops import losses
from ..blocks import conv_blocks


class BoxHead(Module):
    """Two fully connected layers: crops (K, S, S, C)  ->  h (K, head_width)."""

    def __init__(self, channels, size, width, *, rng):
        self.flatten = Flatten()
        self.fc6 = Linear(size * size * channels, width, rng=rng)
        self.fc7 = Linear(width, width, rng=rng)
        self.relu = ReLU()

    def forward(self, x):
        x, c_flatten = self.flatten.forward(x)
        x, c_fc6 = self.fc6.forward(x)
        x, c_relu6 = self.relu.forward(x)
        x, c_fc7 = self.fc7.forward(x)
        x, c_relu7 = self.relu.forward(x)
        return x, self.keep((c_flatten, c_fc6, c_relu6, c_fc7, c_relu7))

    def backward(self, dy, cache):
        c_flatten, c_fc6, c_relu6, c_fc7, c_relu7 = cache
        d = self.relu.backward(dy, c_relu7)
        d = self.fc7.backward(d, c_fc7)
        d = self.relu.backward(d, c_relu6)
        d = self.fc6.backward(d, c_fc6)
        return self.flatten.backward(d, c_flatten)


def conv_box_head(channels, size, width, *, convs, norm="", rng):
    """3x3 convolutions, then one fully connected layer: crops (K, S, S, C)  ->  h (K, head_width).

    Four convolutions see where things are before the crop is flattened (Wu and He 2018, section 5.2).
    """
    blocks = conv_blocks(channels, convs, norm=norm, rng=rng)
    return Sequential(*blocks, Flatten(), Linear(size * size * convs[-1], width, rng=rng), ReLU())


class BoxPredictor(Module):
    """Class scores and, for every class, its own box deltas.

    h (K, head_width)  ->  logits (K, num_classes), deltas (K, num_classes, 4)
    """

    def __init__(self, width, num_classes, *, rng):
        self.cls_score = Linear(width, num_classes, rng=rng, init=normal(0.01))
        self.bbox_pred = Linear(width, num_classes * 4, rng=rng, init=normal(0.001))
        self.num_classes = num_classes

    def forward(self, x):
        logits, c_logits = self.cls_score.forward(x)
        deltas, c_deltas = self.bbox_pred.forward(x)
        return (logits, deltas.reshape(len(x), self.num_classes, 4)), self.keep((c_logits, c_deltas))

    def backward(self, dy, cache):
        dlogits, ddeltas = dy
        c_logits, c_deltas = cache
        ddeltas = ddeltas.reshape(len(ddeltas), self.num_classes * 4)
        return self.cls_score.backward(dlogits, c_logits) + self.bbox_pred.backward(ddeltas, c_deltas)


def one_hot(labels, num_classes, dtype):
    """labels (K,) int  ->  (K, num_classes), 1 in the column of the label."""
    xp = array_module(labels)
    return (labels[:, None] == xp.arange(num_classes)[None]).astype(dtype)


def box_loss_forward(logits, deltas, *, samples, beta):
    """Cross-entropy over all sampled RoIs, smooth L1 over the positive ones, both per sampled RoI.

    logits (K, num_classes), deltas (K, num_classes, 4)  ->  {"box_class", "box_delta"} (Fast R-CNN, equations 1 to 3)

    Only the deltas of the RoI's true class are compared, background's never.
    """
    xp = array_module(logits)
    sampled = xp.maximum(samples.weight.sum(), 1)
    classes, c_classes = losses.softmax_cross_entropy_forward(
        logits, labels=samples.labels, weight=samples.weight, normalizer=sampled
    )
    own_class = one_hot(samples.labels, logits.shape[1], logits.dtype)
    own_class = own_class * (samples.weight * (samples.labels > 0))[:, None]  # (K, num_classes)
    box, c_box = losses.smooth_l1_forward(
        deltas,
        target=xp.broadcast_to(samples.deltas[:, None], deltas.shape),
        beta=beta,
        weight=own_class.astype(deltas.dtype),
        normalizer=sampled,
    )
    return {"box_class": classes, "box_delta": box}, (c_classes, c_box)


def box_loss_backward(dlosses, cache):
    """Mirror of box_loss_forward: dlogits (K, num_classes), ddeltas (K, num_classes, 4)."""
    c_classes, c_box = cache
    dlogits = losses.softmax_cross_entropy_backward(dlosses["box_class"], c_classes)
    ddeltas = losses.smooth_l1_backward(dlosses["box_delta"], c_box)
    return dlogits, ddeltas
