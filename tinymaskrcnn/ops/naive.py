"""The definitions: every operator as plain loops, as close to the formula on paper as Python gets.

Nobody calls these for speed. They say what the array code in the neighbouring files computes, the tests compare the
two, and the lessons print them. Each returns y only: the tests hold the backward functions against differences of y.
"""

import math

import numpy as np

# ---------------------------------------------------------------- fully connected


def linear(x, weight, bias):
    """x (K, C), weight (C, O), bias (O,) -> y (K, O)."""
    K, C = x.shape
    O = bias.shape[0]
    y = np.empty((K, O), x.dtype)
    for k in range(K):
        for o in range(O):
            y[k, o] = bias[o] + sum(x[k, c] * weight[c, o] for c in range(C))
    return y


# ---------------------------------------------------------------- convolution


def conv2d(x, weight, bias, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """x (N, H, W, C), weight (KH, KW, C/groups, O), bias (O,) -> y (N, HO, WO, O)."""
    N, H, W, _ = x.shape
    KH, KW, C, O = weight.shape  # C channels per group
    HO = (H + 2 * padding[0] - dilation[0] * (KH - 1) - 1) // stride[0] + 1
    WO = (W + 2 * padding[1] - dilation[1] * (KW - 1) - 1) // stride[1] + 1
    y = np.zeros((N, HO, WO, O), x.dtype)
    for n, p, q, o in np.ndindex(y.shape):
        group = o // (O // groups)
        for i, j, c in np.ndindex(KH, KW, C):
            row = p * stride[0] + i * dilation[0] - padding[0]
            column = q * stride[1] + j * dilation[1] - padding[1]
            if 0 <= row < H and 0 <= column < W:  # the border is zero
                y[n, p, q, o] += x[n, row, column, group * C + c] * weight[i, j, c, o]
        y[n, p, q, o] += bias[o]
    return y


def conv_transpose2d(x, weight, bias, *, stride=(1, 1), padding=(0, 0)):
    """x (N, H, W, C), weight (KH, KW, C, O), bias (O,) -> y (N, HO, WO, O)."""
    N, H, W, C = x.shape
    KH, KW, _, O = weight.shape
    HO = (H - 1) * stride[0] + KH - 2 * padding[0]
    WO = (W - 1) * stride[1] + KW - 2 * padding[1]
    y = np.zeros((N, HO, WO, O), x.dtype)
    for n, p, q, c in np.ndindex(x.shape):
        for i, j, o in np.ndindex(KH, KW, O):
            row = p * stride[0] + i - padding[0]
            column = q * stride[1] + j - padding[1]
            if 0 <= row < HO and 0 <= column < WO:  # the padding cuts the rest away
                y[n, row, column, o] += x[n, p, q, c] * weight[i, j, c, o]
    return y + bias


def select_conv1x1(x, weight, bias, *, channel):
    """x (K, H, W, C), weight (1, 1, C, O), bias (O,), channel (K,) -> y (K, H, W)."""
    K, H, W, C = x.shape
    y = np.empty((K, H, W), x.dtype)
    for k, p, q in np.ndindex(K, H, W):
        o = channel[k]
        y[k, p, q] = bias[o] + sum(x[k, p, q, c] * weight[0, 0, c, o] for c in range(C))
    return y


# ---------------------------------------------------------------- activations


def relu(x):
    """x (...) -> y (...)."""
    y = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y[i] = x[i] if x[i] > 0 else 0
    return y


def sigmoid(x):
    """x (...) -> y (...)."""
    y = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y[i] = 1 / (1 + math.exp(-x[i]))
    return y


def softmax(x):
    """x (..., C) -> y (..., C)."""
    y = np.empty_like(x)
    for i in np.ndindex(x.shape[:-1]):
        total = sum(math.exp(score) for score in x[i])
        for c, score in enumerate(x[i]):
            y[i][c] = math.exp(score) / total
    return y


# ---------------------------------------------------------------- normalisation


def _normalise(values, eps):
    """Shift and scale a flat list of numbers to mean 0 and variance 1 (or nearly, for eps)."""
    mean = sum(values) / len(values)
    var = sum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / math.sqrt(var + eps) for v in values]


