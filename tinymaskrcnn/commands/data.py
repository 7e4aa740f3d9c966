"""`tinymaskrcnn data`: which digits are there, how to get more, and whether annotated pictures are sound."""

import argparse

from .options import add_annotations, given_annotations

HELP = "list the data that is there; download MNIST; check annotations"
EXAMPLES = """examples:
  tinymaskrcnn data                      what is there?
  tinymaskrcnn data mnist                download MNIST (11 MB) into the cache
  tinymaskrcnn data mnist --out mnist    or into a folder of your choice, for `train --data mnist/`
  tinymaskrcnn data check --annotations train.json --images photos/    every broken annotation, exit status 1
  tinymaskrcnn data check --annotations train.json --images photos/ --decode    ... and every truncated picture"""


def add_arguments(parser):
    parser.add_argument("action", nargs="?", choices=("check", "mnist"), default="check", help="default: check")
    parser.add_argument("--out", metavar="DIR", help="folder for the download (default: the cache)")
    parser.add_argument("--data", metavar="DIR", help="look for MNIST in this folder only")
    add_annotations(parser)
    parser.add_argument(
        "--decode",
        action=argparse.BooleanOptionalAction,
        help="read the annotated pictures to their last pixel (default: up to 300 pictures)",
    )


def run(args):
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
