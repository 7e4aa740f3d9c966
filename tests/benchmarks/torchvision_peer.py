"""torchvision's Mask R-CNN built from this package's configuration: the same layers, widths, anchors and thresholds.

It needs torch and torchvision and is imported only by the comparison. What stays torchvision's own: its initial
weights, its random samples, how it pastes masks, and RoIAlign without the half-pixel shift: MultiScaleRoIAlign has no
switch for `aligned`, so the peer always pools with aligned=False, whatever RoIConfig says.
"""

import contextlib
import copy
import math
from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.optim import swa_utils
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from tinymaskrcnn.errors import ConfigError, NonFiniteError
from tinymaskrcnn.structures import Detections
from tinymaskrcnn.train.schedule import learning_rate

# ---------------------------------------------------------------- the network


class Body(nn.Module):
    """The residual network of models/backbones/resnet.py with the "3x3" stem, from torchvision's blocks."""

    def __init__(self, config):
        super().__init__()
        self.conv1 = nn.Conv2d(config.in_channels, config.stem_width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.stem_width)
        channels = config.stem_width
        for i, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True), start=1):
            setattr(self, f"layer{i}", stage(config.block, channels, width, depth))
            channels = width
        for layer in self.modules():  # as in torchvision's own ResNet
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        features = OrderedDict()
        for i, layer in enumerate((self.layer1, self.layer2, self.layer3, self.layer4)):
            x = layer(x)
            features[str(i)] = x
        return features