def batch_norm2d(x, weight, bias, *, eps):
    """x (N, H, W, C), weight (C,), bias (C,) -> y (N, H, W, C)."""
    y = np.empty_like(x)
    for c in range(x.shape[3]):
        pixels = list(np.ndindex(x.shape[:3]))
        xhat = _normalise([x[n, p, q, c] for n, p, q in pixels], eps)
        for (n, p, q), value in zip(pixels, xhat):
            y[n, p, q, c] = value * weight[c] + bias[c]
    return y


def frozen_batch_norm2d(x, weight, bias, *, mean, var, eps):
    """x (N, H, W, C), weight (C,), bias (C,), mean (C,), var (C,) -> y (N, H, W, C)."""
    y = np.empty_like(x)
    for n, p, q, c in np.ndindex(x.shape):
        y[n, p, q, c] = (x[n, p, q, c] - mean[c]) / math.sqrt(var[c] + eps) * weight[c] + bias[c]
    return y


def group_norm(x, weight, bias, *, groups, eps):
    """x (N, H, W, C), weight (C,), bias (C,) -> y (N, H, W, C)."""
    N, H, W, C = x.shape
    members = C // groups
    y = np.empty_like(x)
    for n, g in np.ndindex(N, groups):
        places = [(p, q, g * members + m) for p, q, m in np.ndindex(H, W, members)]
        xhat = _normalise([x[n, p, q, c] for p, q, c in places], eps)
        for (p, q, c), value in zip(places, xhat):
            y[n, p, q, c] = value * weight[c] + bias[c]
    return y


# ---------------------------------------------------------------- pooling


def _window(x, n, p, q, c, kernel, stride, padding):
    """The values below one window, row by row, and None where the window hangs over the border."""
    H, W = x.shape[1:3]
    for i, j in np.ndindex(*kernel):
        row = p * stride[0] + i - padding[0]
        column = q * stride[1] + j - padding[1]
        yield x[n, row, column, c] if 0 <= row < H and 0 <= column < W else None


def _pool(x, summary, kernel, stride, padding):
    N, H, W, C = x.shape
    HO = (H + 2 * padding[0] - kernel[0]) // stride[0] + 1
    WO = (W + 2 * padding[1] - kernel[1]) // stride[1] + 1
    y = np.empty((N, HO, WO, C), x.dtype)
    for n, p, q, c in np.ndindex(y.shape):
        y[n, p, q, c] = summary(list(_window(x, n, p, q, c, kernel, stride, padding)))
    return y


def max_pool2d(x, *, kernel, stride, padding=(0, 0)):
    """x (N, H, W, C) -> y (N, HO, WO, C)."""
    return _pool(x, lambda window: max(v for v in window if v is not None), kernel, stride, padding)


def max_pool2d_backward(dy, x, *, kernel, stride, padding=(0, 0)):
    """dy (N, HO, WO, C), x (N, H, W, C) -> dx (N, H, W, C): defined here as well, because differences fail at ties."""
    dx = np.zeros_like(x)
    for n, p, q, c in np.ndindex(dy.shape):
        window = [-math.inf if v is None else v for v in _window(x, n, p, q, c, kernel, stride, padding)]
        i, j = divmod(window.index(max(window)), kernel[1])  # index() finds the first of equals
        dx[n, p * stride[0] + i - padding[0], q * stride[1] + j - padding[1], c] += dy[n, p, q, c]
    return dx


def avg_pool2d(x, *, kernel, stride, padding=(0, 0)):
    """x (N, H, W, C) -> y (N, HO, WO, C); the zeros of the border count."""
    return _pool(x, lambda window: sum(v or 0 for v in window) / len(window), kernel, stride, padding)


