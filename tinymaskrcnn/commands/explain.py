"""`tinymaskrcnn explain`: why each detection of a picture is there, in words, and one of them drawn step by step.

Of a whole data set, see explain_errors.py.
"""

from pathlib import Path

from . import explain_errors
from .options import add_annotations, positive, share
from .walk import _number as number

HELP = "say why each detection of a picture is there, or what a run's errors on a data set are and cost"
EXAMPLES = """examples:
  tinymaskrcnn explain photo.png                                  by the small digit detector in the package
  tinymaskrcnn explain photo.png --model runs/001 --detection 2   by a run; the third best detection is drawn
  tinymaskrcnn explain --scene 20                                 a test scene, whose truth says what was missed, too
  tinymaskrcnn explain photo.png --out report.html                as a page to step through, with sliders
  tinymaskrcnn explain --scene 20 --maps maps.png                 and the pixels that the score of the best one heeds
  tinymaskrcnn explain runs/001 --scenes 200                      the errors of a run by kind, and what each costs
  tinymaskrcnn explain runs/001 --against runs/002 --scenes 200   beside those of another run
  tinymaskrcnn explain runs/001 --annotations val.json --images photos --iou segm

A picture is looked at once, in the size that the network learned to see."""


def add_arguments(parser):
    parser.add_argument("image", metavar="IMAGE|RUN", nargs="?", help="a PNG or JPEG; a run, for all its errors")
    parser.add_argument("--scene", type=number, metavar="N", help="instead: which of the model's test scenes, from 0")
    parser.add_argument(
        "--model",
        metavar="RUN|FILE|NAME",
        default="tour",
        help="run folder, model.npz, or one of the detectors in the package: tour (default) or handwriting",
    )
    parser.add_argument(
        "--score", type=share, default=0.5, metavar="S", help="smallest score that counts (default: 0.5)"
    )
    parser.add_argument(
        "--detection", type=number, metavar="K", help="which one is drawn, best first from 0 (default: 0)"
    )
    parser.add_argument(
        "--maps", metavar="FILE", help="draw, too, which pixels the score of that detection heeds, and check the map"
    )
    parser.add_argument(
        "--scenes", type=positive, metavar="N", help="of all errors in so many test scenes (or pictures)"
    )
    add_annotations(parser)
    parser.add_argument("--iou", choices=("bbox", "segm"), help="of all errors: of boxes (default: bbox) or masks")
    parser.add_argument("--against", metavar="RUN", help="of all errors: beside those of another run")
    parser.add_argument("--json", action="store_true", help="of all errors: print nothing but JSON on stdout")
    parser.add_argument(
        "--out",
        metavar="FILE",
        default="explained.png",
        help="one detection as .png, .pdf or .svg, or all as a page, .html (default: explained.png)",
    )


def run(args):
    from ..errors import ArgumentError

    of_many = explain_errors.is_asked(args)
    if not of_many and (args.image is None) == (args.scene is None):
        raise ArgumentError("explain needs a picture, or --scene N, and not both")
    written = {"--out": args.out, "--maps": args.maps} if args.maps else {"--out": args.out}
    for option, path in written.items():
        page = (".html",) if option == "--out" and not of_many else ()
        if Path(path).suffix.lower() not in (".png", ".pdf", ".svg", *page):
            kinds = ".png, .pdf, .svg or .html" if page else ".png, .pdf or .svg"
            raise ArgumentError(f"{option} must end in {kinds}; got {path!r}")
        if args.image is not None and Path(path).resolve() == Path(args.image).resolve():
            raise ArgumentError(f"{option} would overwrite the picture; choose another name")
    if args.maps and Path(args.maps).resolve() == Path(args.out).resolve():
        raise ArgumentError("--maps and --out are one file; choose another name")
    if of_many:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        return explain_errors.run(args)
    if args.image is not None and Path(args.image).is_dir():
        raise ArgumentError(f"{args.image} is a folder, not a picture; of the errors of a run: add --scenes 200")
    args.detection = args.detection or 0
    told = explained(args.model, picture=args.image, scene=args.scene, score=args.score)
    if len(told) and args.detection >= len(told):
        raise ArgumentError(f"--detection must be below {len(told)}, the detections with {args.score:g} or more")
    for path in written.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    checks = _draw_maps(told, args) if args.maps else None
    _write(told, args, checks)
    print(told)
    for k in range(len(told)):
        print(f"\n{told.chain(k)}")
    if checks:
        print(f"\ndetection {args.detection}, pixel by pixel\n{checks}")
    print(f"\nwrote {' and '.join(written.values())}")
    return 0


def _write(told, args, checks):
    """All of it as a page, or one detection as a picture."""
    from ..files import write_whole
    from ..visualize import chain_figure, explanation_page, save_figure

    if Path(args.out).suffix.lower() == ".html":
        maps = {args.detection: checks} if checks else None
        name = Path(args.image).name if args.image is not None else f"scene {args.scene}"
        write_whole(args.out, explanation_page(told, title=f"{name}: what was found, and why", maps=maps).html)
    else:
        save_figure(chain_figure(told, args.detection), args.out)


def _draw_maps(told, args):
    """Of the detection that is drawn: its maps, with what became of their checks, in a file  ->  MapChecks"""
    from ..errors import ArgumentError
    from ..explain import check_maps
    from ..visualize import save_figure, score_maps_figure

    if not len(told):
        raise ArgumentError(f"--maps needs a detection, and none has {args.score:g} or more")
    maps = told.maps(args.detection)
    checks = check_maps(maps)
    save_figure(score_maps_figure(maps, checks), args.maps)
    return checks


def explained(path, *, picture=None, scene=None, score=0.5):
    """The Explanation of a picture file, or of a test scene, by what `open_detector` opens."""
    from ..experiment import open_detector

    detector = open_detector(path)
    image, target = _picture(detector, picture) if scene is None else _scene(detector, path, scene)
    return detector.explain(image, target, min_score=score)


def _picture(detector, path):
    from ..data.pictures import read_image

    return read_image(path, detector.model.config.backbone.in_channels), None


def _scene(detector, path, number):
    from ..data.loader import open_stream
    from ..errors import ArgumentError
    from ..zoo.shipped import SHIPPED, is_shipped

    config = SHIPPED[str(path)].preset() if is_shipped(path) else getattr(detector, "config", None)
    if config is None:
        raise ArgumentError(f"{path} says nothing of its scenes: give a picture instead of --scene")
    return open_stream(config, split="test", data_dir=getattr(detector, "data_dir", None)).scene(number)
