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
    from, image (H, W, C), dimages (N, H, W, C), the gradient of the sum of all losses, None where the first layers are
    frozen; config: the ModelConfig.
    """

    of: dict
    losses: dict = field(default_factory=dict)
    proposals: np.ndarray | None = None
    rois: np.ndarray | None = None
    image: np.ndarray | None = None
    dimages: np.ndarray | None = None
    config: Any = None


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
        _replace(model.roi_heads, "choose_samples", _telling(model.roi_heads.choose_samples, chosen), undo)
        losses, dimages = readable_step(model, batch, seed=seed)
    [(proposals, samples)] = chosen
    return Passes(passes, losses, proposals, samples.rois, batch.images[0], dimages, model.config)


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


def _telling(choose_samples, chosen):
    def told(proposals, valid, *args, **data):
        samples, answers = choose_samples(proposals, valid, *args, **data)
        chosen.append((proposals[0][valid[0]], samples))
        return samples, answers

    return told


def _replace(owner, name, function, undo):
    setattr(owner, name, function)
    undo.callback(delattr, owner, name)
