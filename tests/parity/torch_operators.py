"""What torch and torchvision say to the configurations of operators.py, in this project's names and layout.

Tensors enter and leave channels last; the transpositions are part of the function that is differentiated, so that the
gradients need no translation. Everything runs in float64 on the CPU.
"""

import numpy as np
import torch
import torch.nn.functional as F
from parity.operators import enumerate_levels
from torchvision import ops
from torchvision.models.detection import _utils, anchor_utils, image_list, roi_heads, transform
from torchvision.ops import poolers

torch.set_num_threads(1)


def theirs(configuration, arrays, settings):
    """The results of Configuration.ours, computed by torchvision."""
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    dy = tensors.pop("dy", None)
    function = OPERATORS[configuration.family]
    if dy is None:
        return {name: np.asarray(value) for name, value in function(**tensors, **settings).items()}
    inputs = {name: tensors[name].requires_grad_() for name in configuration.inputs if name in tensors}
    y = function(**tensors, **settings)
    y.backward(dy)
    results = {"y": y, **{f"d{name}": x.grad for name, x in inputs.items() if x.grad is not None}}
    results |= {name: x for name, x in tensors.items() if name.startswith("running_")}
    return {name: x.detach().numpy() for name, x in results.items()}


def _planes(x):
    return x.permute(0, 3, 1, 2)


def _pixels(y):
    return y.permute(0, 2, 3, 1)


def _filters(weight):
    return weight.permute(3, 2, 0, 1).contiguous()  # torch refuses gradients of some strided filters


# ---------------------------------------------------------------- layers


def conv2d(x, weight, bias=None, **settings):
    return _pixels(F.conv2d(_planes(x), _filters(weight), bias, **settings))


def conv_transpose2d(x, weight, bias=None, **settings):
    return _pixels(F.conv_transpose2d(_planes(x), weight.permute(2, 3, 0, 1).contiguous(), bias, **settings))


def select_conv1x1(x, weight, bias, channel):
    y = conv2d(x, weight, bias)
    return y[torch.arange(len(y)), :, :, channel]


def linear(x, weight, bias):
    return F.linear(x, weight.T, bias)


def max_pool2d(x, kernel, **settings):
    return _pixels(F.max_pool2d(_planes(x), kernel, **settings))


def avg_pool2d(x, kernel, **settings):
    return _pixels(F.avg_pool2d(_planes(x), kernel, **settings))


def global_avg_pool2d(x):
    return F.adaptive_avg_pool2d(_planes(x), 1)[:, :, 0, 0]


def batch_norm2d(x, weight, bias, running_mean=None, running_var=None, **settings):
    return _pixels(F.batch_norm(_planes(x), running_mean, running_var, weight, bias, training=True, **settings))


def frozen_batch_norm2d(x, weight, bias, mean, var, eps):
    layer = ops.FrozenBatchNorm2d(len(mean), eps)
    layer.weight, layer.bias, layer.running_mean, layer.running_var = weight, bias, mean, var
    return _pixels(layer(_planes(x)))


def group_norm(x, weight, bias, groups, eps):
    return _pixels(F.group_norm(_planes(x), groups, weight, bias, eps))


def upsample_nearest2d(x, size):
    return _pixels(F.interpolate(_planes(x), size=tuple(size), mode="nearest"))


def resize_bilinear(x, size):
    return _pixels(F.interpolate(_planes(x), size=tuple(size), mode="bilinear", align_corners=False))


def relu(x):
    return F.relu(x)


def sigmoid(x):
    return torch.sigmoid(x)


def softmax(x):
    return torch.softmax(x, dim=-1)


# ---------------------------------------------------------------- regions


def _with_index(rois, image_index):
    return torch.cat([image_index[:, None].to(rois), rois], dim=1)


def roi_align(features, rois, image_index, output_size, scale, samples, aligned):
    rows = _with_index(rois.detach(), image_index)
    return _pixels(ops.roi_align(_planes(features).contiguous(), rows, output_size, scale, samples, aligned))


def roi_pool(features, rois, image_index, output_size, scale):
    rows = _with_index(rois.detach(), image_index)
    return _pixels(ops.roi_pool(_planes(features).contiguous(), rows, output_size, scale))


def roi_warp(features, rois, image_index, output_size, scale, aligned, box_gradient):
    """grid_sample at the first corner of every bin."""
    y, x = (_edges(rois, axis, bins, scale, aligned)[:, :-1] for axis, bins in zip((1, 0), _both(output_size)))
    return _sampled(features[image_index], y, x)


