"""Trains and times this package's Mask R-CNN beside torchvision's, both built from one configuration.

    python -m tests.benchmarks.compare_torchvision train [--steps N] [--seeds 3] [--scenes 200] [--json FILE]
    python -m tests.benchmarks.compare_torchvision step [--warm-steps 100] [--pairs 20] [--json FILE]

`train`: the same scenes in the same order, the same schedule, optimizer, clipping, anchors, samples and thresholds;
both are judged by this package's evaluator on the same held-out scenes. `step`: the time of a training step and of
inference as ratios ours / torchvision. The two take turns, batch by batch and each first every other time, so that
whatever else the machine does meets both. Making the scenes is not timed. Needs torch and torchvision on the CPU.

Times mean something only on a machine that is otherwise idle: torch's threads wait for each other by spinning, and on
shared cores its step was seen to take ten times as long.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import collate
from tinymaskrcnn.train.trainer import Trainer, computing

FIGURES = ("AP", "AP50", "AP75")
KINDS = {"bbox": "box", "segm": "mask"}  # the evaluator's name -> the table's


class Ours:
    """This package's model, trained by its own Trainer."""

    name = "ours"

    def __init__(self, config):
        self.model = build_model(config.model, rng=np.random.default_rng(config.train.seed)).train()
        self.trainer = Trainer(self.model, None, config.train)

    def shapes(self):
        return {name: tuple(p.value.shape) for name, p in self.model.named_parameters()}

    def step(self, batch):
        """One update from an ImageBatch; returns the sum of the five losses."""
        return self.trainer.train_step([batch])["loss"]

    def eval(self):
        self.model.eval()

    def detect(self, images):
        """Find objects in a list of (H, W, C) pictures; one Detections per picture."""
        batch = collate(images)
        return self.model.detect(batch.images, sizes=batch.sizes)


def contestants(args, seed):
    """Both models for a seed, fresh, and the configuration they share."""
    from torchvision_peer import Torchvision

    config = Config()
    steps = config.train.steps if getattr(args, "steps", None) is None else args.steps
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=steps, seed=seed))
    ours = Ours(config)
    start = ours.model.state_dict() if args.start == "same" else None
    theirs = Torchvision(config, start=start, channels_last=args.channels_last)
    require_same_size(ours, theirs)
    return config, ours, theirs


def require_same_size(ours, theirs):
    """Raise unless both have the same parameters: names, shapes, and so the count."""
    a, b = ours.shapes(), theirs.shapes()
    differing = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    assert not differing, f"not the same network: {[(name, a.get(name), b.get(name)) for name in differing]}"
    assert count(ours) == count(theirs), (count(ours), count(theirs))


def count(contestant):
    return int(sum(np.prod(shape) for shape in contestant.shapes().values()))


def stream_of(config, split):
    return SceneStream(config.scenes, split=split, seed=config.train.seed, batch_size=config.train.batch_size)


def report_size(ours, theirs):
    print(f"parameters: ours {count(ours):,}, torchvision {count(theirs):,}", flush=True)


# ---------------------------------------------------------------- taking turns


def take_turns(ours, theirs, call, turn):
    """Time call(contestant) for both; who begins alternates with `turn`. Returns the seconds of each by name."""
    seconds = {}
    for contestant in (ours, theirs) if turn % 2 == 0 else (theirs, ours):
        began = time.perf_counter()
        call(contestant)
        seconds[contestant.name] = time.perf_counter() - began
    return seconds


def train_both(ours, theirs, config, numbers, *, label):
    """Train both on the batches with these numbers; returns seconds and losses of every step as lists by name."""
    stream = stream_of(config, "train")
    seconds, losses = {ours.name: [], theirs.name: []}, {ours.name: [], theirs.name: []}
    said = time.monotonic()
    for i in numbers:
        batch = stream.batch(i)

        def step(contestant, batch=batch):
            losses[contestant.name].append(contestant.step(batch))

        for name, spent in take_turns(ours, theirs, step, i).items():
            seconds[name].append(spent)
        if i + 1 == numbers.stop or time.monotonic() - said > 30:
            said = time.monotonic()
            shown = "; ".join(f"{n} loss {losses[n][-1]:.3f}, {np.median(seconds[n]):.3f} s/step" for n in losses)
            print(f"{label}: step {i + 1} of {numbers.stop}: {shown}", file=sys.stderr, flush=True)
    return seconds, losses


