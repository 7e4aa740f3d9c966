"""Picture files in, float arrays out: any PNG or JPEG, whatever its mode, depth, transparency or orientation."""

import contextlib
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..capacity import in_words, require
from ..errors import ArgumentError, DataError, shown

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
HEIC = (".heic", ".heif")  # what an iPhone writes; Pillow reads none, and a folder's must not be passed over in silence
_QUIET = threading.Lock()  # Python's list of warnings is one for all threads, and batches are read in another
LARGEST = 160 * 10**6  # pixels; the largest cameras have nearly as many, and a file of kilobytes may claim more
ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 turn the picture by a quarter


def read_image(path, channels=1, *, upright=True):
    """Read a picture as grey (channels=1) or RGB (channels=3).

    path  ->  image (H, W, C) float32 in 0..1
    Transparent parts show white paper, as in a browser; the EXIF orientation is applied, unless upright is False.
    DataError names the file.
    """
    return to_float(read_pixels(path, channels, upright=upright))


def read_pixels(path, channels=1, *, upright=True):
    """Like read_image, but as small as it is stored: a quarter of the memory until one knows which part is needed.

    path  ->  pixels (H, W, C) uint8, or float32 in 0..1 where a pixel has 16 bits
    """
    if channels not in (1, 3):
        raise ArgumentError(f"read_image: channels must be 1 or 3; got {channels!r}")
    with _opened(path) as picture:
        _check_size(path, picture, channels)
        if upright:
            ImageOps.exif_transpose(picture, in_place=True)
        return _to_array(picture, channels)


def to_float(pixels):
    """What read_pixels returned, or a part of it  ->  image (H, W, C) float32 in 0..1"""
    if pixels.dtype != np.uint8:
        return pixels
    image = pixels.astype(np.float32)
    image /= np.float32(255)
    return image


def picture_sizes(path):
    """What a picture's header says, without reading pixels: its size as shown (EXIF applied) and as stored.

    path  ->  (height, width), (height, width)
    """
    with _opened(path) as picture:
        stored = picture.height, picture.width
        sideways = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        return (stored[::-1] if sideways else stored), stored


@contextlib.contextmanager
def _opened(path):
    """The open picture; whatever goes wrong while it is used becomes a DataError."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: is a folder, not a picture" if path.is_dir() else f"{path}: there is no such file")
    try:
        with _QUIET, warnings.catch_warnings():  # of what Pillow thinks of a file; its size is judged here
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                yield picture
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever a broken file leads them to
        why = f"{type(error).__name__}: {shown(str(error), 200)[1:-1]}"
        if path.suffix.lower() in HEIC:
            why = "HEIC is not known here: save it as JPEG; on an iPhone Settings, Camera, Formats, Most Compatible"
        raise DataError(f"{path}: cannot be read as a picture ({why})") from error


def _check_size(path, picture, channels):
    """Refuse, by its first bytes alone, a picture that is larger than photographs are, or than the memory."""
    width, height = picture.size
    numbers = width * height * channels
    if width * height > LARGEST:
        raise DataError(
            f"{path}: a picture of {width}x{height} pixels, which would need {in_words(5 * numbers)} of memory; "
            f"the largest that is read has {LARGEST // 10**6} megapixels"
        )
    require(5 * numbers, f"{path}: a picture of {width}x{height} pixels", error=DataError)  # as bytes and as floats


def _to_array(picture, channels):
    if picture.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion to 8 bits would clip them
        grey = np.clip(np.asarray(picture).astype(np.float32) / np.float32(65535), 0, 1)
        return np.repeat(grey[:, :, None], channels, axis=2)
    if picture.mode == "F":
        raise ValueError("pixels are floating-point numbers of unknown range")
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(paper, picture)
    mode = "L" if channels == 1 else "RGB"
    picture = picture if picture.mode == mode else picture.convert(mode)  # which would copy even what fits
    return np.asarray(picture).reshape(picture.height, picture.width, channels)


def list_images(paths):
    """The picture files that a path, or several, stand for: a folder means all pictures directly in it, by name.

    Raises DataError for a path that does not exist and for a folder without pictures.
    """
    if isinstance(paths, (str, Path)):
        paths = [paths]
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            known = SUFFIXES + HEIC
            pictures = sorted(p for p in path.iterdir() if p.suffix.lower() in known and p.is_file())
            if not pictures:
                raise DataError(f"{path}: the folder holds no pictures ({', '.join(s[1:] for s in SUFFIXES)})")
            found.extend(pictures)
        elif path.exists():
            found.append(path)
        else:
            raise DataError(f"{path}: there is no such file or folder")
    return found
