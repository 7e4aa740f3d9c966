"""What happens to a page on its way through a camera: light that falls off, shadows, blur, noise, and JPEG.

Every step is a pure function of a picture in 0..1, with its strength from a SceneConfig.
"""

import numpy as np

# What quality 50 divides the 8x8 cosine coefficients of brightness by (ITU-T T.81, table K.1).
JPEG_TABLE = np.array(
    """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 18 22 37 56
    68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99""".split(),
    np.float64,
).reshape(8, 8)
MIDDLE = 128 / 255  # the grey that JPEG counts from


def photograph(image, config, *, rng):
    """A page as a camera stores it; which of the steps are strong is drawn anew for each.

    image (H, W, C) in 0..1  ->  (H, W, C) float32 in 0..1, k / 255
    """
    gain, soft, grainy, quality = rng.random(4).tolist()
    image = image * (lit(image.shape[:2], config.light, rng=rng) * (1 - 0.4 * config.light * gain))[:, :, None]
    image = blurred(image, 0.3 + config.blur * soft * soft) if config.blur else image
    image = noisy(image, config.noise * grainy * grainy, rng=rng)
    if config.jpeg:
        image = compressed(image, config.jpeg + (100 - config.jpeg) * quality)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.float32) / np.float32(255)


def lit(size, strength, *, rng):
    """Light from one side, which falls off, and in half of the pictures the edge of a shadow: (H, W) in 0..1."""
    turn, fall, bend, shadow, place, depth, edge, way = rng.random(8).tolist()
    y, x = (np.arange(n) / n - 0.5 for n in size)
    y, x = y[:, None], x[None, :]
    along = np.cos(2 * np.pi * turn) * x + np.sin(2 * np.pi * turn) * y  # -0.7 .. 0.7
    light = 1 - strength * fall * np.clip(0.5 + along, 0, 1) - 0.6 * strength * bend * (x * x + y * y)
    if shadow < 0.5:
        across = np.cos(2 * np.pi * way) * x + np.sin(2 * np.pi * way) * y
        inside = np.clip((across - 0.6 * (place - 0.5)) / (0.02 + 0.3 * edge) + 0.5, 0, 1)
        light = light * (1 - 0.6 * strength * depth * inside * inside * (3 - 2 * inside))
    return np.clip(light, 0.05, 1)


def blurred(image, sigma):
    """A lens out of focus: a Gaussian of `sigma` pixels along both axes."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(image, [(reach, reach) if k == axis else (0, 0) for k in range(3)], mode="edge")
        n = image.shape[axis]
        image = sum(w * padded.take(range(k, k + n), axis) for k, w in enumerate(weights))
    return image


def noisy(image, sigma, *, rng):
    """Noise of a sensor, stronger where there is more light but there in the dark, and in grains of up to 2 pixels."""
    coarse, noise = rng.random(), rng.random((3, *image.shape)).sum(axis=0) - 1.5  # nearly normal, deviation 1/2
    neighbours = noise + np.roll(noise, 1, axis=0) + np.roll(noise, 1, axis=1) + np.roll(noise, (1, 1), axis=(0, 1))
    noise = (1 - coarse) * noise + coarse * 0.5 * neighbours
    return image + 2 * sigma * np.sqrt(0.1 + 0.9 * np.clip(image, 0, 1)) * noise


def compressed(image, quality):
    """What JPEG makes of the brightness: 8x8 blocks of rounded cosine coefficients; quality 1..100 as in libjpeg."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    table = np.clip((JPEG_TABLE * percent + 50) // 100, 1, 255) / 255
    h, w, channels = image.shape
    padded = np.pad(image, ((0, -h % 8), (0, -w % 8), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8, channels).transpose(0, 2, 4, 1, 3)
    coefficients = np.rint(_COSINES @ (blocks - MIDDLE) @ _COSINES.T / table) * table
    blocks = _COSINES.T @ coefficients @ _COSINES + MIDDLE
    return blocks.transpose(0, 3, 1, 4, 2).reshape(padded.shape)[:h, :w]


def _cosines():
    """The orthonormal matrix of the discrete cosine transform of 8 numbers."""
    k, n = np.arange(8)[:, None], np.arange(8)
    return np.where(k == 0, np.sqrt(1 / 8), 0.5 * np.cos(np.pi * (2 * n + 1) * k / 16))


_COSINES = _cosines()
