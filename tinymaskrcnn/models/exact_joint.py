"""Exact joint training: what the heads want of a box goes back to the anchor that it was made of.

`MaskRCNN` treats proposals as data: approximate joint training. Here the same network, with the same losses, also
follows a RoI backwards: out of the features that were read through it (model.box_gradient "features") and, with
"features+targets", out of the answers that are asked about it, through clipping and decoding, into the RPN's deltas.
What is decided (which proposals are kept, drawn, matched, cut from which level) has no gradient in any of the three,
so that the RPN's objectness learns from its own loss alone. Inference is that of MaskRCNN.
"""

from dataclasses import dataclass, replace
from typing import Any

from ..backend import array_module
from ..errors import ArgumentError
from ..nn.module import sum_grads
from ..ops import box_gradients, nms
from .mask_rcnn import MaskRCNN, Samples
from .roi_heads import RoIHeads
from .rpn import RPN


@dataclass(frozen=True)
class ChainedSamples(Samples):
    """Samples, and chosen (N, P) int: the anchor that each proposal was made of."""

    chosen: Any


class ChainedRPN(RPN):
    """The RPN, which says what its proposals were made of, and how a loss by them is one by its deltas."""

    def choose(self, pyramid, logits, deltas, *, image_size, sizes):
        """As `propose`, and of which anchor: proposals (N, P, 4), valid (N, P) bool, chosen (N, P) int."""
        xp = array_module(logits)
        candidates, scores, anchor, level = self.candidates(
            logits, deltas, self.anchors(pyramid, image_size), sizes=sizes
        )
        keep = self.suppress(candidates, scores, level)
        best = nms.top_n(xp.where(keep, scores, -1), self._of_mode(self.config.post_nms_top_n))
        valid, chosen = (xp.take_along_axis(rows, best, axis=1) for rows in (keep, anchor))
        return xp.take_along_axis(candidates, best[..., None], axis=1), valid, chosen

    def move_forward(self, deltas, *, pyramid, chosen, image_size, sizes):
        """The chosen proposals once more, as a function of the deltas: deltas (N, A, 4)  ->  proposals (N, P, 4)"""
        anchors = array_module(deltas).concatenate(self.anchors(pyramid, image_size))
        height, width = sizes[:, 0:1].astype(deltas.dtype), sizes[:, 1:2].astype(deltas.dtype)
        settings = dict(anchors=anchors, chosen=chosen, height=height, width=width)
        return box_gradients.move_anchors_forward(deltas, **settings)

    def move_backward(self, dproposals, cache):
        return box_gradients.move_anchors_backward(dproposals, cache)


class ChainedHeads(RoIHeads):
    """Heads over RoIs that were drawn from proposals: they send a gradient back to both, pyramid and proposals.

    The pool of each head returns a gradient for its RoIs.
    """

    def forward(self, pyramid, proposals, *, samples, answers):
        """pyramid [(N, H, W, C)] * L, proposals (N, P, 4), RoISamples, answers {head: ...}  ->  {"box_class", ...}"""
        rois, _ = box_gradients.drawn_rois_forward(
            proposals, image_index=samples.image_index, row=samples.row, rois=samples.rois
        )
        samples = replace(samples, rois=rois)
        losses, caches = super().forward(pyramid, samples=samples, answers=answers)
        drawn = [head.sees(samples) for head in self.heads.values()]
        return losses, self.keep((caches, [(proposals.shape, seen.image_index, seen.row) for seen in drawn]))

    def backward(self, dlosses, cache):
        """Mirror of forward: dpyramid [(N, H, W, C)] * L, dproposals (N, P, 4)."""
        caches, drawn = cache
        dpyramid = dproposals = None
        for head, c_head, c_drawn in zip(reversed(self.heads.values()), reversed(caches), reversed(drawn)):
            dlevels, drois = head.learn_backward(dlosses, c_head)
            dpyramid = sum_grads(dpyramid, dlevels)
            dproposals = sum_grads(dproposals, box_gradients.drawn_rois_backward(drois, c_drawn))
        return dpyramid, dproposals


class ExactJointMaskRCNN(MaskRCNN):
    """MaskRCNN, trained jointly without the approximation: its proposer is a ChainedRPN, its heads are ChainedHeads."""

    def forward(self, images, *, targets, sizes=None, rng=None, samples=None):
        """As MaskRCNN's; with `samples` given, the losses are a differentiable function of pictures and weights.

        images (N, H, W, C) in 0..1, a TargetBatch, sizes (N, 2) before padding  ->  the losses of MaskRCNN
        """
        sizes = self._sizes(images, sizes)
        x, c_normalize = self.normalize.forward(images, sizes=sizes)
        pyramid, c_backbone = self.backbone.forward(x)
        (logits, deltas), c_rpn = self.rpn.forward(pyramid)
        where = dict(image_size=images.shape[1:3], sizes=sizes)
        if samples is None:
            samples = self.choose_samples(pyramid, (logits, deltas), targets, **where, rng=rng)
        rpn_losses, c_rpn_loss = self.rpn.loss_forward(logits, deltas, targets=samples.rpn)
        proposals, c_move = self.rpn.move_forward(deltas, pyramid=pyramid, chosen=samples.chosen, **where)
        roi_losses, c_roi = self.roi_heads.forward(pyramid, proposals, samples=samples.rois, answers=samples.answers)
        return {**rpn_losses, **roi_losses}, self.keep((c_normalize, c_backbone, c_rpn, c_rpn_loss, c_move, c_roi))

    def backward(self, dlosses, cache):
        """Mirror of forward, with the line that MaskRCNN.backward leaves out."""
        c_normalize, c_backbone, c_rpn, c_rpn_loss, c_move, c_roi = cache
        dpyramid, dproposals = self.roi_heads.backward(dlosses, c_roi)
        dlogits, ddeltas = self.rpn.loss_backward(dlosses, c_rpn_loss)
        ddeltas = ddeltas + self.rpn.move_backward(dproposals, c_move)  # this one
        dpyramid = sum_grads(dpyramid, self.rpn.backward((dlogits, ddeltas), c_rpn))
        dx = self.backbone.backward(dpyramid, c_backbone)
        return self.normalize.backward(dx, c_normalize)

    def choose_samples(self, pyramid, said, targets, *, image_size, sizes, rng):
        """As MaskRCNN's, with the anchors that the proposals were made of: ChainedSamples."""
        if rng is None:
            raise ArgumentError("MaskRCNN.forward: rng must be a numpy.random.Generator (or give samples=)")
        rpn = self.rpn.sample(pyramid, targets, image_size=image_size, rng=rng)
        proposals, valid, chosen = self.rpn.choose(pyramid, *said, image_size=image_size, sizes=sizes)
        drawn = self.roi_heads.choose_samples(proposals, valid, targets, sizes=sizes, rng=rng)
        return ChainedSamples(rpn, *drawn, chosen)
