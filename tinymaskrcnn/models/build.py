"""From a configuration to a network."""

from ..errors import ConfigError
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
        norm_eps=config.norm_eps,
        groups=config.groups,
        group_width=config.group_width,
        rng=rng,
    )
    return BackboneWithFPN(body, FPN(config.widths, config.fpn_channels, norm=config.fpn_norm, rng=rng))


def build_model(config, *, rng):
    """A Faster, Mask or Keypoint R-CNN by ModelConfig, with fresh weights drawn from rng."""
    _check_heads(config)
    channels = config.backbone.fpn_channels
    return MaskRCNN(
        backbone=build_backbone(config.backbone, rng=rng),
        rpn=RPN(channels, config.rpn, rng=rng),
        roi_heads=RoIHeads(channels, config.num_classes, config.roi, heads=config.heads, rng=rng),
        config=config,
    )


def _check_heads(config):
    heads, known = config.heads, ("box", "mask", "keypoint")
    if "box" not in heads or not set(heads) <= set(known) or len(set(heads)) != len(heads):
        raise ConfigError(f"heads must hold 'box' and may hold 'mask' and 'keypoint', each once; got {heads!r}")
    for name in ("mask_widths", "keypoint_widths"):
        if name.split("_")[0] in heads and not getattr(config.roi, name):
            raise ConfigError(f"roi.{name} must name at least one width; got {getattr(config.roi, name)!r}")
    if config.roi.paste not in ("continuous", "integer"):
        raise ConfigError(f"roi.paste must be 'continuous' or 'integer'; got {config.roi.paste!r}")
    if (config.resize_shorter > 0) != (config.resize_longer > 0) or min(
        config.resize_shorter, config.resize_longer
    ) < 0:
        raise ConfigError(
            f"resize_shorter and resize_longer must both be above 0, or both 0 to leave pictures alone; "
            f"got {config.resize_shorter} and {config.resize_longer}"
        )
