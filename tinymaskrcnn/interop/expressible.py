"""What others can say of our models: torchvision and our ONNX graphs know the parts of the published Mask R-CNN."""

from ..config_rules import OUTSIDE
from ..errors import ConfigError

KNOWN = {  # dotted setting of a ModelConfig: the only value that can be expressed
    "backbone.kind": "resnet",
    "backbone.fpn": "full",
    "roi.pooling": "align",
    "roi.mask_kind": "per_class",
    "roi.mask_iou_widths": (),
}


def refuse_unknown(config, *, who):
    """Raise ConfigError for a ModelConfig with a part that `who` (an ONNX file, torchvision) has no word for."""
    if config.system in OUTSIDE:
        raise ConfigError(f"{who} has no word for model.system {config.system!r}, whose proposals come from outside")
    for name, known in KNOWN.items():
        part, _, setting = name.partition(".")
        if setting == "mask_kind" and "mask" not in config.heads:
            continue
        if (given := getattr(getattr(config, part), setting)) != known:
            raise ConfigError(f"{who} has no word for model.{name} {given!r}; it must be {known!r}")
