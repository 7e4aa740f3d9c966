"""The keypoint head: one heatmap per type of keypoint, whose largest value is the place (Mask R-CNN, section 5)."""

from ...backend import array_module, to_host
from ...errors import ArgumentError
from ...nn.layers import Conv2d, ConvTranspose2d, ReLU
from ...nn.module import Module, Sequential
from ...ops import bilinear, losses
from ...targets.keypoint import keypoint_targets
from ..poolers import pooler
from ..roi_heads import Head
from ..transform import resize_keypoints


def keypoint_body(channels, widths, *, rng):
    """3x3 convolutions with ReLU, one per width: crops (Q, S, S, C)  ->  (Q, S, S, widths[-1])."""
    layers = []
    for width in widths:
        layers += [Conv2d(channels, width, 3, padding=1, rng=rng), ReLU()]
        channels = width
    return Sequential(*layers)  # flat, unlike the mask head's: so are torchvision's names


class KeypointPredictor(Module):
    """A transposed convolution, then bilinear upscaling: one heatmap per keypoint, four times as fine as the crop.

    x (Q, S, S, C)  ->  heatmaps (Q, 4S, 4S, J)
    """

    def __init__(self, channels, num_keypoints, *, rng):
        self.kps_score_lowres = ConvTranspose2d(channels, num_keypoints, 4, stride=2, padding=1, rng=rng)

    def forward(self, x):
        h, c_deconv = self.kps_score_lowres.forward(x)
        heatmaps, c_resize = bilinear.resize_bilinear_forward(h, size=(2 * h.shape[1], 2 * h.shape[2]))
        return heatmaps, self.keep((c_deconv, c_resize))

    def backward(self, dheatmaps, cache):
        c_deconv, c_resize = cache
        dh = bilinear.resize_bilinear_backward(dheatmaps, c_resize)
        return self.kps_score_lowres.backward(dh, c_deconv)


class KeypointHead(Head):
    """One heatmap per type of keypoint for every RoI on an object.

    pyramid [(N, H, W, C)] * L, rois (Q, 4), image_index (Q,)  ->  heatmaps (Q, 4S, 4S, J)
    """

    name = "keypoint"

    def __init__(self, channels, num_classes, config, *, rng):
        body = keypoint_body(channels, config.keypoint_widths, rng=rng)
        predictor = KeypointPredictor(config.keypoint_widths[-1], config.num_keypoints, rng=rng)
        super().__init__(pooler(config.keypoint_size, config), body, predictor)
        self.config = config

    def answers(self, seen, targets, *, sizes):
        """KeypointTargets: the cell of the heatmap that each keypoint lies in."""
        points, expected = targets.keypoints, self.config.num_keypoints
        if points is None:
            raise ArgumentError("MaskRCNN.forward: the model has a keypoint head, and the targets have no keypoints")
        if points.shape[2] != expected:
            raise ArgumentError(
                f"MaskRCNN.forward: the targets must have {expected} keypoints each, roi.num_keypoints; "
                f"got {points.shape[2]}"
            )
        size = 4 * self.config.keypoint_size
        return keypoint_targets(points, seen.rois, seen.matched, size=size, weight=seen.weight)

    def loss_forward(self, heatmaps, *, seen=None, answers):
        """Cross-entropy over all places of a heatmap, the mean over the keypoints that count.

        heatmaps (Q, S, S, J), answers with position (Q, J) and weight (Q, J)  ->  {"keypoint"}

        A keypoint is in one place only: a softmax over the S * S places, where masks have a sigmoid for each.
        """
        q, rows, columns, j = heatmaps.shape
        logits = heatmaps.transpose(0, 3, 1, 2).reshape(q * j, rows * columns)
        position, weight = answers.position.reshape(q * j), answers.weight.reshape(q * j)
        loss, cache = losses.softmax_cross_entropy_forward(logits, labels=position, weight=weight)
        return {"keypoint": loss}, (heatmaps.shape, cache)

    def loss_backward(self, dlosses, cache):
        """Mirror of loss_forward: dheatmaps (Q, S, S, J)."""
        (q, rows, columns, j), c_loss = cache
        dlogits = losses.softmax_cross_entropy_backward(dlosses["keypoint"], c_loss)
        return dlogits.reshape(q, j, rows, columns).transpose(0, 2, 3, 1)

    def report(self, found, *, old, new, paste):
        keypoints = decode_keypoints(found.said["keypoint"], found.boxes)
        return {"keypoints": resize_keypoints(keypoints, old=old, new=new)}


# ---------------------------------------------------------------- from heatmaps to places


def decode_keypoints(heatmaps, rois):
    """The place of each heatmap's largest value, once the heatmap is as large as its RoI.

    heatmaps (K, S, S, J), rois (K, 4)  ->  keypoints (K, J, 3) as x, y in pixels, score (the value there)

    Enlarged bicubically to whole pixels, as in torchvision: the maximum may lie between the cells of the heatmap.
    """
    xp = array_module(heatmaps)
    k, _, _, j = heatmaps.shape
    found = xp.zeros((k, j, 3), heatmaps.dtype)
    sides = xp.maximum(rois[:, 2:] - rois[:, :2], 1)  # (K, 2) width, height
    whole = to_host(xp.ceil(sides)).astype(int).tolist()
    for i, (width, height) in enumerate(whole):  # every RoI has its own size
        place, score = _largest(heatmaps[i], width, height)  # (J, 2), (J,)
        found[i, :, :2] = (place + 0.5) * (sides[i] / xp.asarray([width, height], rois.dtype)) + rois[i, :2]
        found[i, :, 2] = score
    return found


def _largest(heatmap, width, height):
    """heatmap (S, S, J) enlarged to (height, width, J)  ->  column and row of each maximum (J, 2), its value (J,)."""
    xp = array_module(heatmap)
    s_rows, s_columns, j = heatmap.shape
    rows = _bicubic_weights(xp, height, s_rows, heatmap.dtype)
    columns = _bicubic_weights(xp, width, s_columns, heatmap.dtype)
    high = (rows @ heatmap.reshape(s_rows, s_columns * j)).reshape(height, s_columns, j)
    large = high.transpose(2, 0, 1) @ columns.T  # (J, height, width)
    large = large.reshape(j, height * width)
    best = large.argmax(axis=1)
    return xp.stack([best % width, best // width], axis=1), large.max(axis=1)


def _bicubic_weights(xp, outputs, inputs, dtype, a=-0.75):
    """How much each output takes from each input, (outputs, inputs): the cubic of Keys 1981, a = -0.75 as in torch."""
    source = (xp.arange(outputs, dtype=dtype) + dtype.type(0.5)) * dtype.type(inputs / outputs) - dtype.type(0.5)
    low = xp.floor(source)
    pixel = xp.arange(inputs)
    weights = xp.zeros((outputs, inputs), dtype)
    for tap in (-1, 0, 1, 2):
        distance = xp.abs(low + tap - source)
        near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weight = xp.where(distance <= 1, near, far).astype(dtype)
        place = xp.clip(low + tap, 0, inputs - 1)  # beyond the border the border goes on
        weights += xp.where(place[:, None] == pixel, weight[:, None], 0)
    return weights
