"""Other mask heads, to see what the one of the paper is worth (Mask R-CNN, tables 2b and 2e and section 4.2)."""

from ...backend import array_module
from ...nn.init import lecun_uniform
from ...nn.layers import Conv2d, ConvTranspose2d, Flatten, Linear, ReLU
from ...nn.module import Module, Sequential
from ...ops import activation, losses
from ..poolers import pooler
from ..roi_heads import Head
from .mask import MaskHead, mask_body


class AgnosticMaskHead(MaskHead):
    """One mask, whatever the class: the box head alone says what it is the mask of.

    pyramid [(N, H, W, C)] * L, rois (Q, 4), image_index (Q,), channel (Q,) zeros  ->  logits (Q, 2S, 2S)
    """

    def __init__(self, channels, num_classes, config, *, rng):
        super().__init__(channels, 1, config, rng=rng)

    def question(self, labels):
        return {"channel": labels * 0}


# ---------------------------------------------------------------- a softmax across classes


class SoftmaxMaskPredictor(Module):
    """Upscale by two, then a score of every class, background included, for every pixel.

    x (Q, S, S, C)  ->  logits (Q, 2S, 2S, num_classes)
    """

    def __init__(self, channels, width, num_classes, *, rng):
        self.conv5_mask = ConvTranspose2d(channels, width, 2, stride=2, rng=rng)
        self.relu = ReLU()
        self.mask_fcn_logits = Conv2d(width, num_classes, 1, rng=rng, init=lecun_uniform)

    def forward(self, x):
        h, c_deconv = self.conv5_mask.forward(x)
        h, c_relu = self.relu.forward(h)
        logits, c_logits = self.mask_fcn_logits.forward(h)
        return logits, self.keep((c_deconv, c_relu, c_logits))

    def backward(self, dlogits, cache):
        c_deconv, c_relu, c_logits = cache
        dh = self.mask_fcn_logits.backward(dlogits, c_logits)
        return self.conv5_mask.backward(self.relu.backward(dh, c_relu), c_deconv)


class SoftmaxMaskHead(MaskHead):
    """Every pixel belongs to one class or to background, as in semantic segmentation: here classes compete for pixels.

    pyramid [(N, H, W, C)] * L, rois (Q, 4), image_index (Q,)  ->  logits (Q, 2S, 2S, num_classes)
    """

    def __init__(self, channels, num_classes, config, *, rng):
        body = mask_body(channels, config.mask_widths, norm=config.mask_norm, rng=rng)
        predictor = SoftmaxMaskPredictor(config.mask_widths[-1], config.mask_deconv_width, num_classes, rng=rng)
        Head.__init__(self, pooler(config.mask_size, config), body, predictor)
        self.config = config

    def question(self, labels):
        return {}  # what one class says depends on what all say

    def loss_forward(self, logits, *, seen, answers):
        """Mean cross-entropy over the pixels of the positive RoIs: the RoI's class inside its object, else background.

        logits (Q, 2S, 2S, num_classes), answers (Q, 2S, 2S) in 0..1, labels and weight of what is seen (Q,)
        ->  {"mask"}
        """
        xp = array_module(logits)
        q, rows, columns, classes = logits.shape
        labels = xp.where(answers >= 0.5, seen.labels[:, None, None], 0).reshape(-1)
        weight = xp.broadcast_to(seen.weight[:, None, None], answers.shape).reshape(-1)
        pixels = losses.total_weight(seen.weight) * (rows * columns)
        flat = logits.reshape(q * rows * columns, classes)
        loss, cache = losses.softmax_cross_entropy_forward(flat, labels=labels, weight=weight, normalizer=pixels)
        return {"mask": loss}, (logits.shape, cache)

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dlogits (Q, 2S, 2S, num_classes)."""
        shape, c_loss = cache
        return losses.softmax_cross_entropy_backward(dlosses["mask"], c_loss).reshape(shape)

    def detect(self, pyramid, found, *, sizes):
        rows = found.rows_in_use()
        rois, labels = found.boxes.reshape(-1, 4)[rows], found.labels.reshape(-1)[rows]
        logits, _ = self.forward(pyramid, rois=rois, image_index=found.image_index()[rows])
        probabilities, _ = activation.softmax_forward(logits)
        own = array_module(logits).take_along_axis(probabilities, labels[:, None, None, None], axis=3)
        return found.and_said(self.name, own[..., 0], rows)


# ---------------------------------------------------------------- fully connected


class FlatMaskPredictor(Module):
    """One linear layer from what is known of a crop to all pixels of all masks; that of the asked class is handed on.

    h (Q, width), channel (Q,) int  ->  logits (Q, side, side)
    """

    def __init__(self, width, side, num_classes, *, rng):
        self.mask_fcn_logits = Linear(width, num_classes * side * side, rng=rng, init=lecun_uniform)
        self.shape, self.numbers = (num_classes, side, side), num_classes * side * side

    def forward(self, h, *, channel):
        y, c_linear = self.mask_fcn_logits.forward(h)
        wanted = channel[:, None] == array_module(h).arange(self.shape[0])  # (Q, num_classes)
        wanted = wanted[:, :, None, None].astype(y.dtype)
        return (y.reshape(len(h), *self.shape) * wanted).sum(axis=1), self.keep((c_linear, wanted))

    def backward(self, dlogits, cache):
        c_linear, wanted = cache
        dy = (dlogits[:, None] * wanted).reshape(len(dlogits), self.numbers)
        return self.mask_fcn_logits.backward(dy, c_linear)


class FlatMaskHead(MaskHead):
    """Fully connected layers instead of convolutions: no pixel of the mask knows any more where it came from.

    pyramid [(N, H, W, C)] * L, rois (Q, 4), image_index (Q,), channel (Q,)  ->  logits (Q, 2S, 2S)

    mask_widths are those of the hidden layers; the paper's two have 1024 each.
    """

    def __init__(self, channels, num_classes, config, *, rng):
        layers, inputs = [Flatten()], config.mask_size**2 * channels
        for width in config.mask_widths:
            layers += [Linear(inputs, width, rng=rng), ReLU()]
            inputs = width
        predictor = FlatMaskPredictor(inputs, 2 * config.mask_size, num_classes, rng=rng)
        Head.__init__(self, pooler(config.mask_size, config), Sequential(*layers), predictor)
        self.config = config


MASK_HEADS = {
    "per_class": MaskHead,
    "agnostic": AgnosticMaskHead,
    "softmax": SoftmaxMaskHead,
    "fc": FlatMaskHead,
}
