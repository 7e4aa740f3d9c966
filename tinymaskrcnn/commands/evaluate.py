"""`tinymaskrcnn evaluate`: COCO's average precision of a run on pictures it has not seen, or of any results file."""

import json

from .options import SKIP_BROKEN, add_data, add_device, data_source, given_options, offering_skip_broken, threads_of

HELP = "COCO average precision of a trained run on held-out scenes, or of a results file"
EXAMPLES = """examples:
  tinymaskrcnn evaluate runs/001
  tinymaskrcnn evaluate runs/001 --json --scenes 500
  tinymaskrcnn evaluate runs/001 --areas 20,28     own borders between small, medium and large
  tinymaskrcnn evaluate runs/001 --annotations val.json --images photos --save-results found.json
  mpiexec -n 4 tinymaskrcnn evaluate runs/001      the pictures shared by four processes
  tinymaskrcnn evaluate --annotations val.json --results found.json --iou segm     without a model"""

ONLY_FOR_RUNS = ("scenes", "split", "data", "images", "save_results", "skip_broken")


def add_arguments(parser):
    parser.add_argument("run", metavar="RUN", nargs="?", help="run folder of `tinymaskrcnn train`")
    parser.add_argument("--json", action="store_true", help="print nothing but JSON on stdout")
    parser.add_argument("--scenes", type=int, metavar="N", help="number of scenes (default: the run's, 200)")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="of a run's scenes (default: test)")
    parser.add_argument("--areas", metavar="A,B", help="sides in pixels between small, medium, large (default: 32,96)")
    parser.add_argument(
        "--annotations", metavar="JSON", help="objects in COCO's format: those of --images or --results"
    )
    parser.add_argument("--images", metavar="DIR", help="the pictures of --annotations, to be judged on by RUN")
    parser.add_argument("--results", metavar="JSON", help="what any detector found, in COCO's results format")
    parser.add_argument(
        "--iou", choices=("bbox", "segm", "keypoints"), help="judge only these (default: all there are)"
    )
    parser.add_argument(
        "--skip-unknown", action="store_true", help="leave out results of categories that the annotations do not have"
    )
    parser.add_argument("--skip-broken", action="store_true", help=SKIP_BROKEN)
    parser.add_argument("--save-results", metavar="JSON", help="write what RUN found, in COCO's results format")
    add_data(parser, "other data than the run was trained on")
    add_device(parser)


def run(args):
    from ..train.ranks.launch import together

    with together(args.device) as ranks:
        _check(args)
        if ranks is not None:
            _check_shared(args)
        figures = _evaluate_results(args) if args.results else _evaluate_run(args, ranks)
        print(json.dumps(figures, indent=2) if args.json else figures_table(figures))
    return 0


def _check(args):
    """Refuse options that do not go together, before anything is read."""
    from ..errors import ArgumentError

    if (args.run is None) == (args.results is None):
        raise ArgumentError("evaluate needs either a RUN, or --annotations and --results")
    if args.results and not args.annotations:
        raise ArgumentError("--results needs --annotations, the objects to be found")
    given = given_options(args, ONLY_FOR_RUNS)
    if args.results and given:
        raise ArgumentError(f"{', '.join(given)}: only for a RUN, not for --results")
    if args.run and args.skip_unknown:
        raise ArgumentError("--skip-unknown: only for --results")
    if args.run and bool(args.annotations) != bool(args.images):
        raise ArgumentError("a RUN needs both --annotations and --images to be judged on other pictures")


def _check_shared(args):
    """Refuse what one process does, where there are several."""
    from ..errors import ArgumentError

    alone = [name for name in ("results", "save_results") if getattr(args, name)]
    if alone:
        raise ArgumentError(f"--{alone[0].replace('_', '-')}: needs one process; leave out mpiexec")


def _evaluate_run(args, ranks):
    from ..errors import ArgumentError
    from ..experiment import KINDS, Experiment

    experiment = Experiment.open(args.run, device=args.device, threads=threads_of(args, ranks), ranks=ranks)
    if args.annotations:
        experiment.use_annotations(args.annotations, args.images)
    else:
        experiment.use_data(*data_source(args.data))
    if args.skip_broken:
        experiment.leave_out_broken()
    kinds = [KINDS[head] for head in experiment.config.model.heads]
    if args.iou not in (None, *kinds):
        raise ArgumentError(f"--iou must be one of {', '.join(kinds)} for this model; got {args.iou}")
    with offering_skip_broken("--iou bbox"):
        return experiment.evaluate(
            scenes=args.scenes,
            split=args.split or "test",
            kinds=[args.iou] if args.iou else None,
            area_ranges=_areas(args.areas),
            save_results=args.save_results,
        )


def _evaluate_results(args):
    """Figures of a results file, of every kind that file and annotations both have."""
    from ..data.annotations import Annotations
    from ..errors import ArgumentError
    from ..evaluation.oks import default_sigmas
    from ..evaluation.results import PARTS, evaluate_results, load_results

    area_ranges = _areas(args.areas)
    annotations = Annotations(args.annotations)
    results = load_results(
        args.results,
        category_ids=annotations.category_ids,
        sizes=annotations.sizes,
        skip_unknown=args.skip_unknown,
    )
    kinds = [kind for kind, part in PARTS.items() if part in results.parts and part in annotations.parts]
    if not kinds or args.iou not in (None, *kinds):
        raise ArgumentError(
            f"{args.iou or 'bbox, segm or keypoints'}: must be in both files; annotations have "
            f"{', '.join(annotations.parts)}, results {', '.join(results.parts)}"
        )
    figures = {}
    for kind in [args.iou] if args.iou else kinds:
        options = {"sigmas": default_sigmas(annotations.num_keypoints)} if kind == "keypoints" else {}
        truths = annotations.targets(iou_type=kind)
        figures[kind] = evaluate_results(truths, results, iou_type=kind, area_ranges=area_ranges, **options)
    return figures


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


TITLES = {"bbox": "box", "segm": "mask", "keypoints": "keypoint"}


def figures_table(figures):
    """The figures of boxes, masks and keypoints side by side; "-" where there was nothing to find, said once below."""
    quality = figures.get("mask_scores")
    figures = {kind: part for kind, part in figures.items() if kind in TITLES}
    names = list(dict.fromkeys(name for part in figures.values() for name in part))
    rows = [f"{'':<10}" + "".join(f"{TITLES[kind]:>10}" for kind in figures)]
    for name in names:
        cells = [f"{part[name]:.3f}" if part.get(name, -1) >= 0 else "-" for part in figures.values()]
        rows.append(f"{name:<10}" + "".join(f"{cell:>10}" for cell in cells))
    if any(row.endswith(" -") or " - " in row for row in rows):
        rows.append("-: there is no object of this size, so nothing to find (or no such figure for this head)")
    if quality:
        rows.append(
            "rank correlation with the IoU of the mask: "
            f"mask score {quality['mask_score']:.3f}, class score {quality['class_score']:.3f}"
        )
    return "\n".join(rows)
