"""Homework 1 as students write it: right in other words, and wrong."""

from homework.bodies import Mutant

RIGHT = {
    "hw01.linear_backward": """
        x, w = cache
        dx = np.zeros_like(x)
        dw = np.zeros_like(w)
        for k in range(len(x)):
            dx[k] = w @ dy[k]
            dw += np.outer(x[k], dy[k])
        return dx, dw, np.sum(dy, axis=0)
    """,
}

MUTANTS = {
    "hw01.linear_backward": [
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
        ),
    ],
}
