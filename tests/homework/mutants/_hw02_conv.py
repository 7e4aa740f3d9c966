"""Homework 2 as students write it wrong: columns and convolution."""

from homework.bodies import Mutant

# ---------------------------------------------------------------- windows as rows, and back

COLUMNS = [
    Mutant(
        "i and j the wrong way round",
        """
        big = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
        out = np.zeros((len(x), *windows, *kernel, x.shape[-1]), x.dtype)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                rows = np.arange(windows[0]) * stride[0] + i * dilation[0]
                cols = np.arange(windows[1]) * stride[1] + j * dilation[1]
                out[:, :, :, j, i] = big[:, rows][:, :, cols]
        return out
        """,
        "rows and columns of the kernel are swapped",
    ),
    Mutant(
        "dense windows",
        """
        big = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
        out = np.zeros((len(x), *windows, *kernel, x.shape[-1]), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        out[:, p, q, i, j] = big[:, p + i * dilation[0], q + j * dilation[1]]
        return out
        """,
        "the stride is not used",
    ),
    Mutant(
        "no holes",
        """
        big = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
        out = np.zeros((len(x), *windows, *kernel, x.shape[-1]), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                r, s = p * stride[0], q * stride[1]
                out[:, p, q] = big[:, r : r + kernel[0], s : s + kernel[1]]
        return out
        """,
        "the dilation is not used",
    ),
    Mutant(
        "border at the end",
        """
        n, h, w, c = x.shape
        big = np.zeros((n, h + 2 * padding[0], w + 2 * padding[1], c), x.dtype)
        big[:, :h, :w] = x
        out = np.zeros((n, *windows, *kernel, c), x.dtype)
        for i, j, rows, cols in taps(kernel, stride, windows, dilation):
            out[:, :, :, i, j] = big[:, rows, cols]
        return out
        """,
        "the whole border lies below and to the right",
    ),
    Mutant(
        "float64",
        """
        out = np.zeros((len(x), *windows, *kernel, x.shape[-1]))
        for i, j, rows, cols in taps(kernel, stride, windows, dilation):
            out[:, :, :, i, j] = add_border(x, padding)[:, rows, cols]
        return out
        """,
        "became float64",
    ),
    Mutant(
        "channels before the kernel",
        """
        out = np.zeros((len(x), *windows, x.shape[-1], *kernel), x.dtype)
        for i, j, rows, cols in taps(kernel, stride, windows, dilation):
            out[..., i, j] = add_border(x, padding)[:, rows, cols]
        return out
        """,
        "axes in the wrong order",
    ),
]

IMAGE = [
    Mutant(
        "assigns, place by place",
        """
        n, ho, wo, kh, kw, c = columns.shape
        big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
        for i in range(kh):
            for j in range(kw):
                for p in range(ho):
                    for q in range(wo):
                        r, s = p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
                        big[:, r, s] = columns[:, p, q, i, j]
        return big[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
        """,
        "you assign instead of adding",
    ),
    Mutant(
        "assigns, window by window",
        """
        n, ho, wo, kh, kw, c = columns.shape
        big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
        for p in range(ho):
            for q in range(wo):
                r = p * stride[0] + np.arange(kh) * dilation[0]
                s = q * stride[1] + np.arange(kw) * dilation[1]
                big[:, r[:, None], s[None, :]] = columns[:, p, q]
        return big[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
        """,
        "you assign instead of adding",
    ),
    Mutant(
        "as large as the windows reach",
        """
        n, ho, wo, kh, kw, c = columns.shape
        h = stride[0] * (ho - 1) + dilation[0] * (kh - 1) + 1
        w = stride[1] * (wo - 1) + dilation[1] * (kw - 1) + 1
        big = np.zeros((n, h, w, c), columns.dtype)
        for i, j, rows, cols in taps((kh, kw), stride, (ho, wo), dilation):
            big[:, rows, cols] += columns[:, :, :, i, j]
        return remove_border(big, padding)
        """,
        "computed from the windows",
    ),
    Mutant(
        "border kept",
        """
        n, ho, wo, kh, kw, c = columns.shape
        big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
        for i, j, rows, cols in taps((kh, kw), stride, (ho, wo), dilation):
            big[:, rows, cols] += columns[:, :, :, i, j]
        return big
        """,
        "the border is still there",
    ),
    Mutant(
        "border cut off at the end",
        """
        n, ho, wo, kh, kw, c = columns.shape
        big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
        for i, j, rows, cols in taps((kh, kw), stride, (ho, wo), dilation):
            big[:, rows, cols] = big[:, rows, cols] + columns[:, :, :, i, j]
        return big[:, 0 : size[0], 0 : size[1]]
        """,
        "cut away below and to the right only",
    ),
    Mutant(
        "dilation forgotten",
        """
        n, ho, wo, kh, kw, c = columns.shape
        big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
        for p in range(ho):
            for q in range(wo):
                big[:, p * stride[0] : p * stride[0] + kh, q * stride[1] : q * stride[1] + kw] += columns[:, p, q]
        return big[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
        """,
        "the dilation is not used",
    ),
    Mutant(
        "writes into the picture without its border, wrapping around",
        """
        n, ho, wo, kh, kw, c = columns.shape
        x = np.zeros((n, size[0], size[1], c), columns.dtype)
        for p in range(ho):
            for q in range(wo):
                for i in range(kh):
                    for j in range(kw):
                        r = p * stride[0] + i * dilation[0] - padding[0]
                        s = q * stride[1] + j * dilation[1] - padding[1]
                        if r < size[0] and s < size[1]:
                            x[:, r, s] += columns[:, p, q, i, j]
        return x
        """,
        "a negative index counts",
    ),
]

