"""A ResNet whose stem and first stages learn no more: they keep nothing, and backward ends above them."""

from ...nn.layers import BatchNorm2d
from ...nn.module import sum_grads
from ...nn.state import at_rest


def forward(body, x):
    """ResNet.forward, with caches of the stages that learn only."""
    features, c_stages = [], []
    with at_rest(*_resting(body)):
        x, _ = body.stem.forward(x)
        for stage in body.stages[: body.frozen_stages]:
            x, _ = stage.forward(x)
            features.append(x)
    for stage in body.stages[body.frozen_stages :]:
        x, c_stage = stage.forward(x)
        features.append(x)
        c_stages.append(c_stage)
    return features, body.keep(c_stages)


def backward(body, dfeatures, cache):
    """Mirror of forward: None, for nothing below the stages that learn does."""
    d = None
    learning = body.stages[body.frozen_stages :]
    for stage, dfeature, c_stage in zip(reversed(learning), reversed(dfeatures), reversed(cache)):
        d = stage.backward(sum_grads(d, dfeature), c_stage)
    return None


def _resting(body):
    """The frozen parts, unless the statistics of their norms still follow the batches: they need no cache."""
    parts = body.stem, *body.stages[: body.frozen_stages]
    moving = any(isinstance(m, BatchNorm2d) for part in parts for _, m in part.named_modules())
    return () if moving else parts
