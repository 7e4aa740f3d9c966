"""Exercises on RoIPool."""

import numpy as np

from ...ops.roi_pool import roi_pool_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import GRADIENTS, drawn


def _edges(start, end, bins, length, scale=1.0):
    arrays = np.array(start, np.float64), np.array(end, np.float64)
    return lambda rng: Call((*arrays, bins, length, scale))


def _random_edges(dtype=np.float64, count=6):
    def make(rng):
        start = rng.uniform(-8, 40, count)
        return Call((start.astype(dtype), (start + rng.uniform(0, 40, count)).astype(dtype), 3, 12, 0.25))

    return make


def _any_edges(draw):
    """Edges on and beside an axis, some turned round, none of them where rounding would decide."""
    count, scale = draw.turn([6, 1, 230, 20]), draw.turn([1.0, 1 / 16, 0.3, 2, 1 / 3])
    bins, length = draw.turn([(2, 8), (7, 40), (3, 5), (1, 9), (14, 21)])
    while True:
        start = draw.rng.uniform(-15, length + 10, count)
        edges = (np.stack([start, start + draw.rng.uniform(-5, 30, count)]) / scale).astype(draw.dtype)
        if abs(edges.astype(np.float64) * scale % 1 - 0.5).min() > 1e-3:
            return Call((*edges, bins, length, scale))


