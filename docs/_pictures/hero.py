"""The picture at the head of the first page, and the card that others show of it: digits found on three drawn pages.

    python docs/_pictures/hero.py [--data MNIST_FOLDER]

Pages that no training saw, of MNIST's held-out digits; what is tinted, framed and named is what the detector for
handwriting, which is in the package, finds in them. They are grey, so that every colour is one of an object.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from tinymaskrcnn.config import scene_preset
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
PAGES = (
    ("paper", 12, 11),
    ("board", 11, 0),
    ("paper", 12, 7),
)  # surface, seed, number: some of those where all is found
SIDE = 560
MIN_SCORE = 0.5
KIND = {
    "source": "mnist",
    "image_size": SIDE,
    "digits_per_image": (9, 10),
    "digit_size": (56, 120),
    "rotation": 8.0,
    "alpha": (0.85, 1.0),
    "max_overlap": 0.0,
    "clutter": 0.0,
    "stains": 0.1,
    "grid": 1.0,
    "noise": 0.02,
    "pen": (0.09, 0.15),
    "blur": 0.8,
    "light": 0.2,
    "jpeg": 0,
}
NIGHT, INK, MUTED = "#16181D", "#F2F2F2", "#AEB4BF"


def pages(data_dir=None):
    """The pages (H, W, 1) in 0..1, one after the other."""
    for surface, seed, number in PAGES:
        config = dataclasses.replace(scene_preset(surface), **KIND)
        yield SceneStream(config, split="test", seed=seed, batch_size=1, data_dir=data_dir).scene(number)[0]


def in_colour(image, found, names):
    """A page with all that was found in it."""
    found = found.select(np.flatnonzero(found.scores >= MIN_SCORE))
    order = np.argsort(found.boxes[:, 0])  # neighbours differ in colour
    pixels = np.repeat(image, 3, axis=2)
    colors = {int(k): style.PALETTE[place % 8] for place, k in enumerate(order)}
    for k, color in colors.items():
        pixels = np.where(np.asarray(found.masks[k])[:, :, None], 0.2 * pixels + 0.8 * np.array(to_rgb(color)), pixels)
    picture = Image.fromarray(np.uint8(255 * pixels.clip(0, 1)))
    draw = ImageDraw.Draw(picture)
    for k, color in colors.items():
        x1, y1, x2, y2 = found.boxes[k].round().astype(int).tolist()
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline="#16181D", width=5)
        draw.rectangle((x1, y1, x2, y2), outline=color, width=3)
    for k, color in colors.items():
        x, y = found.boxes[k][:2].round().astype(int).tolist()
        y = max(0, y - 24)
        draw.rectangle((x, y, x + 21, y + 25), fill=color)
        name, ink = names[found.labels[k]], style.ink_on(color)
        draw.text((x + 11, y + 12), name, fill=ink, font=font(18, "-Bold"), anchor="mm")
    return picture


def font(size, cut=""):
    return ImageFont.truetype(str(Path(get_data_path()) / f"fonts/ttf/DejaVuSans{cut}.ttf"), size)


def social_card(hero):
    """1200x630, as those who show a link want it: two of the pictures, the name, and what it is."""
    card = Image.new("RGB", (1200, 630), NIGHT)
    part = hero.crop((0, 0, 2 * SIDE + 4, 400)).resize((1200, 427))
    card.paste(part, (0, 0))
    draw = ImageDraw.Draw(card)
    draw.text((48, 455), "tinymaskrcnn", fill=INK, font=font(64, "-Bold"))
    draw.text((50, 548), "Mask R-CNN from scratch, in NumPy, to be understood", fill=MUTED, font=font(31))
    return card


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="folder of MNIST's files (default: where it is found)")
    detector = open_detector("handwriting")
    hero = Image.new("RGB", (3 * SIDE + 8, SIDE), NIGHT)
    for place, image in enumerate(pages(parser.parse_args().data)):
        [found] = detector.detect([image])
        hero.paste(in_colour(image, found, detector.class_names), (place * (SIDE + 4), 0))
    hero.save(DOCS / "images" / "hero.jpg", quality=84, optimize=True, progressive=True)
    social_card(hero).save(DOCS / "_static" / "social_card.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
