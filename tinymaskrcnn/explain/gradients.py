"""What each loss sends back by itself: to every level of the pyramid, and from there to the pixels of the picture."""

from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError


@dataclass(frozen=True)
class LossGradients:
    """The way back of one loss.

    loss: its value; dimages (N, H, W, C), None where the first layers are frozen; dpyramid: L levels (N, h, w, C).
    """

    loss: float
    dimages: Any
    dpyramid: list


def loss_gradients(model, losses, cache):
    """The gradient of each loss alone, at the pictures and at every level of the pyramid.

    MaskRCNN, and what its forward returned while training: {name: loss} and the cache, not spent
    ->  {name: LossGradients}; they add up to the gradient of the sum of all losses

    One backward of the model for each loss; the gradients of its parameters are left as they were.
    """
    if cache is None:
        raise ArgumentError("loss_gradients: cache is None; call model.train() before the forward, so that it is kept")
    before = [parameter.grad.copy() for parameter in model.parameters()]
    backbone, reached = model.backbone, []
    backward = backbone.backward
    backbone.backward = lambda dpyramid, kept: reached.append(list(dpyramid)) or backward(dpyramid, kept)
    try:
        found = {}
        for name, loss in losses.items():
            dimages = model.backward({other: float(other == name) for other in losses}, cache)
            found[name] = LossGradients(float(loss), dimages, reached.pop())
        return found
    finally:
        del backbone.backward
        for parameter, grad in zip(model.parameters(), before):
            parameter.grad[...] = grad
