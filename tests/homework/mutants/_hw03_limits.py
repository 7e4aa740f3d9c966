"""Homework 3 within limits: right on what comes to mind, wrong on the rest of what is documented."""

from homework.bodies import Mutant, nearly
from homework.mutants._hw03_right import RIGHT

IOU, ENCODE, DECODE = (RIGHT[f"hw03.{name}"][0] for name in ("iou_matrix", "encode", "decode"))
NMS, NMS_FROM_THE_FRONT, _ = RIGHT["hw03.nms"]
BASE, _, BASE_AT_ONCE = RIGHT["hw03.base_anchors"]
GRID, _, GRID_AT_ONCE = RIGHT["hw03.grid_anchors"]
MATCH = RIGHT["hw03.match"][0]
UNION = "union = area(a)[..., None] + area(b)[..., None, :] - inter"

LIMITS = {
    "hw03.iou_matrix": [
        nearly("an epsilon of the type", IOU, (UNION, UNION + " + np.finfo(a.dtype).eps"), says="a small number"),
        nearly("in float32", IOU, ("return iou", "return iou.astype(np.float32).astype(a.dtype)")),
        nearly(
            "one leading axis at most",
            IOU,
            ("a[..., :, None, :2]", "(a[:, None, :2] if a.ndim == 2 else a[:, :, None, :2])"),
            ("b[..., None, :, :2]", "(b[None, :, :2] if a.ndim == 2 else b[:, None, :, :2])"),
        ),
        nearly("two hundred rows", IOU, ("return iou", "iou[..., 200:, :] = 0\n        return iou")),
        nearly("empty is an error", IOU, ("return iou", "return iou if iou.max() >= 0 else iou * 0")),
    ],
    "hw03.encode": [
        nearly(
            "anchors held only where they are 0",
            ENCODE,
            ("np.maximum(a[..., 2:], SMALLEST_SIDE)", "np.where(a[..., 2:] == 0, SMALLEST_SIDE, a[..., 2:])"),
        ),
        nearly(
            "anchors held only where they are not above 0",
            ENCODE,
            ("np.maximum(a[..., 2:], SMALLEST_SIDE)", "np.where(a[..., 2:] > 0, a[..., 2:], SMALLEST_SIDE)"),
        ),
        nearly("weights in float64", ENCODE, ("np.asarray(weights, boxes.dtype)", "1 * np.asarray(weights)")),
        nearly(
            "the ratio is held, not the sides",
            ENCODE,
            ("np.log(g_size) - np.log(a_size)", "np.log(np.maximum(g[..., 2:] / a_size, SMALLEST_SIDE))"),
        ),
        nearly(
            "sides held at a thousandth",
            ENCODE,
            ("np.maximum(g[..., 2:], SMALLEST_SIDE)", "np.maximum(g[..., 2:], 1e-3)"),
        ),
        nearly("rows and columns of a list only", ENCODE, ("axis=-1", "axis=1")),
    ],
    "hw03.decode": [
        nearly("no clamp of 0", DECODE, ("[..., 2:], clamp)", "[..., 2:], clamp or np.log(1000 / 16))")),
        nearly(
            "only the width is held at clamp",
            DECODE,
            (
                "np.minimum(d[..., 2:], clamp)",
                "np.minimum(d[..., 2:], [clamp, max(clamp, np.log(1000 / 16))]).astype(d.dtype)",
            ),
        ),
        nearly(
            "anchors are held too",
            DECODE,
            (
                "a = to_center(anchors)",
                "a = to_center(anchors)\n        a = np.concatenate([a[..., :2], a[..., 2:].clip(min=1e-6)], axis=-1)",
            ),
        ),
        nearly(
            "corners in order",
            DECODE,
            (
                "return np.concatenate([centre - size / 2, centre + size / 2], axis=-1)",
                "return np.concatenate([centre - abs(size) / 2, centre + abs(size) / 2], axis=-1)",
            ),
        ),
        nearly(
            "weights of whole numbers",
            DECODE,
            ("np.asarray(weights, deltas.dtype)", "np.asarray(np.round(weights), deltas.dtype)"),
        ),
    ],
    "hw03.nms": [
        Mutant(
            "groups moved apart in float32",
            """
            if group is not None and len(boxes):
                far = (boxes.max() - boxes.min() + 1) * group[:, None]
                boxes = boxes + far.astype(boxes.dtype)
            keep = np.zeros(len(boxes), bool)
            for k in np.argsort(-scores, kind="stable"):
                if valid is None or valid[k]:
                    keep[k] = not (iou_matrix(boxes[[k]], boxes[keep]) > iou_threshold).any()
            return keep
            """,
            "lose their digits",
        ),
        nearly("no threshold of 0", NMS, ("> iou_threshold", "> (iou_threshold or 0.5)")),
        nearly("scores of six digits", NMS, ("np.argsort(-scores,", "np.argsort(-np.round(scores, 6),")),
        nearly("scores in float32", NMS, ("np.argsort(-scores,", "np.argsort(-scores.astype(np.float32),")),
        nearly(
            "a hundred rows",
            NMS,
            ('for k in np.argsort(-scores, kind="stable"):', 'for k in np.argsort(-scores, kind="stable")[:100]:'),
        ),
        nearly(
            "groups below 1000",
            NMS,
            ("rivals &= group == group[k]", "rivals &= (group == group[k]) | (abs(group) > 1000)"),
        ),
        nearly(
            "groups like their remainders",
            NMS,
            ("rivals &= group == group[k]", "rivals &= group % 100 == group[k] % 100"),
        ),
        nearly(
            "valid is written into",
            NMS,
            (
                "                continue",
                "                continue\n            if valid is not None:\n                valid[k] = False",
            ),
        ),
        nearly(
            "two groups",
            NMS,
            ("rivals &= group == group[k]", "rivals &= (group == group.min()) == (group[k] == group.min())"),
        ),
        nearly(
            "minus infinity is not valid",
            NMS,
            (
                "if valid is not None and not valid[k]:",
                "if (valid is not None and not valid[k]) or not np.isfinite(scores[k]):",
            ),
        ),
        nearly(
            "equal boxes, whatever their area",
            NMS_FROM_THE_FRONT,
            (
                "overlap.get(k, 0) > iou_threshold",
                "(overlap.get(k, 0) > iou_threshold or (boxes[k] == boxes[best]).all())",
            ),
        ),
    ],
    "hw03.base_anchors": [
        nearly("three sizes", BASE, ("for s in sizes:", "for s in sizes[:3]:")),
        nearly(
            "at least a pixel",
            BASE,
            (
                "found.append([-w / 2, -h / 2, w / 2, h / 2])",
                "w, h = max(w, 2), max(h, 2)\n                found.append([-w / 2, -h / 2, w / 2, h / 2])",
            ),
        ),
        nearly(
            "whole sides first",
            BASE,
            (
                "h = s * np.sqrt(r)",
                "h = s * np.sqrt(r)\n                w, h = (round(v) if v > 120 else v for v in (w, h))",
            ),
        ),
        nearly(
            "in sixteen bits",
            BASE_AT_ONCE,
            ("half = half.round()", "half = half.round().astype(np.float16).astype(np.float32)"),
        ),
    ],
    "hw03.grid_anchors": [
        nearly(
            "steps up to the border",
            GRID_AT_ONCE,
            ("(stride_x * np.arange(columns))[None", "np.arange(0, columns * stride_x, stride_x)[None"),
            ("(stride_y * np.arange(rows))[:", "np.arange(0, rows * stride_y, stride_y)[:"),
        ),
        nearly("whole strides", GRID_AT_ONCE, ("(stride_x *", "(int(stride_x) *")),
        nearly("whole strides down", GRID_AT_ONCE, ("(stride_y *", "(max(int(stride_y), 1) *")),
        nearly("wide grids of ten columns", GRID, ("for j in range(columns):", "for j in range(min(columns, 10)):")),
        nearly("whole corners", GRID, ("found[i, j] = base + shift", "found[i, j] = np.round(base) + shift")),
        nearly(
            "without anchors an error",
            GRID,
            ("return found.reshape(-1, 4)", "assert len(base)\n        return found.reshape(-1, 4)"),
        ),
    ],
    "hw03.match": [
        nearly("almost a tie", MATCH, ("seen[n, :, m] == top", "np.isclose(seen[n, :, m], top)")),
        nearly("a little is nothing", MATCH, ("if top > 0:", "if top > 1e-6:")),
        nearly("almost positive", MATCH, ("best >= positive_iou", "best >= positive_iou - 1e-7")),
        nearly(
            "in float32", MATCH, ("best = np.max(seen, axis=-1)", "best = np.max(seen, axis=-1).astype(np.float32)")
        ),
        nearly(
            "a neutral band, always", MATCH, ("best < negative_iou", "best < min(negative_iou, positive_iou - 0.1)")
        ),
        nearly("ten objects", MATCH, ("range(seen.shape[2])", "range(min(seen.shape[2], 10))")),
        nearly("two pictures", MATCH, ("range(seen.shape[0])", "range(min(seen.shape[0], 2))")),
        nearly("padding counts a little less than nothing", MATCH, ("iou, -1.0)", "iou, -0.0)")),
    ],
}
