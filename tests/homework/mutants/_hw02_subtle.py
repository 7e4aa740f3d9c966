"""Homework 2, nearly right: each fails only where one has to look for it."""

from homework.bodies import Mutant

SUBTLE = {
    "hw02.image_to_columns": [
        Mutant(
            "a border only when rows have one",
            """
            n, h, w, c = x.shape
            big = x
            if padding[0] > 0:
                big = np.zeros((n, h + 2 * padding[0], w + 2 * padding[1], c), x.dtype)
                big[:, padding[0] : padding[0] + h, padding[1] : padding[1] + w] = x
            out = np.zeros((n, *windows, *kernel, c), x.dtype)
            for i, j, rows, cols in taps(kernel, stride, windows, dilation):
                seen = big[:, rows, cols]
                out[:, : seen.shape[1], : seen.shape[2], i, j] = seen
            return out
            """,
        ),
        Mutant(
            "at most 6 by 6 places",
            """
            big = add_border(x, padding)
            out = np.zeros((len(x), *windows, *kernel, x.shape[3]), x.dtype)
            for i, j, rows, cols in taps((min(kernel[0], 6), min(kernel[1], 6)), stride, windows, dilation):
                out[:, :, :, i, j] = big[:, rows, cols]
            return out
            """,
        ),
    ],
    "hw02.columns_to_image": [
        Mutant(
            "the border is cut only when rows have one",
            """
            n, ho, wo, kh, kw, c = columns.shape
            big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
            for i, j, rows, cols in taps((kh, kw), stride, (ho, wo), dilation):
                big[:, rows, cols] += columns[:, :, :, i, j]
            if padding[0] > 0:
                return big[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
            return big
            """,
        ),
        Mutant(
            "cut with a minus",
            """
            n, ho, wo, kh, kw, c = columns.shape
            big = np.zeros((n, size[0] + 2 * padding[0], size[1] + 2 * padding[1], c), columns.dtype)
            for i, j, rows, cols in taps((kh, kw), stride, (ho, wo), dilation):
                big[:, rows, cols] += columns[:, :, :, i, j]
            return big[:, padding[0] : -padding[0], padding[1] : -padding[1]] if any(padding) else big
            """,
        ),
    ],
    "hw02.conv2d_forward": [
        Mutant(
            "a few pictures",
            """
            parts = []
            for n in range(min(N, 100)):
                columns = _image_to_columns(x[n : n + 1], (KH, KW), stride, padding, dilation, (HO, WO))
                rows = columns.reshape(HO * WO, KH * KW * C)
                parts.append((rows @ weight.reshape(-1, O)).reshape(1, HO, WO, O))
            y = np.zeros((N, HO, WO, O), x.dtype)
            y[: len(parts)] = np.concatenate(parts) if parts else 0
            y = y if bias is None else y + bias
            return y, (x, weight, bias is not None, stride, padding, dilation, groups)
            """,
        ),
    ],
    "hw02.conv2d_backward": [
        Mutant(
            "a hundred channels",
            """
            columns = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
            rows, d = columns.reshape(N * HO * WO, KH * KW * C), dy.reshape(N * HO * WO, O)
            dweight = (rows.T @ d).reshape(weight.shape)
            dcolumns = np.zeros_like(columns)
            for c in range(min(C, 100)):
                dcolumns[..., c] = np.einsum("npqo,ijo->npqij", dy, weight[:, :, c])
            dx = _columns_to_image(dcolumns, (H, W), stride, padding, dilation)
            return dx, dweight, column_sum(dy) if has_bias else None
            """,
        ),
    ],
    "hw02.max_pool2d_forward": [
        Mutant(
            "a border of the least float32",
            """
            least = np.finfo(np.float32).min
            big = add_border(x, padding, least)
            y = np.full((len(x), *windows, x.shape[3]), least, x.dtype)
            for _, _, rows, cols in taps(kernel, stride, windows):
                y = np.maximum(y, big[:, rows, cols])
            return y, (x, y, kernel, stride, padding)
            """,
        ),
        Mutant(
            "a border only when rows have one",
            """
            big = add_border(x, padding if padding[0] > 0 else (0, 0), -np.inf)
            y = np.full((len(x), *windows, x.shape[3]), -np.inf, x.dtype)
            for _, _, rows, cols in taps(kernel, stride, windows):
                seen = big[:, rows, cols]
                part = y[:, : seen.shape[1], : seen.shape[2]]
                np.maximum(part, seen, out=part)
            return y, (x, y, kernel, stride, padding)
            """,
        ),
    ],
    "hw02.max_pool2d_backward": [
        Mutant(
            "equal to twelve digits",
            """
            x, y, kernel, stride, padding = cache
            big = add_border(x, padding, -np.inf)
            d, todo = np.zeros(big.shape, dy.dtype), np.ones(y.shape, bool)
            for _, _, rows, cols in taps(kernel, stride, y.shape[1:3]):
                won = todo & (big[:, rows, cols] >= y - 1e-12 * abs(y))
                todo &= ~won
                d[:, rows, cols] += dy * won
            return remove_border(d, padding)
            """,
        ),
        Mutant(
            "the border is cut only when rows have one",
            """
            x, y, kernel, stride, padding = cache
            big = add_border(x, padding, -np.inf)
            d, todo = np.zeros(big.shape, dy.dtype), np.ones(y.shape, bool)
            for _, _, rows, cols in taps(kernel, stride, y.shape[1:3]):
                won = todo & (big[:, rows, cols] == y)
                todo &= ~won
                d[:, rows, cols] += dy * won
            return remove_border(d, padding) if padding[0] > 0 else d
            """,
        ),
    ],
    "hw02.avg_pool2d_backward": [
        Mutant(
            "the border is cut only when rows have one",
            """
            (N, H, W, C), kernel, stride, padding = cache
            d = np.zeros((N, H + 2 * padding[0], W + 2 * padding[1], C), dy.dtype)
            for _, _, rows, cols in taps(kernel, stride, dy.shape[1:3]):
                d[:, rows, cols] += dy / (kernel[0] * kernel[1])
            return remove_border(d, padding) if padding[0] > 0 else d
            """,
        ),
        Mutant(
            "one border for both sides",
            """
            (N, H, W, C), kernel, stride, padding = cache
            p = max(padding)
            d = np.zeros((N, H + 2 * p, W + 2 * p, C), dy.dtype)
            for _, _, rows, cols in taps(kernel, stride, dy.shape[1:3]):
                d[:, rows, cols] += dy / (kernel[0] * kernel[1])
            return d[:, p : p + H, p : p + W]
            """,
        ),
    ],
}
