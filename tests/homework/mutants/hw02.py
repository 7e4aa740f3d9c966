"""Homework 2 as students write it: right in other words, and wrong."""

from homework.mutants._hw02_conv import COLUMNS, CONV, CONV_BACK, IMAGE
from homework.mutants._hw02_pool import AVERAGE_BACK, MAXIMUM, MAXIMUM_BACK

RIGHT = {
    "hw02.image_to_columns": """
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
    "hw02.columns_to_image": """
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
    "hw02.conv2d_forward": """
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
    "hw02.conv2d_backward": """
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
    "hw02.max_pool2d_forward": """
        n, h, w, c = x.shape
        y = np.empty((n, windows[0], windows[1], c), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                part = x[:, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
                y[:, p, q] = part.max(axis=(1, 2))
        return y, (x, y, kernel, stride, padding)
    """,
    "hw02.max_pool2d_backward": """
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
    "hw02.avg_pool2d_backward": """
        shape, kernel, stride, padding = cache
        dx = np.zeros(shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                part = dx[:, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
                part += dy[:, p : p + 1, q : q + 1] / kernel[0] / kernel[1]
        return dx
    """,
}

MUTANTS = {
    "hw02.image_to_columns": COLUMNS,
    "hw02.columns_to_image": IMAGE,
    "hw02.conv2d_forward": CONV,
    "hw02.conv2d_backward": CONV_BACK,
    "hw02.max_pool2d_forward": MAXIMUM,
    "hw02.max_pool2d_backward": MAXIMUM_BACK,
    "hw02.avg_pool2d_backward": AVERAGE_BACK,
}