def prroi_pool(features, rois, image_index, output_size, scale, aligned, box_gradient):
    """A surface that is straight between grid lines is integrated exactly by its middles there.

    So each axis is cut at its grid lines and at the edges of the bins, whose order autograd does not need to know.
    """
    pieces = []
    for axis, bins in zip((1, 0), _both(output_size)):
        edges = _edges(rois, axis, bins, scale, aligned)
        lines = torch.arange(-1.0, features.shape[2 - axis] + 1, dtype=rois.dtype)
        cuts = edges[:, :-1, None].maximum(edges[:, 1:, None].minimum(lines))
        cuts = torch.cat([edges[:, :-1, None], cuts, edges[:, 1:, None]], dim=2)  # (K, S, lines + 2), in order
        pieces.append(((cuts[..., 1:] + cuts[..., :-1]) / 2, cuts.diff(dim=2) / (edges.diff(dim=1)[..., None])))
    (y, of_y), (x, of_x) = pieces
    (K, S, n), (_, T, m) = y.shape, x.shape
    samples = _sampled(features[image_index], y.reshape(K, S * n), x.reshape(K, T * m)).reshape(K, S, n, T, m, -1)
    return torch.einsum("kinjmc,kin,kjm->kijc", samples, of_y, of_x)


def _both(size):
    return size if isinstance(size, (tuple, list)) else (size, size)


def _edges(rois, axis, bins, scale, aligned):
    """Where bins begin and end along an axis: (K, bins + 1), counted between the centres of pixels."""
    start, end = (rois[:, [i]] * scale - (0.5 if aligned else 0) for i in (axis, axis + 2))
    return start + torch.arange(bins + 1, dtype=rois.dtype) / bins * (end - start)


def _sampled(features, y, x):
    """features (K, H, W, C) read bilinearly at the rows y (K, S) and columns x (K, T), 0 outside  ->  (K, S, T, C)"""
    H, W = features.shape[1:3]
    shape = (*y.shape, x.shape[1])
    places = torch.stack([x[:, None].expand(shape) * 2 + 1, y[:, :, None].expand(shape) * 2 + 1], dim=-1)
    grid = places / torch.tensor([W, H], dtype=x.dtype) - 1  # the outer edges of the map lie at -1 and 1
    return _pixels(F.grid_sample(_planes(features), grid, mode="bilinear", padding_mode="zeros", align_corners=False))


def mask_targets(masks, rois, matched, sizes, size, aligned):
    """RoI by RoI, from the masks of its picture, which torchvision never pads."""
    assert not aligned
    targets = []
    for roi, row in zip(rois, matched):
        n, m = divmod(int(row), masks.shape[1])
        height, width = sizes[n]
        own = masks[n, m : m + 1, :height, :width]
        targets.append(roi_heads.project_masks_on_boxes(own, roi[None], torch.zeros(1, dtype=torch.int64), size))
    return {"targets": torch.cat(targets)}


def roi_levels(rois, canonical_size, canonical_level, lowest, highest):
    mapper = poolers.LevelMapper(lowest, highest, canonical_size, canonical_level)
    return {"level": lowest + mapper([rois])}


# ---------------------------------------------------------------- losses


def _reduced(element, weight, normalizer):
    weight = torch.ones(len(element), dtype=element.dtype) if weight is None else weight
    weight = weight.reshape(weight.shape + (1,) * (element.ndim - weight.ndim)).expand(element.shape)
    return (weight * element).sum() / (max(weight.sum(), 1) if normalizer is None else normalizer)


def softmax_cross_entropy(logits, labels, weight=None, normalizer=None):
    if weight is None and normalizer is None:
        return F.cross_entropy(logits, labels)
    return _reduced(F.cross_entropy(logits, labels, reduction="none"), weight, normalizer)


def sigmoid_cross_entropy(logits, targets, weight=None, normalizer=None):
    if weight is None and normalizer is None:
        return F.binary_cross_entropy_with_logits(logits, targets)
    return _reduced(F.binary_cross_entropy_with_logits(logits, targets, reduction="none"), weight, normalizer)


def smooth_l1(prediction, target, beta, weight=None, normalizer=None):
    if weight is None and normalizer is None:
        return F.smooth_l1_loss(prediction, target, beta=beta, reduction="sum") / len(prediction)
    element = F.smooth_l1_loss(prediction, target, beta=beta, reduction="none").sum(dim=-1)
    return _reduced(element, weight, normalizer)


def squared_error(prediction, target, weight=None, normalizer=None):
    if weight is None and normalizer is None:
        return F.mse_loss(prediction, target)
    return _reduced(F.mse_loss(prediction, target, reduction="none"), weight, normalizer)


# ---------------------------------------------------------------- boxes


def _mask(kept, like):
    keep = torch.zeros(len(like), dtype=torch.bool)
    keep[kept] = True
    return {"keep": keep}


def nms(boxes, scores, iou_threshold):
    return _mask(ops.nms(boxes, scores, iou_threshold), scores)


