"""What several exercises need: numbers without ties, and the proof that a cache serves its backward; and how a layer
is driven, beside the student's code, where no exercise file is read."""

import numpy as np

from ...nn.layers import Linear
from ..judge import first_difference


def distinct(rng, shape):
    """Numbers around 0, no two of them close: maxima without ties, far from any kink."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) - size / 2 + 0.5) * 0.1).reshape(shape)


def drive_layer(function, *, dys, **arrays):
    """Forward once, then backward for each dy, through a layer whose gradients hold something already.

    ->  [dx of each], weight.grad, bias.grad
    """
    x, weight, bias = arrays["x"], arrays["weight"], arrays["bias"]
    layer = Linear(*weight.shape, rng=np.random.default_rng(0))
    layer.weight.value, layer.bias.value = weight, bias
    layer.weight.grad, layer.bias.grad = arrays["dweight"].copy(), arrays["dbias"].copy()
    _, cache = layer.forward(x)
    dxs = [layer.backward(dy, cache) for dy in dys]
    return dxs, layer.weight.grad, layer.bias.grad


def cache_proven_by(forward, backward, gradients, layout, *, result="y"):
    """How a forward's (result, cache) is compared: the result itself, and the gradients the package makes of the cache.

    gradients: names of what backward returns; layout: the cache in words  ->  results(output, call) of an Exercise
    """
    keys = [f"{name} (made of your cache by the package's {backward.__name__})" for name in gradients]

    def results(output, call):
        if not isinstance(output, (tuple, list)) or len(output) != 2:
            raise ValueError(f"returns {_count(output)}; wanted two, as one pair: {result}, cache")
        y, cache = output
        parts = {result: y, **dict.fromkeys(keys)}
        want, known = forward(*call.args, **call.data)
        if first_difference({"": want}, {"": y}) is not None:
            return parts  # the first thing to say; and the cache of a wrong result proves nothing
        dy = np.asarray(np.random.default_rng(0).standard_normal(want.shape), dtype=want.dtype)
        try:
            if not same_form(known, cache):  # strange strides or shapes could keep the one who judges busy for ever
                raise TypeError("it has another form")
            with np.errstate(all="ignore"):
                right, found = (dict(zip(keys, _as_tuple(backward(dy, c)))) for c in (known, cache))
        except Exception as error:
            raise ValueError(
                f"{result} is right, but the cache must be {layout}: with yours the package's {backward.__name__} "
                f"fails ({type(error).__name__}: {error})"
            ) from error
        return {**parts, **found}

    return results


def same_form(known, cache):
    """Whether two caches hold arrays of the same shapes and types, and equal numbers, in the same places."""
    if isinstance(known, np.ndarray):
        return isinstance(cache, np.ndarray) and (known.shape, known.dtype) == (cache.shape, cache.dtype)
    if isinstance(known, (tuple, list)):
        fits = isinstance(cache, (tuple, list)) and len(known) == len(cache)
        return fits and all(same_form(a, b) for a, b in zip(known, cache))
    if isinstance(known, np.generic):
        return isinstance(cache, (np.generic, float, int))
    return not isinstance(cache, np.ndarray) and known == cache


def _as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


def _count(output):
    if isinstance(output, (tuple, list)):
        return f"{len(output)} things"
    return f"one thing, of type {type(output).__name__}"
