"""Options of `tinymaskrcnn train --data coco`: which pictures, which weights to start from, and what follows."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ..config import Config, ConfigError, ModelConfig, photograph_preset
from ..config_kinds import is_name
from .options import (
    SKIP_BROKEN,
    Start,
    backbone_settings,
    given_annotations,
    given_options,
    override,
    override_by_words,
    parse_setting,
    read_start,
)

PICTURE_OPTIONS = (
    *("annotations", "images", "val_annotations", "val_images", "train_list", "val_list"),
    *("model", "freeze", "skip_broken"),
)


def add_picture_options(parser):
    parser.add_argument("--val-annotations", metavar="JSON", help="pictures to evaluate on (default: the same)")
    parser.add_argument("--val-images", metavar="DIR", help="their folder (default: --images)")
    parser.add_argument("--train-list", metavar="FILE", help="train on these only: file names or ids, one per line")
    parser.add_argument("--val-list", metavar="FILE", help="evaluate on these only")
    parser.add_argument(
        "--model", metavar="RUN|FILE|NAME", help="start from the weights of a run, model.npz, tour or handwriting"
    )
    parser.add_argument("--freeze", type=stages, metavar="K", help="keep the stem and K stages as they are, 0 to 4")
    parser.add_argument("--skip-broken", action="store_true", help=SKIP_BROKEN)


def stages(text):
    """An argparse type: a whole number from 0 to 4."""
    if text not in ("0", "1", "2", "3", "4"):
        raise argparse.ArgumentTypeError(f"must be 0 (the stem) to 4 (the whole backbone); got {text!r}")
    return int(text)


def refuse_picture_options(args):
    """Without --data coco these options mean nothing, but for weights to start from."""
    if given := given_options(args, [name for name in PICTURE_OPTIONS if name != "model"]):
        raise ConfigError(f"{', '.join(given)} needs --data coco")


@dataclass(frozen=True)
class Weights:
    """Where fine-tuning starts: the settings of a network and its arrays by name."""

    model: ModelConfig
    arrays: dict


def starting_weights(path):
    """The Weights in a run folder, in a file of `tinymaskrcnn convert` or in the package; None without a path."""
    from ..zoo.shipped import is_shipped, load_shipped

    if path is None:
        return None
    if is_shipped(path):
        model = load_shipped(path)
        return Weights(model.config, model.state_dict())
    if Path(path).is_dir():
        from ..train.run import RunFolder

        run = RunFolder.open(path)
        return Weights(run.config.model, run.load(part="model").model)
    from ..interop.model_file import load_model

    model = load_model(path)
    return Weights(model.config, model.state_dict())


def build_picture_config(args, start):
    """The configuration that `train --data coco` describes: what the files say, then options, then --set."""
    from ..data.coco import CocoDataset, read_list

    if args.scenes:
        raise ConfigError("--scenes needs generated scenes; leave it out with --data coco")
    files = given_annotations(args)
    if files is None:
        raise ConfigError("--data coco needs --annotations JSON and --images DIR")
    wanted = read_list(args.train_list) if args.train_list else None
    dataset = CocoDataset.open(*files, parts=("box",), wanted=wanted, skip_broken=args.skip_broken)  # heads come later
    given = read_start(args.config) if args.config else None
    config = given.config if given else Config()
    if not args.config:
        config = dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=2, learning_rate=0.01))
    model = _model_config(config.model if args.config else None, start, dataset)
    config = dataclasses.replace(config, model=model)
    known = given or (Start.of(config) if start else Start(config, frozenset()))
    system = dict(map(parse_setting, args.set)).get("model.system", args.system)
    config = dataclasses.replace(known, config=config).as_system(system, scenes=False)
    named = backbone_settings(args.backbone, model) | _named_settings(args)
    named |= {"coco.category_ids": _category_ids(model, dataset)}
    return override_by_words(override(config, named), args.set)


def _named_settings(args):
    paths = ("annotations", "images", "val_annotations", "val_images", "train_list", "val_list")
    named = {f"coco.{name}": str(Path(value).resolve()) for name in paths if (value := getattr(args, name))}
    named |= {"coco.skip_broken": args.skip_broken, "train.steps": args.steps, "train.seed": args.seed}
    named |= {"train.batch_size": args.batch_size, "train.learning_rate": args.learning_rate}
    named |= {"train.frozen_stages": args.freeze}
    return {name: value for name, value in named.items() if value is not None}


def _model_config(given, start, dataset):
    """The network: that of the weights, that of --config, or a small one for photographs; classes from the file.

    Weights that know exactly the file's classes keep theirs, in their order (torchvision's COCO models have gaps).
    """
    known = start.model if start else given
    if known is None:
        return _fresh_model(dataset)
    if "keypoint" in known.heads and dataset.keypoint_names:
        known = _with_keypoints(known, dataset)
    if {name for name in known.class_names[1:] if name != "N/A"} == set(dataset.class_names[1:]):
        return known
    return dataclasses.replace(known, num_classes=len(dataset.class_names), class_names=dataset.class_names)


def _fresh_model(dataset):
    from ..data.coco import measure_pictures

    channels, mean, std = measure_pictures(dataset)
    model = photograph_preset(dataset.class_names, channels=channels, mean=mean, std=std, heads=dataset.offers)
    if not dataset.keypoint_names:
        return model
    return _with_keypoints(model, dataset)


def _with_keypoints(model, dataset):
    """The model with as many keypoints as the file has, and their names, where they can stand in a line."""
    names = tuple(dataset.keypoint_names)
    roi = dataclasses.replace(model.roi, num_keypoints=len(names))
    return dataclasses.replace(model, roi=roi, keypoint_names=names if all(map(is_name, names)) else ())


def _category_ids(model, dataset):
    ids = dict(zip(dataset.class_names, dataset.category_ids))
    return tuple(ids.get(name, 0) for name in model.class_names)
