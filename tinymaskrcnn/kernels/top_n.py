"""The best few of many: only what is as good as the n-th best is sorted."""

import numpy as np

from ..kernel_lookup import register_kernel


def _takes(scores, n):
    """Where sorting everything would be most of the work."""
    return scores.ndim == 2 and len(scores) > 0 and 0 < 4 * n <= scores.shape[1] and not np.isnan(scores.max())


@register_kernel("top_n", applies=_takes)
def top_n(scores, n):
    """Fast twin of ops.nms.top_n."""
    least = np.partition(scores, scores.shape[1] - n, axis=1)[:, -n, None]  # the n-th largest of each row
    row, column = np.nonzero(scores >= least)  # at least n of each row, in order of position
    if 2 * len(row) > scores.size:  # many are equal to it: no shorter way
        return np.argsort(-scores, axis=1, kind="stable")[:, :n]
    order = np.lexsort((-scores[row, column], row))  # by row, then largest first, then as given
    first = np.searchsorted(row, np.arange(len(scores)))
    return column[order][first[:, None] + np.arange(n)]
