"""torchvision's model by our ModelConfig, and all it computes on the way, as arrays in our layout. Needs torch."""

from collections import OrderedDict
from functools import partial

import numpy as np
import torch
from torch import nn
from torchvision.models import detection
from torchvision.models.detection import faster_rcnn, keypoint_rcnn, mask_rcnn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.roi_heads import maskrcnn_inference
from torchvision.models.detection.rpn import RPNHead, concat_box_prediction_layers
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

torch.set_num_threads(1)

# ---------------------------------------------------------------- the network


class Body(nn.Module):
    """The first stages of a ResNet of any widths, from torchvision's own blocks."""

    def __init__(self, config, stages=(1, 2, 3, 4)):
        super().__init__()
        self.stages = stages
        frozen = partial(FrozenBatchNorm2d, eps=config.norm_eps)
        self.norm = frozen if config.norm == "frozen" else partial(nn.BatchNorm2d, eps=config.norm_eps)
        self.config = config
        self.conv1 = nn.Conv2d(config.in_channels, config.stem_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = self.norm(config.stem_width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i in stages:
            setattr(self, f"layer{i}", self.stage(i))

    def stage(self, i):
        """Stage i, from 1."""
        config, blocks = self.config, []
        channels, width = (config.stem_width, *config.widths)[i - 1 : i + 1]
        for j in range(config.depths[i - 1]):
            blocks.append(self.block(channels, width, 2 if i > 1 and j == 0 else 1))
            channels = width
        return nn.Sequential(*blocks)

    def block(self, channels, width, stride):
        kind = {"basic": BasicBlock, "bottleneck": Bottleneck}[self.config.block]
        shortcut = None
        if stride != 1 or channels != width:
            shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride=stride, bias=False), self.norm(width))
        groups = {"groups": self.config.groups, "base_width": self.config.group_width}
        return kind(channels, width // kind.expansion, stride, shortcut, norm_layer=self.norm, **groups)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        features = OrderedDict()
        for i in self.stages:
            x = features[str(i - 1)] = getattr(self, f"layer{i}")(x)
        return features


class PyramidBackbone(nn.Module):
    def __init__(self, config):
        super().__init__()
        norm = nn.BatchNorm2d if config.fpn_norm else None
        self.body = Body(config)
        self.fpn = FeaturePyramidNetwork(list(config.widths), config.fpn_channels, LastLevelMaxPool(), norm)
        self.out_channels = config.fpn_channels

    def forward(self, x):
        return self.fpn(self.body(x))


class LastMap(nn.Module):
    def forward(self, features):
        return OrderedDict([("0", list(features.values())[-1])])


class C4Backbone(nn.Module):
    """A ResNet without its last stage."""

    def __init__(self, config):
        super().__init__()
        self.body, self.fpn = Body(config, stages=(1, 2, 3)), LastMap()
        self.out_channels = config.widths[2]

    def forward(self, x):
        return self.fpn(self.body(x))


def build(config):
    """An untrained torchvision model with these settings."""
    rpn, roi, one_map = config.rpn, config.roi, config.backbone.has_res5
    backbone = (C4Backbone if one_map else PyramidBackbone)(config.backbone)
    channels = backbone.out_channels
    pool = partial(MultiScaleRoIAlign, ["0"] if one_map else ["0", "1", "2", "3"], sampling_ratio=roi.sampling_ratio)
    pool = partial(pool, canonical_scale=roi.canonical_size, canonical_level=roi.canonical_level)
    options = {
        "min_size": config.resize_shorter,
        "max_size": config.resize_longer,
        "rpn_anchor_generator": AnchorGenerator(rpn.anchor_sizes, (rpn.anchor_ratios,) * len(rpn.anchor_sizes)),
        "rpn_head": RPNHead(channels, len(rpn.anchor_ratios) * len(rpn.anchor_sizes[0]), conv_depth=rpn.conv_depth),
        "rpn_pre_nms_top_n_train": rpn.pre_nms_top_n[0],
        "rpn_pre_nms_top_n_test": rpn.pre_nms_top_n[1],
        "rpn_post_nms_top_n_train": rpn.post_nms_top_n[0],
        "rpn_post_nms_top_n_test": rpn.post_nms_top_n[1],
        "rpn_batch_size_per_image": rpn.samples_per_image,
        "box_batch_size_per_image": roi.samples_per_image,
        "box_roi_pool": pool(roi.box_size),
        "box_head": _res5(config.backbone) if one_map else _box_head(channels, roi),
        "box_predictor": faster_rcnn.FastRCNNPredictor(
            config.backbone.widths[3] if one_map else roi.head_width, config.num_classes
        ),
        "box_score_thresh": roi.score_threshold,
        "box_nms_thresh": roi.nms_iou,
        "box_detections_per_img": roi.detections_per_image,
        "_skip_resize": True,  # in training; in eval mode pictures are resized as at home
    }
    kind = detection.FasterRCNN
    if "mask" in config.heads:
        kind = detection.MaskRCNN
        norm = nn.BatchNorm2d if roi.mask_norm else None
        predictor = mask_rcnn.MaskRCNNPredictor(roi.mask_widths[-1], roi.mask_deconv_width, config.num_classes)
        options |= {"mask_head": mask_rcnn.MaskRCNNHeads(channels, roi.mask_widths, 1, norm_layer=norm)}
        options |= {"mask_roi_pool": pool(roi.mask_size), "mask_predictor": predictor}
    if "keypoint" in config.heads:
        kind = detection.KeypointRCNN
        predictor = keypoint_rcnn.KeypointRCNNPredictor(roi.keypoint_widths[-1], roi.num_keypoints)
        options |= {"keypoint_head": keypoint_rcnn.KeypointRCNNHeads(channels, roi.keypoint_widths)}
        options |= {"keypoint_roi_pool": pool(roi.keypoint_size), "keypoint_predictor": predictor}
    return kind(backbone, **options)


def _res5(config):
    layers = {"layer4": Body(config, stages=()).stage(4), "avgpool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    return nn.Sequential(OrderedDict(layers))


def _box_head(channels, roi):
    if not roi.box_convs:
        return faster_rcnn.TwoMLPHead(channels * roi.box_size**2, roi.head_width)
    size = (channels, roi.box_size, roi.box_size)
    norm = nn.BatchNorm2d if roi.box_norm else None
    return faster_rcnn.FastRCNNConvFCHead(size, list(roi.box_convs), [roi.head_width], norm_layer=norm)


def load(config, arrays):
    """The model with these weights, which must be all it has; in the arrays' dtype, in eval mode."""
    model = build(config)
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    return model.to(torch.from_numpy(arrays["rpn.head.cls_logits.bias"]).dtype).eval()


# ---------------------------------------------------------------- arrays there and back


def tensors(model, images):
    """(H, W, C) arrays  ->  a list of (C, H, W) tensors in the model's dtype"""
    dtype = model.rpn.head.cls_logits.bias.dtype
    return [torch.from_numpy(image).permute(2, 0, 1).to(dtype) for image in images]


def maps(x):
    """(N, C, H, W) tensor  ->  (N, H, W, C) array"""
    return x.detach().permute(0, 2, 3, 1).contiguous().numpy()


# ---------------------------------------------------------------- inference, stage by stage


@torch.no_grad()
def stages(model, images):
    """Everything between a picture and its detections, by name."""
    heads, found = model.roi_heads, {}
    pictures, _ = model.transform(tensors(model, images))
    found["input"] = maps(pictures.tensors)
    body = model.backbone.body(pictures.tensors)
    features = model.backbone.fpn(body)
    found |= {f"C{i}": maps(x) for i, x in enumerate(body.values(), start=2)}
    found |= {f"P{i}": maps(x) for i, x in enumerate(features.values(), start=2)}
    levels = list(features.values())
    logits, deltas = concat_box_prediction_layers(*model.rpn.head(levels))
    n = len(images)
    found |= {"objectness": logits.reshape(n, -1).numpy(), "rpn_deltas": deltas.reshape(n, -1, 4).numpy()}
    found["anchors"] = model.rpn.anchor_generator(pictures, levels)[0].numpy()
    proposals, _ = model.rpn(pictures, features)
    found["proposals"] = torch.cat(proposals).numpy()
    crops = heads.box_roi_pool(features, proposals, pictures.image_sizes)
    found["box_crops"] = maps(crops)
    classes, refined = heads.box_predictor(heads.box_head(crops))
    found |= {"class_logits": classes.numpy(), "box_deltas": refined.reshape(len(classes), -1, 4).numpy()}
    result = heads.postprocess_detections(classes, refined, proposals, pictures.image_sizes)
    boxes, scores, labels = result
    found |= {name: torch.cat(rows).numpy() for name, rows in zip(("boxes", "scores", "labels"), result)}
    if heads.has_mask():
        crops = heads.mask_roi_pool(features, boxes, pictures.image_sizes)
        found["mask_crops"] = maps(crops)
        probabilities = maskrcnn_inference(heads.mask_predictor(heads.mask_head(crops)), labels)
        found["mask_probabilities"] = torch.cat(probabilities)[:, 0].numpy()
    if heads.has_keypoint():
        crops = heads.keypoint_roi_pool(features, boxes, pictures.image_sizes)
        found["keypoint_crops"] = maps(crops)
        found["heatmaps"] = maps(heads.keypoint_predictor(heads.keypoint_head(crops)))
    return found


@torch.no_grad()
def detections(model, images, mask_threshold=0.5):
    """What torchvision's model returns for whole pictures, as one dictionary of arrays per picture."""
    found = []
    for one in model(tensors(model, images)):
        result = {name: one[name].numpy() for name in ("boxes", "labels", "scores")}
        if "masks" in one:
            result["masks"] = (one["masks"][:, 0] >= mask_threshold).numpy()
        if "keypoints" in one:
            places = one["keypoints"][..., :2]
            result["keypoints"] = torch.cat([places, one["keypoints_scores"][..., None]], dim=2).numpy()
        found.append(result)
    return found


# ---------------------------------------------------------------- a step of training

LOSSES = {
    "loss_objectness": "rpn_objectness",
    "loss_rpn_box_reg": "rpn_box",
    "loss_classifier": "box_class",
    "loss_box_reg": "box_delta",
    "loss_mask": "mask",
    "loss_keypoint": "keypoint",
}


def training_step(model, images, targets, seed=0):
    """(losses by our names, gradients by torchvision's, anchors, RoIs, state after the step).

    anchors are two lists, of one array per image over its anchors: which of them torchvision's own sampler chose, and
    its label: 1 positive, 0 negative, -1 neutral. rois are the same over the proposals followed by the objects.
    """
    torch.manual_seed(seed)
    chosen, call = [], BalancedPositiveNegativeSampler.__call__

    def record(self, labels):
        positive, negative = call(self, labels)
        chosen.append(([(p | n).bool().numpy() for p, n in zip(positive, negative)], [_sign(x) for x in labels]))
        return positive, negative

    assign = model.rpn.assign_targets_to_anchors

    def in_full_precision(anchors, targets):
        """torchvision's labels are float32, and so would be the loss."""
        labels, boxes = assign(anchors, targets)
        return [label.to(box.dtype) for label, box in zip(labels, boxes)], boxes

    BalancedPositiveNegativeSampler.__call__ = record
    model.rpn.assign_targets_to_anchors = in_full_precision
    try:
        model.train()
        losses = model(tensors(model, images), [_target(model, t) for t in targets])
    finally:
        BalancedPositiveNegativeSampler.__call__ = call
        del model.rpn.assign_targets_to_anchors
    model.zero_grad()
    sum(losses.values()).backward()
    gradients = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    state = {name: value.numpy() for name, value in model.state_dict().items() if "num_batches" not in name}
    anchors, rois = chosen
    return {LOSSES[name]: loss.item() for name, loss in losses.items()}, gradients, anchors, rois, state


def _sign(labels):
    return labels.sign().to(torch.int8).numpy()


def _target(model, target):
    dtype = model.rpn.head.cls_logits.bias.dtype
    given = {"boxes": torch.from_numpy(target.boxes).to(dtype), "labels": torch.from_numpy(target.labels)}
    if target.masks is not None:
        given["masks"] = torch.from_numpy(target.masks.astype(np.uint8))
    if target.keypoints is not None:
        given["keypoints"] = torch.from_numpy(target.keypoints)
    return given
