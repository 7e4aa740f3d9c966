"""The box regression of R-CNN: a ridge in closed form, from features to deltas (Girshick et al. 2014, appendix C)."""

import numpy as np

from ..errors import ArgumentError


def fit_ridge(x, targets, *, strength):
    """The W that makes (targets - W x)² + strength W² smallest, each summed up; targets counted from their mean.

    x (K, D), targets (K, T)  ->  weight (D, T), bias (T,)
    The bias is the weight of a feature that is always 1, and held back like the others. The targets are whitened first,
    as the code published with R-CNN does; a ridge is linear in its targets, so that this changes nothing but rounding.
    Without rows, everything is 0.
    """
    if strength <= 0:
        raise ArgumentError(f"fit_ridge: strength must be above 0; got {strength}")
    count, columns = targets.shape
    if count == 0:
        return np.zeros((x.shape[1], columns)), np.zeros(columns)
    mean, whiten, unwhiten = whitening(targets)
    rows = np.column_stack([x, np.ones(count)]).astype(np.float64)
    lower = np.linalg.cholesky(rows.T @ rows + strength * np.eye(rows.shape[1]))
    solved = np.linalg.solve(lower.T, np.linalg.solve(lower, rows.T @ ((targets - mean) @ whiten)))
    solved = solved @ unwhiten
    return solved[:-1], solved[-1] + mean


def whitening(targets, *, least=1e-3):
    """What takes targets to mean 0, and to variance 1 along every direction that has more of it than `least`, and back.

    targets (K, T)  ->  mean (T,), whiten (T, T), unwhiten (T, T)
    """
    targets = targets.astype(np.float64)
    mean = targets.mean(axis=0)
    variance, directions = np.linalg.eigh((targets - mean).T @ (targets - mean) / len(targets))
    spread = np.sqrt(np.maximum(variance, 0) + least)
    return mean, (directions / spread) @ directions.T, (directions * spread) @ directions.T
