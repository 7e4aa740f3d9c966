"""What others can say of our models: torchvision knows the parts of the published Mask R-CNN, our ONNX graphs more."""

from ..config_rules import OUTSIDE
from ..errors import ConfigError

KNOWN = {  # dotted setting of a ModelConfig: the only value that can be expressed
    "backbone.fpn": "full",
    "roi.pooling": "align",
    "roi.mask_kind": "per_class",
    "roi.mask_iou_widths": (),
}
OF_TORCHVISION = {"ink": False, "backbone.kind": "resnet"} | KNOWN


def refuse_unknown(config, *, who, knows):
    """Raise ConfigError for a ModelConfig with a part that `who` (an ONNX file, torchvision) has no word for.

    knows: what can be expressed, as KNOWN has it.
    """
    if config.system in OUTSIDE:
        raise ConfigError(f"{who} has no word for model.system {config.system!r}, whose proposals come from outside")
    for name, known in knows.items():
        part, _, setting = name.rpartition(".")
        if setting == "mask_kind" and "mask" not in config.heads:
            continue
        if (given := getattr(getattr(config, part) if part else config, setting)) != known:
            raise ConfigError(f"{who} has no word for model.{name} {given!r}; it must be {known!r}")
