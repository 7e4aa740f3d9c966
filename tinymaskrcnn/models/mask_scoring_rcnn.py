"""Mask Scoring R-CNN (Huang et al. 2019): a mask is ranked by how well it fits, not by how sure its class is.

Mask R-CNN, and one part more: behind the mask head a MaskIoU head looks at the same crop and at the mask that was just
predicted, and says which IoU that mask will have with the object. The mask's score is the class's score times that IoU;
the box keeps the class's.
"""

from ..backend import array_module
from ..nn.init import normal
from ..nn.layers import Conv2d, Flatten, Linear, ReLU
from ..nn.module import Module, Sequential
from ..ops import activation, losses, more_losses, pool
from ..targets.mask_iou import ScoredMaskTargets, mask_iou_targets, whole_areas
from .heads.mask import MaskHead

SETTINGS = {"model.heads": ("box", "mask"), "model.roi.mask_iou_widths": (32, 32, 32, 32)}  # the paper's: 4 x 256


def mask_iou_body(channels, widths, size, width, *, rng):
    """3x3 convolutions, the last with stride 2, and two fully connected layers: x (Q, S, S, C)  ->  h (Q, width)."""
    layers = []
    for i, outputs in enumerate(widths, start=1):
        layers += [Conv2d(channels, outputs, 3, stride=1 + (i == len(widths)), padding=1, rng=rng), ReLU()]
        channels = outputs
    fc1, fc2 = Linear(channels * ((size + 1) // 2) ** 2, width, rng=rng), Linear(width, width, rng=rng)
    return Sequential(*layers, Flatten(), fc1, ReLU(), fc2, ReLU())


class MaskIoUPredictor(Module):
    """One IoU per class, of which the asked class's counts.

    h (Q, C), channel (Q,) int  ->  iou (Q,), which may lie a little outside of 0..1
    """

    def __init__(self, channels, num_classes, *, rng):
        self.mask_iou = Linear(channels, num_classes, rng=rng, init=normal(0.01))

    def forward(self, h, *, channel):
        every, c_linear = self.mask_iou.forward(h)  # (Q, num_classes)
        asked = array_module(h).arange(every.shape[1]) == channel[:, None]
        return (every * asked).sum(axis=1), self.keep((c_linear, asked))

    def backward(self, diou, cache):
        c_linear, asked = cache
        return self.mask_iou.backward(diou[:, None] * asked, c_linear)


class MaskScoringHead(MaskHead):
    """A small mask for every RoI on an object, and the IoU that it will have.

    pyramid [(N, H, W, C)] * L, rois (Q, 4), image_index (Q,), channel (Q,)  ->  logits (Q, 2S, 2S), iou (Q,)

    The mask's probabilities, made as small as the crop, are one channel more of what the MaskIoU head looks at. They
    are no data: what it sends back goes on into the mask head, and into the crop by two ways.
    """

    def __init__(self, channels, num_classes, config, *, rng):
        super().__init__(channels, num_classes, config, rng=rng)
        widths, width = config.mask_iou_widths, config.head_width
        self.iou_body = mask_iou_body(channels + 1, widths, config.mask_size, width, rng=rng)
        self.iou_predictor = MaskIoUPredictor(width, num_classes, rng=rng)

    def members(self):
        own = [("mask_iou_head", self.iou_body), ("mask_iou_predictor", self.iou_predictor)]
        return [*super().members(), *own]

    def forward(self, pyramid, *, rois, image_index, channel):
        crops, c_pool = self.pool.forward(pyramid, rois=rois, image_index=image_index)
        h, c_body = self.body.forward(crops)
        logits, c_mask = self.predictor.forward(h, channel=channel)
        probability, c_sigmoid = activation.sigmoid_forward(logits)
        small, c_small = pool.max_pool2d_forward(probability[..., None], kernel=2)  # (Q, S, S, 1)
        both = array_module(crops).concatenate([crops, small], axis=3)
        h, c_iou_body = self.iou_body.forward(both)
        iou, c_iou = self.iou_predictor.forward(h, channel=channel)
        return (logits, iou), self.keep((c_pool, c_body, c_mask, c_sigmoid, c_small, c_iou_body, c_iou))

    def backward(self, dy, cache):
        dlogits, diou = dy
        c_pool, c_body, c_mask, c_sigmoid, c_small, c_iou_body, c_iou = cache
        dboth = self.iou_body.backward(self.iou_predictor.backward(diou, c_iou), c_iou_body)
        dsmall = pool.max_pool2d_backward(dboth[..., -1:], c_small)
        dlogits = dlogits + activation.sigmoid_backward(dsmall[..., 0], c_sigmoid)
        dcrops = dboth[..., :-1] + self.body.backward(self.predictor.backward(dlogits, c_mask), c_body)
        return self.pool.backward(dcrops, c_pool)

    def answers(self, seen, targets, *, sizes):
        """ScoredMaskTargets: the masks as the mask head learns them, and the whole areas of their objects."""
        masks = super().answers(seen, targets, sizes=sizes)
        return ScoredMaskTargets(masks, whole_areas(targets.masks, seen.rois, seen.matched, size=masks.shape[1]))

    def loss_forward(self, y, *, seen, answers):
        """The mask's loss, and half the squared error of its predicted IoU: a mean over the masks with an IoU above 0.

        y = logits (Q, 2S, 2S), iou (Q,); ScoredMaskTargets  ->  {"mask", "mask_iou"}
        """
        logits, iou = y
        loss, c_mask = super().loss_forward(logits, seen=seen, answers=answers.masks)
        target = mask_iou_targets(logits, answers)
        weight = seen.weight * (target > 0)
        count = losses.total_weight(weight)
        error, c_iou = more_losses.squared_error_forward(iou, target=target, weight=weight / 2, normalizer=count)
        return loss | {"mask_iou": error}, (c_mask, c_iou)

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dlogits (Q, 2S, 2S), diou (Q,)."""
        c_mask, c_iou = cache
        return super().loss_backward(dlosses, c_mask), more_losses.squared_error_backward(dlosses["mask_iou"], c_iou)

    def detect(self, pyramid, found, *, sizes):
        rows = found.rows_in_use()
        rois, labels = found.boxes.reshape(-1, 4)[rows], found.labels.reshape(-1)[rows]
        (logits, iou), _ = self.forward(pyramid, rois=rois, image_index=found.image_index()[rows], channel=labels)
        return found.and_said("mask", self.say(logits), rows).and_said("mask_iou", iou, rows)

    def report(self, found, *, old, new, paste):
        """Masks, and mask_scores (K,): the score of the class times the predicted IoU, taken as 0..1."""
        scores = found.scores * found.said["mask_iou"].clip(0, 1)
        return super().report(found, old=old, new=new, paste=paste) | {"mask_scores": scores}
