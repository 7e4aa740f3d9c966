"""What the parts of a network handed on in one training step, and the gradients that came back to them."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .walk import readable_step


@dataclass
class Pass:
    """A module on its way through a step: y its result, dy the gradient that reached it, dx the one it handed on."""

    y: Any = None
    dy: Any = None
    dx: Any = None


@dataclass(frozen=True)
class Passes:
    """A step of a model.

    of {module's name: Pass of its first call}, losses {name: float}, proposals (P, 4), rois (K, 4) the heads learned
    from, image (H, W, C), dimages (N, H, W, C), the gradient of the sum of all losses.
    """

    of: dict
    losses: dict = field(default_factory=dict)
    proposals: np.ndarray | None = None
    rois: np.ndarray | None = None
    image: np.ndarray | None = None
    dimages: np.ndarray | None = None


def watch_step(model, batch, names, *, seed=0):
    """Make one training step on the readable text, and keep what the named modules handed on.

    MaskRCNN on the host, ImageBatch with targets, names of modules; those that it lacks are left out  ->  Passes
    """
    modules = dict(reversed(list(model.named_modules())))  # of several by one name the outermost
    passes = {name: Pass() for name in names if name in modules}
    chosen = []
    with contextlib.ExitStack() as undo:
        for name, kept in passes.items():
            _watch(modules[name], kept, undo)
        _replace(model, "choose_samples", _telling(model.choose_samples, chosen), undo)
        _replace(model.rpn, "propose", _telling(model.rpn.propose, chosen), undo)
        losses, dimages = readable_step(model, batch, seed=seed)
    (proposals, valid), samples = chosen
    image = batch.images[0]
    return Passes(passes, losses, proposals[0][valid[0]], samples.rois.rois, image, dimages)


def _watch(module, kept, undo):
    forward, backward = module.forward, module.backward

    def watched_forward(*args, **data):
        y, cache = forward(*args, **data)
        kept.y = y if kept.y is None else kept.y
        return y, cache

    def watched_backward(dy, cache):
        dx = backward(dy, cache)
        if kept.dx is None:
            kept.dy, kept.dx = dy, dx
        return dx

    _replace(module, "forward", watched_forward, undo)
    _replace(module, "backward", watched_backward, undo)


def _telling(function, results):
    def told(*args, **data):
        results.append(function(*args, **data))
        return results[-1]

    return told


def _replace(owner, name, function, undo):
    setattr(owner, name, function)
    undo.callback(delattr, owner, name)
