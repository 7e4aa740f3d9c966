"""The mask head at rest, looking at few small crops: its body and predictor as one plan for C, as in at_rest.py.

It sees as many RoIs as were found, and plays that part of a plan. (The box head is bound by reading one large weight,
which a plan does not make shorter.)
"""

import weakref

import numpy as np

from ..kernel_lookup import register_kernel
from ..kernels.c.library import ON_THE_LANE
from ..kernels.c.plan import Plan
from ..kernels.common import is_float32
from ..nn.layers import Conv2d, ConvTranspose2d
from .at_rest import NotPlain, Planned, planned
from .heads.mask import MaskPredictor

MOST = 1 << 19  # numbers of all crops: where there are more, jobs are long, and a plan would hold much memory
FEW = 16  # a plan is for so many RoIs, or two, or three times as many

_plans = weakref.WeakKeyDictionary()  # head -> {(lane, shape of crops): Answering, or None where it was seen once}


def _takes(head, pyramid, *, rois, image_index, **question):
    return type(head.predictor) is MaskPredictor and not head.training and len(rois) > 0 and is_float32(*pyramid)


@register_kernel("Head.forward", module=ON_THE_LANE, applies=_takes)
def answer_by_plan(head, pyramid, *, rois, image_index, channel):
    """Fast twin of Head.forward, of a head with a MaskPredictor."""
    crops, _ = head.pool.forward(pyramid, rois=rois, image_index=image_index)
    answering = _answering(head, crops.shape) if crops.size <= MOST and is_float32(crops) else None
    asked = answering and answering.plan and _asked(head.predictor.mask_fcn_logits, channel, len(crops))
    said = None if asked is None else answering.play(np.ascontiguousarray(crops), asked)
    if said is not None:
        return said[0][..., 0], None
    h, _ = head.body.forward(crops)
    return head.predictor.forward(h, channel=channel)


def _answering(head, shape):
    """The Answering of a head about crops of a shape: the one that is known, unless a part is another one by now."""
    shape = -(-shape[0] // FEW) * FEW, *shape[1:]
    known, ends = _plans.setdefault(head, {}), (head.body, head.predictor)
    return planned(known, shape, lambda *ends: Answering(Plan(shape, apart=True), *ends), *ends)


def _asked(last, channel, count):
    """Of the one channel of each map: what its pixels are multiplied by, and what is added (K, C + 1).

    None where channels do not fit: the text has the message.
    """
    weight, bias = last.weight.value[0, 0], last.bias.value
    if (
        channel.shape != (count,)
        or channel.dtype.kind not in "iu"
        or not 0 <= channel.min() <= channel.max() < len(bias)
    ):
        return None
    return np.concatenate([weight, bias[None]]).T[channel]


class Answering(Planned):
    """The plan of a mask head's body and predictor for crops of a shape."""

    def _walk(self, body, predictor):
        x = self._row([body], self.plan.x)
        self._plain(predictor, MaskPredictor)
        deconv = self._plain(predictor.conv5_mask, ConvTranspose2d)
        last = self._plain(predictor.mask_fcn_logits, Conv2d)
        (K, S, T, C), (width, classes) = x.shape, last.weight.value.shape[2:]
        if deconv.options != {"stride": 2, "padding": 0} or deconv.bias is None or last.bias is None:
            raise NotPlain
        self._require(deconv, (2, 2, C, width))
        self._require(last, (1, 1, width, classes))
        h = self.plan.map((K, 2 * S, 2 * T, width))
        self.plan.enlarge(x, deconv, y=h, rectified=True)
        self.plan.select(self.plan.output((*h.shape[:3], 1)), h)
