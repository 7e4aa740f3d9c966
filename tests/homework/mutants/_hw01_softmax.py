"""Homework 1 as students write it wrong: softmax and the loss of a classifier."""

from homework.bodies import Mutant

SOFTMAX = [
    Mutant(
        "the mean taken away",
        """
        z = x - np.mean(x, -1)[..., None] if x.size else x.copy()
        y = np.exp(z)
        y /= np.sum(y, axis=-1)[..., None]
        return y, y
        """,
        "exp still overflows: subtract the largest",
    ),
    Mutant(
        "the first taken away",
        """
        z = x - x[..., 0:1]
        y = np.exp(z)
        y /= np.sum(y, axis=-1)[..., None]
        return y, y
        """,
        "exp still overflows: subtract the largest",
    ),
    Mutant(
        "no largest subtracted",
        """
        y = np.exp(x)
        y = y / np.sum(y, axis=-1, keepdims=True)
        return y, y
        """,
        "is not subtracted before exp",
    ),
    Mutant(
        "one largest for all",
        """
        top = np.max(x) if x.size else 0
        powers = np.exp(x - top)
        y = powers / powers.sum(-1)[..., None]
        return y, y
        """,
        "largest score of the whole array",
    ),
    Mutant(
        "axis 1",
        """
        z = x - np.max(x, axis=1, keepdims=True)
        y = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        return y, y
        """,
        "axis=-1 is always the last",
    ),
    Mutant(
        "all add up to one",
        """
        z = np.exp(x - np.max(x, axis=-1)[..., np.newaxis])
        y = z / np.sum(z)
        return y, y
        """,
        "sum of the whole array",
    ),
    Mutant(
        "keeps x",
        """
        z = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return z / np.sum(z, axis=-1, keepdims=True), x
        """,
        "the cache holds x",
    ),
    Mutant(
        "keeps a tuple",
        """
        z = np.exp(x - np.max(x, axis=-1, keepdims=True))
        y = z / np.sum(z, axis=-1, keepdims=True)
        return y, (x, y)
        """,
    ),
    Mutant(
        "returns y alone",
        """
        z = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return z / np.sum(z, axis=-1, keepdims=True)
        """,
    ),
    Mutant(
        "axes lost",
        """
        z = np.exp(x - np.max(x, axis=-1))
        y = z / np.sum(z, axis=-1)
        return y, y
        """,
        "keepdims=True",
    ),
    Mutant(
        "the axis lost in the sum alone",
        """
        z = np.exp(x - np.max(x, axis=-1, keepdims=True))
        y = z / np.sum(z, axis=-1)
        return y, y
        """,
        "keepdims=True",
    ),
    Mutant(
        "over the rows",
        """
        z = np.exp(x - (np.max(x, axis=0) if len(x) else 0))
        y = z / np.sum(z, axis=0)
        return y, y
        """,
        "over the rows",
    ),
    Mutant(
        "no exp",
        """
        y = x / np.sum(x, axis=-1, keepdims=True)
        return y, y
        """,
        "exp is missing",
    ),
    Mutant(
        "twice",
        """
        z = np.exp(x - np.max(x, axis=-1, keepdims=True))
        z = np.exp(z / np.sum(z, axis=-1, keepdims=True))
        y = z / np.sum(z, axis=-1, keepdims=True)
        return y, y
        """,
        "applied twice",
    ),
    Mutant(
        "divided by the number of classes",
        """
        z = np.exp(x - np.max(x, axis=-1, keepdims=True))
        y = z / x.shape[-1]
        return y, y
        """,
        "must add up to 1",
    ),
]

SOFTMAX_BACK = [
    Mutant(
        "as a sigmoid",
        """
        p = cache
        return dy * p * (1.0 - p)
        """,
        "as a sigmoid would",
    ),
    Mutant(
        "plain sum of dy",
        """
        p = cache
        total = np.sum(dy, -1)
        return p * dy - p * total[..., None]
        """,
        "not weighted by the probabilities",
    ),
    Mutant(
        "Jacobian without the diagonal",
        """
        p = cache
        return -p * np.sum(p * dy, axis=-1, keepdims=True)
        """,
        "first term is missing",
    ),
    Mutant(
        "loses the second term",
        """
        return np.multiply(cache, dy)
        """,
        "second term is missing",
    ),
    Mutant(
        "sums the wrong axis of maps",
        """
        p = cache
        if p.ndim == 1:
            return p * (dy - np.dot(dy, p))
        inner = np.sum(dy * p, axis=1, keepdims=True)
        return p * (dy - inner)
        """,
        "axis=-1 is always the last",
    ),
    Mutant(
        "one sum for all rows",
        """
        p = cache
        return p * (dy - np.vdot(dy, p))
        """,
        "rows know nothing of each other",
    ),
    Mutant(
        "plus",
        """
        p = cache
        return p * dy + p * np.sum(p * dy, axis=-1, keepdims=True)
        """,
        "the two terms are added",
    ),
    Mutant(
        "over the rows",
        """
        p = cache
        return p * (dy - np.sum(p * dy, axis=0))
        """,
        "over the rows",
    ),
    Mutant(
        "the axis lost",
        """
        p = cache
        return p * (dy - np.sum(p * dy, axis=-1))
        """,
        "keepdims=True",
    ),
]

