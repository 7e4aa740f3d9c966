"""ReLU in pieces that fit the cache, on threads: such operators wait for memory, and two cores wait half as long."""

import numpy as np

from ..backend import Workspace, register_kernel
from .threads import even_pieces, run, spans

PIECE = 1 << 16  # numbers at a time
LEAST = 1 << 17  # shorter arrays are done before a second thread has woken up

_workspace = Workspace()
_zeros = np.zeros(PIECE, np.float32)
_zeros.flags.writeable = False


def _takes(*arrays):
    return all(a.dtype == np.float32 and a.size >= LEAST and a.flags.c_contiguous for a in arrays)


def _in_pieces(function, *arrays):
    """Call function(piece of every array) over all their numbers; each job takes many pieces."""
    flat = [a.reshape(-1) for a in arrays]

    def job(span):
        for start in range(span.start, span.stop, PIECE):
            piece = slice(start, min(start + PIECE, span.stop))
            function(*(a[piece] for a in flat))

    run(lambda span=span: job(span) for span in spans(flat[0].size, even_pieces(flat[0].size, 4 * PIECE)))


@register_kernel("relu_forward", applies=_takes)
def relu_forward(x):
    """Fast twin of ops.activation.relu_forward; the maximum with an array is twice as fast as with a number."""
    y = np.empty_like(x)
    _in_pieces(lambda x, y: np.maximum(x, _zeros[: len(x)], out=y), x, y)
    return y, y


@register_kernel("relu_backward", applies=_takes)
def relu_backward(dy, cache):
    """Fast twin of ops.activation.relu_backward."""
    dx = np.empty_like(dy)

    def piece(dy, y, dx):
        positive = np.greater(y, 0, out=_workspace.take("positive", y.shape, bool))
        np.multiply(dy, positive, out=dx)

    _in_pieces(piece, dy, cache, dx)
    return dx
