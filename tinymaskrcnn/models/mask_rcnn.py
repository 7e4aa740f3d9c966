"""Mask R-CNN (He et al. 2017): find, name and cut out every object, trained jointly."""

from dataclasses import dataclass

from ..backend import array_module, move_like, to_host
from ..errors import ArgumentError
from ..nn.containers import sum_grads
from ..nn.module import Module
from ..structures import Detections
from ..targets.mask import mask_targets
from ..targets.roi import RoISamples, sample_rois
from ..targets.rpn import RPNTargets, rpn_targets
from .postprocess import paste_masks


@dataclass(frozen=True)
class Samples:
    """Everything that a training step decided without a gradient: which anchors, which RoIs, and their answers."""

    rpn: RPNTargets
    rois: RoISamples
    masks: object  # (Q, 2S, 2S)


class Normalize(Module):
    """(image - mean) / std per channel, and zeros where an image was padded to the size of its batch."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def forward(self, images, *, sizes):
        xp = array_module(images)
        mean, std = (xp.asarray(values, images.dtype) for values in (self.mean, self.std))
        height, width = images.shape[1:3]
        rows = xp.arange(height)[None, :] < sizes[:, 0:1]  # (N, H)
        columns = xp.arange(width)[None, :] < sizes[:, 1:2]  # (N, W)
        inside = (rows[:, :, None] & columns[:, None, :])[..., None].astype(images.dtype)
        scale = inside / std
        return (images - mean) * scale, self.keep(scale)

    def backward(self, dy, cache):
        return dy * cache


class MaskRCNN(Module):
    """A backbone with a pyramid, a region proposal network, and two heads.

    Training: `forward(images, targets=, rng=) -> (losses, cache)` and `backward(dlosses, cache)`.
    Inference: `detect(images) -> [Detections]`.
    """

    def __init__(self, backbone, rpn, roi_heads, config):
        self.normalize = Normalize(config.image_mean, config.image_std)
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.config = config

    def forward(self, images, *, targets, sizes=None, rng=None, samples=None):
        """The five losses of joint training, as 0-d arrays.

        images (N, H, W, C) in 0..1, a TargetBatch, sizes (N, 2) before padding
        ->  {"rpn_objectness", "rpn_box", "box_class", "box_delta", "mask"}

        The random samples are drawn with rng, or given as `samples` (for gradient checks and comparisons).
        """
        sizes = self._sizes(images, sizes)
        x, c_normalize = self.normalize.forward(images, sizes=sizes)
        pyramid, c_backbone = self.backbone.forward(x)
        (logits, deltas), c_rpn = self.rpn.forward(pyramid)
        if samples is None:
            samples = self.choose_samples(pyramid, logits, deltas, images.shape[1:3], targets, sizes, rng=rng)
        rpn_losses, c_rpn_loss = self.rpn.loss_forward(logits, deltas, targets=samples.rpn)
        roi_losses, c_roi = self.roi_heads.forward(pyramid, samples=samples.rois, mask_targets=samples.masks)
        return {**rpn_losses, **roi_losses}, self.keep((c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi))

    def backward(self, dlosses, cache):
        """Mirror of forward: adds into every parameter's gradient, returns dimages (N, H, W, C).

        The proposals that the heads were trained on came from the RPN, and no gradient flows back through them: the
        line that would carry it is absent here. That is approximate joint training (Faster R-CNN, section 3.2).
        """
        c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi = cache
        dpyramid_roi = self.roi_heads.backward(dlosses, c_roi)
        dpyramid_rpn = self.rpn.backward(self.rpn.loss_backward(dlosses, c_rpn_loss), c_rpn)
        dx = self.backbone.backward(sum_grads(dpyramid_rpn, dpyramid_roi), c_backbone)
        return self.normalize.backward(dx, c_normalize)

    def choose_samples(self, pyramid, logits, deltas, image_size, targets, sizes, *, rng):
        """Decide, without gradients, what this step learns from: sampled anchors, sampled RoIs, mask targets."""
        if rng is None:
            raise ArgumentError("MaskRCNN.forward: rng must be a numpy.random.Generator (or give samples=)")
        xp = array_module(logits)
        anchors = self.rpn.anchors(pyramid, image_size)
        every_anchor = xp.concatenate(anchors)
        rpn = rpn_targets(every_anchor, targets, self.rpn.config, image_size=image_size, rng=rng)
        proposals, valid = self.rpn.propose(logits, deltas, anchors, sizes=sizes)
        config = self.roi_heads.config
        rois = sample_rois(proposals, valid, targets, config, rng=rng)
        rows = rois.mask_rows
        masks = mask_targets(
            targets.masks, rois.rois[rows], rois.matched[rows], size=2 * config.mask_size, aligned=config.aligned
        )
        return Samples(rpn, rois, masks)

    def detect(self, images, *, sizes=None):
        """Find the objects of every image.

        images (N, H, W, C) in 0..1  ->  a list of N Detections on the host, masks (K, height, width) of the true size
        """
        if self.training:
            raise ArgumentError("MaskRCNN.detect: call model.eval() first, so that nothing is kept and statistics rest")
        sizes = self._sizes(images, sizes)
        x, _ = self.normalize.forward(images, sizes=sizes)
        pyramid, _ = self.backbone.forward(x)
        (logits, deltas), _ = self.rpn.forward(pyramid)
        anchors = self.rpn.anchors(pyramid, images.shape[1:3])
        proposals, valid = self.rpn.propose(logits, deltas, anchors, sizes=sizes)
        found = self.roi_heads.detect(pyramid, proposals, valid, sizes=sizes)
        return self._detections(found, to_host(sizes))

    def _detections(self, found, sizes):
        boxes, labels, scores, keep, masks = found
        detections = []
        for n, (height, width) in enumerate(sizes.tolist()):
            rows = keep[n]
            pasted = paste_masks(
                masks[n][rows],
                boxes[n][rows],
                height=height,
                width=width,
                threshold=self.roi_heads.config.mask_threshold,
            )
            arrays = (boxes[n][rows], labels[n][rows], scores[n][rows], pasted)
            detections.append(Detections(*(to_host(a) for a in arrays)))
        return detections

    def _sizes(self, images, sizes):
        """True sizes (N, 2) where the images live; all the full size when none are given."""
        if images.shape[1] % 32 or images.shape[2] % 32:
            raise ArgumentError(
                f"MaskRCNN: image sides must be multiples of 32 (use structures.collate); got {images.shape[1:3]}"
            )
        if sizes is None:
            sizes = [[images.shape[1], images.shape[2]]] * images.shape[0]
            return array_module(images).asarray(sizes).reshape(-1, 2)
        return move_like(sizes, images)
