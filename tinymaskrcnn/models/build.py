"""From a configuration to a network."""

from .fpn import FPN, BackboneWithFPN
from .mask_rcnn import MaskRCNN
from .resnet import ResNet
from .roi_heads import RoIHeads
from .rpn import RPN


def build_backbone(config, *, rng):
    """A ResNet with a feature pyramid, by BackboneConfig."""
    body = ResNet(
        block=config.block,
        depths=config.depths,
        widths=config.widths,
        stem=config.stem,
        stem_width=config.stem_width,
        norm=config.norm,
        in_channels=config.in_channels,
        rng=rng,
    )
    return BackboneWithFPN(body, FPN(config.widths, config.fpn_channels, rng=rng))


def build_model(config, *, rng):
    """A Mask R-CNN by ModelConfig, with fresh weights drawn from rng."""
    channels = config.backbone.fpn_channels
    return MaskRCNN(
        backbone=build_backbone(config.backbone, rng=rng),
        rpn=RPN(channels, config.rpn, rng=rng),
        roi_heads=RoIHeads(channels, config.num_classes, config.roi, rng=rng),
        config=config,
    )
