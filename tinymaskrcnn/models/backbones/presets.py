"""Backbones by the names that the literature has for them: resnet50, resnext50_32x4d, vgg16_bn-c4, plain-c4 ..."""

import re

from ...errors import ConfigError, listed
from . import plain, vgg

NARROW = 16  # the first width of the digit detector; the papers' is 64
RESNETS = {  # block, blocks per stage, groups and their width
    "resnet18": ("basic", (2, 2, 2, 2), 1, 64),
    "resnet34": ("basic", (3, 4, 6, 3), 1, 64),
    "resnet50": ("bottleneck", (3, 4, 6, 3), 1, 64),
    "resnet101": ("bottleneck", (3, 4, 23, 3), 1, 64),
    "resnext50_32x4d": ("bottleneck", (3, 4, 6, 3), 32, 4),
    "resnext101_32x8d": ("bottleneck", (3, 4, 23, 3), 32, 8),
}
VGGS = {f"vgg{layers}{norm}": layers for layers in vgg.DEPTHS for norm in ("", "_bn")}
NETWORKS = (*RESNETS, *VGGS, "plain")
MAPS = ("full", "no_lateral", "no_top_down", "p2", "c4", "c5")


def backbone_settings(name, model):
    """What a backbone sets: {dotted setting: value}, from "network", "network-map" or "network-map:width".

    The map is a value of backbone.fpn, the whole pyramid when left out; the width is that of the first layer, to which
    all others stay in proportion. model: the ModelConfig before; a ResNet, whose name does not say one, keeps its norm,
    and a single map gets the anchors of all sizes that lay on several levels (FPN paper, section 5.1).
    """
    network, maps, width = _read(name)
    backbone = _network(network, width, model.backbone.norm or "batch") | {"fpn": maps}
    settings = {f"model.backbone.{setting}": value for setting, value in backbone.items()}
    if backbone["kind"] == "resnet" and maps == "c4":  # the last stage is the box head, with its norms
        settings |= {"model.roi.box_norm": "batch" if backbone["norm"] == "batch" else ""}
    elif model.backbone.has_res5:
        settings |= {"model.roi.box_norm": ""}
    sizes = [size for level in model.rpn.anchor_sizes for size in level]
    one, five = (tuple(sizes),), tuple((size,) for size in sizes)
    return settings | {"model.rpn.anchor_sizes": one if maps in ("p2", "c4", "c5") else five}


def _read(name):
    match = re.fullmatch(r"(\w+)(?:-(\w+))?(?::([1-9]\d{0,4}))?", name)
    network, maps, width = match.groups() if match else ("", "", "")
    if network not in NETWORKS or (maps or "full") not in MAPS:
        raise ConfigError(
            f"a backbone is NETWORK, NETWORK-MAP or NETWORK-MAP:WIDTH, with a network of {listed(NETWORKS, most=20)} "
            f"and a map of {', '.join(MAPS)}; got {name!r}"
        )
    first = plain.WIDTHS[0] if network == "plain" else NARROW
    return network, maps or "full", int(width or first)


def _network(name, width, norm):
    if name == "plain":
        return {"kind": "plain", "depths": (1,) * 4, "widths": _scaled(plain.WIDTHS, width), "norm": ""}
    if name in VGGS:
        sizes = {"depths": vgg.DEPTHS[VGGS[name]], "widths": _scaled(vgg.WIDTHS, width)}
        return {"kind": "vgg", "norm": "batch" if name.endswith("_bn") else "", **sizes}
    block, depths, groups, group_width = RESNETS[name]
    widths = _scaled((64, 128, 256, 512) if block == "basic" else (256, 512, 1024, 2048), width, first=64)
    sizes = {"depths": depths, "widths": widths, "stem_width": width}
    parts = {"block": block, "groups": groups, "group_width": group_width}
    return {"kind": "resnet", "norm": norm, **parts, **sizes}


def _scaled(widths, width, first=None):
    """The papers' widths in proportion to another first one."""
    return tuple(max(1, round(w * width / (first or widths[0]))) for w in widths)