def global_avg_pool2d(x):
    """x (N, H, W, C) -> y (N, C)."""
    N, H, W, C = x.shape
    y = np.zeros((N, C), x.dtype)
    for n, p, q, c in np.ndindex(x.shape):
        y[n, c] += x[n, p, q, c] / (H * W)
    return y


# ---------------------------------------------------------------- resizing


def upsample_nearest2d(x, *, size):
    """x (N, H, W, C) -> y (N, HO, WO, C)."""
    N, H, W, C = x.shape
    y = np.empty((N, *size, C), x.dtype)
    for n, p, q, c in np.ndindex(y.shape):
        y[n, p, q, c] = x[n, p * H // size[0], q * W // size[1], c]
    return y


def _neighbours(output, outputs, inputs):
    """The two input pixels around an output pixel's centre, and how far it is from the first to the second."""
    source = (output + 0.5) * inputs / outputs - 0.5
    source = min(max(source, 0), inputs - 1)
    low = int(source)
    return low, min(low + 1, inputs - 1), source - low


def resize_bilinear(x, *, size):
    """x (N, H, W, C) -> y (N, HO, WO, C)."""
    N, H, W, C = x.shape
    y = np.empty((N, *size, C), x.dtype)
    for n, p, q, c in np.ndindex(y.shape):
        top, bottom, down = _neighbours(p, size[0], H)
        left, right, over = _neighbours(q, size[1], W)
        upper = (1 - over) * x[n, top, left, c] + over * x[n, top, right, c]
        lower = (1 - over) * x[n, bottom, left, c] + over * x[n, bottom, right, c]
        y[n, p, q, c] = (1 - down) * upper + down * lower
    return y


# ---------------------------------------------------------------- RoI operators, losses and geometry


def iou(a, b):
    """Boxes a (4,), b (4,) -> intersection over union, a number."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a = max(0, a[2] - a[0]) * max(0, a[3] - a[1])
    area_b = max(0, b[2] - b[0]) * max(0, b[3] - b[1])
    union = area_a + area_b - width * height
    return width * height / union if union > 0 else 0.0


def encode(box, anchor):
    """box (4,), anchor (4,) -> deltas (4,): shift in anchor sizes, logarithm of the growth."""
    ax, ay, aw, ah = _center_and_size(anchor)
    gx, gy, gw, gh = _center_and_size(box)
    return np.array([(gx - ax) / aw, (gy - ay) / ah, math.log(gw / aw), math.log(gh / ah)])


def _center_and_size(box):
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def anchors(sizes, ratios, *, grid_size, stride):
    """-> anchors (h*w*A, 4): at every cell every ratio (height / width), and for every ratio every size."""
    found = []
    for i, j in np.ndindex(*grid_size):
        for ratio in ratios:
            for size in sizes:
                w, h = size / math.sqrt(ratio), size * math.sqrt(ratio)
                corners = (round(-w / 2), round(-h / 2), round(w / 2), round(h / 2))
                shift = (j * stride, i * stride, j * stride, i * stride)
                found.append([corner + s for corner, s in zip(corners, shift)])
    return np.array(found, np.float32)


def nms(boxes, scores, *, iou_threshold, group):
    """boxes (K, 4), scores (K,), group (K,) -> keep (K,) bool."""
    keep = np.zeros(len(boxes), bool)
    for k in sorted(range(len(boxes)), key=lambda k: -scores[k]):  # best first; sorted leaves equals in order
        rivals = [q for q in range(len(boxes)) if keep[q] and group[q] == group[k]]
        keep[k] = all(iou(boxes[k], boxes[q]) <= iou_threshold for q in rivals)
    return keep


def softmax_cross_entropy(logits, *, labels, weight, normalizer):
    """logits (K, C), labels (K,), weight (K,) -> loss, a number."""
    loss = 0.0
    for k in range(len(logits)):
        probability = math.exp(logits[k, labels[k]]) / sum(math.exp(z) for z in logits[k])
        loss -= weight[k] * math.log(probability)
    return loss / normalizer


def sigmoid_cross_entropy(logits, *, targets, weight, normalizer):
    """logits, targets and weight of one shape -> loss, a number."""
    loss = 0.0
    for i in np.ndindex(logits.shape):
        probability = 1 / (1 + math.exp(-logits[i]))
        loss -= weight[i] * (targets[i] * math.log(probability) + (1 - targets[i]) * math.log(1 - probability))
    return loss / normalizer


def smooth_l1(prediction, *, target, beta, weight, normalizer):
    """prediction (K, D), target (K, D), weight (K,) -> loss, a number."""
    loss = 0.0
    for k, d in np.ndindex(prediction.shape):
        distance = abs(prediction[k, d] - target[k, d])
        loss += weight[k] * (0.5 * distance**2 / beta if distance < beta else distance - 0.5 * beta)
    return loss / normalizer


def squared_error(prediction, *, target, weight, normalizer):
    """prediction, target and weight of one shape -> loss, a number."""
    loss = 0.0
    for i in np.ndindex(prediction.shape):
        loss += weight[i] * (prediction[i] - target[i]) ** 2
    return loss / normalizer


def bilinear(image, y, x):
    """The value of image (H, W, C) between its pixels -> (C,); 0 more than one pixel outside, else the border's."""
    H, W, C = image.shape
    if not (-1 <= y <= H and -1 <= x <= W):
        return np.zeros(C, image.dtype)
    y, x = min(max(y, 0), H - 1), min(max(x, 0), W - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
    down, over = y - top, x - left
    upper = (1 - over) * image[top, left] + over * image[top, right]
    lower = (1 - over) * image[bottom, left] + over * image[bottom, right]
    return (1 - down) * upper + down * lower


def roi_align(features, rois, *, image_index, output_size, scale, samples, aligned):
    """features (N, H, W, C), rois (K, 4), image_index (K,) -> crops (K, S, T, C), output_size (S, T)."""
    S, T = output_size
    crops = np.zeros((len(rois), S, T, features.shape[3]), features.dtype)
    for k in range(len(rois)):
        x1, y1, x2, y2 = (float(edge) * scale - (0.5 if aligned else 0) for edge in rois[k])
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        points_y = samples or max(0, math.ceil(height / S))
        points_x = samples or max(0, math.ceil(width / T))
        for i, j in np.ndindex(S, T):
            for p, q in np.ndindex(points_y, points_x):
                y = y1 + (i + (p + 0.5) / points_y) * height / S
                x = x1 + (j + (q + 0.5) / points_x) * width / T
                crops[k, i, j] += bilinear(features[image_index[k]], y, x) / (points_y * points_x)
    return crops


def roi_pool(features, rois, *, image_index, output_size, scale):
    """features (N, H, W, C), rois (K, 4), image_index (K,) -> crops (K, S, T, C), output_size (S, T)."""
    _, H, W, C = features.shape
    S, T = output_size
    crops = np.zeros((len(rois), S, T, C), features.dtype)
    for k in range(len(rois)):
        x1, y1, x2, y2 = (int(math.copysign(math.floor(abs(edge * scale) + 0.5), edge)) for edge in rois[k])
        height, width = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)  # the last pixel is part of the RoI
        for i, j in np.ndindex(S, T):
            rows = [y for y in range(y1 + i * height // S, y1 + -(-(i + 1) * height // S)) if 0 <= y < H]
            columns = [x for x in range(x1 + j * width // T, x1 + -(-(j + 1) * width // T)) if 0 <= x < W]
            if rows and columns:
                for c in range(C):
                    crops[k, i, j, c] = max(features[image_index[k], y, x, c] for y in rows for x in columns)
    return crops
