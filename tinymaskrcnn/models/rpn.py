"""Region proposal network (Ren et al. 2015): where, at every place and scale, might an object be?"""

import functools

from ..backend import array_module, has_kernel, move_like
from ..nn.containers import Sequential
from ..nn.init import normal
from ..nn.layers import Conv2d
from ..nn.module import Module
from ..ops import activation, anchors, boxes, losses, nms
from .blocks import conv_block


class RPNHead(Module):
    """3x3 convolutions (one in the paper), then two 1x1: objectness logits and box deltas of A anchors per cell.

    x (N, H, W, C)  ->  logits (N, H, W, A * outputs), deltas (N, H, W, A * 4)
    """

    def __init__(self, channels, num_anchors, *, outputs=1, depth=1, rng):
        init = normal(0.01)
        self.conv = Sequential(*(conv_block(channels, channels, rng=rng, init=init) for _ in range(depth)))
        self.cls_logits = Conv2d(channels, num_anchors * outputs, 1, rng=rng, init=init)
        self.bbox_pred = Conv2d(channels, num_anchors * 4, 1, rng=rng, init=init)

    def forward(self, x):
        h, c_conv = self.conv.forward(x)
        logits, c_logits = self.cls_logits.forward(h)
        deltas, c_deltas = self.bbox_pred.forward(h)
        return (logits, deltas), self.keep((c_conv, c_logits, c_deltas))

    def backward(self, dy, cache):
        dlogits, ddeltas = dy
        c_conv, c_logits, c_deltas = cache
        dh = self.cls_logits.backward(dlogits, c_logits) + self.bbox_pred.backward(ddeltas, c_deltas)
        return self.conv.backward(dh, c_conv)


