"""What an exhibit looks like: each view computes a little picture's numbers with the package it is given.

A view is shown twice, by the package as it is and with the exhibit laid over it (`picture.py` draws both), and its
numbers are what the exhibit costs in parity. ->  {"kind": "matrix", "curve", "bars" or "boxes", "values": numbers, and
what the drawing needs}
"""

import numpy as np

from . import subjects
from .subjects import ONE

WIDE = np.array([[1.3, 1.1, 10.2, 11.0]])  # around the letter, and no square


def _matrix(values, says, **more):
    return {"kind": "matrix", "values": np.asarray(values, float).tolist(), "says": says, **more}


def _curve(x, lines, says, across, up):
    values = {name: np.asarray(line, float).tolist() for name, line in lines.items()}
    return {"kind": "curve", "x": np.asarray(x, float).tolist(), "values": values, "says": says, "labels": [across, up]}


def _bars(values, says):
    return {"kind": "bars", "values": {name: float(value) for name, value in values.items()}, "says": says}


def _boxes(boxes, says, *, names=(), frames=(), size=64, **more):
    values = {"boxes": np.asarray(boxes, float).tolist(), "names": list(names)}
    more["frames"] = np.asarray(frames, float).tolist()
    return {"kind": "boxes", "values": values, "says": says, "size": size, **more}


# ---------------------------------------------------------------- boxes and crops


def crop(package):
    place = {"image_index": ONE, "output_size": 7, "scale": 1.0}
    crops, _ = package.ops.roi_align.roi_align_forward(subjects.letter(), WIDE, **place)
    return _matrix(crops[0, :, :, 0], "7 x 7 crop of an F by RoIAlign")


def roi_pool(package):
    place = {"image_index": ONE, "output_size": 4, "scale": 1.0}
    crops, _ = package.ops.roi_pool.roi_pool_forward(subjects.matrix(), np.array([[0.0, 1, 5, 6]]), **place)
    return _matrix(crops[0, :, :, 0], "4 x 4 crop of the 8 x 8 matrix by RoIPool", numbers=True)


def moving_edge(package):
    edges = np.linspace(3, 6, 61)
    boxes = np.stack([np.full(61, 1.2), np.full(61, 1.4), edges, np.full(61, 5.6)], axis=1)
    place = {"image_index": np.zeros(61, np.int64), "output_size": 2, "scale": 1.0, "box_gradient": True}
    crops, cache = package.ops.roi_warp.roi_warp_forward(subjects.matrix(), boxes, **place)
    _, drois = package.ops.roi_warp.roi_warp_backward(np.ones_like(crops), cache)
    lines = {"sum of the crop": crops.sum(axis=(1, 2, 3)), "gradient for the edge": drois[:, 2]}
    return _curve(edges, lines, "A crop while its right edge moves", "right edge in pixels", "")


def iou(package):
    shift = np.linspace(0, 6, 49)
    boxes = np.array([0.0, 0, 5, 3]) + shift[:, None] * np.array([1, 0, 1, 0])
    overlap = package.ops.boxes.iou_matrix(boxes, np.array([[0.0, 0, 5, 3]]))[:, 0]
    return _curve(shift, {"IoU": overlap}, "A box of 5 x 3 pixels and its copy, moved aside", "moved by pixels", "IoU")


def growth(package):
    said = np.linspace(0, 12, 49)
    deltas = np.stack([0 * said, 0 * said, said, said], axis=1)
    boxes = package.ops.boxes.decode(deltas, np.array([[0.0, 0, 16, 16]]))
    width = np.log10(boxes[:, 2] - boxes[:, 0])
    return _curve(said, {"log10 of the width": width}, "An anchor of 16 pixels grows", "dw", "log10 of pixels")


def levels(package):
    side = np.linspace(30, 600, 115)
    rois = np.stack([0 * side, 0 * side, side, side], axis=1)
    level = package.models.roi_heads.assign_levels(rois, canonical_size=224, canonical_level=4, lowest=2, highest=5)
    return _curve(side, {"level": level}, "Which level a square RoI is read from", "side in pixels", "P2 to P5")


def anchors(package):
    base = package.ops.anchors.base_anchors(24, (0.5, 1.0, 2.0)) + 32
    return _boxes(base, "Anchors of ratio 1/2, 1 and 2 (height / width)", names=("1/2", "1", "2"))


# ---------------------------------------------------------------- anchors, proposals, detections


def _anchor_grid(package, boxes):
    anchors = package.ops.anchors.grid_anchors(package.ops.anchors.base_anchors(16, (1.0,)), grid_size=(8, 8), stride=8)
    boxes = np.array([boxes], np.float32)
    valid, labels = np.ones(boxes.shape[:2], bool), np.ones(boxes.shape[:2], np.int64)
    return anchors, package.structures.TargetBatch(boxes, labels, None, valid)


