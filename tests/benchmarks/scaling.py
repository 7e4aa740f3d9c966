"""What work costs as pictures, objects, RoIs, anchors, batches and classes grow: training, inference, and around them.

    python -m tests.benchmarks.scaling [--only AXIS ...] [--rounds 10] [--threads 2] [--json FILE] [--picture FILE]

One setting of the tiny model changes at a time, the others stay as they are at START. All values of an axis take turns,
round by round, there and back. Costs are fitted as constant + factor * x ** exponent, by least squares of what the line
is off in parts of each value; the most that it is off is said. Besides a training step and inference, from pictures of
the network's size: making a batch of digit scenes, `Detector.detect` from pictures to masks, evaluation, drawing.
The weights are fresh, the objects rectangles, and every picture gets its full number of detections (score_threshold 0).
"""

import argparse
import dataclasses
import itertools
import sys
import time
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.evaluation.evaluator import evaluate
from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Target, collate
from tinymaskrcnn.train.trainer import Trainer, computing
from tinymaskrcnn.visualize import save_figure, style
from tinymaskrcnn.visualize.detections import draw_detections

from .contestants import with_model
from .measure import at_least, environment, load_average, race, say, warnings, write_rows

START = {"image_size": 128, "objects": 3, "rois": 64, "anchors": 3, "batch": 4, "classes": 11}
AXES = {  # name: (what it counts, its values); RoIs and anchors are counted in the run
    "image_size": ("pixels along a side", (64, 96, 128, 192, 256, 384, 512)),
    "objects": ("objects in a picture", (1, 2, 4, 8, 16, 32)),
    "rois": ("RoIs of a picture", (16, 32, 64, 128, 256, 512)),
    "anchors": ("anchors of a picture", (1, 2, 3, 4, 6, 9, 12)),
    "batch": ("pictures in a batch", (1, 2, 3, 4, 6, 8, 12, 16)),
    "classes": ("classes", (2, 11, 31, 91, 301, 1001)),
}
KINDS = {
    "step": "training step",
    "inference": "inference",
    "data": "digit scenes",
    "predict": "predict",
    "evaluation": "evaluation",
    "drawing": "drawing",
}
MOST_DIGITS = 10  # of a scene; "digit scenes" do not grow beyond it
DRAWN = ("step", "inference")  # in the picture
EXPONENTS = np.linspace(0.02, 4.0, 200)


# ---------------------------------------------------------------- one setting


@dataclass
class Subject:
    """A model and a batch of one setting, ready to be timed."""

    x: float  # where it lies on its axis
    calls: dict  # {kind: function}


def subject(axis, value):
    """START with one value changed."""
    setting = START | {axis: value}
    config = config_of(setting)
    rng = np.random.default_rng(0)
    scenes = [
        scene(rng, setting["image_size"], setting["objects"], setting["classes"]) for _ in range(setting["batch"])
    ]
    batch = collate(*zip(*scenes))
    model = build_model(config.model, rng=rng).train()
    trainer = Trainer(model, None, config.train)

    def step():
        model.train()
        trainer.train_step([batch])

    def inference():
        model.eval()
        return model.detect(batch.images, sizes=batch.sizes)

    images, truths = zip(*((image.clip(0, 1), truth) for image, truth in scenes))
    detector, stream = Detector(model), stream_of_digits(setting)
    numbers, figure = itertools.count(), style.new_figure(4, 4)
    found = inference()

    def draw():
        figure.clear()
        draw_detections(images[0], found[0], config.model.class_names, ax=figure.add_subplot())
        figure.canvas.draw()

    others = {
        "data": lambda: stream.batch(next(numbers)),
        "predict": lambda: detector.detect(list(images)),
        "evaluation": lambda: evaluate(truths, found, iou_type="segm"),
        "drawing": draw,
    }
    x = {"anchors": anchors_of, "rois": rois_of}.get(axis, lambda *both: value)(model, batch)
    return Subject(float(x), {"step": step, "inference": inference, **others})


def stream_of_digits(setting):
    """Scenes of digits of that size, and as many objects in each as a scene may have at most."""
    objects = (min(setting["objects"], MOST_DIGITS),) * 2
    scenes = dataclasses.replace(Config().scenes, image_size=setting["image_size"], digits_per_image=objects)
    return SceneStream(scenes, split="train", seed=0, batch_size=setting["batch"])


