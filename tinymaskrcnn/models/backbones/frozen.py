"""A ResNet whose stem and first stages learn no more: they keep nothing, and backward ends above them."""

from ...errors import ConfigError
from ...nn.layers import BatchNorm2d
from ...nn.module import sum_grads
from ...nn.state import at_rest


def freeze_stages(body, count):
    """Stop the stem and the first `count` stages of a ResNet from learning (0: the stem alone; fine-tuning: 1, 2 ...).

    Their activations are not kept, and backward ends above them: the gradient of the pictures is then None.
    """
    if count not in range(len(body.stages) + 1):
        raise ConfigError(f"frozen stages must be 0 .. {len(body.stages)}; got {count!r}")
    for part in (body.stem, *body.stages[:count]):
        part.freeze()
    body.frozen_stages = count
    return body


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
