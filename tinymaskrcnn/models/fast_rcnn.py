"""Fast R-CNN (Girshick 2015): one pass of the network over the picture, and one look at every proposal in it.

R-CNN sent each proposal through the network on its own; here all of them are cut from the features of one pass, and
class and box are learned together by one loss. Where to look is still found outside, from pixels alone
(data/proposals/). What is new beside its heirs: a proposer that hands on what came with the batch, and background that
has to overlap an object a little, so that it is worth learning from.
"""

from ..backend import array_module
from ..errors import ArgumentError, ShapeError
from ..nn.module import Module
from ..ops import boxes

SETTINGS = {
    "model.heads": ("box",),
    "model.roi.pooling": "pool",  # whole pixels, as Mask R-CNN will mind
    "model.roi.negative_low": 0.1,  # section 2.3; Faster R-CNN goes back to 0, because its proposals are few
    "train.train_scenes": 1000,  # as if photographed: their proposals are found once
}


class GivenProposals(Module):
    """The proposer of Fast R-CNN: boxes that come with the batch. It has no parameters, no losses and no gradient."""

    def forward(self, pyramid, *, proposals=None, proposals_valid=None):
        """The two, in the type of the features.

        pyramid [(N, H, W, C)] * L, proposals (N, P, 4) in pixels, proposals_valid (N, P) bool
        """
        if proposals is None:
            raise ArgumentError("GivenProposals: a model without an RPN needs proposals (N, P, 4); got none")
        if proposals.ndim != 3 or proposals.shape[::2] != (len(pyramid[0]), 4):
            wanted = f"(N, P, 4) with N = {len(pyramid[0])} as many as images"
            raise ShapeError(f"GivenProposals: proposals must be {wanted}; got {tuple(proposals.shape)}")
        if proposals_valid is None:
            proposals_valid = array_module(proposals).ones(proposals.shape[:2], bool)
        return (proposals.astype(pyramid[0].dtype), proposals_valid), None

    def backward(self, dsaid, cache):
        """Nothing that the network computed has a part in them."""
        return None

    def sample(self, pyramid, targets, *, image_size, rng):
        return None

    def loss_forward(self, proposals, valid, *, targets):
        return {}, None

    def loss_backward(self, dlosses, cache):
        return None

    def propose(self, pyramid, proposals, valid, *, image_size, sizes):
        """The same, clipped to the picture: proposals (N, P, 4), valid (N, P), sizes (N, 2)"""
        height, width = sizes[:, 0:1].astype(proposals.dtype), sizes[:, 1:2].astype(proposals.dtype)
        return boxes.clip(proposals, height=height, width=width), valid
