"""How the configurations of each operator are drawn: draw(rng, number) -> (arrays, settings).

The number walks through the choices that must all occur (samples of RoIAlign, aligned or not); the rest is random.
Odd sizes, strides that leave a rest, and boxes that leave the picture are the rule, not the exception. Where the two
sides differ on purpose the case is not drawn, and a comment says why.
"""

import numpy as np
import strategies


def _size(rng, low=3, high=11):
    return tuple(int(n) for n in rng.integers(low, high + 1, 2))


def _pair(rng, low, high):
    """One int for both axes or, as often, a pair."""
    h, w = _size(rng, low, high)
    return h if rng.random() < 0.5 else (h, w)


def _both(value):
    return (value, value) if isinstance(value, int) else value


def _count(rng, low, high):
    return int(rng.integers(low, high + 1))


def _image(rng, channels, low=3, high=11):
    return rng.standard_normal((_count(rng, 1, 3), *_size(rng, low, high), channels))


# ---------------------------------------------------------------- convolution, matrix product


def conv2d(rng, number):
    groups = (1, 1, 2, 3)[number % 4]
    C, O = groups * _count(rng, 1, 3), groups * _count(rng, 1, 3)
    settings = dict(stride=_pair(rng, 1, 3), padding=_pair(rng, 0, 2), dilation=_pair(rng, 1, 2), groups=groups)
    kernel = _size(rng, 1, 4)
    span = [d * (k - 1) + 1 for d, k in zip(_both(settings["dilation"]), kernel)]
    low = max(3, max(span) - 2 * min(_both(settings["padding"])))  # at least one window fits
    arrays = dict(x=_image(rng, C, low, low + 8), weight=rng.standard_normal((*kernel, C // groups, O)))
    return _with_bias(rng, arrays, O), settings


def conv_transpose2d(rng, number):
    C, O = _count(rng, 1, 4), _count(rng, 1, 4)
    kernel = (3, 3) if number == 0 else _size(rng, 1, 4)
    padding = min(_count(rng, 0, 2), (min(kernel) - 1) // 2)  # something is left of one pixel
    arrays = dict(x=_image(rng, C, 1, 6), weight=rng.standard_normal((*kernel, C, O)))
    return _with_bias(rng, arrays, O), dict(stride=_pair(rng, 1, 3), padding=padding)


def _with_bias(rng, arrays, O):
    return arrays | {"bias": rng.standard_normal(O)} if rng.random() < 0.75 else arrays


def select_conv1x1(rng, number):
    K, C, O = _count(rng, 1, 5), _count(rng, 1, 4), _count(rng, 1, 5)
    x = rng.standard_normal((K, *_size(rng, 2, 5), C))
    weight, bias = rng.standard_normal((1, 1, C, O)), rng.standard_normal(O)
    return dict(x=x, weight=weight, bias=bias, channel=rng.integers(0, O, K)), {}


def linear(rng, number):
    K, C, O = _count(rng, 0, 6), _count(rng, 1, 9), _count(rng, 1, 9)
    if number == 0:
        C = O = 5  # square: a transposed weight fits, too
    return dict(x=rng.standard_normal((K + 1, C)), weight=rng.standard_normal((C, O)), bias=rng.standard_normal(O)), {}


# ---------------------------------------------------------------- pooling


def max_pool2d(rng, number):
    """No two values are equal: in a tie torch may choose another winner, and either is a subgradient."""
    x, settings = _windows(rng)
    return dict(x=strategies.distinct(*x.shape)(rng)), settings


def avg_pool2d(rng, number):
    x, settings = _windows(rng)
    return dict(x=x), settings


def _windows(rng):
    kernel = _pair(rng, 1, 3)
    settings = dict(kernel=kernel, padding=_count(rng, 0, min(_both(kernel)) // 2))
    if rng.random() < 0.7:
        settings["stride"] = _pair(rng, 1, 3)
    return _image(rng, _count(rng, 1, 4)), settings


def image(rng, number):
    return dict(x=3 * _image(rng, _count(rng, 2, 6))), {}


# ---------------------------------------------------------------- normalisation


def batch_norm2d(rng, number):
    """At least nine pixels: torch refuses a single one, and with two there is nothing left of dx but rounding."""
    arrays, settings = _normalised(rng, _count(rng, 1, 5), number)
    if number % 2:
        C = arrays["weight"].size
        arrays |= dict(running_mean=rng.standard_normal(C), running_var=rng.uniform(0.5, 2, C))
        settings["momentum"] = float(rng.choice([0.1, 0.01, 0.5]))
    return arrays, settings


def frozen_batch_norm2d(rng, number):
    arrays, settings = _normalised(rng, _count(rng, 1, 5), number)
    C = arrays["weight"].size
    settings["eps"] = (0.0, 1e-5, 1e-3)[number % 3]  # 0: torchvision's COCO weights
    return arrays | dict(mean=rng.standard_normal(C), var=rng.uniform(0.2, 2, C)), settings


def group_norm(rng, number):
    groups = _count(rng, 1, 3)
    arrays, settings = _normalised(rng, groups * _count(rng, 1, 3), number)
    return arrays, settings | dict(groups=groups)


def _normalised(rng, C, number):
    x = _image(rng, C, high=8) * rng.uniform(0.3, 3, C) + rng.standard_normal(C)
    return dict(x=x, weight=rng.standard_normal(C), bias=rng.standard_normal(C)), dict(eps=(1e-5, 1e-3)[number % 2])


# ---------------------------------------------------------------- resizing


def upsample_nearest2d(rng, number):
    """torch multiplies with a float32 scale where this project divides whole numbers; 1/41 * 41 < 1 is not drawn."""
    x = _image(rng, _count(rng, 1, 4))
    if number % 3 == 0:
        return dict(x=x), dict(size=tuple(n * f for n, f in zip(x.shape[1:3], _both(_pair(rng, 1, 3)))))
    size = _size(rng, 2, 24)
    while not all(_same_source(n, length) for n, length in zip(size, x.shape[1:3])):
        size = _size(rng, 2, 24)
    return dict(x=x), dict(size=size)


def _same_source(outputs, inputs):
    i = np.arange(outputs)
    by_scale = np.floor(i.astype(np.float32) * (np.float32(inputs) / np.float32(outputs)))
    return np.array_equal(np.minimum(by_scale, inputs - 1), i * inputs // outputs)


def resize_bilinear(rng, number):
    return dict(x=_image(rng, _count(rng, 1, 4), 1, 9)), dict(size=_size(rng, 1, 15))


# ---------------------------------------------------------------- regions


def roi_align(rng, number):
    arrays, settings = _regions(rng)
    settings |= dict(samples=(0, 1, 2, 4)[number % 4], aligned=number // 4 % 2 == 0)
    return arrays, settings


def roi_pool(rng, number):
    """Bin edges are whole numbers here and rounded products in torchvision; where 3 * (5 / 3) is not 5, draw again."""
    arrays, settings = _regions(rng)
    arrays["features"] = strategies.distinct(*arrays["features"].shape)(rng)  # no ties, as in max_pool2d
    if _same_bins(arrays["rois"], **settings):
        return arrays, settings
    return roi_pool(rng, number)


def learning_regions(rng, number):
    """With a gradient for the boxes, which torchvision has not: torch's autograd differentiates through grid_sample."""
    arrays, settings = _regions(rng)
    return arrays, settings | dict(aligned=number % 2 == 0, box_gradient=True)


def _regions(rng):
    N, C, K, scale = _count(rng, 1, 3), _count(rng, 1, 4), _count(rng, 1, 6), float(rng.choice([1, 0.5, 0.25, 0.11]))
    H, W = _size(rng, 4, 10)
    rois = _boxes(rng, K, H / scale, W / scale, overshoot=0.3)
    arrays = dict(features=rng.standard_normal((N, H, W, C)), rois=rois, image_index=np.sort(rng.integers(0, N, K)))
    return arrays, dict(output_size=_pair(rng, 1, 4), scale=scale)


def _same_bins(rois, output_size, scale):
    edges = np.floor(rois * scale + 0.5)
    sizes = np.maximum(edges[:, 2:] - edges[:, :2] + 1, 1)  # (K, 2) x, y
    for size, bins in ((sizes[:, 1], _both(output_size)[0]), (sizes[:, 0], _both(output_size)[1])):
        i, whole = np.arange(bins + 1), size.astype(int)[:, None]
        product = i * (size[:, None] / bins)
        if (np.floor(product) != i * whole // bins).any() or (np.ceil(product) != -(-i * whole // bins)).any():
            return False
    return True


def _boxes(rng, K, height, width, overshoot=0.0):
    """Boxes (K, 4) with a positive side; with overshoot they may leave the picture."""
    low, high = -overshoot, 1 + overshoot
    corners = np.sort(rng.uniform(low, high, (K, 2, 2)), axis=1) * (width, height)
    corners[:, 1] += 0.02 * np.array([width, height])
    return corners.reshape(K, 4)


def mask_targets(rng, number):
    """Padded pictures of different sizes, their objects up to every border, and RoIs that end exactly there."""
    N, M, Q = _count(rng, 1, 3), _count(rng, 1, 3), _count(rng, 2, 6)
    sizes = np.array([_size(rng, 8, 16) for _ in range(N)])
    H, W = sizes.max(axis=0) + rng.integers(0, 6, 2)
    inside = np.arange(H)[:, None] < sizes[:, :1, None], np.arange(W) < sizes[:, 1:, None]  # (N, H, 1), (N, 1, W)
    masks = ((rng.random((N, M, H, W)) < 0.6) & (inside[0] & inside[1])[:, None]).astype(np.uint8)
    matched = rng.integers(0, N * M, Q)
    height, width = sizes[matched // M].T
    rois = _boxes(rng, Q, 1, 1) * np.stack([width, height, width, height], axis=1)
    border = rng.random((Q, 4)) < 0.4
    rois = np.where(border, np.stack([0 * width, 0 * height, width, height], axis=1), rois)
    arrays = dict(masks=masks, rois=rois, matched=matched, sizes=sizes)
    return arrays, dict(size=_count(rng, 2, 7), aligned=False)  # torchvision knows aligned=False only


def roi_levels(rng, number):
    rois = _boxes(rng, 30, 1000, 1000)
    settings = dict(canonical_size=float(rng.choice([224, 32])), canonical_level=4, lowest=2, highest=_count(rng, 3, 5))
    return dict(rois=rois), settings


# ---------------------------------------------------------------- losses


def softmax_cross_entropy(rng, number):
    K, C = _count(rng, 1, 9), _count(rng, 2, 6)
    return _loss(rng, number, (K,), logits=3 * rng.standard_normal((K, C)), labels=rng.integers(0, C, K))


def sigmoid_cross_entropy(rng, number):
    shape = (_count(rng, 1, 5), *_size(rng, 1, 5))
    targets = rng.integers(0, 2, shape).astype(float) if number % 3 else rng.uniform(0, 1, shape)
    return _loss(rng, number, shape[: 1 + number % 2 * 2], logits=4 * rng.standard_normal(shape), targets=targets)


def smooth_l1(rng, number):
    K = _count(rng, 1, 9)
    arrays, settings = _loss(
        rng, number, (K,), prediction=rng.standard_normal((K, 4)), target=rng.standard_normal((K, 4))
    )
    return arrays, settings | dict(beta=(1 / 9, 1.0, 0.0, 0.5)[number % 4])


def squared_error(rng, number):
    shape = (_count(rng, 1, 6), _count(rng, 1, 4))
    return _loss(rng, number, shape[:1], prediction=rng.standard_normal(shape), target=rng.standard_normal(shape))


def _loss(rng, number, rows, **arrays):
    """Every second one with weights, of which some are 0; every third with a normalizer of its own."""
    if number % 2:
        arrays["weight"] = rng.uniform(0, 2, rows) * (rng.random(rows) < 0.7)
    return arrays, dict(normalizer=float(rng.uniform(0.5, 9))) if number % 3 == 2 else {}


# ---------------------------------------------------------------- boxes


def nms(rng, number):
    """Clusters of boxes; no equal scores, whose order torchvision leaves open, and no box without extent."""
    K = _count(rng, 1, 60)
    boxes = np.repeat(_boxes(rng, -(-K // 4), 60, 60), 4, axis=0)[:K]
    boxes = boxes + rng.uniform(-3, 3, (K, 4))
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:] - 1), boxes[:, 2:]], axis=1)
    return dict(boxes=boxes, scores=rng.permutation(K) / K), dict(iou_threshold=float(rng.uniform(0.2, 0.8)))


def batched_nms(rng, number):
    arrays, settings = nms(rng, number)
    return arrays | dict(group=rng.integers(0, 3, len(arrays["scores"]))), settings


def box_iou(rng, number):
    return dict(a=_boxes(rng, 9, 50, 50), b=_boxes(rng, 7, 50, 50)), {}


def box_encode(rng, number):
    return dict(boxes=_boxes(rng, 12, 80, 90), anchors=_boxes(rng, 12, 80, 90)), _coder(number)


def box_decode(rng, number):
    deltas = rng.standard_normal((12, 4))
    deltas[:3] *= 40  # beyond the clamp
    return dict(deltas=deltas, anchors=_boxes(rng, 12, 80, 90)), _coder(number)


def _coder(number):
    return dict(weights=((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0), (2.0, 3.0, 0.5, 0.7))[number % 3])


def box_clip(rng, number):
    height, width = _size(rng, 20, 60)
    return dict(boxes=_boxes(rng, 20, height, width, overshoot=0.5)), dict(height=height, width=width)


def matcher(rng, number):
    """Two decimals make ties between boxes (all of them are best), but a box has one best object: argmax is free.

    Every object is overlapped by some box. One that nothing overlaps makes torchvision call every box its best one,
    as 0 == 0, and so all anchors positive; here it rescues nobody.
    """
    N, K, M = _count(rng, 1, 3), _count(rng, 4, 30), _count(rng, 1, 5)
    ranks = np.stack([[rng.permutation(101)[:M] for _ in range(K)] for _ in range(N)])  # (N, K, M), distinct in a row
    iou = np.where(ranks < 30, 0, ranks / 100 * rng.uniform(0.5, 1))
    iou = np.where((iou.max(axis=1, keepdims=True) == 0), 0.01 + 0.01 * np.arange(M), iou)
    valid = np.arange(M) < rng.integers(1, M + 1, (N, 1))  # torchvision refuses pictures without objects
    positive, negative = ((0.7, 0.3), (0.5, 0.5), (0.6, 0.4))[number % 3]
    return dict(iou=iou, valid=valid), dict(positive_iou=positive, negative_iou=negative, low_quality=number % 2 == 0)


def anchors(rng, number):
    L = _count(rng, 1, 4)
    image_size = _size(rng, 65, 200)
    sizes = [[float(s) for s in rng.uniform(8, 200, _count(rng, 1, 3))] for _ in range(L)]
    ratios = [float(r) for r in rng.uniform(0.3, 3, _count(rng, 1, 3))]
    grids = [(-(-image_size[0] // 2 ** (i + 3)), -(-image_size[1] // 2 ** (i + 3))) for i in range(L)]
    return {}, dict(sizes_per_level=sizes, ratios=ratios, grid_sizes=grids, image_size=image_size)
