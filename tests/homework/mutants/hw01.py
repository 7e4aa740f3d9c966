"""Homework 1 as students write it: right in other words, and wrong."""

from homework.bodies import Mutant
from homework.mutants._hw01_right import RIGHT
from homework.mutants._hw01_softmax import CROSS_ENTROPY, CROSS_ENTROPY_BACK, SOFTMAX, SOFTMAX_BACK
from homework.mutants._hw01_subtle import SUBTLE

__all__ = ["MUTANTS", "RIGHT"]

LINEAR = [
    Mutant(
        "only the last row",
        """
        x, W = cache
        dbias, dweight = np.zeros(W.shape[1], dy.dtype), np.zeros_like(W)
        for k in range(len(dy)):
            dbias = dy[k]
            dweight = np.outer(x[k], dy[k])
        return dy @ W.T, dweight, dbias
        """,
        "only the last row is left in dbias and dweight",
    ),
    Mutant(
        "only the last row moves the weight",
        """
        x, W = cache
        dbias, dweight = np.zeros(W.shape[1], dy.dtype), np.zeros_like(W)
        for k in range(len(dy)):
            dbias = dbias + dy[k]
            dweight = x[k][:, None] * dy[k]
        return dy @ W.T, dweight, dbias
        """,
        "only the last row is left in dweight",
    ),
    Mutant(
        "a view of dy",
        """
        x, W = cache
        dx, dweight = np.dot(dy, W.T), np.dot(x.T, dy)
        dbias = dy[0] if len(dy) else np.zeros(W.shape[1], dy.dtype)
        for k in range(1, len(dy)):
            dbias += dy[k]
        return dx, dweight, dbias
        """,
        "you write into dy",
    ),
    Mutant(
        "a view of dy, first of all",
        """
        x, W = cache
        dbias = dy[0] if len(dy) else np.zeros(W.shape[1], dy.dtype)
        for row in dy[1:]:
            dbias += row
        return np.dot(dy, W.T), np.dot(x.T, dy), dbias
        """,
        "you write into dy",
    ),
    Mutant(
        "numbers times numbers",
        """
        x, W = cache
        total = dy.sum(0)
        return dy.dot(W.T), x.T * dy, total
        """,
        "dweight is a product of matrices",
    ),
    Mutant(
        "the cache exchanged",
        """
        W, x = cache
        return dy @ W.T, x.T @ dy, np.sum(dy, 0)
        """,
        "x and weight are exchanged",
    ),
    Mutant(
        "bias by the mean",
        """
        x, w = cache
        return dy @ w.T, x.T @ dy, np.mean(dy, axis=0)
        """,
        "take the sum",
    ),
    Mutant(
        "results in another order",
        """
        x, w = cache
        return x.T @ dy, dy @ w.T, dy.sum(axis=0)
        """,
        "wrong order",
    ),
    Mutant(
        "bias keeps its row axis",
        """
        x, w = cache
        return dy @ w.T, x.T @ dy, dy.sum(axis=0, keepdims=True)
        """,
        "axes instead of",
    ),
    Mutant(
        "weight by the outer product of the wrong way round",
        """
        x, w = cache
        dw = np.einsum("ko,kc->oc", dy, x)
        return np.einsum("ko,co->kc", dy, w), dw, np.einsum("ko->o", dy)
        """,
        "dweight is transposed",
    ),
    Mutant(
        "only the first row moves the bias",
        """
        x, w = cache
        db = np.zeros(w.shape[1], x.dtype)
        for row in dy[:1]:
            db += row
        return dy.dot(w.T), x.T.dot(dy), db
        """,
        "first row alone",
    ),
    Mutant(
        "everything divided by the batch",
        """
        x, w = cache
        n = max(x.shape[0], 1)
        return dy @ w.T / n, x.T @ dy / n, dy.sum(0) / n
        """,
        "in each case another one (0.5, 0.3333",
    ),
    Mutant(
        "@ the wrong way round",
        """
        x, w = cache
        return dy @ w.T, x @ dy, dy.sum(axis=0)
        """,
        "inner sides of a matrix product must agree: they are 3 and 2",
    ),
]

LAYER = [
    Mutant(
        "assigns",
        """
        grads = linear.linear_backward(dy, cache)
        self.weight.grad = grads[1]
        self.bias.grad = grads[2]
        return grads[0]
        """,
        "assign to grad instead of adding",
    ),
    Mutant(
        "writes over what was there",
        """
        dx, dw, db = linear.linear_backward(dy, cache)
        self.weight.grad[...] = dw
        self.bias.grad[:] = db
        return dx
        """,
        "assign to grad instead of adding",
    ),
    Mutant(
        "forgets the bias",
        """
        dx, dw, _ = linear.linear_backward(dy, cache)
        self.weight.grad = self.weight.grad + dw
        return dx
        """,
        "gradient of the bias is lost",
    ),
    Mutant(
        "no return",
        """
        dx, dw, db = linear.linear_backward(dy, cache)
        np.add(self.weight.grad, dw, out=self.weight.grad)
        np.add(self.bias.grad, db, out=self.bias.grad)
        """,
        "dx is not returned",
    ),
    Mutant(
        "takes a step at once",
        """
        dx, dw, db = linear.linear_backward(dy, cache)
        self.weight.value = self.weight.value - 0.1 * dw
        self.bias.value = self.bias.value - 0.1 * db
        return dx
        """,
        "a step of training changes values later",
    ),
    Mutant(
        "the other way round",
        """
        dx, dw, db = linear.linear_backward(dy, cache)
        dw += self.weight.grad
        db += self.bias.grad
        return dx
        """,
        "nothing arrived in weight.grad and bias.grad",
    ),
    Mutant(
        "empties first",
        """
        dx, dw, db = linear.linear_backward(dy, cache)
        self.zero_grad()
        self.weight.grad += dw
        self.bias.grad += db
        return dx
        """,
        "or you empty it first with zero_grad()",
    ),
    Mutant(
        "into the parameter",
        """
        dx, dw, db = linear.linear_backward(dy, cache)
        self.weight += dw
        self.bias += db
        return dx
        """,
        "their gradient is self.weight.grad",
    ),
]

