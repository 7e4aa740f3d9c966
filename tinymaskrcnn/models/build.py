"""From a configuration to a network."""

from ..capacity import require
from ..config_rules import OUTSIDE, check_network
from ..nn.init import by_fan
from .backbones.fpn import FPN, BackboneWithFPN
from .backbones.plain import PlainCNN
from .backbones.pyramids import FinestOnly, LastMap, NoLateral, NoTopDown
from .backbones.resnet import ResNet
from .backbones.vgg import VGG
from .exact_joint import ChainedHeads, ChainedRPN, ExactJointMaskRCNN
from .fast_rcnn import GivenProposals
from .heads.box import BoxHead
from .heads.keypoint import KeypointHead
from .heads.mask_variants import MASK_HEADS
from .heads.res5 import Res5BoxHead
from .mask_rcnn import MaskRCNN
from .mask_scoring_rcnn import MaskScoringHead
from .moving_targets import moving
from .poolers import pooler
from .rcnn import build_rcnn
from .roi_heads import RoIHeads
from .rpn import RPN
from .shapes import weights_bytes

PYRAMIDS = {"full": FPN, "no_lateral": NoLateral, "no_top_down": NoTopDown, "p2": FinestOnly}


def build_backbone(config, *, rng):
    """A body with a feature pyramid, or without any, by BackboneConfig."""
    body = build_body(config, stages=3 if config.fpn == "c4" else 4, rng=rng)
    if config.fpn in ("c4", "c5"):
        return BackboneWithFPN(body, LastMap())
    pyramid = PYRAMIDS[config.fpn]
    return BackboneWithFPN(body, pyramid(config.stage_channels, config.fpn_channels, norm=config.fpn_norm, rng=rng))


def build_body(config, *, stages=4, rng):
    """The first stages of a ResNet, a VGG or the plain network, with weights drawn by BackboneConfig.init."""
    return by_fan(_body(config, stages, rng=rng), config.init)


def _body(config, stages, *, rng):
    options = {"norm": config.norm, "norm_eps": config.norm_eps, "in_channels": config.in_channels, "rng": rng}
    if config.kind == "plain":
        return PlainCNN(widths=config.widths, stages=stages, **options)
    if config.kind == "vgg":
        return VGG(depths=config.depths, widths=config.widths, stages=stages, **options)
    options |= {"block": config.block, "stem": config.stem, "stem_width": config.stem_width}
    options |= {"groups": config.groups, "group_width": config.group_width}
    return ResNet(depths=config.depths[:stages], widths=config.widths[:stages], **options)


def build_heads(config, *, rng, change=lambda kind: kind, together=RoIHeads):
    """The heads that a ModelConfig names, box head first, told which maps they look at; change: of each one's class."""
    backbone, given = config.backbone, (config.num_classes, config.roi)
    heads = {"box": BoxHead, "mask": MASK_HEADS[config.roi.mask_kind], "keypoint": KeypointHead}
    if config.roi.mask_iou_widths:
        heads["mask"] = MaskScoringHead
    heads = {name: (head, backbone.channels) for name, head in heads.items() if name in config.heads}
    if backbone.has_res5:
        heads["box"] = Res5BoxHead, backbone
    built = [change(head)(looks_at, *given, rng=rng) for head, looks_at in heads.values()]
    for head in built:
        head.pool.lowest, head.pool.levels = backbone.levels[0], min(4, len(backbone.levels))
    return together(built, config.roi)


def build_proposer(config, *, rng):
    """An RPN, or what hands on the proposals that come with a batch, by ModelConfig."""
    return GivenProposals() if config.system in OUTSIDE else RPN(config.backbone.channels, config.rpn, rng=rng)


def build_model(config, *, rng):
    """Any member of the family by ModelConfig, with fresh weights drawn from rng."""
    check_network(config)
    require(weights_bytes(config), "a model with these settings", advice="; make it narrower or less deep")
    if config.system == "rcnn":
        return build_rcnn(build_body(config.backbone, rng=rng), config, rng=rng)
    backbone = build_backbone(config.backbone, rng=rng)
    if config.box_gradient != "none":
        return _build_exact_joint(backbone, config, rng=rng)
    return MaskRCNN(backbone, build_proposer(config, rng=rng), build_heads(config, rng=rng), config)


def _build_exact_joint(backbone, config, *, rng):
    """The same weights in parts that hand on what the heads want of a box."""
    rpn = ChainedRPN(config.backbone.channels, config.rpn, rng=rng)
    change = {"change": moving} if config.box_gradient == "features+targets" else {}
    heads = build_heads(config, rng=rng, together=ChainedHeads, **change)
    for head in heads.heads.values():
        seen = {"levels": head.pool.levels, "lowest": head.pool.lowest}
        head.pool = pooler(head.pool.output_size, config.roi, box_gradient=True, **seen)
    return ExactJointMaskRCNN(backbone, rpn, heads, config)
