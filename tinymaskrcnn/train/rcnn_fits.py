"""What R-CNN makes of its network: features of every box, a classifier for each class, a regression for each class.

Each function does the work of one file of a stage; `stages` is the Stages of rcnn_stages.py.
"""

import numpy as np

from ..backend import to_host
from ..devices import to_device
from ..ops.boxes import encode, iou_matrix
from ..structures import collate
from .ridge import fit_ridge
from .svm import mine_svm

NORMED = 200  # pictures whose features say how long features are


def features(stages, shard):
    """What the network says about the boxes of some pictures.

    ->  fc7 (K, width) of objects and, behind them, proposals, picture by picture; of proposals that overlap an object
    enough to learn where it lies: near_pool5 (R, F), near_labels (R,), near_deltas (R, 4)
    """
    fc7, near = [], []
    weights, least = stages.config.model.roi.delta_weights, stages.config.model.rcnn.ridge_iou
    for number in shard:
        objects, labels, proposals = stages.pictures[0][number]
        pool5, said = _look_at(stages, stages.stream.scene(number)[0], np.concatenate([objects, proposals]))
        iou = iou_matrix(proposals, objects)
        rows = np.flatnonzero(iou.max(axis=1, initial=0) >= least) if len(objects) else np.zeros(0, np.int64)
        matched = iou[rows].argmax(axis=1) if len(rows) else rows
        deltas = encode(objects[matched], proposals[rows], weights=weights)
        fc7.append(said)
        near.append((pool5[len(objects) + rows], labels[matched], deltas))
    pool5, labels, deltas = (np.concatenate(arrays) for arrays in zip(*near))
    return {"fc7": np.concatenate(fc7), "near_pool5": pool5, "near_labels": labels, "near_deltas": deltas}


def _look_at(stages, image, boxes):
    """pool5 (K, F) and fc7 (K, width) of boxes (K, 4) in a picture, on the host."""
    device, model = stages.training.device, stages.model
    batch = collate([image]).to_device(device)
    x, _ = model.normalize.forward(batch.images, sizes=batch.sizes)
    where = {"rois": to_device(boxes, device), "image_index": to_device(np.zeros(len(boxes), np.int64), device)}
    return tuple(map(to_host, model.roi_heads.heads["box"].features([x], **where)))


def classifier(stages, label):
    """The support vector machine of a class, as weight (width,) and bias () for features as they come.

    Positives are the objects alone; negatives the boxes that overlap no object of the class by svm_negative_iou. What
    lies between is left out.
    """
    rcnn = stages.config.model.rcnn
    scale = rcnn.feature_norm / _mean_length(stages, "fc7")
    fit = {"C": rcnn.svm_c, "positive_weight": rcnn.svm_positive_weight, "bias_multiplier": rcnn.svm_bias_multiplier}
    positives = [own[labels == label] for own, labels, _, _ in _pictures(stages)]

    def negatives():
        for _, labels, said, iou in _pictures(stages):
            yield said[iou[:, labels == label].max(axis=1, initial=0) < rcnn.svm_negative_iou] * scale

    rng = np.random.default_rng([stages.config.train.seed, label])
    options = {"retrain_after": rcnn.svm_retrain_after, "rng": rng, **fit}
    svm = mine_svm(np.concatenate(positives) * scale, negatives(), **options)
    return {"weight": svm.weight * scale, "bias": np.array(svm.bias)}


def _pictures(stages):
    """Yield of every picture fc7 of its objects (M, width), their labels (M,), fc7 of its proposals (P, width), and
    the IoU of these with the objects (P, M)."""
    pictures = iter(stages.pictures[0])
    for shard, arrays in zip(stages.shards, stages.read("features")):
        rest = arrays["fc7"]
        for _ in shard:
            objects, labels, proposals = next(pictures)
            own, said, rest = np.split(rest, [len(objects), len(objects) + len(proposals)])
            yield own, labels, said, iou_matrix(proposals, objects)


def _mean_length(stages, part):
    """The mean length of rows of features, of the first pictures; 1 without rows."""
    lengths, seen = [], 0
    for shard, arrays in zip(stages.shards, stages.read("features")):
        lengths.append(np.linalg.norm(arrays[part].astype(np.float64), axis=1))
        seen += len(shard)
        if seen >= NORMED:
            break
    lengths = np.concatenate(lengths)
    return max(float(lengths.mean()), 1e-12) if len(lengths) else 1.0


def regression(stages, _):
    """The ridge of every class, as weight (F, classes * 4) and bias (classes * 4,) for features as they come."""
    rcnn, parts = stages.config.model.rcnn, ("near_pool5", "near_labels", "near_deltas")
    shards = list(stages.read("features"))
    pool5, labels, deltas = (np.concatenate([shard[part] for shard in shards]) for part in parts)
    scale = rcnn.feature_norm / _mean_length(stages, "near_pool5")
    fits = []
    for label in range(1, stages.config.model.num_classes):
        rows = labels == label
        fits.append(fit_ridge(pool5[rows] * scale, deltas[rows], strength=rcnn.ridge_strength))
    weight, bias = (np.concatenate(arrays, axis=-1) for arrays in zip(*fits))
    return {"weight": weight * scale, "bias": bias}
