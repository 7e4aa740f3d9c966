"""Smoothing with a Gaussian, and the slopes of what it leaves."""

import numpy as np


def smooth(image, *, sigma, order=(0, 0)):
    """Every channel smoothed, or differentiated `order` times along rows and columns.

    image (H, W, C)  ->  (H, W, C) float64; beyond its border a picture goes on mirrored
    """
    from scipy import ndimage  # which takes longer to import than all of this package, and few need it

    return ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), order=(*order, 0))