def config_of(setting):
    """A Config: as many proposals as RoIs are wanted, so that each RoI that is wanted is there."""
    ratios = tuple(np.geomspace(0.5, 2, setting["anchors"]).tolist()) if setting["anchors"] > 1 else (1.0,)
    many = 4 * setting["rois"]
    rpn = {"anchor_ratios": ratios, "pre_nms_top_n": (max(512, many), 512), "post_nms_top_n": (many, setting["rois"])}
    config = with_model(Config(), rpn=rpn, roi={"samples_per_image": setting["rois"], "score_threshold": 0.0})
    names = ("background", *(f"class {i}" for i in range(1, setting["classes"])))
    model = dataclasses.replace(config.model, num_classes=setting["classes"], class_names=names)
    return dataclasses.replace(config, model=model)


def scene(rng, side, objects, classes):
    """A noisy square picture with rectangles in it, and their Target."""
    image = rng.random((side, side, 1), dtype=np.float32) * 0.1
    sides = rng.integers(16, 37, (objects, 2))
    corner = rng.integers(0, side - sides)
    masks = np.zeros((objects, side, side), bool)
    for mask, (x, y), (width, height) in zip(masks, corner.tolist(), sides.tolist()):
        mask[y : y + height, x : x + width] = True
        image[y : y + height, x : x + width] += 0.5
    boxes = np.concatenate([corner, corner + sides], axis=1).astype(np.float32)
    return image, Target(boxes, rng.integers(1, classes, objects), masks)


