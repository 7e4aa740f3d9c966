"""`tinymaskrcnn profile`: where the time and the memory of a training step go, or those of inference."""

import argparse
import json
import sys
from pathlib import Path

from ..config import SCENE_PRESETS
from .options import (
    add_backbone,
    add_data,
    add_device,
    add_system,
    add_tf32,
    apply_tf32,
    build_config,
    data_source,
    given_options,
    override,
    positive,
)

HELP = "show where the time and the memory of a training step go, or those of inference"
EXAMPLES = """examples:
  tinymaskrcnn profile                               a training step of the default model
  tinymaskrcnn profile --inference --batch-size 1    what a single picture costs
  tinymaskrcnn profile --run runs/001 --threads 1    a trained run's model and data; the run stays as it is
  tinymaskrcnn profile --set scenes.image_size=256 --set train.batch_size=2 --json profile.json

Prints a table and draws it. Nothing that is trained here is kept."""
DESCRIBES = ("config", "system", "backbone", "scenes", "data", "seed", "set")  # a model and its data, where no run does
SUFFIXES = (".png", ".pdf", ".svg", ".jpg")


def add_arguments(parser):
    parser.add_argument("--inference", action="store_true", help="find objects instead of training")
    parser.add_argument("--run", metavar="RUN", help="the model and the data of a run folder of `tinymaskrcnn train`")
    parser.add_argument("--config", metavar="FILE", help="those that the settings in this JSON file describe")
    add_system(parser)
    add_backbone(parser)
    parser.add_argument("--scenes", choices=SCENE_PRESETS, help="a kind of scenes (default: clean)")
    add_data(parser, "the embedded digits (default), or MNIST where it is found or in this folder")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of config.json")
    parser.add_argument("--seed", type=int, metavar="S", help="weights, scenes and samples follow from it (default: 0)")
    parser.add_argument(
        "--batch-size", type=positive, metavar="N", help="pictures at a time (default: 8, or the run's)"
    )
    parser.add_argument("--steps", type=positive, default=10, metavar="N", help="steps that are timed (default: 10)")
    parser.add_argument("--out", metavar="FILE", default="profile.png", help="the picture (default: profile.png)")
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file, too")
    add_device(parser)
    add_tf32(parser)


def run(args):
    from ..counting import counted
    from ..files import write_whole
    from ..train.profile import profile_inference, profile_training
    from ..train.trainer import Trainer, computing
    from ..visualize import profile_figure, save_figure

    _check(args)
    apply_tf32(args)
    model, stream, config = _subject(args)
    options = {"steps": args.steps, "progress": lambda steps: counted(steps, label="profiling")}
    with computing(args.threads):
        if args.inference:
            profile = profile_inference(model, stream, device=args.device, **options)
        else:
            profile = profile_training(Trainer(model, stream, config.train, device=args.device), **options)
        print(profile_table(profile, threads=_threads(), kernels=_kernels()))
    for path in filter(None, (args.out, args.json)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_figure(profile_figure(profile), args.out)
    print(f"wrote {args.out}", file=sys.stderr)
    if args.json:
        numbers = profile.as_dict() | {"threads": _threads(), "kernels": _kernels()}
        write_whole(args.json, json.dumps(numbers, indent=1) + "\n")
    return 0


def _check(args):
    """Refuse, before anything is computed, what could not be written or does not go together."""
    from ..errors import ArgumentError

    if Path(args.out).suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"--out must end in {', '.join(SUFFIXES)}; got {args.out!r}")
    if args.run and (given := given_options(args, DESCRIBES)):
        raise ArgumentError(f"--run has its own settings; leave out {', '.join(given)}")