BINS = Exercise(
    id="hw04.roi_pool_bins",
    title="The bins of RoIPool along one axis",
    points=3,
    lesson="06",
    recipe="""
        One axis at a time: start and end (K,) are the RoIs' edges in image pixels, `length` the number of
        feature pixels along the axis, `scale` feature pixels per image pixel. `_nearest(x)` rounds to int32,
        halves away from zero.
        1. Both edges go to the nearest feature pixel (scale first).
        2. The last pixel belongs to the RoI: it is end - start + 1 pixels long, and at least one.
        3. Bin b of `bins` reaches from b/bins of that length, rounded down, to (b+1)/bins of it, rounded up,
           counted from the rounded start. Do it in integers: // rounds down, and -(-p // q) rounds up.
        4. Clip both into 0 .. length.
        Return first (K, bins) and stop (K, bins): a bin holds the pixels first .. stop - 1, and neighbours may
        overlap.
    """,
    returns=("first", "stop"),
    cases=(
        Case(
            "the columns 0..6 and the rows 3..7 of the sources' matrix",
            "value",
            _edges([0, 3], [6, 7], 2, 8),
            "7 columns do not divide by 2: both bins take the one in the middle",
        ),
        Case("edges between pixels", "value", _edges([1.4, 2.6], [6.4, 6.6], 2, 8)),
        Case("many", "value", _random_edges(), hidden=True),
        Case("a quarter of the image", "adversarial", _edges([8, 13], [27, 30], 3, 8, 0.25), "scale 1/4"),
        Case("half the image", "adversarial", _edges([4, 7], [15, 12], 2, 9, 0.5), "scale 1/2"),
        Case("halves below 0", "adversarial", _edges([-2.5], [3.5], 2, 8), "-2.5 goes to -3: away from zero"),
        Case(
            "29 pixels in 7 bins",
            "adversarial",
            _edges([1], [29], 7, 40),
            "29 / 7 times 7 is not 29 in fractions: the last bin ends where the RoI does",
        ),
        Case("halves", "adversarial", _edges([0.5, 2.5], [4.5, 5.5], 2, 8), "0.5 goes to 1, 2.5 to 3: away from zero"),
        Case("a RoI smaller than its bins", "adversarial", _edges([3, 5], [3, 4.9], 3, 8), "bins share pixels"),
        Case("outside the map", "adversarial", _edges([-5, 6, 20], [-2, 12, 25], 2, 8), "bins are cut at 0 and length"),
        Case("turned round", "adversarial", _edges([6], [2], 2, 8), "end before start: still one pixel long"),
        Case("no RoIs", "adversarial", _edges([], [], 2, 8)),
        Case(
            "a hair below a half",
            "adversarial",
            _edges([2.5 - 1e-9, -3.5 + 1e-9], [6.5 - 1e-9, 1.5 - 1e-9], 2, 8),
            "2.499999999 goes to 2: the edges are float64 here, and stay it",
        ),
        Case("a long axis", "adversarial", _edges([0, 2500], [3001, 5000], 7, 4000)),
        *drawn(
            "any edges",
            _any_edges,
            why="any scale, bins and length, hundreds of RoIs; some beside the map, some turned round",
        ),
        Case("float32 edges give whole numbers", "shape", _random_edges(np.float32)),
        Case("nothing is written into", "ownership", _random_edges()),
    ),
    mistakes=(
        Mistake(
            "the last pixel is not counted: a RoI from pixel 3 to pixel 7 is 5 pixels long, end - start + 1",
            (("- start + 1, 1)", "- start, 1)"),),
        ),
        Mistake(
            "the bins do not overlap: the end of a bin is rounded UP, which the published picture forgets",
            (("start - (-(bin + 1) * size) // bins", "start + (bin + 1) * size // bins"),),
        ),
        Mistake(
            "the edges are rounded down: they go to the nearest pixel",
            (
                ("_nearest(start * float(scale))", "np.floor(start * float(scale)).astype(np.int32)"),
                ("_nearest(end * float(scale))", "np.floor(end * float(scale)).astype(np.int32)"),
            ),
        ),
        Mistake(
            "halves go to the even neighbour, as np.round does it: `_nearest` rounds them away from zero",
            (
                ("_nearest(start * float(scale))", "np.round(start * float(scale)).astype(np.int32)"),
                ("_nearest(end * float(scale))", "np.round(end * float(scale)).astype(np.int32)"),
            ),
        ),
        Mistake(
            "halves are rounded up: below 0 that is towards zero, and `_nearest` rounds away from it",
            (
                ("_nearest(start * float(scale))", "np.floor(start * float(scale) + 0.5).astype(np.int32)"),
                ("_nearest(end * float(scale))", "np.floor(end * float(scale) + 0.5).astype(np.int32)"),
            ),
        ),
        Mistake(
            "you round fractions: 29 / 7 * 7 is a little above 29, and is rounded up to 30; divide whole numbers, // "
            "rounds down and -(-p // q) up",
            (
                ("start + bin * size // bins", "start + np.floor(bin * (size / bins)).astype(np.int32)"),
                ("start - (-(bin + 1) * size) // bins", "start + np.ceil((bin + 1) * (size / bins)).astype(np.int32)"),
            ),
        ),
        Mistake(
            "scale is left out: the edges are in image pixels, the bins in feature pixels",
            (("start * float(scale)", "start"), ("end * float(scale)", "end")),
        ),
        Mistake(
            "a RoI that is turned round has no pixel: it is at least one pixel long",
            (
                (
                    "xp.maximum(_nearest(end * float(scale))[:, None] - start + 1, 1)",
                    "_nearest(end * float(scale))[:, None] - start + 1",
                ),
            ),
        ),
        Mistake(
            "the bins are not clipped: pixels outside the map do not exist",
            (("return xp.clip(first, 0, length), xp.clip(stop, 0, length)", "return first, stop"),),
        ),
        Mistake(
            "stop is cut at length - 1, but it is the pixel AFTER the last: the map's last pixel is lost",
            (("xp.clip(stop, 0, length)", "xp.clip(stop, 0, length - 1)"),),
        ),
        Mistake(
            "the bins count from 0: they begin at the RoI's start",
            (("first = start + bin", "first = bin"), ("stop = start - (", "stop = -(")),
        ),
    ),
)


# ---------------------------------------------------------------- the way back


def _pooled(features, rois, output_size=2, image_index=None, scale=1.0, dtype=np.float64):
    """dcrops and the cache of RoIPool on given features (N, H, W, C) and RoIs."""

    def make(rng):
        index = np.zeros(len(rois), np.int64) if image_index is None else np.array(image_index)
        arrays = np.array(features, dtype), np.array(rois, dtype).reshape(-1, 4)
        crops, cache = roi_pool_forward(*arrays, image_index=index, output_size=output_size, scale=scale)
        dcrops = np.arange(1, crops.size + 1, dtype=dtype).reshape(crops.shape)
        return Call((dcrops, cache))

    return make


