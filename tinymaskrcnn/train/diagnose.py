"""Where did the first NaN come from? Run the step again and look at every layer as it answers."""

import contextlib
import functools

import numpy as np

from ..backend import array_module
from ..errors import ArgumentError, NonFiniteError
from .optimizer import global_norm

ADVICE = "Often the learning rate is too high: try a quarter of it, or a longer warm-up."


class _Found(Exception):
    """Ends the repeated step at the first layer that answers with a NaN or an infinity."""


def explain_nonfinite(model, batches, *, rng, step):
    """Repeat a step that went wrong and return the NonFiniteError that names tensor, layer and step.

    Looks, in this order, at the parameters, at what every layer returns forward, at the losses, at what every layer
    returns backward, and at the gradients. The parameters must still be those from before the step.
    """
    return named(where_nonfinite(model, batches, rng=rng), step)


def where_nonfinite(model, batches, *, rng):
    """The same as a part of a sentence; None when all numbers of the repeated step are finite."""
    return _bad_parameter(model) or _bad_pass(model, batches, rng) or _bad_gradient(model)


def named(where, step):
    """The NonFiniteError of a step that says where, as `where_nonfinite` does."""
    where = where or "a number became NaN or infinite, but not when the step was repeated"
    return NonFiniteError(f"step {step}: {where}. {ADVICE}")


@contextlib.contextmanager
def overflow_named(model, repeat):
    """Inside, a model computes; a NonFiniteError names the first layer whose numbers were too large for their type.

    Without it the NaN that follow would look like nothing found, or like a wrong argument of somebody else. Only where
    NumPy, or an error, gives reason to is `repeat()` called, with a look at what every layer returns.
    """
    suspicious, error = [], None
    try:
        with np.errstate(over="call", invalid="call", call=lambda *_: suspicious.append(True)):
            yield
    except ArgumentError as problem:
        error = problem
    if not suspicious and error is None:
        return
    try:
        with _watched(model), np.errstate(all="ignore"):
            repeat()
    except _Found as found:
        raise NonFiniteError(f"{found}: the weights are too large, as a training that diverged leaves them") from error
    except ArgumentError:
        pass
    if error is not None:
        raise error


def _bad_parameter(model):
    for name, p in model.named_parameters():
        if count := _count(p.value):
            return f"parameter {name} {tuple(p.value.shape)} of {_layer(name)} holds {count}"
    for name, b in model.named_buffers():
        if count := _count(b.value):
            return f"buffer {name} {tuple(b.value.shape)} of {_layer(name)} holds {count}"
    return None


def _layer(name):
    layer = name.rpartition(".")[0]
    return f"layer {layer!r}" if layer else "the model itself"


def _bad_pass(model, batches, rng):
    model.zero_grad()
    try:
        with _watched(model):
            for batch in batches:
                data = {"targets": batch.targets, "sizes": batch.sizes, "rng": rng, **batch.given}
                losses, cache = model.forward(batch.images, **data)
                for name, loss in losses.items():
                    if count := _count(loss):
                        return f"loss {name!r} is {count}, though every layer's output was finite"
                model.backward({name: 1.0 for name in losses}, cache)
    except _Found as found:
        return str(found)
    return None


def _bad_gradient(model):
    for name, p in model.named_parameters():
        if p.trainable and (count := _count(p.grad)):
            return f"the gradient of parameter {name} {tuple(p.grad.shape)} of {_layer(name)} holds {count}"
    grads = [(float(abs(p.grad).max()), name) for name, p in model.named_parameters() if p.trainable and p.grad.size]
    if grads and _too_large(model.parameters()):
        largest, name = max(grads)
        return f"the gradients are too large to add up: that of {name} of {_layer(name)} reaches {largest:.3g}"
    return None


def _too_large(parameters):
    return not np.isfinite(float(global_norm(parameters)))


@contextlib.contextmanager
def _watched(model):
    """While this lasts, every module checks what its forward and its backward return."""
    layers = {id(module): (name, module) for name, module in model.named_modules() if name}.values()  # shared ones once
    for name, module in layers:
        module.forward = _checking(module.forward, "output", name, module, lambda result: result[0])
        module.backward = _checking(module.backward, "input gradient", name, module, lambda result: result)
    try:
        yield
    finally:
        for _, module in layers:
            del module.forward, module.backward  # the methods of the class show again


def _checking(function, tensor, name, module, pick):
    """function, followed by a look at its result. Inner layers finish first: the first to complain is the culprit."""

    @functools.wraps(function)
    def watched(*args, **data):
        result = function(*args, **data)
        for path, array in _arrays(pick(result)):
            if count := _count(array):
                where = f"the {tensor}{path} {tuple(array.shape)} of layer {name!r} ({type(module).__name__})"
                raise _Found(f"{where} holds {count}")
        return result

    return watched


def _arrays(tree, path=""):
    """Yield (path, array) for every array inside tuples, lists and dictionaries."""
    if isinstance(tree, dict):
        tree = tree.items()
    elif isinstance(tree, (tuple, list)):
        tree = enumerate(tree)
    else:
        if hasattr(tree, "dtype") and hasattr(tree, "shape"):
            yield path, tree
        return
    for key, item in tree:
        yield from _arrays(item, f"{path}[{key!r}]")


def _count(array):
    """ "3 NaN and 1 infinite of 24 values", or None when all are finite."""
    xp = array_module(array)
    if array.dtype.kind != "f" or bool(xp.isfinite(array).all()):
        return None
    nan, infinite = int(xp.isnan(array).sum()), int(xp.isinf(array).sum())
    if array.size == 1:
        return "NaN" if nan else "infinite"
    return f"{nan} NaN and {infinite} infinite of {array.size} values"
