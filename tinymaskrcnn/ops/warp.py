"""Warp: what R-CNN shows its network of a box, one size whatever the box was (Girshick et al. 2014, appendix A).

The box is stretched to a square, each side on its own, with some of what surrounds it. This is RoIAlign with one sample
per bin on the picture itself; three years later the same reading was done on the features instead.
"""

from ..backend import array_module
from ..contract import checked
from ..errors import ArgumentError
from . import roi_align
from .boxes import from_center, to_center


@checked
def warp_forward(images, *, boxes, image_index, size, context=0):
    """Cut every box out of its picture and bring it to size x size pixels.

    images (N, H, W, C), boxes (K, 4), image_index (K,) int  ->  crops (K, S, S, C)
    context is counted in pixels of the crop, so that every box has as much around it: the box itself fills the inner
    size - 2 context. Pixels are read between the four around them, without smoothing; what lies outside the picture is
    0, which is the mean where that was subtracted.
    """
    windows = with_context(boxes, size=size, context=context)
    settings = {"image_index": image_index, "output_size": size, "scale": 1.0, "samples": 1, "aligned": True}
    crops, c_read = roi_align.roi_align_forward(images, windows.astype(images.dtype), **settings)
    inside = _inside(windows, size, images.shape[1:3]).astype(images.dtype)
    return crops * inside, (c_read, inside)


@checked
def warp_backward(dcrops, cache):
    """Mirror of warp_forward: a pixel collects from the crops that read it.

    dcrops (K, S, T, C)  ->  dimages (N, H, W, C)
    """
    c_read, inside = cache
    return roi_align.roi_align_backward(dcrops * inside, c_read)[0]


def with_context(boxes, *, size, context):
    """What a crop of `size` pixels shows of the picture when `context` of them, on each side, lie outside the box.

    boxes (K, 4)  ->  windows (K, 4), larger by size / (size - 2 context) about their centres
    """
    if not 0 <= 2 * context < size:
        raise ArgumentError(f"warp: context must leave some of {size} pixels for the box; got {context} on each side")
    xp = array_module(boxes)
    x, y, width, height = xp.moveaxis(to_center(boxes), -1, 0)
    growth = size / (size - 2 * context)
    return from_center(xp.stack([x, y, width * growth, height * growth], axis=-1))


def _inside(windows, size, picture):
    """Which pixels of the crops lie in the picture, (K, S, S, 1) bool: windows (K, 4), picture (height, width)."""
    xp = array_module(windows)
    share = (xp.arange(size) + 0.5) / size  # where on a side of its window each pixel has its centre

    def within(low, high, length):
        place = low[:, None] + share * (high - low)[:, None]  # (K, S)
        return (place >= 0) & (place <= length)

    x1, y1, x2, y2 = windows.T
    rows, columns = within(y1, y2, picture[0]), within(x1, x2, picture[1])
    return (rows[:, :, None] & columns[:, None, :])[..., None]
