"""The heads on their crops: losses in training, detections at inference."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..backend import array_module, to_host
from ..nn.containers import sum_grads
from ..nn.module import Module
from ..ops import activation
from .heads import box, keypoint, mask
from .postprocess import detections_from_boxes, rows_in_use
from .roi_pooling import PyramidRoIAlign


@dataclass(frozen=True)
class Found:
    """What the heads found, D rows per image, best first: boxes (N, D, 4), labels, scores (N, D), valid (N, D) bool.

    masks (N, D, 2S, 2S) in 0..1 and heatmaps (N, D, 4S, 4S, J) are None without their head.
    """

    boxes: Any
    labels: Any
    scores: Any
    valid: Any
    masks: Any = None
    heatmaps: Any = None

    def to_host(self):
        """The same in NumPy arrays. All come in one array, because a device is waited for at each that is fetched."""
        xp, shape = array_module(self.boxes), self.valid.shape
        if xp is np:
            return self
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        rows = {name: array.reshape(*shape, -1).astype(self.boxes.dtype) for name, array in arrays.items()}
        together, start, host = to_host(xp.concatenate(list(rows.values()), axis=2)), 0, {}
        for name, row in rows.items():
            end = start + row.shape[2]
            host[name] = together[..., start:end].reshape(arrays[name].shape).astype(arrays[name].dtype)
            start = end
        return Found(**host)


class RoIHeads(Module):
    """Box head, mask head and keypoint head, decoupled: they share the pyramid and nothing else."""

    def __init__(self, channels, num_classes, config, *, heads=("box", "mask"), rng):
        self.heads = tuple(heads)
        self.config = config
        width = config.head_width
        self.box_roi_pool = PyramidRoIAlign(config.box_size, config)
        if config.box_convs:
            options = {"convs": config.box_convs, "norm": config.box_norm, "rng": rng}
            self.box_head = box.conv_box_head(channels, config.box_size, width, **options)
        else:
            self.box_head = box.BoxHead(channels, config.box_size, width, rng=rng)
        self.box_predictor = box.BoxPredictor(width, num_classes, rng=rng)
        if "mask" in heads:
            self.mask_roi_pool = PyramidRoIAlign(config.mask_size, config)
            self.mask_head = mask.mask_head(channels, config.mask_widths, norm=config.mask_norm, rng=rng)
            widths = config.mask_widths[-1], config.mask_deconv_width
            self.mask_predictor = mask.MaskPredictor(*widths, num_classes, rng=rng)
        if "keypoint" in heads:
            self.keypoint_roi_pool = PyramidRoIAlign(config.keypoint_size, config)
            self.keypoint_head = keypoint.keypoint_head(channels, config.keypoint_widths, rng=rng)
            width = config.keypoint_widths[-1]
            self.keypoint_predictor = keypoint.KeypointPredictor(width, config.num_keypoints, rng=rng)

    # ------------------------------------------------------------ training: losses and their mirror

    def forward(self, pyramid, *, samples, mask_targets=None, keypoint_targets=None):
        """The losses of all heads: the box head's over all sampled RoIs, the others' over the positive ones.

        pyramid [(N, H, W, C)] * L, RoISamples, mask_targets (Q, 2S, 2S), KeypointTargets
        ->  {"box_class", "box_delta"} and, with their heads, "mask" and "keypoint"
        """
        (logits, deltas), c_box = self._box_forward(pyramid, samples.rois, samples.image_index)
        all_losses, c_box_loss = box.box_loss_forward(logits, deltas, samples=samples, beta=self.config.beta)
        caches = {"box": self.keep((c_box, c_box_loss))}

        rows = samples.mask_rows
        rois, image_index = samples.rois[rows], samples.image_index[rows]
        if "mask" in self.heads:
            logits, c_mask = self._mask_forward(pyramid, rois, image_index, samples.labels[rows])
            losses, c_loss = mask.mask_loss_forward(logits, targets=mask_targets, weight=samples.mask_weight)
            all_losses, caches["mask"] = {**all_losses, **losses}, self.keep((c_mask, c_loss))
        if "keypoint" in self.heads:
            heatmaps, c_keypoint = self._keypoint_forward(pyramid, rois, image_index)
            losses, c_loss = keypoint.keypoint_loss_forward(heatmaps, targets=keypoint_targets)
            all_losses, caches["keypoint"] = {**all_losses, **losses}, self.keep((c_keypoint, c_loss))
        return all_losses, self.keep(caches)

    def backward(self, dlosses, cache):
        dpyramid_keypoint = dpyramid_mask = None
        if "keypoint" in self.heads:
            c_keypoint, c_loss = cache["keypoint"]
            dpyramid_keypoint = self._keypoint_backward(keypoint.keypoint_loss_backward(dlosses, c_loss), c_keypoint)
        if "mask" in self.heads:
            c_mask, c_loss = cache["mask"]
            dpyramid_mask = self._mask_backward(mask.mask_loss_backward(dlosses, c_loss), c_mask)
        c_box, c_box_loss = cache["box"]
        dpyramid_box = self._box_backward(box.box_loss_backward(dlosses, c_box_loss), c_box)
        return sum_grads(dpyramid_keypoint, dpyramid_mask, dpyramid_box)

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

    def _keypoint_forward(self, pyramid, rois, image_index):
        crops, c_pool = self.keypoint_roi_pool.forward(pyramid, rois=rois, image_index=image_index)
        h, c_head = self.keypoint_head.forward(crops)
        heatmaps, c_predictor = self.keypoint_predictor.forward(h)
        return heatmaps, self.keep((c_pool, c_head, c_predictor))

    def _keypoint_backward(self, dheatmaps, cache):
        c_pool, c_head, c_predictor = cache
        dh = self.keypoint_predictor.backward(dheatmaps, c_predictor)
        dcrops = self.keypoint_head.backward(dh, c_head)
        return self.keypoint_roi_pool.backward(dcrops, c_pool)

    # ------------------------------------------------------------ inference

    def detect(self, pyramid, proposals, valid, *, sizes):
        """The final boxes of every image with the mask of the class each was given, and its keypoints' heatmaps.

        pyramid [(N, H, W, C)] * L, proposals (N, P, 4), valid (N, P), sizes (N, 2)  ->  Found

        Masks and heatmaps are predicted for the final boxes only: fewer and better crops than the proposals were.
        """
        (logits, deltas), _ = self._box_forward(pyramid, proposals.reshape(-1, 4), _image_index(valid))
        found, labels, scores, keep = detections_from_boxes(logits, deltas, proposals, valid, self.config, sizes=sizes)
        rows = rows_in_use(keep.reshape(-1))
        rois, image_index = found.reshape(-1, 4)[rows], _image_index(keep)[rows]
        masks = heatmaps = None
        if "mask" in self.heads:
            logits, _ = self._mask_forward(pyramid, rois, image_index, labels.reshape(-1)[rows])
            masks = _padded(activation.sigmoid_forward(logits)[0], rows, keep.shape)
        if "keypoint" in self.heads:
            heatmaps, _ = self._keypoint_forward(pyramid, rois, image_index)
            heatmaps = _padded(heatmaps, rows, keep.shape)
        return Found(found, labels, scores, keep, masks, heatmaps)


def _padded(values, rows, shape):
    """Put computed rows back among those that were left out, which stay 0: values (R, ...)  ->  (N, D, ...)."""
    xp = array_module(values)
    padded = xp.zeros((shape[0] * shape[1], *values.shape[1:]), values.dtype)
    padded[rows] = values
    return padded.reshape(*shape, *values.shape[1:])


def _image_index(per_image):
    """(N, P)  ->  (N*P,) the image each row belongs to."""
    xp = array_module(per_image)
    n, p = per_image.shape
    return xp.repeat(xp.arange(n), p)
