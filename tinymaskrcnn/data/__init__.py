"""Source digits, scenes made from them, annotated pictures with their masks, and the streams that feed a model."""

from .coco import CocoDataset, CocoStream
from .loader import SceneStream, load_bank, open_stream, prefetch
from .pictures import list_images, read_image
from .rle import RLE
from .scenes import make_scene

__all__ = [
    "RLE",
    "CocoDataset",
    "CocoStream",
    "SceneStream",
    "list_images",
    "load_bank",
    "make_scene",
    "open_stream",
    "prefetch",
    "read_image",
]
