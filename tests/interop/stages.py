"""Everything our model computes between a picture and its detections, and one step of training with given samples."""

import numpy as np

from tinymaskrcnn.interop.torchvision import to_torchvision
from tinymaskrcnn.models.postprocess import detections_from_boxes
from tinymaskrcnn.ops import activation
from tinymaskrcnn.structures import collate
from tinymaskrcnn.targets import roi as roi_targets
from tinymaskrcnn.targets import rpn as rpn_targets


def stages(model, images):
    """The stages of `peer.stages` by the same names, rows of padding left out; images as (H, W, C) arrays."""
    batch = collate(images)
    dtype = model.rpn.head.cls_logits.bias.value.dtype
    sizes, heads, found = batch.sizes, model.roi_heads, {}
    found["input"], _ = model.normalize.forward(batch.images.astype(dtype), sizes=sizes)
    features, _ = model.backbone.body.forward(found["input"])
    pyramid, _ = model.backbone.fpn.forward(features)
    found |= {f"C{i}": x for i, x in enumerate(features, start=2)} | {
        f"P{i}": x for i, x in enumerate(pyramid, start=2)
    }
    (logits, deltas), _ = model.rpn.forward(pyramid)
    anchors = model.rpn.anchors(pyramid, batch.images.shape[1:3])
    found |= {"objectness": logits[..., 0], "rpn_deltas": deltas, "anchors": np.concatenate(anchors)}
    proposals, valid = model.rpn.propose(logits, deltas, anchors, sizes=sizes)
    found["proposals"] = proposals[valid]

    def crops(pool, boxes, rows):
        image_index = np.nonzero(rows)[0]
        return pool.forward(pyramid, rois=boxes[rows], image_index=image_index)[0]

    def spread(values, rows):
        """Values of the valid rows among rows of zeros."""
        whole = np.zeros((*rows.shape, *values.shape[1:]), values.dtype)
        whole[rows] = values
        return whole.reshape(-1, *values.shape[1:])

    found["box_crops"] = crops(heads.box_roi_pool, proposals, valid)
    h, _ = heads.box_head.forward(found["box_crops"])
    (found["class_logits"], found["box_deltas"]), _ = heads.box_predictor.forward(h)
    outputs = [spread(found[name], valid) for name in ("class_logits", "box_deltas")]
    boxes, labels, scores, rows = detections_from_boxes(*outputs, proposals, valid, heads.config, sizes=sizes)
    found |= {"boxes": boxes[rows], "labels": labels[rows], "scores": scores[rows]}
    if "mask" in heads.heads:
        found["mask_crops"] = crops(heads.mask_roi_pool, boxes, rows)
        h, _ = heads.mask_head.forward(found["mask_crops"])
        logits, _ = heads.mask_predictor.forward(h, channel=labels[rows])
        found["mask_probabilities"] = activation.sigmoid_forward(logits)[0]
    if "keypoint" in heads.heads:
        found["keypoint_crops"] = crops(heads.keypoint_roi_pool, boxes, rows)
        h, _ = heads.keypoint_head.forward(found["keypoint_crops"])
        found["heatmaps"], _ = heads.keypoint_predictor.forward(h)
    return found


# ---------------------------------------------------------------- a step of training


def training_step(model, batch, anchors, rois):
    """(losses, gradients by torchvision's names and in its layout, state after the step) with the samples given.

    anchors, rois: per image which of its anchors, and which of its proposals followed by its objects, are sampled. All
    else (matching, labels, deltas, mask targets) is decided by our own code.
    """
    images, sizes, targets = batch
    model.train()
    model.zero_grad()
    losses, cache = with_samples(model, images, targets, sizes, anchors, rois)
    model.backward({name: np.ones_like(loss) for name, loss in losses.items()}, cache)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    losses = {name: float(loss) for name, loss in losses.items()}
    return losses, to_torchvision(gradients, model.config), to_torchvision(model.state_dict(), model.config)


def with_samples(model, images, targets, sizes, anchors, rois):
    """model.forward, its random choices replaced by those given."""
    originals = rpn_targets.balanced_sample, roi_targets.balanced_sample

    def sampled_rois(label, keys, *, count, positive_fraction):
        """The rows of padding between proposals and objects, on either side, are taken out of the way."""
        chosen = np.zeros(label.shape, bool)
        m = targets.valid.shape[1]
        for n, given in enumerate(rois):
            objects = int(targets.valid[n].sum())
            proposals = len(given) - objects
            chosen[n, :proposals] = given[:proposals]
            chosen[n, label.shape[1] - m : label.shape[1] - m + objects] = given[proposals:]
        return chosen

    try:
        rpn_targets.balanced_sample = lambda label, keys, **_: np.stack(anchors)
        roi_targets.balanced_sample = sampled_rois
        return model.forward(images, targets=targets, sizes=sizes, rng=np.random.default_rng(0))
    finally:
        rpn_targets.balanced_sample, roi_targets.balanced_sample = originals
