"""Homework 2 as students write it wrong: pooling."""

from homework.bodies import Mutant

MAXIMUM = [
    Mutant(
        "a border of -1e9",
        """
        N, H, W, C = x.shape
        (a, b), (HO, WO) = padding, windows
        big = np.full((N, H + 2 * a, W + 2 * b, C), -1e9, x.dtype)
        big[:, a : a + H, b : b + W] = x
        y = np.full((N, HO, WO, C), -np.inf, x.dtype)
        for p, q in np.ndindex(HO, WO):
            for i, j in np.ndindex(*kernel):
                y[:, p, q] = np.maximum(y[:, p, q], big[:, p * stride[0] + i, q * stride[1] + j])
        return y, (x, y, kernel, stride, padding)
        """,
        "the border is -1e9",
    ),
    Mutant(
        "the search begins at -1e9",
        """
        N, H, W, C = x.shape
        (a, b), (HO, WO) = padding, windows
        big = np.full((N, H + 2 * a, W + 2 * b, C), -np.inf, x.dtype)
        big[:, a : a + H, b : b + W] = x
        y = np.full((N, HO, WO, C), -1e9, x.dtype)
        for p, q in np.ndindex(HO, WO):
            for i, j in np.ndindex(*kernel):
                y[:, p, q] = np.maximum(y[:, p, q], big[:, p * stride[0] + i, q * stride[1] + j])
        return y, (x, y, kernel, stride, padding)
        """,
        "begins at -1e9",
    ),
    Mutant(
        "border of zeros",
        """
        big = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
        y = np.empty((x.shape[0], windows[0], windows[1], x.shape[3]), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                r, s = p * stride[0], q * stride[1]
                y[:, p, q] = big[:, r : r + kernel[0], s : s + kernel[1]].max(axis=(1, 2))
        return y, (x, y, kernel, stride, padding)
        """,
        "the border is 0 and wins",
    ),
    Mutant(
        "begins at 0",
        """
        n, h, w, c = x.shape
        y = np.zeros((n, windows[0], windows[1], c), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        r, s = p * stride[0] + i - padding[0], q * stride[1] + j - padding[1]
                        if 0 <= r < h and 0 <= s < w:
                            y[:, p, q] = np.where(x[:, r, s] > y[:, p, q], x[:, r, s], y[:, p, q])
        return y, (x, y, kernel, stride, padding)
        """,
        "begins at 0",
    ),
    Mutant(
        "kernel the wrong way round",
        """
        big = add_border(x, padding, -np.inf)
        y = np.full((x.shape[0], windows[0], windows[1], x.shape[3]), -np.inf, x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                r, s = p * stride[0], q * stride[1]
                y[:, p, q] = big[:, r : r + kernel[1], s : s + kernel[0]].max(axis=(1, 2))
        return y, (x, y, kernel, stride, padding)
        """,
        "the kernel is used as (w, h)",
    ),
    Mutant(
        "over the channels too",
        """
        big = add_border(x, padding, -np.inf)
        y = np.empty((x.shape[0], windows[0], windows[1], x.shape[3]), x.dtype)
        for p in range(windows[0]):
            for q in range(windows[1]):
                r, s = p * stride[0], q * stride[1]
                y[:, p, q] = big[:, r : r + kernel[0], s : s + kernel[1]].max(axis=(1, 2, 3))[:, None]
        return y, (x, y, kernel, stride, padding)
        """,
        "over the channels as well",
    ),
    Mutant(
        "keeps what it was called with, but not y",
        """
        big = add_border(x, padding, -np.inf)
        y = np.full((x.shape[0], windows[0], windows[1], x.shape[3]), -np.inf, x.dtype)
        for _, _, rows, cols in taps(kernel, stride, windows):
            y = np.maximum(y, big[:, rows, cols])
        return y, (x, kernel, stride, padding)
        """,
    ),
]