def stage(block, channels, width, depth):
    """`depth` residual blocks; the first one halves the resolution and changes the number of channels."""
    kind = {"basic": BasicBlock, "bottleneck": Bottleneck}[block]
    shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride=2, bias=False), nn.BatchNorm2d(width))
    first = kind(channels, width // kind.expansion, stride=2, downsample=shortcut)
    return nn.Sequential(first, *[kind(width, width // kind.expansion) for _ in range(depth - 1)])


class PyramidBackbone(nn.Module):
    """Body, then torchvision's feature pyramid with P6 as every second pixel of P5."""

    def __init__(self, config):
        super().__init__()
        self.body = Body(config)
        self.fpn = FeaturePyramidNetwork(list(config.widths), config.fpn_channels, LastLevelMaxPool())
        self.out_channels = config.fpn_channels

    def forward(self, x):
        return self.fpn(self.body(x))


def build_peer(config, *, image_size):
    """torchvision's Mask R-CNN by ModelConfig, for square pictures of that size (so that it never resizes)."""
    refuse_what_torchvision_cannot(config)
    rpn, roi = config.rpn, config.roi
    channels, levels = config.backbone.fpn_channels, ["0", "1", "2", "3"]

    def pool(size):
        return MultiScaleRoIAlign(
            levels,
            size,
            roi.sampling_ratio or -1,  # 0 is adaptive here, -1 there
            canonical_scale=roi.canonical_size,
            canonical_level=roi.canonical_level,
        )

    return MaskRCNN(
        PyramidBackbone(config.backbone),
        min_size=image_size,
        max_size=image_size,
        image_mean=list(config.image_mean),
        image_std=list(config.image_std),
        rpn_anchor_generator=AnchorGenerator(rpn.anchor_sizes, (rpn.anchor_ratios,) * len(rpn.anchor_sizes)),
        rpn_pre_nms_top_n_train=rpn.pre_nms_top_n[0],
        rpn_pre_nms_top_n_test=rpn.pre_nms_top_n[1],
        rpn_post_nms_top_n_train=rpn.post_nms_top_n[0],
        rpn_post_nms_top_n_test=rpn.post_nms_top_n[1],
        rpn_nms_thresh=rpn.nms_iou,
        rpn_fg_iou_thresh=rpn.positive_iou,
        rpn_bg_iou_thresh=rpn.negative_iou,
        rpn_batch_size_per_image=rpn.samples_per_image,
        rpn_positive_fraction=rpn.positive_fraction,
        box_roi_pool=pool(roi.box_size),
        box_head=TwoMLPHead(channels * roi.box_size**2, roi.head_width),
        box_predictor=FastRCNNPredictor(roi.head_width, config.num_classes),
        box_score_thresh=roi.score_threshold,
        box_nms_thresh=roi.nms_iou,
        box_detections_per_img=roi.detections_per_image,
        box_fg_iou_thresh=roi.positive_iou,
        box_bg_iou_thresh=roi.positive_iou,
        box_batch_size_per_image=roi.samples_per_image,
        box_positive_fraction=roi.positive_fraction,
        bbox_reg_weights=roi.delta_weights,
        mask_roi_pool=pool(roi.mask_size),
        mask_head=MaskRCNNHeads(channels, roi.mask_widths, 1),
        mask_predictor=MaskRCNNPredictor(roi.mask_widths[-1], roi.mask_deconv_width, config.num_classes),
        _skip_resize=True,  # in training; at inference it "resizes" to the same size
    )


def refuse_what_torchvision_cannot(config):
    """Raise ConfigError, naming the settings, when torchvision has no such switch or Body does not build it."""
    needed = {
        "backbone.stem": (config.backbone.stem, "3x3"),
        "backbone.norm": (config.backbone.norm, "batch"),
        "rpn.objectness": (config.rpn.objectness, "sigmoid"),
        "rpn.ignore_border_anchors": (config.rpn.ignore_border_anchors, False),
        "rpn.min_size": (config.rpn.min_size, 1e-3),
        "rpn.beta": (config.rpn.beta, 1 / 9),
        "roi.min_size": (config.roi.min_size, 1e-2),
        "roi.beta": (config.roi.beta, 1 / 9),
    }
    wrong = [f"{name} must be {wanted!r}; got {given!r}" for name, (given, wanted) in needed.items() if given != wanted]
    if wrong:
        raise ConfigError(f"the comparison with torchvision cannot be made: {'; '.join(wrong)}")


TO_OURS = {"conv": (2, 3, 1, 0), "transposed": (2, 3, 0, 1), "linear": (1, 0), "vector": (0,)}
FROM_OURS = {"conv": (3, 2, 0, 1), "transposed": (2, 3, 0, 1), "linear": (1, 0), "vector": (0,)}


def kind(name, array):
    """What an array is the weight of, which decides the order of its axes."""
    if array.ndim == 4:
        return "transposed" if name.endswith("conv5_mask.weight") else "conv"
    return "linear" if array.ndim == 2 else "vector"


def shapes_in_our_layout(peer):
    """The shape of every parameter by name, with the axes in this package's order."""
    return {name: tuple(p.shape[axis] for axis in TO_OURS[kind(name, p)]) for name, p in peer.named_parameters()}


def load_our_weights(peer, arrays):
    """Copy a state_dict of this package's Mask R-CNN into the peer: both then compute the same function of a picture.

    Names agree. Channels stood last and now stand first; fc6, too, sees crops (C, S, S) that were (S, S, C).
    """
    turned = {}
    for name, array in arrays.items():
        if name.endswith("fc6.weight"):
            channels = peer.backbone.out_channels
            side = math.isqrt(array.shape[0] // channels)
            array = array.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(array.shape)
        turned[name] = torch.from_numpy(np.ascontiguousarray(array.transpose(FROM_OURS[kind(name, array)])))
    counters = {name: value for name, value in peer.state_dict().items() if name.endswith("num_batches_tracked")}
    peer.load_state_dict(turned | counters)  # strict: no name is missing, none is left over


def in_our_layout(peer):
    """The peer's weights and statistics as a state_dict of this package: what `load_our_weights` turns, turned back."""
    turned = {}
    for name, tensor in peer.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        array = tensor.numpy(force=True).transpose(TO_OURS[kind(name, tensor)])
        if name.endswith("fc6.weight"):
            channels = peer.backbone.out_channels
            side = math.isqrt(array.shape[0] // channels)
            array = array.reshape(channels, side, side, -1).transpose(1, 2, 0, 3).reshape(array.shape)
        turned[name] = np.ascontiguousarray(array)
    return turned


# ---------------------------------------------------------------- the contestant


class Torchvision:
    """The peer and its optimizer, trained by the rules of TrainConfig.

    torch.optim.SGD with momentum is the formula of train/optimizer.py; weights decay, biases and norms do not.
    """

    name = "torchvision"

    def __init__(self, config, *, start=None, channels_last=False, compiled=False, device="cpu"):
        torch.manual_seed(config.train.seed)
        self.config = config
        self.model = build_peer(config.model, image_size=config.scenes.image_size)
        if start is not None:
            load_our_weights(self.model, start)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.device = torch.device(device)
        self.model = self.model.to(self.device, memory_format=self.layout).train()
        if compiled:
            compile_parts(self.model)
        weights = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": config.train.weight_decay}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.SGD(groups, lr=config.train.learning_rate, momentum=config.train.momentum)
        self.average = averaging(self.model, config.train.average) if config.train.average else None
        self.steps_done = 0

    def begin(self, start, steps):
        """Go back to such weights, which `steps` updates have made, and forget what the optimizer knew."""
        load_our_weights(self.model, start)
        self.optimizer.state.clear()
        self.steps_done = steps

    def shapes(self):
        return shapes_in_our_layout(self.model)

    def step(self, batch):
        """One update from an ImageBatch; returns the sum of the five losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.steps_done, self.config.train)
        losses = self.model(*to_torch(batch, self.device))
        loss = sum(losses.values())
        self.optimizer.zero_grad()
        loss.backward()
        if self.config.train.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip_norm)
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteError(f"torchvision: the loss of step {self.steps_done + 1} is {value}")
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.model)
        self.steps_done += 1
        return value

    def eval(self):
        self.model.eval()

    def train(self):
        self.model.train()

    @contextlib.contextmanager
    def averaged(self):
        """Inside, the model has the mean of its weights (train.average)."""
        own = copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(self.average.module.state_dict())
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    @torch.inference_mode()
    def detect(self, images):
        """Find objects in a list of (H, W, C) pictures; one Detections per picture."""
        found = self.model([picture(image).to(self.device) for image in images])
        threshold = self.config.model.roi.mask_threshold
        return [
            Detections(
                boxes=one["boxes"].numpy(force=True),
                labels=one["labels"].numpy(force=True),
                scores=one["scores"].numpy(force=True),
                masks=(one["masks"][:, 0] >= threshold).numpy(force=True),
            )
            for one in found
        ]


def averaging(model, decay):
    """torch's own running mean of all weights and statistics, with the shares of train/average.py."""

    def mean(mean, value, updates):
        return mean + (value - mean) * max(1 - decay, 1 / (updates + 1))

    return swa_utils.AveragedModel(model, avg_fn=mean, use_buffers=True)


def compile_parts(model):
    """torch.compile, in place, for what has no loop of Python's: backbone, the RPN's head, and the heads.

    These see another number of RoIs each time. What lies between them would be compiled anew for each number of boxes.
    """
    model.backbone.compile()
    model.rpn.head.compile()
    heads = model.roi_heads
    for part in (heads.box_head, heads.box_predictor, heads.mask_head, heads.mask_predictor):
        part.compile(dynamic=True)


def picture(image):
    """(H, W, C) array  ->  (C, H, W) tensor"""
    return torch.from_numpy(image).permute(2, 0, 1)


def to_torch(batch, device="cpu"):
    """An ImageBatch as torchvision's list of pictures and list of targets, without padding; the CPU shares the pixels.

    Whole arrays move to a GPU, and are cut there: a few copies for each batch, not several for each picture.
    """
    images, boxes, labels, masks = (
        torch.from_numpy(array).to(device)
        for array in (batch.images, batch.targets.boxes, batch.targets.labels, batch.targets.masks)
    )
    pictures, targets = [], []
    for n, (height, width) in enumerate(batch.sizes.tolist()):
        count = int(batch.targets.valid[n].sum())  # padding comes last
        pictures.append(images[n, :height, :width].permute(2, 0, 1))
        one = {"boxes": boxes[n, :count], "labels": labels[n, :count], "masks": masks[n, :count, :height, :width]}
        targets.append(one)
    return pictures, targets
