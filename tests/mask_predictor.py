"""The mask predictor as a pair of functions: weights go in beside the maps, their gradients come out beside dx."""

import numpy as np

from tinymaskrcnn.models.heads.mask import MaskPredictor


def made(*weights):
    """A MaskPredictor with these arrays: deconv_weight (2, 2, C, D), deconv_bias, weight (1, 1, D, O), bias."""
    C, D, O = weights[0].shape[2], *weights[2].shape[2:]
    predictor = MaskPredictor(C, D, O, rng=np.random.default_rng(0))
    for (_, parameter), array in zip(predictor.named_parameters(), weights, strict=True):
        parameter.value = array
    return predictor


def behind(cache):
    """One that this cache may come from: its backward asks the cache alone."""
    (_, deconv_weight, *_), _, (_, _, one_hot) = cache
    D, O = deconv_weight.shape[3], one_hot.shape[1]
    zeros = [np.zeros(shape, deconv_weight.dtype) for shape in ((D,), (1, 1, D, O), (O,))]
    return made(deconv_weight, *zeros)


def pair(way=lambda method: method):
    """forward(x, *weights, channel=) -> logits, cache; backward(dlogits, cache) -> dx and four gradients."""

    def forward(x, *weights, channel):
        logits, cache = way(MaskPredictor.forward)(made(*weights), x, channel=channel)
        return logits, tuple(cache)

    def backward(dlogits, cache):
        predictor = behind(cache)
        dx = way(MaskPredictor.backward)(predictor, dlogits, cache)
        return dx, *(parameter.grad for parameter in predictor.parameters())

    forward.__name__, backward.__name__ = "MaskPredictor.forward", "MaskPredictor.backward"
    forward.called_with = lambda x, *weights: (made(*weights), x)  # what a kernel is asked about
    backward.called_with = lambda dlogits, cache: (behind(cache), dlogits, cache)
    return forward, backward


forward, backward = pair()
forward.readable, backward.readable = pair(lambda method: method.readable)