# ---------------------------------------------------------------- convolution

CONV = [
    Mutant(
        "no bias",
        """
        flat = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO)).reshape(-1, KH * KW, C)
        y = (flat.reshape(N * HO * WO, KH * KW * C) @ weight.reshape(-1, O)).reshape(N, HO, WO, O)
        return y, (x, weight, bias is not None, stride, padding, dilation, groups)
        """,
        "the bias is not added",
    ),
    Mutant(
        "a true convolution",
        """
        flat = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))[:, :, :, ::-1, ::-1]
        flat = flat.reshape(N * HO * WO, KH * KW, C)
        y = (flat.reshape(N * HO * WO, KH * KW * C) @ weight.reshape(-1, O)).reshape(N, HO, WO, O)
        return y + (0 if bias is None else bias), (x, weight, bias is not None, stride, padding, dilation, groups)
        """,
        "the kernel is turned around",
    ),
    Mutant(
        "weight reshaped as in another library",
        """
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        a, b = C // groups, O // groups
        flat = weight.reshape(O, -1)
        parts = []
        for g in range(groups):
            inside = cols[..., g * a : (g + 1) * a].reshape(N * HO * WO, KH * KW * a)
            parts.append(inside @ flat[g * b : (g + 1) * b].T)
        y = np.concatenate(parts, axis=1).reshape(N, HO, WO, O)
        if bias is not None:
            y = y + bias
        return y, (x, weight, bias is not None, stride, padding, dilation, groups)
        """,
        "reshaped with the output channels first",
    ),
    Mutant(
        "always a bias",
        """
        flat = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO)).reshape(N * HO * WO, KH * KW, C)
        y = (flat.reshape(N * HO * WO, KH * KW * C) @ weight.reshape(-1, O)).reshape(N, HO, WO, O) + bias
        return y, (x, weight, bias is not None, stride, padding, dilation, groups)
        """,
        "nothing is added then",
    ),
    Mutant(
        "keeps the columns",
        """
        flat = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO)).reshape(N * HO * WO, KH * KW, C)
        y = (flat.reshape(N * HO * WO, KH * KW * C) @ weight.reshape(-1, O)).reshape(N, HO, WO, O)
        if bias is not None:
            y += bias
        return y, (x, weight, flat, stride, padding)
        """,
    ),
]

