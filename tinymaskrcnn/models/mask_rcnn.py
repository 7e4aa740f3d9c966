"""Mask R-CNN (He et al. 2017): find, name and cut out every object, trained jointly.

With the box head alone it is Faster R-CNN; with a keypoint head, Keypoint R-CNN.
"""

from dataclasses import dataclass

from ..backend import array_module, move_like, to_host
from ..errors import ArgumentError, ShapeError
from ..nn.containers import sum_grads
from ..nn.module import Module
from ..structures import Detections
from ..targets.keypoint import keypoint_targets
from ..targets.mask import mask_targets
from ..targets.roi import RoISamples, sample_rois
from ..targets.rpn import RPNTargets, rpn_targets
from .heads.keypoint import decode_keypoints
from .postprocess import paste_masks
from .transform import resize_boxes, resize_keypoints


@dataclass(frozen=True)
class Samples:
    """Everything that a training step decided without a gradient: which anchors, which RoIs, and their answers."""

    rpn: RPNTargets
    rois: RoISamples
    masks: object = None  # (Q, 2S, 2S)
    keypoints: object = None  # KeypointTargets


class Normalize(Module):
    """(image - mean) / std per channel, and zeros where an image was padded to the size of its batch."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def forward(self, images, *, sizes):
        xp = array_module(images)
        n, height, width, channels = images.shape
        mean, std = (xp.tile(xp.asarray(values, images.dtype), width) for values in (self.mean, self.std))  # (W*C,)
        rows = xp.arange(height) < sizes[:, 0:1]  # (N, H)
        columns = xp.repeat(xp.arange(width), channels) < sizes[:, 1:2]  # (N, W*C)
        y = images.reshape(n, height, width * channels) - mean  # long rows: NumPy is slow on one pixel's few channels
        scales = columns[:, None] / std, rows[..., None]
        for scale in scales:
            y *= scale
        return y.reshape(images.shape), self.keep(scales)

    def backward(self, dy, cache):
        if dy is None:  # the first layers are frozen
            return None
        columns, rows = cache
        n, height, width, channels = dy.shape
        return (dy.reshape(n, height, width * channels) * columns * rows).reshape(dy.shape)


class MaskRCNN(Module):
    """A backbone with a pyramid, a region proposal network, and the heads that config.heads names.

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
        """The losses of joint training, as 0-d arrays.

        images (N, H, W, C) in 0..1, a TargetBatch, sizes (N, 2) before padding
        ->  {"rpn_objectness", "rpn_box", "box_class", "box_delta"} and, with their heads, "mask" and "keypoint"

        The random samples are drawn with rng, or given as `samples` (for gradient checks and comparisons).
        """
        sizes = self._sizes(images, sizes)
        x, c_normalize = self.normalize.forward(images, sizes=sizes)
        pyramid, c_backbone = self.backbone.forward(x)
        (logits, deltas), c_rpn = self.rpn.forward(pyramid)
        if samples is None:
            samples = self.choose_samples(pyramid, logits, deltas, images.shape[1:3], targets, sizes, rng=rng)
        rpn_losses, c_rpn_loss = self.rpn.loss_forward(logits, deltas, targets=samples.rpn)
        roi_losses, c_roi = self.roi_heads.forward(
            pyramid, samples=samples.rois, mask_targets=samples.masks, keypoint_targets=samples.keypoints
        )
        return {**rpn_losses, **roi_losses}, self.keep((c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi))

    def backward(self, dlosses, cache):
        """Mirror of forward: adds into every parameter's gradient, returns dimages (N, H, W, C), None when frozen.

        The proposals that the heads were trained on came from the RPN, and no gradient flows back through them: the
        line that would carry it is absent here. That is approximate joint training (Faster R-CNN, section 3.2).
        """
        c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi = cache
        dpyramid = sum_grads(
            self.roi_heads.backward(dlosses, c_roi),
            self.rpn.backward(self.rpn.loss_backward(dlosses, c_rpn_loss), c_rpn),
        )
        dx = self.backbone.backward(dpyramid, c_backbone)
        return self.normalize.backward(dx, c_normalize)

    def choose_samples(self, pyramid, logits, deltas, image_size, targets, sizes, *, rng):
        """Decide, without gradients, what this step learns from: sampled anchors, sampled RoIs and their answers."""
        if rng is None:
            raise ArgumentError("MaskRCNN.forward: rng must be a numpy.random.Generator (or give samples=)")
        xp = array_module(logits)
        anchors = self.rpn.anchors(pyramid, image_size)
        every_anchor = xp.concatenate(anchors)
        rpn = rpn_targets(every_anchor, targets, self.rpn.config, image_size=image_size, rng=rng)
        proposals, valid = self.rpn.propose(logits, deltas, anchors, sizes=sizes)
        rois = sample_rois(proposals, valid, targets, self.roi_heads.config, rng=rng)
        return Samples(rpn, rois, *self._answers(rois, targets, sizes))

    def _answers(self, rois, targets, sizes):
        """What the mask and the keypoint head should say about the positive RoIs; None where there is no head."""
        config, rows = self.roi_heads.config, rois.mask_rows
        positive, matched = rois.rois[rows], rois.matched[rows]
        masks = keypoints = None
        for name, given in (("mask", targets.masks), ("keypoint", targets.keypoints)):
            if name in self.roi_heads.heads and given is None:
                raise ArgumentError(f"MaskRCNN.forward: the model has a {name} head, and the targets have no {name}s")
        if "mask" in self.roi_heads.heads:
            settings = dict(sizes=sizes, size=2 * config.mask_size, aligned=config.aligned)
            masks = mask_targets(targets.masks, positive, matched, **settings)
        if "keypoint" in self.roi_heads.heads:
            if targets.keypoints.shape[2] != config.num_keypoints:
                raise ArgumentError(
                    f"MaskRCNN.forward: the targets must have {config.num_keypoints} keypoints each, "
                    f"roi.num_keypoints; got {targets.keypoints.shape[2]}"
                )
            size = 4 * config.keypoint_size
            keypoints = keypoint_targets(targets.keypoints, positive, matched, size=size, weight=rois.mask_weight)
        return masks, keypoints

    def detect(self, images, *, sizes=None, original_sizes=None, paste=paste_masks):
        """Find the objects of every image.

        images (N, H, W, C) in 0..1, sizes (N, 2) before padding, original_sizes (N, 2) before resizing
        ->  a list of N Detections on the host, in pixels of the original size (of the true size when none is given)

        paste makes the masks of an image, and may keep them smaller than paste_masks does.
        """
        if self.training:
            raise ArgumentError("MaskRCNN.detect: call model.eval() first, so that nothing is kept and statistics rest")
        true_sizes = [images.shape[1:3]] * len(images) if sizes is None else to_host(sizes).tolist()
        sizes = self._sizes(images, sizes)
        x, _ = self.normalize.forward(images, sizes=sizes)
        pyramid, _ = self.backbone.forward(x)
        (logits, deltas), _ = self.rpn.forward(pyramid)
        anchors = self.rpn.anchors(pyramid, images.shape[1:3])
        proposals, valid = self.rpn.propose(logits, deltas, anchors, sizes=sizes)
        found = self.roi_heads.detect(pyramid, proposals, valid, sizes=sizes).to_host()  # the one wait for a device
        originals = true_sizes if original_sizes is None else to_host(original_sizes).tolist()
        both = zip(true_sizes, originals, strict=True)
        return [self._detections(found, n, *of_image, paste=paste) for n, of_image in enumerate(both)]

    def _detections(self, found, n, size, original, paste=paste_masks):
        """The Detections of image n, which was found at `size` and is reported at `original` size."""
        config, rows = self.roi_heads.config, found.valid[n]
        boxes, masks, keypoints = found.boxes[n][rows], None, None
        if found.heatmaps is not None:
            keypoints = decode_keypoints(found.heatmaps[n][rows], boxes)
            keypoints = resize_keypoints(keypoints, old=size, new=original)
        boxes = resize_boxes(boxes, old=size, new=original)
        if found.masks is not None:
            where = {"height": original[0], "width": original[1], "threshold": config.mask_threshold}
            masks = paste(found.masks[n][rows], boxes, **where, mode=config.paste)
        return Detections(boxes, found.labels[n][rows], found.scores[n][rows], masks, keypoints)

    def _sizes(self, images, sizes):
        """True sizes (N, 2) where the images live; all the full size when none are given."""
        channels = self.config.backbone.in_channels
        if images.ndim != 4 or images.shape[3] != channels:
            raise ShapeError(f"MaskRCNN: images must be (N, H, W, C) with C = {channels}; got {tuple(images.shape)}")
        if images.shape[1] % 32 or images.shape[2] % 32:
            raise ArgumentError(
                f"MaskRCNN: image sides must be multiples of 32 (use structures.collate); got {images.shape[1:3]}"
            )
        if sizes is None:
            sizes = [[images.shape[1], images.shape[2]]] * images.shape[0]
            return array_module(images).asarray(sizes).reshape(-1, 2)
        return move_like(sizes, images)
