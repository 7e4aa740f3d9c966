"""Exercises on the mask loss and its targets."""

import numpy as np

from ...ops.losses import sigmoid_cross_entropy_backward, sigmoid_cross_entropy_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._draws import drawn
from ._shared import cache_proven_by

PAIR = "tinymaskrcnn.ops.losses:sigmoid_cross_entropy_"


SURE = [[2.0, -2, 2], [2, -2, 2]], [[0.0, 1, 0], [1, 0, 1]]


def _loss(logits, targets, dtype=np.float64, **data):
    data = {name: np.array(value, dtype) if name == "weight" else value for name, value in data.items()}
    return lambda rng: Call((np.array(logits, dtype),), {"targets": np.array(targets, dtype), **data})


def _masks(dtype=np.float64, **data):
    """Logits of three masks of 4x4 pixels, soft targets, a weight for each mask."""

    def make(rng):
        logits = rng.normal(0, 2, (3, 4, 4)).astype(dtype)
        targets = rng.random((3, 4, 4)).astype(dtype)
        return Call((logits,), {"targets": targets, "weight": np.array([1, 0, 1], dtype), "normalizer": 20.0} | data)

    return make


def _any_loss(draw):
    """Logits of any size and number of axes, hard and soft targets, weights of any number of leading axes."""
    rng, shape = draw.rng, draw.turn([(3, 7, 8), (7,), (2, 3, 2, 9), (160, 2)])
    logits = rng.normal(0, draw.turn([1, 30, 1e-4, 400, 3e6]), shape).astype(draw.dtype)
    targets = draw.turn([rng.random(shape), rng.random(shape) < 0.5, rng.random(shape)]).astype(draw.dtype)
    weight = draw.rng.choice([0, 0.25, 1, 3], shape[: draw.turn([1, 2, 4, 3])]).astype(draw.dtype)
    data = draw.turn([{"weight": weight}, {"weight": weight, "normalizer": 7.5}, {}, {"normalizer": 30}])
    return Call((logits,), {"targets": targets, **data})


def _any_loss_cache(draw):
    dloss = draw.turn([-2.5, 1e-15, 3e7, 0.0, 3.0])
    call = _loss_cache(lambda rng: _any_loss(draw), dloss)(draw.rng)
    return draw.turn([call, Call((dloss, call.args[1]))])