def batched_nms(boxes, scores, group, iou_threshold):
    return _mask(ops.batched_nms(boxes, scores, group, iou_threshold), scores)


def box_iou(a, b):
    return {"iou": ops.box_iou(a, b)}


def box_encode(boxes, anchors, weights):
    return {"deltas": _utils.BoxCoder(tuple(weights)).encode_single(boxes, anchors)}


def box_decode(deltas, anchors, weights):
    return {"boxes": _utils.BoxCoder(tuple(weights)).decode_single(deltas, anchors)}


def box_clip(boxes, height, width):
    return {"boxes": ops.clip_boxes_to_image(boxes, (height, width))}


def matcher(iou, valid, positive_iou, negative_iou, low_quality):
    rule = _utils.Matcher(positive_iou, negative_iou, allow_low_quality_matches=low_quality)
    matches = torch.stack([rule(table[:, real].T) for table, real in zip(iou, valid)])
    label = torch.where(matches >= 0, 1, torch.where(matches == rule.BELOW_LOW_THRESHOLD, -1, 0))
    return {"label": label, "matched": matches.clamp(min=-1)}


def anchors(sizes_per_level, ratios, grid_sizes, image_size):
    generator = anchor_utils.AnchorGenerator(tuple(map(tuple, sizes_per_level)), (tuple(ratios),) * len(grid_sizes))
    picture = torch.zeros(1, 3, *image_size, dtype=torch.float64)
    maps = [torch.zeros(1, 1, *grid, dtype=torch.float64) for grid in grid_sizes]
    (everything,) = generator(image_list.ImageList(picture, [tuple(image_size)]), maps)
    counts = [len(sizes) * len(ratios) * grid[0] * grid[1] for sizes, grid in zip(sizes_per_level, grid_sizes)]
    return dict(enumerate_levels(everything.split(counts)))


# ---------------------------------------------------------------- around the heads


def box_loss(logits, deltas, labels, targets, dlosses):
    inputs = logits.requires_grad_(), deltas.requires_grad_()
    losses = torch.stack(roi_heads.fastrcnn_loss(logits, deltas.flatten(1), [labels], [targets]))
    dlogits, ddeltas = torch.autograd.grad(losses, inputs, dlosses)
    classes, box = losses.detach()
    return {"box_class": classes, "box_delta": box, "dlogits": dlogits, "ddeltas": ddeltas}


def keypoint_loss(heatmaps, keypoints, rois, matched, dloss, size):
    planes = _planes(heatmaps.requires_grad_()).contiguous()
    loss = roi_heads.keypointrcnn_loss(planes, [rois], [keypoints[0]], [matched])
    (dheatmaps,) = torch.autograd.grad(loss, [heatmaps], dloss)
    return {"loss": loss.detach(), "dheatmaps": dheatmaps}


def keypoint_targets(keypoints, rois, matched, size):
    position, counts = roi_heads.keypoints_to_heatmap(keypoints[0][matched], rois, size)
    return {"position": position, "weight": counts.to(rois)}


def paste_masks(masks, found, height, width):
    return {"pasted": roi_heads.paste_masks_in_image(masks[:, None], found, (height, width))[:, 0]}


def resize_picture(image, boxes, keypoints, shorter, longer):
    target = {"boxes": boxes, "keypoints": keypoints}
    rule = transform.GeneralizedRCNNTransform(shorter, longer, [0.0] * 3, [1.0] * 3)
    image, target = rule.resize(image.permute(2, 0, 1), target)
    return {"image": image.permute(1, 2, 0), **target}


OPERATORS = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "select_conv1x1": select_conv1x1,
    "linear": linear,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "global_avg_pool2d": global_avg_pool2d,
    "batch_norm2d": batch_norm2d,
    "frozen_batch_norm2d": frozen_batch_norm2d,
    "group_norm": group_norm,
    "upsample_nearest2d": upsample_nearest2d,
    "resize_bilinear": resize_bilinear,
    "relu": relu,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "roi_align": roi_align,
    "roi_pool": roi_pool,
    "softmax_cross_entropy": softmax_cross_entropy,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "smooth_l1": smooth_l1,
    "squared_error": squared_error,
    "nms": nms,
    "batched_nms": batched_nms,
    "box_iou": box_iou,
    "box_encode": box_encode,
    "box_decode": box_decode,
    "box_clip": box_clip,
    "matcher": matcher,
    "anchors": anchors,
    "roi_levels": roi_levels,
    "mask_targets": mask_targets,
    "box_loss": box_loss,
    "keypoint_loss": keypoint_loss,
    "keypoint_targets": keypoint_targets,
    "paste_masks": paste_masks,
    "resize_picture": resize_picture,
    "roi_warp": roi_warp,
    "prroi_pool": prroi_pool,
}
