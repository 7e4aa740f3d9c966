"""`tinymaskrcnn explain RUN --scenes N`: the errors on a whole data set by kind, what each kind costs, and examples."""

import json
from pathlib import Path

ONLY_HERE = ("scenes", "annotations", "images", "iou", "against", "json")
NOT_HERE = ("scene", "detection", "maps")
EXAMPLES = 4  # pictures of each kind
TOGETHER = 4  # pictures that are looked at together
SCENES = 200


def is_asked(args):
    """Whether it is a data set that is to be explained, and no single picture."""
    return any(getattr(args, name) for name in ONLY_HERE)


def run(args):
    from ..errors import ArgumentError
    from ..explain.error_report import side_by_side
    from ..visualize import save_figure
    from .options import given_options

    if given := given_options(args, NOT_HERE):
        raise ArgumentError(f"{', '.join(given)}: of one picture only, not of a data set")
    if args.image is not None and args.model != "tour":
        raise ArgumentError(f"explain needs one run: got {args.image} and --model {args.model}")
    paths = [args.image or args.model] + ([args.against] if args.against else [])
    if len(set(paths)) < len(paths):
        raise ArgumentError(f"--against {args.against} is the run itself; name another one")
    detectors, streams = zip(*(_opened(path, args) for path in paths))
    stream = streams[0]  # both are judged on the pictures of the first
    if len({detector.class_names for detector in detectors}) > 1:
        raise ArgumentError(f"--against {args.against}: its classes are others than those of {paths[0]}")
    reports = {path: _analysed(detector, stream, args) for path, detector in zip(paths, detectors)}
    report = reports[paths[0]]
    save_figure(_figure(report, stream), args.out)
    if args.json:
        found = {path: one.as_json(examples=EXAMPLES) for path, one in reports.items()}
        print(json.dumps(found if args.against else found[paths[0]], indent=2))
        return 0
    parts = [str(report), _links(report, paths[0], stream)]
    parts += [side_by_side(reports)] if args.against else []
    print("\n\n".join([*parts, f"wrote {args.out}"]))
    return 0


def _opened(path, args):
    """(detector, its stream of pictures): a run on its own or on other pictures, or a detector in the package."""
    from ..data.loader import open_stream
    from ..errors import ArgumentError
    from ..experiment import Experiment, open_detector
    from ..zoo.shipped import SHIPPED, is_shipped
    from .options import given_annotations

    kind = args.iou or "bbox"
    detector, other = open_detector(path), given_annotations(args)
    head = {"bbox": "box", "segm": "mask"}[kind]
    if head not in detector.model.config.heads:
        raise ArgumentError(f"--iou {kind}: {path} has no {head} head")
    if is_shipped(path) and not other:
        return detector, open_stream(SHIPPED[path].preset(), split="test")
    if not isinstance(detector, Experiment):
        raise ArgumentError(f"{path} is no run folder: its pictures and their truth are not known")
    if other:
        detector.use_annotations(*other)
    return detector, detector.stream("test", parts=(head,))


def _analysed(detector, stream, args):
    from ..config_rules import OUTSIDE
    from ..counting import counted
    from ..data.coco import CocoStream
    from ..errors import ArgumentError
    from ..explain.error_analysis import ErrorAnalysis

    count = args.scenes or (len(stream) if isinstance(stream, CocoStream) else SCENES)
    if isinstance(stream, CocoStream):
        count = min(count, len(stream))
    if not count:
        raise ArgumentError("explain: there is no picture to look at")
    analysis = ErrorAnalysis(detector.class_names, iou_type=args.iou or "bbox")
    outside = stream.proposals and detector.model.config.system in OUTSIDE
    found = stream.proposals.found(range(count)) if outside else None
    for first in counted(range(0, count, TOGETHER), label=f"looking for errors in {count} pictures"):
        images, truths = zip(*(stream.encoded(i) for i in range(first, min(first + TOGETHER, count))))
        given = {"proposals": found[first : first + TOGETHER]} if outside else {}
        for truth, detections in zip(truths, detector.detect(images, encoded=True, **given)):
            analysis.add(truth, detections)
    return analysis.report()


def _links(report, path, stream):
    """The worst examples of each kind, with the command that explains the picture."""
    lines = ["the worst, and what explains them:"]
    for kind in report.kinds:
        for example in report.examples(kind, EXAMPLES):
            lines.append(f"  {kind:<22}{_said(example, report.class_names)}")
            lines.append(f"  {'':<22}{_command(example, path, stream)}")
    return "\n".join(lines if len(lines) > 1 else ["there is no error"])


def _said(example, names):
    true = None if example["true"] is None else names[example["true"]]
    if example["detection"] is None:
        return f"object {example['object']}, a {true}"
    whose = "on background" if true is None else f"IoU {example['iou']:.2f} with object {example['object']}, a {true}"
    return f"{names[example['label']]} {example['score']:.2f}, {whose}"


def _command(example, path, stream):
    number = example["picture"]
    picture = f"--scene {number}"
    if hasattr(stream, "dataset"):
        dataset = stream.dataset
        picture = str(Path(dataset.folder) / dataset.name(stream.number(number)))
    words = ["tinymaskrcnn explain", picture] + ([] if path == "tour" else ["--model", path])
    if example["detection"] is not None:
        low = [] if example["score"] >= 0.5 else ["--score", f"{max(example['score'] - 0.01, 0):.2f}"]
        words += ["--detection", str(example["detection"]), *low]
    return " ".join(words)


def _figure(report, stream):
    from ..visualize import errors_figure

    shown = {example["picture"] for kind in report.kinds for example in report.examples(kind, EXAMPLES)}
    return errors_figure(report, {number: stream.encoded(number)[0] for number in sorted(shown)}, examples=EXAMPLES)