CROSS_ENTROPY = [
    Mutant(
        "picked, and an axis lost",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = (logits - top) - np.log(np.exp(logits - top).sum(1)[:, None])
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = -log_softmax[is_label]
        """,
        "element has lost its second axis",
    ),
    Mutant(
        "picked",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = (logits - top) - np.log(np.exp(logits - top).sum(1)[:, None])
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = -log_softmax[is_label][:, None]
        """,
        "element has 2 rows instead of 3",
    ),
    Mutant(
        "from the logits",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - np.log(np.exp(logits - top).sum(1)[:, None])
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = -np.where(is_label, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "subtract it from shifted",
    ),
    Mutant(
        "an axis lost",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = (logits - top) - np.log(np.exp(logits - top).sum(1)[:, None])
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = -np.sum(log_softmax * is_label, 1)
        """,
        "element has lost its second axis",
    ),
    Mutant(
        "log of softmax, times the labels",
        """
        top = np.max(logits, axis=1, keepdims=True)
        e = np.exp(logits - top)
        log_softmax = np.log(e / np.sum(e, axis=1, keepdims=True))
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = -np.sum(log_softmax * is_label, axis=1, keepdims=True)
        """,
        "0 * -inf is NaN",
    ),
    Mutant(
        "log of softmax, the labels as numbers",
        """
        top = np.max(logits, axis=1, keepdims=True)
        e = np.exp(logits - top)
        log_softmax = np.log(e) - np.log(e.sum(1)[:, None])
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = (-log_softmax * is_label).sum(1)[:, None]
        """,
        "0 * -inf is NaN",
    ),
    Mutant(
        "mean in the logarithm",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = (logits - top) - np.log(np.exp(logits - top).mean(1, keepdims=True))
        is_label = np.arange(logits.shape[1]) == labels[:, None]
        element = -np.where(is_label, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "log(C) off",
    ),
    Mutant(
        "overflows",
        """
        total = np.exp(logits).sum(axis=1)[:, None]
        log_softmax = logits - np.log(total)
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = -(log_softmax * is_label).sum(axis=1, keepdims=True)
        """,
        "largest logit of each row is not subtracted",
    ),
    Mutant(
        "log of softmax",
        """
        e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        probability = e / np.sum(e, axis=1, keepdims=True)
        log_softmax = np.log(probability)
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = -np.where(is_label, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "a probability became 0 before your log",
    ),
    Mutant(
        "plus",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = np.where(is_label, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "the minus is missing",
    ),
    Mutant(
        "mean over the classes",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
        is_label = np.eye(logits.shape[1], dtype=bool)[np.clip(labels, 0, logits.shape[1] - 1)]
        element = np.mean(-np.where(is_label, log_softmax, 0), axis=1)[:, None]
        """,
        "averaged over the classes",
    ),
    Mutant(
        "batch mean already",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = -np.where(is_label, log_softmax, 0).sum(axis=1)[:, None] / logits.shape[0]
        """,
        "divide by the number of rows already",
    ),
    Mutant(
        "looks the label up",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
        is_label = np.zeros(logits.shape, dtype=bool)
        is_label[np.arange(len(labels)), labels] = True
        element = -log_softmax[is_label][:, None]
        """,
        "you index with the labels",
    ),
    Mutant(
        "all classes count",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = -log_softmax.sum(axis=1, keepdims=True)
        """,
        "logarithms of all classes",
    ),
    Mutant(
        "the loss of a sum over rows",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=0, keepdims=True))
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = -np.where(is_label, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "runs over the rows",
    ),
    Mutant(
        "no exp",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(logits - top, axis=1, keepdims=True))
        is_label = np.arange(logits.shape[1])[None, :] == labels[:, None]
        element = -np.where(is_label, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "exp is missing",
    ),
    Mutant(
        "labels as numbers",
        """
        top = np.max(logits, axis=1, keepdims=True)
        log_softmax = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
        is_label = (np.arange(logits.shape[1])[None, :] == labels[:, None]).astype(float)
        element = -np.where(is_label > 0, log_softmax, 0).sum(axis=1)[:, None]
        """,
        "is_label must be bool (2, 3); got float64 (2, 3)",
    ),
]

CROSS_ENTROPY_BACK = [
    Mutant(
        "no one-hot",
        """
        logp, onehot, w, total = cache
        return np.exp(logp) * _scaled(w, dloss, total)
        """,
        "one-hot label is not subtracted",
    ),
    Mutant(
        "logarithms",
        """
        logp, onehot, w, total = cache
        return _scaled(w, dloss, total) * np.where(onehot, logp - 1, logp)
        """,
        "as if they were probabilities",
    ),
    Mutant(
        "divides by the rows",
        """
        logp, onehot, w, total = cache
        d = np.exp(logp)
        d[onehot] -= 1
        return d * w * dloss / max(d.shape[0], 1)
        """,
        "divide by the number of rows",
    ),
    Mutant(
        "no weight, no normalizer",
        """
        logp, onehot, w, total = cache
        d = np.exp(logp)
        d[onehot] -= 1
        return d * dloss
        """,
        "weight and normalizer are missing",
    ),
    Mutant(
        "dloss left out",
        """
        logp, onehot, w, total = cache
        d = np.exp(logp)
        d[onehot] -= 1
        return d * w / total
        """,
        "dloss is not used",
    ),
    Mutant(
        "rows for the normalizer",
        """
        logp, onehot, w, total = cache
        return (np.exp(logp) - onehot) * _scaled(w, dloss, max(len(logp), 1))
        """,
        "divide by the number of rows",
    ),
    Mutant(
        "rows for everything",
        """
        logp, onehot, w, total = cache
        return (np.exp(logp) - onehot) / max(len(logp), 1)
        """,
        "divide by the number of rows",
    ),
    Mutant(
        "the other way round",
        """
        logp, onehot, w, total = cache
        return (onehot - np.exp(logp)) * _scaled(w, dloss, total)
        """,
        "wrong sign",
    ),
]
