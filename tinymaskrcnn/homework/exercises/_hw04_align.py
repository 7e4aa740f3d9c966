"""Exercises on RoIAlign."""

import numpy as np

from ...ops.roi_align import roi_align_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import GRADIENTS, drawn


def _points(start, end, bins=2, *, samples=2, aligned=True, scale=1.0, dtype=np.float64):
    arrays = np.array(start, dtype), np.array(end, dtype)
    data = {"scale": scale, "samples": samples, "aligned": aligned}
    return lambda rng: Call((*arrays, bins), data)


def _random_points(**options):
    def make(rng):
        start = rng.uniform(0, 20, 5)
        return _points(start, start + rng.uniform(0.1, 20, 5), 3, scale=0.25, **options)(rng)

    return make


def _any_points(draw):
    """RoIs from a tenth of a pixel to hundreds, some turned round, none where rounding would decide how many points."""
    rng, count, bins = draw.rng, draw.turn([5, 1, 30, 140]), draw.turn([2, 7, 3, 1, 5])
    scale, samples = draw.turn([1.0, 0.0625, 0.3, 2]), draw.turn([0, 2, 0, 3, 0, 1])
    while True:
        start = rng.uniform(-30, 60, count)
        size = 10 ** rng.uniform(-1, draw.turn([1.2, 2.3]), count) * rng.choice([1, 1, 1, 1, 0, -1], count)
        start, end = ((x / scale).astype(draw.dtype) for x in (start, start + size))
        size = end.astype(np.float64) * scale - start.astype(np.float64) * scale
        whole = np.where(start == end, 0.5, np.concatenate([[size / bins % 1], [size % 1]]))
        if 1e-3 < whole.min() and whole.max() < 1 - 1e-3:
            break
    settings = {"samples": samples, "aligned": bool(draw.turn([True, True, False, False])), "scale": scale}
    return _points(start, end, bins, **settings, dtype=draw.dtype)(rng)


