"""The two subcommands of compare_torchvision that train both contestants by themselves: `train` and `step`."""

import contextlib
import itertools
import json
import time
from pathlib import Path

import numpy as np

from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.studies.statistics import mean_interval

from .contestants import contestants, count, counted_rois, stream_of
from .measure import environment, say, write_rows

FIGURES = ("AP", "AP50", "AP75")
MODELS = ("ours", "torchvision")
KINDS = {"bbox": "box", "segm": "mask"}  # the evaluator's name -> the table's


def report_size(ours, theirs):
    print(f"parameters: ours {count(ours):,}, torchvision {count(theirs):,}", flush=True)


def save(args, rows):
    write_rows(args.json, environment(threads=args.threads, load=args.load, channels_last=args.channels_last), rows)


# ---------------------------------------------------------------- taking turns


def take_turns(contestants, call, turn):
    """Time call(contestant) for each; who begins alternates with `turn`. Returns the seconds of each by name."""
    seconds = {}
    for contestant in contestants if turn % 2 == 0 else contestants[::-1]:
        began = time.perf_counter()
        call(contestant)
        seconds[contestant.name] = time.perf_counter() - began
    return seconds


def train_both(contestants, config, numbers, *, label):
    """Train all on the batches with these numbers; returns seconds and losses of every step as lists by name."""
    stream = stream_of(config, "train")
    seconds, losses = ({one.name: [] for one in contestants} for _ in range(2))
    said = time.monotonic()
    for i in numbers:
        batch = stream.batch(i)

        def step(contestant, batch=batch):
            losses[contestant.name].append(contestant.step(batch))

        for name, spent in take_turns(contestants, step, i).items():
            seconds[name].append(spent)
        if i + 1 == numbers.stop or time.monotonic() - said > 30:
            said = time.monotonic()
            shown = "; ".join(f"{n} loss {losses[n][-1]:.3f}, {np.median(seconds[n]):.3f} s/step" for n in losses)
            say(f"{label}: step {i + 1} of {numbers.stop}: {shown}")
    return seconds, losses


# ---------------------------------------------------------------- train: average precision side by side


def compare_training(args):
    """A row for each seed, model and count of steps at which both are judged; both of a seed see the same scenes.

    With --average two: by the last weights, and by their mean.
    """
    rows = rows_of(args.json)
    if others := {row["average"] for row in rows.values() if "average" in row} - {args.average}:
        raise SystemExit(f"{args.json}: has means of weights with --average {others.pop()}; choose it, or another file")
    judged = ["last", *(["mean"] if args.average else [])]
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        config, *both = contestants(args, seed)
        last = min(args.until or config.train.steps, config.train.steps)
        stops = sorted({*(step for step in args.at if step < last), last})
        if seed == args.first_seed:
            report_size(*both)
            print(header())
        chosen = [one for one in both if args.only in (None, one.name)]
        seconds, losses = ({one.name: [] for one in chosen} for _ in range(2))
        for begin, end in itertools.pairwise([0, *stops]):
            more = train_both(chosen, config, range(begin, end), label=f"seed {seed}")
            for contestant in chosen:
                name = contestant.name
                seconds[name] += more[0][name]
                losses[name] += more[1][name]
                for weights in judged:
                    with contestant.averaged() if weights == "mean" else contextlib.nullcontext():
                        found = average_precision(contestant, config, args.scenes)
                    rows[seed, name, end, weights] = (
                        {"what": "train", "seed": seed, "model": name, "steps": config.train.steps, "at": end}
                        | {"scenes": args.scenes, "start": args.start, "parameters": count(contestant)}
                        | ({"weights": weights, "average": args.average} if args.average else {})
                        | found
                        | {"seconds_per_step": float(np.median(seconds[name]))}
                        | {"loss": float(np.mean(losses[name][-20:]))}
                    )
            for weights in judged:
                print_pair(seed, end, *(rows.get((seed, one.name, end, weights)) for one in both), weights=weights)
            save(args, list(rows.values()))  # as they come: a run that is cut short has not run in vain
    for stop, weights in sorted({(at, weights) for _, _, at, weights in rows}):
        print_pair("all", stop, *mean_rows(rows, stop, weights), weights=weights)
        print_intervals(rows, stop, weights)


def rows_of(path):
    """{(seed, model, at, weights): row} of a file of before: what is measured again takes the old one's place."""
    if path is None or not Path(path).exists():
        return {}
    found = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    return {(row["seed"], row["model"], row["at"], row.get("weights", "last")): row for row in found}


