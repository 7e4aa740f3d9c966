"""Homework 1, nearly right: each fails only where one has to look for it."""

from homework.bodies import Mutant

SUBTLE = {
    "hw01.linear_backward": [
        Mutant(
            "whole blocks of 64 rows",
            """
            x, weight = cache
            dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros_like(dy[:1].sum(axis=0))
            blocks = max(len(x) // 64, 1)
            size = 64 if len(x) >= 64 else len(x)
            for b in range(blocks):
                rows = slice(b * size, (b + 1) * size)
                dx[rows] = dy[rows] @ weight.T
                dweight += x[rows].T @ dy[rows]
                dbias += dy[rows].sum(axis=0)
            return dx, dweight, dbias
            """,
        ),
        Mutant(
            "what is small is taken for 0",
            """
            x, weight = cache
            dweight = x.T @ dy
            dweight[abs(dweight) < 1e-12] = 0
            return dy @ weight.T, dweight, dy.sum(axis=0)
            """,
        ),
    ],
    "hw01.linear_layer_backward": [
        Mutant(
            "the weight as it is now",
            """
            dx, dweight, dbias = linear.linear_backward(dy, (cache[0], self.weight.value))
            self.weight.grad += dweight
            self.bias.grad += dbias
            return dx
            """,
        ),
    ],
    "hw01.softmax_forward": [
        Mutant(
            "the maximum only above 700",
            """
            top = x.max(axis=-1, keepdims=True)
            e = np.exp(x - np.where(abs(top) > 700, top, 0))
            y = e / e.sum(axis=-1, keepdims=True)
            return y, y
            """,
        ),
        Mutant(
            "clipped at 700",
            """
            e = np.exp(np.clip(x - x.max(axis=-1, keepdims=True), -3, 0))
            y = e / e.sum(axis=-1, keepdims=True)
            return y, y
            """,
        ),
        Mutant(
            "matrices and maps only",
            """
            flat = x.reshape(-1, x.shape[3 if x.ndim == 4 else 1 if x.ndim > 1 else 0])
            e = np.exp(flat - flat.max(axis=1, keepdims=True))
            y = (e / e.sum(axis=1, keepdims=True)).reshape(x.shape)
            return y, y
            """,
        ),
    ],
    "hw01.softmax_backward": [
        Mutant(
            "matrices and maps only",
            """
            y = cache
            axis = {1: 0, 2: 1, 3: 1, 4: 3}[y.ndim]
            return y * (dy - (dy * y).sum(axis=axis, keepdims=True))
            """,
        ),
    ],
    "hw01.softmax_cross_entropy_forward": [
        Mutant(
            "the maximum only above 700",
            """
            top = logits.max(axis=1, keepdims=True)
            shifted = logits - np.where(top > 700, top, 0)
            log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            is_label = labels[:, None] == np.arange(logits.shape[1])
            element = -np.where(is_label, log_softmax, 0).sum(axis=1, keepdims=True)
            """,
        ),
        Mutant(
            "at most a hundred rows",
            """
            log_softmax, is_label = np.zeros_like(logits), np.zeros(logits.shape, bool)
            for k in range(min(len(logits), 100)):
                shifted = logits[k] - logits[k].max()
                log_softmax[k] = shifted - np.log(np.exp(shifted).sum())
                is_label[k] = labels[k] == np.arange(logits.shape[1])
            element = -np.where(is_label, log_softmax, 0).sum(axis=1, keepdims=True)
            """,
        ),
    ],
    "hw01.softmax_cross_entropy_backward": [
        Mutant(
            "dloss has a type",
            """
            log_softmax, is_label, weight, normalizer = cache
            return (np.exp(log_softmax) - is_label) * (weight * dloss.astype(weight.dtype) / normalizer)
            """,
        ),
        Mutant(
            "a small constant below",
            """
            log_softmax, is_label, weight, normalizer = cache
            return (np.exp(log_softmax) - is_label) * (weight * np.asarray(dloss, weight.dtype) / (normalizer + 1e-7))
            """,
        ),
    ],
    "hw01.sum_grads": [
        Mutant(
            "empties the lists",
            """
            terms = [g for g in gradients if g is not None]
            if not terms:
                return None
            if isinstance(terms[0], (list, tuple)):
                terms = [term if isinstance(term, list) else list(term) for term in terms]
                found = []
                while terms[0]:
                    found.append(sum_grads(*[term.pop(0) for term in terms]))
                return found
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return total
            """,
        ),
        Mutant(
            "puts the sums into the first list",
            """
            terms = [g for g in gradients if g is not None]
            if not terms:
                return None
            if isinstance(terms[0], (list, tuple)):
                sums = [sum_grads(*level) for level in zip(*terms)]
                if isinstance(terms[0], list):
                    terms[0][:] = sums
                return sums
            return sum(terms[1:], terms[0])
            """,
        ),
        Mutant(
            "writes into the fifth",
            """
            terms = [g for g in gradients if g is not None]
            if not terms:
                return None
            if isinstance(terms[0], (list, tuple)):
                return [sum_grads(*level) for level in zip(*terms)]
            if len(terms) > 4:
                terms[4] += terms[0]
                return sum_grads(*terms[1:])
            return sum(terms[1:], terms[0])
            """,
        ),
    ],
}
