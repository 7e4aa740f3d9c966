"""What can be measured of a network that learns, in one step that leaves no trace: activations, gradients, samples."""

import contextlib
from dataclasses import dataclass

import numpy as np

from ..backend import to_host
from ..nn.layers import ReLU
from ..nn.state import left_as_it_was


@dataclass(frozen=True)
class Layer:
    """A parameter of at least two axes: its name, root mean squares of value and gradient, and whether it learns."""

    name: str
    value: float
    gradient: float
    trainable: bool


@dataclass(frozen=True)
class Checkup:
    """One batch, looked at in a training that does not notice.

    silent {name of a ReLU: share of channels or units that answer 0 to everything}; layers [Layer]; losses {name:
    value}; norm: the length of the whole gradient; anchors: positive and drawn ones per picture, None without an RPN;
    rois: RoIs on objects and drawn ones per picture; objects per picture; sizes [(H, W)] of the pictures, and boxes
    [(M, 4)] of their objects; brightness: mean and deviation of the pictures as the network sees them; labels (M,) of
    all objects; agree (M,): IoU of each box with that of its mask; confidence: share of RoIs whose likeliest class has
    0.999 or more; sure: share of anchors with an objectness of 0.999 or more.
    """

    silent: dict
    layers: list
    losses: dict
    norm: float
    anchors: tuple | None
    rois: tuple
    objects: float
    sizes: list
    boxes: list
    brightness: tuple
    labels: np.ndarray
    agree: np.ndarray
    confidence: float
    sure: float


def check_up(model, batch, *, seed=0):
    """Take one step of a model apart: MaskRCNN, ImageBatch with targets  ->  Checkup"""
    silent, said, chosen, seen = {}, {}, [], []
    with contextlib.ExitStack() as undo, np.errstate(all="ignore"):
        undo.enter_context(left_as_it_was(model))
        for name, module in model.named_modules():
            if isinstance(module, ReLU):
                _put(undo, module, "forward", _noting_silence(module.forward, name, silent))
        _put(undo, model, "choose_samples", _keeping(model.choose_samples, chosen))
        _put(undo, model.normalize, "forward", _keeping(model.normalize.forward, seen, of=lambda said: said[0]))
        box = model.roi_heads.heads["box"]
        _put(undo, box, "loss_forward", _noting(box.loss_forward, "box", said))
        if hasattr(model.rpn, "head"):
            _put(undo, model.rpn, "loss_forward", _noting(model.rpn.loss_forward, "rpn", said))
        model.zero_grad()
        data = {"targets": batch.targets, "sizes": batch.sizes, "rng": np.random.default_rng(seed), **batch.given}
        losses, cache = model.forward(batch.images, **data)
        model.backward({name: 1.0 for name in losses}, cache)
        layers = [_layer(name, p) for name, p in model.named_parameters() if p.value.ndim > 1]
        squares = [float((to_host(p.grad).astype(np.float64) ** 2).sum()) for p in model.parameters() if p.trainable]
    [samples], [pictures] = chosen, seen
    valid = to_host(batch.targets.valid)
    n = len(valid)
    return Checkup(
        silent={name: float(np.mean(quiet)) for name, quiet in silent.items()},
        layers=layers,
        losses={name: float(to_host(loss)) for name, loss in losses.items()},
        norm=float(np.sqrt(sum(squares))),
        anchors=_anchors(samples.rpn, n),
        rois=_rois(samples.rois, n),
        objects=float(valid.sum() / n),
        sizes=to_host(batch.sizes).tolist(),
        boxes=[boxes[rows] for boxes, rows in zip(to_host(batch.targets.boxes), valid)],
        brightness=_brightness(to_host(pictures), to_host(batch.sizes)),
        labels=to_host(batch.targets.labels)[valid],
        agree=_agreement(batch.targets, valid),
        confidence=_confidence(said["box"]),
        sure=_sure(said.get("rpn")),
    )


def _put(undo, owner, name, function):
    setattr(owner, name, function)
    undo.callback(delattr, owner, name)


def _noting_silence(forward, name, silent):
    """A ReLU that notes which channels never answer; what is applied several times has to be silent in each."""

    def watched(x):
        y, cache = forward(x)
        if y.shape[0]:
            quiet = to_host((y <= 0).all(axis=tuple(range(y.ndim - 1))))
            silent[name] = quiet & silent.get(name, True)
        return y, cache

    return watched


def _keeping(function, kept, of=lambda said: said):
    def watched(*args, **data):
        said = function(*args, **data)
        kept.append(of(said))
        return said

    return watched


def _noting(function, name, said):
    def watched(*args, **data):
        said[name] = args[0]
        return function(*args, **data)

    return watched


def _layer(name, p):
    value, gradient = (to_host(array).astype(np.float64) for array in (p.value, p.grad))
    return Layer(name, float(np.sqrt((value**2).mean())), float(np.sqrt((gradient**2).mean())), p.trainable)


def _anchors(targets, n):
    if targets is None:
        return None
    weight, positive = to_host(targets.weight), to_host(targets.positive)
    return float((weight * positive).sum() / n), float(weight.sum() / n)


def _rois(samples, n):
    weight, labels = to_host(samples.weight), to_host(samples.labels)
    return float((weight * (labels > 0)).sum() / n), float(weight.sum() / n)


def _brightness(pictures, sizes):
    inside = [picture[:height, :width].astype(np.float64) for picture, (height, width) in zip(pictures, sizes)]
    values = np.concatenate([picture.ravel() for picture in inside])
    return float(values.mean()), float(values.std())


def _agreement(targets, valid):
    """IoU of each object's box with the box around its mask: (M,), empty where there are no masks."""
    masks = None if targets.masks is None or not hasattr(targets.masks, "dtype") else to_host(targets.masks)
    if masks is None:
        return np.zeros(0)
    shares = []
    for box, mask in zip(to_host(targets.boxes)[valid], masks[valid]):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            shares.append(0.0)
            continue
        own = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
        low, high = np.maximum(box[:2], own[:2]), np.minimum(box[2:], own[2:])
        shared = np.maximum(high - low, 0).prod()
        shares.append(shared / max((box[2:] - box[:2]).prod() + (own[2:] - own[:2]).prod() - shared, 1e-9))
    return np.array(shares)


def _confidence(y):
    logits = to_host(y[0] if isinstance(y, tuple) else y).astype(np.float64)
    if not len(logits):
        return 0.0
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return float((odds.max(axis=1) / odds.sum(axis=1) >= 0.999).mean())


def _sure(logits):
    return 0.0 if logits is None else float((to_host(logits) >= np.log(999)).mean())
