"""The linear support vector machine of R-CNN: dual coordinate descent, and the hunt for hard negatives.

With targets t of -1 and 1 it minimises

    1/2 |w|^2 + C sum_k c_k max(0, 1 - t_k (w . x_k + b))

where c_k weighs positives, and b is one more weight, of a feature that is the same for every row and so large that the
penalty hardly holds it back (the bias multiplier). Everything is computed in float64.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from ..ops.more_losses import hinge_forward

SWEEPS = 10_000


@dataclass(frozen=True)
class LinearSVM:
    """A plane: weight (D,), bias, and the side that a row lies on."""

    weight: np.ndarray
    bias: float

    def scores(self, x):
        """x (K, D)  ->  scores (K,), positive on the side of the positives"""
        return x @ self.weight + self.bias


def svm_objective(svm, x, positive, *, C, positive_weight=1.0, bias_multiplier=1.0):
    """What `fit_svm` makes small: x (K, D), positive (K,) bool  ->  float"""
    share = C * np.where(positive, positive_weight, 1.0)
    loss, _ = hinge_forward(svm.scores(x), targets=np.where(positive, 1, -1), weight=share, normalizer=1.0)
    return 0.5 * (svm.weight @ svm.weight + (svm.bias / bias_multiplier) ** 2) + float(loss)


def fit_svm(x, positive, *, C, positive_weight=1.0, bias_multiplier=1.0, alpha=None, tolerance=1e-3, rng):
    """Dual coordinate descent (Hsieh et al. 2008): each row pulls the plane, at most as hard as its alpha may grow.

    x (K, D), positive (K,) bool  ->  LinearSVM, alpha (K,)
    alpha to start from is that of an earlier fit. It ends when the objective is within `tolerance`, as a share, of what
    the dual problem proves to be a lower bound. Rows whose alpha would stay where it is are passed over.
    """
    sign = np.where(positive, 1.0, -1.0)[:, None]
    rows = sign * np.column_stack([x, np.full(len(x), bias_multiplier)]).astype(np.float64)  # all margins to be >= 1
    most = C * np.where(positive, positive_weight, 1.0)
    square = np.maximum((rows * rows).sum(axis=1), 1e-300)
    alpha = np.zeros(len(rows)) if alpha is None else np.minimum(alpha, most)
    for _ in range(SWEEPS):
        w = alpha @ rows
        lacking = 1 - rows @ w
        penalty = 0.5 * w @ w
        objective, bound = penalty + most @ np.maximum(lacking, 0), alpha.sum() - penalty
        if objective - bound <= tolerance * objective:
            return LinearSVM(w[:-1], float(w[-1] * bias_multiplier)), alpha
        moving = np.flatnonzero(((lacking > 0) & (alpha < most)) | ((lacking < 0) & (alpha > 0)))
        for k in rng.permutation(moving).tolist():
            row, before = rows[k], alpha[k]
            alpha[k] = min(max(before + (1 - row @ w) / square[k], 0.0), most[k])
            w += (alpha[k] - before) * row
    raise ArgumentError(
        f"fit_svm: after {SWEEPS} sweeps the objective {objective:g} is not within {tolerance:g} of its bound "
        f"{bound:g}; a smaller C, or smaller features, help"
    )


def mine_svm(positives, pictures, *, hard=-1.0001, easy=-1.2, retrain_after=2000, rng, **fit):
    """Fit to positives and, of far too many negatives, to those that matter: one pass over the pictures.

    positives (Q, D), an iterable of each picture's negatives (P, D)  ->  LinearSVM
    The first picture gives all of its negatives, every later one those that score above `hard`, which are not safely
    outside the margin. After `retrain_after` of them the machine is fitted anew, and negatives below `easy` are let go
    (Girshick et al. 2014, appendix B, and the code published with it). The rest are options of `fit_svm`.
    """
    known, waiting, count, svm = positives.astype(np.float64), [], 0, None
    alpha = np.zeros(len(known))

    def refit():
        rows = np.concatenate([known, *waiting])
        positive = np.arange(len(rows)) < len(positives)
        started = np.concatenate([alpha, np.zeros(len(rows) - len(known))])
        machine, pulls = fit_svm(rows, positive, alpha=started, rng=rng, **fit)
        keep = positive | (machine.scores(rows) >= easy)
        return machine, rows[keep], pulls[keep]

    for negatives in pictures:
        if svm is not None:
            negatives = negatives[svm.scores(negatives) > hard]
        if len(negatives):
            waiting.append(negatives.astype(np.float64))
            count += len(negatives)
        if count >= (1 if svm is None else retrain_after):
            svm, known, alpha = refit()
            waiting, count = [], 0
    return refit()[0] if waiting or svm is None else svm