def anchor_labels(package):
    anchors, targets = _anchor_grid(package, [[12, 12, 28, 28], [37, 42, 53, 58], [40, 4, 61, 10]])
    _, label = package.targets.rpn.assign_anchors(anchors, targets, package.config.RPNConfig())
    says = "Anchors of a scene: 1 object, 0 neutral, -1 background"
    return _matrix(label.reshape(8, 8), says, numbers=True, whole=True)


def sampled_anchors(package):
    anchors, targets = _anchor_grid(package, [[19, 19, 36, 36]])
    config = package.config.RPNConfig(samples_per_image=128)
    drawn = package.targets.rpn.rpn_targets(anchors, targets, config, rng=np.random.default_rng(0))
    seen = drawn.weight * (2 * drawn.positive - 1)
    says = "What a step teaches around one object: 1 object, -1 background, 0 nothing"
    return _matrix(seen.reshape(8, 8), says, numbers=True, whole=True)


def delta_range(package):
    rng = np.random.default_rng(0)
    head = package.models.rpn.RPNHead(8, 1, rng=rng).astype(np.float64)
    (_, deltas), _ = head.forward(rng.normal(size=(1, 8, 8, 8)))
    return _curve(
        np.arange(deltas.size) / deltas.size,
        {"dx, dy, dw, dh": np.sort(deltas.reshape(-1))},
        "What a new RPN head says, sorted",
        "share of all deltas",
        "delta",
    )


def proposals(package):
    """Of the second of two pictures, in the first of which the network is surer of everything."""
    model, (images, targets) = subjects.small_network(package), subjects.scene(package, (2, 1))
    model.eval()
    images[0] *= 3
    model.rpn.head.cls_logits.bias.value[...] = -1.5
    boxes, valid = subjects.proposals_of(package, model, images)
    return _boxes(boxes[1][valid[1]], "Proposals of the second picture of a batch", frames=targets.boxes[1][:1])


def roi_sample(package):
    _, targets = subjects.scene(package, (2,))
    far = np.array([[[0.0, 56, 10, 64], [50, 0, 64, 8], [2, 2, 12, 9], [40, 52, 60, 63], [0, 0, 64, 64]]], np.float32)
    config = package.config.RoIConfig(samples_per_image=6, positive_fraction=0.5)
    rng = np.random.default_rng(0)
    drawn = package.targets.roi.sample_rois(far, np.ones((1, 5), bool), targets, config, rng=rng)
    counts = {"objects": (drawn.labels > 0).sum(), "background": (drawn.labels == 0).sum()}
    return _bars(counts, "RoIs of a step whose proposals all missed")


def detections(package):
    """Two classes, each sure of one of two boxes on the same place, and one box elsewhere."""
    proposals = np.array([[[10.0, 10, 40, 30], [12, 11, 41, 31], [44, 40, 60, 60]]])
    logits = np.log(np.array([[0.05, 0.9, 0.05], [0.1, 0.1, 0.8], [0.3, 0.1, 0.6]]))
    config = package.config.RoIConfig(score_threshold=0.3, nms_iou=0.5, detections_per_image=5)
    boxes, labels, _, valid = package.models.postprocess.detections_from_boxes(
        logits, np.zeros((3, 3, 4)), proposals, np.ones((1, 3), bool), config, sizes=np.array([[64, 64]])
    )
    names = [f"class {label}" for label in labels[0][valid[0]]]
    return _boxes(boxes[0][valid[0]], "What is reported of a 1, and two 2s", names=names)


def resized_mask(package):
    """The mask of one box, reported in a picture twice as large."""
    model = subjects.small_network(package)
    said = {"mask": np.ones((1, 8, 8), np.float32)}
    found = package.models.found.Found(np.array([[6.0, 8, 20, 24]], np.float32), np.array([1]), np.array([0.9]), None)
    found = type(found)(found.boxes, found.labels, found.scores, found.valid, said)
    where = {"old": (32, 32), "new": (64, 64), "paste": package.models.postprocess.paste_masks}
    heads = model.roi_heads.heads.values()
    report = {key: value for head in heads for key, value in head.report(found, **where).items()}
    boxes = report["boxes"].tolist()
    return _matrix(report["masks"][0], "The mask of a detection in a picture twice as large, and its box", frames=boxes)


# ---------------------------------------------------------------- losses and gradients


