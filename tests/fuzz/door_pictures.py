"""Picture files of many formats, cut off, flipped, and as large as their first bytes say."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tinymaskrcnn.data.pictures import picture_sizes, read_image

from .damage import damaged_bytes, pick
from .frame import Door

FORMATS = ("png", "jpeg", "bmp", "gif", "tiff", "webp")
MODES = ("L", "RGB", "RGBA", "P", "1", "I;16", "LA", "CMYK", "F")


def sound(rng):
    """The bytes of a small picture of some mode in some format."""
    picture = Image.fromarray(rng.integers(0, 256, (18, 23, 3), np.uint8))
    mode, kind = pick(rng, MODES), pick(rng, FORMATS)
    buffer = io.BytesIO()
    try:
        picture = picture.convert("L").convert(mode) if mode in ("I;16", "F", "LA") else picture.convert(mode)
        picture.save(buffer, kind)
    except (OSError, ValueError, KeyError):
        picture.convert("RGB").save(buffer, "png")
    return buffer.getvalue()


def bomb(width, height, *, depth=1):
    """A PNG of a few bytes that claims to be width x height, all black."""
    row = bytes(min(1 + (width * depth + 7) // 8, 2**20))
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(min(height, 2**25 // len(row)))) + packer.flush()

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def make_picture(rng, folder):
    path = folder / f"picture.{pick(rng, FORMATS)}"
    kind = rng.random()
    if kind < 0.03:
        contents = bomb(*pick(rng, [(13300, 13300), (30000, 30000), (100_000, 3), (2**31 - 1, 2**31 - 1), (0, 5)]))
    else:
        contents = sound(rng) if kind < 0.9 else rng.bytes(200)
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.75 else contents)
    return path


def use_picture(path):
    """Its size without its pixels, then its pixels in one channel and in three."""
    shown, _ = picture_sizes(path)
    for channels in (1, 3):
        image = read_image(path, channels)
        assert image.shape == (*shown, channels) and image.dtype == np.float32
        assert image.min() >= 0 and image.max() <= 1


DOORS = [Door("pictures", make_picture, use_picture)]
