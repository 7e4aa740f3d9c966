"""Pretraining: a backbone first learns to tell single objects apart, as classification of pictures taught it then.

R-CNN and all that followed it began with a network that had been trained on ImageNet's pictures of one object each.
Here the pictures are cut out of the scenes themselves: every object, brought to one size, and as many windows without
one, which are a class too. What the backbone learned is then transplanted into any detector on the same backbone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import array_module, move_like, to_host
from ..errors import ArgumentError, CheckpointError, listed
from ..models.mask_rcnn import Normalize
from ..nn.init import normal
from ..nn.layers import Linear
from ..nn.module import Module
from ..ops import average_pool, boxes, losses, warp
from ..plain_arrays import check_floats
from .checkpoint import naming
from .loop import resume, run_training
from .progress import Progress

SIZE, CONTEXT = 64, 8  # pixels of a crop, and how many of them on each side lie around the object
FAR = 0.3  # a window without an object overlaps none by more, as IoU
BODY = "backbone.body."  # how the names of what is transplanted begin, in every detector


@dataclass(frozen=True)
class Crops:
    """Where to cut: boxes (K, 4), image_index (K,), labels (K,) with 0 = no object, weight (K,) 0 for padding."""

    boxes: Any
    image_index: Any
    labels: Any
    weight: Any


def choose_crops(targets, sizes, *, rng):
    """Every object, and for each a window of its size somewhere else: TargetBatch with boxes (N, M, 4)  ->  Crops

    A window has weight 0 where it overlaps an object by more than FAR. Its size says nothing, for it is an object's.
    """
    xp, (n, m) = array_module(targets.boxes), targets.valid.shape
    place = move_like(rng.random((n, m, 2)), targets.boxes).astype(targets.boxes.dtype)
    extent = targets.boxes[..., 2:] - targets.boxes[..., :2]
    room = xp.maximum(sizes[:, None, ::-1] - extent, 0).astype(extent.dtype)
    corner = place * room
    windows = xp.concatenate([corner, corner + extent], axis=2)
    overlap = xp.where(targets.valid[:, None, :], boxes.iou_matrix(windows, targets.boxes), 0).max(axis=2)
    image_index = xp.broadcast_to(xp.arange(n)[:, None], (n, m))
    one = xp.asarray([0, 0, 1, 1], extent.dtype)  # padding: some harmless box
    cut = xp.where(targets.valid[..., None], xp.stack([targets.boxes, windows]), one)  # (2, N, M, 4)
    return Crops(
        boxes=cut.reshape(-1, 4),
        image_index=xp.concatenate([image_index, image_index]).reshape(-1),
        labels=xp.stack([targets.labels, xp.zeros_like(targets.labels)]).reshape(-1),
        weight=xp.stack([targets.valid, targets.valid & (overlap <= FAR)]).reshape(-1).astype(extent.dtype),
    )


class CropClassifier(Module):
    """A detector's backbone, without its pyramid, that names what a crop shows: its last map, the mean, one layer.

    forward(images, targets=, sizes=, rng=) -> ({"class": loss}, cache) and backward(dlosses, cache), as a Trainer asks.
    """

    def __init__(self, model, *, rng):
        config = model.config
        self.normalize = Normalize(config.image_mean, config.image_std)
        self.body = model.backbone.body
        channels = config.backbone.stage_channels[2 if config.backbone.fpn == "c4" else 3]
        self.predictor = Linear(channels, config.num_classes, rng=rng, init=normal(0.01))

    def members(self):
        return [("normalize", self.normalize), (BODY[:-1], self.body), ("predictor", self.predictor)]

    def forward(self, images, *, targets, sizes, rng=None, samples=None):
        crops = samples or choose_crops(targets, sizes, rng=rng)
        (logits, cache), weight = self.name(images, sizes, crops), crops.weight
        loss, c_loss = losses.softmax_cross_entropy_forward(
            logits, labels=crops.labels, weight=weight, normalizer=losses.total_weight(weight)
        )
        return {"class": loss}, self.keep((cache, c_loss))

    def backward(self, dlosses, cache):
        """Mirror of forward: dimages (N, H, W, C), None when the first layers are frozen."""
        cache, c_loss = cache
        return self.name_backward(losses.softmax_cross_entropy_backward(dlosses["class"], c_loss), cache)

    def name(self, images, sizes, crops):
        """images (N, H, W, C), sizes (N, 2), Crops  ->  logits (K, num_classes), cache"""
        x, c_normalize = self.normalize.forward(images, sizes=sizes)
        cut, c_cut = warp.warp_forward(x, boxes=crops.boxes, image_index=crops.image_index, size=SIZE, context=CONTEXT)
        features, c_body = self.body.forward(cut)
        mean, c_mean = average_pool.global_avg_pool2d_forward(features[-1])
        logits, c_predictor = self.predictor.forward(mean)
        return logits, self.keep((c_normalize, c_cut, len(features), c_body, c_mean, c_predictor))

    def name_backward(self, dlogits, cache):
        """Mirror of name."""
        c_normalize, c_cut, maps, c_body, c_mean, c_predictor = cache
        dmean = self.predictor.backward(dlogits, c_predictor)
        dlast = average_pool.global_avg_pool2d_backward(dmean, c_mean)
        dcut = self.body.backward([None] * (maps - 1) + [dlast], c_body)
        dx = None if dcut is None else warp.warp_backward(dcut, c_cut)
        return self.normalize.backward(dx, c_normalize)


def pretrain(training, *, on_start=lambda step: None):
    """Train the backbone of the model as a classifier of crops, from wherever the run stopped. See procedures.joint."""
    settings = training.config.train
    classifier = new_classifier(training.model, settings.seed, device=training.device)
    trainer = training.trainer(classifier)
    start = resume(trainer, training.run)
    on_start(start)
    with Progress(settings.steps, start=start) as progress:
        return run_training(trainer, training.run, on_row=progress)


def new_classifier(model, seed, *, device="cpu"):
    """A CropClassifier around the backbone of a detector, where that is."""
    classifier = CropClassifier(model, rng=np.random.default_rng([seed, 1]))
    if device != "cpu":
        classifier.predictor.to_device(device)
    return classifier


def crop_accuracy(classifier, batches, *, rng):
    """The share that is named rightly of objects and of windows without one: {"objects", "no_object", "crops"}."""
    classifier.eval()
    right, count = np.zeros(2), np.zeros(2)
    for batch in batches:
        crops = choose_crops(batch.targets, batch.sizes, rng=rng)
        logits, _ = classifier.name(batch.images, batch.sizes, crops)
        named, labels, used = (to_host(a) for a in (logits.argmax(axis=1), crops.labels, crops.weight > 0))
        kind = (labels == 0).astype(int)
        right += np.bincount(kind, weights=used & (named == labels), minlength=2)
        count += np.bincount(kind, weights=used, minlength=2)
    shares = np.where(count > 0, right / np.maximum(count, 1), -1).tolist()
    return {"objects": shares[0], "no_object": shares[1], "crops": int(count.sum())}


# ---------------------------------------------------------------- into a detector


def load_backbone(run):
    """What the backbone of a pretraining run learned: {name: array}; ArgumentError for a run that is something else."""
    if run.config.train.procedure != "pretrain":
        raise ArgumentError(
            f"{run.path} was trained by procedure {run.config.train.procedure!r}, and holds a detector; a backbone "
            "comes from a run with train.procedure 'pretrain'"
        )
    with naming(run.checkpoint_file):
        arrays = run.load().model
    return {name: array for name, array in arrays.items() if name.startswith(BODY)}


def transplant(model, arrays):
    """Copy a pretrained backbone into a detector; CheckpointError names what does not fit."""
    state = model.state_dict()
    own = {name for name in state if name.startswith(BODY)}
    wrong = sorted(n for n in own | set(arrays) if n not in own or n not in arrays or arrays[n].shape != state[n].shape)
    if wrong:
        raise CheckpointError(
            f"the pretrained backbone is another one: {listed(wrong, most=4)} missing on one side, or of another shape"
        )
    for name in own:
        check_floats(f"the pretrained backbone: {name}", arrays[name], error=CheckpointError)
    return model.load_state_dict(state | arrays)
