"""The mask head: from a crop of features to a small picture of the object (Mask R-CNN, figure 4 right)."""

from ...backend import array_module
from ...nn.containers import Sequential
from ...nn.init import lecun_uniform
from ...nn.layers import Conv2d, ConvTranspose2d
from ...nn.module import Module
from ...ops import losses, mask_logits
from ..blocks import conv_blocks


def mask_head(channels, widths, *, norm="", rng):
    """3x3 convolutions with ReLU, one per width: crops (Q, S, S, C)  ->  (Q, S, S, widths[-1])."""
    return Sequential(*conv_blocks(channels, widths, norm=norm, rng=rng))


class MaskPredictor(Module):
    """Upscale by two, then one mask per class; only the mask of the asked class is computed.

    x (Q, S, S, C), channel (Q,) int  ->  logits (Q, 2S, 2S)

    Masks and classes are decoupled: every class has its own sigmoid mask and the box head says which one counts. The
    loss looks at one channel only, so the others need not exist: exact, and num_classes times cheaper.
    """

    def __init__(self, channels, width, num_classes, *, rng):
        self.conv5_mask = ConvTranspose2d(channels, width, 2, stride=2, rng=rng)
        self.mask_fcn_logits = Conv2d(width, num_classes, 1, rng=rng, init=lecun_uniform)

    def forward(self, x, *, channel):
        deconv, last = self.conv5_mask, self.mask_fcn_logits
        logits, cache = mask_logits.mask_logits_forward(
            x, deconv.weight.value, deconv.bias.value, last.weight.value, last.bias.value, channel=channel
        )
        return logits, self.keep(cache)

    def backward(self, dlogits, cache):
        deconv, last = self.conv5_mask, self.mask_fcn_logits
        dx, *gradients = mask_logits.mask_logits_backward(dlogits, cache)
        for parameter, gradient in zip((deconv.weight, deconv.bias, last.weight, last.bias), gradients):
            parameter.grad += gradient
        return dx


def mask_loss_forward(logits, *, targets, weight):
    """Mean binary cross-entropy over the pixels of the positive RoIs (Mask R-CNN, section 3).

    logits (Q, 2S, 2S), targets (Q, 2S, 2S) in 0..1, weight (Q,)  ->  {"mask"}
    """
    xp = array_module(logits)
    pixels = xp.maximum(weight.sum(), 1) * (logits.shape[1] * logits.shape[2])
    loss, cache = losses.sigmoid_cross_entropy_forward(logits, targets=targets, weight=weight, normalizer=pixels)
    return {"mask": loss}, cache


def mask_loss_backward(dlosses, cache):
    """Mirror of mask_loss_forward: dlogits (Q, 2S, 2S)."""
    return losses.sigmoid_cross_entropy_backward(dlosses["mask"], cache)
