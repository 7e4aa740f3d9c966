"""`tinymaskrcnn evaluate`: COCO's average precision of a run on scenes it has not seen."""

import json

from .options import add_data, add_device, data_source

HELP = "COCO average precision of a trained run on held-out scenes"
EXAMPLES = """examples:
  tinymaskrcnn evaluate runs/001
  tinymaskrcnn evaluate runs/001 --json --scenes 500
  tinymaskrcnn evaluate runs/001 --areas 20,28     own borders between small, medium and large"""


def add_arguments(parser):
    parser.add_argument("run", metavar="RUN", help="run folder of `tinymaskrcnn train`")
    parser.add_argument("--json", action="store_true", help="print nothing but JSON on stdout")
    parser.add_argument("--scenes", type=int, metavar="N", help="number of scenes (default: the run's, 200)")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test", help="default: test")
    parser.add_argument("--areas", metavar="A,B", help="sides in pixels between small, medium, large (default: 32,96)")
    add_data(parser, "other data than the run was trained on")
    add_device(parser)


def run(args):
    from ..experiment import Experiment

    experiment = Experiment.open(args.run, device=args.device, threads=args.threads)
    experiment.use_data(*data_source(args.data))
    figures = experiment.evaluate(scenes=args.scenes, split=args.split, area_ranges=_areas(args.areas))
    print(json.dumps(figures, indent=2) if args.json else figures_table(figures))
    return 0


def _areas(text):
    from ..errors import ArgumentError

    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"--areas needs two sides in pixels, for example 20,28; got {text!r}") from None
    if not 0 < first < second:
        raise ArgumentError(f"--areas needs 0 < A < B; got {text!r}")
    return {"all": (0, 1e10), "small": (0, first**2), "medium": (first**2, second**2), "large": (second**2, 1e10)}


def figures_table(figures):
    """The twelve figures for boxes and masks side by side; "-" where there was nothing to find."""
    names = list(figures["bbox"])
    rows = [f"{'':<10}{'box':>8}{'mask':>8}"]
    for name in names:
        cells = [f"{v:.3f}" if v >= 0 else "-" for v in (figures["bbox"][name], figures["segm"][name])]
        rows.append(f"{name:<10}{cells[0]:>8}{cells[1]:>8}")
    return "\n".join(rows)