SUM_GRADS = [
    Mutant(
        "only the last",
        """
        here = [g for g in gradients if g is not None]
        if len(here) == 0:
            return None
        if isinstance(here[0], (tuple, list)):
            return [sum_grads(*parts) for parts in zip(*here)]
        for g in here:
            total = g
        return total
        """,
        "only the last term",
    ),
    Mutant(
        "each pyramid on its own",
        """
        here = [g for g in gradients if g is not None]
        if len(here) == 0:
            return None
        if isinstance(here[0], (tuple, list)):
            return [sum_grads(*parts) for parts in here]
        total = here[0]
        for g in here[1:]:
            total = total + g
        return total
        """,
        "",
    ),
    Mutant(
        "three at most",
        """
        here = [g for g in gradients if g is not None]
        if len(here) == 0:
            return None
        if isinstance(here[0], (tuple, list)):
            return [sum_grads(*parts) for parts in zip(*here)]
        if len(here) == 1:
            return here[0]
        return here[0] + here[1] if len(here) == 2 else here[0] + here[1] + here[2]
        """,
        "first three terms",
    ),
    Mutant(
        "asks the first one",
        """
        here = [g for g in gradients if g is not None]
        if len(here) == 0:
            return None
        if type(gradients[0]) in (tuple, list):
            return [sum_grads(*parts) for parts in zip(*here)]
        total = here[0]
        for g in here[1:]:
            total = total + g
        return total
        """,
        "it may be None",
    ),
    Mutant(
        "zeros are nothing",
        """
        here = [g for g in gradients if g is not None and np.any(g if isinstance(g, np.ndarray) else True)]
        if len(here) == 0:
            return None
        if isinstance(here[0], (tuple, list)):
            return [sum_grads(*parts) for parts in zip(*here)]
        total = here[0]
        for g in here[1:]:
            total = total + g
        return total
        """,
        "",
    ),
    Mutant(
        "adds into the first",
        """
        total = None
        for term in gradients:
            if term is None:
                continue
            if isinstance(term, (list, tuple)):
                total = term if total is None else [sum_grads(a, b) for a, b in zip(total, term)]
            elif total is None:
                total = term
            else:
                total += term
        return total
        """,
        "it belongs to whoever sent it",
    ),
    Mutant(
        "sum of everything",
        """
        first = gradients[0]
        if isinstance(first, (list, tuple)):
            return [sum_grads(*parts) for parts in zip(*gradients)]
        result = first
        for g in gradients[1:]:
            result = result + g
        return result
        """,
        "leave out the terms that are None first",
    ),
    Mutant(
        "a sum from 0",
        """
        some = [g for g in gradients if g is not None]
        if some and isinstance(some[0], (list, tuple)):
            return [sum_grads(*parts) for parts in zip(*some)]
        return sum(some)
        """,
        "you return 0",
    ),
    Mutant(
        "lists are joined",
        """
        some = [g for g in gradients if g is not None]
        if len(some) == 0:
            return None
        result = some[0]
        for g in some[1:]:
            result = result + g
        return result
        """,
        "joined end to end",
    ),
    Mutant(
        "lists only",
        """
        some = [g for g in gradients if g is not None]
        if len(some) == 0:
            return None
        if type(some[0]) is list:
            return [sum_grads(*parts) for parts in zip(*some)]
        result = some[0]
        for g in some[1:]:
            result = result + g
        return result
        """,
        "a term may be a list or a tuple",
    ),
    Mutant(
        "levels by the plain sum",
        """
        import functools

        some = [g for g in gradients if g is not None]
        if len(some) == 0:
            return None
        if isinstance(some[0], (list, tuple)):
            return [functools.reduce(np.add, parts) for parts in zip(*some)]
        return functools.reduce(np.add, some)
        """,
        "None inside a pyramid",
    ),
    Mutant(
        "only two terms",
        """
        a, b = gradients[0], gradients[1]
        return a + b
        """,
        "only the first two terms",
    ),
]

OBVIOUS = {
    "hw01.linear_backward": LINEAR,
    "hw01.linear_layer_backward": LAYER,
    "hw01.softmax_forward": SOFTMAX,
    "hw01.softmax_backward": SOFTMAX_BACK,
    "hw01.softmax_cross_entropy_forward": CROSS_ENTROPY,
    "hw01.softmax_cross_entropy_backward": CROSS_ENTROPY_BACK,
    "hw01.sum_grads": SUM_GRADS,
}

MUTANTS = {name: [*OBVIOUS[name], *SUBTLE[name]] for name in OBVIOUS}
