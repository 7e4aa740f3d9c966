"""Colour spaces in which a shadow, a shade or a hue alone does not hide an object; every channel fills 0..1."""

import numpy as np

from ...errors import ArgumentError, shown

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = SRGB_TO_XYZ.sum(axis=1)  # what red, green and blue give together: daylight, D65


def to_space(image, name):
    """A picture in another colour space; of a grey one there is only its intensity.

    image (H, W, C) in 0..1, name: one of SPACES  ->  (H, W, C') float64 in 0..1
    """
    if name not in SPACES:
        raise ArgumentError(f"color space must be one of {', '.join(SPACES)}; got {shown(name)}")
    image = np.clip(image.astype(np.float64), 0, 1)
    return image if image.shape[2] == 1 else SPACES[name](image)


def intensity(rgb):
    """The mean of the three channels: (H, W, 3)  ->  (H, W, 1)"""
    return rgb.mean(axis=2, keepdims=True)


def hsv(rgb):
    """Hue, saturation and value: (H, W, 3)  ->  (H, W, 3); a grey pixel has hue 0."""
    value, spread = rgb.max(axis=2), np.ptp(rgb, axis=2)
    r, g, b = np.moveaxis(rgb, 2, 0)
    safe = np.where(spread > 0, spread, 1)
    sector = np.select([value == r, value == g], [(g - b) / safe % 6, (b - r) / safe + 2], (r - g) / safe + 4)
    hue = np.where(spread > 0, sector / 6, 0)
    return np.stack([hue, spread / np.where(value > 0, value, 1), value], axis=2)


def hue(rgb):
    """The hue alone: (H, W, 3)  ->  (H, W, 1)"""
    return hsv(rgb)[:, :, :1]


def lab(rgb):
    """CIE L*a*b* of sRGB, L as it is and a, b from -128..127, each moved to 0..1: (H, W, 3)  ->  (H, W, 3)"""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    t = linear @ SRGB_TO_XYZ.T / WHITE
    x, y, z = np.moveaxis(np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29), 2, 0)
    return np.stack([(116 * y - 16) / 100, (500 * (x - y) + 128) / 255, (200 * (y - z) + 128) / 255], axis=2)


def rgi(rgb):
    """The shares of red and green, which a shadow leaves alone, and the intensity: (H, W, 3)  ->  (H, W, 3)"""
    total = rgb.sum(axis=2, keepdims=True)
    shares = rgb[:, :, :2] / np.where(total > 0, total, 1)
    return np.concatenate([shares, total / 3], axis=2)


SPACES = {"hsv": hsv, "lab": lab, "rgi": rgi, "hue": hue, "intensity": intensity}
