"""Configurations of the steps around the heads: losses from samples, keypoints, masks pasted, pictures resized."""

from types import SimpleNamespace

import numpy as np
from parity import draws

from tinymaskrcnn.config import ModelConfig, RoIConfig
from tinymaskrcnn.data import resizing
from tinymaskrcnn.models import postprocess, transform
from tinymaskrcnn.models.heads import box
from tinymaskrcnn.models.heads.keypoint import KeypointHead
from tinymaskrcnn.targets import keypoint

# ---------------------------------------------------------------- the box head's losses


def draw_box_loss(rng, number):
    K, classes = draws._count(rng, 2, 12), draws._count(rng, 2, 5)
    labels = rng.integers(0, classes, K)
    labels[0] = 1  # at least one positive
    arrays = dict(logits=3 * rng.standard_normal((K, classes)), deltas=rng.standard_normal((K, classes, 4)))
    return arrays | dict(labels=labels, targets=rng.standard_normal((K, 4)), dlosses=rng.uniform(0.5, 2, 2)), {}


def box_loss(arrays, settings):
    weight = np.ones(len(arrays["labels"]))
    samples = SimpleNamespace(labels=arrays["labels"], deltas=arrays["targets"], weight=weight)
    head = box.BoxHead(1, 2, RoIConfig(beta=1 / 9, head_width=1), rng=np.random.default_rng(0))
    losses, cache = head.loss_forward((arrays["logits"], arrays["deltas"]), seen=samples)
    dlosses = dict(zip(("box_class", "box_delta"), arrays["dlosses"]))
    dlogits, ddeltas = head.loss_backward(dlosses, cache)
    return {**losses, "dlogits": dlogits, "ddeltas": ddeltas}


# ---------------------------------------------------------------- keypoints


def draw_keypoints(rng, number):
    """Keypoints of one picture, inside and outside of their RoIs, some exactly on the last edge."""
    M, Q, J, size = draws._count(rng, 1, 4), draws._count(rng, 1, 5), draws._count(rng, 2, 5), (4, 8, 6)[number % 3]
    rois, matched = draws._boxes(rng, Q, 60, 80), rng.integers(0, M, Q)
    keypoints = rng.uniform(0, 1, (1, M, J, 3)) * (80, 60, 3)
    keypoints[..., 2] = np.floor(keypoints[..., 2])  # visibility 0, 1, 2
    centre = (rois[0, :2] + rois[0, 2:]) / 2
    keypoints[0, matched[0], 0] = *centre, 2  # at least one that counts
    keypoints[0, matched[0], 1] = rois[0, 2], centre[1], 1
    return dict(keypoints=keypoints, rois=rois, matched=matched), dict(size=size)


def keypoint_targets(arrays, settings):
    targets = keypoint.keypoint_targets(**arrays, **settings)
    return {"position": targets.position, "weight": targets.weight}


def draw_keypoint_loss(rng, number):
    arrays, settings = draw_keypoints(rng, number)
    shape = len(arrays["rois"]), settings["size"], settings["size"], arrays["keypoints"].shape[2]
    return arrays | dict(heatmaps=2 * rng.standard_normal(shape), dloss=rng.uniform(0.5, 2, ())), settings


def keypoint_loss(arrays, settings):
    data = {name: arrays[name] for name in ("keypoints", "rois", "matched")}
    targets = keypoint.keypoint_targets(**data, **settings)
    head = KeypointHead(1, 2, RoIConfig(keypoint_widths=(1,)), rng=np.random.default_rng(0))
    losses, cache = head.loss_forward(arrays["heatmaps"], answers=targets)
    dheatmaps = head.loss_backward({"keypoint": arrays["dloss"]}, cache)
    return {"loss": losses["keypoint"], "dheatmaps": dheatmaps}


# ---------------------------------------------------------------- masks and pictures


def draw_paste_masks(rng, number):
    """Boxes inside the picture, as after clipping: torchvision cannot paste one that lies outside."""
    K, S = draws._count(rng, 1, 3), draws._count(rng, 3, 8)
    height, width = draws._size(rng, 10, 20)
    found = np.clip(draws._boxes(rng, K, height, width), 0, [width, height, width, height])
    return dict(masks=rng.uniform(0, 1, (K, S, S)), found=found), dict(height=height, width=width)


def paste_masks(arrays, settings):
    return {"pasted": postprocess.paste_masks(**arrays, **settings, threshold=None, mode="integer")}


def draw_resize_picture(rng, number):
    image = rng.standard_normal((*draws._size(rng, 5, 16), 3))
    boxes = draws._boxes(rng, 5, *image.shape[:2])
    keypoints = rng.uniform(0, 16, (2, 3, 3))
    sides = dict(shorter=draws._count(rng, 6, 20), longer=draws._count(rng, 18, 28))
    return dict(image=image, boxes=boxes, keypoints=keypoints), sides


def resize_picture(arrays, settings):
    config = ModelConfig(resize_shorter=settings["shorter"], resize_longer=settings["longer"])
    image = resizing.resize_to_config(arrays["image"], config)
    sizes = dict(old=arrays["image"].shape[:2], new=image.shape[:2])
    boxes = transform.resize_boxes(arrays["boxes"], **sizes)
    return {"image": image, "boxes": boxes, "keypoints": transform.resize_keypoints(arrays["keypoints"], **sizes)}
