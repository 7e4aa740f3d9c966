"""Both heads on their crops: losses in training, detections at inference."""

from ..backend import array_module
from ..nn.containers import sum_grads
from ..nn.module import Module
from ..ops import activation
from . import box_head as box
from . import mask_head as mask
from .postprocess import detections_from_boxes
from .roi_pooling import PyramidRoIAlign


class RoIHeads(Module):
    """Box head and mask head, decoupled: they share the pyramid and nothing else."""

    def __init__(self, channels, num_classes, config, *, rng):
        self.box_roi_pool = PyramidRoIAlign(config.box_size, config)
        self.box_head = box.BoxHead(channels, config.box_size, config.head_width, rng=rng)
        self.box_predictor = box.BoxPredictor(config.head_width, num_classes, rng=rng)
        self.mask_roi_pool = PyramidRoIAlign(config.mask_size, config)
        self.mask_head = mask.mask_head(channels, config.mask_widths, rng=rng)
        self.mask_predictor = mask.MaskPredictor(config.mask_widths[-1], config.mask_deconv_width, num_classes, rng=rng)
        self.config = config

    # ------------------------------------------------------------ training: losses and their mirror

    def forward(self, pyramid, *, samples, mask_targets):
        """pyramid [(N, H, W, C)] * L, RoISamples, mask_targets (Q, 2S, 2S)  ->  {"box_class", "box_delta", "mask"}"""
        (logits, deltas), c_box = self._box_forward(pyramid, samples.rois, samples.image_index)
        box_losses, c_box_loss = box.box_loss_forward(logits, deltas, samples=samples, beta=self.config.beta)

        rows = samples.mask_rows
        mask_logits, c_mask = self._mask_forward(
            pyramid, samples.rois[rows], samples.image_index[rows], samples.labels[rows]
        )
        mask_losses, c_mask_loss = mask.mask_loss_forward(mask_logits, targets=mask_targets, weight=samples.mask_weight)
        return {**box_losses, **mask_losses}, self.keep((c_box, c_box_loss, c_mask, c_mask_loss))

    def backward(self, dlosses, cache):
        c_box, c_box_loss, c_mask, c_mask_loss = cache
        dmask_logits = mask.mask_loss_backward(dlosses, c_mask_loss)
        dbox = box.box_loss_backward(dlosses, c_box_loss)
        return sum_grads(self._mask_backward(dmask_logits, c_mask), self._box_backward(dbox, c_box))

    def _box_forward(self, pyramid, rois, image_index):
        crops, c_pool = self.box_roi_pool.forward(pyramid, rois=rois, image_index=image_index)
        h, c_head = self.box_head.forward(crops)
        y, c_predictor = self.box_predictor.forward(h)
        return y, self.keep((c_pool, c_head, c_predictor))

    def _box_backward(self, dy, cache):
        c_pool, c_head, c_predictor = cache
        dh = self.box_predictor.backward(dy, c_predictor)
        dcrops = self.box_head.backward(dh, c_head)
        return self.box_roi_pool.backward(dcrops, c_pool)

    def _mask_forward(self, pyramid, rois, image_index, labels):
        crops, c_pool = self.mask_roi_pool.forward(pyramid, rois=rois, image_index=image_index)
        h, c_head = self.mask_head.forward(crops)
        logits, c_predictor = self.mask_predictor.forward(h, channel=labels)
        return logits, self.keep((c_pool, c_head, c_predictor))

    def _mask_backward(self, dlogits, cache):
        c_pool, c_head, c_predictor = cache
        dh = self.mask_predictor.backward(dlogits, c_predictor)
        dcrops = self.mask_head.backward(dh, c_head)
        return self.mask_roi_pool.backward(dcrops, c_pool)

    # ------------------------------------------------------------ inference

    def detect(self, pyramid, proposals, valid, *, sizes):
        """The final boxes of every image, best first, with the mask of the class each was given.

        pyramid [(N, H, W, C)] * L, proposals (N, P, 4), valid (N, P), sizes (N, 2)
        ->  boxes (N, D, 4), labels (N, D), scores (N, D), valid (N, D), masks (N, D, 2S, 2S)

        Masks are predicted for the final boxes only: fewer and better crops than the proposals were.
        """
        n, p = valid.shape
        (logits, deltas), _ = self._box_forward(pyramid, proposals.reshape(-1, 4), _image_index(valid))
        found, labels, scores, keep = detections_from_boxes(logits, deltas, proposals, valid, self.config, sizes=sizes)
        mask_logits, _ = self._mask_forward(pyramid, found.reshape(-1, 4), _image_index(keep), labels.reshape(-1))
        masks = activation.sigmoid_forward(mask_logits)[0]
        return found, labels, scores, keep, masks.reshape(*keep.shape, *masks.shape[1:])


def _image_index(per_image):
    """(N, P)  ->  (N*P,) the image each row belongs to."""
    xp = array_module(per_image)
    n, p = per_image.shape
    return xp.repeat(xp.arange(n), p)