# ---------------------------------------------------------------- train: average precision side by side


def compare_training(args):
    """One row per seed and model; both models of a seed see the same scenes."""
    rows = []
    for seed in range(args.seeds):
        config, ours, theirs = contestants(args, seed)
        if seed == 0:
            report_size(ours, theirs)
            print(header())
        seconds, losses = train_both(ours, theirs, config, range(config.train.steps), label=f"seed {seed}")
        for contestant in (ours, theirs):
            figures = average_precision(contestant, config, args.scenes)
            name = contestant.name
            rows.append(
                {"what": "train", "seed": seed, "model": name, "steps": config.train.steps, "scenes": args.scenes}
                | {"start": args.start, "parameters": count(contestant)}
                | figures
                | {"seconds_per_step": float(np.median(seconds[name])), "loss": float(np.mean(losses[name][-20:]))}
            )
        print_pair(seed, *rows[-2:])
        write_json(args, rows)  # after every seed: a run that is cut short has not run in vain
    if args.seeds > 1:
        print_pair("mean", mean_row(rows, "ours"), mean_row(rows, "torchvision"))


def average_precision(contestant, config, scenes):
    """{"box_AP": ..., "mask_AP75": ...} on the first held-out scenes of the test split."""
    contestant.eval()
    evaluators = {name: Evaluator(iou_type=kind) for kind, name in KINDS.items()}
    stream, size = stream_of(config, "test"), config.train.batch_size
    for first in range(0, scenes, size):
        images, truths = zip(*map(stream.scene, range(first, min(first + size, scenes))))
        for truth, found in zip(truths, contestant.detect(images)):
            for evaluator in evaluators.values():
                evaluator.add(truth, found)
    figures = {name: evaluator.summarize() for name, evaluator in evaluators.items()}
    return {f"{name}_{figure}": float(figures[name][figure]) for name in evaluators for figure in FIGURES}


NUMBERS = tuple(f"{name}_{figure}" for name in KINDS.values() for figure in FIGURES) + ("seconds_per_step", "loss")


def header():
    columns = [name.replace("seconds_per_step", "s/step").replace("_", " ") for name in NUMBERS]
    return f"{'seed':5}{'model':12}" + "".join(f"{column:>10}" for column in columns)


