"""Small random relatives of torchvision's models: settings, weights under torchvision's names, pictures and objects.

Nothing here needs torch, so that the same cases can be compared with stored answers.
"""

import dataclasses
from pathlib import Path

import numpy as np

from tinymaskrcnn.config import TORCHVISION_KINDS, torchvision_preset
from tinymaskrcnn.interop.shapes import expected_shapes
from tinymaskrcnn.structures import Target, collate

KINDS = TORCHVISION_KINDS
C4 = "fasterrcnn_resnet_c4"  # no model of torchvision's own, but one that its parts make
ALL = (*KINDS, C4)
FIXTURES = Path(__file__).parent.parent / "fixtures"
SIZES = ((96, 128), (96, 116))  # of the two pictures; the second is padded
HEIGHT, WIDTH = 96, 128
NUM_KEYPOINTS = 5


def settings(kind, seed=0):
    """A ModelConfig with random widths; of four seeds in a row one has basic blocks and one grouped convolutions."""
    if kind == C4:
        return c4_settings(seed)
    rng = np.random.default_rng([seed, KINDS.index(kind)])

    def draw(low, high, count=None, step=1):
        values = rng.integers(low, high + 1, count) * step
        return int(values) if count is None else tuple(int(v) for v in values)

    shape = (seed + KINDS.index(kind)) % 4
    body = {"depths": draw(1, 2, 4) if seed else (1, 1, 1, 1), "widths": draw(2, 4, 4, step=4)}
    body |= {"stem_width": draw(4, 8), "fpn_channels": draw(4, 8)}
    if shape == 0:
        body["block"] = "basic"
    elif shape == 3:
        body |= {"groups": 2, "group_width": 128}
    v2 = kind.endswith("_v2")
    roi = {"head_width": draw(8, 16), "mask_widths": draw(4, 8, draw(1, 4)), "mask_deconv_width": draw(4, 8)}
    roi |= {"keypoint_widths": draw(4, 8, draw(1, 4)), "num_keypoints": NUM_KEYPOINTS}
    roi |= {"box_convs": draw(4, 8, draw(1, 4)) if v2 else (), "canonical_size": 40.0}
    roi |= {"samples_per_image": 32, "detections_per_image": 12, "nms_iou": 0.4}
    rpn = {"conv_depth": draw(1, 3), "anchor_sizes": ((12,), (20,), (32,), (56,), (90,))}
    rpn |= {"samples_per_image": 48, "pre_nms_top_n": (80, 40), "post_nms_top_n": (60, 30)}
    classes = draw(2, 6)
    sides = {"resize_shorter": HEIGHT, "resize_longer": WIDTH}
    return torchvision_preset(kind, num_classes=classes, backbone=body, rpn=rpn, roi=roi, **sides)


def c4_settings(seed=0):
    """Faster R-CNN on C4 with nine anchors, the last stage as its head; basic blocks, bottlenecks, groups in turn."""
    config = settings(KINDS[0], seed)
    rng = np.random.default_rng([seed, 9])
    body = {"fpn": "c4", "block": "basic" if seed % 3 == 0 else "bottleneck", "groups": 1, "group_width": 64}
    if seed % 3 == 2:
        body |= {"groups": 2, "group_width": 128}
    if norm := "batch" if seed % 2 else "":
        body |= {"norm": "batch", "norm_eps": 1e-5}
    if seed:
        body["depths"] = tuple(int(n) for n in rng.integers(1, 3, 4))
    rpn = dataclasses.replace(config.rpn, anchor_sizes=((16, 32, 64),))
    roi = dataclasses.replace(config.roi, box_size=int(rng.integers(5, 9)), box_norm=norm)
    return dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, **body), rpn=rpn, roi=roi)


# Standard deviations times sqrt(inputs): He's 1.4 where a ReLU follows, less in blocks whose output is added.
GAINS = {"body.conv1": 0.5, "body.": 0.8, "fpn.inner": 0.5, "rpn.head.bbox_pred": 0.3, "rpn.head.cls_logits": 2.0}
GAINS |= {"cls_score": 3.0, "bbox_pred": 2.0, "kps_score": 3.0}


