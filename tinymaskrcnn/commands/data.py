"""`tinymaskrcnn data`: which digits are there, how to get more, and whether annotated pictures are sound."""

import argparse

from .options import add_annotations, given_annotations, positive

HELP = "list the data that is there; download MNIST; check annotations; try out proposals"
EXAMPLES = """examples:
  tinymaskrcnn data                      what is there?
  tinymaskrcnn data mnist                download MNIST (11 MB) into the cache
  tinymaskrcnn data mnist --out mnist    or into a folder of your choice, for `train --data mnist/`
  tinymaskrcnn data check --annotations train.json --images photos/    every broken annotation, exit status 1
  tinymaskrcnn data check --annotations train.json --images photos/ --decode    ... and every truncated picture
  tinymaskrcnn data proposals            do regions found without a network cover the digits?
  tinymaskrcnn data proposals --set model.proposals.method=sliding_window --set scenes.clutter=0.4
  tinymaskrcnn data proposals --annotations train.json --images photos/ --set coco.proposals=mine.json"""


def add_arguments(parser):
    actions = ("check", "mnist", "proposals")
    parser.add_argument("action", nargs="?", choices=actions, default="check", help="default: check")
    parser.add_argument(
        "--out", metavar="PATH", help="folder for the download (default: the cache); picture of the proposals"
    )
    parser.add_argument("--data", metavar="DIR", help="look for MNIST in this folder only")
    add_annotations(parser)
    parser.add_argument(
        "--decode",
        action=argparse.BooleanOptionalAction,
        help="read the annotated pictures to their last pixel (default: up to 300 pictures)",
    )
    parser.add_argument("--pictures", type=positive, default=50, metavar="N", help="for proposals (default: 50)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, for proposals")


def run(args):
    if args.action == "proposals":
        return _proposals(args)
    if args.action == "mnist":
        from ..data import mnist

        folder = mnist.download(args.out)
        print(f"MNIST is complete and verified in {folder}")
        use = "mnist" if args.out is None else folder
        print(f"use it with: tinymaskrcnn train --data {use}")
        return 0
    if files := given_annotations(args):
        return _check(files, args.decode)
    for line in listing(args.data):
        print(line)
    return 0


def _check(files, decode):
    """Everything that would stop a training on these pictures, or spoil it, by a model for photographs."""
    from ..config import photograph_preset
    from ..data.coco_check import DECODED, check_coco, fit_to_model

    report = fit_to_model(check_coco(*files, decode=decode), photograph_preset(("background",)))
    print(report.table())
    for note in report.notes:
        print(f"note: {note}")
    if decode is None and report.total[0] > DECODED:
        print(f"only the headers of the {report.total[0]} pictures were read; --decode reads them whole")
    return 0 if report.ok else 1


def _proposals(args):
    """What is proposed in some pictures, held against their objects, as a table and a picture."""
    from ..visualize import recall_figure, save_figure

    stream = _described(args)
    count = min(args.pictures, len(stream)) if args.annotations else args.pictures
    report = stream.proposals.report(count)
    print(report.table())
    for warning in report.warnings(most=stream.proposals.most):
        print(f"warning: {warning}")
    shown = max(range(count), key=lambda i: min(len(stream.layout(i)[1]), 5))
    image, truth = stream.scene(shown)
    figure = recall_figure(report, image, truth, stream.proposals.of(shown))
    print(f"wrote {save_figure(figure, args.out or 'proposals.png')}")
    return 0


def _described(args):
    """The pictures that the options describe, as they are, with their proposals."""
    from ..config import Config, photograph_preset
    from ..data.coco import CocoDataset, CocoStream, class_list
    from ..data.coco_check import check_coco
    from ..data.loader import open_stream
    from ..data.proposals.stream import attach_proposals
    from ..models.for_scenes import COLOR
    from ..models.systems import system_settings
    from .options import data_source, override, parse_setting

    settings = system_settings("fast_rcnn") | dict(parse_setting(word) for word in args.set)
    if files := given_annotations(args):
        names = class_list(check_coco(*files))
        config = override(Config(model=photograph_preset(names)), settings)
        dataset = CocoDataset.open(*files, class_names=names, parts=("box",))
        stream = CocoStream(dataset, config.model, config.coco, batch_size=1, seed=0, augment=False)
        return attach_proposals(stream, config, split="train")
    source, data_dir = data_source(args.data)
    settings |= {} if source is None else {"scenes.source": source}
    settings |= COLOR if settings.get("scenes.color") else {}
    config = override(Config(), settings | {"train.train_scenes": 0})
    return open_stream(config, split="train", data_dir=data_dir)


def listing(data_dir=None):
    """Sentences about the embedded digits and about MNIST, whose files are verified."""
    from ..data import digits, mnist
    from ..errors import DataError

    bank = digits.load()
    yield f"digits  {len(bank)} embedded UCI digits: always there, used by default"
    try:
        folder = mnist.find(data_dir)
        bank = mnist.load(data_dir)
        yield f"mnist   {len(bank)} digits in {folder}, verified; use with --data {data_dir or 'mnist'}"
    except DataError as error:
        yield f"mnist   {error}"
