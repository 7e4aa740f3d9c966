"""What checks and pictures look at: a matrix, a small network, a scene for it, and pairs for the gradient harness.

The package is an argument everywhere, as it is for a student's check: it may be the one with an exhibit laid over it.
"""

import numpy as np

# The 8x8 matrix with which many introductions explain RoI pooling.
MATRIX = """
    .88 .44 .14 .16 .37 .77 .96 .27
    .19 .45 .57 .16 .63 .29 .71 .70
    .66 .26 .82 .64 .54 .73 .59 .26
    .85 .34 .76 .84 .29 .75 .62 .25
    .32 .74 .21 .39 .34 .03 .33 .48
    .20 .14 .16 .13 .73 .65 .96 .32
    .19 .69 .09 .86 .88 .07 .01 .48
    .83 .24 .97 .04 .24 .35 .50 .91
"""
ONE = np.zeros(1, np.int64)  # the index of the only picture, for one box


def matrix():
    """The matrix as a feature map: (1, 8, 8, 1)."""
    return np.array(MATRIX.split(), np.float64).reshape(1, 8, 8, 1)


def letter():
    """A map that looks like an F, so that shifts, swaps and stretches can be seen: (1, 12, 12, 1)."""
    map = np.zeros((12, 12))
    map[2:10, 3:5] = map[2:4, 3:9] = map[5:7, 3:7] = 1
    return map[None, :, :, None]


# ---------------------------------------------------------------- a network


def small_network(package, *, seed=0, heads=("box", "mask"), norm="batch", **roi):
    """A Mask R-CNN of a few thousand numbers for pictures of 64 x 64, two classes; all weights are drawn."""
    config = package.config
    rpn = {"samples_per_image": 16, "pre_nms_top_n": (60, 60), "post_nms_top_n": (12, 12)}
    small = {"samples_per_image": 12, "positive_fraction": 0.5, "box_size": 3, "mask_size": 4, "head_width": 16}
    small |= {"mask_widths": (8, 8), "mask_deconv_width": 8, "canonical_size": 16, "score_threshold": 0.0}
    small |= {"box_init": "gaussian"}
    settings = config.ModelConfig(
        heads=heads,
        num_classes=3,
        class_names=("background", "flat", "tall"),
        backbone=config.BackboneConfig(
            block="basic",
            depths=(1, 1, 1, 1),
            widths=(8, 8, 8, 8),
            stem="3x3",
            stem_width=8,
            norm=norm,
            init="fan_in",
            fpn_channels=8,
        ),
        rpn=config.RPNConfig(anchor_sizes=((8,), (16,), (32,), (64,), (96,)), **rpn),
        roi=config.RoIConfig(**small | roi),
    )
    rng = np.random.default_rng(seed)
    model = package.models.build.build_model(settings, rng=rng)
    for p in model.parameters():
        p.value += rng.normal(0, 0.05, p.value.shape).astype(np.float32)
    return model


def scene(package, objects=(2, 1), *, size=64, seed=0):
    """Pictures (N, size, size, 1) of bright rectangles, one of their corners missing, and their TargetBatch."""
    rng = np.random.default_rng(seed)
    n, m = len(objects), max(1, *objects)
    images = 0.1 * rng.random((n, size, size, 1), dtype=np.float32)
    boxes, labels = np.zeros((n, m, 4), np.float32), np.zeros((n, m), np.int64)
    masks, valid = np.zeros((n, m, size, size), np.uint8), np.zeros((n, m), bool)
    for i, count in enumerate(objects):
        for k in range(count):
            x, y = rng.integers(2, size - 30, 2)
            width, height = (22, 12) if rng.random() < 0.5 else (11, 21)
            boxes[i, k], labels[i, k] = (x, y, x + width, y + height), 1 + (width < height)
            masks[i, k, y : y + height, x : x + width] = 1
            masks[i, k, y : y + 3, x : x + 4] = 0
            images[i, masks[i, k] > 0] += 0.8  # the noise stays: equal pixels would tie in max pooling
            valid[i, k] = True
    return images, package.structures.TargetBatch(boxes, labels, masks, valid)