POINTS = Exercise(
    id="hw04.roi_align_points",
    title="Where RoIAlign reads: the points of each bin along one axis",
    points=4,
    lesson="06",
    recipe="""
        One axis at a time: start and end (K,) are the RoIs' edges in image pixels. Shapes below have an axis
        for RoIs, one for bins and one for the points of a bin: (K, S, n), S = bins.
        1. Both edges times scale; as (K, 1, 1). The RoI's size is end - start; when NOT aligned, at least 1.
        2. How many points a bin takes, (K, 1, 1): `samples`, or, when samples is 0, as many as the bin has
           pixels, the ceiling of size / bins. n is `samples`, or else the largest of these counts, and at
           least 1.
        3. use (K, 1, n): 1 / count for the first `count` points of a RoI and 0 for the others, so that a bin is
           a mean. Where the count is 0, take 1 / 1 for a division that harms nobody.
        4. along (K, S, n): where each point lies on the way from start (0) to end (1). The points of a bin are
           spread evenly: point p of bin b is (p + 0.5) / count bins further than the bin's beginning.
        5. position (K, S, n) = start + along * size; half a pixel less when aligned, because pixel i has its
           centre at i + 0.5.
        6. When not aligned, a RoI that was held at size 1 does not stretch: its along is 0 (after position is
           made).
        Return position, use, along, all in the dtype of start.
    """,
    returns=("position", "use", "along"),
    cases=(
        Case("the rows 3 to 8 of the sources' matrix", "value", _points([3], [8]), "2 bins, 2 points each, aligned"),
        Case("the same, not aligned", "value", _points([3], [8], aligned=False)),
        Case("one point a bin", "value", _points([0, 2], [7, 4], samples=1)),
        Case("many", "value", _random_points(), hidden=True),
        Case(
            "as many points as pixels",
            "adversarial",
            _points([0, 0], [8, 3], samples=0),
            "4 points for the first RoI, 2 for the second: the others weigh 0",
        ),
        Case(
            "a RoI of exactly one pixel",
            "adversarial",
            _points([2], [3], 2, aligned=False),
            "not aligned: it was not held at anything, and stretches",
        ),
        Case(
            "a RoI smaller than a pixel",
            "adversarial",
            _points([2], [2.4], 2, aligned=False),
            "not aligned: it counts as one pixel and does not stretch",
        ),
        Case("the same, aligned", "adversarial", _points([2], [2.4], 2), "aligned: it stays as small as it is"),
        Case("a quarter of the image", "adversarial", _points([8, 13], [27, 30], 3, scale=0.25), "scale 1/4"),
        Case("an empty RoI", "adversarial", _points([4], [4], samples=0), "no pixel, no point: weights of 0, no 0 / 0"),
        Case(
            "an empty RoI, not aligned",
            "adversarial",
            _points([4], [4], samples=0, aligned=False),
            "held at one pixel, so each bin has a point",
        ),
        Case("a RoI turned round", "adversarial", _points([5], [2], samples=0), "end before start: no pixel, no point"),
        Case("no RoIs", "adversarial", _points([], [], samples=0)),
        Case("no RoIs, three points", "adversarial", _points([], [], 3, samples=3, aligned=False)),
        Case(
            "RoIs of all kinds together, not aligned",
            "adversarial",
            _points([2, 2, 4, 5, 8], [2.5, 3, 4, 2, 29], 3, samples=0, aligned=False, scale=0.5),
            "smaller than a pixel, of exactly one half, empty, turned round, and large",
        ),
        Case(
            "edges close to 0",
            "adversarial",
            _points([0.0002, 5e-7], [2.7, 3.2], 3, samples=2),
            "an edge at 5e-7 lies where it lies",
        ),
        Case("a large RoI", "adversarial", _points([1000000.0, 3], [1000900.0, 700], 3, samples=0)),
        *drawn(
            "any RoIs",
            _any_points,
            times=12,
            why="any scale, bins and samples, aligned or not; RoIs from a tenth of a pixel to hundreds",
        ),
        Case("float32 stays float32", "shape", _random_points(dtype=np.float32, samples=0)),
        Case("nothing is written into", "ownership", _random_points()),
    ),
    mistakes=(
        Mistake(
            "half a pixel is missing: when aligned, pixel i has its centre at i + 0.5",
            (("(start - (0.5 if aligned else 0))", "start"),),
        ),
        Mistake(
            "half a pixel is taken away even when not aligned",
            (("(0.5 if aligned else 0)", "0.5"),),
        ),
        Mistake(
            "half a pixel of the image is taken away: it is half a pixel of the feature map, after the scale",
            (("(0.5 if aligned else 0)", "(0.5 * scale if aligned else 0)"),),
        ),
        Mistake(
            "the points lie at the beginning of their share of the bin: they lie in its middle, p + 0.5",
            (("(point + 0.5)", "point"),),
        ),
        Mistake(
            "a small RoI is held at one pixel even when aligned",
            (("size = end - start if aligned else xp.where", "size = xp.where"),),
        ),
        Mistake(
            "a small RoI is not held at one pixel when not aligned",
            (("end - start if aligned else xp.where(end - start < 1, 1, end - start)", "end - start"),),
        ),
        Mistake(
            "scale is left out: the edges are in image pixels, the points in feature pixels",
            (("start[:, None, None] * scale, end[:, None, None] * scale", "start[:, None, None], end[:, None, None]"),),
        ),
        Mistake(
            "the weights of a bin's points do not add up to 1: a bin is the mean of its points",
            (("(point < count) / xp.maximum(count, 1)", "(point < count) * xp.ones_like(count)"),),
        ),
        Mistake(
            "a bin of 1.5 pixels takes one point: round up",
            (("xp.ceil(size / bins)", "xp.maximum(xp.floor(size / bins), 1)"),),
        ),
        Mistake(
            "points beyond a RoI's count weigh as much as the others: they are only there to fill the array up",
            (("(point < count) / xp.maximum(count, 1)", "(point < 1e9) / xp.maximum(count, 1)"),),
        ),
        Mistake(
            "a RoI that was held at one pixel still stretches: its along is 0",
            (("along = xp.where(end - start < 1, 0, along)", "pass"),),
        ),
        Mistake(
            "the points are counted from end - start: count them from the size, which was held at one pixel",
            (("xp.ceil(size / bins)", "xp.ceil((end - start) / bins)"),),
        ),
        Mistake(
            "a RoI of exactly one pixel does not stretch: only smaller ones were held",
            (("along = xp.where(end - start < 1, 0, along)", "along = xp.where(end - start <= 1, 0, along)"),),
        ),
        Mistake(
            "an empty RoI gives 0 / 0: divide by at least 1",
            (
                ("(point < count) / xp.maximum(count, 1)", "(point < count) / count"),
                ("(point + 0.5) / xp.maximum(count, 1)", "(point + 0.5) / count"),
            ),
        ),
    ),
)


# ---------------------------------------------------------------- the way back


def _aligned(shape=(1, 4, 4, 1), rois=((0.0, 0.0, 4.0, 4.0),), index=(0,), *, drawn=False, boxes=False, **options):
    """dcrops (1, 2, 3, ..., or drawn) and the cache of RoIAlign; options may name a dtype."""
    dtype = options.pop("dtype", np.float64)

    def make(rng):
        features = rng.standard_normal(shape).astype(dtype)
        data = {"image_index": np.array(index, np.int64), "output_size": 2, "scale": 1.0, "samples": 1} | options
        arrays = features, np.array(rois, dtype).reshape(-1, 4)
        crops, cache = roi_align_forward.readable(*arrays, **data, box_gradient=boxes)  # whose A is scipy's own
        dcrops = np.arange(1, crops.size + 1, dtype=dtype).reshape(crops.shape)
        return Call((rng.standard_normal(crops.shape).astype(dtype) if drawn else dcrops, cache))

    return make


