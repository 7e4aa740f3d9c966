"""A short training as a moving picture of eight seconds: a few scenes, and what is found in them from step to step."""

import copy
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from ..backend import array_module, to_host
from ..errors import ArgumentError, shown
from ..explain.trace import trace_detection
from ..files import whole_file
from ..nn.state import at_rest
from ..ops.boxes import iou_matrix
from . import style

SHOTS, SHOT, LAST = 48, 125, 2000  # how many pictures, and how long one and the last one stay, in milliseconds
ENLARGED, GAP, FOOT = 3, 12, 64  # pixels: the side of a scene's pixel, what lies between scenes, the height below
BEST = 10  # proposals that are drawn in each scene
FOUND = 0.5  # score of a detection, and IoU with an object whose colour it takes
NIGHT, INK, MUTED = "#16181D", "#F2F2F2", "#8A8F98"


class Reel:
    """Watches a training on scenes that are never trained on: `shoot` now and then, `write` at the end.

    images: a list of (S, S, C) floats in 0..1; truths: their Targets, whose objects have a colour each
    """

    def __init__(self, images, truths):
        if len(images) == 0:
            raise ArgumentError("Reel: images must hold at least one scene, or there is nothing to watch")
        self.images, self.truths, self.shots = list(images), list(truths), []

    def shoot(self, model, *, step, loss):
        """Keep what the model finds after `step` steps; it goes on training as it was."""
        if array_module(model.parameters()[0].value) is not np:  # looked at on the host, whatever it learns on
            model = copy.deepcopy(model).to_device("cpu")
        with at_rest(model):
            traces = [trace_detection(model, image) for image in self.images]
        seen = [(trace.proposals.boxes[:BEST], _sure(trace.detections)) for trace in traces]
        self.shots.append((int(step), float(to_host(loss)), seen))

    def frames(self):
        """The pictures, one for each shot."""
        if not self.shots:
            raise ArgumentError("Reel.frames: call shoot at least once before")
        return [self._frame(number) for number in range(len(self.shots))]

    def write(self, path):
        """Write the film as a GIF that runs three times and stays at its end, and its end as a PNG beside it.

        ->  the two paths
        """
        path, still = film_paths(path)
        frames = self.frames()
        colors = frames[-1].quantize(32, Image.Quantize.MEDIANCUT)  # one table of colours, or it would flicker
        first, *others = (frame.quantize(palette=colors, dither=Image.Dither.NONE) for frame in frames)
        times = [SHOT] * len(others) + [LAST]
        with whole_file(path) as file:
            first.save(file, "gif", save_all=True, append_images=others, duration=times, loop=2, optimize=True)
        with whole_file(still) as file:
            frames[-1].quantize(96, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "png", optimize=True)
        return path, still

    # ------------------------------------------------------------ one frame

    def _frame(self, number):
        _, _, seen = self.shots[number]
        tiles = [_tile(image, truth, *one) for image, truth, one in zip(self.images, self.truths, seen)]
        width = sum(tile.width + GAP for tile in tiles) + GAP
        canvas = Image.new("RGB", (width, tiles[0].height + GAP + FOOT), NIGHT)
        x = GAP
        for tile in tiles:
            canvas.paste(tile, (x, GAP))
            x += tile.width + GAP
        self._write_foot(canvas, number)
        return canvas

    def _write_foot(self, canvas, number):
        """The step, and the loss so far on axes that fit all of it."""
        draw, top, bottom = ImageDraw.Draw(canvas), canvas.height - FOOT + 14, canvas.height - 14
        step, loss, _ = self.shots[number]
        draw.text((GAP, top - 3), f"step {step}", fill=INK, font=_font(19))
        draw.text((GAP, top + 21), f"loss {loss:.2f}", fill=MUTED, font=_font(13))
        left, right = GAP + 160, canvas.width - GAP - 4
        steps = np.array([shot[0] for shot in self.shots], np.float64)
        losses = np.log(np.maximum([shot[1] for shot in self.shots], 1e-3))
        losses = style.running_mean(losses, max(1, len(losses) // 10))
        across = left + (right - left) * (steps - steps[0]) / max(1.0, steps[-1] - steps[0])
        down = bottom - (bottom - top) * (losses - losses.min()) / max(1e-9, losses.max() - losses.min())
        points = list(zip(across.tolist(), down.tolist()))[: number + 1]
        draw.line((left, bottom + 2, right, bottom + 2), fill="#3A3D45")
        if len(points) > 1:
            draw.line(points, fill=style.BLUE, width=3, joint="curve")
        x, y = points[-1]
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=INK)


def film_paths(path):
    """Where a film and its end are written: (path, the PNG beside it); an ArgumentError unless path ends in .gif."""
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ArgumentError(f"a film's path must end in .gif; got {shown(str(path))}")
    return path, path.with_suffix(".png")


def _sure(detections):
    return detections.select(np.flatnonzero(to_host(detections.scores) >= FOUND))


def _tile(image, truth, proposals, found):
    """A scene with its best proposals as thin frames; each object that was found is tinted and framed."""
    ink = np.repeat(image, 3 // image.shape[2], axis=2)
    colors = _colors(truth, found)
    for mask, color in zip(found.masks if found.masks is not None else (), colors):
        ink = np.where(np.asarray(mask)[:, :, None], 0.35 * ink + 0.65 * np.array(to_rgb(color)), ink)
    pixels = Image.fromarray(np.uint8(255 * ink.clip(0, 1)))
    tile = pixels.resize((ENLARGED * pixels.width, ENLARGED * pixels.height), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(tile)
    for box in proposals[::-1]:
        draw.rectangle(_corners(box, tile), outline="#7D828C")
    for box, color in zip(found.boxes, colors):
        draw.rectangle(_corners(box, tile), outline=color, width=3)
    return tile


def _corners(box, tile):
    x1, y1, x2, y2 = (round(ENLARGED * float(v)) for v in box)
    return min(x1, tile.width - 1), min(y1, tile.height - 1), max(x1, x2 - 1), max(y1, y2 - 1)


def _colors(truth, found):
    """The colour of the object that each detection lies on, so that it keeps it while it grows; else grey."""
    overlap = iou_matrix(np.asarray(found.boxes), truth.boxes)
    palette = style.PALETTE
    return [palette[int(row.argmax()) % len(palette)] if row.max(initial=0) >= FOUND else style.GREY for row in overlap]


def _font(size):
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