def anchors_of(model, batch):
    strides = (4, 8, 16, 32, 64)
    return sum(model.rpn.per_cell * int(np.prod([-(-side // s) for side in batch.images.shape[1:3]])) for s in strides)


def rois_of(model, batch):
    """How many RoIs of a picture a training step learns from."""
    chosen, choose = [], model.choose_samples
    model.choose_samples = lambda *args, **options: chosen.append(choose(*args, **options)) or chosen[-1]
    try:
        model.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(0))
    finally:
        del model.choose_samples  # the class's own is found again
    return float(chosen[0].rois.weight.sum()) / len(batch.images)


# ---------------------------------------------------------------- an axis, and what it follows


def measure_axis(axis, rounds):
    """The row of an axis: its values, the medians of the seconds, and the exponents that fit them."""
    label, values = AXES[axis]
    subjects = [subject(axis, value) for value in values]
    calls = {(kind, i): one.calls[kind] for i, one in enumerate(subjects) for kind in KINDS}
    seconds = race({who: lambda turn, call=call: call() for who, call in calls.items()}, pairs=rounds, warm=1)
    x = [one.x for one in subjects]
    row = {"work": f"scaling_{axis}", "axis": axis, "label": label, "x": x, "rounds": rounds}
    for kind in KINDS:
        medians, cpu = np.median([seconds[kind, i] for i in range(len(x))], axis=1).T
        row |= {f"{kind}_s": medians.tolist(), f"{kind}_cpu_s": cpu.tolist()}
        parts = fit(x, medians)
        row |= {f"{kind}_{name}": value for name, value in parts.items()}
    return row


def fit(x, y):
    """y = constant + factor * x ** exponent, none of them below 0, by least squares of what is off in parts of y.

    x (K,), y (K,), all above 0  ->  {"constant", "factor", "exponent", "off": the largest |line / y - 1|}
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    found = (_with_exponent(x, y, exponent) for exponent in EXPONENTS)
    _, parts = min(found, key=lambda one: one[0])
    return parts | {"off": float(np.abs(line(x, **parts) / y - 1).max())}


def _with_exponent(x, y, exponent):
    """(Sum of squares, the best constant and factor for an exponent.)"""
    columns = np.stack([1 / y, x**exponent / y], axis=1)
    choices = [np.linalg.lstsq(columns, np.ones(len(x)), rcond=None)[0]]
    for only in range(2):  # where the best of both has one below 0, the best has one that is 0
        alone = np.zeros(2)
        alone[only] = columns[:, only].sum() / np.square(columns[:, only]).sum()
        choices.append(alone)
    squares = [(np.square(columns @ choice - 1).sum(), choice) for choice in choices if (choice >= 0).all()]
    least, (constant, factor) = min(squares, key=lambda one: one[0])
    return least, {"constant": float(constant), "factor": float(factor), "exponent": float(exponent)}


def line(x, *, constant, factor, exponent, **more):
    return constant + factor * np.asarray(x, float) ** exponent


def line_of(row, kind, x):
    """What was fitted to a kind of work, at x."""
    return line(x, **{name: row[f"{kind}_{name}"] for name in ("constant", "factor", "exponent")})


def table(rows):
    """What was fitted, as text: milliseconds at both ends and of the constant part, the power, the most it is off."""
    head = f"{'cost grows with':22}{'from':>8}{'to':>8}  {'of':14}"
    lines = [head + f"{'from ms':>9}{'to ms':>9}{'constant':>9}{'x^':>6}{'off':>6}"]
    for row in rows:
        where = f"{row['label']:22}{row['x'][0]:8.0f}{row['x'][-1]:8.0f}  "
        for kind, name in KINDS.items():
            if f"{kind}_s" not in row:
                continue
            ends = [1e3 * row[f"{kind}_s"][i] for i in (0, -1)]
            numbers = f"{ends[0]:9.1f}{ends[1]:9.1f}{1e3 * row[f'{kind}_constant']:9.1f}"
            lines.append(f"{where}{name:14}{numbers}{row[f'{kind}_exponent']:6.2f}{row[f'{kind}_off']:6.0%}")
            where = " " * len(where)
    return "\n".join(lines)


# ---------------------------------------------------------------- the picture


def scaling_figure(rows):
    """A panel for each axis, both scales logarithmic: points are medians, lines the fitted powers."""
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure = style.new_figure(3.6 * columns, 3.1 * lines + 0.4)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, row in zip(panels, rows):
        draw_axis(style.plain_axes(ax), row)
    for ax in panels[len(rows) :]:
        ax.set_axis_off()
    for ax in panels[::columns]:
        ax.set_ylabel("milliseconds", fontsize=style.TEXT)
    figure.suptitle("What a batch costs: points are medians, lines a constant and a power", fontsize=style.TITLE)
    figure.tight_layout(h_pad=1.5, w_pad=1.2)
    return figure


def draw_axis(ax, row):
    """Seconds against the values of one axis, with the fitted power of each kind of work."""
    x = np.array(row["x"])
    between = np.geomspace(x.min(), x.max(), 50)
    looks = {"step": ("o", "-", style.DARK_BLUE), "inference": ("s", "--", style.ORANGE)}
    highest, lowest = 0.0, np.inf
    for kind, (marker, dashes, color) in looks.items():
        milliseconds = 1e3 * np.array(row[f"{kind}_s"])
        highest, lowest = max(highest, milliseconds.max()), min(lowest, milliseconds.min())
        ax.plot(between, 1e3 * line_of(row, kind, between), dashes, color=color, linewidth=1.4)
        constant, exponent = 1e3 * row[f"{kind}_constant"], row[f"{kind}_exponent"]
        label = f"{KINDS[kind]}: {constant:.0f} ms + power {exponent:.2f}"
        ax.plot(x, milliseconds, marker, color=color, markersize=5, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(lowest / 1.5, highest * 4)  # room for the legend
    ax.set_xticks(x, [f"{value:,.0f}" for value in x], rotation=0 if x.max() < 1e4 and len(x) < 6 else 30)
    ax.minorticks_off()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(lambda value, place: f"{value:g}")
    ax.set_xlabel(row["label"], fontsize=style.TEXT)
    ax.legend(fontsize=style.SMALL, frameon=True, framealpha=1, edgecolor="white", borderpad=0.2, loc="upper left")


# ---------------------------------------------------------------- the program


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=AXES, metavar="AXIS", help=f"some of: {', '.join(AXES)}")
    parser.add_argument("--rounds", type=at_least(1), default=10, help="measurements of each value (default: 10)")
    parser.add_argument("--threads", type=at_least(1), default=2, help="default: 2")
    parser.add_argument("--json", metavar="FILE", help="write the rows there, too, after every axis")
    parser.add_argument("--picture", metavar="FILE", help="draw them (.png, .pdf, .svg or .jpg)")
    args = parser.parse_args(words)
    for note in warnings():
        say(f"warning: {note}")
    where, rows = environment(threads=args.threads, load=load_average(), start=START), []
    names = [axis for axis in AXES if args.only is None or axis in args.only]
    with computing(args.threads):
        for i, axis in enumerate(names, start=1):
            began = time.perf_counter()
            rows.append(measure_axis(axis, args.rounds))
            exponents = ", ".join(f"{kind} x^{rows[-1][f'{kind}_exponent']:.2f}" for kind in DRAWN)
            say(f"[{i}/{len(names)}] {axis}: {exponents}, {time.perf_counter() - began:.0f} s")
            write_rows(args.json, where, rows)
    print(table(rows))
    if args.picture:
        save_figure(scaling_figure(rows), args.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