def _subject(args):
    """(model, stream of batches, Config): a run's, or what the options describe."""
    import numpy as np

    from ..data.loader import open_stream
    from ..experiment import Experiment
    from ..models.build import build_model
    from ..train.checks import check_experiment
    from ..train.finetune import freeze_stages

    split = "test" if args.inference else "train"
    if args.run:
        experiment = Experiment.open(args.run, device=args.device, threads=args.threads)
        batch = {"train.batch_size": args.batch_size} if args.batch_size else {}
        config = override(experiment.config, batch)
        return experiment.model, open_stream(config, split=split, data_dir=experiment.data_dir), config
    named = {name: getattr(args, name) for name in (*DESCRIBES, "batch_size")}
    config = build_config(argparse.Namespace(**named, steps=None, learning_rate=None, preset=None))
    check_experiment(config)
    stream = open_stream(config, split=split, data_dir=data_source(args.data)[1])
    model = build_model(config.model, rng=np.random.default_rng(config.train.seed))
    return freeze_stages(model, config.train.frozen_stages).to_device(args.device), stream, config


def _threads():
    """How many threads the kernels compute on; one where there are no kernels."""
    try:
        from ..kernels.threads import get_threads
    except ModuleNotFoundError:
        return 1
    return get_threads()


def _kernels():
    """Which kernels run, in words; empty where there are none."""
    try:
        from ..kernels.c.library import described
    except ModuleNotFoundError:
        return ""
    return described()


# ---------------------------------------------------------------- the table


def profile_table(profile, *, threads=1, kernels=""):
    """The stages of a Profile line by line, their sum, and what the memory is made of."""
    height, width = profile.size
    cpu = ", ".join(filter(None, (f"{threads} thread{'s' if threads > 1 else ''}", kernels)))
    where = cpu if profile.device == "cpu" else profile.device
    lines = [
        f"{profile.work}: {profile.batch} x {width}x{height} pixels, {where}, "
        f"the middle half of {profile.steps} steps: {1e3 * profile.seconds:.1f} ms",
        "",
        f"{'':24}{'forward':>10}{'backward':>10}{'together':>10}{'share':>8}{'kept':>10}{'in use':>10}",
        f"{'':24}{'ms':>10}{'ms':>10}{'ms':>10}{'':>8}{'MB':>10}{'MB':>10}",
    ]
    for s in profile.stages:
        lines.append(_line(s.stage, s.forward, s.backward, s.seconds, profile.seconds, s.kept, s.peak))
    forward, backward, seconds, kept = (_sum(profile, part) for part in ("forward", "backward", "seconds", "kept"))
    lines.append(_line("all stages", forward, backward, seconds, profile.seconds, kept, profile.peak))
    ahead = "; training makes it ahead, beside the step" if profile.work == "training step" else ""
    lines += ["", f"making the data: {1e3 * profile.data:.1f} ms{ahead}"]
    lines.append("kept: what waits for backward; in use: the most that all stages together hold while this one works,")
    owners = "weights, gradients and optimizer" if profile.work == "training step" else "weights"
    lines.append(f"beyond {profile.model / 1e6:.1f} MB of {owners} and scratch memory that outlives a step")
    if profile.resident_megabytes:
        lines.append(f"the process holds {profile.resident_megabytes:.0f} MB")
    if profile.device != "cpu":
        lines.append(
            "the host waits for the device at the border of every stage: a step that is not profiled is faster;"
        )
        lines.append("in use, on a device, is what its memory pool has handed out at these borders")
    return "\n".join(lines)


def _line(name, forward, backward, seconds, whole, kept, peak):
    cells = ["" if part is None else f"{1e3 * part:.1f}" for part in (forward, backward, seconds)]
    row = f"{name:24}" + "".join(f"{cell:>10}" for cell in cells)
    return f"{row}{seconds / whole:>8.1%}{f'{kept / 1e6:.1f}' if kept else '':>10}{peak / 1e6:>10.1f}"


def _sum(profile, part):
    """The sum of all stages, None when none of them has that part."""
    values = [value for stage in profile.stages if (value := getattr(stage, part)) is not None]
    return sum(values) if values else None
