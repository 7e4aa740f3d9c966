"""What several exercises need: numbers without ties, and the proof that a cache serves its backward; and how a layer
is driven, beside the student's code, where no exercise file is read."""

import numpy as np

from ...nn.layers import Linear
from ..judge import describe, first_difference


def distinct(rng, shape):
    """Numbers around 0, no two of them close: maxima without ties, far from any kink."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) - size / 2 + 0.5) * 0.1).reshape(shape)


def drive_layer(function, *, dys, **arrays):
    """Forward once, then backward for each dy, through a layer whose gradients hold something already.

    later: what the weight's value is from then on, no longer that of the forward
    ->  dx or [dx of each], weight.grad, bias.grad, whether the values stayed as they were
    """
    x, weight, bias = arrays["x"], arrays["weight"], arrays["bias"]
    layer = Linear(*weight.shape, rng=np.random.default_rng(0))
    layer.weight.value, layer.bias.value = weight, bias
    values = arrays.get("later", weight), bias
    before = [value.copy() for value in values]
    layer.weight.grad, layer.bias.grad = arrays["weight.grad"].copy(), arrays["bias.grad"].copy()
    _, cache = layer.forward(x)
    layer.weight.value = values[0]
    dxs = [layer.backward(dy, cache) for dy in dys]
    alone = all(map(np.array_equal, before, (layer.weight.value, layer.bias.value)))
    return dxs if len(dxs) > 1 else dxs[0], layer.weight.grad, layer.bias.grad, alone


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
        must = f"{result} is right, but the cache must be {layout}"
        if words := other_form(known, cache, layout):  # strange shapes could keep the one who judges busy for ever
            raise ValueError(f"{must}: {words}")
        try:
            with np.errstate(all="ignore"):
                right, found = (dict(zip(keys, _as_tuple(backward(dy, c)))) for c in (known, cache))
        except Exception as error:
            raise ValueError(
                f"{must}: with yours the package's {backward.__name__} fails ({type(error).__name__}: {error})"
            ) from error
        return {**parts, **found}

    return results


def other_form(known, cache, layout="", name="it"):
    """How a cache differs from the one wanted in its places, shapes, types or plain numbers, in words; "" if nowhere.

    layout: "(x, weight)" gives the parts of a tuple their names
    """
    if isinstance(known, (tuple, list)):
        if not isinstance(cache, (tuple, list)) or len(known) != len(cache):
            return f"{name} must hold {len(known)} things; got {describe(cache)}"
        names = _names(layout, len(known)) if name == "it" else [f"{name}[{i}]" for i in range(len(known))]
        return next((words for k, c, n in zip(known, cache, names) if (words := other_form(k, c, "", n))), "")
    if isinstance(known, np.ndarray):
        same = isinstance(cache, np.ndarray) and (known.shape, known.dtype) == (cache.shape, cache.dtype)
    elif isinstance(known, np.generic):
        same = isinstance(cache, (np.generic, float, int))
    else:
        same = not isinstance(cache, (np.ndarray, tuple, list)) and known == cache
    return "" if same else f"{name} must be {_form(known)}; got {_form(cache)}"


def _names(layout, count):
    inner = layout[layout.find("(") + 1 : layout.find(")")].split(", ")
    return inner if len(inner) == count else [f"part {i + 1}" for i in range(count)]


def _form(x):
    if isinstance(x, np.ndarray):
        return f"{x.dtype} {x.shape}"
    return repr(x) if isinstance(x, (bool, int, float)) else describe(x)


def _as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


def _count(output):
    if isinstance(output, (tuple, list)):
        return f"{len(output)} things"
    return f"one thing, of type {type(output).__name__}"
