"""What a training step and inference cost as pictures, objects, RoIs, anchors, batches and classes grow in number.

    python -m tests.benchmarks.scaling [--only AXIS ...] [--rounds 10] [--threads 2] [--json FILE] [--picture FILE]

One setting of the tiny model changes at a time, the others stay as they are at START. All values of an axis take turns,
round by round, there and back. Costs are fitted as factor * x ** exponent, by least squares of the logarithms over all
values; where a constant part hides the growth of the small ones, the exponent between the last two says where it goes.
The weights are fresh, the objects rectangles, and every picture gets its full number of detections (score_threshold 0).
"""

import argparse
import dataclasses
import sys
import time
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator

from tinymaskrcnn.config import Config
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Target, collate
from tinymaskrcnn.train.trainer import Trainer, computing
from tinymaskrcnn.visualize import save_figure, style

from .contestants import with_model
from .measure import at_least, environment, load_average, race, say, warnings, write_rows

START = {"image_size": 128, "objects": 3, "rois": 64, "anchors": 3, "batch": 4, "classes": 11}
AXES = {  # name: (what it counts, its values); RoIs and anchors are counted in the run
    "image_size": ("pixels along a side", (64, 128, 192, 256, 384, 512)),
    "objects": ("objects in a picture", (1, 2, 4, 8, 16, 32)),
    "rois": ("RoIs of a picture", (16, 32, 64, 128, 256, 512)),
    "anchors": ("anchors of a picture", (1, 2, 3, 6, 12)),
    "batch": ("pictures in a batch", (1, 2, 4, 8, 16)),
    "classes": ("classes", (2, 11, 31, 91, 301, 1001)),
}
KINDS = {"step": "training step", "inference": "inference"}


# ---------------------------------------------------------------- one setting


@dataclass
class Subject:
    """A model and a batch of one setting, ready to be timed."""

    x: float  # where it lies on its axis
    calls: dict  # {"step": function, "inference": function}


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

    x = {"anchors": anchors_of, "rois": rois_of}.get(axis, lambda *both: value)(model, batch)
    return Subject(float(x), {"step": step, "inference": inference})


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
        exponent, factor = fit(x, medians)
        row |= {f"{kind}_exponent": exponent, f"{kind}_factor": factor}
        row[f"{kind}_exponent_at_end"] = fit(x[-2:], medians[-2:])[0]
    return row


def fit(x, y):
    """y = factor * x ** exponent by least squares of the logarithms.

    x (K,), y (K,), all above 0  ->  exponent, factor
    """
    exponent, shift = np.polyfit(np.log(x), np.log(y), 1)
    return float(exponent), float(np.exp(shift))


def table(rows):
    """The exponents as text."""
    lines = [f"{'cost grows with':24}{'from':>8}{'to':>8}   " + "".join(f"{name:>27}" for name in KINDS.values())]
    lines.append(f"{'':43}" + f"{'from ms':>9}{'to ms':>8}{'x^':>5}{'end':>5}" * len(KINDS))
    for row in rows:
        line = f"{row['label']:24}{row['x'][0]:8.0f}{row['x'][-1]:8.0f}   "
        for kind in KINDS:
            first, last = 1e3 * row[f"{kind}_s"][0], 1e3 * row[f"{kind}_s"][-1]
            line += f"{first:9.1f}{last:8.1f}{row[f'{kind}_exponent']:5.2f}{row[f'{kind}_exponent_at_end']:5.2f}"
        lines.append(line)
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
    figure.suptitle("What a batch costs: points are medians, lines the fitted powers", fontsize=style.TITLE)
    figure.tight_layout(h_pad=1.5, w_pad=1.2)
    return figure


def draw_axis(ax, row):
    """Seconds against the values of one axis, with the fitted power of each kind of work."""
    x = np.array(row["x"])
    ends = np.array([x.min(), x.max()])
    looks = {"step": ("o", "-", style.DARK_BLUE), "inference": ("s", "--", style.ORANGE)}
    highest, lowest = 0.0, np.inf
    for kind, (marker, line, color) in looks.items():
        milliseconds = 1e3 * np.array(row[f"{kind}_s"])
        highest, lowest = max(highest, milliseconds.max()), min(lowest, milliseconds.min())
        exponent = row[f"{kind}_exponent"]
        ax.plot(ends, 1e3 * row[f"{kind}_factor"] * ends**exponent, line, color=color, linewidth=1.4)
        label = f"{KINDS[kind]}: power {exponent:.2f}, at the end {row[f'{kind}_exponent_at_end']:.2f}"
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
            exponents = ", ".join(f"{kind} x^{rows[-1][f'{kind}_exponent']:.2f}" for kind in KINDS)
            say(f"[{i}/{len(names)}] {axis}: {exponents}, {time.perf_counter() - began:.0f} s")
            write_rows(args.json, where, rows)
    print(table(rows))
    if args.picture:
        save_figure(scaling_figure(rows), args.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