class RPN(Module):
    """One head shared by all levels of the pyramid; its losses; and the proposals it makes."""

    def __init__(self, channels, config, *, rng):
        self.outputs = 1 if config.objectness == "sigmoid" else 2
        self.per_cell = len(config.anchor_sizes[0]) * len(config.anchor_ratios)  # anchors per cell
        self.head = RPNHead(channels, self.per_cell, outputs=self.outputs, depth=config.conv_depth, rng=rng)
        self.config = config

    # ------------------------------------------------------------ the network

    def forward(self, pyramid):
        """pyramid [(N, H, W, C)] * L  ->  logits (N, A, outputs), deltas (N, A, 4) over the anchors of all levels."""
        n = pyramid[0].shape[0]
        xp = array_module(pyramid[0])
        logits, deltas, c_levels = [], [], []
        for level in pyramid:
            (level_logits, level_deltas), c_level = self.head.forward(level)
            cells = level.shape[1] * level.shape[2]
            logits.append(level_logits.reshape(n, cells * self.per_cell, self.outputs))
            deltas.append(level_deltas.reshape(n, cells * self.per_cell, 4))
            c_levels.append((level_logits.shape, level_deltas.shape, c_level))
        return (xp.concatenate(logits, axis=1), xp.concatenate(deltas, axis=1)), self.keep(c_levels)

    def backward(self, dy, cache):
        dlogits, ddeltas = dy
        dpyramid, start = [], 0
        for logits_shape, deltas_shape, c_level in cache:
            end = start + deltas_shape[1] * deltas_shape[2] * self.per_cell
            level_dlogits = dlogits[:, start:end].reshape(logits_shape)
            level_ddeltas = ddeltas[:, start:end].reshape(deltas_shape)
            dpyramid.append(self.head.backward((level_dlogits, level_ddeltas), c_level))
            start = end
        return dpyramid

    def anchors(self, pyramid, image_size):
        """Anchors of all levels in the order of the logits: a list of (A, 4) in pixels of an image of (H, W)."""
        sizes, ratios = tuple(map(tuple, self.config.anchor_sizes)), tuple(self.config.anchor_ratios)
        grid_sizes = tuple(tuple(level.shape[1:3]) for level in pyramid)
        levels = _anchors(sizes, ratios, grid_sizes, tuple(image_size), pyramid[0].dtype)
        return [move_like(level, pyramid[0]) for level in levels]

    # ------------------------------------------------------------ the losses

    def loss_forward(self, logits, deltas, *, targets):
        """Cross-entropy over the sampled anchors and smooth L1 over the positive ones, both per sampled anchor.

        logits (N, A, outputs), deltas (N, A, 4)  ->  {"rpn_objectness", "rpn_box"} (Faster R-CNN, equation 1)
        """
        xp = array_module(logits)
        sampled = xp.maximum(targets.weight.sum(), 1)
        if self.outputs == 1:
            objectness, c_objectness = losses.sigmoid_cross_entropy_forward(
                logits[..., 0], targets=targets.positive, weight=targets.weight, normalizer=sampled
            )
        else:
            objectness, c_objectness = losses.softmax_cross_entropy_forward(
                logits.reshape(-1, 2),
                labels=targets.positive.reshape(-1).astype(int),
                weight=targets.weight.reshape(-1),
                normalizer=sampled,
            )
        box, c_box = losses.smooth_l1_forward(
            deltas,
            target=targets.deltas,
            beta=self.config.beta,
            weight=targets.weight * targets.positive,
            normalizer=sampled,
        )
        return {"rpn_objectness": objectness, "rpn_box": box}, self.keep((logits.shape, c_objectness, c_box))

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dlogits (N, A, outputs), ddeltas (N, A, 4)."""
        logits_shape, c_objectness, c_box = cache
        ddeltas = losses.smooth_l1_backward(dlosses["rpn_box"], c_box)
        if self.outputs == 1:
            dlogits = losses.sigmoid_cross_entropy_backward(dlosses["rpn_objectness"], c_objectness)
        else:
            dlogits = losses.softmax_cross_entropy_backward(dlosses["rpn_objectness"], c_objectness)
        return dlogits.reshape(logits_shape), ddeltas

    # ------------------------------------------------------------ the proposals: data, no gradient

    def objectness(self, logits):
        """logits (N, A, outputs)  ->  probability of "object" (N, A)."""
        if self.outputs == 1:
            return activation.sigmoid_forward(logits[..., 0])[0]
        return activation.softmax_forward(logits)[0][..., 1]

    def margin(self, logits):
        """Orders anchors as their probabilities do, also where these have all been rounded to 1.

        logits (N, A, outputs)  ->  margin (N, A)
        """
        return logits[..., 0] if self.outputs == 1 else logits[..., 1] - logits[..., 0]

    def propose(self, logits, deltas, anchors, *, sizes):
        """Trim to the best, decode, clip, suppress overlaps, trim again (Faster R-CNN, section 3.3).

        logits (N, A, outputs), deltas (N, A, 4), anchors a list of (A_l, 4) per level, sizes (N, 2) of the images
        ->  proposals (N, P, 4), best first, and valid (N, P) bool: rows beyond what an image has are False
        """
        xp = array_module(logits)
        proposals, scores, _, level = self.candidates(logits, deltas, anchors, sizes=sizes)
        keep = self.suppress(proposals, scores, level)
        best = top_n(xp.where(keep, scores, -1), self.config.post_nms_top_n[self._mode])
        return xp.take_along_axis(proposals, best[..., None], axis=1), xp.take_along_axis(keep, best, axis=1)

    def candidates(self, logits, deltas, anchors, *, sizes):
        """The anchors of each level that are most likely objects, moved by their deltas and clipped to the image.

        as `propose`  ->  boxes (N, R, 4), scores (N, R), anchor (N, R) int: its row of all levels', level (R,) from 0
        """
        xp = array_module(logits)
        scores, margin = self.objectness(logits), self.margin(logits)
        height, width = sizes[:, 0:1].astype(deltas.dtype), sizes[:, 1:2].astype(deltas.dtype)
        found, rows, level_of, start = [], [], [], 0
        for i, level in enumerate(anchors):  # the best of each level, so that small objects are not crowded out
            end = start + len(level)
            best = top_n(margin[:, start:end], self.config.pre_nms_top_n[self._mode])  # (N, k)
            level_deltas = xp.take_along_axis(deltas[:, start:end], best[..., None], axis=1)
            decoded = boxes.decode(level_deltas, level[best])
            found.append(boxes.clip(decoded, height=height, width=width))
            rows.append(best + start)
            level_of.append(xp.full(best.shape[1], i))
            start = end
        rows = xp.concatenate(rows, axis=1)  # (N, k1 + k2 + ...)
        scores = xp.take_along_axis(scores, rows, axis=1)
        return xp.concatenate(found, axis=1), scores, rows, xp.concatenate(level_of)

    def suppress(self, proposals, scores, level):
        """NMS in every level of every image on its own; boxes without an area go too.

        proposals (N, R, 4), scores (N, R), level (R,)  ->  keep (N, R) bool
        """
        xp = array_module(proposals)
        group = xp.arange(len(proposals))[:, None] * len(self.config.anchor_sizes) + level
        sides = proposals[..., 2:] - proposals[..., :2]
        return nms.nms(
            proposals.reshape(-1, 4),
            scores.reshape(-1),
            iou_threshold=self.config.nms_iou,
            group=group.reshape(-1),
            valid=(sides >= self.config.min_size).all(axis=-1).reshape(-1),
        ).reshape(scores.shape)

    @property
    def _mode(self):
        return 0 if self.training else 1  # of the pairs (training, inference) in the configuration


@functools.lru_cache(maxsize=4)  # pictures mostly have one size; those of a photograph's size take 4 MB
def _anchors(sizes, ratios, grid_sizes, image_size, dtype):
    """pyramid_anchors on the host, made once for a size of pictures: everything that they depend on is an argument."""
    levels = anchors.pyramid_anchors(sizes, ratios, grid_sizes=grid_sizes, image_size=image_size)
    levels = [level.astype(dtype) for level in levels]
    for level in levels:
        level.flags.writeable = False  # shared by all who ask
    return levels


@has_kernel
def top_n(scores, n):
    """Indices of the n largest scores of each row, largest first; ties in order of position.

    scores (N, A)  ->  (N, min(n, A))
    """
    xp = array_module(scores)
    return xp.argsort(-scores, axis=1, kind="stable")[:, :n]
