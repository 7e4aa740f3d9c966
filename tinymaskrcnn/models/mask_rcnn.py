"""Mask R-CNN (He et al. 2017): find, name and cut out every object, trained jointly.

With the box head alone it is Faster R-CNN; with a keypoint head, Keypoint R-CNN.
"""

from dataclasses import dataclass
from typing import Any

from ..backend import array_module, constant, has_kernel, move_like, to_host
from ..errors import ArgumentError, ShapeError
from ..nn.module import Module, sum_grads
from ..targets.roi import RoISamples
from .postprocess import paste_masks, pasted_there


@dataclass(frozen=True)
class Samples:
    """Everything that a training step decided without a gradient.

    rpn: which anchors the RPN learns from and what they should say, RPNTargets; rois: the RoIs that the heads learn
    from; answers {head: what it should say about them}.
    """

    rpn: Any
    rois: RoISamples
    answers: dict


class Normalize(Module):
    """(image - mean) / std per channel, and zeros where an image was padded to the size of its batch."""

    def __init__(self, mean, std):
        self.mean, self.std = tuple(mean), tuple(std)

    @has_kernel
    def forward(self, images, *, sizes):
        """images (N, H, W, C), sizes (N, 2) before padding  ->  y (N, H, W, C)"""
        xp = array_module(images)
        mean, std = (constant(values, images) for values in (self.mean, self.std))
        rows = xp.arange(images.shape[1]) < sizes[:, 0:1]  # (N, H): True inside the picture
        columns = xp.arange(images.shape[2]) < sizes[:, 1:2]  # (N, W)
        rows, columns = rows[:, :, None, None], columns[:, None, :, None] / std  # 1 / std inside, 0 outside
        return (images - mean) * columns * rows, self.keep((columns, rows))

    @has_kernel
    def backward(self, dy, cache):
        if dy is None:  # the first layers are frozen
            return None
        columns, rows = cache
        return dy * columns * rows