def weights(config, seed=0, dtype=np.float64):
    """{torchvision name: array} drawn so that activations keep their size and the heads are sure of themselves."""
    rng = np.random.default_rng([seed, 1])
    arrays = {}
    for name, shape in expected_shapes(config).items():
        if name.endswith("running_var"):
            array = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1 and name.endswith(".weight"):
            array = rng.uniform(0.7, 1.3, shape)
        elif len(shape) == 1:
            array = rng.normal(0, 0.1, shape)
        else:
            inputs = shape[0] if "conv5_mask" in name or "kps_score" in name else np.prod(shape[1:])
            gain = next((gain for part, gain in GAINS.items() if part in name), 1.4)
            array = rng.normal(0, gain / np.sqrt(inputs), shape)
        arrays[name] = array.astype(np.float32).astype(dtype)
    return arrays


def pictures(seed=0, sizes=SIZES):
    """(H, W, 3) uint8 pictures: noise over soft blobs."""
    rng = np.random.default_rng([seed, 2])
    images = []
    for height, width in sizes:
        y, x = np.mgrid[:height, :width] / 16
        waves = [np.sin(rng.uniform(0.2, 1) * x + rng.uniform(0.2, 1) * y + rng.uniform(0, 6)) for _ in range(3)]
        image = 0.5 + 0.3 * np.stack(waves, axis=2) + rng.uniform(-0.2, 0.2, (height, width, 3))
        images.append((255 * image).astype(np.uint8))
    return images


def floats(images):
    return [image.astype(np.float32) / np.float32(255) for image in images]


def drawn_sizes(seed, shorter=HEIGHT, longer=WIDTH):
    """The sizes of two or three pictures that a model of these sides leaves as they are; most of them are padded."""
    rng = np.random.default_rng([seed, 4])
    other = rng.integers(shorter, longer + 1, rng.integers(2, 4))
    return tuple((shorter, int(n)) if rng.random() < 0.5 else (int(n), shorter) for n in other)


def objects(config, seed=0, sizes=SIZES):
    """A Target for each picture: boxes, masks that fill them in part, keypoints, some on the border of the box.

    Every picture has an object in its upper left and one in its lower right corner, whose masks go on to the very
    border; others lie anywhere, or at one border.
    """
    rng = np.random.default_rng([seed, 3])
    targets = []
    for n, (height, width) in enumerate(sizes):
        count = 4 - n % 2
        side = rng.uniform(14, 60, (count, 2))
        share = rng.uniform(0, 1, (count, 2))  # of the way from the upper left to the lower right border
        share[0], share[1], share[2, n % 2] = 0, 1, 1
        corner = share * ((width, height) - side)
        boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
        boxes[:, 2:] = np.where(share == 1, (width, height), boxes[:, 2:])
        y, x = np.mgrid[:height, :width] + 0.5
        x1, y1, x2, y2 = boxes.T[..., None, None]
        inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
        ellipse = ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 < 1
        pieces = rng.random((count, -(-height // 5), -(-width // 5))).repeat(5, axis=1).repeat(5, axis=2)
        masks = inside & (ellipse | (pieces[:, :height, :width] < 0.8))
        labels = rng.integers(1, config.num_classes, count)
        places = boxes[:, None, :2] + rng.uniform(-0.2, 1.2, (count, NUM_KEYPOINTS, 2)) * side[:, None]
        places[:, 0] = boxes[:, 2:]  # the last cell, not the one behind it
        visible = rng.integers(0, 3, (count, NUM_KEYPOINTS, 1))
        keypoints = np.concatenate([places, visible], axis=2).astype(np.float32)
        target = Target(boxes, labels, masks if "mask" in config.heads else None)
        targets.append(dataclasses.replace(target, keypoints=keypoints if "keypoint" in config.heads else None))
    return targets


def batch(images, targets, dtype=np.float64):
    """Float pictures and Targets as our model takes them: images, sizes, TargetBatch, floats of that dtype."""
    padded = collate(images, targets)
    targets = dataclasses.replace(padded.targets, boxes=padded.targets.boxes.astype(dtype))
    return padded.images.astype(dtype), padded.sizes, targets