LOSS = Exercise(
    id="hw04.sigmoid_cross_entropy_forward",
    title="The mask loss: a yes or no for each pixel",
    points=3,
    lesson="07",
    recipe="""
        For each pixel with logit x and target t, the probability is s = 1 / (1 + exp(-x)), and the loss of the
        pixel -t log(s) - (1 - t) log(1 - s). The lines above have made weight broadcast against logits, and
        have put 0 where it is 0.
        1. Write the loss of the pixel so that no logit can overflow: put s in, take the logarithms, and see
           that it becomes x - x t + log(1 + exp(-x)) for positive x, and -x t + log(1 + exp(x)) for negative x.
           One formula with |x| says both: exp then only sees numbers below 0. log1p(y) is log(1 + y), exact for
           small y. Call the array `element`.
        2. `_reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)` returns the loss, sum(weight
           * element) / normalizer, and the normalizer it used.
        3. The cache is (logits, targets, weight, normalizer).
        Return loss, cache.
    """,
    returns=("loss",),
    results=cache_proven_by(
        sigmoid_cross_entropy_forward,
        sigmoid_cross_entropy_backward,
        ("dlogits",),
        "(logits, targets, weight, normalizer)",
        result="loss",
    ),
    cases=(
        Case("one pixel, undecided", "value", _loss([[0.0]], [[1.0]]), "log 2 = 0.693"),
        Case("three sure and wrong, three sure and right", "value", _loss(*SURE)),
        Case("soft targets", "value", _masks(), hidden=True),
        Case(
            "very sure",
            "adversarial",
            _loss([[1000.0, -1000], [1000, -1000]], [[1.0, 0], [0, 1]]),
            "logits of 1000: 0 where right, 1000 where wrong, never infinite",
        ),
        Case("a mask that does not count", "adversarial", _masks(), "its weight is 0; the normalizer is given"),
        Case(
            "a weight for each pixel",
            "adversarial",
            _loss([[1.0, -1], [0.5, 3]], [[1.0, 1], [0, 0]], weight=[[1, 0], [0.5, 2]]),
        ),
        Case("no masks", "adversarial", _loss(np.zeros((0, 2, 2)), np.zeros((0, 2, 2)))),
        Case(
            "nothing counts",
            "adversarial",
            _loss([[1.0, -1], [0.5, 3]], [[1.0, 1], [0, 0]], weight=[0, 0]),
            "all weights are 0: so is the loss",
        ),
        *drawn(
            "any logits",
            _any_loss,
            times=12,
            why="any number of axes, tiny and large logits, hard and soft targets; weights of several axes; normalizer "
            "given or not",
        ),
        Case("float32 stays float32", "shape", _masks(np.float32)),
        Case("nothing is written into", "ownership", _masks()),
        GradientCase(
            "its cache serves the backward",
            "forward",
            PAIR + "backward",
            lambda rng: Call(
                (rng.normal(0, 2, (3, 4)),), {"targets": rng.random((3, 4)), "weight": np.array([1.0, 0, 2])}
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "a sure pixel gives infinity or NaN: log(0). Use the form in which exp only sees numbers below 0",
            (
                (
                    "xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "-(targets * xp.log(1 / (1 + xp.exp(-logits)))"
                    " + (1 - targets) * xp.log(1 - 1 / (1 + xp.exp(-logits))))",
                ),
            ),
        ),
        Mistake(
            "only the pixels of the object count: (1 - t) log(1 - s) is missing",
            (
                (
                    "xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "targets * (xp.maximum(-logits, 0) + xp.log1p(xp.exp(-xp.abs(logits))))",
                ),
            ),
        ),
        Mistake(
            "yes and no are exchanged: a target of 1 should make a large logit cheap",
            (("- logits * targets", "- logits * (1 - targets)"),),
        ),
        Mistake(
            "the sign is wrong: a loss is minus the logarithm of a probability",
            (
                (
                    "element = xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "element = -xp.maximum(logits, 0) + logits * targets - xp.log1p(xp.exp(-xp.abs(logits)))",
                ),
            ),
        ),
        Mistake(
            "exp sees the logit and not minus its absolute value: it is wrong for negative logits, and overflows",
            (("xp.exp(-xp.abs(logits))", "xp.exp(-logits)"),),
        ),
        Mistake(
            "all pixels count alike: hand weight and normalizer to `_reduce`",
            (("element, weight, normalizer)", "element, xp.ones_like(weight), None)"),),
        ),
        Mistake(
            "the normalizer is not handed on: `_reduce` then divides by the total weight",
            (("element, weight, normalizer)", "element, weight, None)"),),
        ),
        Mistake(
            "it is the squared error of the probability: the mask loss is a cross-entropy",
            (
                (
                    "xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "(1 / (1 + xp.exp(-logits)) - targets) ** 2",
                ),
            ),
        ),
    ),
)


def _loss_cache(make, dloss=1.0):
    """dloss and the cache of the loss."""

    def back(rng):
        call = make(rng)
        _, cache = sigmoid_cross_entropy_forward(*call.args, **call.data)
        return Call((np.asarray(dloss, call.args[0].dtype), cache))

    return back


LOSS_BACK = Exercise(
    id="hw04.sigmoid_cross_entropy_backward",
    title="The gradient of the mask loss",
    points=2,
    lesson="07",
    recipe="""
        The cache is (logits, targets, weight, normalizer). The loss of a pixel with logit x and target t was -t
        log(s) - (1 - t) log(1 - s), with s = 1 / (1 + exp(-x)).
        1. Derive the loss of the pixel by x. The derivative of s by x is s (1 - s), and nearly everything
           cancels.
        2. `_scaled(weight, dloss, normalizer)` gives what every pixel's own derivative is multiplied with.
        3. A logit of -1000 must not overflow: exp of numbers below 0 only. `sigmoid` of x is 1 / (1 + e) or e /
           (1 + e) with e = exp(-|x|).
        Return dlogits (...).
    """,
    returns=("dlogits",),
    cases=(
        Case("undecided", "value", _loss_cache(_loss([[0.0, 0]], [[1.0, 0]])), "half a step towards the target each"),
        Case("sure and wrong, sure and right", "value", _loss_cache(_loss(*SURE))),
        Case("soft targets", "value", _loss_cache(_masks()), hidden=True),
        Case("a loss that counts three times", "adversarial", _loss_cache(_masks(), 3.0), "dloss = 3"),
        Case(
            "very sure",
            "adversarial",
            _loss_cache(_loss([[1000.0, -1000], [1000, -1000]], [[1.0, 0], [0, 1]])),
            "logits of 1000",
        ),
        Case(
            "a mask that does not count",
            "adversarial",
            _loss_cache(_masks()),
            "its weight is 0, and so is its gradient",
        ),
        Case("no masks", "adversarial", _loss_cache(_loss(np.zeros((0, 2, 2)), np.zeros((0, 2, 2))))),
        *drawn(
            "any logits",
            _any_loss_cache,
            times=12,
            why="any number of axes, tiny and large logits, hard and soft targets; weights of several axes; dloss of "
            "any sign and size, a number or an array",
        ),
        Case("float32 stays float32", "shape", _loss_cache(_masks(np.float32))),
        Case("nothing is written into", "ownership", _loss_cache(_masks())),
        GradientCase(
            "against differences",
            "backward",
            PAIR + "forward",
            lambda rng: Call(
                (rng.normal(0, 2, (3, 4)),), {"targets": rng.random((3, 4)), "weight": np.array([1.0, 0, 2])}
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "the sign is turned round: probability minus target",
            (("(probability - targets)", "(targets - probability)"),),
        ),
        Mistake(
            "s (1 - s) stands there once too often: in the cross-entropy it cancels",
            (
                (
                    "(probability - targets) * delement",
                    "(probability - targets) * probability * (1 - probability) * delement",
                ),
            ),
        ),
        Mistake(
            "dloss is left out: the loss may count more or less than once",
            (("_scaled(weight, dloss, normalizer)", "_scaled(weight, 1.0, normalizer)"),),
        ),
        Mistake(
            "the weight is left out: a mask that does not count has no gradient",
            (("_scaled(weight, dloss, normalizer)", "_scaled(xp.ones_like(weight), dloss, normalizer)"),),
        ),
        Mistake(
            "the normalizer is left out: the loss was divided by it",
            (("_scaled(weight, dloss, normalizer)", "_scaled(weight, dloss, xp.ones_like(normalizer))"),),
        ),
        Mistake(
            "you divide by the total weight: the cache holds the normalizer that the loss was divided by",
            (
                (
                    "_scaled(weight, dloss, normalizer)",
                    "_scaled(weight, dloss, max(np.broadcast_to(weight, logits.shape).sum(), 1))",
                ),
            ),
        ),
        Mistake(
            "the logits are compared with the targets: take their probability first",
            (("(probability - targets)", "(logits - targets)"),),
        ),
    ),
)


# ---------------------------------------------------------------- what the mask head should say


def _square():
    """One picture of 4x4 pixels with one object: the middle four."""
    masks = np.zeros((1, 1, 4, 4), bool)
    masks[0, 0, 1:3, 1:3] = True
    return masks


def _cut(rois, size=2, *, aligned=True, masks=None, matched=None):
    rois = np.array(rois, np.float64).reshape(-1, 4)
    masks = _square() if masks is None else masks
    matched = np.zeros(len(rois), np.int64) if matched is None else np.array(matched)
    sizes = np.repeat([masks.shape[2:]], len(masks), axis=0)
    return lambda rng: Call((masks, rois, matched), {"sizes": sizes, "size": size, "aligned": aligned})


def _random_cut(dtype=np.float64, kind=bool, aligned=True):
    def make(rng):
        masks = (rng.random((2, 3, 9, 11)) < 0.5).astype(kind)
        corner = rng.uniform(0, 5, (4, 2))
        rois = np.concatenate([corner, corner + rng.uniform(1, 4, (4, 2))], axis=1).astype(dtype)
        sizes = np.array([[9, 11], [9, 11]])
        return Call((masks, rois, rng.integers(0, 6, 4)), {"sizes": sizes, "size": 3, "aligned": aligned})

    return make


def _at_the_border(aligned):
    """Two pictures of different sizes in one batch, each with a RoI that ends at its lower right corner."""

    def make(rng):
        sizes = np.array([[9, 6], [5, 11]])
        masks = np.zeros((2, 2, 9, 11), np.uint8)
        for own, (height, width) in zip(masks, sizes):
            own[:, :height, :width] = rng.random((2, height, width)) < 0.8
        rois = np.array([[1, 2, 6, 9], [3, 1, 11, 5], [2, 3, 6, 9]], np.float64)
        return Call((masks, rois, np.array([1, 2, 0])), {"sizes": sizes, "size": 3, "aligned": aligned})

    return make


def _any_cut(draw):
    """Masks of padded pictures of any size; RoIs of a part of a pixel, of all pixels, and up to every border."""
    rng, (n, m, height, width) = draw.rng, draw.turn([(2, 3, 9, 13), (3, 1, 14, 6), (1, 4, 5, 21)])
    sizes = np.stack([rng.integers(3, length + 1, n) for length in (height, width)], axis=1)
    sizes[0] = height, width
    masks = np.zeros((n, m, height, width), draw.turn([bool, np.uint8]))
    for own, (high, wide) in zip(masks, sizes):
        own[:, :high, :wide] = rng.random((m, high, wide)) < 0.6
    count = draw.turn([7, 1, 160])
    matched = rng.integers(0, n * m, count)
    ends = sizes[matched // m][:, [1, 0, 1, 0]]
    first, second = rng.random((2, count, 2))
    shares = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
    shares = np.where(rng.random((count, 4)) < 0.25, [0, 0, 1, 1], shares)
    data = {"sizes": sizes, "size": draw.turn([3, 7, 2, 1]), "aligned": draw.turn([True, False, False])}
    return Call((masks, (shares * ends).astype(draw.dtype), matched), data)


CHESS = (np.add.outer(np.arange(4), np.arange(5)) % 2 == 0)[None, None]


def _large(rng):
    """Several RoIs of a picture so large that not all are looked at together."""
    masks = np.zeros((1, 2, 900, 607), bool)
    masks[0, 0, 100:800:7, 200:] = masks[0, 1, 50:, 30:500:3] = True
    corner = rng.uniform(0, 400, (10, 2))
    rois = np.concatenate([corner, corner + rng.uniform(1, 200, (10, 2))], axis=1)
    return _cut(rois, 3, masks=masks, matched=rng.integers(0, 2, 10))(rng)


def _very_large(rng):
    """A RoI of a picture of more than two megapixels."""
    masks = np.zeros((1, 1, 1500, 1403), bool)
    masks[..., 100:1200:7, 200:] = True
    call = _cut([[150, 90, 1400, 1500]], 3, masks=masks)(rng)
    return Call((masks, call.args[1].astype(np.float32), call.args[2]), call.data)


TARGETS = Exercise(
    id="hw04.mask_targets",
    title="What the mask head should answer",
    points=3,
    lesson="07",
    recipe="""
        Each RoI belongs to an object; its target is that object's mask, seen through the RoI on a grid of size
        x size bins. `roi_align.adaptive_weights(start, end, bins, lengths, longest=..., aligned=aligned)` gives,
        for edges start and end (Q,), each along an axis of lengths (Q,) pixels, a matrix (Q, bins, longest): how
        much each bin takes of each pixel. start, end, bins and lengths are positional.
        1. The masks (N, M, H, W) as one list (N*M, H, W): matched[q] is the row of RoI q's object in it, so that
           its picture is number matched[q] // M.
        2. Pictures were padded to H x W; their own heights and widths are in sizes (N, 2). A mask ends where its
           picture ends: take heights and widths (Q,), one for each RoI.
        3. The weights along the rows, from y1, y2 and the heights, (Q, size, H), and along the columns, from x1,
           x2 and the widths, (Q, size, W).
        4. For each RoI: rows (size, H) times mask (H, W) times columns turned round (W, size). The masks hold 0
           and 1 as bool or uint8: make them floats of the RoIs' dtype first.
        Return targets (Q, size, size) in the dtype of the RoIs: shares between 0 and 1, not rounded. A loop
        over RoIs is fine.
    """,
    returns=("targets",),
    without=("PIXELS",),
    cases=(
        Case("the whole picture in four bins", "value", _cut([[0, 0, 4, 4]]), "each bin is covered by a quarter"),
        Case("the object alone", "value", _cut([[1, 1, 3, 3]]), "all ones"),
        Case("the upper half of the object", "value", _cut([[0, 1, 4, 2]]), "rows come from y, columns from x"),
        Case("many", "value", _random_cut(), hidden=True),
        Case("edges between pixels", "adversarial", _cut([[0.5, 0.25, 2.75, 3.5]]), "shares between 0 and 1"),
        Case(
            "objects of the second picture",
            "adversarial",
            _cut([[0, 0, 2, 2], [0, 0, 2, 2]], masks=np.arange(24).reshape(2, 3, 2, 2) % 5 == 0, matched=[4, 5]),
            "matched counts through all pictures: row 4 is object 1 of picture 1",
        ),
        Case("wide pictures, not aligned", "adversarial", _random_cut(aligned=False)),
        Case(
            "at the border of padded pictures",
            "adversarial",
            _at_the_border(aligned=True),
            "beyond the last pixel of a picture lies padding, which is no part of its masks",
        ),
        Case("at the border, not aligned", "adversarial", _at_the_border(aligned=False), hidden=True),
        Case("masks as uint8", "adversarial", _random_cut(kind=np.uint8)),
        Case("no RoIs", "adversarial", _cut(np.zeros((0, 4)))),
        Case("edges close to 0", "adversarial", _cut([[5e-7, 4e-7, 3, 3.5]], 3, masks=CHESS), "5e-7 is not 0"),
        Case("RoIs of a large picture", "adversarial", _large),
        Case("a RoI of a picture of two megapixels", "adversarial", _very_large),
        Case("a RoI without extent", "adversarial", _cut([[2, 1, 2, 1], [1, 1, 3, 3]], 3)),
        *drawn(
            "any RoIs",
            _any_cut,
            times=12,
            why="pictures of several sizes, padded; bool and uint8; RoIs of a part of a pixel, and up to every border",
        ),
        Case("float32 stays float32", "shape", _random_cut(np.float32)),
        Case("nothing is written into", "ownership", _random_cut()),
    ),
    mistakes=(
        Mistake(
            "x and y are exchanged: rows come from y1 and y2, columns from x1 and x2",
            (
                ("rois[:, 0], rois[:, 2], size, widths", "rois[:, 1], rois[:, 3], size, widths"),
                ("rois[:, 1], rois[:, 3], size, heights", "rois[:, 0], rois[:, 2], size, heights"),
            ),
        ),
        Mistake(
            "the targets are turned on their side: rows times mask times columns, in this order",
            (
                (
                    "rows[part] @ seen @ columns[part].transpose(0, 2, 1)",
                    "(rows[part] @ seen @ columns[part].transpose(0, 2, 1)).transpose(0, 2, 1)",
                ),
            ),
        ),
        Mistake(
            "the targets are rounded to 0 and 1: a bin is a share, and the loss takes shares",
            (("    return targets", "    return (targets >= 0.5).astype(rois.dtype)"),),
        ),
        Mistake(
            "the object is looked for in the first picture: matched counts through all pictures",
            (("masks[matched[part]]", "masks[matched[part] % m]"),),
        ),
        Mistake(
            "aligned is not handed on",
            (
                ("longest=height, aligned=aligned", "longest=height, aligned=True"),
                ("longest=width, aligned=aligned", "longest=width, aligned=True"),
            ),
        ),
        Mistake(
            "the whole mask is shrunk: the target is the mask seen through the RoI",
            (
                ("rois[:, 1], rois[:, 3], size", "0 * rois[:, 1], 0 * rois[:, 3] + height, size"),
                ("rois[:, 0], rois[:, 2], size", "0 * rois[:, 0], 0 * rois[:, 2] + width, size"),
            ),
        ),
        Mistake(
            "at the border of its picture a mask is mixed with zeros of the padding: hand the picture's own height and "
            "width on as lengths",
            (("sizes[matched // m].T", "xp.repeat(xp.asarray([[height, width]]), len(rois), axis=0).T"),),
        ),
        Mistake(
            "RoI q gets mask q: its object is matched[q]",
            (("masks[matched[part]]", "masks[np.arange(len(matched))[part] % len(masks)]"),),
        ),
    ),
)
