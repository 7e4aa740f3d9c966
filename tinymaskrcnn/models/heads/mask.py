"""The mask head: from a crop of features to a small picture of the object (Mask R-CNN, figure 4 right)."""

from ...backend import has_kernel
from ...errors import ArgumentError
from ...nn.init import lecun_uniform
from ...nn.layers import Conv2d, ConvTranspose2d
from ...nn.module import Module, Sequential
from ...ops import activation, conv, losses
from ...targets.roi import mask_targets
from ..blocks import conv_blocks
from ..poolers import pooler
from ..roi_heads import Head
from ..transform import resize_boxes


def mask_body(channels, widths, *, norm="", rng):
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

    @has_kernel
    def forward(self, x, *, channel):
        last = self.mask_fcn_logits
        h, c_deconv = self.conv5_mask.forward(x)  # (Q, 2S, 2S, width)
        h, c_relu = activation.relu_forward(h)
        logits, c_select = conv.select_conv1x1_forward(h, last.weight.value, last.bias.value, channel=channel)
        return logits, self.keep((c_deconv, c_relu, c_select))

    @has_kernel
    def backward(self, dlogits, cache):
        c_deconv, c_relu, c_select = cache
        last = self.mask_fcn_logits
        dh, dweight, dbias = conv.select_conv1x1_backward(dlogits, c_select)
        last.weight.grad += dweight
        last.bias.grad += dbias
        dh = activation.relu_backward(dh, c_relu)
        return self.conv5_mask.backward(dh, c_deconv)


class MaskHead(Head):
    """A small mask for every RoI on an object, of the class that it has.

    pyramid [(N, H, W, C)] * L, rois (Q, 4), image_index (Q,), channel (Q,)  ->  logits (Q, 2S, 2S)
    """

    name = "mask"

    def __init__(self, channels, num_classes, config, *, rng):
        body = mask_body(channels, config.mask_widths, norm=config.mask_norm, rng=rng)
        predictor = MaskPredictor(config.mask_widths[-1], config.mask_deconv_width, num_classes, rng=rng)
        super().__init__(pooler(config.mask_size, config), body, predictor)
        self.config = config

    def question(self, labels):
        return {"channel": labels}

    def answers(self, seen, targets, *, sizes):
        """The masks of the objects, each cut out by its RoI: (Q, 2S, 2S)."""
        if targets.masks is None:
            raise ArgumentError("MaskRCNN.forward: the model has a mask head, and the targets have no masks")
        settings = dict(sizes=sizes, size=2 * self.config.mask_size, aligned=self.config.aligned)
        return mask_targets(targets.masks, seen.rois, seen.matched, **settings)

    def loss_forward(self, logits, *, seen, answers):
        """Mean binary cross-entropy over the pixels of the positive RoIs (Mask R-CNN, section 3).

        logits (Q, 2S, 2S), answers (Q, 2S, 2S) in 0..1, weight of what is seen (Q,)  ->  {"mask"}
        """
        pixels = losses.total_weight(seen.weight) * (logits.shape[1] * logits.shape[2])
        loss, cache = losses.sigmoid_cross_entropy_forward(
            logits, targets=answers, weight=seen.weight, normalizer=pixels
        )
        return {"mask": loss}, cache

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dlogits (Q, 2S, 2S)."""
        return losses.sigmoid_cross_entropy_backward(dlosses["mask"], cache)

    def say(self, logits):
        return activation.sigmoid_forward(logits)[0]  # probabilities

    def report(self, found, *, old, new, paste):
        boxes, config = resize_boxes(found.boxes, old=old, new=new), self.config
        where = {"height": new[0], "width": new[1], "threshold": config.mask_threshold, "mode": config.paste}
        return {"masks": paste(found.said["mask"], boxes, **where)}
