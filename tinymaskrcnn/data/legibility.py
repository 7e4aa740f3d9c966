"""What is wrong with a picture in which no handwriting was found, as far as the picture itself shows it."""

import numpy as np

from . import ink

DARK = 0.12  # of 1: brightness that hardly any pixel of the picture reaches
CLEAR = 0.15  # ink that stands out less from what it is written on is hard to see
LONGEST = 1280  # pixels of the longer side to which larger pictures are reduced, by the detector and here
SMALL = 16  # pixels there: writing below this height is hardly read


def complaint(image):
    """One sentence about a grey picture, or None where nothing is plainly wrong.

    image (H, W, 1) in 0..1  ->  "the picture is too dark: ..."
    """
    height, width = image.shape[:2]
    if min(height, width) < SMALL:
        return f"the picture is only {width}x{height} pixels large; a digit alone needs {SMALL} of height"
    step = -(-max(height, width) // LONGEST)
    image = image[::step, ::step]
    brightest = float(np.quantile(image, 0.99))
    if brightest < DARK:
        return f"the picture is too dark: hardly a pixel has more than {brightest:.0%} of white; more light is needed"
    if float(np.quantile(image, 0.01)) > 1 - DARK / 4:
        return "the picture is overexposed: hardly a pixel is darker than white; less light is needed"
    contrast = ink.signed_contrast(image)
    seen = np.maximum(ink.polarity(contrast) * contrast, 0)
    if (most := ink.strongest(seen)) < CLEAR:
        wanted = "a darker pen or more light" if ink.polarity(contrast) < 0 else "a brighter chalk"
        return f"the picture has hardly any contrast: what is written stands out by {most:.0%} at most; use {wanted}"
    tallest = step * _tallest(seen > 0.5 * most)
    needed = round(SMALL * max(1, max(height, width) / LONGEST))
    if tallest < needed:
        return (
            f"what is written is too small: about {tallest} of the picture's {height} pixels high, {needed} are "
            "needed; come closer"
        )
    return None


def _tallest(inked):
    """The height that nineteen of twenty connected pieces of ink do not reach, in pixels; of specks only if all are."""
    from scipy import ndimage

    pieces, _ = ndimage.label(inked, np.ones((3, 3)))
    heights = np.array([rows.stop - rows.start for rows, _ in ndimage.find_objects(pieces)])
    return int(np.quantile(heights[heights > 2] if heights.max() > 2 else heights, 0.95))
