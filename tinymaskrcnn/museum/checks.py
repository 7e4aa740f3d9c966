"""Our own checks, each as a student would write one: a function of the package that raises when it is wrong.

None of them looks at source text, at an exhibit's name, or at another package: what they expect was worked out by hand,
follows from a rule, or is a golden value. They stand from cheap to dear, so that the first that finds a bug is the
cheapest one.
"""

import numpy as np

from . import checks_of_networks, subjects
from .subjects import ONE


def near(got, wanted, what, tolerance=1e-5):
    """AssertionError unless two arrays of one shape agree; NaN agrees with nothing."""
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    assert got.shape == wanted.shape, f"{what}: shape {got.shape} instead of {wanted.shape}"
    off = float(np.abs(got - wanted).max(initial=0))
    assert off <= tolerance, f"{what}: off by up to {off:.2g}"


def boxes_by_hand(package):
    """IoUs that fit on paper, deltas there and back, and a box that is told to grow without end."""
    boxes = package.ops.boxes
    a = np.array([[0.0, 0, 4, 2], [1, 0, 5, 2], [10, 10, 10, 10]])
    near(boxes.iou_matrix(a, a), [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0]], "IoU of 4 x 2 boxes one pixel apart")
    anchors = np.array([[2.0, 3, 10, 7], [0, 0, 5, 20]])
    moved = np.array([[1.0, 4, 12, 9], [3, 1, 6, 30]])
    near(boxes.decode(boxes.encode(moved, anchors), anchors), moved, "decode of encode", 1e-9)
    with np.errstate(over="ignore"):
        grown = boxes.decode(np.full((2, 4), 800.0), anchors)
    assert np.isfinite(grown).all(), "decode: deltas of 800 make a box without an end"


def anchors_by_hand(package):
    """An anchor's ratio is height / width, its area is that of its size."""
    base = package.ops.anchors.base_anchors(64, (0.25, 1.0, 4.0))
    wide, square, tall = (base[:, 2:] - base[:, :2]).tolist()
    assert square == [64, 64] and wide == [128, 32] and tall == [32, 128], f"ratio 1/4 has sides {wide}, 4 has {tall}"


def levels_by_hand(package):
    """A RoI of 160 pixels is read from P3, one of 112 too, one of 111 from P2 (FPN, equation 1)."""
    side = np.array([111.0, 112, 160, 223, 224, 900])
    rois = np.stack([0 * side, 0 * side, side, side], axis=1)
    level = package.models.roi_heads.assign_levels(rois, canonical_size=224, canonical_level=4, lowest=2, highest=5)
    assert level.tolist() == [2, 3, 3, 3, 4, 5], f"levels of {side.astype(int).tolist()} px: {level.tolist()}"


def losses_by_hand(package):
    """Smooth L1 at five places and close to its bend, its slope also at 0, and a mean over nothing."""
    losses = package.ops.losses

    def smooth_l1(d):
        loss, cache = losses.smooth_l1_forward(np.array([[d]]), target=np.zeros((1, 1)), beta=1.0)
        return float(loss), float(losses.smooth_l1_backward(1.0, cache)[0, 0])

    with np.errstate(all="ignore"):
        values, slopes = zip(*map(smooth_l1, (0.0, 0.5, -1.0 + 1e-9, 1.0 + 1e-9, 3.0)))
        nothing, _ = losses.sigmoid_cross_entropy_forward(np.ones(3), targets=np.ones(3), weight=np.zeros(3))
    near(values, [0, 0.125, 0.5, 0.5, 2.5], "smooth L1 of 0, 0.5, -1, 1, 3")
    near(slopes, [0, 0.5, -1, 1, 1], "slope of smooth L1 at 0, 0.5, -1, 1, 3")
    near(nothing, 0, "a mean over rows of weight 0")