CONV_BACK = [
    Mutant(  # as a transposed convolution: dy spread out, then written over by a turned kernel
        "transposed convolution without the rest",
        """
        h = (HO - 1) * stride[0] + dilation[0] * (KH - 1) + 1
        w = (WO - 1) * stride[1] + dilation[1] * (KW - 1) + 1
        a, b = C // groups, O // groups
        big = np.zeros((N, h, w, C), x.dtype)
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        dweight = np.zeros_like(weight)
        for g in range(groups):
            d = dy[..., g * b : (g + 1) * b]
            dweight[..., g * b : (g + 1) * b] = np.einsum("npqijc,npqo->ijco", cols[..., g * a : (g + 1) * a], d)
            for i in range(KH):
                for j in range(KW):
                    top, left = i * dilation[0], j * dilation[1]
                    part = big[:, top :: stride[0], left :: stride[1], g * a : (g + 1) * a][:, :HO, :WO]
                    part += d @ weight[i, j, :, g * b : (g + 1) * b].T
        dx = big[:, padding[0] : h - padding[0], padding[1] : w - padding[1]]
        return dx, dweight, dy.sum((0, 1, 2)) if has_bias else None
        """,
        "dx has the shape of x",
    ),
    Mutant(
        "the rest on top",
        """
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        rows, d = cols.reshape(N * HO * WO, KH * KW * C), dy.reshape(-1, O)
        dw = (rows.T @ d).reshape(weight.shape)
        back = (d @ weight.reshape(-1, O).T).reshape(N, HO, WO, KH, KW, C)
        h = (HO - 1) * stride[0] + dilation[0] * (KH - 1) + 1 - 2 * padding[0]
        w = (WO - 1) * stride[1] + dilation[1] * (KW - 1) + 1 - 2 * padding[1]
        dx = np.zeros_like(x)
        dx[:, H - h :, W - w :] = _columns_to_image(back, (h, w), stride, padding, dilation)
        return dx, dw, column_sum(dy) if has_bias else None
        """,
        "dx is shifted where the stride does not divide",
    ),
    Mutant(
        "the rest always 0",
        """
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        rows, d = cols.reshape(N * HO * WO, KH * KW * C), dy.reshape(-1, O)
        dw = (rows.T @ d).reshape(weight.shape)
        back = (d @ weight.reshape(-1, O).T).reshape(N, HO, WO, KH, KW, C)
        h = (HO - 1) * stride[0] + dilation[0] * (KH - 1) + 1 - 2 * padding[0]
        w = (WO - 1) * stride[1] + dilation[1] * (KW - 1) + 1 - 2 * padding[1]
        dx = np.zeros_like(x)
        dx[:, :h, :w] = _columns_to_image(back, (h, w), stride, padding, dilation)
        return dx, dw, column_sum(dy) if has_bias else None
        """,
        "it is the border that no window reads",
    ),
    Mutant(
        "assigns in loops over the windows",
        """
        dweight = np.zeros_like(weight)
        db = np.zeros(O, dy.dtype)
        big = np.zeros((N, H + 2 * padding[0], W + 2 * padding[1], C), x.dtype)
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        a, b = C // groups, O // groups
        for p in range(HO):
            for q in range(WO):
                db += dy[:, p, q].sum(axis=0)
                for g in range(groups):
                    left, right = slice(g * a, (g + 1) * a), slice(g * b, (g + 1) * b)
                    dweight[..., right] += np.einsum("nijc,no->ijco", cols[:, p, q, :, :, left], dy[:, p, q, right])
                    for i in range(KH):
                        for j in range(KW):
                            r, s = p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
                            big[:, r, s, left] = dy[:, p, q, right] @ weight[i, j, :, right].T
        dx = big[:, padding[0] : padding[0] + H, padding[1] : padding[1] + W]
        return dx, dweight, db if has_bias else None
        """,
        "you assign instead of adding",
    ),
    Mutant(
        "always a gradient of the bias",
        """
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        rows, d = cols.reshape(N * HO * WO, KH * KW * C), dy.reshape(-1, O)
        dw = (rows.T @ d).reshape(weight.shape)
        back = (d @ weight.reshape(-1, O).T).reshape(N, HO, WO, KH, KW, C)
        return _columns_to_image(back, (H, W), stride, padding, dilation), dw, dy.sum(axis=0).sum(axis=0).sum(axis=0)
        """,
        "although there was no bias",
    ),
    Mutant(
        "dweight with its axes swapped",
        """
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        dw = np.einsum("mk,mo->ok", cols.reshape(N * HO * WO, KH * KW * C), dy.reshape(-1, O)).reshape(weight.shape)
        back = (dy.reshape(-1, O) @ weight.reshape(-1, O).T).reshape(N, HO, WO, KH, KW, C)
        dx = _columns_to_image(back, (H, W), stride, padding, dilation)
        return dx, dw, column_sum(dy) if has_bias else None
        """,
        "dweight is transposed before it is reshaped",
    ),
    Mutant(
        "a turned kernel",
        """
        cols = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
        rows, d = cols.reshape(N * HO * WO, KH * KW * C), dy.reshape(-1, O)
        dw = (rows.T @ d).reshape(weight.shape)
        turned = np.rot90(weight, 2, axes=(0, 1))
        back = (d @ turned.reshape(-1, O).T).reshape(N, HO, WO, KH, KW, C)
        dx = _columns_to_image(back, (H, W), stride, padding, dilation)
        return dx, dw, column_sum(dy) if has_bias else None
        """,
        "turned around in dx",
    ),
    Mutant(
        "forgets dweight",
        """
        d = dy.reshape(-1, O)
        back = (d @ weight.reshape(-1, O).T).reshape(N, HO, WO, KH, KW, C)
        dx = _columns_to_image(back, (H, W), stride, padding, dilation)
        dw = np.zeros(weight.shape, weight.dtype)
        return dx, dw, column_sum(dy) if has_bias else None
        """,
        "dweight is 0 everywhere",
    ),
]