def _random_pooled(dtype=np.float64, scale=0.5):
    def make(rng):
        features = rng.permutation(2 * 6 * 9 * 3).reshape(2, 6, 9, 3)
        corner = rng.uniform(0, 6, (5, 2))
        rois = np.concatenate([corner, corner + rng.uniform(1, 6, (5, 2))], axis=1)
        options = {"output_size": 3, "image_index": rng.integers(0, 2, 5), "scale": scale, "dtype": dtype}
        return _pooled(features, rois, **options)(rng)

    return make


def _any_pooled(draw):
    """RoIs on and beside high maps and wide ones, bins that share pixels, gradients of any sign."""
    rng, shape = draw.rng, draw.turn([(2, 7, 4, 3), (1, 5, 8, 1), (8, 3, 6, 2), (2, 9, 5, 7)])
    scale, count = draw.turn([0.5, 1.0, 0.3]), draw.turn([9, 2, 40])
    corner = rng.uniform(-3, 8, (count, 2)) / scale
    rois = np.concatenate([corner, corner + rng.uniform(0, 6, (count, 2)) / scale], axis=1)
    features = rng.permutation(int(np.prod(shape))).reshape(shape)
    size, index = draw.turn([(2, 3), (4, 1), 3, (1, 2), (3, 7)]), rng.integers(0, shape[0], count)
    dcrops, cache = _pooled(features, rois, size, index, scale, draw.dtype)(rng).args
    return Call(((rng.standard_normal(dcrops.shape) * draw.turn(GRADIENTS)).astype(draw.dtype), cache))


RAMP = np.arange(16.0).reshape(1, 4, 4, 1)
WIDE = (np.arange(21.0) * 8 % 21).reshape(1, 3, 7, 1)
PEAK = np.array([[0.0, 1, 2], [3, 9, 4], [5, 6, 7]]).reshape(1, 3, 3, 1)

# Mistakes that lead out of the map must end in an error: a sparse matrix would write there.
ADD_AT = (
    "dfeatures = transposed(routes, dcrops) @ xp.ones(entry.size, dtype=dcrops.dtype)",
    "dfeatures = xp.zeros(n * height * width * channels, dcrops.dtype)\n"
    "    np.add.at(dfeatures, entry, gives.reshape(-1))",
)

