"""tinymaskrcnn: Mask R-CNN from scratch, every gradient written out and proved."""

__version__ = "0.1.0"
