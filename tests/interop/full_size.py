"""Full-size parity: torchvision's own models with random weights on a picture as large as a photograph, in float32.

    python tests/interop/full_size.py [--kind KIND ...] [--height 800] [--width 1333] [--seed 0]

Needs torch and torchvision; takes about a minute for each kind. Prints the largest difference of boxes, scores, masks
and keypoints, and fails when one is above its bound.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch  # noqa: E402
from interop import peer, small  # noqa: E402
from torchvision.models import detection, resnet50  # noqa: E402
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor  # noqa: E402
from torchvision.ops.misc import FrozenBatchNorm2d  # noqa: E402

from tinymaskrcnn.experiment import Detector  # noqa: E402
from tinymaskrcnn.interop.torchvision import from_state_dict  # noqa: E402

BOUNDS = {"boxes": 1e-2, "scores": 1e-4, "masks": 1e-3, "keypoints": 1e-2}


def build(kind, seed):
    """torchvision's model with random weights, its heads scaled so that it finds about a hundred objects.

    All but the second version have the frozen norms without eps that torchvision gives its COCO weights.
    """
    torch.manual_seed(seed)
    if kind.endswith("_v2"):
        model = getattr(detection, kind)(weights=None, weights_backbone=None)
    else:
        body = resnet50(weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=0.0))
        network = {"f": detection.FasterRCNN, "m": detection.MaskRCNN, "k": detection.KeypointRCNN}[kind[0]]
        model = network(_resnet_fpn_extractor(body, 5), num_classes=2 if kind[0] == "k" else 91)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var") or ("bn" in name and name.endswith("weight")):
                value.uniform_(0.7, 1.3)
            if name.endswith("bn3.weight"):
                value.mul_(0.3)  # each block adds a little, so that activations do not grow over 16 blocks
        spread(model, picture(seed, 800, 1333))
    return model.eval()


def spread(model, image):
    """Scale the heads by what they say about a picture: logits that differ from anchor to anchor and class to class."""
    model.eval()
    found = peer.stages(model, [image])
    scale_to(model.rpn.head.cls_logits, found["objectness"], 2.0)
    scale_to(model.rpn.head.bbox_pred, found["rpn_deltas"], 0.3)
    found, heads = peer.stages(model, [image]), model.roi_heads
    scale_to(heads.box_predictor.cls_score, found["class_logits"], 2.5)
    scale_to(heads.box_predictor.bbox_pred, found["box_deltas"], 1.0)
    if heads.has_mask():  # masks with an inside and an outside, not a plateau at 0.5
        found = peer.stages(model, [image])
        probabilities = found["mask_probabilities"].astype(np.float64)
        scale_to(heads.mask_predictor.mask_fcn_logits, np.log(probabilities / (1 - probabilities)), 3.0)


def scale_to(layer, values, deviation):
    layer.weight.mul_(deviation / float(values.std()))
    layer.bias.sub_(float(values.mean())).mul_(deviation / float(values.std()))


def picture(seed, height, width):
    """Smooth structure of many sizes under a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = np.zeros((height, width, 3), np.float32)
    for size in (12, 25, 50, 100, 200, 400):
        for channel in range(3):
            fx, fy, phase = rng.uniform(-1, 1, 3)
            image[..., channel] += np.sin((fx * x + fy * y) * 6 / size + 6 * phase)
    blobs = (np.sin(x / 37 + 2 * np.sin(y / 53)) > 0.6)[..., None] * rng.uniform(-2, 2, 3)
    image = 0.5 + 0.12 * (image + blobs) + rng.normal(0, 0.03, image.shape)
    return np.clip(image, 0, 1).astype(np.float32)


def differences(got, want):
    """Boxes in pixels, scores, the share of mask pixels that differ, keypoints in pixels."""
    if not np.array_equal(got.labels, want["labels"]):
        raise SystemExit(f"other labels were found: {got.labels.tolist()} instead of {want['labels'].tolist()}")
    found = {"boxes": np.abs(got.boxes - want["boxes"]).max(), "scores": np.abs(got.scores - want["scores"]).max()}
    if "masks" in want:
        found["masks"] = (got.masks != want["masks"]).mean()
        odd = (got.masks != want["masks"]).sum(axis=(1, 2))
        found["masks, the worst three: pixels"] = np.sort(odd)[-3:].tolist()
        found["masks, of the pixels in masks"] = (got.masks != want["masks"]).sum() / max(want["masks"].sum(), 1)
    if "keypoints" in want:
        distance = np.abs(got.keypoints - want["keypoints"])[..., :2].max(axis=2)
        found["keypoints"] = np.median(distance)
        found["keypoints more than 0.05 px away"] = (distance > 0.05).mean()
    return found


def compare(kind, seed, height, width):
    theirs = build(kind, seed)
    arrays = {name: value.numpy() for name, value in theirs.state_dict().items()}
    ours = Detector(from_state_dict(kind, arrays))
    image = picture(seed + 1, height, width)
    start = time.perf_counter()
    [want] = peer.detections(theirs, [image])
    middle = time.perf_counter()
    [got] = ours.detect([image])
    end = time.perf_counter()
    found = differences(got, want)
    classes, low, high = len(set(got.labels.tolist())), got.scores.min(initial=1), got.scores.max(initial=0)
    print(f"{kind}, {width}x{height}: {len(got)} objects of {classes} classes, scores {low:.2f} to {high:.2f}")
    print(f"  torchvision {middle - start:.1f} s, ours {end - middle:.1f} s")
    for name, value in found.items():
        bound = f"(at most {BOUNDS[name]:g})" if name in BOUNDS else ""
        print(f"  {name}: {value if isinstance(value, list) else f'{value:.2g}'} {bound}")
    return len(got) > 0 and all(found[name] <= bound for name, bound in BOUNDS.items() if name in found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", default=small.KINDS, choices=small.KINDS)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--width", type=int, default=1333)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(2)
    agree = [compare(kind, args.seed, args.height, args.width) for kind in args.kind]
    sys.exit(0 if all(agree) else 1)
