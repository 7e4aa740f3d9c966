"""Region proposal network (Ren et al. 2015): where, at every place and scale, might an object be?"""

import functools
import math

from ..backend import array_module
from ..nn.init import normal
from ..nn.layers import Conv2d
from ..nn.module import Identity, Module, Sequential
from ..ops import activation, boxes, losses, nms
from ..ops import anchors as anchor_ops
from ..targets.rpn import rpn_targets
from .blocks import Difference, conv_block


class RPNHead(Module):
    """3x3 convolutions (one in the paper), then two 1x1: an objectness logit and box deltas of A anchors per cell.

    x (N, H, W, C)  ->  logits (N, H, W, A), deltas (N, H, W, A * 4)

    outputs: 1, or 2 scores per anchor (the paper's softmax), of which the difference is the logit.
    """

    def __init__(self, channels, num_anchors, *, outputs=1, depth=1, rng):
        init = normal(0.01)
        self.conv = Sequential(*(conv_block(channels, channels, rng=rng, init=init) for _ in range(depth)))
        self.cls_logits = Conv2d(channels, num_anchors * outputs, 1, rng=rng, init=init)
        self.difference = Difference() if outputs == 2 else Identity()
        self.bbox_pred = Conv2d(channels, num_anchors * 4, 1, rng=rng, init=init)

    def forward(self, x):
        h, c_conv = self.conv.forward(x)
        scores, c_scores = self.cls_logits.forward(h)
        logits, c_logits = self.difference.forward(scores)
        deltas, c_deltas = self.bbox_pred.forward(h)
        return (logits, deltas), self.keep((c_conv, c_scores, c_logits, c_deltas))

    def backward(self, dy, cache):
        dlogits, ddeltas = dy
        c_conv, c_scores, c_logits, c_deltas = cache
        dscores = self.difference.backward(dlogits, c_logits)
        dh = self.cls_logits.backward(dscores, c_scores) + self.bbox_pred.backward(ddeltas, c_deltas)
        return self.conv.backward(dh, c_conv)