def print_pair(seed, ours, theirs):
    """Two lines of figures and one with ours - torchvision's (of the times, ours / torchvision's)."""
    difference = {number: ours[number] - theirs[number] for number in NUMBERS}
    difference["seconds_per_step"] = ours["seconds_per_step"] / theirs["seconds_per_step"]
    for name, row in (("ours", ours), ("torchvision", theirs), ("difference", difference)):
        sign = "+" if name == "difference" else ""
        cells = [f"{row[number]:{'' if number == 'seconds_per_step' else sign}.3f}" for number in NUMBERS]
        if name == "difference":
            cells[NUMBERS.index("seconds_per_step")] += "x"
        print(f"{seed:<5}{name:12}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


def mean_row(rows, name):
    return {number: float(np.mean([row[number] for row in rows if row["model"] == name])) for number in NUMBERS}


# ---------------------------------------------------------------- step: times as ratios


def compare_steps(args):
    """Medians of a training step, of inference on one picture and on a batch, after some real training."""
    config, ours, theirs = contestants(args, seed=0)
    report_size(ours, theirs)
    train_both(ours, theirs, config, range(args.warm_steps), label="warming up")
    measured = range(args.warm_steps, args.warm_steps + args.pairs)
    with counted_mask_rois(ours) as our_rois, counted_mask_rois(theirs) as their_rois:
        seconds, _ = train_both(ours, theirs, config, measured, label="measuring")
    size = config.train.batch_size
    rows = [timing_row(f"tiny_step_b{size}", seconds) | rois_of(our_rois, their_rois)]
    ours.eval()
    theirs.eval()
    scenes = stream_of(config, "test")
    for pictures in (1, size):
        rows.append(
            timing_row(f"tiny_inference_b{pictures}", *time_inference(ours, theirs, scenes, pictures, args.pairs))
        )
    for row in rows:
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    write_json(args, rows)


def time_inference(ours, theirs, scenes, pictures, pairs):
    """Seconds of `pairs` detections of so many pictures each (two more go first, uncounted), and what was found."""
    seconds, found = {ours.name: [], theirs.name: []}, {ours.name: 0, theirs.name: 0}
    for turn in range(-2, pairs):
        images = [scenes.scene((turn + 2) * pictures + i)[0] for i in range(pictures)]

        def detect(contestant, images=images):
            found[contestant.name] += sum(map(len, contestant.detect(images)))

        for name, spent in take_turns(ours, theirs, detect, turn).items():
            if turn >= 0:
                seconds[name].append(spent)
    total = (pairs + 2) * pictures
    return seconds, {f"detections_{name}": number / total for name, number in found.items()}


def timing_row(what, seconds, more=()):
    """Medians in milliseconds, and the median of the ratios of the pairs with its middle half."""
    ours, theirs = np.array(seconds["ours"]), np.array(seconds["torchvision"])
    low, middle, high = np.percentile(ours / theirs, (25, 50, 75)).tolist()
    milliseconds = {"ours_ms": 1e3 * float(np.median(ours)), "torchvision_ms": 1e3 * float(np.median(theirs))}
    ratios = {"ratio": middle, "ratio_25": low, "ratio_75": high}
    return {"what": what, "pairs": len(ours)} | milliseconds | ratios | dict(more)


@contextlib.contextmanager
def counted_mask_rois(contestant):
    """Collects how many RoIs reach the mask head in each step: the work that grows as a model learns."""
    head = contestant.model.roi_heads.mask_head
    forward, rois = head.forward, []

    def counting(x):
        rois.append(len(x))
        return forward(x)

    head.forward = counting
    try:
        yield rois
    finally:
        del head.forward  # the class's own is found again


def rois_of(ours, theirs):
    return {"mask_rois_ours": float(np.mean(ours)), "mask_rois_torchvision": float(np.mean(theirs))}


# ---------------------------------------------------------------- the program


def environment(args):
    """What a reader of the figures has to know about where they come from."""
    import torch
    import torchvision

    versions = {"numpy": np.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__}
    return versions | {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": args.threads,
        "load_at_start": args.load,
        "channels_last": args.channels_last,
    }


def write_json(args, rows):
    if args.json:
        document = {"environment": environment(args), "rows": rows}
        Path(args.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def at_least_one(word):
    if int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {word}")
    return int(word)


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="average precision and seconds per step, side by side")
    train.add_argument("--steps", type=at_least_one, help="default: as many as `tinymaskrcnn train` makes")
    train.add_argument("--seeds", type=at_least_one, default=3, help="seeds 0, 1, ... (default: 3)")
    train.add_argument("--scenes", type=at_least_one, default=200, help="held-out scenes (default: 200)")
    step = commands.add_parser("step", help="times of a training step and of inference, as ratios")
    step.add_argument("--warm-steps", type=at_least_one, default=100, help="real training first (default: 100)")
    step.add_argument("--pairs", type=at_least_one, default=20, help="measurements of each (default: 20)")
    for command, run in ((train, compare_training), (step, compare_steps)):
        command.set_defaults(run=run)
        command.add_argument("--threads", type=at_least_one, default=2, help="for each of the two (default: 2)")
        command.add_argument(
            "--start",
            choices=("own", "same"),
            default="own",
            help="initial weights: own ones (default), or ours for both",
        )
        command.add_argument("--channels-last", action="store_true", help="torch's other memory layout")
        command.add_argument("--json", metavar="FILE", help="write the rows there, too")
    return parser.parse_args(words)


def main(words=None):
    args = parse(words)
    sys.path.insert(0, str(Path(__file__).parent))  # torchvision_peer.py lies beside this file, however it was started
    try:
        import torch
        import torchvision  # noqa: F401
    except ImportError as error:
        sys.exit(f"the comparison needs torch and torchvision: {error}")
    args.load = load_average()
    if args.load is not None and args.load > 0.5:
        print(f"warning: other programs keep {args.load} cores busy; times will mislead", file=sys.stderr)
    torch.set_num_threads(args.threads)
    with computing(args.threads):
        args.run(args)


def load_average():
    """How many cores others kept busy in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


if __name__ == "__main__":
    main()
