"""The box head of a ResNet without a pyramid: its last stage, run on every RoI (He et al. 2016, appendix A)."""

from ...nn.init import by_box_init, by_fan
from ...nn.module import Sequential
from ...nn.more_layers import GlobalAvgPool2d
from ..backbones.bottleneck import group_options
from ..backbones.resnet import BLOCKS, make_stage
from ..poolers import pooler
from ..roi_heads import Head
from .box import BoxHead, BoxPredictor


def res5_body(backbone, *, rng):
    """conv5 and the mean over what is left: crops (K, S, S, C4)  ->  h (K, C5), by BackboneConfig.

    Its first block halves the crop, so that one of 14 x 14 passes the stage at 7 x 7.
    """
    groups = group_options(backbone.block, groups=backbone.groups, group_width=backbone.group_width)
    options = {"norm": backbone.norm, "norm_eps": backbone.norm_eps, "rng": rng} | groups
    layer4 = make_stage(BLOCKS[backbone.block], *backbone.widths[2:], backbone.depths[3], 2, **options)
    return Sequential(layer4=by_fan(layer4, backbone.init), avgpool=GlobalAvgPool2d())


class Res5BoxHead(BoxHead):
    """A BoxHead on C4 whose body is the stage that the backbone left out: the backbone of Faster R-CNN is two halves.

    pyramid [(N, H, W, C4)], rois (K, 4), image_index (K,)  ->  logits (K, num_classes), deltas (K, num_classes, 4)
    """

    def __init__(self, backbone, num_classes, config, *, rng):
        body = res5_body(backbone, rng=rng)
        predictor = BoxPredictor(backbone.widths[3], num_classes, rng=rng)
        Head.__init__(self, pooler(config.box_size, config), body, predictor)
        by_box_init(self, config.box_init, rng=rng)
        self.config = config