def average_precision(contestant, config, scenes):
    """{"box_AP": ..., "mask_AP75": ...} on the first held-out scenes of the test split; training can go on."""
    contestant.eval()
    evaluators = {name: Evaluator(iou_type=kind) for kind, name in KINDS.items()}
    stream, size = stream_of(config, "test"), config.train.batch_size
    for first in range(0, scenes, size):
        images, truths = zip(*map(stream.scene, range(first, min(first + size, scenes))))
        for truth, found in zip(truths, contestant.detect(images)):
            for evaluator in evaluators.values():
                evaluator.add(truth, found)
    contestant.train()
    figures = {name: evaluator.summarize() for name, evaluator in evaluators.items()}
    return {f"{name}_{figure}": float(figures[name][figure]) for name in evaluators for figure in FIGURES}


NUMBERS = tuple(f"{name}_{figure}" for name in KINDS.values() for figure in FIGURES) + ("seconds_per_step", "loss")


def header():
    columns = [name.replace("seconds_per_step", "s/step").replace("_", " ") for name in NUMBERS]
    return f"{'seed':5}{'step':>6} {'weights':8}{'model':12}" + "".join(f"{column:>10}" for column in columns)


def print_pair(seed, step, ours, theirs, *, weights="last"):
    """A line of figures for each that is there, and for two a third with ours - torchvision's (of the times, /)."""
    lines = {name: row for name, row in (("ours", ours), ("torchvision", theirs)) if row}
    if len(lines) == 2:
        lines["difference"] = {number: ours[number] - theirs[number] for number in NUMBERS}
        lines["difference"]["seconds_per_step"] = ours["seconds_per_step"] / theirs["seconds_per_step"]
    for name, row in lines.items():
        sign = "+" if name == "difference" else ""
        cells = [f"{row[number]:{'' if number == 'seconds_per_step' else sign}.3f}" for number in NUMBERS]
        if name == "difference":
            cells[NUMBERS.index("seconds_per_step")] += "x"
        print(f"{seed:<5}{step:>6} {weights:8}{name:12}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


def mean_rows(rows, step, weights="last"):
    """What each had reached after so many steps, the mean over the seeds that both have rows of; None without any."""
    pairs = pairs_of(rows, step, weights)
    means = [{number: float(np.mean([row[number] for row in each])) for number in NUMBERS} for each in zip(*pairs)]
    return means or (None, None)


def pairs_of(rows, step, weights):
    """[(ours, torchvision), ...] of the rows, one for each seed that both have one of."""
    found = [[rows.get((seed, name, step, weights)) for name in MODELS] for seed in sorted({seed for seed, *_ in rows})]
    return [(ours, theirs) for ours, theirs in found if ours and theirs]


def print_intervals(rows, step, weights):
    """How far apart the two are on the average of all seeds, by Student's t over the pairs."""
    pairs = pairs_of(rows, step, weights)
    for name in KINDS.values() if pairs else ():
        paired = [ours[f"{name}_AP"] - theirs[f"{name}_AP"] for ours, theirs in pairs]
        mean, low, high = mean_interval(paired)
        ahead = f"ours ahead with {sum(d > 0 for d in paired)} of {len(paired)} seeds"
        print(f"     {step:>6} {weights:8}{name} AP {mean:+.3f} (95 %: {low:+.3f} to {high:+.3f}), {ahead}", flush=True)


# ---------------------------------------------------------------- step: times as ratios


def compare_steps(args):
    """Medians of a training step, of inference on one picture and on a batch, after some real training."""
    config, ours, theirs = contestants(args, seed=0)
    report_size(ours, theirs)
    train_both((ours, theirs), config, range(args.warm_steps), label="warming up")
    measured = range(args.warm_steps, args.warm_steps + args.pairs)
    with counted_rois(ours) as our_rois, counted_rois(theirs) as their_rois:
        seconds, _ = train_both((ours, theirs), config, measured, label="measuring")
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
    save(args, rows)


def time_inference(ours, theirs, scenes, pictures, pairs):
    """Seconds of `pairs` detections of so many pictures each (two more go first, uncounted), and what was found."""
    seconds, found = {ours.name: [], theirs.name: []}, {ours.name: 0, theirs.name: 0}
    for turn in range(-2, pairs):
        images = [scenes.scene((turn + 2) * pictures + i)[0] for i in range(pictures)]

        def detect(contestant, images=images):
            found[contestant.name] += sum(map(len, contestant.detect(images)))

        for name, spent in take_turns((ours, theirs), detect, turn).items():
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


def rois_of(ours, theirs):
    return {"mask_rois_ours": float(np.mean(ours, 0)[1]), "mask_rois_torchvision": float(np.mean(theirs, 0)[1])}
