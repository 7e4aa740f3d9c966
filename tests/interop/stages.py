"""Everything our model computes between a picture and its detections, and one step of training with given samples."""

import numpy as np

from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.interop.torchvision import to_torchvision
from tinymaskrcnn.models.postprocess import detections_from_boxes
from tinymaskrcnn.ops import activation
from tinymaskrcnn.structures import collate
from tinymaskrcnn.targets import roi as roi_targets
from tinymaskrcnn.targets import rpn as rpn_targets
from tinymaskrcnn.targets.matcher import NEGATIVE, POSITIVE


def stages(model, images):
    """The stages of `peer.stages` by the same names, rows of padding left out; images as (H, W, C) arrays."""
    batch = collate(images)
    dtype = model.rpn.head.cls_logits.bias.value.dtype
    sizes, heads, found = batch.sizes, model.roi_heads.heads, {}
    found["input"], _ = model.normalize.forward(batch.images.astype(dtype), sizes=sizes)
    features, _ = model.backbone.body.forward(found["input"])
    pyramid, _ = model.backbone.fpn.forward(features)
    found |= {f"C{i}": x for i, x in enumerate(features, start=2)} | {
        f"P{i}": x for i, x in enumerate(pyramid, start=2)
    }
    (logits, deltas), _ = model.rpn.forward(pyramid)
    anchors = model.rpn.anchors(pyramid, batch.images.shape[1:3])
    found |= {"objectness": logits, "rpn_deltas": deltas, "anchors": np.concatenate(anchors)}
    proposals, valid = model.rpn.propose(pyramid, logits, deltas, image_size=batch.images.shape[1:3], sizes=sizes)
    found["proposals"] = proposals[valid]

    def crops(pool, boxes, rows):
        image_index = np.nonzero(rows)[0]
        return pool.forward(pyramid, rois=boxes[rows], image_index=image_index)[0]

    def spread(values, rows):
        """Values of the valid rows among rows of zeros."""
        whole = np.zeros((*rows.shape, *values.shape[1:]), values.dtype)
        whole[rows] = values
        return whole.reshape(-1, *values.shape[1:])

    found["box_crops"] = crops(heads["box"].pool, proposals, valid)
    h, _ = heads["box"].body.forward(found["box_crops"])
    (found["class_logits"], found["box_deltas"]), _ = heads["box"].predictor.forward(h)
    outputs = [spread(found[name], valid) for name in ("class_logits", "box_deltas")]
    boxes, labels, scores, rows = detections_from_boxes(*outputs, proposals, valid, model.roi_heads.config, sizes=sizes)
    found |= {"boxes": boxes[rows], "labels": labels[rows], "scores": scores[rows]}
    if "mask" in heads:
        found["mask_crops"] = crops(heads["mask"].pool, boxes, rows)
        h, _ = heads["mask"].body.forward(found["mask_crops"])
        logits, _ = heads["mask"].predictor.forward(h, channel=labels[rows])
        found["mask_probabilities"] = activation.sigmoid_forward(logits)[0]
    if "keypoint" in heads:
        found["keypoint_crops"] = crops(heads["keypoint"].pool, boxes, rows)
        h, _ = heads["keypoint"].body.forward(found["keypoint_crops"])
        found["heatmaps"], _ = heads["keypoint"].predictor.forward(h)
    return found


# ---------------------------------------------------------------- a step of training


def training_step(model, batch, anchors, rois):
    """Losses; gradients and state after the step in torchvision's layout; labels of anchors and of RoIs.

    anchors, rois: per image which of its anchors, and which of its proposals followed by its objects, are sampled. All
    else (matching, labels, deltas, mask targets) is decided by our own code.
    """
    images, sizes, targets = batch
    model.train()
    model.zero_grad()
    losses, cache, labels = with_samples(model, images, targets, sizes, anchors, rois)
    model.backward({name: np.ones_like(loss) for name, loss in losses.items()}, cache)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    losses = {name: float(loss) for name, loss in losses.items()}
    gradients, state = (to_torchvision(arrays, model.config) for arrays in (gradients, model.state_dict()))
    return losses, gradients, state, labels


def with_samples(model, images, targets, sizes, anchors, rois):
    """model.forward, its random choices replaced by those given; and how it labelled what it could choose from."""
    originals, labels = (rpn_targets.balanced_sample, roi_targets.balanced_sample), {}

    def sampled_anchors(label, keys, **_):
        labels["anchors"] = [in_their_words(row) for row in label]
        return np.stack(anchors)

    def sampled_rois(label, keys, **_):
        """Between proposals and objects, and behind them, our side has rows of padding."""
        chosen, labels["rois"] = np.zeros(label.shape, bool), []
        first_object = label.shape[1] - targets.valid.shape[1]
        for n, given in enumerate(rois):
            objects = int(targets.valid[n].sum())
            rows = np.r_[: len(given) - objects, first_object : first_object + objects]
            chosen[n, rows] = given
            labels["rois"].append(in_their_words(label[n, rows]))
        return chosen

    try:
        rpn_targets.balanced_sample, roi_targets.balanced_sample = sampled_anchors, sampled_rois
        losses, cache = model.forward(images, targets=targets, sizes=sizes, rng=np.random.default_rng(0))
    finally:
        rpn_targets.balanced_sample, roi_targets.balanced_sample = originals
    return losses, cache, labels


def in_their_words(label):
    """Positive, neutral, negative: 1, 0, -1 here, 1, -1, 0 in torchvision."""
    return np.select([label == POSITIVE, label == NEGATIVE], [1, 0], -1).astype(np.int8)


# ---------------------------------------------------------------- whole pictures


def detections(model, images):
    """What our model says about whole pictures, resized as its settings ask: one dictionary of arrays per picture."""
    found = Detector(model.eval()).detect(images)
    return [{name: value for name, value in vars(one).items() if value is not None} for one in found]
