"""Networks. `build` makes one from a configuration; `mask_rcnn` is the heart: read it first."""
