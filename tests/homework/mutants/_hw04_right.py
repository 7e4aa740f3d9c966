"""Homework 4, right in unusual words: loops, another order of steps, float64 inside, lists, another formula."""

RIGHT = {
    "hw04.roi_pool_bins": [
        """
        a = _nearest(start * float(scale))
        n = np.maximum(_nearest(end * float(scale)) - a + 1, 1)
        first = np.zeros((len(a), bins), int)
        stop = np.zeros((len(a), bins), int)
        for k in range(len(a)):
            for b in range(bins):
                low = a[k] + b * n[k] // bins
                high = a[k] + ((b + 1) * n[k] + bins - 1) // bins
                first[k, b] = min(max(low, 0), length)
                stop[k, b] = min(max(high, 0), length)
        return first, stop
        """,
        """
        # pixel by pixel of a RoI: bin b holds pixel p where the stretches b/bins..(b+1)/bins and p/n..(p+1)/n meet
        first, stop = [], []
        for s, e in zip(start, end):
            s, e = (int(_nearest(np.array(float(x) * scale))) for x in (s, e))
            n = max(e - s + 1, 1)
            inside = [[p for p in range(n) if p * bins < (b + 1) * n and (p + 1) * bins > b * n] for b in range(bins)]
            first.append([min(max(s + pixels[0], 0), length) for pixels in inside])
            stop.append([min(max(s + pixels[-1] + 1, 0), length) for pixels in inside])
        return [np.array(x, np.int64).reshape(len(start), bins) for x in (first, stop)]
        """,
        """
        edges = np.stack([start, end]).astype(np.float64) * scale
        away = np.where(edges < 0, np.ceil(edges - 0.5), np.floor(edges + 0.5)).astype(int)
        size = np.maximum(away[1] - away[0], 0) + 1
        whole, rest = np.divmod(np.arange(bins + 1) * size[:, None], bins)
        first = (away[0][:, None] + whole)[:, :-1]
        stop = (away[0][:, None] + whole + (rest > 0))[:, 1:]
        return np.minimum(np.maximum(first, 0), length), np.minimum(np.maximum(stop, 0), length)
        """,
    ],
    "hw04.roi_pool_backward": [
        """
        where, reach, row_start, left, filled, shape = cache
        N, H, W, C = shape
        flat = np.zeros((N * H * W, C), dcrops.dtype)
        K, S, T, _ = dcrops.shape
        for k, i, j, c in np.ndindex(K, S, T, C):
            if not filled[k, i, j, 0]:
                continue
            down, right = divmod(int(where[k, i, j, c]), reach)
            flat[row_start[k, i] + left[k, j] + down * W + right, c] += dcrops[k, i, j, c]
        return flat.reshape(shape), None
        """,
        """
        where, reach, row_start, left, filled, shape = cache
        dfeatures = np.zeros(shape, dcrops.dtype)
        rows = dfeatures.reshape(-1, shape[3])
        pixel = row_start[:, :, None, None] + left[:, None, :, None] + where // reach * shape[2] + where % reach
        full = np.broadcast_to(filled, pixel.shape)
        channel = np.broadcast_to(np.arange(shape[3]), pixel.shape)
        np.add.at(rows, (pixel[full], channel[full]), dcrops[full])
        return [dfeatures, None]
        """,
        """
        where, reach, row_start, left, filled, (N, H, W, C) = cache
        down, right = np.divmod(where.astype(np.int64), reach)
        pixel = row_start[:, :, None, None] + left[:, None, :, None] + down * W + right
        entry = np.where(filled, pixel, 0) * C + np.arange(C)
        gives = np.where(filled, dcrops, 0).astype(np.float64)
        total = np.bincount(entry.ravel(), weights=gives.ravel(), minlength=N * H * W * C)
        return total.astype(dcrops.dtype).reshape(N, H, W, C), None
        """,
    ],
    "hw04.roi_align_points": [
        """
        dtype = start.dtype
        a, b = (start * scale).astype(dtype), (end * scale).astype(dtype)
        size = b - a
        if not aligned:
            size = np.maximum(size, 1)
        if samples == 0:
            count = np.ceil(size / bins).astype(int)
        else:
            count = np.full(len(a), samples)
        n = samples or max(int(count.max(initial=1)), 1)
        position = np.zeros((len(a), bins, n), dtype)
        use = np.zeros((len(a), 1, n), dtype)
        along = np.zeros((len(a), bins, n), dtype)
        for k in range(len(a)):
            points = max(count[k], 1)
            for p in range(n):
                use[k, 0, p] = 1 / points if p < count[k] else 0
                for s in range(bins):
                    along[k, s, p] = (s + (p + 0.5) / points) / bins
                    position[k, s, p] = a[k] + along[k, s, p] * size[k] - (0.5 if aligned else 0)
            if not aligned and b[k] - a[k] < 1:
                along[k] = 0
        return position, use, along
        """,
        """
        # in float64, the way counted in points rather than in bins
        a, b = (np.asarray(x, np.float64)[:, None, None] * scale for x in (start, end))
        size = b - a if aligned else np.maximum(b - a, 1)
        count = np.maximum(np.ceil(size / bins), 0) if samples == 0 else np.full(size.shape, float(samples))
        n = samples if samples else int(max([1, *count.ravel()]))
        p, points = np.arange(n), np.where(count > 0, count, 1)
        use = np.where(p < count, 1 / points, 0)
        along = (np.arange(bins)[:, None] * points + p + 0.5) / (points * bins)
        position = a + size * along
        if aligned:
            position = position - 0.5
        else:
            along = along * (b - a >= 1)
        return [x.astype(start.dtype) for x in (position, use, along)]
        """,
        """
        K, dtype = len(start), start.dtype
        low, high = start * scale, end * scale
        held = (high - low < 1) & (not aligned)
        size = np.where(held, 1, high - low)
        count = np.full(K, samples) if samples else -(-size // bins).astype(int)
        n = samples or max(1, count.max(initial=0))
        use, along = np.zeros((K, 1, n)), np.zeros((K, bins, n))
        for k, points in enumerate(count):
            use[k, 0, : max(points, 0)] = 1 / max(points, 1)
            step = 1 / max(points, 1)
            for s in range(bins):
                along[k, s] = (s + step / 2 + step * np.arange(n)) / bins
        position = low[:, None, None] + along * size[:, None, None] - 0.5 * aligned
        along[held] = 0
        return position.astype(dtype), use.astype(dtype), along.astype(dtype)
        """,
    ],
    "hw04.roi_align_backward": [
        """
        A, shape, for_boxes = cache
        drows = dcrops.reshape(-1, dcrops.shape[-1])
        coo = A.tocoo()
        dpixels = np.zeros((A.shape[1], shape[3]), dcrops.dtype)
        np.add.at(dpixels, coo.col, coo.data[:, None] * drows[coo.row])
        drois = box_gradient(dcrops, *for_boxes) if for_boxes is not None else None
        return dpixels.reshape(shape), drois
        """,
        """
        A, (N, H, W, C), for_boxes = cache
        drows = dcrops.reshape(A.shape[0], C)
        dpixels = np.zeros((N * H * W, C), dcrops.dtype)
        for row in range(A.shape[0]):
            for place in range(A.indptr[row], A.indptr[row + 1]):
                dpixels[A.indices[place]] += A.data[place] * drows[row]
        if for_boxes is None:
            return [dpixels.reshape(N, H, W, C), None]
        features, rois, settings = for_boxes
        return [dpixels.reshape(N, H, W, C), box_gradient(dcrops, features, rois, settings)]
        """,
        """
        matrix, shape, for_boxes = cache
        drois = box_gradient(dcrops, *for_boxes) if for_boxes else None
        dense = matrix.toarray().astype(np.float64)
        channels = [dcrops[..., c].ravel() @ dense for c in range(shape[3])]
        dfeatures = np.stack(channels, axis=-1) if channels else np.zeros(shape)
        return dfeatures.reshape(shape).astype(dcrops.dtype), drois
        """,
    ],
    "hw04.sigmoid_cross_entropy_forward": [
        """
        x = logits
        e = np.exp(-np.abs(x))
        positive = x - x * targets + np.log1p(e)
        negative = -x * targets + np.log1p(e)
        element = np.where(x > 0, positive, negative)
        loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
        return loss, (logits, targets, weight, normalizer)
        """,
        """
        # what a yes costs where the target says yes, and a no where it says no
        yes, no = np.logaddexp(0, -logits), np.logaddexp(0, logits)
        element = targets * yes + (1 - targets) * no
        loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
        return [loss, [logits, targets, weight, normalizer]]
        """,
        """
        import math
        element = np.zeros(logits.shape, logits.dtype)
        for place in np.ndindex(logits.shape):
            x, t = float(logits[place]), float(targets[place])
            element[place] = max(x, 0) - x * t + math.log1p(math.exp(-abs(x)))
        loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
        return loss, (logits.copy(), targets.copy(), weight.copy(), normalizer)
        """,
        """
        # the sum written out, without _reduce
        element = np.logaddexp(0, logits) - logits * targets
        total = np.sum(np.broadcast_to(weight, logits.shape) * element)
        if normalizer is None:
            normalizer = max(np.broadcast_to(weight, logits.shape).sum(), 1)
        normalizer = np.array(normalizer, logits.dtype)
        return np.array(total / normalizer), (logits, targets, weight, normalizer)
        """,
    ],
    "hw04.sigmoid_cross_entropy_backward": [
        """
        logits, targets, weight, normalizer = cache
        s = np.empty_like(logits)
        up = logits >= 0
        s[up] = 1 / (1 + np.exp(-logits[up]))
        e = np.exp(logits[~up])
        s[~up] = e / (1 + e)
        return _scaled(weight, dloss, normalizer) * (s - targets)
        """,
        """
        logits, targets, weight, normalizer = cache
        s = 0.5 + np.tanh(logits / 2) / 2
        factor = np.broadcast_to(_scaled(weight, dloss, normalizer), logits.shape)
        return s * factor - targets * factor
        """,
        """
        import math
        logits, targets, weight, normalizer = cache
        out = np.zeros(logits.shape, logits.dtype)
        each = np.broadcast_to(weight, logits.shape)
        for place in np.ndindex(logits.shape):
            x = float(logits[place])
            e = math.exp(-abs(x))
            s = 1 / (1 + e) if x > 0 else e / (1 + e)
            out[place] = (s - targets[place]) * each[place] * float(dloss) / float(normalizer)
        return out
        """,
    ],
    "hw04.mask_targets": [
        """
        N, M, H, W = masks.shape
        flat = masks.reshape(N * M, H, W)
        high, wide = sizes[matched // M].T
        down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=aligned)
        across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=aligned)
        out = np.zeros((len(rois), size, size), rois.dtype)
        for q in range(len(rois)):
            out[q] = down[q] @ flat[matched[q]].astype(rois.dtype) @ across[q].T
        return out
        """,
        """
        # one RoI at a time, all sums written out by einsum, in float64
        out = []
        for (x1, y1, x2, y2), row in zip(rois, matched):
            picture, which = divmod(int(row), masks.shape[1])
            height, width = sizes[picture]
            longest = masks.shape[2:]
            one = [np.array([v], np.float64) for v in (x1, y1, x2, y2)]
            down = roi_align.adaptive_weights(
                one[1], one[3], size, np.array([height]), longest=longest[0], aligned=aligned
            )
            across = roi_align.adaptive_weights(
                one[0], one[2], size, np.array([width]), longest=longest[1], aligned=aligned
            )
            out.append(np.einsum("ih,hw,jw->ij", down[0], masks[picture, which].astype(float), across[0]))
        return np.array(out, rois.dtype).reshape(len(rois), size, size)
        """,
        """
        N, M, H, W = masks.shape
        picture = matched // M
        seen = masks[picture, matched % M] * np.ones((), rois.dtype)
        down = roi_align.adaptive_weights(
            rois[:, 1], rois[:, 3], size, sizes[picture, 0], longest=H, aligned=aligned
        )
        across = roi_align.adaptive_weights(
            rois[:, 0], rois[:, 2], size, sizes[picture, 1], longest=W, aligned=aligned
        )
        return np.matmul(down, np.matmul(across, seen.transpose(0, 2, 1)).transpose(0, 2, 1))
        """,
    ],
}
