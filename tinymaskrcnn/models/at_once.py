"""What a training step decides and prepares without a gradient, two things at once: twins of texts on the threads."""

import functools

import numpy as np

from ..kernel_lookup import register_kernel
from ..kernels.threads import even_pieces, run, spans
from ..targets.roi import mask_targets
from .mask_rcnn import Samples

JOB = 1 << 20  # pixels of masks that are worth a job


def _takes_samples(model, *args, rng, **place):
    """Nobody watches the parts; what an rng is missing for, the text says."""
    return rng is not None and not {"sample", "propose"} & vars(model.rpn).keys()


@register_kernel("MaskRCNN.choose_samples", applies=_takes_samples)
def choose_samples(model, pyramid, said, targets, *, image_size, sizes, rng):
    """Fast twin of MaskRCNN.choose_samples: what the RPN should have said, and what it proposes, at once."""
    place = {"image_size": image_size}
    rpn, (proposals, valid) = run(
        [
            lambda: model.rpn.sample(pyramid, targets, **place, rng=rng),
            lambda: model.rpn.propose(pyramid, *said, **place, sizes=sizes),
        ]
    )
    return Samples(rpn, *model.roi_heads.choose_samples(proposals, valid, targets, sizes=sizes, rng=rng))


@register_kernel("mask_targets")
def seen_through_rois(masks, rois, matched, **settings):
    """Fast twin of targets.roi.mask_targets: some RoIs on each thread."""
    pieces = spans(len(rois), even_pieces(len(rois) * masks.shape[2] * masks.shape[3], JOB))
    jobs = [functools.partial(mask_targets.readable, masks, rois[some], matched[some], **settings) for some in pieces]
    return np.concatenate(run(jobs))
