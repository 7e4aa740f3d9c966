"""A detector at rest, looking at small pictures: backbone, pyramid and RPN as one plan for C (kernels/c/plan.py).

It registers like a kernel. Of a network that is not all of plain parts, the text takes each part by itself; and so it
does where somebody has put another forward in front of one, to watch it or to time it.
"""

import threading
import weakref

import numpy as np

from ..kernel_lookup import register_kernel
from ..kernels.c.library import ON_THE_LANE, lane
from ..kernels.c.plan import Plan
from ..kernels.common import is_float32
from ..nn.fused import NORMS
from ..nn.layers import Conv2d, ReLU
from ..nn.module import Identity, Sequential
from .backbones.fpn import FPN, BackboneWithFPN
from .backbones.resnet import ResidualBlock, ResNet
from .rpn import RPN, RPNHead

MOST = 4 * 128 * 128  # pixels of a batch: where there are more, jobs are long, and a plan would hold much memory
REMEMBERED = 4  # shapes of pictures for each model

_plans = weakref.WeakKeyDictionary()  # model -> {(lane, shape): Looking, or None where the shape was seen once}


class NotPlain(Exception):
    """Something in a network that no plan knows."""


def _takes(model, x, **given):
    return not given and x.ndim == 4 and is_float32(x) and x.size // x.shape[3] <= MOST


@register_kernel("MaskRCNN.look", module=ON_THE_LANE, applies=_takes)
def look_by_plan(model, x):
    """Fast twin of MaskRCNN.look."""
    known = _plans.setdefault(model, {})
    looking = planned(known, x.shape, lambda *ends: Looking(Plan(x.shape), *ends), model.backbone, model.rpn)
    looked = looking and looking.play(np.ascontiguousarray(x))
    if not looked:
        return type(model).look.readable(model, x)
    *pyramid, logits, deltas = looked
    return pyramid, (logits, deltas)


def planned(known, shape, make, *ends):
    """What is known of a shape, unless a part of the network is another one by now: then it is made anew, of its ends.

    It is made when a shape comes again: that takes as long as two or three pictures, which may be all of that shape.
    """
    key = lane(), shape
    if key not in known:
        if len(known) >= REMEMBERED:
            known.pop(next(iter(known)), None)
        known[key] = None
    elif known[key] is None or not known[key].is_as_it_was(*ends):
        known[key] = make(*ends)
    return known[key]


class Planned:
    """A plan, None where a network has none, and all that it depends on.

    What weights and statistics hold is no part of that: a plan reads them where they lie.
    """

    def __init__(self, plan, *ends):
        self.free = threading.Lock()
        self.ends, self.parts, self.plan = ends, [], plan
        try:
            self._walk(*ends)
            plan.begin()
        except NotPlain:
            self.plan = None
        self.looks = [(vars(part), _copied(vars(part))) for part in self.parts]
        owners = [owner for part in self.parts for owner in vars(part).values() if hasattr(owner, "value")]
        self.arrays = [(owner, owner.value) for owner in owners]

    def is_as_it_was(self, *ends):
        """Whether its parts, their settings and their arrays are the same ones."""
        same = ends == self.ends and all(now == then for now, then in self.looks)
        return same and all(owner.value is array for owner, array in self.arrays)

    def play(self, *arrays):
        """What the plan returns; None where there is none, or another thread is at it."""
        if self.plan is None or not self.free.acquire(blocking=False):
            return None
        try:
            return self.plan(*arrays)
        finally:
            self.free.release()

    def _walk(self, *ends):
        """Fill the plan, or raise NotPlain."""
        raise NotImplementedError(f"{type(self).__name__}._walk")

    def _row(self, layers, x, *, y=None, added=None):
        """Convolutions one after another, each with what follows it; the last one fills y, and adds before its ReLU."""
        layers = [leaf for layer in layers for leaf in self._leaves(layer)]
        while layers:
            conv, norm, then = self._plain(layers.pop(0), Conv2d), None, {}
            if layers and type(layers[0]) in NORMS:
                norm = self._plain(layers.pop(0), NORMS)
            if layers and type(layers[0]) is ReLU:
                then["rectified"] = self._plain(layers.pop(0), ReLU) is not None
            if conv.options["groups"] != 1 or (norm and conv.bias):
                raise NotPlain
            self._require(conv, (*conv.weight.value.shape[:2], x.shape[3], conv.weight.value.shape[3]))
            if not layers:
                then |= {"y": y, "added": added}
            x = self.plan.convolve(x, conv, norm, **then)
        return x

    def _require(self, layer, shape):
        """That a layer has a weight of this shape, and a bias that fits, if any, in float32."""
        bias = None if layer.bias is None else layer.bias.value
        fits = layer.weight.value.shape == shape and (bias is None or bias.shape == shape[-1:])
        if not fits or not is_float32(layer.weight.value, bias):
            raise NotPlain

    def _leaves(self, layer):
        """The layers of Sequentials, and of those inside, in their order; without those that do nothing."""
        if type(layer) is Identity:
            self._plain(layer, Identity)
            return []
        if type(layer) is not Sequential:
            return [layer]
        return [leaf for inner in self._plain(layer, Sequential).layers for leaf in self._leaves(inner)]

    def _plain(self, part, kinds):
        """The part, if it is just of one of these kinds, at rest, and nobody has put another forward in front of it."""
        if type(part) not in (kinds if isinstance(kinds, tuple) else (kinds,)):
            raise NotPlain
        self.parts.append(part)
        if part.training or "forward" in vars(part):
            raise NotPlain
        return part


