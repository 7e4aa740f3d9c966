"""The six small pictures of the first page: each is made by what its card leads to.

    python docs/_pictures/cards.py

640x360 pixels, dark, so that they fit the light pages and the dark ones.
"""

import dataclasses
import io
import re
import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tinymaskrcnn import visualize
from tinymaskrcnn.config import scene_preset, tour_preset
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.explain import trace_detection, why_missed
from tinymaskrcnn.homework.check import check_function
from tinymaskrcnn.homework.picture import wrong_figure
from tinymaskrcnn.ops import linear
from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
IMAGES = DOCS / "images"
WIDTH, HEIGHT = 640, 360
NIGHT = style.THEMES["dark"]["paper"]
INKS = {"keyword": style.ORANGE, "homework": style.BLUE, "text": "#D8DBE2"}


def main():
    style.use_theme("dark")
    matplotlib.rcParams["savefig.facecolor"] = NIGHT
    for name, make in CARDS.items():
        picture = make()
        canvas = Image.new("RGB", (WIDTH, HEIGHT), NIGHT)
        canvas.paste(picture, ((WIDTH - picture.width) // 2, (HEIGHT - picture.height) // 2))
        canvas.save(IMAGES / f"card_{name}.jpg", quality=82, optimize=True)


def see():
    """The proposals on a held-out scene, and what became of them."""
    image, _ = scene(1, digits_per_image=(5, 5))
    trace = trace_detection(open_detector("tour").model, image)
    figure, axes = panels(1, 2)
    shades = matplotlib.colormaps["viridis"](np.linspace(1, 0.3, 24))
    visualize.draw_image(image, ax=axes[0]).set_axis_off()
    visualize.draw_boxes(trace.proposals.boxes[:24], ax=axes[0], colors=list(map(matplotlib.colors.to_hex, shades)))
    tinted(image, trace.detections, ax=axes[1])
    return fitted(figure)


def touch():
    """Where RoIAlign reads."""
    values = np.random.default_rng(4).random((5, 8)).round(2)
    figure = style.new_figure(6.4, 3.9)
    ax = figure.add_axes((0, 0, 1, 1))
    visualize.draw_pooling_grid(values, (1.3, 0.8, 6.6, 4.2), output_size=2, highlight=(0, 1), legend=False, ax=ax)
    ax.set_axis_off()
    return fitted(figure, margin=14)


def write():
    """A layer as the pages show it: its forward, and the backward that is homework."""
    sys.path.insert(0, str(DOCS / "_ext"))
    from blanks import without_answers  # what the pages show of the source

    text = without_answers(Path(linear.__file__).read_text(encoding="utf-8"))
    code = re.sub(r' *"""\w.*?"""\n', "", text, flags=re.DOTALL).split("def linear_forward")[1]
    picture = Image.new("RGB", (WIDTH, HEIGHT), NIGHT)
    draw, mono = ImageDraw.Draw(picture), font(18)
    lines = [line for line in f"def linear_forward{code}".splitlines() if line.strip() and line[0] != "@"]
    y = 66
    for line in lines:
        y += 30 if line.startswith("def linear_backward") else 0
        kind = "homework" if "raise" in line else "keyword" if line.startswith("def") else "text"
        draw.text((30, y), line.split("  #")[0], fill=INKS[kind], font=mono)
        y += 36
    return picture


def train():
    """Scenes of the hard kind, which no two steps see twice, with what there is to be found in them."""
    figure, axes = panels(2, 4)
    for number, ax in enumerate(axes):
        image, truth = SceneStream(scene_preset("hard"), split="train", seed=0, batch_size=1).scene(number)
        tinted(image, truth, ax=ax)
    return fitted(figure, margin=4)


def explain():
    """How many boxes were left of an object that was found and of one that was missed, after each stage."""
    image, truth = scene(126, digits_per_image=(4, 8), max_overlap=0.6)  # the one of lesson 00
    trace = trace_detection(open_detector("tour").model, image)
    fates = [
        why_missed(trace, box, label=label, mask=mask, min_score=0.5)
        for box, label, mask in zip(truth.boxes, truth.labels, truth.masks)
    ]
    lost = next(fate for fate in fates if fate.stage != "found")
    well = next(fate for fate in fates if fate.stage == "found")
    return fitted(visualize.fate_figure([well, lost], ["found", "missed"]), margin=16)


def teach():
    """What a student sees who forgot all rows but the first."""

    def first_row_only(dy, cache):
        x, weight = cache
        return dy @ weight.T, x[:1].T @ dy[:1], dy.sum(axis=0)

    return fitted(wrong_figure(check_function("hw01.linear_backward", first_row_only)), margin=10)


CARDS = {"see": see, "touch": touch, "write": write, "train": train, "explain": explain, "teach": teach}


# ---------------------------------------------------------------- what they are made of


def scene(number, **changes):
    config = dataclasses.replace(tour_preset().scenes, **changes)
    return SceneStream(config, split="test", seed=0, batch_size=1).scene(number)


def panels(rows, columns):
    """Square axes that fill a card, row by row."""
    figure = style.new_figure(1.6 * columns, 1.6 * rows)
    axes = figure.subplots(rows, columns, gridspec_kw=dict(left=0, right=1, bottom=0, top=1, wspace=0.03, hspace=0.03))
    return figure, list(axes.flat)


def tinted(image, objects, *, ax):
    """A scene with a colour for each object."""
    colors = [style.PALETTE[k % 8] for k in range(len(objects))]
    visualize.draw_image(image, ax=ax)
    visualize.draw_masks(objects.masks, ax=ax, colors=colors, alpha=0.8)
    visualize.draw_boxes(objects.boxes, ax=ax, colors=colors, linewidth=1.2)
    ax.set_axis_off()


def fitted(figure, *, margin=8):
    """A figure as pixels, as large as a card allows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=220, facecolor=NIGHT)
    picture = Image.open(buffer).convert("RGB")
    factor = min((WIDTH - 2 * margin) / picture.width, (HEIGHT - 2 * margin) / picture.height)
    size = round(factor * picture.width), round(factor * picture.height)
    return picture.resize(size, Image.Resampling.LANCZOS)


def font(size):
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"), size)


if __name__ == "__main__":
    main()
