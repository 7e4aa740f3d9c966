"""`tinymaskrcnn train`: learn from scenes or annotated pictures, evaluate, draw; or continue where a run stopped."""

import dataclasses
import sys

from ..config import SCENE_PRESETS
from ..config_rules import OUTSIDE
from ..errors import ConfigError, listed
from .options import (
    PRESETS,
    add_annotations,
    add_backbone,
    add_data,
    add_device,
    add_system,
    add_tf32,
    apply_tf32,
    build_config,
    data_source,
    given_options,
    offering_skip_broken,
    replace_steps,
    threads_of,
)
from .pictures import (
    PICTURE_OPTIONS,
    add_picture_options,
    build_picture_config,
    refuse_picture_options,
    starting_weights,
)
from .watching import add_watching, check_watching, watchers_of

HELP = "train a Mask R-CNN or a relative on scenes of handwritten digits or your own pictures, then evaluate and draw"
EXAMPLES = """examples:
  tinymaskrcnn train                              the main job: digits, in a few minutes
  tinymaskrcnn train --steps 300 --out runs/try   a short one
  tinymaskrcnn train --out runs/try --resume      go on after Ctrl-C
  tinymaskrcnn train --system faster_rcnn         another member of the family
  tinymaskrcnn train --set scenes.rotation=15 --set train.schedule=step
  tinymaskrcnn train --data coco --annotations train.json --images photos/ --val-annotations val.json
  tinymaskrcnn train --data coco --annotations train.json --images photos/ --model runs/001 --freeze 1    fine-tuning"""
STOPPED = 130  # what a shell reports after Ctrl-C


