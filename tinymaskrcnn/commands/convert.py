"""`tinymaskrcnn convert`: a run, or torchvision's weights, as a model in one file."""

import dataclasses
from pathlib import Path

from ..config import TORCHVISION_KINDS
from .options import given_options

HELP = "make a model in one file, from a run or from the weights of one of torchvision's detection models"
EXAMPLES = """examples:
  tinymaskrcnn convert maskrcnn_resnet50_fpn_coco.pth --kind maskrcnn_resnet50_fpn --out model.npz
  tinymaskrcnn convert mine.safetensors --kind fasterrcnn_resnet50_fpn --classes names.txt --out model.npz
  tinymaskrcnn convert runs/001 --half --out digits.npz      a run as one small file

Reads .npz and .safetensors, and .pth where torch is installed; nothing in a file is ever executed.
`tinymaskrcnn predict photo.jpg --model model.npz` then finds objects."""


def add_arguments(parser):
    parser.add_argument(
        "weights", metavar="WEIGHTS", help="a state_dict in a .npz, .safetensors or .pth file, or a run folder"
    )
    parser.add_argument("--kind", choices=TORCHVISION_KINDS, help="the model's name in torchvision; not for a run")
    parser.add_argument("--out", metavar="FILE", required=True, help="the model to write, a .npz file")
    parser.add_argument("--classes", metavar="FILE", help="class names, one per line, without background")
    parser.add_argument(
        "--norm-eps",
        type=float,
        metavar="E",
        help="what the backbone's norms add to a variance (default: 0 where they are frozen, as in torchvision's "
        "COCO weights, else 1e-5)",
    )
    parser.add_argument("--half", action="store_true", help="store kernels and matrices as float16: half the size")


def run(args):
    if Path(args.weights).is_dir():
        return _convert_run(args)
    return _convert_state_dict(args)


def _convert_run(args):
    """A run's last checkpoint without its optimizer."""
    from ..errors import ArgumentError
    from ..interop.model_file import load_model, save_model
    from ..train.run import RunFolder

    if given := given_options(args, ("kind", "classes", "norm_eps")):
        raise ArgumentError(f"{args.weights} is a run and knows its own settings; leave out {', '.join(given)}")
    out = _target(args)
    model = load_model(RunFolder.open(args.weights).checkpoint_file)
    save_model(out, model, half=args.half)
    numbers = sum(array.size for array in model.state_dict().values())
    print(f"{args.weights}: {model.config.num_classes} classes, background included; {numbers:,} numbers")
    print(f"-> {out} ({out.stat().st_size / 1e6:.2f} MB)")
    return 0


def _convert_state_dict(args):
    from ..errors import ArgumentError
    from ..interop.model_file import save_model
    from ..interop.torchvision import from_state_dict, read_config
    from ..interop.weights import read_weights
    from ..train.checkpoint import naming

    if args.kind is None:
        raise ArgumentError(f"{args.weights} is a file of weights: --kind must name its model in torchvision")
    out = _target(args)
    arrays = read_weights(args.weights)
    with naming(args.weights):
        config = read_config(args.kind, arrays)
    if args.norm_eps is not None:
        backbone = dataclasses.replace(config.backbone, norm_eps=args.norm_eps)
        config = dataclasses.replace(config, backbone=backbone)
    if args.classes:
        config = dataclasses.replace(config, class_names=_class_names(args.classes, config.num_classes))
    with naming(args.weights):
        model = from_state_dict(args.kind, arrays, config=config)
    save_model(out, model, half=args.half)
    state = model.state_dict()
    numbers = sum(array.size for array in state.values())
    counters = len(arrays) - len(state)
    unused = f" ({counters} counters of norms are not needed)" if counters else ""
    print(f"{args.weights}: {len(arrays)} arrays, all accounted for{unused}")
    print(f"{args.kind}: {config.num_classes} classes, background included; {numbers:,} numbers")
    print(f"backbone norms: {config.backbone.norm}, eps {config.backbone.norm_eps:g}")
    print(f"-> {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _target(args):
    """Where to write, checked before anything is read."""
    from ..errors import ArgumentError

    out = Path(args.out)
    if out.suffix != ".npz":
        raise ArgumentError(f"--out must be a .npz file; got {args.out!r}")
    if out.exists() and out.resolve() == Path(args.weights).resolve():
        raise ArgumentError(f"--out would overwrite the weights {args.weights}; choose another file")
    if args.norm_eps is not None and not 0 <= args.norm_eps < 1:
        raise ArgumentError(f"--norm-eps must lie between 0 and 1; got {args.norm_eps}")
    return out


def _class_names(path, num_classes):
    from ..config_kinds import is_name
    from ..config_rules import doubled
    from ..errors import DataError, shown
    from ..files import read_lines

    names = read_lines(path)
    if len(names) != num_classes - 1:
        raise DataError(
            f"{path}: must name {num_classes - 1} classes, one per line without background, as the weights have; "
            f"it names {len(names)}"
        )
    names = ("background", *names)
    if wrong := [name for name in names if not is_name(name)]:
        raise DataError(f"{path}: {shown(wrong[0])} is no class name: it must be one line, without control characters")
    if double := doubled(names):
        why = "is that of class 0, which is no object" if double == "background" else "stands there twice"
        raise DataError(f"{path}: the name {shown(double)} {why}")
    return names