def smooth_l1(package):
    d = np.linspace(-3, 3, 120)
    loss = [package.ops.losses.smooth_l1_forward(v[None, None], target=np.zeros((1, 1)), beta=1.0)[0] for v in d]
    return _curve(d, {"loss": loss}, "Smooth L1 with beta = 1", "difference", "loss")


def slope(package):
    d = np.linspace(-3, 3, 25)
    losses, slopes = package.ops.losses, []
    with np.errstate(all="ignore"):
        for v in d:
            _, cache = losses.smooth_l1_forward(v[None, None], target=np.zeros((1, 1)), beta=1.0)
            slopes.append(losses.smooth_l1_backward(1.0, cache)[0, 0])
    return _curve(d, {"gradient": slopes}, "The gradient of smooth L1 (a gap is NaN)", "difference", "gradient")


def empty_picture(package):
    model = subjects.small_network(package)
    images, targets = subjects.scene(package, (0,))
    with np.errstate(all="ignore"):
        losses, _ = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    return _bars(losses, "Losses of a picture without an object")


def two_machines(package):
    """A mean loss over 8 rows of which 5 count, on one machine, and as the sum of what two machines of 4 rows say."""
    losses = package.ops.losses
    rng = np.random.default_rng(0)
    logits, labels, weight = rng.normal(size=(8, 3)), np.arange(8) % 3, np.array([1.0, 1, 1, 1, 0, 0, 0, 1])
    say = losses.softmax_cross_entropy_forward
    whole, _ = say(logits, labels=labels, weight=weight)
    before = losses.BATCH_SUM.set(lambda own: weight.sum())
    parts = [say(logits[i : i + 4], labels=labels[i : i + 4], weight=weight[i : i + 4])[0] for i in (0, 4)]
    losses.BATCH_SUM.reset(before)
    return _bars({"one machine": whole, "two machines": sum(parts)}, "The same batch on one machine and on two")


def pool_gradient(package):
    rng = np.random.default_rng(1)
    x = rng.permutation(49).reshape(1, 7, 7, 1) / 1.0
    y, cache = package.ops.pool.max_pool2d_forward(x, kernel=3, stride=2)
    dx = package.ops.pool.max_pool2d_backward(np.ones_like(y), cache)
    return _matrix(dx[0, :, :, 0], "Gradient of a sum of 3 x 3 maxima, stride 2", numbers=True, whole=True)


def pyramid_gradient(package):
    pool = subjects.small_network(package).roi_heads.heads["box"].pool
    pyramid = [np.random.default_rng(0).normal(size=(1, side, side, 8)) for side in (16, 8, 4, 2)]
    rois = np.array([[3.0, 4, 14, 15], [10, 2, 50, 47], [2, 2, 34, 30]])
    crops, cache = pool.forward(pyramid, rois=rois, image_index=np.zeros(3, np.int64))
    sent = pool.backward(np.ones_like(crops), cache)
    return _bars({f"P{i}": np.abs(d).sum() for i, d in enumerate(sent, start=2)}, "What crops send back to each level")


def lateral_gradient(package):
    fpn = subjects.small_network(package).backbone.fpn.astype(np.float64)
    maps = [np.random.default_rng(0).normal(size=(1, side, side, 8)) for side in (16, 8, 4, 2)]
    y, cache = fpn.forward(maps)
    dmaps = fpn.backward([np.ones_like(level) if i == 0 else 0 * level for i, level in enumerate(y)], cache)
    sizes = {f"C{i}": np.abs(d).sum() for i, d in enumerate(dmaps, start=2)}
    return _bars(sizes, "What a loss on P2 alone sends to each stage")


def competing_masks(package):
    """The mask of class 1 while all that is said for class 2 grows."""
    model, (images, _) = subjects.small_network(package), subjects.scene(package, (1,))
    head = model.eval().roi_heads.heads["mask"]
    pyramid, _ = model.backbone.forward(images - 0.5)
    raised, shares = np.linspace(0, 4, 9), []
    for more in raised:
        head.predictor.mask_fcn_logits.bias.value[2] = more
        shares.append(subjects.mask_of_first_class(package, model, pyramid).mean())
    return _curve(raised, {"mask of class 1": shares}, "A mask while another class's grows", "added to class 2", "mean")


def keypoint_cell(package):
    places = np.linspace(10, 24, 57)
    points = np.stack([places, 0 * places + 12, 0 * places + 2], axis=1)[None, :, None]  # one object for each
    rois = np.tile([[10.0, 10, 24.001, 24]], (57, 1))
    target = package.targets.keypoint.keypoint_targets(points, rois, np.arange(57), size=7)
    centre = 10 + (target.position[:, 0] % 7 + 0.5) * 2
    off = np.where(target.weight[:, 0] > 0, centre - places, np.nan)
    return _curve(places, {"found - true": off}, "Keypoints from the centre of their cell", "x in pixels", "pixels off")


