"""Homework 1, right in unusual words: loops, lists for tuples, another formula, float64 inside, one thing at a time."""

RIGHT = {
    "hw01.linear_backward": [
        """
        x, w = cache
        dx = np.zeros_like(x)
        dw = np.zeros_like(w)
        for k in range(len(x)):
            dx[k] = w @ dy[k]
            dw += np.outer(x[k], dy[k])
        return dx, dw, np.sum(dy, axis=0)
        """,
        """
        x, weight = cache
        return [np.einsum("ko,co->kc", dy, weight), np.einsum("kc,ko->co", x, dy), np.einsum("ko->o", dy)]
        """,
        """
        # as a sum over all triples, in float64, and back; the bias is one more row of the weight
        x, weight = cache
        wide = np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1).astype(np.float64)
        both = np.tensordot(wide, dy.astype(np.float64), axes=(0, 0)).astype(x.dtype)
        return (weight @ dy.T).T, both[:-1], both[-1]
        """,
    ],
    "hw01.linear_layer_backward": [
        """
        grads = linear.linear_backward(dy, cache)
        self.weight.grad = self.weight.grad + grads[1]
        self.bias.grad = self.bias.grad + grads[2]
        return grads[0]
        """,
        """
        x, weight = cache
        self.weight.grad[...] = self.weight.grad + x.T @ dy
        for o in range(dy.shape[1]):
            for k in range(dy.shape[0]):
                self.bias.grad[o] += dy[k, o]
        return dy @ weight.T
        """,
        """
        dx, *others = linear.linear_backward(dy, cache)
        for parameter, gradient in zip([self.weight, self.bias], others):
            np.add(parameter.grad, gradient, out=parameter.grad)
        return dx
        """,
    ],
    "hw01.softmax_forward": [
        """
        y = np.empty_like(x)
        for place in np.ndindex(x.shape[:-1]):
            row = np.exp(x[place] - np.max(x[place]))
            y[place] = row / np.sum(row)
        return y, y
        """,
        """
        # as exp of log-softmax, the sum taken pair by pair
        total = np.logaddexp.reduce(x, axis=-1, keepdims=True)
        probability = np.exp(x - total)
        return [probability, probability.copy()]
        """,
        """
        last = np.moveaxis(x, -1, 0).astype(np.float64)
        e = np.exp(last - np.amax(last, axis=0))
        y = np.moveaxis(e / np.add.reduce(e, axis=0), 0, -1).astype(x.dtype)
        cache = y
        return y, cache
        """,
    ],
    "hw01.softmax_backward": [
        """
        p = cache.reshape(-1, cache.shape[-1])
        d = dy.reshape(p.shape)
        out = np.zeros_like(d)
        for k in range(len(p)):
            jacobian = np.diag(p[k]) - np.outer(p[k], p[k])
            out[k] = jacobian @ d[k]
        return out.reshape(dy.shape)
        """,
        """
        y = cache
        return y * dy - y * np.einsum("...c,...c->...", dy, y)[..., None]
        """,
        """
        # dx[j] = y[j] * sum_i y[i] (dy[j] - dy[i]), since the y of a row add up to 1
        y = cache
        difference = dy[..., :, None] - dy[..., None, :]
        return y * (difference * y[..., None, :]).sum(axis=-1)
        """,
    ],
    "hw01.softmax_cross_entropy_forward": [
        """
        log_softmax = np.zeros_like(logits)
        is_label = np.zeros(logits.shape, bool)
        element = np.zeros((len(logits), 1), logits.dtype)
        for k, row in enumerate(logits):
            top = max(row)
            log_softmax[k] = row - top - np.log(np.sum(np.exp(row - top)))
            if 0 <= labels[k] < len(row):
                is_label[k, labels[k]] = True
                element[k, 0] = -log_softmax[k, labels[k]]
        """,
        """
        K, C = logits.shape
        total = np.logaddexp.reduce(logits, axis=1, keepdims=True)
        log_softmax = logits - total
        is_label = np.arange(C)[None] == np.reshape(labels, (-1, 1))
        element = np.matmul(-np.where(is_label, log_softmax, 0), np.ones((C, 1), logits.dtype))
        """,
        """
        import math
        inside = [(0 <= label < logits.shape[1]) for label in labels]
        shifted = logits - np.sort(logits, axis=1)[:, -1:]
        log_softmax = shifted - np.log(np.exp(shifted) @ np.ones((logits.shape[1], 1), logits.dtype))
        is_label = np.zeros(logits.shape, dtype=bool)
        rows = np.flatnonzero(inside)
        is_label[rows, labels[rows]] = True
        element = -(log_softmax * is_label).sum(1).reshape(-1, 1)
        """,
    ],
    "hw01.softmax_cross_entropy_backward": [
        """
        logp, onehot, w, total = cache
        d = np.exp(logp) - onehot.astype(logp.dtype)
        for k in range(len(d)):
            d[k] = d[k] * _scaled(w, dloss, total)[k if len(w) > 1 else 0]
        return d
        """,
        """
        log_softmax, is_label, weight, normalizer = cache
        share = np.asarray(dloss / normalizer, log_softmax.dtype)
        return np.where(is_label, np.expm1(log_softmax), np.exp(log_softmax)) * weight * share
        """,
        """
        log_softmax, is_label, weight, normalizer = cache
        dx = np.exp(log_softmax)
        dx[is_label] -= 1
        dx *= weight
        dx *= np.asarray(dloss, dx.dtype)
        dx /= normalizer
        return dx
        """,
    ],
    "hw01.sum_grads": [
        """
        total = None
        for term in gradients:
            if term is None:
                continue
            if total is None:
                total = term
            elif isinstance(term, (tuple, list)):
                total = [sum_grads(a, b) for a, b in zip(total, term)]
            else:
                total = total + term
        if isinstance(total, (tuple, list)):
            return [sum_grads(g) for g in total]
        return total
        """,
        """
        # one after another from the right; a pyramid comes back as a tuple
        given = [g for g in gradients if g is not None]
        if not given:
            return None
        first, *others = given
        if not others:
            return first
        rest = sum_grads(*others)
        if isinstance(first, (list, tuple)):
            return tuple(sum_grads(a, b) for a, b in zip(first, rest))
        return first + rest
        """,
        """
        given = tuple(filter(lambda g: g is not None, gradients))
        if len(given) == 0:
            return None
        if hasattr(given[0], "shape"):
            return np.stack(given).sum(axis=0)
        return [sum_grads(*(term[i] for term in given)) for i in range(len(given[0]))]
        """,
    ],
}
