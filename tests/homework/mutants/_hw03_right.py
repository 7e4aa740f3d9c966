"""Homework 3, right in unusual words: loops, another order of steps, float64 inside, lists, another formula."""

RIGHT = {
    "hw03.iou_matrix": [
        """
        top_left = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
        bottom_right = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
        sides = np.clip(bottom_right - top_left, 0, None)
        inter = sides[..., 0] * sides[..., 1]
        union = area(a)[..., None] + area(b)[..., None, :] - inter
        iou = np.zeros_like(inter)
        np.divide(inter, union, out=iou, where=union > 0)
        return iou
        """,
        """
        front, K, M = a.shape[:-2], a.shape[-2], b.shape[-2]
        iou = np.zeros((*front, K, M), a.dtype)
        for place in np.ndindex(*front):
            for k in range(K):
                for m in range(M):
                    x1, y1, x2, y2 = (float(v) for v in a[place][k])
                    u1, v1, u2, v2 = (float(v) for v in b[place][m])
                    inter = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
                    both = max(x2 - x1, 0) * max(y2 - y1, 0) + max(u2 - u1, 0) * max(v2 - v1, 0) - inter
                    iou[(*place, k, m)] = inter / both if both > 0 else 0
        return iou
        """,
        """
        # the shares of both boxes that are common, put together without the union: 1/iou = 1/p + 1/q - 1
        p, q = a.astype(np.float64)[..., :, None, :], b.astype(np.float64)[..., None, :, :]
        low, high = np.maximum(p[..., :2], q[..., :2]), np.minimum(p[..., 2:], q[..., 2:])
        common = np.where(high > low, high - low, 0).prod(axis=-1)
        with np.errstate(all="ignore"):
            first, second = area(a.astype(float))[..., :, None] / common, area(b.astype(float))[..., None, :] / common
            found = np.where(common > 0, 1 / (first + second - 1), 0)
        return found.astype(a.dtype)
        """,
    ],
    "hw03.encode": [
        """
        g = to_center(boxes)
        a = to_center(anchors)
        g_size = np.maximum(g[..., 2:], SMALLEST_SIDE)
        a_size = np.maximum(a[..., 2:], SMALLEST_SIDE)
        w = np.asarray(weights, boxes.dtype)
        way = w[:2] * (g[..., :2] - a[..., :2]) / a_size
        growth = w[2:] * (np.log(g_size) - np.log(a_size))
        return np.concatenate([way, growth], axis=-1)
        """,
        """
        import math
        deltas = np.zeros(boxes.shape, boxes.dtype)
        flat, g, a = deltas.reshape(-1, 4), boxes.reshape(-1, 4), anchors.reshape(-1, 4)
        for row in range(len(flat)):
            for axis in (0, 1):
                low, high = float(a[row, axis]), float(a[row, axis + 2])
                side = max(high - low, SMALLEST_SIDE)
                mine = max(float(g[row, axis + 2]) - float(g[row, axis]), SMALLEST_SIDE)
                way = (float(g[row, axis]) + float(g[row, axis + 2])) / 2 - (low + high) / 2
                flat[row, axis] = weights[axis] * way / side
                flat[row, axis + 2] = weights[axis + 2] * math.log(mine / side)
        return deltas
        """,
        """
        g, a = (to_center(x.astype(np.float64)) for x in (boxes, anchors))
        deltas = np.empty(g.shape)
        deltas[..., :2] = (g[..., :2] - a[..., :2]) / a[..., 2:].clip(min=SMALLEST_SIDE)
        deltas[..., 2:] = np.log2(g[..., 2:].clip(min=SMALLEST_SIDE) / a[..., 2:].clip(min=SMALLEST_SIDE)) * np.log(2)
        deltas *= weights
        return deltas.astype(boxes.dtype)
        """,
    ],
    "hw03.decode": [
        """
        a = to_center(anchors)
        d = deltas / np.asarray(weights, deltas.dtype)
        centre = a[..., :2] + d[..., :2] * a[..., 2:]
        size = a[..., 2:] * np.exp(np.minimum(d[..., 2:], clamp))
        return np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
        """,
        """
        import math
        boxes = np.zeros(deltas.shape, deltas.dtype)
        for out, d, a in zip(boxes.reshape(-1, 4), deltas.reshape(-1, 4), anchors.reshape(-1, 4)):
            for axis in (0, 1):
                side = float(a[axis + 2]) - float(a[axis])
                middle = float(a[axis]) + side / 2 + float(d[axis]) / weights[axis] * side
                half = side * math.exp(min(float(d[axis + 2]) / weights[axis + 2], clamp)) / 2
                out[axis], out[axis + 2] = middle - half, middle + half
        return boxes
        """,
        """
        # corner by corner: each is so many anchor sides away from the anchor's middle
        d = [deltas[..., i].astype(np.float64) / weights[i] for i in range(4)]
        x1, y1, x2, y2 = (c.astype(np.float64) for c in _corners(anchors))
        grow = [0.5 * np.exp(np.where(d[i] > clamp, clamp, d[i])) for i in (2, 3)]
        corners = [
            (x1 + x2) / 2 + (x2 - x1) * (d[0] - grow[0]),
            (y1 + y2) / 2 + (y2 - y1) * (d[1] - grow[1]),
            (x1 + x2) / 2 + (x2 - x1) * (d[0] + grow[0]),
            (y1 + y2) / 2 + (y2 - y1) * (d[1] + grow[1]),
        ]
        return np.stack(corners, axis=-1).astype(deltas.dtype)
        """,
    ],
    "hw03.nms": [
        """
        keep = np.zeros(len(boxes), dtype=bool)
        if len(boxes) == 0:
            return keep
        iou = iou_matrix(boxes, boxes)
        for k in np.argsort(-scores, kind="stable"):
            if valid is not None and not valid[k]:
                continue
            rivals = keep.copy()
            if group is not None:
                rivals &= group == group[k]
            keep[k] = not (iou[k][rivals] > iou_threshold).any()
        return keep
        """,
        """
        # from the front: take the best, throw out all it overlaps, until nobody is left
        left = [k for k in range(len(scores)) if valid is None or valid[k]]
        left.sort(key=lambda k: (-scores[k], k))
        kept = []
        while left:
            best, *others = left
            kept.append(best)
            rivals = [k for k in others if group is None or group[k] == group[best]]
            overlap = dict(zip(rivals, iou_matrix(boxes[[best]], boxes[rivals])[0])) if rivals else {}
            left = [k for k in others if not overlap.get(k, 0) > iou_threshold]
        keep = np.zeros(len(scores), bool)
        keep[kept] = True
        return keep
        """,
        """
        # a group at a time, in float64, with an IoU of its own
        b = boxes.astype(np.float64)
        names = np.zeros(len(b), int) if group is None else group
        keep = np.full(len(b), False)
        for name in np.unique(names):
            rows = [k for k in np.lexsort((np.arange(len(b)), -scores)) if names[k] == name]
            kept = []
            for k in rows:
                if valid is not None and not valid[k]:
                    continue
                for j in kept:
                    w = max(min(b[j, 2], b[k, 2]) - max(b[j, 0], b[k, 0]), 0)
                    h = max(min(b[j, 3], b[k, 3]) - max(b[j, 1], b[k, 1]), 0)
                    areas = [max(x2 - x1, 0) * max(y2 - y1, 0) for x1, y1, x2, y2 in b[[j, k]]]
                    if w * h > iou_threshold * (sum(areas) - w * h):
                        break
                else:
                    kept.append(k)
            keep[kept] = True
        return keep
        """,
    ],
    "hw03.base_anchors": [
        """
        found = []
        for r in ratios:
            for s in sizes:
                w = s / np.sqrt(r)
                h = s * np.sqrt(r)
                found.append([-w / 2, -h / 2, w / 2, h / 2])
        return np.round(np.array(found, np.float32))
        """,
        """
        # the width follows from area and ratio, the height from both
        out = np.zeros((len(ratios), len(sizes), 4), np.float32)
        area = sizes.astype(np.float64) ** 2
        for i in range(len(ratios)):
            w = np.sqrt(area / float(ratios[i]))
            out[i, :, 0], out[i, :, 2] = -np.rint(w / 2), np.rint(w / 2)
            out[i, :, 1], out[i, :, 3] = -np.rint(area / w / 2), np.rint(area / w / 2)
        return out.reshape(len(ratios) * len(sizes), 4)
        """,
        """
        r, s = np.meshgrid(ratios, sizes, indexing="ij")
        half = np.stack([s.ravel() / 2 * r.ravel() ** -0.5, s.ravel() / 2 * r.ravel() ** 0.5], axis=1)
        half = half.round()
        return np.hstack([0 - half, half]).astype(np.float32)
        """,
    ],
    "hw03.grid_anchors": [
        """
        found = np.zeros((rows, columns, len(base), 4), base.dtype)
        for i in range(rows):
            for j in range(columns):
                shift = np.array([j * stride_x, i * stride_y] * 2, base.dtype)
                found[i, j] = base + shift
        return found.reshape(-1, 4)
        """,
        """
        out = []
        for cell in range(rows * columns):
            i, j = divmod(cell, columns)
            for x1, y1, x2, y2 in base.tolist():
                x, y = j * stride_x, i * stride_y
                out.append((x + x1, y + y1, x + x2, y + y2))
        return np.array(out, dtype=base.dtype).reshape(rows * columns * len(base), 4)
        """,
        """
        anchors = np.empty((rows, columns, len(base), 2, 2))
        anchors[:] = base.reshape(-1, 2, 2)
        anchors[..., 0] += (stride_x * np.arange(columns))[None, :, None, None]
        anchors[..., 1] += (stride_y * np.arange(rows))[:, None, None, None]
        return anchors.astype(base.dtype).reshape(-1, 4)
        """,
    ],
    "hw03.match": [
        """
        seen = np.where(valid[:, None], iou, -1.0)
        matched = np.argmax(seen, axis=-1)
        best = np.max(seen, axis=-1)
        label = np.zeros(matched.shape, int)
        label[best >= positive_iou] = 1
        label[best < negative_iou] = -1
        if low_quality:
            for n in range(seen.shape[0]):
                for m in range(seen.shape[2]):
                    top = seen[n, :, m].max()
                    if top > 0:
                        label[n, seen[n, :, m] == top] = 1
        return matched, label
        """,
        """
        # box by box, with a float64 array of best values and lists for the answers
        N, K, M = iou.shape
        best = np.zeros((N, K))
        matched = np.zeros((N, K), np.int32)
        label = np.zeros((N, K), np.int8)
        for n, k in np.ndindex(N, K):
            best[n, k] = -1
            for m in range(M):
                if valid[n, m] and iou[n, k, m] > best[n, k]:
                    best[n, k], matched[n, k] = iou[n, k, m], m
            label[n, k] = POSITIVE if best[n, k] >= positive_iou else NEGATIVE if best[n, k] < negative_iou else NEUTRAL
        if low_quality and K:
            top = iou.max(axis=1)
            for n, k, m in np.ndindex(N, K, M):
                if valid[n, m] and top[n, m] > 0 and iou[n, k, m] == top[n, m]:
                    label[n, k] = POSITIVE
        return [matched, label]
        """,
        """
        masked = np.ma.masked_array(iou.astype(np.float64), mask=np.broadcast_to(~valid[:, None, :], iou.shape))
        seen = masked.filled(-np.inf)
        matched = np.argsort(-seen, axis=2, kind="stable")[:, :, 0]
        best = np.take_along_axis(seen, matched[:, :, None], axis=2)[:, :, 0]
        label = (best >= positive_iou).astype(np.int64) - (best < negative_iou).astype(np.int64)
        if low_quality:
            seen = np.where(seen > 0, seen, np.nan)
            rescued = (seen == np.fmax.reduce(seen, axis=1, keepdims=True)).any(axis=2)
            label = np.maximum(label, rescued * 2 - 1)
        return matched, label
        """,
    ],
}
