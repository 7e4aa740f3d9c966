"""How far each CPU kernel is from its readable twin, on shapes of training: float32 against the twin in float64."""

from dataclasses import dataclass, field

import mask_predictor
import numpy as np

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.ops import bilinear, conv, linear, nms, resize, roi_align, roi_align_boxes
from tinymaskrcnn.testing.trees import leaves, map_arrays


@dataclass(frozen=True)
class Work:
    """One call that a kernel takes: inputs are arrays, shapes to be filled with normal numbers, or lists of these."""

    what: str
    functions: tuple
    inputs: tuple
    data: dict = field(default_factory=dict)


CONV = conv.conv2d_forward, conv.conv2d_backward
TRANSPOSE = conv.conv_transpose2d_forward, conv.conv_transpose2d_backward
SELECT = conv.select_conv1x1_forward, conv.select_conv1x1_backward
LINEAR = linear.linear_forward, linear.linear_backward
UPSAMPLE = resize.upsample_nearest2d_forward, resize.upsample_nearest2d_backward
BILINEAR = bilinear.resize_bilinear_forward, bilinear.resize_bilinear_backward
MASK_LOGITS = mask_predictor.forward, mask_predictor.backward
ROI = roi_align.roi_align_forward, roi_align.roi_align_backward
PYRAMID = roi_align.pyramid_roi_align_forward, roi_align.pyramid_roi_align_backward

