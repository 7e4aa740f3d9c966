"""The box head: from a crop of features to a class and a refined box (Fast R-CNN)."""

from ...backend import array_module
from ...nn.init import by_box_init, normal
from ...nn.layers import Flatten, Linear, ReLU
from ...nn.module import Module, Sequential
from ...ops import losses
from ..blocks import convs_and_linear
from ..found import Found
from ..poolers import pooler
from ..postprocess import detections_from_boxes
from ..roi_heads import Head
from ..transform import resize_boxes


def box_body(channels, size, width, *, convs=(), norm="", rng):
    """Two fully connected layers, or `convs_and_linear`: crops (K, S, S, C)  ->  h (K, head_width)."""
    if convs:
        return convs_and_linear(channels, size, width, convs=convs, norm=norm, rng=rng)
    fc6, fc7 = Linear(size * size * channels, width, rng=rng), Linear(width, width, rng=rng)
    return Sequential(flatten=Flatten(), fc6=fc6, relu6=ReLU(), fc7=fc7, relu7=ReLU())


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


class BoxHead(Head):
    """A class and a refined box for every RoI: the head that makes boxes of the proposals.

    pyramid [(N, H, W, C)] * L, rois (K, 4), image_index (K,)  ->  logits (K, num_classes), deltas (K, num_classes, 4)
    """

    name = "box"

    def __init__(self, channels, num_classes, config, *, rng):
        size, convs, norm = config.box_size, config.box_convs, config.box_norm
        body = box_body(channels, size, config.head_width, convs=convs, norm=norm, rng=rng)
        predictor = BoxPredictor(config.head_width, num_classes, rng=rng)
        super().__init__(pooler(size, config), body, predictor)
        by_box_init(self, config.box_init, rng=rng)
        self.config = config

    def sees(self, samples):
        return samples  # it tells objects from background

    def answers(self, seen, targets, *, sizes):
        return None  # a sample says its label and its deltas itself

    def loss_forward(self, y, *, seen, answers=None):
        """Cross-entropy over all sampled RoIs, smooth L1 over the positive ones, both per sampled RoI.

        y = logits (K, num_classes), deltas (K, num_classes, 4); RoISamples (Fast R-CNN, equations 1 to 3)
        ->  {"box_class", "box_delta"}

        Only the deltas of the RoI's true class are compared, background's never.
        """
        logits, deltas = y
        xp = array_module(logits)
        sampled = losses.total_weight(seen.weight)
        classes, c_classes = losses.softmax_cross_entropy_forward(
            logits, labels=seen.labels, weight=seen.weight, normalizer=sampled
        )
        positive = seen.weight * (seen.labels > 0)
        own_class = seen.labels[:, None] == xp.arange(logits.shape[1])  # (K, num_classes)
        weight = (own_class * positive[:, None]).astype(deltas.dtype)
        target = xp.broadcast_to(seen.deltas[:, None], deltas.shape)
        box, c_box = losses.smooth_l1_forward(
            deltas, target=target, beta=self.config.beta, weight=weight, normalizer=sampled
        )
        return {"box_class": classes, "box_delta": box}, (c_classes, c_box)

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dlogits (K, num_classes), ddeltas (K, num_classes, 4)."""
        c_classes, c_box = cache
        dlogits = losses.softmax_cross_entropy_backward(dlosses["box_class"], c_classes)
        return dlogits, losses.smooth_l1_backward(dlosses["box_delta"], c_box)

    def detect(self, pyramid, found, *, sizes):
        rois, image_index = found.boxes.reshape(-1, 4), found.image_index()
        (logits, deltas), _ = self.forward(pyramid, rois=rois, image_index=image_index)
        return Found(*detections_from_boxes(logits, deltas, found.boxes, found.valid, self.config, sizes=sizes))

    def report(self, found, *, old, new, paste):
        return {"boxes": resize_boxes(found.boxes, old=old, new=new), "labels": found.labels, "scores": found.scores}
