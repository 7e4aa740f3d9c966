"""The network as it is at inference, with a way back: what a gradient of one answer needs."""

import copy

from ..models.poolers import pooler
from ..nn.layers import BatchNorm2d
from ..ops import more_norms


class RestingNorm(BatchNorm2d):
    """A BatchNorm2d in eval mode that keeps what its backward needs; its statistics rest, and nothing of it learns."""

    def forward(self, x):
        statistics = {"mean": self.running_mean.value, "var": self.running_var.value, "eps": self.eps}
        return more_norms.frozen_batch_norm2d_forward(x, self.weight.value, self.bias.value, **statistics)

    def backward(self, dy, cache):
        return more_norms.frozen_batch_norm2d_backward(dy, cache)[0]


def watched(model, *, box_gradient=False):
    """A copy of a network that says what the network says in eval mode, and keeps every cache.

    MaskRCNN on the host  ->  MaskRCNN; with box_gradient its pools return (dpyramid, drois), as in exact_joint.py
    """
    twin = copy.deepcopy(model).train()
    for _, module in twin.named_modules():
        if isinstance(module, BatchNorm2d):
            module.__class__ = RestingNorm
    for head in twin.roi_heads.heads.values() if box_gradient else ():
        seen = {"levels": head.pool.levels, "lowest": head.pool.lowest}
        head.pool = pooler(head.pool.output_size, head.pool.config, box_gradient=True, **seen)
    for _, module in twin.named_modules():
        if hasattr(module, "frozen_stages"):
            module.frozen_stages = -1  # frozen first layers hand no gradient on to the picture
    return twin
