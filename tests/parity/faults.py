"""Faults that people make, each planted into this project's side of an operator.

A fault changes the arguments that our side sees, or replaces a part of the operator; `caught` in every configuration in
which it applies, or (decisions, that a wrong threshold need not change) in some.
"""

from dataclasses import dataclass

import numpy as np
from cases import find_pair
from parity.operators import run_pair


@dataclass(frozen=True)
class Fault:
    name: str
    family: str
    plant: object  # (configuration, arrays, settings) -> results
    applies: object = lambda arrays, settings: True
    everywhere: bool = True

    def __str__(self):
        return f"{self.family}: {self.name}"


def arguments(change):
    """The operator is right, its arguments are not: change(arrays, settings) alters both in place."""

    def plant(configuration, arrays, settings):
        arrays, settings = {name: array.copy() for name, array in arrays.items()}, dict(settings)
        change(arrays, settings)
        return configuration.ours(arrays, settings)

    return plant


def backward(replacement):
    """replacement(right backward, dy, cache) stands in for the backward."""

    def plant(configuration, arrays, settings):
        forward, right = find_pair(configuration.family)
        return run_pair(forward, lambda dy, cache: replacement(right, dy, cache), arrays, settings)

    return plant


# ---------------------------------------------------------------- what goes wrong


def _transposed(arrays, settings):
    arrays["weight"] = arrays["weight"].swapaxes(0, 1).copy()


def _square(arrays, settings):
    return arrays["weight"].shape[0] == arrays["weight"].shape[1] > 1


def _setting(name, change):
    def alter(arrays, settings):
        settings[name] = change(settings[name])

    return arguments(alter)


def _shifted(name, axis):
    def shift(arrays, settings):
        arrays[name] = np.roll(arrays[name], 1, axis=axis)

    return arguments(shift)


def _wide(name="x"):
    return lambda arrays, settings: arrays[name].shape[2] > 1


def _box_moved(arrays, settings):
    arrays["rois"] = arrays["rois"] + 1 / settings["scale"]


def _ends_swapped(right, dy, cache):
    dfeatures, drois = right(dy, cache)
    return dfeatures, drois[:, [2, 3, 0, 1]]


def _unscaled(right, dy, cache):
    """A box gradient in pixels of the map, for a map of half the size."""
    dfeatures, drois = right(dy, cache)
    return dfeatures, 2 * drois


def _rest_at_the_wrong_end(right, dy, cache):
    """The rows that no window reached are put before the image instead of behind it."""
    dx, *others = right(dy, cache)
    rest = _rest(*cache[:2], *cache[3:6])
    return np.roll(dx, rest, axis=(1, 2)), *others


def _rest(x, weight, stride, padding, dilation):
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[:2])]
    return [(x.shape[1 + i] + 2 * padding[i] - spans[i]) % stride[i] for i in (0, 1)]


def _has_rest(arrays, settings):
    pairs = (settings[n] if isinstance(settings[n], tuple) else (settings[n],) * 2 for n in ("stride", "padding"))
    dilation = settings["dilation"] if isinstance(settings["dilation"], tuple) else (settings["dilation"],) * 2
    return any(_rest(arrays["x"], arrays["weight"], *pairs, dilation))


def _counts(arrays, settings):
    return "weight" not in arrays or arrays["weight"].any()


def _groups_mixed(arrays, settings):
    """Output channels dealt out in turn instead of in runs."""
    O, groups = arrays["weight"].shape[3], settings["groups"]
    order = np.arange(O).reshape(groups, -1).T.ravel()
    arrays["weight"] = arrays["weight"][..., order]


def _biased_variance(configuration, arrays, settings):
    results = configuration.ours(arrays, settings)
    M = arrays["x"][..., 0].size
    kept = (1 - settings["momentum"]) * arrays["running_var"]
    return results | {"running_var": kept + (results["running_var"] - kept) * (M - 1) / M}


def _x_for_y(arrays, settings):
    arrays["keypoints"] = arrays["keypoints"][..., [1, 0, 2]]


def _without_groups(arrays, settings):
    arrays["group"] = np.zeros_like(arrays["group"])