def shares_add_up(package):
    """What two machines say of halves of a batch adds up to what one says of it: losses, gradients of norms."""
    losses = package.ops.losses
    logits, labels, weight = np.arange(12.0).reshape(4, 3), np.array([0, 2, 1, 0]), np.array([1.0, 1, 1, 0])
    say = losses.softmax_cross_entropy_forward
    whole, _ = say(logits, labels=labels, weight=weight)
    before = losses.BATCH_SUM.set(lambda own: weight.sum())
    halves = [say(logits[i : i + 2], labels=labels[i : i + 2], weight=weight[i : i + 2])[0] for i in (0, 2)]
    losses.BATCH_SUM.reset(before)
    near(sum(halves), whole, "a loss on two machines")

    class Twins:
        def everybody(self, array):
            return [array, array]

    x, dy = np.random.default_rng(0).normal(size=(2, 2, 3, 3, 2))
    alone = package.nn.layers.BatchNorm2d(2).astype(np.float64)
    one_of_two = package.nn.sync_norm.SyncBatchNorm2d(2).astype(np.float64)
    one_of_two.ranks = Twins()
    for layer in (alone, one_of_two):
        _, cache = layer.forward(x)
        layer.backward(dy, cache)
    near(one_of_two.weight.grad, alone.weight.grad, "the share of one of two machines in a scale's gradient")
    near(one_of_two.bias.grad, alone.bias.grad, "the share of one of two machines in a shift's gradient")


def optimizer_by_hand(package):
    """Three steps of SGD on paper while the rate falls; what is frozen stays, whatever decays."""
    Parameter, SGD = package.nn.Parameter, package.train.optimizer.SGD
    moving, frozen = Parameter(np.array([1.0])), Parameter(np.array([1.0]), trainable=False)
    optimizer = SGD({"moving": moving, "frozen": frozen}, momentum=0.5, weight_decay=0.1)
    for rate in (0.1, 0.1, 0.01):
        optimizer.zero_grad()
        moving.grad += 1.0
        optimizer.step(rate)
    v1 = 1.1  # gradient 1, and a tenth of the weight 1
    w1 = 1 - 0.1 * v1
    v2 = 0.5 * v1 + 1 + 0.1 * w1
    w2 = w1 - 0.1 * v2
    near(moving.value, [w2 - 0.01 * (0.5 * v2 + 1 + 0.1 * w2)], "a weight after three steps", 1e-9)
    near(frozen.value, [1.0], "a frozen weight", 0)


def golden_crops(package):
    """RoIAlign and RoIPool of the 8 x 8 matrix against torchvision's values."""
    ops, x = package.ops, subjects.matrix()
    box, place = np.array([[0.0, 3, 7, 8]]), {"image_index": ONE, "output_size": 2, "scale": 1.0}
    golden = {
        (2, False): [[0.366328, 0.550117], [0.459805, 0.375234]],
        (2, True): [[0.476953, 0.470977], [0.456914, 0.455234]],
        (1, False): [[0.295625, 0.260625], [0.650625, 0.304375]],
        (4, True): [[0.467654, 0.468489], [0.429131, 0.423357]],
    }
    for (samples, aligned), wanted in golden.items():
        crops, _ = ops.roi_align.roi_align_forward(x, box, **place, samples=samples, aligned=aligned)
        near(crops[0, :, :, 0], wanted, f"RoIAlign, {samples} samples, aligned {aligned}", 1e-6)
    crops, _ = ops.roi_pool.roi_pool_forward(x, np.array([[0.0, 3, 6, 7]]), **place)
    near(crops[0, :, :, 0], [[0.85, 0.96], [0.97, 0.96]], "RoIPool", 1e-6)


def crops_of_a_ramp(package):
    """A slope stays a slope: each bin of a crop of x + 10 y holds the value at its centre."""
    y, x = np.mgrid[0:12, 0:14] + 0.5
    ramp = (x + 10 * y)[None, :, :, None]
    box = np.array([[2.2, 3.4, 11.2, 7.4]])  # no square, and off the diagonal
    columns, rows = 2.2 + 9 * (np.arange(3) + 0.5) / 3, 3.4 + 4 * (np.arange(2) + 0.5) / 2
    place = {"image_index": ONE, "output_size": (2, 3), "scale": 1.0}
    crops, _ = package.ops.roi_align.roi_align_forward(ramp, box, **place)
    near(crops[0, :, :, 0], columns + 10 * rows[:, None], "RoIAlign of a ramp", 1e-9)


