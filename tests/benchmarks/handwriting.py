"""Photographed handwriting that no training saw: how many digits the detector of a command finds and names rightly.

python -m tests.benchmarks.handwriting                            what `tinymaskrcnn predict` uses
python -m tests.benchmarks.handwriting --model runs/001 --invert  a detector of your own
python -m tests.benchmarks.handwriting --show pages/              writes the pictures, with what was found
python -m tests.benchmarks.handwriting --digit-height 20          pages of 800x800 with digits of one height
python -m tests.benchmarks.handwriting --digits embedded --pictures 9 --height 300     the package's own test digits

The pictures are made of the digits of MNIST's t10k files and share no code with data/pages.py: Pillow resizes, blurs
and compresses. A third is pen on paper, a third pen on ruled paper, a third chalk; they are 160 to 1200 pixels high,
with 3 to 6 digits of 9 to 24 % of the height. A digit is found when a detection of its class has an IoU of 0.5 with
its box, each counted once; F1 is over all pictures together.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tinymaskrcnn.data import digits, mnist
from tinymaskrcnn.ops.boxes import iou_matrix

PICTURES, SEED = 24, 20
KINDS = ("paper", "ruled", "chalk")


def make_picture(number, images, labels, *, seed=SEED, height=None, digit=None):
    """Picture `number`: pixels (H, W, 3) uint8, boxes (M, 4) around the ink, labels (M,) of 1..10, and its kind.

    height: that of the picture; digit: that of every digit, on a square page. Drawn when left out.
    """
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    height = height or int(np.exp(rng.uniform(np.log(160), np.log(1200))))
    width = int(height * (1 if digit else rng.uniform(0.9, 1.6)))
    page = _ground(kind, width, height, rng)
    boxes, names = [], []
    wanted = rng.integers(3, 7)
    for _ in range(200):
        if len(boxes) == wanted:
            break
        k = int(rng.integers(len(labels)))
        alpha = _stroke(images[k], digit or int(height * rng.uniform(0.09, 0.24)), rng)
        if alpha.width >= width or alpha.height >= height:
            continue
        x, y = int(rng.integers(width - alpha.width)), int(rng.integers(height - alpha.height))
        inked = np.argwhere(np.asarray(alpha) > 127)
        (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0) + 1
        box = np.array([x + left, y + top, x + right, y + bottom], float)
        margin = 0.02 * height
        if any((box[:2] < b[2:] + margin).all() and (b[:2] < box[2:] + margin).all() for b in boxes):
            continue
        page.paste(_ink(kind, rng), (x, y, x + alpha.width, y + alpha.height), alpha)
        boxes.append(box)
        names.append(int(labels[k]) + 1)
    return _shot(page, rng), np.array(boxes).reshape(-1, 4), np.array(names, int), kind


def _stroke(grey, height, rng):
    """One MNIST digit resized and hardened: an alpha picture, `height` pixels from its top to its bottom."""
    picture = Image.fromarray(grey)
    picture = picture.crop(picture.getbbox())
    width = max(2, round(picture.width * height / picture.height))
    picture = picture.rotate(rng.uniform(-8, 8), Image.BICUBIC, expand=True)
    alpha = np.asarray(picture.resize((width + 2, height), Image.BICUBIC), float) / 255
    hard = rng.uniform(2, 8)
    alpha = np.clip((alpha - rng.uniform(0.35, 0.55)) * hard + 0.5, 0, 1) * rng.uniform(0.8, 1.0)
    return Image.fromarray(np.uint8(255 * alpha))


def _ink(kind, rng):
    if kind == "chalk":
        return tuple(int(v) for v in rng.integers(190, 256) - rng.integers(0, 30, 3))
    pens = ((25, 30, 90), (20, 20, 25), (150, 30, 35), (20, 80, 45), (70, 70, 75))
    return tuple(int(v) for v in np.array(pens[rng.integers(len(pens))]) + rng.integers(0, 25, 3))


def _ground(kind, width, height, rng):
    if kind == "chalk":
        base = np.array([(30, 60, 45), (35, 38, 40), (25, 35, 60)][rng.integers(3)]) + rng.integers(0, 20, 3)
    else:
        base = np.array([248, 245, 235]) - rng.integers(0, 40, 3)
    page = Image.new("RGB", (width, height), tuple(int(v) for v in base))
    if kind == "ruled":
        draw, step = ImageDraw.Draw(page), int(height * rng.uniform(0.05, 0.14))
        line = tuple(int(v) for v in np.array([(150, 175, 215), (190, 190, 195), (215, 160, 165)][rng.integers(3)]))
        thick = max(1, height // 400)
        for y in range(int(rng.integers(step)), height, step):
            draw.line([(0, y), (width, y)], fill=line, width=thick)
        if rng.random() < 0.4:
            for x in range(int(rng.integers(step)), width, step):
                draw.line([(x, 0), (x, height)], fill=line, width=thick)
    return page


def _shot(page, rng):
    """Light that falls off, blur, noise of a sensor, and a JPEG file of quality 50 to 90."""
    width, height = page.size
    y, x = np.mgrid[0:height, 0:width]
    cx, cy = rng.uniform(-0.3, 1.3, 2) * (width, height)
    far = np.hypot(x - cx, y - cy) / np.hypot(width, height)
    light = rng.uniform(0.75, 1.0) * (1 - rng.uniform(0.1, 0.6) * np.clip(far, 0, 1.2))
    pixels = np.asarray(page.filter(ImageFilter.GaussianBlur(height / 600 * rng.uniform(0.2, 1.6))), float)
    pixels = pixels * light[:, :, None]
    noise = rng.normal(size=pixels.shape) * np.sqrt(2 + 0.06 * pixels) * rng.uniform(0.3, 1.6)
    soft = Image.fromarray(np.uint8(np.clip(pixels + noise, 0, 255)))
    if rng.random() < 0.5:
        soft = soft.filter(ImageFilter.GaussianBlur(0.6))
    file = io.BytesIO()
    soft.save(file, "JPEG", quality=int(rng.integers(50, 91)))
    return np.asarray(Image.open(file).convert("RGB"))


def embedded_digits():
    """The package's digits of 8x8 cells as pictures like MNIST's, of those that no training draws from by default."""
    bank = digits.load()
    members = bank.members("test")
    grey_digits = (bank.images[members].astype(np.uint16) * 255 // bank.full).astype(np.uint8)
    return np.pad(grey_digits, ((0, 0), (1, 1), (1, 1))), bank.labels[members]


def counts(boxes, labels, found_boxes, found_labels, *, iou=0.5):
    """(right, false, missed): detections are given best first, and each takes the best object of its class left."""
    left, right = np.ones(len(boxes), bool), 0
    overlap = iou_matrix(np.asarray(found_boxes, float).reshape(-1, 4), np.asarray(boxes, float).reshape(-1, 4))
    for row, label in zip(overlap, found_labels):
        fits = np.where(left & (labels == label), row, 0)
        if len(fits) and fits.max() >= iou:
            left[fits.argmax()] = False
            right += 1
    return right, len(found_boxes) - right, int(left.sum())


def f1(right, false, missed):
    return 2 * right / max(2 * right + false + missed, 1)


def grey(pixels, invert=False):
    image = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[:, :, None] / np.float32(255)
    return 1 - image if invert else image


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a run, a model.npz or tour (default: what predict uses)")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--height", type=int, help="of every picture")
    parser.add_argument("--digit-height", type=int, metavar="PX", help="of every digit, on pages of 800x800")
    parser.add_argument("--digits", choices=("mnist", "embedded"), default="mnist")
    parser.add_argument("--invert", action="store_true", help="swap dark and bright first")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", metavar="DIR", help="write the pictures with what was found")
    args = parser.parse_args()
    from tinymaskrcnn.experiment import open_detector

    images, labels = embedded_digits() if args.digits == "embedded" else mnist.read_pair(mnist.find(), "t10k")
    given = {"seed": args.seed, "height": 800 if args.digit_height else args.height, "digit": args.digit_height}
    detector = open_detector(args.model, threads=args.threads)
    total = dict.fromkeys(KINDS, np.zeros(3, int))
    for number in range(args.pictures):
        pixels, boxes, names, kind = make_picture(number, images, labels, **given)
        start = time.perf_counter()
        [found] = detector.detect([grey(pixels, args.invert)])
        seconds = time.perf_counter() - start
        found = found.select(found.scores >= args.score)
        said = counts(boxes, names, found.boxes, found.labels)
        total[kind] = total[kind] + said
        shape = "x".join(map(str, pixels.shape[:2]))
        print(f"{number:3} {kind:6} {shape:10} right {said[0]} false {said[1]} missed {said[2]}  {seconds:.2f} s")
        if args.show:
            _show(args.show, number, pixels, found, boxes)
    for kind, said in (*total.items(), ("all", sum(total.values()))):
        print(f"{kind:6} right {said[0]:3} false {said[1]:3} missed {said[2]:3}  F1 {f1(*said):.3f}")


def _show(folder, number, pixels, found, boxes):
    Path(folder).mkdir(parents=True, exist_ok=True)
    page = Image.fromarray(pixels)
    scale = 500 / page.height
    page = page.resize((round(page.width * scale), 500))
    draw = ImageDraw.Draw(page)
    for box in boxes:
        draw.rectangle([float(v) * scale for v in box], outline=(0, 160, 0))
    for box, label, score in zip(found.boxes, found.labels, found.scores):
        draw.rectangle([float(v) * scale for v in box], outline=(255, 60, 0))
        draw.text((box[0] * scale, box[1] * scale - 11), f"{label - 1} {score:.2f}", fill=(255, 0, 0))
    page.save(f"{folder}/{number:02}.png")


if __name__ == "__main__":
    main()
