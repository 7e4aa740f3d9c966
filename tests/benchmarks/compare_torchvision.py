"""Times and trains this package's Mask R-CNN beside torchvision's, both built from one configuration.

    python -m tests.benchmarks.compare_torchvision [--only WORK ...] [--form FORM] [--pairs N] [--threads 2]
        [--json FILE]
    python -m tests.benchmarks.compare_torchvision train [--steps N] [--at STEP ...] [--seeds 3] [--only ours]
        [--until STEP] [--average SHARE] [--json FILE]
    python -m tests.benchmarks.compare_torchvision step [--warm-steps 100] [--pairs 20] [--json FILE]

Without a subcommand: every work as a ratio ours / torchvision (below 1 is faster or smaller), in some twenty minutes,
of which torch.compile takes half: torchvision's models take part in the fastest of four forms (or in --form). The two
take turns, call by call, and who begins alternates, so that whatever else the machine does meets both; what counts is
the median of the ratios of the pairs. The rows are written after every work.

The rows `ort_...` have another peer, onnxruntime on our own export; without it they say so and the others go on.

`train`: the same scenes in the same order, the same schedule, optimizer, clipping, anchors, samples and thresholds;
both are judged by this package's evaluator on the same held-out scenes. Rows that FILE has already stay, but for those
that are measured anew. `step`: the time of a training step and of inference after each has trained by itself. Needs
torch and torchvision on the CPU.

Times mean something only on a machine that is otherwise idle: torch's threads wait for each other by spinning, and on
shared cores its step was seen to take ten times as long.
"""

import argparse
import sys
import time

from tinymaskrcnn.train.trainer import computing

from .measure import at_least, environment, load_average, say, warnings, write_rows

NAMES = ("tiny_step_b8", "tiny_step_512", "tiny_inference_b1", "tiny_inference_b8", "r50_800x1333")
NAMES += ("ort_tiny_b1", "ort_r50")
NAMES += ("roi_align_backward", "nms_1000", "nms_6000", "memory_step", "memory_r50")
FORMS = ("default", "channels-last", "compiled", "compiled, channels-last")


def compare_works(args):
    """Every work in turn; one that fails says why in its row and does not stop the others."""
    from .works import WORKS, Bench

    settings = {"threads": args.threads, "pairs": args.pairs, "warm_steps": args.warm_steps}
    bench = Bench(**settings, channels_last=args.channels_last, forms=args.form and [args.form])
    return run_works(WORKS, bench, args)


def run_works(works, bench, args):
    """Run the works {name: function(bench, name) -> row} that were asked for; 1 when one of them failed."""
    names = [name for name in works if args.only is None or name in args.only]
    where = environment(threads=args.threads, load=args.load, channels_last=args.channels_last)
    rows = []
    for i, name in enumerate(names, start=1):
        load, began = load_average(), time.perf_counter()
        try:
            row = works[name](bench, name)
        except Exception as error:
            row = {"work": name, "error": f"{type(error).__name__}: {error}"}
        spent = time.perf_counter() - began
        say(f"[{i}/{len(names)}] {name}: {in_words(row)}, {spent:.0f} s")
        rows.append(row | {"load": load, "spent_s": round(spent, 1)})
        write_rows(args.json, where, rows)
    print_rows(rows)
    return int(any("error" in row for row in rows))


def in_words(row):
    """One work in a line."""
    if "error" in row:
        return row["error"]
    if "ours_mb" in row:
        process = f"(whole process {row['ours_process_mb']:.0f} and {row['peer_process_mb']:.0f} MB)"
        return f"ours {row['ours_mb']:.0f} MB, torchvision {row['peer_mb']:.0f} MB, ratio {row['ratio']:.2f} {process}"
    return (
        f"ours {1e3 * row['ours_s']:.4g} ms, {row.get('peer', 'torchvision')} {1e3 * row['peer_s']:.4g} ms, "
        f"ratio {row['ratio']:.3f} ({row['ratio_25']:.3f} to {row['ratio_75']:.3f}) of {row['pairs']} pairs"
        + (f", torch {row['peer_form']}" if "peer_form" in row else "")
    )


