"""Homework 3 as students write it: right in other words, and wrong."""

from homework.bodies import Mutant
from homework.mutants._hw03_limits import LIMITS
from homework.mutants._hw03_right import RIGHT

__all__ = ["LIMITS", "MUTANTS", "RIGHT"]

MUTANTS = {
    "hw03.iou_matrix": [
        Mutant(
            "boxes cut at the picture",
            """
            c, d = np.maximum(a, 0), np.maximum(b, 0)
            low = np.maximum(c[..., :, None, :2], d[..., None, :, :2])
            high = np.minimum(c[..., :, None, 2:], d[..., None, :, 2:])
            inter = np.maximum(high - low, 0).prod(axis=-1)
            both = area(c)[..., None] + area(d)[..., None, :] - inter
            return inter / np.where(both > 0, both, 1)
            """,
        ),
        Mutant(
            "x1, x2, y1, y2",
            """
            al, ar, au, ad = np.moveaxis(a[..., None, :], -1, 0)
            bl, br, bu, bd = np.moveaxis(b[..., None, :, :], -1, 0)
            w, h = np.minimum(ar, br) - np.maximum(al, bl), np.minimum(ad, bd) - np.maximum(au, bu)
            inter = np.maximum(w, 0) * np.maximum(h, 0)
            both = area(a)[..., :, None] + area(b)[..., None, :] - inter
            return inter / np.where(both > 0, both, 1)
            """,
            "taken in another order",
        ),
        Mutant(
            "no new axes",
            """
            al, au, ar, ad = np.moveaxis(a, -1, 0)
            bl, bu, br, bd = np.moveaxis(b, -1, 0)
            w, h = np.minimum(ar, br) - np.maximum(al, bl), np.minimum(ad, bd) - np.maximum(au, bu)
            inter = np.maximum(w, 0) * np.maximum(h, 0)
            both = area(a)[..., :, None] + area(b)[..., None, :] - inter
            return inter / np.where(both > 0, both, 1)
            """,
            "the new axes are missing",
        ),
        Mutant(
            "sides may be negative",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = (rb - lt).prod(axis=-1)
            union = area(a)[..., None] + area(b)[..., None, :] - inter
            return inter / np.where(union > 0, union, 1)
            """,
            "not held at 0",
        ),
        Mutant(
            "plus one everywhere",
            """
            ax1, ay1, ax2, ay2 = [a[..., :, None, i] for i in range(4)]
            bx1, by1, bx2, by2 = [b[..., None, :, i] for i in range(4)]
            iw = np.maximum(np.minimum(ax2, bx2) - np.maximum(ax1, bx1) + 1, 0)
            ih = np.maximum(np.minimum(ay2, by2) - np.maximum(ay1, by1) + 1, 0)
            inter = iw * ih
            area_a = (ax2 - ax1 + 1) * (ay2 - ay1 + 1)
            area_b = (bx2 - bx1 + 1) * (by2 - by1 + 1)
            union = area_a + area_b - inter
            return inter / np.where(union > 0, union, 1)
            """,
            "a box from 0 to 2 is 2 wide",
        ),
        Mutant(
            "union counts twice",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = np.maximum(rb - lt, 0).prod(axis=-1)
            total = area(a)[..., None] + area(b)[..., None, :]
            total = np.where(total > 0, total, 1)
            return inter / total
            """,
            "counts the intersection twice",
        ),
        Mutant(
            "nan for empty boxes",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = np.maximum(rb - lt, 0).prod(axis=-1)
            return inter / (area(a)[..., None] + area(b)[..., None, :] - inter)
            """,
            "without area give 0 / 0",
        ),
        Mutant(
            "the area held at 0",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = np.maximum((rb - lt).prod(axis=-1), 0)
            union = area(a)[..., None] + area(b)[..., None, :] - inter
            return inter / np.where(union > 0, union, 1)
            """,
            "hold each side at 0",
        ),
        Mutant(
            "the union held at 1",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = np.maximum(rb - lt, 0).prod(axis=-1)
            return inter / np.maximum(area(a)[..., None] + area(b)[..., None, :] - inter, 1)
            """,
            "the union is held at 1",
        ),
        Mutant(
            "a small number added",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = np.maximum(rb - lt, 0).prod(axis=-1)
            return inter / (area(a)[..., None] + area(b)[..., None, :] - inter + 1e-8)
            """,
            "a small number to the union",
        ),
        Mutant(
            "a very small number added",
            """
            lt = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
            rb = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
            inter = np.maximum(rb - lt, 0).prod(axis=-1)
            return inter / (area(a)[..., None] + area(b)[..., None, :] - inter + 1e-12)
            """,
            "a small number to the union",
        ),
        Mutant(
            "pairs instead of a matrix",
            """
            lt = np.maximum(a[..., :2], b[..., :1, :2])
            rb = np.minimum(a[..., 2:], b[..., :1, 2:])
            inter = np.maximum(rb - lt, 0).prod(axis=-1)
            union = area(a) + area(b)[..., :1] - inter
            return inter / np.where(union > 0, union, 1)
            """,
        ),
    ],
    "hw03.encode": [
        Mutant(
            "corners as they are",
            """
            g, a = boxes, anchors
            sizes = [np.maximum(x[..., 2:], SMALLEST_SIDE) for x in (g, a)]
            wx, wy, ww, wh = weights
            dx, dy = np.moveaxis((g[..., :2] - a[..., :2]) / sizes[1], -1, 0)
            dw, dh = np.moveaxis(np.log(sizes[0] / sizes[1]), -1, 0)
            return np.stack([dx * wx, dy * wy, dw * ww, dh * wh], axis=-1)
            """,
            "corners are taken for centre and size",
        ),
        Mutant(
            "times a tuple",
            """
            g, a = to_center(boxes), to_center(anchors)
            sizes = [np.maximum(x[..., 2:], SMALLEST_SIDE) for x in (g, a)]
            wx, wy, ww, wh = weights
            dx, dy = np.moveaxis((g[..., :2] - a[..., :2]) / sizes[1], -1, 0)
            dw, dh = np.moveaxis(np.log(sizes[0] / sizes[1]), -1, 0)
            return np.stack([dx, dy, dw, dh], axis=-1) * weights
            """,
            "becomes float64",
        ),
        Mutant(
            "stacked in front",
            """
            g, a = to_center(boxes), to_center(anchors)
            sizes = [np.maximum(x[..., 2:], SMALLEST_SIDE) for x in (g, a)]
            wx, wy, ww, wh = weights
            dx, dy = np.moveaxis((g[..., :2] - a[..., :2]) / sizes[1], -1, 0)
            dw, dh = np.moveaxis(np.log(sizes[0] / sizes[1]), -1, 0)
            return np.stack([dx * wx, dy * wy, dw * ww, dh * wh])
            """,
            "axis=-1",
        ),
        Mutant(
            "only zeros replaced",
            """
            g, a = to_center(boxes), to_center(anchors)
            sizes = [np.where(x[..., 2:] == 0, SMALLEST_SIDE, x[..., 2:]) for x in (g, a)]
            both = np.concatenate([(g[..., :2] - a[..., :2]) / sizes[1], np.log(sizes[0] / sizes[1])], axis=-1)
            return both * np.array(weights, boxes.dtype)
            """,
            "only sides of 0 are replaced",
        ),
        Mutant(
            "sides held at one",
            """
            g, a = to_center(boxes), to_center(anchors)
            sizes = [np.maximum(x[..., 2:], 1) for x in (g, a)]
            both = np.concatenate([(g[..., :2] - a[..., :2]) / sizes[1], np.log(sizes[0] / sizes[1])], axis=-1)
            return both * np.array(weights, boxes.dtype)
            """,
            "",
        ),
        Mutant(
            "pixels",
            """
            g = to_center(boxes)
            a = to_center(anchors)
            size_g, size_a = np.maximum(g[..., 2:], SMALLEST_SIDE), np.maximum(a[..., 2:], SMALLEST_SIDE)
            both = np.concatenate([g[..., :2] - a[..., :2], np.log(size_g / size_a)], axis=-1)
            return both * np.array(weights, boxes.dtype)
            """,
            "counted in pixels",
        ),
        Mutant(
            "no logarithm",
            """
            g = to_center(boxes)
            a = to_center(anchors)
            size_g, size_a = np.maximum(g[..., 2:], SMALLEST_SIDE), np.maximum(a[..., 2:], SMALLEST_SIDE)
            both = np.concatenate([(g[..., :2] - a[..., :2]) / size_a, size_g / size_a], axis=-1)
            return both * np.array(weights, boxes.dtype)
            """,
            "without their logarithm",
        ),
        Mutant(
            "weights forgotten",
            """
            g = to_center(boxes)
            a = to_center(anchors)
            size_g, size_a = np.maximum(g[..., 2:], SMALLEST_SIDE), np.maximum(a[..., 2:], SMALLEST_SIDE)
            return np.concatenate([(g[..., :2] - a[..., :2]) / size_a, np.log(size_g / size_a)], axis=-1)
            """,
            "weights are left out",
        ),
        Mutant(
            "from corner to corner",
            """
            w = np.maximum(anchors[..., 2] - anchors[..., 0], SMALLEST_SIDE)
            h = np.maximum(anchors[..., 3] - anchors[..., 1], SMALLEST_SIDE)
            gw = np.maximum(boxes[..., 2] - boxes[..., 0], SMALLEST_SIDE)
            gh = np.maximum(boxes[..., 3] - boxes[..., 1], SMALLEST_SIDE)
            dx = weights[0] * (boxes[..., 0] - anchors[..., 0]) / w
            dy = weights[1] * (boxes[..., 1] - anchors[..., 1]) / h
            return np.stack([dx, dy, weights[2] * np.log(gw / w), weights[3] * np.log(gh / h)], axis=-1)
            """,
            "from centre to centre",
        ),
        Mutant(
            "shared size",
            """
            g, a = to_center(boxes), to_center(anchors)
            s = np.maximum(a[..., 2:3], SMALLEST_SIDE)
            dw = np.log(np.maximum(g[..., 2:], SMALLEST_SIDE) / s)
            return np.concatenate([(g[..., :2] - a[..., :2]) / s, dw], axis=-1) * np.array(weights, boxes.dtype)
            """,
        ),
    ],
    "hw03.decode": [
        Mutant(
            "anchors cut at the picture",
            """
            a = to_center(np.maximum(anchors, 0))
            d = deltas / np.asarray(weights, deltas.dtype)
            centre, size = a[..., :2] + d[..., :2] * a[..., 2:], a[..., 2:] * np.exp(np.minimum(d[..., 2:], clamp))
            return from_center(np.concatenate([centre, size], axis=-1))
            """,
        ),
        Mutant(
            "corners as they are",
            """
            a = anchors
            d = deltas / np.array(weights, deltas.dtype)
            size = a[..., 2:] * np.exp(np.minimum(d[..., 2:], clamp))
            return from_center(np.concatenate([a[..., :2] + d[..., :2] * a[..., 2:], size], -1))
            """,
            "corners are taken for",
        ),
        Mutant(
            "by a tuple",
            """
            a = to_center(anchors)
            d = deltas / weights
            size = a[..., 2:] * np.exp(np.minimum(d[..., 2:], clamp))
            return from_center(np.concatenate([a[..., :2] + d[..., :2] * a[..., 2:], size], -1))
            """,
            "becomes float64",
        ),
        Mutant(
            "the way is held too",
            """
            a = to_center(anchors)
            d = np.minimum(deltas / np.asarray(weights, deltas.dtype), clamp)
            centre, size = a[..., :2] + d[..., :2] * a[..., 2:], a[..., 2:] * np.exp(d[..., 2:])
            return from_center(np.concatenate([centre, size], axis=-1))
            """,
            "dx and dy are held",
        ),
        Mutant(
            "a clamp by heart",
            """
            a = to_center(anchors)
            d = deltas / np.asarray(weights, deltas.dtype)
            centre, size = a[..., :2] + d[..., :2] * a[..., 2:], a[..., 2:] * np.minimum(np.exp(d[..., 2:]), 1000 / 16)
            return from_center(np.concatenate([centre, size], axis=-1))
            """,
            "a number of your own",
        ),
        Mutant(
            "additive pixels",
            """
            a = to_center(anchors)
            d = deltas / np.array(weights, deltas.dtype)
            size = a[..., 2:] * np.exp(np.minimum(d[..., 2:], clamp))
            return from_center(np.concatenate([a[..., :2] + d[..., :2], size], axis=-1))
            """,
            "added as pixels",
        ),
        Mutant(
            "no clamp",
            """
            a = to_center(anchors)
            d = deltas / np.array(weights, deltas.dtype)
            size = a[..., 2:] * np.exp(d[..., 2:])
            return from_center(np.concatenate([a[..., :2] + d[..., :2] * a[..., 2:], size], axis=-1))
            """,
            "nothing holds dw and dh",
        ),
        Mutant(
            "clamp before weights",
            """
            a = to_center(anchors)
            w = np.array(weights, deltas.dtype)
            size = a[..., 2:] * np.exp(np.minimum(deltas[..., 2:], clamp) / w[2:])
            return from_center(np.concatenate([a[..., :2] + deltas[..., :2] / w[:2] * a[..., 2:], size], axis=-1))
            """,
            "divide first, then hold",
        ),
        Mutant(
            "clipped on both sides",
            """
            a = to_center(anchors)
            d = deltas / np.array(weights, deltas.dtype)
            size = a[..., 2:] * np.exp(np.clip(d[..., 2:], -clamp, clamp))
            return from_center(np.concatenate([a[..., :2] + d[..., :2] * a[..., 2:], size], axis=-1))
            """,
            "from below too",
        ),
        Mutant(
            "moves by the box's own size",
            """
            a = to_center(anchors)
            d = deltas / np.array(weights, deltas.dtype)
            size = a[..., 2:] * np.exp(np.minimum(d[..., 2:], clamp))
            return from_center(np.concatenate([a[..., :2] + d[..., :2] * size, size], axis=-1))
            """,
        ),
    ],
    "hw03.nms": [
        Mutant(
            "groups moved apart",
            """
            keep = np.zeros(len(boxes), bool)
            if group is not None and len(boxes):
                boxes = boxes + group[:, None] * (np.max(boxes) + 1)
            for k in sorted(range(len(boxes)), key=lambda k: -scores[k]):
                if valid is not None and not valid[k]:
                    continue
                keep[k] = not (iou_matrix(boxes[k][None], boxes[keep]) > iou_threshold).any()
            return keep
            """,
            "moved apart",
        ),
        Mutant(
            "low scores dropped",
            """
            keep = np.zeros(len(boxes), bool)

            for k in sorted(range(len(boxes)), key=lambda k: -scores[k]):
                if valid is not None and not valid[k]:
                    continue
                same = keep if group is None else keep & (group == group[k])
                keep[k] = scores[k] > 0 and not (iou_matrix(boxes[k][None], boxes[same]) > iou_threshold).any()
            return keep
            """,
            "a low score are dropped",
        ),
        Mutant(
            "group 0 for none",
            """
            keep = np.zeros(len(boxes), bool)

            for k in sorted(range(len(boxes)), key=lambda k: -scores[k]):
                if valid is not None and not valid[k]:
                    continue
                same = keep.copy() if group is None else keep & ((group == group[k]) | (group == 0))
                keep[k] = not (iou_matrix(boxes[k][None], boxes[same]) > iou_threshold).any()
            return keep
            """,
            "",
        ),
        Mutant(
            "a sort that is not stable",
            """
            keep = np.zeros(len(boxes), bool)
            for k in np.argsort(-scores):
                if valid is None or valid[k]:
                    seen = keep if group is None else keep & (group == group[k])
                    keep[k] = not np.any(iou_matrix(boxes[k : k + 1], boxes[seen]) > iou_threshold)
            return keep
            """,
            "the sort is not stable",
        ),
        Mutant(
            "a sort turned round",
            """
            keep = np.zeros(len(boxes), bool)
            for k in scores.argsort()[::-1]:
                if valid is None or valid[k]:
                    seen = keep if group is None else keep & (group == group[k])
                    keep[k] = not np.any(iou_matrix(boxes[k : k + 1], boxes[seen]) > iou_threshold)
            return keep
            """,
            "the sort is not stable",
        ),
        Mutant(
            "suppressed boxes suppress",
            """
            order = np.argsort(-scores, kind="stable")
            iou = iou_matrix(boxes, boxes)
            keep = np.ones(len(boxes), bool) if valid is None else valid.copy()
            real = keep.copy()
            for place, k in enumerate(order):
                for j in order[:place]:
                    same = group is None or group[j] == group[k]
                    if same and real[j] and iou[j, k] > iou_threshold:
                        keep[k] = False
            return keep
            """,
            "only kept boxes count",
        ),
        Mutant(
            "at least the threshold",
            """
            keep = np.zeros(len(boxes), bool)
            for k in np.argsort(-scores, kind="stable"):
                if valid is None or valid[k]:
                    others = [j for j in range(len(boxes)) if keep[j] and (group is None or group[j] == group[k])]
                    keep[k] = all(iou_matrix(boxes[k:k + 1], boxes[j:j + 1])[0, 0] < iou_threshold for j in others)
            return keep
            """,
            "exactly the threshold",
        ),
        Mutant(
            "groups forgotten",
            """
            keep = np.zeros(len(boxes), bool)
            iou = iou_matrix(boxes, boxes)
            for k in np.argsort(-scores, kind="stable"):
                if valid is None or valid[k]:
                    keep[k] = not np.any(iou[k][keep] > iou_threshold)
            return keep
            """,
            "different groups suppress each other",
        ),
        Mutant(
            "in the order of scores",
            """
            order = np.argsort(-scores, kind="stable")
            kept, answer = [], np.zeros(len(boxes), bool)
            for place, k in enumerate(order):
                if valid is not None and not valid[k]:
                    continue
                rivals = [j for j in kept if group is None or group[j] == group[k]]
                if all(iou_matrix(boxes[[k]], boxes[[j]])[0, 0] <= iou_threshold for j in rivals):
                    kept.append(k)
                    answer[place] = True
            return answer
            """,
            "in the order of the scores",
        ),
        Mutant(
            "indices",
            """
            kept = []
            for k in np.argsort(-scores, kind="stable"):
                if valid is not None and not valid[k]:
                    continue
                rivals = [j for j in kept if group is None or group[j] == group[k]]
                if all(iou_matrix(boxes[[k]], boxes[[j]])[0, 0] <= iou_threshold for j in rivals):
                    kept.append(int(k))
            return np.array(sorted(kept), dtype=int)
            """,
            "a bool for every box",
        ),
        Mutant(
            "only neighbours in the order",
            """
            order = np.argsort(-scores, kind="stable")
            keep = np.ones(len(boxes), bool)
            for one, two in zip(order[:-1], order[1:]):
                if iou_matrix(boxes[[one]], boxes[[two]])[0, 0] > iou_threshold:
                    keep[two] = False
            return keep
            """,
        ),
    ],
    "hw03.base_anchors": [
        Mutant(
            "width over height",
            """
            out = []
            for r in ratios:
                for s in sizes:
                    h, w = s / r**0.5, s * r**0.5
                    out.append([-w / 2, -h / 2, w / 2, h / 2])
            return np.round(np.array(out, np.float32))
            """,
            "height / width",
        ),
        Mutant(
            "sizes outside",
            """
            out = []
            for s in sizes:
                for r in ratios:
                    w, h = s / r**0.5, s * r**0.5
                    out.append([-w / 2, -h / 2, w / 2, h / 2])
            return np.round(np.array(out, np.float32))
            """,
            "all sizes of the first ratio",
        ),
        Mutant(
            "not rounded",
            """
            root = np.sqrt(ratios)
            w, h = (sizes[None] / root[:, None]).ravel(), (sizes[None] * root[:, None]).ravel()
            return np.array([-w, -h, w, h], np.float32).T / 2
            """,
            "not rounded",
        ),
        Mutant(
            "no square root",
            """
            out = [[-s / r / 2, -s * r / 2, s / r / 2, s * r / 2] for r in ratios for s in sizes]
            return np.round(np.array(out, np.float32))
            """,
            "square root",
        ),
        Mutant(
            "rounds the sides up",
            """
            out = []
            for r in ratios:
                for s in sizes:
                    w, h = np.ceil(s / np.sqrt(r)), np.ceil(s * np.sqrt(r))
                    out.append([-w / 2, -h / 2, w / 2, h / 2])
            return np.array(out, np.float32)
            """,
        ),
    ],
    "hw03.grid_anchors": [
        Mutant(
            "half a cell",
            """
            out = []
            for i in range(rows):
                for j in range(columns):
                    x, y = (j + 0.5) * stride_x, (i + 0.5) * stride_y
                    out += [b + [x, y, x, y] for b in base]
            return np.array(out, base.dtype).reshape(-1, 4)
            """,
            "without a half cell",
        ),
        Mutant(
            "column by column",
            """
            out = []
            for j in range(columns):
                for i in range(rows):
                    out += [b + np.array([j * stride_x, i * stride_y, j * stride_x, i * stride_y]) for b in base]
            return np.array(out, base.dtype).reshape(-1, 4)
            """,
            "row by row",
        ),
        Mutant(
            "x and y exchanged",
            """
            out = []
            for i in range(rows):
                for j in range(columns):
                    out += [b + np.array([i * stride_y, j * stride_x] * 2) for b in base]
            return np.array(out, base.dtype).reshape(-1, 4)
            """,
            "x goes with the column",
        ),
        Mutant(
            "anchor by anchor",
            """
            xs, ys = np.meshgrid(np.arange(columns) * stride_x, np.arange(rows) * stride_y)
            shifts = np.stack([xs, ys, xs, ys], axis=-1).reshape(-1, 4)
            return (base[:, None] + shifts[None]).reshape(-1, 4).astype(base.dtype)
            """,
            "stay together",
        ),
        Mutant(
            "one stride for both",
            """
            xs, ys = np.meshgrid(np.arange(columns) * stride_x, np.arange(rows) * stride_x)
            shifts = np.stack([xs, ys, xs, ys], axis=-1).reshape(-1, 1, 4)
            return (shifts + base).reshape(-1, 4).astype(base.dtype)
            """,
        ),
    ],
    "hw03.match": [
        Mutant(
            "the best of all pictures",
            """
            iou = np.where(valid[:, None], iou, -1)
            matched, best = np.argmax(iou, -1), np.max(iou, -1)
            label = np.where(best < negative_iou, -1, 0)
            label[best >= positive_iou] = 1
            if low_quality:
                for m in range(iou.shape[2]):
                    top = iou[..., m].max()
                    label[(iou[..., m] == top) & (top > 0)] = 1
            return matched, label
            """,
            "in all pictures at once",
        ),
        Mutant(
            "poor objects rescue nobody",
            """
            iou = np.where(valid[:, None], iou, -1)
            matched, best = np.argmax(iou, -1), np.max(iou, -1)
            label = np.zeros(best.shape, int)
            label[best >= positive_iou] = 1
            label[best < negative_iou] = -1
            if low_quality:
                for n, m in np.ndindex(iou.shape[0], iou.shape[2]):
                    top = iou[n, :, m].max()
                    if top >= negative_iou:
                        label[n, (iou[n, :, m] == top) & (label[n] < 2)] = 1
            return matched, label
            """,
            "below negative_iou rescues none",
        ),
        Mutant(
            "only neutral ones rescued",
            """
            iou = np.where(valid[:, None], iou, -1)
            matched, best = np.argmax(iou, -1), np.max(iou, -1)
            label = np.zeros(best.shape, int)
            label[best >= positive_iou] = 1
            label[best < negative_iou] = -1
            if low_quality:
                for n, m in np.ndindex(iou.shape[0], iou.shape[2]):
                    top = iou[n, :, m].max()
                    if top > 0:
                        label[n, (iou[n, :, m] == top) & (label[n] == 0)] = 1
            return matched, label
            """,
            "only neutral boxes are rescued",
        ),
        Mutant(
            "empty objects at 0",
            """
            iou = np.where(valid[:, None], iou, 0)
            matched, best = np.argmax(iou, -1), np.max(iou, -1)
            label = np.zeros(best.shape, int)
            label[best >= positive_iou] = 1
            label[best < negative_iou] = -1
            if low_quality:
                for n, m in np.ndindex(iou.shape[0], iou.shape[2]):
                    top = iou[n, :, m].max()
                    if top > 0:
                        label[n, (iou[n, :, m] == top) & (label[n] < 2)] = 1
            return matched, label
            """,
            "counts with IoU 0",
        ),
        Mutant(
            "thresholds by heart",
            """
            iou = np.where(valid[:, None], iou, -1)
            matched, best = np.argmax(iou, -1), np.max(iou, -1)
            label = np.zeros(best.shape, int)
            label[best >= 0.7] = 1
            label[best < 0.3] = -1
            if low_quality:
                for n, m in np.ndindex(iou.shape[0], iou.shape[2]):
                    top = iou[n, :, m].max()
                    if top > 0:
                        label[n, (iou[n, :, m] == top) & (label[n] < 2)] = 1
            return matched, label
            """,
            "numbers of your own",
        ),
        Mutant(
            "padding takes part",
            """
            matched, best = iou.argmax(-1), iou.max(-1)
            label = np.where(best >= positive_iou, 1, np.where(best < negative_iou, -1, 0))
            if low_quality:
                top = iou.max(axis=1)
                for n in range(len(iou)):
                    rescued = ((iou[n] == top[n]) & (top[n] > 0)).any(axis=1)
                    label[n, rescued] = 1
            return matched, label
            """,
            "valid is False",
        ),
        Mutant(
            "no neutral band",
            """
            seen = np.where(valid[:, None], iou, -1)
            matched, best = seen.argmax(-1), seen.max(-1)
            label = np.where(best >= positive_iou, 1, -1)
            if low_quality:
                top = seen.max(axis=1, keepdims=True)
                label[((seen == top) & (top > 0)).any(axis=2)] = 1
            return matched, label
            """,
            "no neutral band",
        ),
        Mutant(
            "low quality forgotten",
            """
            seen = np.where(valid[:, None], iou, -1)
            best = seen.max(axis=2)
            label = (best >= positive_iou).astype(int) - (best < negative_iou)
            return seen.argmax(axis=2), label
            """,
            "low_quality is left out",
        ),
        Mutant(
            "an object without overlap rescues all",
            """
            seen = np.where(valid[:, None], iou, -1)
            best = seen.max(axis=2)
            label = (best >= positive_iou).astype(int) - (best < negative_iou)
            if low_quality:
                label[(seen == seen.max(axis=1, keepdims=True)).any(axis=2)] = 1
            return seen.argmax(axis=2), label
            """,
            "nothing overlaps rescues every box",
        ),
        Mutant(
            "thresholds not included",
            """
            seen = np.where(valid[:, None], iou, -1)
            best = seen.max(axis=2)
            label = (best > positive_iou).astype(int) - (best < negative_iou)
            if low_quality:
                top = seen.max(axis=1, keepdims=True)
                label[((seen == top) & (top > 0)).any(axis=2)] = 1
            return seen.argmax(axis=2), label
            """,
            "exactly positive_iou",
        ),
        Mutant(
            "results exchanged",
            """
            seen = np.where(valid[:, None], iou, -1)
            best = seen.max(axis=2)
            label = (best >= positive_iou).astype(int) - (best < negative_iou)
            if low_quality:
                top = seen.max(axis=1, keepdims=True)
                label[((seen == top) & (top > 0)).any(axis=2)] = 1
            return label, seen.argmax(axis=2)
            """,
            "wrong order",
        ),
    ],
}