def add_arguments(parser):
    parser.add_argument("--steps", type=int, metavar="N", help="optimizer steps (default: 1500)")
    parser.add_argument("--out", metavar="RUN", help="run folder (default: runs/001, runs/002, ...)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, or the latest in runs/")
    parser.add_argument("--seed", type=int, metavar="S", help="weights, scenes and samples follow from it (default: 0)")
    add_data(parser, "the embedded digits (default), MNIST where it is found or in this folder, or coco: see below")
    add_annotations(parser)
    add_picture_options(parser)
    add_system(parser)
    parser.add_argument("--pretrained", metavar="RUN", help="start from the backbone of a run of procedure pretrain")
    add_backbone(parser)
    parser.add_argument("--scenes", choices=SCENE_PRESETS, help="a kind of scenes (default: clean)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="scenes per step (default: 8)")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="largest learning rate (default: 0.02)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of config.json")
    parser.add_argument("--config", metavar="FILE", help="start from the settings in this JSON file")
    names = [name for name in PRESETS if name]
    parser.add_argument("--preset", choices=names, help="start from other settings: MNIST, a shipped detector, C4")
    add_watching(parser)
    add_device(parser)
    add_tf32(parser)


def run(args):
    from ..train.ranks.launch import together

    check_watching(args)
    apply_tf32(args)
    with together(args.device) as ranks:
        return _run(args, ranks)


def _run(args, ranks):
    from ..experiment import Experiment
    from ..train.ranks.launch import same_run

    args.threads = threads_of(args, ranks)
    if args.resume:
        folder = _resumed_folder(args) if ranks is None else same_run(ranks, lambda: _resumed_folder(args))
        experiment = Experiment(folder, device=args.device, threads=args.threads, ranks=ranks)
        with offering_skip_broken(None):
            for split in ("train", "test") if experiment.config.coco.annotations else ():
                experiment.stream(split)
    else:
        with offering_skip_broken("--set 'model.heads=[\"box\"]'"):
            experiment = _start(args, ranks)
    path, train = experiment.run.path, experiment.config.train
    kind = "pictures" if experiment.config.coco.annotations else "scenes"
    shared = "" if ranks is None else f", shared by {ranks.size} ranks"
    _say(f"run folder {path}, {train.steps} steps of {train.batch_size} {kind}{shared}")
    watchers = watchers_of(args, experiment)  # refused before proposals are searched for
    if experiment.leads:
        _show_data(experiment)
    if not experiment.train(on_start=lambda step: _begin(experiment, step), watchers=watchers):
        _say(f"stopped and saved. Continue with: tinymaskrcnn train --out {path} --resume")
        return STOPPED
    _finish(experiment)
    return 0


def _begin(experiment, step):
    """Nothing can stop the run any more: from now on its folder has the settings that it goes on with."""
    experiment.run.write_config()
    if step:
        _say(f"continuing after step {step}")


def _start(args, ranks):
    from ..experiment import Experiment

    where = {"device": args.device, "threads": args.threads, "backbone": _pretrained(args), "ranks": ranks}
    if args.data != "coco":
        refuse_picture_options(args)
        _, data_dir = data_source(args.data, also=", or 'coco'")
        where, start, config = where | {"data_dir": data_dir}, starting_weights(args.model), build_config(args)
    else:
        if args.preset:
            raise ConfigError("--preset is for scenes of digits; leave it out with --data coco")
        start = starting_weights(args.model)
        config = build_picture_config(args, start)
    if start is None:
        return Experiment.start(args.out, config, **where)
    experiment = Experiment.start(args.out, config, **where, weights=start.arrays, known=start.model.class_names)
    if experiment.fresh:
        fresh = listed(experiment.fresh, room=400)
        _say(f"starting anew, because they do not fit the weights of {args.model}: {fresh}")
    _say_classes(args.model, experiment.config.model.class_names, start.model.class_names)
    return experiment


def _pretrained(args):
    """The arrays of --pretrained; None without it."""
    if args.pretrained is None:
        return None
    from ..train.pretrain import load_backbone
    from ..train.run import RunFolder

    if args.model is not None:
        raise ConfigError("--model and --pretrained both say where to start from; leave one out")
    return load_backbone(RunFolder.open(args.pretrained))


def _say_classes(path, class_names, known):
    """Which classes go on from what the weights know of them, and which start anew, where it is not all."""
    from ..train.finetune import NO_CLASS, shared_classes

    shared = shared_classes(class_names, known)
    anew = [name for name in class_names[1:] if name not in shared and name != NO_CLASS]
    if shared and anew:
        _say(f"classes taken over by name from {path}: {listed(shared)}; starting anew: {listed(anew)}")


def _resumed_folder(args):
    """The run to continue; its own configuration holds, but for the number of steps and what is left out."""
    from ..errors import ArgumentError
    from ..train.run import RunFolder, latest_run_path

    path = args.out or latest_run_path()
    if path is None:
        raise ArgumentError("--resume: there is no run in runs/; name one with --out")
    folder = RunFolder.open(path)
    fixed = ("seed", "system", "backbone", "pretrained", "data", "scenes", "batch_size", "learning_rate")
    fixed += ("config", "preset", "set", *PICTURE_OPTIONS)
    if given := given_options(args, [name for name in fixed if name != "skip_broken"]):
        raise ArgumentError(f"--resume continues {path} with its own settings; leave out {', '.join(given)}")
    if args.steps is not None and args.steps != folder.config.train.steps:
        folder = dataclasses.replace(folder, config=replace_steps(folder.config, args.steps))  # see _begin
    if args.skip_broken:
        if not folder.config.coco.annotations:
            raise ArgumentError(f"--skip-broken: {path} is trained on scenes, of which none is broken")
        files = dataclasses.replace(folder.config.coco, skip_broken=True)
        folder = dataclasses.replace(folder, config=dataclasses.replace(folder.config, coco=files))
    return folder


def _show_data(experiment):
    if experiment.stream().proposals:
        _show_recall(experiment)
    elif experiment.config.model.system not in OUTSIDE:
        _show_anchors(experiment)


def _show_anchors(experiment):
    from ..visualize import coverage_figure, save_figure

    report = experiment.anchor_report()
    _say(report.table())
    for warning in report.warnings():
        _say(f"warning: {warning}")
    save_figure(coverage_figure(report), experiment.run.path / "anchors.png")


def _show_recall(experiment):
    from ..visualize import recall_figure, save_figure

    model = experiment.config.model
    report = experiment.stream().proposals.report(100)
    _say(report.table())
    for warning in report.warnings(samples=model.roi.samples_per_image, most=model.proposals.most):
        _say(f"warning: {warning}")
    save_figure(recall_figure(report), experiment.run.path / "proposals.png")


def _finish(experiment):
    from .evaluate import figures_table

    if experiment.config.train.procedure == "pretrain":
        if not experiment.leads:
            return
        shares = experiment.crop_accuracy()
        experiment.run.write_json("evaluation.json", shares)
        print(f"named rightly of {shares['crops']} held-out crops: ", end="")
        print(f"objects {shares['objects']:.3f}, windows without one {shares['no_object']:.3f}")
        print(f"a detector begins with it: tinymaskrcnn train --pretrained {experiment.run.path}")
        return
    scenes, what = experiment.config.train.eval_scenes, "held-out scenes"
    if scenes and (files := experiment.config.coco).annotations:
        scenes = len(experiment.stream("test"))
        what = "held-out pictures" if files.val_annotations or files.val_list else "pictures it was trained on"
    if scenes:
        figures = experiment.evaluate()
        experiment.run.write_json("evaluation.json", figures | {"scenes": scenes, "split": "test"})
        print(f"on {scenes} {what}:\n{figures_table(figures)}")
    _say("drawing ...")
    for path in experiment.draw() if experiment.leads else ():
        print(f"wrote {path}")


def _say(text):
    print(text, file=sys.stderr, flush=True)