def print_rows(rows):
    """The results as text: one line for each work, the ratio with its middle half."""
    print(f"{'work':20}{'ours':>12}{'peer':>14}{'ratio':>8}   middle half")
    for row in rows:
        if "error" in row:
            print(f"{row['work']:20}{row['error']}")
            continue
        memory = "ours_mb" in row
        unit, scale = ("MB", 1) if memory else ("ms", 1e3)
        ours, peer = (scale * row[f"{who}_{unit.lower() if memory else 's'}"] for who in ("ours", "peer"))
        half = "" if memory else f"{row['ratio_25']:.3f} to {row['ratio_75']:.3f}"
        print(f"{row['work']:20}{ours:9.5g} {unit}{peer:11.5g} {unit}{row['ratio']:8.3f}   {half}", flush=True)


# ---------------------------------------------------------------- the program


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="WORK", help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--pairs", type=at_least(1), help="default: 20, and 10 of what takes seconds")
    parser.add_argument("--warm-steps", type=at_least(1), default=100, help="training before (default: 100)")
    forms = "torch's: " + ", ".join(f"'{form}'" for form in FORMS) + " (default: the fastest of these, for each work)"
    parser.add_argument("--form", choices=FORMS, metavar="FORM", help=forms)
    parser.set_defaults(run=compare_works)
    add_common(parser)
    commands = parser.add_subparsers(dest="command")
    train = commands.add_parser("train", help="average precision and seconds per step, side by side")
    train.add_argument("--steps", type=at_least(1), help="default: as many as `tinymaskrcnn train` makes")
    train.add_argument("--at", type=at_least(1), nargs="+", default=[], help="judge both after so many steps, too")
    train.add_argument("--until", type=at_least(1), metavar="STEP", help="stop there; the rate falls as if it went on")
    train.add_argument("--average", type=share, default=0.0, help="judge the mean of the weights, too: train.average")
    train.add_argument("--only", choices=("ours", "torchvision"), help="train one; the file's other rows stay")
    train.add_argument("--seeds", type=at_least(1), default=3, help="how many (default: 3)")
    train.add_argument("--first-seed", type=at_least(0), default=0, help="the first of them (default: 0)")
    train.add_argument("--scenes", type=at_least(1), default=200, help="held-out scenes (default: 200)")
    step = commands.add_parser("step", help="a training step and inference after each has trained by itself")
    step.add_argument("--warm-steps", type=at_least(1), default=100, help="real training first (default: 100)")
    step.add_argument("--pairs", type=at_least(1), default=20, help="measurements of each (default: 20)")
    for command in (train, step):
        command.set_defaults(run=run_training)
        add_common(command)
        starts = "initial weights: own ones (default), ours for both (same), or torchvision's for both (theirs)"
        command.add_argument("--start", choices=("own", "same", "theirs"), default="own", help=starts)
    return parser.parse_args(words)


def share(word):
    """For argparse: a number in [0, 1)."""
    try:
        number = float(word)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be a number, at least 0 and below 1; got {word!r}")
    return number


def add_common(parser):
    parser.add_argument("--threads", type=at_least(1), default=2, help="for each of the two (default: 2)")
    parser.add_argument("--channels-last", action="store_true", help="torch's other memory layout")
    parser.add_argument("--json", metavar="FILE", help="write the rows there, too")


def run_training(args):
    from . import training

    return {"train": training.compare_training, "step": training.compare_steps}[args.command](args)


def main(words=None):
    args = parse(words)
    try:
        import torch
        import torchvision  # noqa: F401
    except ImportError as error:
        sys.exit(f"the comparison needs torch and torchvision: {error}")
    args.load = load_average()
    for note in warnings():
        say(f"warning: {note}")
    torch.set_num_threads(args.threads)
    with computing(args.threads):
        return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
