"""Homework 4 within limits: right on what comes to mind, wrong on the rest of what is documented."""

from homework.bodies import nearly
from homework.mutants._hw04_right import RIGHT

BINS, _, BINS_AT_ONCE = RIGHT["hw04.roi_pool_bins"]
POOL_BACK, POOL_BACK_AT, POOL_BACK_COUNT = RIGHT["hw04.roi_pool_backward"]
POINTS, POINTS_64, _ = RIGHT["hw04.roi_align_points"]
ALIGN_BACK, _, ALIGN_BACK_DENSE = RIGHT["hw04.roi_align_backward"]
LOSS, LOSS_BOTH, _, _ = RIGHT["hw04.sigmoid_cross_entropy_forward"]
LOSS_BACK, LOSS_BACK_TANH, _ = RIGHT["hw04.sigmoid_cross_entropy_backward"]
TARGETS, _, TARGETS_AT_ONCE = RIGHT["hw04.mask_targets"]

LIMITS = {
    "hw04.roi_pool_bins": [
        nearly("in float32", BINS_AT_ONCE, (".astype(np.float64)", ".astype(np.float32)")),
        nearly("rounded before the scale where it is above 1", BINS_AT_ONCE, ("* scale", "* min(scale, 1)")),
        nearly("a power of two as scale", BINS_AT_ONCE, ("* scale", "* 2.0 ** round(np.log2(scale))")),
        nearly("thirty RoIs", BINS, ("for k in range(len(a)):", "for k in range(min(len(a), 30)):")),
        nearly("ten bins", BINS, ("for b in range(bins):", "for b in range(min(bins, 10)):")),
        nearly("a map of a hundred pixels", BINS, ("min(max(high, 0), length)", "min(max(high, 0), length, 100)")),
        nearly(
            "turned round is as long the other way",
            BINS_AT_ONCE,
            ("np.maximum(away[1] - away[0], 0) + 1", "abs(away[1] - away[0]) + 1"),
        ),
        nearly(
            "first is cut at the last pixel",
            BINS,
            ("first[k, b] = min(max(low, 0), length)", "first[k, b] = min(max(low, 0), length - 1)"),
        ),
    ],
    "hw04.roi_pool_backward": [
        nearly(
            "as many columns of bins as rows",
            POOL_BACK,
            ("row_start[k, i] + left[k, j]", "row_start[k, i] + left[k, min(j, S - 1)]"),
        ),
        nearly(
            "as many rows of bins as columns",
            POOL_BACK,
            ("row_start[k, i] + left[k, j]", "row_start[k, min(i, T - 1)] + left[k, j]"),
        ),
        nearly(
            "gradients above 0 only",
            POOL_BACK,
            ("if not filled[k, i, j, 0]:", "if not filled[k, i, j, 0] or dcrops[k, i, j, c] < 0:"),
        ),
        nearly(
            "tiny gradients are nothing", POOL_BACK_AT, ("dcrops[full])", "dcrops[full] * (abs(dcrops[full]) > 1e-8))")
        ),
        nearly(
            "two pictures",
            POOL_BACK,
            (
                "flat = np.zeros((N * H * W, C), dcrops.dtype)",
                "row_start = row_start % (2 * H * W)\n        flat = np.zeros((N * H * W, C), dcrops.dtype)",
            ),
        ),
        nearly("three channels", POOL_BACK_COUNT, ("+ np.arange(C)", "+ np.minimum(np.arange(C), 2)")),
        nearly(
            "empty bins are written into", POOL_BACK_AT, ("full = ", "dcrops[~filled[..., 0]] = 0\n        full = ")
        ),
        nearly(
            "filled by rows",
            POOL_BACK_AT,
            ("np.broadcast_to(filled, pixel.shape)", "np.broadcast_to(filled[:, :, :1], pixel.shape)"),
        ),
        nearly(
            "in float32",
            POOL_BACK_COUNT,
            ("total.astype(dcrops.dtype)", "total.astype(np.float32).astype(dcrops.dtype)"),
        ),
    ],
    "hw04.roi_align_points": [
        nearly("the largest count for all", POINTS, ("points = max(count[k], 1)", "points = max(count.max(), 1)")),
        nearly(
            "held at one feature pixel of the image",
            POINTS,
            ("size = np.maximum(size, 1)", "size = np.maximum(size, scale)"),
        ),
        nearly(
            "weights in float64",
            POINTS_64,
            (
                "return [x.astype(start.dtype) for x in (position, use, along)]",
                "return position.astype(start.dtype), use, along.astype(start.dtype)",
            ),
        ),
        nearly("scales up to 1", POINTS_64, ("[:, None, None] * scale", "[:, None, None] * min(scale, 1)")),
        nearly(
            "two points at most",
            POINTS,
            ("count = np.full(len(a), samples)", "count = np.full(len(a), min(samples, 2))"),
        ),
        nearly(
            "sixteen points at most",
            POINTS,
            ("count = np.ceil(size / bins).astype(int)", "count = np.minimum(np.ceil(size / bins).astype(int), 16)"),
        ),
        nearly("a RoI turned round is turned back", POINTS, ("size = b - a\n", "size = abs(b - a)\n")),
        nearly(
            "all stretch or none",
            POINTS,
            ("if not aligned and b[k] - a[k] < 1:", "if not aligned and (b - a).min() < 1:"),
        ),
        nearly(
            "always a point",
            POINTS,
            (
                "use[k, 0, p] = 1 / points if p < count[k] else 0",
                "use[k, 0, p] = 1 / points if p < max(count[k], 1) else 0",
            ),
        ),
    ],
    "hw04.roi_align_backward": [
        nearly(
            "square grids",
            ALIGN_BACK,
            (
                "drows = dcrops.reshape(-1, dcrops.shape[-1])",
                "k, s, t, c = dcrops.shape\n        drows = dcrops[:, : max(t, s // 2), : max(s, t // 2)]\n"
                "        drows = np.pad(drows, [(0, 0), (0, s - drows.shape[1]), (0, t - drows.shape[2]), (0, 0)])\n"
                "        drows = drows.reshape(-1, c)",
            ),
        ),
        nearly(
            "in float32",
            ALIGN_BACK_DENSE,
            (".astype(np.float64)", ".astype(np.float32)"),
            ("c].ravel()", "c].ravel().astype(np.float32)"),
        ),
        nearly(
            "five channels",
            ALIGN_BACK,
            ("dpixels.reshape(shape)", "(dpixels * (np.arange(shape[3]) < 5)).astype(dpixels.dtype).reshape(shape)"),
        ),
        nearly(
            "boxes only in float64",
            ALIGN_BACK,
            ("if for_boxes is not None else None", "if for_boxes is not None and dcrops.dtype == float else None"),
        ),
        nearly(
            "four pictures",
            ALIGN_BACK,
            (
                "dpixels.reshape(shape)",
                "(dpixels.reshape(shape) * (np.arange(shape[0]) < 4)[:, None, None, None]).astype(dcrops.dtype)",
            ),
        ),
        nearly(
            "tiny gradients are nothing",
            ALIGN_BACK,
            ("drows = dcrops", "drows = np.where(abs(dcrops) < 1e-6, dcrops.dtype.type(0), dcrops)"),
        ),
        nearly(
            "no RoIs, no gradient for them",
            ALIGN_BACK,
            ("if for_boxes is not None else None", "if for_boxes is not None and len(dcrops) else None"),
        ),
    ],
    "hw04.sigmoid_cross_entropy_forward": [
        nearly("logits held at 700", LOSS, ("x = logits", "x = np.clip(logits, -2000, 2000)")),
        nearly(
            "overflows in float32",
            LOSS_BOTH,
            ("np.logaddexp(0, -logits), np.logaddexp(0, logits)", "np.log1p(np.exp(-logits)), np.logaddexp(0, logits)"),
        ),
        nearly(
            "hard targets",
            LOSS,
            ("x = logits", "x, targets = logits, np.where(targets > 0.99, 1, targets).astype(logits.dtype)"),
        ),
        nearly(
            "a weight for each mask",
            LOSS,
            (
                "element, weight, normalizer)",
                "element, weight if weight.ndim < 3 or weight.shape[1] == 1 else weight[:, :1], normalizer)",
            ),
        ),
        nearly(
            "a weight is yes or no",
            LOSS,
            ("element, weight, normalizer)", "element, np.minimum(weight, 1), normalizer)"),
        ),
        nearly(
            "nothing counts is NaN",
            LOSS,
            ("return loss,", "return loss if weight.any() else loss * np.array(np.nan, loss.dtype),"),
        ),
    ],
    "hw04.sigmoid_cross_entropy_backward": [
        nearly("dloss at least 0", LOSS_BACK, ("dloss, normalizer)", "max(float(dloss), 0), normalizer)")),
        nearly(
            "dloss of a millionth is nothing",
            LOSS_BACK,
            ("dloss, normalizer)", "float(dloss) if abs(float(dloss)) > 1e-6 else 0, normalizer)"),
        ),
        nearly("dloss is an array", LOSS_BACK, ("dloss, normalizer)", "dloss[()], normalizer)")),
        nearly("no dloss of 0", LOSS_BACK, ("dloss, normalizer)", "float(dloss) or 1.0, normalizer)")),
        nearly("overflows in float32", LOSS_BACK, ("up = logits >= 0", "up = logits >= 200")),
        nearly(
            "a weight for each mask",
            LOSS_BACK_TANH,
            (
                "_scaled(weight, dloss",
                "_scaled(weight if weight.ndim < 3 or weight.shape[1] == 1 else weight[:, :1], dloss",
            ),
        ),
        nearly(
            "five channels",
            LOSS_BACK_TANH,
            (
                "return s * factor - targets * factor",
                "out = s * factor - targets * factor\n        out[..., 5:] = 0\n        return out",
            ),
        ),
    ],
    "hw04.mask_targets": [
        nearly(
            "square pictures of one batch", TARGETS, ("sizes[matched // M].T", "sizes[np.minimum(matched // M, 1)].T")
        ),
        nearly("as many objects as pictures", TARGETS, ("matched // M", "matched // max(M, 2)")),
        nearly("a hundred RoIs", TARGETS, ("for q in range(len(rois)):", "for q in range(min(len(rois), 100)):")),
        nearly(
            "RoIs of a pixel at least",
            TARGETS,
            (
                "high, wide = ",
                "low = rois[:, :2]\n"
                "        rois = np.hstack([low, np.maximum(rois[:, 2:], low + 0.25)])\n        high, wide = ",
            ),
        ),
        nearly(
            "RoIs inside",
            TARGETS,
            ("high, wide = ", "rois = np.minimum(rois, np.array([W, H, W, H], rois.dtype) - 1)\n        high, wide = "),
        ),
        nearly("grids of five", TARGETS, ("return out", "out[:, 5:] = 0\n        return out")),
        nearly(
            "whole numbers in uint8",
            TARGETS,
            ("flat[matched[q]].astype(rois.dtype)", "(flat[matched[q]] * (flat.dtype != np.uint8)).astype(rois.dtype)"),
        ),
        nearly(
            "in float32",
            TARGETS_AT_ONCE,
            ("return np.matmul(down,", "return 1 * np.matmul(down.astype(np.float32).astype(down.dtype),"),
        ),
        nearly(
            "edges of whole thousandths", TARGETS, ("high, wide = ", "rois = np.round(rois, 3)\n        high, wide = ")
        ),
    ],
}
