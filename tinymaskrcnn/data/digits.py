"""Handwritten digits as small grey pictures, and how one of them becomes pen strokes of any height and angle.

The embedded set is the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, CC BY 4.0): 1,797 digits of 8x8 cells. `uci_digits.txt` holds attribution and licence.
"""

import functools
import hashlib
import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from ..errors import ArgumentError, DataError
from ..files import whole_file

SPLITS = ("train", "validation", "test")
HALF_INK = 0.45  # the grey that lies on a stroke's edge; a little under 1/2, because 4x4 cells dilute thin strokes
SHARPNESS = 18.0  # slope of the logistic curve; at 3 to 4 pixels per cell an edge is then 1 to 2 pixels soft
FILE = "uci_digits.npz"


@dataclass(frozen=True)
class DigitBank:
    """Source digits and their split into disjoint parts, so that no digit of a test scene was seen in training.

    images (K, S, S) uint8 with bright ink from 0 to `full`, labels (K,) uint8 in 0..9,
    splits {"train", "validation", "test"} -> indices into images.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    full: int
    splits: dict

    def __len__(self):
        return len(self.images)

    def digest(self):
        """A short text that stands for what is drawn."""
        return hashlib.sha256(np.ascontiguousarray(self.images)).hexdigest()[:16]

    def members(self, split):
        """The source digits of one split, as indices."""
        if split not in self.splits:
            raise ArgumentError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
        return self.splits[split]

    def render(self, i, height, angle=0.0):
        """Draw digit i upright `height` pixels high, then turned by `angle` degrees counter-clockwise.

        i, height, angle  ->  ink (h, w) float32 in 0..1, cropped to the ink; ink > 0.5 is the mask
        The aspect ratio is kept. Ink is rounded to k / 255, so that machines whose `exp` differs agree.
        """
        grey = self.images[i]
        field = np.zeros((grey.shape[0] + 2, grey.shape[1] + 2))
        field[1:-1, 1:-1] = grey / self.full  # the empty ring lets strokes at the border end softly
        top, bottom = _extent(field)
        left, right = _extent(field.T)
        scale = height / (bottom - top)  # pixels per cell
        ys, xs = _turned_grid((bottom - top) * scale, (right - left) * scale, math.radians(angle))
        ink = _logistic(bilinear(field, (top + bottom) / 2 + ys / scale, (left + right) / 2 + xs / scale))
        return _crop(np.rint(255 * ink)).astype(np.float32) / np.float32(255)


def _extent(field):
    """Where along axis 0 the contour of half ink begins and ends, to a fraction of a cell.

    Between two rows every column is linear, so the first crossing is found exactly.
    """
    return _first_crossing(field), len(field) - 1 - _first_crossing(field[::-1])


def _first_crossing(field):
    row = int(np.argmax(field.max(axis=1) > HALF_INK))
    before, after = field[row - 1], field[row]
    inked = after > HALF_INK
    return row - 1 + float(((HALF_INK - before[inked]) / (after[inked] - before[inked])).min())


def _turned_grid(height, width, angle):
    """Pixel centres around the middle of a window that holds the turned digit, turned back: ys (h, w), xs (h, w)."""
    c, s = math.cos(angle), math.sin(angle)
    h = math.ceil(abs(c) * height + abs(s) * width - 1e-6) + 2  # one pixel on each side for the soft edge; less a hair,
    w = math.ceil(abs(s) * height + abs(c) * width - 1e-6) + 2  # lest a rounding error add a row or a column
    y = (np.arange(h) - (h - 1) / 2)[:, None]
    x = (np.arange(w) - (w - 1) / 2)[None, :]
    return c * y + s * x, c * x - s * y


def bilinear(field, ys, xs):
    """Values of a grid between its nodes; outside the grid, the value of its empty border."""
    ys = np.clip(ys, 0, field.shape[0] - 1)
    xs = np.clip(xs, 0, field.shape[1] - 1)
    y0 = np.minimum(ys.astype(np.int64), field.shape[0] - 2)
    x0 = np.minimum(xs.astype(np.int64), field.shape[1] - 2)
    fy, fx = ys - y0, xs - x0
    corner = y0 * field.shape[1] + x0
    flat, below = field.ravel(), field.shape[1]
    upper = flat[corner] * (1 - fx) + flat[corner + 1] * fx
    lower = flat[corner + below] * (1 - fx) + flat[corner + below + 1] * fx
    return upper * (1 - fy) + lower * fy


def _logistic(grey):
    """Sharpen: grey above HALF_INK becomes ink, grey below it paper; 0 stays 0 and 1 stays 1."""
    low, high = (1 / (1 + math.exp(-SHARPNESS * (end - HALF_INK))) for end in (0.0, 1.0))
    return (1 / (1 + np.exp(-SHARPNESS * (grey - HALF_INK))) - low) / (high - low)


def _crop(ink):
    rows = np.flatnonzero(ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# ---------------------------------------------------------------- the embedded digits


@functools.cache
def load():
    """The 1,797 embedded digits; of each label 70 % train, 10 % validation, 20 % test.

    The UCI file does not say who wrote which digit, so the split is by digit, not by writer.
    """
    try:
        with files(__package__).joinpath(FILE).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the embedded digits {FILE} cannot be read; install the package again ({error})") from error
    return make_bank("digits", images, labels, full=16, splits=split_by_digit(labels))


def make_bank(name, images, labels, *, full, splits):
    """A DigitBank of read-only arrays: it is shared between threads and streams."""
    for array in (images, labels, *splits.values()):
        array.setflags(write=False)
    return DigitBank(name, images, labels, full, splits)


def split_by_digit(labels):
    """Deal the digits of every label out in order: seven to train, one to validation, two to test, and again."""
    turn = np.zeros(len(labels), np.int64)
    for label in range(10):
        same = np.flatnonzero(labels == label)
        turn[same] = np.arange(len(same)) % 10
    return dict(zip(SPLITS, (np.flatnonzero(turn < 7), np.flatnonzero(turn == 7), np.flatnonzero(turn > 7))))


def rebuild(path):
    """Write the npz again from scikit-learn's copy of the UCI file; nothing else needs scikit-learn.

    python -c "from tinymaskrcnn.data import digits; digits.rebuild('tinymaskrcnn/data/uci_digits.npz')"

    The result is the same to the byte wherever zlib is the same.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    with whole_file(path) as file:
        np.savez_compressed(file, images=digits.images.astype(np.uint8), labels=digits.target.astype(np.uint8))