ROIS = np.tile(np.array([[3.3, 10.1, 40.2, 33.9], [60.5, 0, 128, 77.7], [20.2, 95.1, 51.4, 128]], np.float32), (8, 1))
PLACES = dict(image_index=np.arange(24) // 6, output_size=7)
AWAY_FROM_THE_KNEE = np.where(np.arange(64) % 2, 60, -60).astype(np.float32)  # of ReLU, where float32 may fall off

WORKS = [
    Work("stem, 7x7 stride 2", CONV, ((2, 64, 64, 3), (7, 7, 3, 32), (32,)), dict(stride=2, padding=3)),
    Work("3x3 stride 2", CONV, ((4, 32, 32, 32), (3, 3, 32, 64), (64,)), dict(stride=2, padding=1)),
    Work("3x3 dilated", CONV, ((2, 24, 24, 32), (3, 3, 32, 32), (32,)), dict(padding=2, dilation=2)),
    Work("3x3, Winograd 4x4", CONV, ((2, 32, 32, 64), (3, 3, 64, 64), (64,)), dict(padding=1)),
    Work("3x3, Winograd 2x2", CONV, ((16, 14, 14, 64), (3, 3, 64, 64), (64,)), dict(padding=1)),
    Work("1x1", CONV, ((2, 32, 32, 64), (1, 1, 64, 128), (128,))),
    Work("1x1 stride 2", CONV, ((4, 32, 32, 64), (1, 1, 64, 128), (128,)), dict(stride=2)),
    Work("2x2 stride 2", TRANSPOSE, ((16, 14, 14, 64), (2, 2, 64, 64), (64,)), dict(stride=2)),
    Work("28x28, 11 classes", SELECT, ((16, 28, 28, 64), (1, 1, 64, 11), (11,)), dict(channel=np.arange(16) % 11)),
    Work(
        "16 maps of 14x14, 11 classes",
        MASK_LOGITS,
        ((16, 14, 14, 64), (2, 2, 64, 64), AWAY_FROM_THE_KNEE, (1, 1, 64, 11), (11,)),
        dict(channel=np.arange(16) % 11),
    ),
    Work("24 RoIs of 7x7", ROI, ((4, 32, 32, 64), ROIS), dict(PLACES, scale=0.25)),
    Work(
        "24 RoIs of 7x7",
        PYRAMID,
        ([(4, 32, 32, 64), (4, 16, 16, 64)],),
        dict(PLACES, rois=ROIS, level=np.arange(24) % 2, scales=(0.25, 0.125)),
    ),
    Work("twice as large", UPSAMPLE, ((2, 16, 16, 64),), dict(size=32)),
    Work("a picture to two thirds", BILINEAR, ((2, 150, 198, 3),), dict(size=(100, 132))),
    Work("3136 to 128", LINEAR, ((64, 3136), (3136, 128), (128,))),
]


def measure(work):
    """{function name: largest error of its results}, each relative to the largest number of its array.

    Raises AssertionError when no kernel takes the call.
    """
    rng = np.random.default_rng(0)
    inputs = _drawn(work.inputs, rng)
    forward, backward = work.functions
    wide, wide_data = map_arrays(_wide, (inputs, work.data))
    want, wide_cache = forward.readable(*wide, **wide_data)
    dy = rng.standard_normal(want.shape).astype(np.float32)
    want_gradients = backward.readable(dy.astype(np.float64), wide_cache)
    got, cache = _with_kernel(forward, *inputs, **work.data)
    gradients = (_with_kernel if backward.__name__ in registered() else _plainly)(backward, dy, cache)
    return {forward.__name__: _error(got, want), backward.__name__: _error(gradients, want_gradients)}


def _drawn(inputs, rng):
    """Arrays in the place of shapes, in tuples and lists."""
    if isinstance(inputs, np.ndarray):
        return inputs
    if isinstance(inputs[0], int):
        return rng.standard_normal(inputs).astype(np.float32)
    return type(inputs)(_drawn(x, rng) for x in inputs)


def _wide(array):
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _plainly(function, *args):
    """A backward without a kernel of its own: the kernel is in what forward left in the cache."""
    return function(*args)


def _with_kernel(function, *args, **data):
    assert taken(function, *args, **data), f"no kernel takes this call of {function.__name__}"
    return function(*args, **data)


def taken(function, *args, **data):
    """Whether a NumPy kernel is registered under the function's name and takes the call."""
    kernel_lookup._load_kernels()
    kernels = kernel_lookup._KERNELS.get(function.__name__, ())
    args = getattr(function, "called_with", lambda *args: args)(*args)  # of a method: its module too
    return any(module is np and applies(*args, **data) for module, applies, _ in kernels)


def registered():
    """The names of all functions that have a NumPy kernel."""
    kernel_lookup._load_kernels()
    return {name for name, kernels in kernel_lookup._KERNELS.items() if any(module is np for module, _, _ in kernels)}


def _error(got, want):
    pairs = zip(leaves(got), leaves(want), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for (_, a), (_, b) in pairs)


def edge_gradient_error():
    """How far the kernel that says how boxes should move is from its text in float64, by its largest number."""
    rng = np.random.default_rng(0)
    dcrops, pixels = (rng.standard_normal(shape).astype(np.float32) for shape in ((24, 7, 7, 64), (4 * 32 * 32, 64)))
    settings = dict(scale=0.25, samples=2, aligned=True)
    y, x = (roi_align_boxes.moving_taps(ROIS[:, i], ROIS[:, i + 2], 7, 32, **settings) for i in (1, 0))
    place = dict(start=PLACES["image_index"] * 32 * 32, width=32)
    wide = map_arrays(_wide, (dcrops, pixels, y, x))
    want = roi_align_boxes.edge_gradient.readable(*wide, **place)
    return _error(_with_kernel(roi_align_boxes.edge_gradient, dcrops, pixels, y, x, **place), want)


def nms_disagreements(K=2000):
    """How many of K crowded boxes in groups the NMS kernel decides differently from the text."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 300, (K, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 90, (K, 2))], axis=1).astype(np.float32)
    scores, group = rng.random(K).astype(np.float32), rng.integers(0, 4, K)
    data = dict(iou_threshold=0.5, group=group)
    kept = _with_kernel(nms.nms, boxes, scores, **data)
    return int((kept != nms.nms.readable(boxes, scores, **data)).sum())