def _first_of_a_tie_only(configuration, arrays, settings):
    """`=` for `+=`: where windows overlap, a pixel keeps its last gradient."""
    x, results = arrays["x"], configuration.ours(arrays, settings)
    dx = results["dx"].copy()
    for n in range(x.shape[0]):
        for c in range(x.shape[3]):
            for value, gradient in zip(results["y"][n, :, :, c].ravel(), arrays["dy"][n, :, :, c].ravel()):
                dx[n, :, :, c][x[n, :, :, c] == value] = gradient
    return results | {"dx": dx}


def _windows_share_a_winner(arrays, settings):
    forward, _ = find_pair("max_pool2d")
    y, _ = forward(arrays["x"], **settings)
    return len(np.unique(y)) < y.size


FAULTS = [
    Fault("transposed weight", "linear", arguments(_transposed), _square),
    Fault("transposed weight", "conv2d", arguments(_transposed), _square),
    Fault("transposed weight", "conv_transpose2d", arguments(_transposed), _square),
    Fault("aligned flag flipped", "roi_align", _setting("aligned", lambda aligned: not aligned)),
    Fault("aligned flag flipped", "roi_warp", _setting("aligned", lambda aligned: not aligned)),
    Fault("aligned flag flipped", "prroi_pool", _setting("aligned", lambda aligned: not aligned)),
    Fault("start and end of a RoI mixed up", "roi_warp", backward(_ends_swapped)),
    Fault("start and end of a RoI mixed up", "prroi_pool", backward(_ends_swapped)),
    Fault("the scale left out", "prroi_pool", backward(_unscaled), lambda a, s: s["scale"] != 1),
    Fault("one sample more", "roi_align", _setting("samples", lambda samples: samples + 1), lambda a, s: s["samples"]),
    Fault("beta wrong", "smooth_l1", _setting("beta", lambda beta: beta + 0.01), _counts),
    Fault("eps wrong", "batch_norm2d", _setting("eps", lambda eps: 1.1 * eps)),
    Fault("eps wrong", "frozen_batch_norm2d", _setting("eps", lambda eps: eps + 1e-6)),
    Fault("eps wrong", "group_norm", _setting("eps", lambda eps: 1.1 * eps)),
    Fault("biased running variance", "batch_norm2d", _biased_variance, lambda a, s: "running_var" in a),
    Fault("one pixel to the right", "conv2d", _shifted("x", 2), _wide()),
    Fault("one pixel to the right", "max_pool2d", _shifted("x", 2), _wide()),
    Fault("one pixel to the right", "resize_bilinear", _shifted("x", 2), _wide()),
    Fault("one pixel to the right", "upsample_nearest2d", _shifted("x", 2), _wide()),
    Fault("one pixel to the right", "mask_targets", _shifted("masks", 3), everywhere=False),
    Fault("box one pixel off", "roi_align", arguments(_box_moved), everywhere=False),  # all outside, before and after
    Fault("box one pixel off", "roi_pool", arguments(_box_moved), everywhere=False),
    Fault("rest of the stride at the wrong end", "conv2d", backward(_rest_at_the_wrong_end), _has_rest),
    Fault("groups mixed", "conv2d", arguments(_groups_mixed), lambda a, s: a["weight"].shape[3] > s["groups"] > 1),
    Fault("= for +=", "max_pool2d", _first_of_a_tie_only, _windows_share_a_winner),
    Fault("weights of the coder", "box_encode", _setting("weights", lambda w: (w[0], w[1], w[2], w[3] + 1))),
    Fault("weights of the coder", "box_decode", _setting("weights", lambda w: (w[0], w[1], w[2], w[3] + 1))),
    Fault("mask one pixel down", "paste_masks", _shifted("masks", 1)),
    Fault("x for y", "keypoint_targets", arguments(_x_for_y), everywhere=False),
    Fault("threshold", "nms", _setting("iou_threshold", lambda threshold: threshold / 2), everywhere=False),
    Fault("classes compete", "batched_nms", arguments(_without_groups), everywhere=False),
    Fault("no low quality rule", "matcher", _setting("low_quality", lambda rule: not rule), everywhere=False),
    Fault("height and width", "box_clip", arguments(lambda a, s: s.update(height=s["width"], width=s["height"]))),
]