def _any_aligned(draw):
    rng, shape = draw.rng, draw.turn([(2, 9, 4, 3), (1, 4, 9, 1), (8, 5, 7, 2), (2, 3, 8, 7)])
    scale, count = draw.turn([0.5, 1.0, 0.25]), draw.turn([6, 1, 17])
    corner = rng.uniform(-3, 7, (count, 2)) / scale
    rois = np.concatenate([corner, corner + rng.uniform(0.2, 6, (count, 2)) / scale], axis=1)
    options = {"scale": scale, "samples": draw.turn([2, 0, 1, 3]), "aligned": draw.turn([True, False, False])}
    options |= {"output_size": draw.turn([(2, 3), (4, 1), 3, (1, 7)]), "boxes": draw.turn([False, True])}
    index = rng.integers(0, shape[0], count)
    dcrops, cache = _aligned(shape, rois, index, drawn=True, dtype=draw.dtype, **options)(rng).args
    return Call(((dcrops * draw.turn(GRADIENTS)).astype(draw.dtype), cache))


TWO = {
    "shape": (2, 5, 6, 3),
    "rois": ((0.3, 0.4, 5.1, 4.2), (1.0, 0.5, 4.5, 3.5), (2.0, 1.0, 5.5, 4.5)),
    "index": (0, 1, 1),
}

ALIGN_BACK = Exercise(
    id="hw04.roi_align_backward",
    title="The way back through RoIAlign",
    points=2,
    lesson="06",
    recipe="""
        The cache is (A, shape, for_boxes). The forward was crops = A @ pixels, with A (K*S*T, N*H*W) a sparse
        matrix, pixels the features as (N*H*W, C) and crops as (K*S*T, C). shape is (N, H, W, C).
        1. drois: None when for_boxes is None; else `box_gradient(dcrops, *for_boxes)` makes it.
        2. dfeatures: the gradient of pixels. The forward was a matrix product, so you know its way back;
           `transposed(A, dcrops)` gives the transposed matrix. dcrops must lie as crops did.
        3. Back to the shape of the features.
        Return dfeatures, drois.
    """,
    returns=("dfeatures", "drois"),
    cases=(
        Case("four bins, one point each", "value", _aligned()),
        Case("two images, three RoIs", "value", _aligned(**TWO, samples=2, drawn=True), hidden=True),
        Case(
            "bins that read the same pixels",
            "adversarial",
            _aligned(rois=((1.0, 1, 3, 3), (1, 1, 3, 3)), index=(0, 0)),
            "what several bins send to a pixel adds up",
        ),
        Case("three channels", "adversarial", _aligned(**TWO), "each channel goes its own way"),
        Case("with a gradient for the boxes", "adversarial", _aligned(**TWO, boxes=True)),
        Case("no RoIs", "adversarial", _aligned(rois=(), index=())),
        Case("no RoIs, with a gradient for the boxes", "adversarial", _aligned(rois=(), index=(), boxes=True)),
        Case(
            "a hundred and fifty pictures",
            "adversarial",
            _aligned((150, 2, 3, 1), [(0.5, 0.2, 2.5, 1.9)] * 150, np.arange(150), drawn=True),
        ),
        Case("two hundred RoIs", "adversarial", _aligned(rois=[(0.5, 1, 3, 2.5)] * 200, index=[0] * 200, drawn=True)),
        *drawn(
            "any RoIs",
            _any_aligned,
            times=12,
            why="any maps and grids of bins, more rows than columns and fewer; RoIs of several pictures, on and beside "
            "the map, with and without a gradient of their own; gradients of any sign and size",
        ),
        Case("float32 stays float32", "shape", _aligned(**TWO, dtype=np.float32)),
        Case("nothing is written into", "ownership", _aligned(**TWO, boxes=True)),
        GradientCase(
            "against differences, for features and boxes",
            "backward",
            "tinymaskrcnn.ops.roi_align:roi_align_forward",
            lambda rng: Call(
                (rng.standard_normal((2, 5, 6, 2)), np.array([[0.3, 0.4, 5.23, 4.31], [1.13, 0.57, 4.31, 3.77]])),
                {"image_index": np.array([1, 0]), "output_size": 2, "scale": 1.0, "box_gradient": True},
            ),
            {"zero_rows": ("rois", "image_index")},
        ),
    ),
    mistakes=(
        Mistake(
            "A itself is multiplied: the way back of A @ pixels is the transposed matrix",
            (("transposed(A, dcrops) @", "A @"),),
        ),
        Mistake(
            "the boxes never get a gradient: when for_boxes is there, `box_gradient` makes it",
            (("None if for_boxes is None else box_gradient(dcrops, *for_boxes)", "None"),),
        ),
        Mistake(
            "each pixel averages over the bins that read it: what they send adds up",
            (
                (
                    "@ dcrops.reshape(-1, shape[3])",
                    "@ dcrops.reshape(-1, shape[3]) / np.maximum(np.bincount(A.indices, minlength=A.shape[1]), 1)"
                    "[:, None].astype(dcrops.dtype)",
                ),
            ),
        ),
        Mistake(
            "every pixel that was read gets the whole gradient: it gets as much as it gave, the weight in A",
            (("transposed(A, dcrops) @", "(transposed(A, dcrops) != 0).astype(dcrops.dtype) @"),),
        ),
        Mistake(
            "the gradient is still one row a pixel: give it the shape of the features",
            (("return dfeatures.reshape(shape), drois", "return dfeatures, drois"),),
        ),
    ),
)
