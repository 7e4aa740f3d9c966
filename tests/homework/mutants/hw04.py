"""Homework 4 as students write it: right in other words, and wrong."""

from homework.bodies import Mutant
from homework.mutants._hw04_limits import LIMITS
from homework.mutants._hw04_right import RIGHT

__all__ = ["LIMITS", "MUTANTS", "RIGHT"]

MUTANTS = {
    "hw04.roi_pool_bins": [
        Mutant(
            "halves up",
            """
            a, z = (np.floor(e * scale + 0.5).astype(int)[:, None] for e in (start, end))
            n, b = np.maximum(z - a + 1, 1), np.arange(bins)
            first, stop = a + b * n // bins, a - (-(b + 1) * n) // bins
            return np.clip(first, 0, length).astype(np.int32), np.clip(stop, 0, length).astype(np.int32)
            """,
            "halves are rounded up",
        ),
        Mutant(
            "in fractions",
            """
            a, z = (_nearest(e * scale)[:, None] for e in (start, end))
            one, b = np.maximum(z - a + 1, 1) / bins, np.arange(bins)
            first, stop = a + np.floor(b * one).astype(np.int32), a + np.ceil((b + 1) * one).astype(np.int32)
            return np.clip(first, 0, length), np.clip(stop, 0, length)
            """,
            "you round fractions",
        ),
        Mutant(
            "last pixel lost",
            """
            a = _nearest(start * float(scale))
            n = np.maximum(_nearest(end * float(scale)) - a, 1)
            steps = np.arange(bins)
            first = np.floor(a[:, None] + steps * n[:, None] / bins)
            stop = np.ceil(a[:, None] + (steps + 1) * n[:, None] / bins)
            return np.clip(first, 0, length).astype(int), np.clip(stop, 0, length).astype(int)
            """,
            "last pixel is not counted",
        ),
        Mutant(
            "disjoint bins",
            """
            a = _nearest(start * float(scale))[:, None]
            n = np.maximum(_nearest(end * float(scale))[:, None] - a + 1, 1)
            edges = a + np.arange(bins + 1) * n // bins
            edges = np.clip(edges, 0, length)
            return edges[:, :-1], edges[:, 1:]
            """,
            "rounded UP",
        ),
        Mutant(
            "image pixels",
            """
            a = _nearest(start)[:, None]
            n = np.maximum(_nearest(end)[:, None] - a + 1, 1)
            b = np.arange(bins)
            first, stop = a + b * n // bins, a - (-(b + 1) * n) // bins
            return np.minimum(np.maximum(first, 0), length), np.minimum(np.maximum(stop, 0), length)
            """,
            "scale is left out",
        ),
        Mutant(
            "cut at the last pixel",
            """
            a = _nearest(start * float(scale))[:, None]
            n = np.maximum(_nearest(end * float(scale))[:, None] - a + 1, 1)
            b = np.arange(bins)
            first, stop = a + b * n // bins, a - (-(b + 1) * n) // bins
            return np.clip(first, 0, length), np.clip(stop, 0, length - 1)
            """,
            "the pixel AFTER the last",
        ),
        Mutant(
            "both edges scaled after rounding",
            """
            a = (_nearest(start) * float(scale)).astype(int)[:, None]
            n = np.maximum((_nearest(end) * float(scale)).astype(int)[:, None] - a + 1, 1)
            b = np.arange(bins)
            first, stop = a + b * n // bins, a - (-(b + 1) * n) // bins
            return np.clip(first, 0, length), np.clip(stop, 0, length)
            """,
        ),
    ],
    "hw04.roi_pool_backward": [
        Mutant(
            "the height for the width",
            """
            where, reach, row_start, left, filled, (N, H, W, C) = cache
            d = np.zeros((N * H * W, C), dcrops.dtype)
            K, S, T, _ = dcrops.shape
            for k, i, j, c in np.ndindex(K, S, T, C):
                if filled[k, i, j, 0]:
                    down, right = divmod(int(where[k, i, j, c]), reach)
                    d[row_start[k, i] + left[k, j] + down * H + right, c] += dcrops[k, i, j, c]
            return d.reshape(N, H, W, C), None
            """,
            "",
        ),
        Mutant(
            "the last one wins",
            """
            where, reach, row_start, left, filled, (N, H, W, C) = cache
            d = np.zeros((N * H * W, C), dcrops.dtype)
            K, S, T, _ = dcrops.shape
            for k, i, j, c in np.ndindex(K, S, T, C):
                if filled[k, i, j, 0]:
                    down, right = divmod(int(where[k, i, j, c]), reach)
                    d[row_start[k, i] + left[k, j] + down * W + right, c] = dcrops[k, i, j, c]
            return d.reshape(N, H, W, C), None
            """,
            "add them up",
        ),
        Mutant(
            "repeated pixels with +=",
            """
            where, reach, row_start, left, filled, (N, H, W, C) = cache
            d = np.zeros(N * H * W * C, dcrops.dtype)
            pixel = row_start[:, :, None, None] + left[:, None, :, None] + where // reach * W + where % reach
            entry = pixel * C + np.arange(C)
            full = np.broadcast_to(filled, dcrops.shape)
            d[entry[full]] += dcrops[full]
            return d.reshape(N, H, W, C), None
            """,
            "add them up",
        ),
        Mutant(
            "rows and columns exchanged",
            """
            where, reach, row_start, left, filled, (N, H, W, C) = cache
            d = np.zeros((N * H * W, C), dcrops.dtype)
            K, S, T, _ = dcrops.shape
            for k, i, j, c in np.ndindex(K, S, T, C):
                if filled[k, i, j, 0]:
                    right, down = divmod(int(where[k, i, j, c]), reach)
                    d[row_start[k, i] + left[k, j] + down * W + right, c] += dcrops[k, i, j, c]
            return d.reshape(N, H, W, C), None
            """,
        ),
        Mutant(
            "zeros for the boxes",
            """
            where, reach, row_start, left, filled, (N, H, W, C) = cache
            d = np.zeros((N * H * W, C), dcrops.dtype)
            K, S, T, _ = dcrops.shape
            for k, i, j, c in np.ndindex(K, S, T, C):
                if filled[k, i, j, 0]:
                    down, right = divmod(int(where[k, i, j, c]), reach)
                    d[row_start[k, i] + left[k, j] + down * W + right, c] += dcrops[k, i, j, c]
            return d.reshape(N, H, W, C), np.zeros(len(dcrops), dcrops.dtype)
            """,
            "return None",
        ),
        Mutant(
            "the first pixel of the bin",
            """
            where, reach, row_start, left, filled, (N, H, W, C) = cache
            d = np.zeros((N * H * W, C), dcrops.dtype)
            K, S, T, _ = dcrops.shape
            for k, i, j, c in np.ndindex(K, S, T, C):
                if filled[k, i, j, 0]:
                    d[row_start[k, i] + left[k, j], c] += dcrops[k, i, j, c]
            return d.reshape(N, H, W, C), None
            """,
            "the one that was the maximum",
        ),
    ],
    "hw04.roi_align_points": [
        Mutant(
            "counted from the edges",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            size = b - a if aligned else np.maximum(b - a, 1)
            count = np.ceil((b - a) / bins) if samples == 0 else np.full_like(size, samples)
            n = samples or max(int(count.max(initial=1)), 1)
            p = np.arange(n, dtype=start.dtype)
            use = np.where(p < count, 1 / np.maximum(count, 1), 0).astype(start.dtype)
            along = (np.arange(bins, dtype=start.dtype)[:, None] + (p + 0.5) / np.maximum(count, 1)) / bins
            position = a + along * size - (0.5 if aligned else 0)
            return position, use, along if aligned else np.where(b - a < 1, 0, along)
            """,
            "count them from the size",
        ),
        Mutant(
            "one pixel does not stretch",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            size = b - a if aligned else np.maximum(b - a, 1)
            count = np.ceil(size / bins) if samples == 0 else np.full_like(size, samples)
            n = samples or max(int(count.max(initial=1)), 1)
            p = np.arange(n, dtype=start.dtype)
            use = np.where(p < count, 1 / np.maximum(count, 1), 0).astype(start.dtype)
            along = (np.arange(bins, dtype=start.dtype)[:, None] + (p + 0.5) / np.maximum(count, 1)) / bins
            position = a + along * size - (0.5 if aligned else 0)
            return position, use, along if aligned else np.where(size <= 1, 0, along)
            """,
            "exactly one pixel",
        ),
        Mutant(
            "no half pixel",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            size = b - a if aligned else np.maximum(b - a, 1)
            count = np.ceil(size / bins) if samples == 0 else np.full_like(size, samples)
            n = samples or max(int(count.max(initial=1)), 1)
            p = np.arange(n, dtype=start.dtype)
            use = np.where(p < count, 1 / np.maximum(count, 1), 0).astype(start.dtype)
            along = (np.arange(bins, dtype=start.dtype)[:, None] + (p + 0.5) / np.maximum(count, 1)) / bins
            position = a + along * size
            return position, use, along if aligned else np.where(b - a < 1, 0, along)
            """,
            "half a pixel is missing",
        ),
        Mutant(
            "half a pixel always",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            size = b - a if aligned else np.maximum(b - a, 1)
            count = np.ceil(size / bins) if samples == 0 else np.full_like(size, samples)
            n = samples or max(int(count.max(initial=1)), 1)
            p = np.arange(n, dtype=start.dtype)
            use = np.where(p < count, 1 / np.maximum(count, 1), 0).astype(start.dtype)
            along = (np.arange(bins, dtype=start.dtype)[:, None] + (p + 0.5) / np.maximum(count, 1)) / bins
            position = a + along * size - 0.5
            return position, use, along if aligned else np.where(b - a < 1, 0, along)
            """,
            "even when not aligned",
        ),
        Mutant(
            "at the corners",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            size = b - a if aligned else np.maximum(b - a, 1)
            count = np.ceil(size / bins) if samples == 0 else np.full_like(size, samples)
            n = samples or max(int(count.max(initial=1)), 1)
            p = np.arange(n, dtype=start.dtype)
            use = np.where(p < count, 1 / np.maximum(count, 1), 0).astype(start.dtype)
            along = (np.arange(bins, dtype=start.dtype)[:, None] + p / np.maximum(count, 1)) / bins
            position = a + along * size - (0.5 if aligned else 0)
            return position, use, along if aligned else np.where(b - a < 1, 0, along)
            """,
            "in its middle",
        ),
        Mutant(
            "small RoIs shrink",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            size = b - a
            count = np.ceil(size / bins) if samples == 0 else np.full_like(size, samples)
            n = samples or max(int(count.max(initial=1)), 1)
            p = np.arange(n, dtype=start.dtype)
            use = np.where(p < count, 1 / np.maximum(count, 1), 0).astype(start.dtype)
            along = (np.arange(bins, dtype=start.dtype)[:, None] + (p + 0.5) / np.maximum(count, 1)) / bins
            position = a + along * size - (0.5 if aligned else 0)
            return position, use, along if aligned else np.where(b - a < 1, 0, along)
            """,
            "not held at one pixel when not aligned",
        ),
        Mutant(
            "linspace from edge to edge",
            """
            a, b = start[:, None, None] * scale, end[:, None, None] * scale
            n = samples or 1
            along = np.linspace(0, 1, bins * n, dtype=start.dtype).reshape(1, bins, n)
            along = np.repeat(along, len(start), axis=0)
            position = a + along * (b - a) - (0.5 if aligned else 0)
            return position, np.full((len(start), 1, n), 1 / n, start.dtype), along
            """,
        ),
    ],
    "hw04.roi_align_backward": [
        Mutant(
            "not turned round",
            """
            A, shape, for_boxes = cache
            drois = box_gradient(dcrops, *for_boxes) if for_boxes else None
            return (A @ dcrops.reshape(-1, shape[3])).reshape(shape), drois
            """,
            "transposed matrix",
        ),
        Mutant(
            "boxes forgotten",
            """
            A, shape, for_boxes = cache
            return (A.T @ dcrops.reshape(A.shape[0], -1)).reshape(shape), None
            """,
            "never get a gradient",
        ),
        Mutant(
            "still flat",
            """
            A, shape, for_boxes = cache
            drois = box_gradient(dcrops, *for_boxes) if for_boxes else None
            return A.T @ dcrops.reshape(A.shape[0], -1), drois
            """,
            "the shape of the features",
        ),
        Mutant(
            "a mean over readers",
            """
            A, shape, for_boxes = cache
            drois = box_gradient(dcrops, *for_boxes) if for_boxes else None
            d = A.T @ dcrops.reshape(A.shape[0], -1)
            readers = np.bincount(A.indices, minlength=A.shape[1])
            return (d / np.maximum(readers, 1)[:, None]).astype(d.dtype).reshape(shape), drois
            """,
            "averages over the bins",
        ),
        Mutant(
            "channels mixed",
            """
            A, shape, for_boxes = cache
            drois = box_gradient(dcrops, *for_boxes) if for_boxes else None
            rows = dcrops.transpose(3, 0, 1, 2).reshape(-1, shape[3])
            return (A.T @ rows).reshape(shape), drois
            """,
        ),
    ],
    "hw04.sigmoid_cross_entropy_forward": [
        Mutant(
            "the normalizer forgotten",
            """
            element = np.logaddexp(0, logits) - logits * targets
            loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, None)
            return loss, (logits, targets, weight, normalizer)
            """,
            "the normalizer is not handed on",
        ),
        Mutant(
            "logarithm of the probability",
            """
            s = 1 / (1 + np.exp(-logits))
            element = -targets * np.log(s) - (1 - targets) * np.log(1 - s)
            loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
            return loss, (logits, targets, weight, normalizer)
            """,
            "log(0)",
        ),
        Mutant(
            "only the object's pixels",
            """
            element = targets * np.logaddexp(0, -logits)
            loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
            return loss, (logits, targets, weight, normalizer)
            """,
            "only the pixels of the object",
        ),
        Mutant(
            "plain mean",
            """
            element = np.logaddexp(0, logits) - logits * targets
            loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, np.ones_like(weight), None)
            return loss, (logits, targets, weight, normalizer)
            """,
            "count alike",
        ),
        Mutant(
            "cache in another order",
            """
            element = np.logaddexp(0, logits) - logits * targets
            loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
            return loss, (targets, logits, weight, normalizer)
            """,
        ),
        Mutant(
            "overflows for negative logits",
            """
            element = np.maximum(logits, 0) - logits * targets + np.log(1 + np.exp(-logits))
            loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
            return loss, (logits, targets, weight, normalizer)
            """,
            "minus its absolute value",
        ),
    ],
    "hw04.sigmoid_cross_entropy_backward": [
        Mutant(
            "the total weight",
            """
            x, t, w, n = cache
            s = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
            total = np.maximum((w * np.ones_like(x)).sum(), 1)
            return ((s - t) * w * (dloss / total)).astype(x.dtype)
            """,
            "you divide by the total weight",
        ),
        Mutant(
            "target minus probability",
            """
            x, t, w, n = cache
            s = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
            return (t - s) * _scaled(w, dloss, n)
            """,
            "probability minus target",
        ),
        Mutant(
            "chain rule twice",
            """
            x, t, w, n = cache
            s = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
            return (s - t) * s * (1 - s) * _scaled(w, dloss, n)
            """,
            "once too often",
        ),
        Mutant(
            "dloss forgotten",
            """
            x, t, w, n = cache
            s = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
            return (s - t) * w / n
            """,
            "dloss is left out",
        ),
        Mutant(
            "not divided",
            """
            x, t, w, n = cache
            s = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
            return (s - t) * w * np.asarray(dloss, x.dtype)
            """,
            "normalizer is left out",
        ),
        Mutant(
            "overflow in the numerator",
            """
            x, t, w, n = cache
            s = np.exp(x) / (1 + np.exp(x))
            return (s - t) * _scaled(w, dloss, n)
            """,
            "NaN",
        ),
        Mutant(
            "hard decision",
            """
            x, t, w, n = cache
            return ((x > 0).astype(x.dtype) - t) * _scaled(w, dloss, n)
            """,
        ),
    ],
    "hw04.mask_targets": [
        Mutant(
            "x for y",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W).astype(rois.dtype)
            high, wide = sizes[matched // M].T
            down = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, high, longest=H, aligned=aligned)
            across = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, wide, longest=W, aligned=aligned)
            return down @ flat[matched] @ across.transpose(0, 2, 1)
            """,
            "x and y are exchanged",
        ),
        Mutant(
            "rounded",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W).astype(rois.dtype)
            high, wide = sizes[matched // M].T
            down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=aligned)
            across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=aligned)
            return (down @ flat[matched] @ across.transpose(0, 2, 1) >= 0.5).astype(rois.dtype)
            """,
            "rounded to 0 and 1",
        ),
        Mutant(
            "first picture",
            """
            N, M, H, W = masks.shape
            high, wide = sizes[matched // M].T
            down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=aligned)
            across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=aligned)
            seen = np.stack([masks[0, k % M] for k in matched]) if len(matched) else np.zeros((0, H, W))
            return down @ seen.astype(rois.dtype) @ across.transpose(0, 2, 1)
            """,
            "looked for in the first picture",
        ),
        Mutant(
            "aligned forgotten",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W).astype(rois.dtype)
            high, wide = sizes[matched // M].T
            down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=True)
            across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=True)
            return down @ flat[matched] @ across.transpose(0, 2, 1)
            """,
            "aligned is not handed on",
        ),
        Mutant(
            "the padding is read",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W).astype(rois.dtype)
            high, wide = np.full(len(rois), H), np.full(len(rois), W)
            down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=aligned)
            across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=aligned)
            return down @ flat[matched] @ across.transpose(0, 2, 1)
            """,
            "zeros of the padding",
        ),
        Mutant(
            "heights for widths",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W).astype(rois.dtype)
            wide, high = sizes[matched // M].T
            down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=aligned)
            across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=aligned)
            return down @ flat[matched] @ across.transpose(0, 2, 1)
            """,
            "height and width of the pictures are exchanged",
        ),
        Mutant(
            "the first picture's size for all",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W).astype(rois.dtype)
            high, wide = np.repeat(sizes[:1], len(rois), axis=0).T
            down = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], size, high, longest=H, aligned=aligned)
            across = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], size, wide, longest=W, aligned=aligned)
            return down @ flat[matched] @ across.transpose(0, 2, 1)
            """,
        ),
        Mutant(
            "pixels picked, not averaged",
            """
            N, M, H, W = masks.shape
            flat = masks.reshape(-1, H, W)
            out = np.zeros((len(rois), size, size), rois.dtype)
            for q, (x1, y1, x2, y2) in enumerate(rois):
                ys = (y1 + (np.arange(size) + 0.5) * (y2 - y1) / size).astype(int)
                xs = (x1 + (np.arange(size) + 0.5) * (x2 - x1) / size).astype(int)
                out[q] = flat[matched[q]][np.ix_(ys, xs)]
            return out
            """,
        ),
    ],
}
