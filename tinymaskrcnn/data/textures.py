"""What lies on the paper besides digits: smooth textures, ruled lines, soft stains and stray strokes.

Everything is a map (H, W) of 0..1 that says how much of a colour is laid on, made with additions and products alone so
that it comes out the same on every machine.
"""

import numpy as np


def smooth_texture(size, *, rng):
    """Clouds: random values on a coarse and on a finer grid, joined smoothly.

    size  ->  (size, size) in 0..1
    """
    coarse, fine = _value_noise(size, 4, rng), _value_noise(size, 11, rng)
    return (2 * coarse + fine) / 3


def _value_noise(size, cells, rng):
    position = np.arange(size) * (cells / size)
    cell = position.astype(np.int64)
    t = position - cell
    t = t * t * (3 - 2 * t)  # smoothstep: no creases along the cells
    values = rng.random((cells + 1, cells + 1))
    rows = values[cell] * (1 - t[:, None]) + values[cell + 1] * t[:, None]  # (size, cells + 1)
    return rows[:, cell] * (1 - t) + rows[:, cell + 1] * t


def ruled_lines(size, *, rng):
    """Lines as on ruled paper, in half of the cases a grid; 8 to 24 pixels apart and about 1 pixel thick.

    size  ->  (size, size) in 0..1
    """
    spacing, phase_y, phase_x, both = rng.random(4).tolist()
    spacing = 8 + 16 * spacing
    rows = _line_profile(size, spacing, phase_y)
    columns = _line_profile(size, spacing, phase_x) * (both < 0.5)
    return np.maximum(rows[:, None], columns[None, :])


def _line_profile(size, spacing, phase):
    along = (np.arange(size) + phase * spacing) % spacing
    return np.maximum(0, 1 - np.minimum(along, spacing - along))


def soft_stains(size, *, rng):
    """One to four soft elliptic blobs.

    size  ->  (size, size) in 0..1
    """
    stained = np.zeros((size, size))
    along = np.arange(size)
    for cy, cx, ry, rx in rng.random((1 + int(4 * rng.random()), 4)).tolist():
        y = (along - cy * size) / (size * (0.08 + 0.2 * ry))
        x = (along - cx * size) / (size * (0.08 + 0.2 * rx))
        bump = np.maximum(0, 1 - y[:, None] ** 2 - x[None, :] ** 2)
        stained = np.maximum(stained, bump * bump)
    return stained


def stray_stroke(size, *, digit_size, rng):
    """A bent pen stroke that is no digit: a dash shorter than half a digit, or a scratch longer than one and a half.

    size, digit_size (smallest, largest)  ->  y, x, ink (h, w) in 0..1: the window's corner and the stroke in it
    A stroke as long as a digit could be a 1, so none is drawn (though the image's edge may cut one to that length).
    """
    smallest, largest = digit_size
    long, length, thickness, cy, cx = rng.random(5).tolist()
    length = largest * (1.5 + length) if long < 0.5 else smallest * (0.2 + 0.3 * length)
    half_width = 0.5 + 0.06 * smallest * (0.5 + thickness)
    points = _bent_line(length, rng) + np.array([cy, cx]) * size
    low = np.clip(np.floor(points.min(axis=0) - half_width - 1), 0, size - 1).astype(np.int64)
    high = np.clip(np.ceil(points.max(axis=0) + half_width + 2), low + 1, size).astype(np.int64)
    y = np.arange(low[0], high[0])[:, None]
    x = np.arange(low[1], high[1])[None, :]
    ink = np.clip(half_width + 0.5 - distance_to_line(y, x, points), 0, 1)
    return int(low[0]), int(low[1]), ink


def _bent_line(length, rng, pieces=8):
    """A quadratic curve around the origin as points (pieces + 1, 2), about `length` long."""
    start, middle = 2 * rng.random((2, 2)) - 1
    start = start / max(1e-3, float(np.sqrt(start @ start)))
    t = np.linspace(0, 1, pieces + 1)[:, None]
    return length * ((0.5 - t) * start + 2 * t * (1 - t) * 0.6 * middle)


def distance_to_line(y, x, points):
    """Distance of every pixel to a chain of line pieces (h, w)."""
    nearest = np.full(np.broadcast_shapes(y.shape, x.shape), np.inf)
    for (y0, x0), (y1, x1) in zip(points[:-1].tolist(), points[1:].tolist()):
        dy, dx = y1 - y0, x1 - x0
        t = np.clip(((y - y0) * dy + (x - x0) * dx) / max(dy * dy + dx * dx, 1e-12), 0, 1)
        nearest = np.minimum(nearest, (y0 + t * dy - y) ** 2 + (x0 + t * dx - x) ** 2)
    return np.sqrt(nearest)