class RPN(Module):
    """The proposer of Faster R-CNN: one head shared by all levels of the pyramid, its losses, and its proposals."""

    def __init__(self, channels, config, *, rng):
        outputs = 1 if config.objectness == "sigmoid" else 2
        self.per_cell = len(config.anchor_sizes[0]) * len(config.anchor_ratios)  # anchors per cell
        self.head = RPNHead(channels, self.per_cell, outputs=outputs, depth=config.conv_depth, rng=rng)
        self.config = config

    # ------------------------------------------------------------ the network

    def forward(self, pyramid):
        """pyramid [(N, H, W, C)] * L  ->  logits (N, A), deltas (N, A, 4) over the anchors of all levels."""
        n = pyramid[0].shape[0]
        xp = array_module(pyramid[0])
        logits, deltas, c_levels = [], [], []
        for level in pyramid:
            (level_logits, level_deltas), c_level = self.head.forward(level)
            count = level.shape[1] * level.shape[2] * self.per_cell  # of its anchors
            logits.append(level_logits.reshape(n, count))
            deltas.append(level_deltas.reshape(n, count, 4))
            c_levels.append((level_logits.shape, level_deltas.shape, c_level))
        return (xp.concatenate(logits, axis=1), xp.concatenate(deltas, axis=1)), self.keep(c_levels)

    def backward(self, dy, cache):
        dlogits, ddeltas = dy
        dpyramid, start = [], 0
        for logits_shape, deltas_shape, c_level in cache:
            end = start + math.prod(logits_shape[1:])
            level_dlogits = dlogits[:, start:end].reshape(logits_shape)
            level_ddeltas = ddeltas[:, start:end].reshape(deltas_shape)
            dpyramid.append(self.head.backward((level_dlogits, level_ddeltas), c_level))
            start = end
        return dpyramid

    def anchors(self, pyramid, image_size):
        """Anchors of all levels in the order of the logits: a list of (A, 4) in pixels of an image of (H, W)."""
        sizes, ratios = tuple(map(tuple, self.config.anchor_sizes)), tuple(self.config.anchor_ratios)
        grid_sizes = tuple(tuple(level.shape[1:3]) for level in pyramid)
        return list(_anchors(sizes, ratios, grid_sizes, tuple(image_size), pyramid[0].dtype, array_module(pyramid[0])))

    # ------------------------------------------------------------ the losses

    def sample(self, pyramid, targets, *, image_size, rng):
        """Which anchors a step learns from, and what they should say: RPNTargets."""
        anchors = array_module(pyramid[0]).concatenate(self.anchors(pyramid, image_size))
        return rpn_targets(anchors, targets, self.config, image_size=image_size, rng=rng)

    def loss_forward(self, logits, deltas, *, targets):
        """Cross-entropy over the sampled anchors and smooth L1 over the positive ones, both per sampled anchor.

        logits (N, A), deltas (N, A, 4)  ->  {"rpn_objectness", "rpn_box"} (Faster R-CNN, equation 1,
        whose second term is divided by the places of anchors and weighted by 10 instead)
        """
        sampled = losses.total_weight(targets.weight)
        objectness, c_objectness = losses.sigmoid_cross_entropy_forward(
            logits, targets=targets.positive, weight=targets.weight, normalizer=sampled
        )
        positive = targets.weight * targets.positive
        box, c_box = losses.smooth_l1_forward(
            deltas, target=targets.deltas, beta=self.config.beta, weight=positive, normalizer=sampled
        )
        return {"rpn_objectness": objectness, "rpn_box": box}, self.keep((c_objectness, c_box))

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dlogits (N, A), ddeltas (N, A, 4)."""
        c_objectness, c_box = cache
        dlogits = losses.sigmoid_cross_entropy_backward(dlosses["rpn_objectness"], c_objectness)
        return dlogits, losses.smooth_l1_backward(dlosses["rpn_box"], c_box)

    # ------------------------------------------------------------ the proposals: data, no gradient

    def propose(self, pyramid, logits, deltas, *, image_size, sizes):
        """Trim to the best, decode, clip, suppress overlaps, trim again (Faster R-CNN, section 3.3).

        pyramid [(N, H, W, C)] * L, logits (N, A), deltas (N, A, 4), image_size (H, W), sizes (N, 2) before padding
        ->  proposals (N, P, 4), best first, and valid (N, P) bool: rows beyond what an image has are False
        """
        xp = array_module(logits)
        anchors = self.anchors(pyramid, image_size)
        candidates, scores, _, level = self.candidates(logits, deltas, anchors, sizes=sizes)
        keep = self.suppress(candidates, scores, level)
        best = nms.top_n(xp.where(keep, scores, -1), self._of_mode(self.config.post_nms_top_n))
        return xp.take_along_axis(candidates, best[..., None], axis=1), xp.take_along_axis(keep, best, axis=1)

    def candidates(self, logits, deltas, anchors, *, sizes):
        """The anchors of each level that are most likely objects, moved by their deltas and clipped to the image.

        logits (N, A), deltas (N, A, 4), anchors a list of (A_l, 4) per level, sizes (N, 2)
        ->  boxes (N, R, 4), scores (N, R), anchor (N, R) int: its row of all levels', level (R,) from 0
        """
        xp = array_module(logits)
        height, width = sizes[:, 0:1].astype(deltas.dtype), sizes[:, 1:2].astype(deltas.dtype)
        rows, level_of, start = [], [], 0
        for i, level in enumerate(anchors):  # the best of each level, so that small objects are not crowded out
            end = start + len(level)
            best = nms.top_n(logits[:, start:end], self._of_mode(self.config.pre_nms_top_n))  # (N, k)
            rows.append(best + start)
            level_of.append(xp.full(best.shape[1], i))
            start = end
        rows = xp.concatenate(rows, axis=1)  # (N, k1 + k2 + ...)
        decoded = boxes.decode(xp.take_along_axis(deltas, rows[..., None], axis=1), xp.concatenate(anchors)[rows])
        scores, _ = activation.sigmoid_forward(xp.take_along_axis(logits, rows, axis=1))
        return boxes.clip(decoded, height=height, width=width), scores, rows, xp.concatenate(level_of)

    def suppress(self, proposals, scores, level):
        """NMS in every level of every image on its own; boxes without an area go too.

        proposals (N, R, 4), scores (N, R), level (R,)  ->  keep (N, R) bool
        """
        xp = array_module(proposals)
        group = xp.arange(len(proposals))[:, None] * len(self.config.anchor_sizes) + level
        valid = (proposals[..., 2:] - proposals[..., :2] >= self.config.min_size).all(axis=-1)
        flat = proposals.reshape(-1, 4), scores.reshape(-1)
        data = {"group": group.reshape(-1), "valid": valid.reshape(-1)}
        return nms.nms(*flat, iou_threshold=self.config.nms_iou, **data).reshape(scores.shape)

    def _of_mode(self, numbers):
        """The settings have pairs: how many boxes in training, and how many at inference."""
        in_training, at_inference = numbers
        return in_training if self.training else at_inference


@functools.lru_cache(maxsize=4)  # pictures mostly have one size; those of a photograph's size take 4 MB
def _anchors(sizes, ratios, grid_sizes, image_size, dtype, xp):
    """pyramid_anchors where xp computes, made once for a size of pictures: all that they depend on is an argument."""
    levels = anchor_ops.pyramid_anchors(sizes, ratios, grid_sizes=grid_sizes, image_size=image_size)
    levels = [level.astype(dtype) for level in levels]
    for level in levels:
        level.flags.writeable = False  # shared by all who ask
    return [xp.asarray(level) for level in levels]