class MaskRCNN(Module):
    """A backbone with a pyramid, a proposer of regions (the RPN), and heads that look at what it proposes.

    Training: `forward(images, targets=, rng=) -> (losses, cache)` and `backward(dlosses, cache)`.
    Inference: `detect(images) -> [Detections]`.

    A proposer is a Module that says something about a pyramid (`said`, a tuple) and makes proposals of it:

        forward(pyramid) -> said, cache                            backward(dsaid, cache) -> dpyramid, or None
        sample(pyramid, targets, image_size=, rng=) -> targets, what it should have said (None: it does not learn)
        loss_forward(*said, targets=) -> losses, cache             loss_backward(dlosses, cache) -> dsaid
        propose(pyramid, *said, image_size=, sizes=) -> proposals (N, P, 4), valid (N, P): data, no gradient

    What else `forward` and `detect` are given by name is for its forward: proposals that come with a batch.
    """

    def __init__(self, backbone, proposer, roi_heads, config):
        self.normalize = Normalize(config.image_mean, config.image_std)
        self.backbone = backbone
        self.rpn = proposer
        self.roi_heads = roi_heads
        self.config = config

    def forward(self, images, *, targets, sizes=None, rng=None, samples=None, **given):
        """The losses of joint training, as 0-d arrays.

        images (N, H, W, C) in 0..1, a TargetBatch, sizes (N, 2) before padding
        ->  {"rpn_objectness", "rpn_box", "box_class", "box_delta"} and, with their heads, "mask" and "keypoint"

        The random samples are drawn with rng, or given as `samples` (for gradient checks and comparisons).
        """
        sizes = self._sizes(images, sizes)
        x, c_normalize = self.normalize.forward(images, sizes=sizes)
        pyramid, c_backbone = self.backbone.forward(x)
        said, c_rpn = self.rpn.forward(pyramid, **given)
        if samples is None:
            samples = self.choose_samples(pyramid, said, targets, image_size=images.shape[1:3], sizes=sizes, rng=rng)
        rpn_losses, c_rpn_loss = self.rpn.loss_forward(*said, targets=samples.rpn)
        roi_losses, c_roi = self.roi_heads.forward(pyramid, samples=samples.rois, answers=samples.answers)
        return {**rpn_losses, **roi_losses}, self.keep((c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi))

    def backward(self, dlosses, cache):
        """Mirror of forward: adds into every parameter's gradient, returns dimages (N, H, W, C), None when frozen.

        The proposals that the heads were trained on came from the RPN, and no gradient flows back through them: the
        line that would carry it is absent here. That is approximate joint training (Faster R-CNN, section 3.2).
        """
        c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi = cache
        dpyramid = sum_grads(
            self.roi_heads.backward(dlosses, c_roi),
            self.rpn.backward(self.rpn.loss_backward(dlosses, c_rpn_loss), c_rpn),
        )
        dx = self.backbone.backward(dpyramid, c_backbone)
        return self.normalize.backward(dx, c_normalize)

    @has_kernel
    def choose_samples(self, pyramid, said, targets, *, image_size, sizes, rng):
        """Decide, without gradients, what this step learns from: sampled anchors, sampled RoIs and their answers."""
        if rng is None:
            raise ArgumentError("MaskRCNN.forward: rng must be a numpy.random.Generator (or give samples=)")
        rpn = self.rpn.sample(pyramid, targets, image_size=image_size, rng=rng)
        proposals, valid = self.rpn.propose(pyramid, *said, image_size=image_size, sizes=sizes)
        return Samples(rpn, *self.roi_heads.choose_samples(proposals, valid, targets, sizes=sizes, rng=rng))

    def detect(self, images, *, sizes=None, original_sizes=None, paste=paste_masks, **given):
        """Find the objects of every image.

        images (N, H, W, C) in 0..1, sizes (N, 2) before padding, original_sizes (N, 2) before resizing
        ->  a list of N Detections on the host, in pixels of the original size (of the true size when none is given)
        paste makes the masks of an image, and may keep them smaller than paste_masks does.
        """
        if self.training:
            raise ArgumentError("MaskRCNN.detect: call model.eval() first, so that nothing is kept and statistics rest")
        true_sizes = [images.shape[1:3]] * len(images) if sizes is None else to_host(sizes).tolist()
        sizes = self._sizes(images, sizes)
        x, _ = self.normalize.forward(images, sizes=sizes)
        pyramid, said = self.look(x, **given)
        proposals, valid = self.rpn.propose(pyramid, *said, image_size=images.shape[1:3], sizes=sizes)
        found = self.roi_heads.detect(pyramid, proposals, valid, sizes=sizes)
        originals = true_sizes if original_sizes is None else to_host(original_sizes).tolist()
        found, paste = pasted_there(found, paste, old=true_sizes, new=originals, config=self.roi_heads.config)
        found, both = found.to_host(), enumerate(zip(true_sizes, originals, strict=True))  # the one wait for a device
        return [self.roi_heads.report(found.of_image(n), old=old, new=new, paste=paste) for n, (old, new) in both]

    @has_kernel
    def look(self, x, **given):
        """What detection asks of the network before there are RoIs: the pyramid, and what the proposer says of it."""
        pyramid, _ = self.backbone.forward(x)
        return pyramid, self.rpn.forward(pyramid, **given)[0]

    def _sizes(self, images, sizes):
        """True sizes (N, 2) where the images live; all the full size when none are given."""
        channels = self.config.backbone.in_channels
        if images.ndim != 4 or images.shape[3] != channels:
            raise ShapeError(f"MaskRCNN: images must be (N, H, W, C) with C = {channels}; got {tuple(images.shape)}")
        if images.shape[1] % 32 or images.shape[2] % 32:
            raise ArgumentError(f"MaskRCNN: image sides must be multiples of 32 (see collate); got {images.shape[1:3]}")
        if sizes is None:
            return array_module(images).asarray([images.shape[1:3]] * len(images)).reshape(-1, 2)
        return move_like(sizes, images)