MAXIMUM_BACK = [
    Mutant(
        "a border of -1e9",
        """
        x, y, kernel, stride, padding = cache
        (N, H, W, C), (a, b) = x.shape, padding
        big = np.full((N, H + 2 * a, W + 2 * b, C), -1e9, x.dtype)
        big[:, a : a + H, b : b + W] = x
        d = np.zeros(big.shape, dy.dtype)
        for n, p, q, c in np.ndindex(*y.shape):
            top, left = p * stride[0], q * stride[1]
            seen = big[n, top : top + kernel[0], left : left + kernel[1], c]
            i, j = np.argwhere(seen == y[n, p, q, c])[0]
            d[n, top + i, left + j, c] += dy[n, p, q, c]
        return d[:, a : a + H, b : b + W]
        """,
        "wins a tie with it",
    ),
    Mutant(
        "nearly equal",
        """
        x, y, kernel, stride, padding = cache
        (N, H, W, C), (a, b) = x.shape, padding
        big = np.full((N, H + 2 * a, W + 2 * b, C), -np.inf, x.dtype)
        big[:, a : a + H, b : b + W] = x
        d = np.zeros(big.shape, dy.dtype)
        for n, p, q, c in np.ndindex(*y.shape):
            top, left = p * stride[0], q * stride[1]
            seen = big[n, top : top + kernel[0], left : left + kernel[1], c]
            i, j = np.argwhere(np.isclose(seen, y[n, p, q, c]))[0]
            d[n, top + i, left + j, c] += dy[n, p, q, c]
        return d[:, a : a + H, b : b + W]
        """,
        "nearly as large",
    ),
    Mutant(
        "assigns to the winner",
        """
        x, y, kernel, stride, padding = cache
        n, h, w, c = x.shape
        dx = np.zeros((n, h, w, c), dy.dtype)
        for k, p, q, m in np.ndindex(dy.shape):
            top, left = max(p * stride[0] - padding[0], 0), max(q * stride[1] - padding[1], 0)
            below, right = p * stride[0] - padding[0] + kernel[0], q * stride[1] - padding[1] + kernel[1]
            part = x[k, top:below, left:right, m]
            i, j = np.unravel_index(np.argmax(part), part.shape)
            dx[k, top + i, left + j, m] = dy[k, p, q, m]
        return dx
        """,
        "right when stride equals window",
    ),
    Mutant(
        "assigns a mask to the window",
        """
        x, y, kernel, stride, padding = cache
        border = (padding[0], padding[0]), (padding[1], padding[1])
        big = np.pad(x, ((0, 0), *border, (0, 0)), constant_values=-np.inf)
        out = np.zeros(big.shape, dy.dtype)
        for k in range(x.shape[0]):
            for m in range(x.shape[3]):
                for p in range(dy.shape[1]):
                    for q in range(dy.shape[2]):
                        r, s = p * stride[0], q * stride[1]
                        window = big[k, r : r + kernel[0], s : s + kernel[1], m]
                        mask = window == np.max(window)
                        out[k, r : r + kernel[0], s : s + kernel[1], m] = mask * dy[k, p, q, m]
        return out[:, padding[0] : padding[0] + x.shape[1], padding[1] : padding[1] + x.shape[2]]
        """,
        "right when stride equals window",
    ),
    Mutant(
        "assigns by places",
        """
        x, y, kernel, stride, padding = cache
        big = add_border(x, padding, -np.inf)
        out = np.zeros(big.shape, dy.dtype)
        todo = np.ones(dy.shape, dtype=bool)
        for i, j, rows, cols in taps(kernel, stride, dy.shape[1:3]):
            hit = np.logical_and(todo, big[:, rows, cols] == y)
            out[:, rows, cols] = np.where(hit, dy, out[:, rows, cols])
            todo = np.logical_and(todo, ~hit)
        return remove_border(out, padding)
        """,
        "right when stride equals window",
    ),
    Mutant(
        "all winners of a tie",
        """
        x, y, kernel, stride, padding = cache
        big = add_border(x, padding, -np.inf)
        out = np.zeros(big.shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                r, s = p * stride[0], q * stride[1]
                window = big[:, r : r + kernel[0], s : s + kernel[1]]
                mask = window == window.max(axis=(1, 2), keepdims=True)
                out[:, r : r + kernel[0], s : s + kernel[1]] += mask * dy[:, p : p + 1, q : q + 1]
        return remove_border(out, padding)
        """,
        "in a tie every pixel",
    ),
    Mutant(
        "the last winner of a tie",
        """
        x, y, kernel, stride, padding = cache
        n, h, w, c = x.shape
        dx = np.zeros((n, h, w, c), dy.dtype)
        for k, p, q, m in np.ndindex(dy.shape):
            best, place = -np.inf, None
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    r, s = p * stride[0] - padding[0] + i, q * stride[1] - padding[1] + j
                    if 0 <= r < h and 0 <= s < w and x[k, r, s, m] >= best:
                        best, place = x[k, r, s, m], (k, r, s, m)
            dx[place] += dy[k, p, q, m]
        return dx
        """,
        "in a tie the last pixel wins",
    ),
    Mutant(
        "shares",
        """
        x, y, kernel, stride, padding = cache
        big = add_border(x, padding, -np.inf)
        out = np.zeros(big.shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                r, s = p * stride[0], q * stride[1]
                window = big[:, r : r + kernel[0], s : s + kernel[1]]
                mask = (window == window.max(axis=(1, 2), keepdims=True)).astype(dy.dtype)
                mask /= mask.sum(axis=(1, 2), keepdims=True)
                out[:, r : r + kernel[0], s : s + kernel[1]] += mask * dy[:, p : p + 1, q : q + 1]
        return remove_border(out, padding)
        """,
        "you share the gradient out",
    ),
    Mutant(
        "border of zeros",
        """
        x, y, kernel, stride, padding = cache
        big = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
        out = np.zeros(big.shape, dy.dtype)
        todo = np.ones(dy.shape, dtype=bool)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                for p in range(dy.shape[1]):
                    for q in range(dy.shape[2]):
                        r, s = p * stride[0] + i, q * stride[1] + j
                        hit = (big[:, r, s] == y[:, p, q]) & todo[:, p, q]
                        out[:, r, s] += hit * dy[:, p, q]
                        todo[:, p, q] &= ~hit
        return out[:, padding[0] : padding[0] + x.shape[1], padding[1] : padding[1] + x.shape[2]]
        """,
        "the border is 0 and wins",
    ),
    Mutant(
        "one winner for the whole batch",
        """
        x, y, kernel, stride, padding = cache
        big = add_border(x, padding, -np.inf)
        out = np.zeros(big.shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                r, s = p * stride[0], q * stride[1]
                window = big[:, r : r + kernel[0], s : s + kernel[1]]
                mask = window == (window.max() if window.size else 0)
                out[:, r : r + kernel[0], s : s + kernel[1]] += mask * dy[:, p : p + 1, q : q + 1]
        return remove_border(out, padding)
        """,
    ),
]

