"""The mask head's last three steps, a few maps at a time: what lies between them stays in the processor's cache."""

import numpy as np

from ..devices import Workspace
from ..kernel_lookup import register_kernel
from .common import is_float32, paint_matrix
from .matmul import add_up
from .products import product
from .threads import even_pieces, run, single_threaded_blas, spans

BUDGET = 1 << 20  # bytes of upscaled maps at a time
LANES = 8  # gradients for the weights are added up in at most this many sums, which are then added in order

_workspace = Workspace()


def _parameters(predictor):
    """Weight and bias of the transposed convolution, then of the 1x1 convolution."""
    return [p for layer in (predictor.conv5_mask, predictor.mask_fcn_logits) for p in (layer.weight, layer.bias)]


def _values(predictor):
    return [p.value for p in _parameters(predictor)]


def _takes(predictor, x, *, channel):
    """What does not fit, and channels out of range, go to the text, which has the message."""
    floats = _values(predictor)
    if not is_float32(x, *floats) or x.ndim != 4:
        return False
    D, O = floats[1].size, floats[3].size
    if [a.shape for a in floats] != [(2, 2, x.shape[3], D), (D,), (1, 1, D, O), (O,)]:
        return False
    fits = isinstance(channel, np.ndarray) and channel.shape == x.shape[:1] and channel.dtype.kind in "iu"
    return fits and channel.min() >= 0 and channel.max() < O


@register_kernel("MaskPredictor.forward", applies=_takes)
def forward(predictor, x, *, channel):
    """Fast twin of MaskPredictor.forward."""
    logits, cache = mask_logits_forward(x, *_values(predictor), channel=channel)
    return logits, predictor.keep(cache)


def _takes_backward(predictor, dlogits, cache):
    return is_float32(dlogits, cache[1]) and dlogits.shape == cache[1].shape[:3]


@register_kernel("MaskPredictor.backward", applies=_takes_backward)
def backward(predictor, dlogits, cache):
    """Fast twin of MaskPredictor.backward."""
    dx, *gradients = mask_logits_backward(dlogits, cache)
    for parameter, gradient in zip(_parameters(predictor), gradients, strict=True):
        parameter.grad += gradient
    return dx


def _painted(maps, S, T):
    """A view of maps (q, 2S, 2T, ...) by the pixel that painted each spot: (q, S, T, 2, 2, ...)."""
    return maps.reshape(len(maps), S, 2, T, 2, *maps.shape[3:]).swapaxes(2, 3)


def few_maps(h):
    """Slices of the upscaled maps h (Q, ...) that are done at a time."""
    return spans(len(h), even_pieces(h.nbytes, BUDGET))


@single_threaded_blas()
def mask_logits_forward(x, deconv_weight, deconv_bias, weight, bias, *, channel):
    """Transposed convolution with stride 2, ReLU, and a 1x1 convolution of one output channel per map.

    x (Q, S, T, C), deconv_weight (2, 2, C, D), deconv_bias (D,), weight (1, 1, D, O), bias (O,), channel (Q,) int
    ->  logits (Q, 2S, 2T)
    """
    Q, S, T, C = x.shape
    D = deconv_weight.shape[3]
    one_hot = (channel[:, None] == np.arange(weight.shape[3])).astype(np.float32)  # (Q, O)
    chosen, shift = one_hot @ weight[0, 0].T, one_hot @ bias  # (Q, D), (Q,)
    matrix, matrix_bias = paint_matrix(deconv_weight), np.tile(deconv_bias, 4)
    h, logits = np.empty((Q, 2 * S, 2 * T, D), np.float32), np.empty((Q, 2 * S, 2 * T), np.float32)

    def job(maps):
        pixels = x[maps].reshape(-1, C)
        out = _workspace.take("painted", (len(pixels), 4 * D))
        product(pixels, matrix, out=out)
        out += matrix_bias
        np.maximum(out, 0, out=out)
        out = out.reshape(-1, S, T, 2, 2, D)
        _painted(h[maps], S, T)[...] = out
        some = product(out.reshape(len(out), -1, D), chosen[maps, :, None])  # (q, S * T * 4, 1)
        some += shift[maps, None, None]
        _painted(logits[maps], S, T)[...] = some.reshape(-1, S, T, 2, 2)

    run(lambda maps=maps: job(maps) for maps in few_maps(h))
    return logits, ((x, deconv_weight, True, (2, 2), (0, 0)), h, (h, chosen, one_hot))


@single_threaded_blas()
def mask_logits_backward(dlogits, cache):
    """Mirror of mask_logits_forward.

    dlogits (Q, 2S, 2T)  ->  dx (Q, S, T, C), and the gradients of both weights and biases
    """
    (x, deconv_weight, *_), h, (_, chosen, one_hot) = cache
    Q, S, T, C = x.shape
    D = h.shape[3]
    matrix = paint_matrix(deconv_weight)
    dx, dchosen = np.empty(x.shape, np.float32), np.empty((Q, 1, D), np.float32)

    def job(lane):
        dmatrix, dbias = np.zeros(matrix.shape, np.float32), np.zeros(4 * D, np.float32)
        for maps in lane:
            q = len(h[maps])
            rectified = _workspace.take("painted", (q, S * T * 4, D))
            rectified.reshape(q, S, T, 2, 2, D)[...] = _painted(h[maps], S, T)
            dout = _workspace.take("dlogits", (q, S * T * 4, 1))
            dout.reshape(q, S, T, 2, 2)[...] = _painted(dlogits[maps], S, T)
            product(dout.reshape(q, 1, -1), rectified, out=dchosen[maps])
            dh = _workspace.take("dh", rectified.shape)
            np.multiply(dout, chosen[maps, None, :], out=dh)
            dh *= np.greater(rectified, 0, out=_workspace.take("open", rectified.shape, bool))
            dh = dh.reshape(q * S * T, 4 * D)
            product(dh, matrix.T, out=dx[maps].reshape(len(dh), C))
            dmatrix += product(x[maps].reshape(len(dh), C).T, dh)
            dbias += product(np.ones(len(dh), np.float32), dh)
        return dmatrix, dbias.reshape(4, D).sum(axis=0)

    few = few_maps(h)
    lanes = [few[lane] for lane in spans(len(few), LANES)]
    dmatrix, ddeconv_bias = add_up(run(lambda lane=lane: job(lane) for lane in lanes))
    ddeconv_weight = dmatrix.reshape(C, 2, 2, D).transpose(1, 2, 0, 3)
    dweight = (dchosen[:, 0].T @ one_hot).reshape(1, 1, D, -1)
    return dx, ddeconv_weight, ddeconv_bias, dweight, dlogits.sum(axis=(1, 2)) @ one_hot