# ---------------------------------------------------------------- networks and training


def pixels_read(package):
    rng = np.random.default_rng(0)
    options = {"stride": 2, "norm": "group", "norm_eps": 1e-5, "rng": rng}
    branch = package.models.backbones.bottleneck.bottleneck_branch(4, 16, **options).astype(np.float64)
    y, cache = branch.forward(rng.normal(size=(1, 10, 10, 4)))
    dx = branch.backward(rng.normal(size=y.shape), cache)
    read = np.abs(dx[0]).sum(axis=2) > 0
    return _matrix(read, "Pixels that a bottleneck of stride 2 reads", whole=True)


def beside_others(package):
    """The best score in a picture while the picture beside it becomes brighter."""
    model, (images, _) = subjects.small_network(package), subjects.scene(package, (2, 1))
    model.eval()
    light, scores = np.linspace(0, 2, 5), []
    for factor in light:
        pair = np.stack([images[0], images[1] * np.float32(factor)])
        scores.append(float(model.detect(pair)[0].scores[0]))
    return _curve(light, {"score": scores}, "The best score, beside a picture of growing light", "light", "score")


def said_to_the_rpn(package):
    return _bars(subjects.said_to_rpn(package), "What each loss says to the RPN's box deltas")


def falling_rate(package):
    parameter = package.nn.Parameter(np.ones(1))
    optimizer = package.train.optimizer.SGD({"w": parameter}, momentum=0.9)
    values = []
    for step in range(40):
        optimizer.zero_grad()
        parameter.grad += parameter.value
        optimizer.step(0.02 if step < 12 else 0.002)
        values.append(float(parameter.value[0]))
    return _curve(
        np.arange(40), {"weight": values}, "A weight on a slope w²/2; the rate falls at step 12", "step", "weight"
    )


def frozen_weight(package):
    parameter = package.nn.Parameter(np.ones(1), trainable=False)
    free = package.nn.Parameter(np.ones(1))
    optimizer = package.train.optimizer.SGD({"frozen": parameter, "free": free}, weight_decay=0.1)
    values = [1.0]
    for _ in range(30):
        optimizer.zero_grad()
        optimizer.step(0.05)
        values.append(float(parameter.value[0]))
    return _curve(np.arange(31), {"frozen weight": values}, "A frozen weight during fine-tuning", "step", "weight")


def norm_gradient(package):
    """Of one of two machines with the same pixels; each has to say its own share, since shares are added up later."""
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 3, 3, 2)), rng.normal(size=(2, 3, 3, 2))
    layer = package.nn.sync_norm.SyncBatchNorm2d(2).astype(np.float64)
    layer.ranks = _Twins()
    _, cache = layer.forward(x)
    layer.backward(dy, cache)
    values = {"scale": np.abs(layer.weight.grad).sum(), "shift": np.abs(layer.bias.grad).sum()}
    return _bars(values, "What one of two machines says of a norm's gradients")


class _Twins:
    """Two machines that have the same."""

    def everybody(self, array):
        return [array, array]


def texture_bins(package):
    stripes = np.zeros((24, 24, 1))
    stripes[:, ::6] = stripes[:, 1::6] = stripes[:, 2::6] = 1
    return _histogram(package, stripes, "texture", "Texture of steep stripes: pixels in each of 10 bins")


def colour_bins(package):
    ramp = np.tile(np.linspace(0, 1, 25)[:, None, None], (1, 24, 1))
    return _histogram(package, ramp, "color", "Colours of a ramp from black to white: 25 bins")


def _histogram(package, image, kind, says):
    regions = package.data.proposals.regions.describe(image, np.zeros(image.shape[:2], np.int64))
    counts = getattr(regions, kind)[0]
    bins = package.data.proposals.regions.TEXTURE_BINS if kind == "texture" else len(counts)
    counts = counts.reshape(-1, bins).sum(axis=0)
    return _curve(np.arange(bins), {"share": counts}, says, "bin", "share")


VIEWS = {
    view.__name__: view
    for view in (crop, roi_pool, moving_edge, iou, growth, levels, anchors)
    + (anchor_labels, sampled_anchors, delta_range, proposals, roi_sample, detections, resized_mask)
    + (smooth_l1, slope, empty_picture, two_machines, pool_gradient, pyramid_gradient, lateral_gradient)
    + (competing_masks, keypoint_cell, pixels_read, beside_others, said_to_the_rpn, falling_rate, frozen_weight)
    + (norm_gradient, texture_bins, colour_bins)
}