def proposals_of(package, model, images):
    """What an RPN proposes, by itself: proposals (N, P, 4), valid (N, P)."""
    pyramid, _ = model.backbone.forward(images - 0.5)
    said, _ = model.rpn.forward(pyramid)
    sizes = np.array([images.shape[1:3]] * len(images))
    return model.rpn.propose(pyramid, *said, image_size=images.shape[1:3], sizes=sizes)


def mask_of_first_class(package, model, pyramid):
    """What the mask head says of a box of class 1: probabilities (2S, 2S)."""
    boxes, labels, sure = np.array([[[10.0, 10, 40, 30]]], np.float32), ONE[None] + 1, np.ones((1, 1), np.float32)
    found = package.models.found.Found(boxes, labels, sure, sure > 0)
    sizes = np.array([[64, 64]])
    return model.roi_heads.heads["mask"].detect(pyramid, found, sizes=sizes).said["mask"][0, 0]


def said_to_rpn(package):
    """{loss: the length of its gradient by the weights of the RPN's deltas}, of one step on two pictures."""
    images, targets = scene(package)
    model, told = small_network(package, norm="group", positive_iou=0.1), {}  # proposals at random overlap that much
    losses, _ = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    for name in losses:
        model.zero_grad()
        _, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        model.backward({other: float(other == name) for other in losses}, cache)
        told[name] = float(np.sqrt((model.rpn.head.bbox_pred.weight.grad.astype(np.float64) ** 2).sum()))
    return told


def losses_of(package, steps=24, rate=0.02):
    """The sum of the losses at each of some steps on one batch of two pictures, by SGD on the small network."""
    model, (images, targets) = small_network(package, norm="group"), scene(package)
    optimizer = package.train.optimizer.SGD(model.named_parameters(), momentum=0.9)
    told = []
    for step in range(steps):
        optimizer.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng([1, step]))
        model.backward({name: 1.0 for name in losses}, cache)
        optimizer.clip(5.0)
        optimizer.step(rate)
        told.append(float(sum(losses.values())))
    return told


# ---------------------------------------------------------------- pairs and layers for the gradient harness


def gradient_cases(package):
    """{name: Case} of the one gradient harness: each a pair or a layer with arguments that shun kinks and ties."""
    rng = np.random.default_rng(3)
    ops, Case, subject = package.ops, package.testing.case.Case, package.testing.subject
    boxes = np.array([[0.6, 1.3, 4.7, 5.1], [2.2, 0.4, 5.3, 3.6]])
    here = {"image_index": np.zeros(2, np.int64), "output_size": 2, "scale": 0.9, "box_gradient": True}

    def pair(room, name, *inputs, **data):
        forward, backward = (getattr(getattr(ops, room), f"{name}_{way}") for way in ("forward", "backward"))
        return Case(subject.Pair(forward, backward), inputs, data)

    def layer(module, *inputs, **data):
        return Case(subject.Layer(module), inputs, data)

    def normal(*shape):
        return rng.normal(size=shape)

    distinct = rng.permutation(2 * 6 * 5 * 2).reshape(2, 6, 5, 2) / 10.0
    pyramid = [normal(1, side, side, 8) for side in (16, 8, 4, 2, 1)]
    model = small_network(package, norm="group")
    rois = np.array([[3.0, 4, 21, 15], [10, 2, 50, 47]])
    ramps = [normal(1, side, side, 8) for side in (16, 8, 4, 2)]
    return {
        "conv2d": pair("conv", "conv2d", normal(2, 5, 4, 2), normal(3, 3, 2, 3), normal(3), padding=1, stride=2),
        "max_pool2d": pair("pool", "max_pool2d", distinct, kernel=3, stride=2, padding=1),
        "smooth_l1": pair("losses", "smooth_l1", normal(4, 4), target=normal(4, 4), beta=0.5),
        "cross_entropy": pair("losses", "softmax_cross_entropy", normal(4, 3), labels=np.array([0, 2, 1, 1])),
        "roi_align": pair("roi_align", "roi_align", normal(1, 6, 6, 2), boxes, **here),
        "roi_warp": pair("roi_warp", "roi_warp", normal(1, 6, 6, 2), boxes, **here),
        "pyramid": layer(model.backbone.fpn, ramps),
        "rpn": layer(model.rpn.head, normal(1, 4, 4, 8)),
        "crops": layer(model.roi_heads.heads["box"].pool, pyramid, rois=rois, image_index=np.zeros(2, np.int64)),
    }
