"""`tinymaskrcnn train`: learn, evaluate on held-out scenes, draw; or continue where a run stopped."""

import sys

from ..config import SCENE_PRESETS
from .options import add_data, add_device, build_config, data_source, replace_steps

HELP = "train a Mask R-CNN on scenes of handwritten digits, then evaluate and draw"
EXAMPLES = """examples:
  tinymaskrcnn train                              the main job: digits, about ten minutes
  tinymaskrcnn train --steps 300 --out runs/try   a short one
  tinymaskrcnn train --out runs/try --resume      go on after Ctrl-C
  tinymaskrcnn train --set scenes.rotation=15 --set train.schedule=step"""
STOPPED = 130  # what a shell reports after Ctrl-C


def add_arguments(parser):
    parser.add_argument("--steps", type=int, metavar="N", help="optimizer steps (default: 1500)")
    parser.add_argument("--out", metavar="RUN", help="run folder (default: runs/001, runs/002, ...)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, or the latest in runs/")
    parser.add_argument("--seed", type=int, metavar="S", help="weights, scenes and samples follow from it (default: 0)")
    add_data(parser, "the embedded digits (default), MNIST where it is found, or MNIST in this folder")
    parser.add_argument("--scenes", choices=SCENE_PRESETS, help="a kind of scenes (default: clean)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="scenes per step (default: 8)")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="largest learning rate (default: 0.02)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of config.json")
    parser.add_argument("--config", metavar="FILE", help="start from the settings in this JSON file")
    add_device(parser)


def run(args):
    from ..experiment import Experiment

    if args.resume:
        folder = _resumed_folder(args)
        experiment = Experiment(folder, device=args.device, threads=args.threads)
    else:
        _, data_dir = data_source(args.data)
        experiment = Experiment.start(
            args.out, build_config(args), data_dir=data_dir, device=args.device, threads=args.threads
        )
    path = experiment.run.path
    _say(f"run folder {path}, {experiment.config.train.steps} steps of {experiment.config.train.batch_size} scenes")
    _show_anchors(experiment)
    if not experiment.train(on_start=lambda step: _say(f"continuing after step {step}") if step else None):
        _say(f"stopped and saved. Continue with: tinymaskrcnn train --out {path} --resume")
        return STOPPED
    _finish(experiment)
    return 0


def _resumed_folder(args):
    """The run to continue; its own configuration holds, only the number of steps may change."""
    from ..errors import ArgumentError
    from ..train.run import RunFolder, latest_run_path

    path = args.out or latest_run_path()
    if path is None:
        raise ArgumentError("--resume: there is no run in runs/; name one with --out")
    folder = RunFolder.open(path)
    fixed = ("seed", "data", "scenes", "batch_size", "learning_rate", "config", "set")
    given = [f"--{name.replace('_', '-')}" for name in fixed if getattr(args, name)]
    if given:
        raise ArgumentError(f"--resume continues {path} with its own settings; leave out {', '.join(given)}")
    if args.steps is not None and args.steps != folder.config.train.steps:
        folder = folder.reconfigured(replace_steps(folder.config, args.steps))
    return folder


def _show_anchors(experiment):
    from ..visualize import coverage_figure, save_figure

    report = experiment.anchor_report()
    _say(report.table())
    for warning in report.warnings():
        _say(f"warning: {warning}")
    save_figure(coverage_figure(report), experiment.run.path / "anchors.png")


def _finish(experiment):
    from .evaluate import figures_table

    scenes = experiment.config.train.eval_scenes
    if scenes:
        figures = experiment.evaluate()
        experiment.run.write_json("evaluation.json", figures | {"scenes": scenes, "split": "test"})
        print(f"on {scenes} held-out scenes:\n{figures_table(figures)}")
    for path in experiment.draw():
        print(f"wrote {path}")


def _say(text):
    print(text, file=sys.stderr, flush=True)
