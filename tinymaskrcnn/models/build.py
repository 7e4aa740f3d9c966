"""From a configuration to a network."""

from ..capacity import require
from ..config_rules import check_network
from .backbones.fpn import FPN, BackboneWithFPN
from .backbones.resnet import ResNet
from .heads.box import BoxHead
from .heads.keypoint import KeypointHead
from .heads.mask import MaskHead
from .mask_rcnn import MaskRCNN
from .roi_heads import RoIHeads
from .rpn import RPN
from .shapes import weights_bytes

HEADS = {head.name: head for head in (BoxHead, MaskHead, KeypointHead)}


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
        norm_eps=config.norm_eps,
        groups=config.groups,
        group_width=config.group_width,
        rng=rng,
    )
    return BackboneWithFPN(body, FPN(config.widths, config.fpn_channels, norm=config.fpn_norm, rng=rng))


def build_heads(config, *, rng):
    """The heads that a ModelConfig names, box head first."""
    given = config.backbone.fpn_channels, config.num_classes, config.roi
    return RoIHeads([head(*given, rng=rng) for name, head in HEADS.items() if name in config.heads], config.roi)


def build_model(config, *, rng):
    """A Faster, Mask or Keypoint R-CNN by ModelConfig, with fresh weights drawn from rng."""
    check_network(config)
    require(weights_bytes(config), "a model with these settings", advice="; make it narrower or less deep")
    backbone = build_backbone(config.backbone, rng=rng)
    rpn = RPN(config.backbone.fpn_channels, config.rpn, rng=rng)
    return MaskRCNN(backbone, rpn, build_heads(config, rng=rng), config)
