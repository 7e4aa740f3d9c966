"""Source digits, scenes made from them, pictures from files, and the streams that feed a model."""

from .loader import SceneStream, load_bank, prefetch
from .pictures import list_images, read_image
from .scenes import make_scene

__all__ = ["SceneStream", "list_images", "load_bank", "make_scene", "prefetch", "read_image"]