def every_object_has_anchors(package):
    """The best anchors of each object are positive, all of those that tie; those that half fit are neutral."""
    anchors = np.array([[0, 0, 16, 16], [8, 0, 24, 16], [40, 40, 56, 56], [0, 40, 16, 56]], np.float32)
    objects = np.array([[[4, 0, 20, 16], [40, 40, 50, 50], [1, 44, 15, 54]]], np.float32)
    labels, valid = np.ones((1, 3), np.int64), np.ones((1, 3), bool)
    targets = package.structures.TargetBatch(objects, labels, None, valid)
    _, label = package.targets.rpn.assign_anchors(anchors, targets, package.config.RPNConfig())
    assert label[0].tolist() == [1, 1, 1, 1], f"the best anchors of three objects, two of them equal: {label.tolist()}"
    shifted = np.array([[0, 0, 16, 16], [8, 0, 24, 16], [14, 0, 30, 16]], np.float32)  # IoU 1, 1/3, 1/15
    one = package.structures.TargetBatch(shifted[None, :1], labels[:, :1], None, valid[:, :1])
    _, label = package.targets.rpn.assign_anchors(shifted, one, package.config.RPNConfig())
    assert label[0].tolist() == [1, 0, -1], f"anchors of IoU 1, 1/3 and 1/15: {label.tolist()}"


def samples_by_hand(package):
    """No neutral anchor is learned from, and a first step has objects to learn from although all proposals miss."""
    label, keys = np.array([[1, 0, 0, -1, -1]]), np.linspace(0.1, 0.9, 5)[None]
    chosen = package.targets.matcher.balanced_sample(label, keys, count=4, positive_fraction=0.5)
    assert chosen.tolist() == [[True, False, False, True, True]], (
        f"of {label.tolist()} it chose {chosen.tolist()}"
    )
    _, targets = subjects.scene(package, (2,))
    nowhere = np.array([[[0, 0, 4, 4], [60, 60, 64, 64]]], np.float32)
    config, rng = package.config.RoIConfig(samples_per_image=8), np.random.default_rng(0)
    drawn = package.targets.roi.sample_rois(nowhere, np.ones((1, 2), bool), targets, config, rng=rng)
    assert (drawn.labels > 0).any(), "no RoI of a step lies on an object when all proposals miss"


def keypoints_there_and_back(package):
    """The centre of a keypoint's cell is at most half a cell away from it."""
    places = np.linspace(0.05, 13.95, 40)
    points = np.stack([places, places, 0 * places + 2], axis=1)[None, :, None]
    rois = np.tile([[0.0, 0, 14, 14]], (40, 1))
    target = package.targets.keypoint.keypoint_targets(points, rois, np.arange(40), size=7)
    assert target.weight.all(), "a keypoint in its RoI does not count"
    off = np.abs((target.position[:, 0] % 7 + 0.5) * 2 - places).max()
    assert off <= 1 + 1e-6, f"the centre of a keypoint's cell is up to {off:.2f} away, half a cell is 1"


def histograms_are_used(package):
    """A ramp of all colours fills all bins of its histogram; the steepest edge falls into an upper bin of texture."""
    regions = package.data.proposals.regions
    ramp = np.tile(np.linspace(0, 1, 100)[:, None, None], (1, 8, 1))
    colours = regions.describe(ramp, np.zeros((100, 8), np.int64)).color[0]
    assert (colours > 0).all(), f"a ramp of all colours is in {(colours > 0).sum()} of {len(colours)} bins"
    edge = np.zeros((8, 20, 1))
    edge[:, 10:] = 1
    texture = regions.describe(edge, np.zeros((8, 20), np.int64)).texture[0].reshape(-1, regions.TEXTURE_BINS)
    assert texture[:, -2:].any(), "the steepest edge there is lies in none of the two upper bins"


CHECKS = {
    check.__name__.replace("_", "-"): check
    for check in (
        *(boxes_by_hand, anchors_by_hand, levels_by_hand, losses_by_hand, shares_add_up, optimizer_by_hand),
        *(golden_crops, crops_of_a_ramp, every_object_has_anchors, samples_by_hand, keypoints_there_and_back),
        *(histograms_are_used, *checks_of_networks.CHECKS),
    )
}
