"""Networks of every kind with weights that are all drawn, pictures for them, and the same with other settings."""

import dataclasses

import numpy as np
from tiny_model import drawn, tiny_config, tiny_model

from tinymaskrcnn.explain.trace import changed, trace_detection
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import collate

KINDS = {
    "faster": {"heads": ("box",)},
    "mask": {},
    "softmax objectness": {"objectness": "softmax"},
    "mask scoring": {"mask_iou_widths": (4, 4)},
    "keypoint": {"heads": ("box", "mask", "keypoint")},
    "agnostic mask": {"mask_kind": "agnostic"},
    "softmax mask": {"mask_kind": "softmax"},
    "fc mask": {"mask_kind": "fc"},
    "RoIPool": {"pooling": "pool"},
    "RoIWarp": {"pooling": "warp"},
    "PrRoIPool": {"pooling": "prroi"},
    "C4": {"fpn": "c4", "norm": "group"},
    "C5": {"fpn": "c5"},
    "finest map": {"fpn": "p2"},
    "VGG": {"kind": "vgg", "fpn": "c4"},
    "exact joint": {"box_gradient": "features+targets"},
    "v2": {"version": "v2"},
}


def network(kind, seed):
    return tiny_model(seed=seed, **KINDS[kind]).eval()


def fast_network(seed):
    """A Fast R-CNN, which is given its proposals."""
    config = dataclasses.replace(tiny_config(heads=("box",), pooling="pool"), system="fast_rcnn")
    return drawn(build_model(config, rng=np.random.default_rng(seed)), seed).eval()


def picture(seed, size=(50, 64)):
    """Not as large as a batch has it: (H, W, 1)."""
    return np.random.default_rng(seed).random((*size, 1)).astype(np.float32)


def some_boxes(seed, count=12, size=(50, 64)):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, min(size) - 10, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(8, 24, (count, 2))], axis=1).astype(np.float32)


def with_settings(model, settings):
    """The same weights in a network that was built with other settings."""
    twin = build_model(changed(model.config, settings), rng=np.random.default_rng(0))
    return twin.load_state_dict(model.state_dict()).eval()


def detected(model, image, **given):
    batch = collate([image])
    return model.detect(batch.images, sizes=batch.sizes, **given)[0]


def goes_on(model, image, trace, row, setting, value):
    """Whether a detection of a trace passes the step that a setting is of, in a network that was built with a value."""
    twin = with_settings(model, {setting: value})
    if setting.startswith("roi."):
        found = detected(twin, image)
        same = (found.boxes == trace.detections.boxes[row]).all(axis=1) & (found.labels == trace.detections.labels[row])
        return bool(same.any())
    anchor, other = trace.proposals.anchor[trace.origins[row]], trace_detection(twin, image)
    if setting == "rpn.post_nms_top_n":
        return bool((other.proposals.anchor == anchor).any())
    at = np.flatnonzero(other.candidates.anchor == anchor)
    return bool(len(at)) if setting == "rpn.pre_nms_top_n" else bool(other.candidates.kept[at[0]])