POOL_BACK = Exercise(
    id="hw04.roi_pool_backward",
    title="The way back through RoIPool",
    points=4,
    lesson="06",
    recipe="""
        The cache is (where, reach, row_start, left, filled, shape); shape (N, H, W, C) is that of the features.
        For bin (i, j) of RoI k and channel c:
        - where[k, i, j, c] is the place of the maximum within its bin, counted row by row with `reach` places
          in a row: it lies where // reach rows below and where % reach columns right of the bin's first pixel.
        - The bin's first pixel, in the features laid out as one long row of N*H*W pixels, is row_start[k, i] +
          left[k, j]; one row further down is W pixels later.
        - filled (K, S, T, 1) is False for a bin without pixels: it sends nothing.
        1. For each bin and channel find the pixel that was the maximum.
        2. Send it dcrops[k, i, j, c]. A pixel that won several bins, or belongs to several RoIs, ADDS UP what
           they send: a plain loop does that, or np.add.at; `dfeatures[pixel] += ...` with repeated pixels does
           not.
        Return dfeatures (N, H, W, C) in the dtype of dcrops, and None for the RoIs: their edges were rounded.
    """,
    returns=("dfeatures", "drois"),
    cases=(
        Case("a ramp in four bins", "value", _pooled(RAMP, [[0, 0, 3, 3]])),
        Case("a peak in the middle", "value", _pooled(PEAK, [[0, 0, 2, 2]]), "the middle pixel wins all four bins"),
        Case("many", "value", _random_pooled(), hidden=True),
        Case("two RoIs that share pixels", "adversarial", _pooled(PEAK, [[0, 0, 2, 2], [1, 0, 2, 2]])),
        Case(
            "the second image",
            "adversarial",
            _pooled(np.concatenate([RAMP, RAMP[:, ::-1]]), [[0, 0, 3, 3]], image_index=[1]),
        ),
        Case(
            "a RoI outside the map",
            "adversarial",
            _pooled(RAMP, [[0, 0, 3, 3], [7, 7, 9, 9]]),
            "the second lies outside: empty bins send nothing, to no pixel",
        ),
        Case("two channels", "adversarial", _random_pooled(scale=0.7), "each channel has its own maximum"),
        Case(
            "a wide map",
            "adversarial",
            _pooled(WIDE, [[1, 0, 5, 2]]),
            "3 rows of 7 pixels: one row further down is W pixels later, not H",
        ),
        Case("no RoIs", "adversarial", _pooled(RAMP, np.zeros((0, 4)))),
        *drawn(
            "any RoIs",
            _any_pooled,
            times=12,
            why="any maps and grids of bins, more rows than columns and fewer; RoIs of several pictures, on and beside "
            "the map; gradients of any sign and size",
        ),
        Case(
            "a hundred and fifty pictures",
            "adversarial",
            _pooled(np.arange(900).reshape(150, 2, 3, 1), [[0, 0, 1, 1], [1, 0, 2, 1]] * 75, (1, 2), np.arange(150)),
        ),
        Case("two hundred RoIs", "adversarial", _pooled(WIDE, np.arange(800).reshape(200, 4) % 7, (1, 2))),
        Case("float32 stays float32", "shape", _random_pooled(np.float32)),
        Case("nothing is written into", "ownership", _random_pooled()),
        Case("empty bins stay as they were", "ownership", _pooled(RAMP, [[0, 0, 3, 3], [7, 7, 9, 9]])),
        GradientCase(
            "against differences",
            "backward",
            "tinymaskrcnn.ops.roi_pool:roi_pool_forward",
            lambda rng: Call(
                (rng.permutation(84).reshape(2, 6, 7, 1) * 0.1, np.array([[0.0, 0, 5, 5], [1, 2, 4, 5]])),
                {"image_index": np.array([0, 1]), "output_size": 2, "scale": 1.0},
            ),
            {"without_gradient": ("rois",), "zero_rows": ("rois", "image_index")},
        ),
    ),
    mistakes=(
        Mistake(
            "a pixel that won several bins gets only one of their gradients: add them up",
            (
                (
                    "dfeatures = transposed(routes, dcrops) @ xp.ones(entry.size, dtype=dcrops.dtype)",
                    "dfeatures = xp.zeros(n * height * width * channels, dcrops.dtype)\n"
                    "    dfeatures[entry[filled.repeat(channels, axis=3).reshape(-1)]] = "
                    "gives[filled.repeat(channels, axis=3)]",
                ),
            ),
        ),
        Mistake(
            "bins without pixels send their gradient to pixel 0: they send nothing",
            (("gives = xp.where(filled, dcrops, 0)", "gives = dcrops"),),
        ),
        Mistake(
            "rows and columns within the bin are exchanged: where // reach counts rows",
            (("where // reach * width + where % reach", "where % reach * width + where // reach"), ADD_AT),
        ),
        Mistake(
            "the first pixel of each bin gets the gradient: it belongs to the one that was the maximum",
            (("first + where // reach * width + where % reach", "first + 0 * where"),),
        ),
        Mistake(
            "a row is taken for `reach` pixels long: one row further down in the features is W pixels later",
            (("where // reach * width + where % reach", "where"), ADD_AT),
        ),
        Mistake(
            "a row of the features is taken for H pixels long: it has W of them, and the two differ here",
            (("where // reach * width + where % reach", "where // reach * height + where % reach"), ADD_AT),
        ),
        Mistake(
            "the RoIs get a gradient of zeros: there is none, return None",
            (("return dfeatures.reshape(shape), None", "return dfeatures.reshape(shape), 0 * dcrops[:, 0, 0, 0]"),),
        ),
    ),
)
