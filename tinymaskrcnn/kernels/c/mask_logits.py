"""The mask head's last three steps in C, a few maps at a time, as in ../mask_logits.py."""

import numpy as np

from ...devices import Workspace, on_line
from ...kernel_lookup import register_kernel
from .. import mask_logits as in_numpy
from ..matmul import add_up
from ..threads import run, single_threaded_blas, spans
from .correlate import PLAIN, Filters, add_weight_gradient, correlate, filters_of, finish, taps_of
from .library import ON_THE_LANE, address, aligned, gapless, lane

_workspace = Workspace()
SIDE_BY_SIDE = {"stride": (1, 1), "corner": (0, 0)}


@register_kernel("MaskPredictor.forward", module=ON_THE_LANE, first=True, applies=in_numpy._takes)
def forward(predictor, x, *, channel):
    """Fast twin of MaskPredictor.forward."""
    logits, cache = mask_logits_forward(x, *in_numpy._values(predictor), channel=channel)
    return logits, predictor.keep(cache)


@register_kernel("MaskPredictor.backward", module=ON_THE_LANE, first=True, applies=in_numpy._takes_backward)
def backward(predictor, dlogits, cache):
    """Fast twin of MaskPredictor.backward."""
    dx, *gradients = mask_logits_backward(dlogits, cache)
    for parameter, gradient in zip(in_numpy._parameters(predictor), gradients, strict=True):
        parameter.grad += gradient
    return dx


@single_threaded_blas()
def mask_logits_forward(x, deconv_weight, deconv_bias, weight, bias, *, channel):
    """Transposed convolution with stride 2, ReLU, and a 1x1 convolution of one output channel per map.

    x (Q, S, T, C), deconv_weight (2, 2, C, D), deconv_bias (D,), weight (1, 1, D, O), bias (O,), channel (Q,) int
    ->  logits (Q, 2S, 2T)
    """
    Q, S, T, C = x.shape
    D = deconv_weight.shape[3]
    one_hot = (channel[:, None] == np.arange(weight.shape[3])).astype(np.float32)  # (Q, O)
    chosen, shift = gapless(one_hot @ weight[0, 0].T), one_hot @ bias  # (Q, D), (Q,)
    h, logits = on_line((Q, 2 * S, 2 * T, D)), np.empty((Q, 2 * S, 2 * T), np.float32)
    weights = aligned(deconv_weight).transpose(0, 2, 1, 3).reshape(2, 1, C, 2 * D)  # what a pixel paints in each row
    rows = [Filters(weight, taps_of((1, 1, C, 2 * D), (1, 1))) for weight in weights]
    pixels, becomes = gapless(x), finish(h, np.tile(deconv_bias, 2), rectified=True)

    def job(maps):
        for i, filters in enumerate(rows):
            correlate(h[maps].reshape(-1, S, 2, T, 2 * D)[:, :, i], pixels[maps], filters, becomes, **SIDE_BY_SIDE)
        arrays = logits[maps], h[maps], chosen[maps], shift[maps]
        lane().select(*map(address, arrays), len(h[maps]), 4 * S * T, D)

    run(lambda maps=maps: job(maps) for maps in in_numpy.few_maps(h))
    return logits, ((x, deconv_weight, True, (2, 2), (0, 0)), h, (h, chosen, one_hot))


@single_threaded_blas()
def mask_logits_backward(dlogits, cache):
    """Mirror of mask_logits_forward.

    dlogits (Q, 2S, 2T)  ->  dx (Q, S, T, C), and the gradients of both weights and biases
    """
    (x, deconv_weight, *_), h, (_, chosen, one_hot) = cache
    Q, S, T, C = x.shape
    D = h.shape[3]
    dx, dchosen = np.empty(x.shape, np.float32), np.empty((Q, D), np.float32)
    turned = np.ascontiguousarray(deconv_weight.transpose(0, 1, 3, 2))  # (2, 2, D, C)
    filters, taps = filters_of(turned, (1, 1)), taps_of(turned.shape, (1, 1))
    pixels, maps_of, rows, factors = gapless(x), gapless(h), gapless(dlogits), gapless(chosen)

    def job(some):
        dmatrix, dbias = np.zeros((4 * D, C), np.float32), np.zeros(D, np.float32)
        for maps in some:
            dh = _workspace.take("dh", maps_of[maps].shape)
            arrays = dh, dchosen[maps], dbias, maps_of[maps], rows[maps], factors[maps]
            lane().select_gradient(*map(address, arrays), len(dh), 4 * S * T, D)
            correlate(dx[maps], dh, filters, PLAIN, stride=(2, 2), corner=(0, 0))
            add_weight_gradient(dmatrix, None, dh, pixels[maps], taps, stride=(2, 2), corner=(0, 0))
        return dmatrix, dbias

    few = in_numpy.few_maps(h)
    dmatrix, ddeconv_bias = add_up(run(lambda some=few[part]: job(some) for part in spans(len(few), in_numpy.LANES)))
    ddeconv_weight = dmatrix.reshape(2, 2, D, C).transpose(0, 1, 3, 2)
    dweight = (dchosen.T @ one_hot).reshape(1, 1, D, -1)
    return dx, ddeconv_weight, ddeconv_bias, dweight, dlogits.sum(axis=(1, 2)) @ one_hot
