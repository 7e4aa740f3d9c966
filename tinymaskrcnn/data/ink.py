"""Pictures of handwriting as bright ink on black, however they were lit: what the detector of handwriting looks at.

Of a pixel and the surface around it, one reflects less of the same light; the ratio of the two does not depend on how
much light there was. So ink is 1 - darker / brighter, for a pen on paper as for chalk on a board.
"""

import numpy as np

WINDOW = 33  # pixels across what counts as the surface around a pixel; strokes are thinner, digits may be larger
GLARE = 0.04  # light that does not come from the page; without it a black board would be all noise
FAINTEST = 0.25  # pictures whose strongest ink is fainter than this are not made any stronger


def to_ink(image):
    """A grey picture as ink on black paper; what is ink, the darker or the brighter, is what is rarer and stands out.

    image (H, W, 1) in 0..1  ->  (H, W, 1) float32 in 0..1
    """
    contrast = signed_contrast(image)
    ink = np.maximum(polarity(contrast) * contrast, 0)
    return np.minimum(ink / max(strongest(ink), FAINTEST), 1)[:, :, None]


def signed_contrast(image):
    """How far a pixel stands out from the surface around it: image (H, W, 1)  ->  (H, W) in -1..1, below 0 if darker"""
    grey = np.asarray(image[:, :, 0], np.float32) + np.float32(GLARE)
    around = surface(grey)
    return (grey - around) / np.maximum(grey, around)


def surface(grey):
    """The brightness of what is written on: a local mean that leaves out what differs much from it.

    grey (H, W)  ->  (H, W)
    """
    mean = _mean(grey)
    for _ in range(2):
        far = np.abs(grey - mean)
        share = np.square(far / (_mean(far) + np.float32(1e-3)))
        weight = 1 / (1 + share * share)
        mean = _mean(weight * grey) / _mean(weight)
    return mean


def _mean(values, window=WINDOW):
    from scipy import ndimage

    return ndimage.uniform_filter(values, window, mode="nearest")


def polarity(contrast):
    """-1 where ink is darker than its surface, 1 where it is brighter: the side with the few that stand out far.

    contrast (H, W)  ->  -1 or 1
    """
    smooth = _mean(contrast, 3)
    return 1 if float(np.mean(smooth * smooth * smooth)) > 0 else -1


def strongest(ink):
    """The strongest ink of a picture, of 3x3 pixels together so that no spark counts: ink (H, W)  ->  0..1"""
    return float(_mean(ink, 3).max(initial=0))