def _copied(attributes):
    """Attributes as they are now: of a list its members, which may be exchanged."""
    return {name: list(value) if isinstance(value, list) else value for name, value in attributes.items()}


class Looking(Planned):
    """The plan of a model's backbone and RPN for pictures of a shape."""

    def _walk(self, backbone, rpn):
        """Fill the plan: the pyramid [P2 .. P6], logits (N, A), deltas (N, A, 4)."""
        self._plain(backbone, BackboneWithFPN)
        body, fpn = self._plain(backbone.body, ResNet), self._plain(backbone.fpn, FPN)
        x, features = self._row([body.stem], self.plan.x), []
        for stage in body.stages:
            for block in self._plain(stage, Sequential).layers:
                x = self._block(self._plain(block, ResidualBlock), x)
            features.append(x)
        self._propose(self._plain(rpn, RPN), self._pyramid(fpn, features))

    def _block(self, block, x):
        shortcut = self._row([block.downsample], x)
        self._plain(block.relu, ReLU)
        return self._row([block.branch, block.relu], x, added=shortcut)

    def _pyramid(self, fpn, features):
        merged = [self._row([layer], x) for layer, x in zip(fpn.inner_blocks, features, strict=True)]
        for top, level in zip(merged[:0:-1], merged[-2::-1]):
            if level.shape[1:3] != (2 * top.shape[1], 2 * top.shape[2]):
                raise NotPlain
            for down, along in ((0, 0), (0, 1), (1, 0), (1, 1)):
                self.plan.add(level.every_second(down, along), top)
            level.step = top.step + 1
        pyramid = [self.plan.output(level.shape) for level in merged]
        for layer, x, y in zip(fpn.layer_blocks, merged, pyramid, strict=True):
            self._row([layer], x, y=y)
        second = pyramid[-1].every_second()
        pyramid.append(self.plan.output(second.shape))
        self.plan.add(pyramid[-1], second)
        return pyramid

    def _propose(self, rpn, pyramid):
        head, counts = self._plain(rpn.head, RPNHead), [x.shape[1] * x.shape[2] * rpn.per_cell for x in pyramid]
        self._plain(head.difference, Identity)
        outputs = ((head.cls_logits, 1), (head.bbox_pred, 4))
        said = [self.plan.output((pyramid[0].shape[0], sum(counts), n)[: 1 + n]) for _, n in outputs]
        for i, x in enumerate(pyramid):
            h = self._row([head.conv], x)
            for (layer, n), whole in zip(outputs, said):
                shape = (*x.shape[:3], rpn.per_cell * n)
                self._row([layer], h, y=whole.part(n * sum(counts[:i]), shape))