AVERAGE_BACK = [
    Mutant(
        "assigns, window by window",
        """
        shape, kernel, stride, padding = cache
        dx = np.zeros(shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                place = slice(max(top, 0), top + kernel[0]), slice(max(left, 0), left + kernel[1])
                dx[:, place[0], place[1]] = dy[:, p : p + 1, q : q + 1] / (kernel[0] * kernel[1])
        return dx
        """,
        "right when stride equals window",
    ),
    Mutant(
        "assigns, place by place",
        """
        (n, h, w, c), kernel, stride, padding = cache
        out = np.zeros((n, h + 2 * padding[0], w + 2 * padding[1], c), dy.dtype)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                rows = np.arange(dy.shape[1]) * stride[0] + i
                cols = np.arange(dy.shape[2]) * stride[1] + j
                out[:, rows[:, None], cols] = dy / (kernel[0] * kernel[1])
        return remove_border(out, padding)
        """,
        "right when stride equals window",
    ),
    Mutant(
        "not divided",
        """
        shape, kernel, stride, padding = cache
        dx = np.zeros(shape, dy.dtype)
        for k, p, q, m in np.ndindex(dy.shape):
            top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
            dx[k, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1], m] += dy[k, p, q, m]
        return dx
        """,
        "the share is not divided",
    ),
    Mutant(
        "divides by what is inside",
        """
        shape, kernel, stride, padding = cache
        dx = np.zeros(shape, dy.dtype)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                part = dx[:, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
                part += dy[:, p : p + 1, q : q + 1] / (part.shape[1] * part.shape[2])
        return dx
        """,
        "zeros of the border counted as well",
    ),
    Mutant(
        "divides by the stride",
        """
        (n, h, w, c), kernel, stride, padding = cache
        out = np.zeros((n, h + 2 * padding[0], w + 2 * padding[1], c), dy.dtype)
        for i, j, rows, cols in taps(kernel, stride, (dy.shape[1], dy.shape[2])):
            out[:, rows, cols] += dy / np.prod(stride)
        return out[:, padding[0] : padding[0] + h, padding[1] : padding[1] + w].astype(dy.dtype)
        """,
        "you divide by the stride",
    ),
    Mutant(
        "size from the windows",
        """
        (n, h, w, c), kernel, stride, padding = cache
        high = (dy.shape[1] - 1) * stride[0] + kernel[0]
        wide = (dy.shape[2] - 1) * stride[1] + kernel[1]
        out = np.zeros((n, high, wide, c), dy.dtype)
        for i, j, rows, cols in taps(kernel, stride, dy.shape[1:3]):
            out[:, rows, cols] += dy / (kernel[0] * kernel[1])
        return remove_border(out, padding)
        """,
        "dx has the shape of x",
    ),
]
