"""Homework 2, right in unusual words: loops, views of windows, sums over places, lists for tuples, float64 inside."""

RIGHT = {
    "hw02.image_to_columns": [
        """
        n, h, w, c = x.shape
        top, left = padding
        big = np.zeros((n, h + 2 * top, w + 2 * left, c), dtype=x.dtype)
        big[:, top : top + h, left : left + w, :] = x
        out = np.empty((n,) + tuple(windows) + tuple(kernel) + (c,), dtype=x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        r, s = p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
                        out[:, p, q, i, j, :] = big[:, r, s, :]
        return out
        """,
        """
        # a view: windows that span all, of which every dilation-th number is looked at
        big = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
        view = np.lib.stride_tricks.sliding_window_view(big, spans, axis=(1, 2))
        seen = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
        return np.moveaxis(seen[:, : windows[0], : windows[1]], 3, -1)
        """,
        """
        # by index: the border is a pixel of zeros that every place outside points to
        n, h, w, c = x.shape
        flat = np.concatenate([x.reshape(n, h * w, c), np.zeros((n, 1, c), x.dtype)], axis=1)
        r = np.arange(windows[0])[:, None] * stride[0] + np.arange(kernel[0]) * dilation[0] - padding[0]
        s = np.arange(windows[1])[:, None] * stride[1] + np.arange(kernel[1]) * dilation[1] - padding[1]
        r, s = r[:, None, :, None], s[None, :, None, :]
        inside = (r >= 0) & (r < h) & (s >= 0) & (s < w)
        return flat[:, np.where(inside, r * w + s, h * w)]
        """,
    ],
    "hw02.columns_to_image": [
        """
        n, ho, wo, kh, kw, c = columns.shape
        x = np.zeros((n, size[0], size[1], c), dtype=columns.dtype)
        for p in range(ho):
            for q in range(wo):
                for i in range(kh):
                    for j in range(kw):
                        r = p * stride[0] + i * dilation[0] - padding[0]
                        s = q * stride[1] + j * dilation[1] - padding[1]
                        if 0 <= r < size[0] and 0 <= s < size[1]:
                            x[:, r, s] += columns[:, p, q, i, j]
        return x
        """,
        """
        n, ho, wo, kh, kw, c = columns.shape
        r = np.arange(ho)[:, None] * stride[0] + np.arange(kh) * dilation[0]
        s = np.arange(wo)[:, None] * stride[1] + np.arange(kw) * dilation[1]
        big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
        np.add.at(big, (slice(None), r[:, None, :, None], s[None, :, None, :]), columns)
        return remove_border(big, padding)
        """,
        """
        # two products with matrices of 0 and 1, which say where every row and column of a window lies
        def places(length, count, k, step, apart, border):
            where = np.arange(count)[:, None] * step + np.arange(k) * apart - border
            return (where[..., None] == np.arange(length)).astype(columns.dtype)

        down = places(size[0], columns.shape[1], columns.shape[3], stride[0], dilation[0], padding[0])
        across = places(size[1], columns.shape[2], columns.shape[4], stride[1], dilation[1], padding[1])
        return np.einsum("npqijc,pih,qjw->nhwc", columns, down, across, optimize=True)
        """,
    ],
    "hw02.conv2d_forward": [
        """
        per_in, per_out = C // groups, O // groups
        y = np.zeros((N, HO, WO, O), x.dtype)
        seen = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        for g in range(groups):
            inside = seen[..., g * per_in : (g + 1) * per_in]
            kernels = weight[..., g * per_out : (g + 1) * per_out]
            y[..., g * per_out : (g + 1) * per_out] = np.tensordot(inside, kernels, axes=([3, 4, 5], [0, 1, 2]))
        if bias is not None:
            y = y + bias
        return y, (x, weight, bias is not None, stride, padding, dilation, groups)
        """,
        """
        # place by place of the kernel, no columns; the cache is a list of lists
        big = add_border(x, padding).astype(np.float64)
        y = np.zeros((N, HO, WO, groups, O // groups)) if bias is None else np.tile(
            bias.astype(np.float64).reshape(groups, -1), (N, HO, WO, 1, 1)
        )
        deep = weight.reshape(KH, KW, C // groups, groups, O // groups)
        for i, j, rows, cols in taps((KH, KW), stride, (HO, WO), dilation):
            seen = big[:, rows, cols].reshape(N, HO, WO, groups, C // groups)
            y += np.einsum("npqgc,cgo->npqgo", seen, deep[i, j])
        y = y.reshape(N, HO, WO, O).astype(x.dtype)
        return [y, [x, weight, bias is not None, list(stride), list(padding), list(dilation), groups]]
        """,
        """
        columns = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        seen = columns.reshape(N, HO, WO, KH, KW, groups, C // groups)
        deep = weight.reshape(KH, KW, C // groups, groups, O // groups)
        y = np.einsum("npqijgc,ijcgo->npqgo", seen, deep, optimize=True).reshape(N, HO, WO, O)
        shifted = y if bias is None else np.add(y, bias[None, None, None])
        return shifted, (x, weight, not (bias is None), stride, padding, dilation, groups)
        """,
    ],
    "hw02.conv2d_backward": [
        """
        dweight = np.zeros_like(weight)
        padded = np.zeros((N, H + 2 * padding[0], W + 2 * padding[1], C), x.dtype)
        padded[:, padding[0] : padding[0] + H, padding[1] : padding[1] + W] = x
        dpadded = np.zeros_like(padded)
        a, b = C // groups, O // groups
        for p in range(HO):
            for q in range(WO):
                for i in range(KH):
                    for j in range(KW):
                        r, s = p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
                        for g in range(groups):
                            d = dy[:, p, q, g * b : (g + 1) * b]
                            dweight[i, j, :, g * b : (g + 1) * b] += padded[:, r, s, g * a : (g + 1) * a].T @ d
                            dpadded[:, r, s, g * a : (g + 1) * a] += d @ weight[i, j, :, g * b : (g + 1) * b].T
        dx = dpadded[:, padding[0] : padding[0] + H, padding[1] : padding[1] + W]
        return dx, dweight, dy.sum(axis=(0, 1, 2)) if has_bias else None
        """,
        """
        columns = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        seen = columns.reshape(N, HO, WO, KH, KW, groups, C // groups)
        d = dy.reshape(N, HO, WO, groups, O // groups)
        deep = weight.reshape(KH, KW, C // groups, groups, O // groups)
        dweight = np.einsum("npqijgc,npqgo->ijcgo", seen, d, optimize=True).reshape(weight.shape)
        back = np.einsum("npqgo,ijcgo->npqijgc", d, deep, optimize=True).reshape(columns.shape)
        dx = _columns_to_image(back, (H, W), stride, padding, dilation)
        return [dx, dweight, np.einsum("npqo->o", dy) if has_bias else None]
        """,
        """
        # group by group, place by place of the kernel
        big = add_border(x, padding)
        dbig, dweight = np.zeros(big.shape, x.dtype), np.zeros(weight.shape, weight.dtype)
        for g in range(groups):
            ins = slice(g * C // groups, (g + 1) * C // groups)
            outs = slice(g * O // groups, (g + 1) * O // groups)
            for i, j, rows, cols in taps((KH, KW), stride, (HO, WO), dilation):
                seen = big[:, rows, cols, ins]
                dweight[i, j, :, outs] = np.tensordot(seen, dy[..., outs], axes=([0, 1, 2], [0, 1, 2]))
                dbig[:, rows, cols, ins] += dy[..., outs] @ weight[i, j, :, outs].T
        return remove_border(dbig, padding), dweight, column_sum(dy) if has_bias else None
        """,
    ],
    "hw02.max_pool2d_forward": [
        """
        n, h, w, c = x.shape
        y = np.empty((n, windows[0], windows[1], c), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                part = x[:, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
                y[:, p, q] = part.max(axis=(1, 2))
        return y, (x, y, kernel, stride, padding)
        """,
        """
        big = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)), constant_values=-np.inf)
        view = np.lib.stride_tricks.sliding_window_view(big, tuple(kernel), axis=(1, 2))
        y = view[:, :: stride[0], :: stride[1]].max(axis=(-1, -2))
        return [y, [x, y, list(kernel), list(stride), list(padding)]]
        """,
        """
        # first along the rows, then along the columns
        big = add_border(x, padding, -np.inf)
        high = np.stack([big[:, i : i + stride[0] * (windows[0] - 1) + 1 : stride[0]] for i in range(kernel[0])])
        high = np.amax(high, axis=0)
        both = [high[:, :, j : j + stride[1] * (windows[1] - 1) + 1 : stride[1]] for j in range(kernel[1])]
        y = np.amax(both, axis=0)
        return y, (x, y, kernel, stride, padding)
        """,
    ],
    "hw02.max_pool2d_backward": [
        """
        x, y, kernel, stride, padding = cache
        n, h, w, c = x.shape
        dx = np.zeros((n, h, w, c), dy.dtype)
        for k, p, q, m in np.ndindex(dy.shape):
            top, left = max(p * stride[0] - padding[0], 0), max(q * stride[1] - padding[1], 0)
            below, right = p * stride[0] - padding[0] + kernel[0], q * stride[1] - padding[1] + kernel[1]
            part = x[k, top:below, left:right, m]
            i, j = np.unravel_index(np.argmax(part), part.shape)
            dx[k, top + i, left + j, m] += dy[k, p, q, m]
        return dx
        """,
        """
        # the flat place of each winner among the windows' numbers, and one add.at
        x, y, kernel, stride, padding = cache
        big = add_border(x, padding, -np.inf)
        seen = np.stack([big[:, r, s] for _, _, r, s in taps(kernel, stride, y.shape[1:3])], axis=-1)
        n, p, q, c = np.indices(y.shape)
        i, j = np.divmod(seen.argmax(axis=-1), kernel[1])
        d = np.zeros(big.shape, dy.dtype)
        np.add.at(d, (n, p * stride[0] + i, q * stride[1] + j, c), dy)
        return remove_border(d, padding)
        """,
        """
        # from the last place of the kernel to the first: a later look at a tie takes it over
        x, y, kernel, stride, padding = cache
        big = add_border(x, padding, -np.inf)
        places = list(taps(kernel, stride, y.shape[1:3]))
        winner = np.full(y.shape, -1)
        for number in range(len(places) - 1, -1, -1):
            winner[big[:, places[number][2], places[number][3]] == y] = number
        d = np.zeros(big.shape, dy.dtype)
        for number, (_, _, rows, columns) in enumerate(places):
            d[:, rows, columns] += np.where(winner == number, dy, 0)
        return remove_border(d, padding).copy()
        """,
    ],
    "hw02.avg_pool2d_backward": [
        """
        shape, kernel, stride, padding = cache
        dx = np.zeros(shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                part = dx[:, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
                part += dy[:, p : p + 1, q : q + 1] / kernel[0] / kernel[1]
        return dx
        """,
        """
        # which windows see a row, and which see a column: two products
        (n, h, w, c), kernel, stride, padding = cache

        def sees(length, axis):
            start = np.arange(dy.shape[axis + 1])[:, None] * stride[axis] - padding[axis]
            return ((np.arange(length) >= start) & (np.arange(length) < start + kernel[axis])).astype(dy.dtype)

        return np.einsum("npqc,ph,qw->nhwc", dy, sees(h, 0), sees(w, 1), optimize=True) / float(np.prod(kernel))
        """,
        """
        (n, h, w, c), (kh, kw), (sh, sw), (a, b) = cache
        big = np.zeros((n, h + 2 * a, w + 2 * b, c), np.float64)
        for k, p, q in np.ndindex(dy.shape[:3]):
            big[k, p * sh : p * sh + kh, q * sw : q * sw + kw] += dy[k, p, q] / (kh * kw)
        return big[:, a : a + h, b : b + w].astype(dy.dtype)
        """,
    ],
}
