"""`tinymaskrcnn predict`: what a trained run finds in pictures of your own, drawn and as JSON."""

import json
import sys
from pathlib import Path

from .options import add_device

HELP = "find objects in pictures with a trained run"
EXAMPLES = """examples:
  tinymaskrcnn predict photo.png --model runs/001 --out found
  tinymaskrcnn predict scans/ --model runs/001 --out found --invert     dark ink on bright paper

Writes NAME.png (drawn) and NAME.json (boxes, labels, scores, masks as COCO RLE) for each picture."""


def add_arguments(parser):
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="a PNG or JPEG, or a folder of them")
    parser.add_argument("--model", metavar="RUN", required=True, help="run folder of `tinymaskrcnn train`")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results")
    parser.add_argument(
        "--score", type=float, default=0.5, metavar="S", help="smallest score that counts (default: 0.5)"
    )
    parser.add_argument("--invert", action="store_true", help="swap dark and bright before looking")
    add_device(parser)


def run(args):
    from ..data.pictures import list_images
    from ..experiment import Experiment

    experiment = Experiment.open(args.model, device=args.device, threads=args.threads)
    paths = list_images(args.images)
    names = _unique_names(paths)
    out = Path(args.out)
    _protect(paths, [out / f"{name}.png" for name in names])
    out.mkdir(parents=True, exist_ok=True)
    failed = sum([not _predict(experiment, path, out / name, args) for path, name in zip(paths, names)])
    if failed:
        print(f"error: {failed} of {len(paths)} pictures could not be used", file=sys.stderr)
    return 1 if failed else 0


def _predict(experiment, path, target, args):
    """Write the results of one picture; False, with one line on stderr, when it cannot be read."""
    from ..data.pictures import read_image
    from ..errors import DataError
    from ..structures import Detections

    try:
        image = read_image(path, experiment.config.model.backbone.in_channels)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    image = 1 - image if args.invert else image
    [found] = experiment.detect([image])
    sure = found.scores >= args.score
    found = Detections(found.boxes[sure], found.labels[sure], found.scores[sure], found.masks[sure])
    entries = detections_to_json(found, experiment.class_names)
    result = {"image": str(path), "height": image.shape[0], "width": image.shape[1], "objects": entries}
    Path(f"{target}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _draw(f"{target}.png", image, found, experiment.class_names)
    seen = " ".join(f"{e['class']} ({e['score']:.2f})" for e in entries) or "nothing"
    print(f"{path}: {seen}  -> {target}.png")
    if not entries and not args.invert and image.mean() > 0.5:
        print("  the picture is bright, the training scenes are dark: try --invert", file=sys.stderr)
    return True


def detections_to_json(found, class_names):
    """One plain dictionary per object, best score first; masks as COCO's compressed RLE."""
    from ..evaluation import rle

    return [
        {
            "label": int(label),
            "class": str(class_names[int(label)]),
            "score": round(float(score), 6),
            "box": [round(float(v), 3) for v in box],
            "mask": {"size": list(code.size), "counts": rle.to_string(code)},
        }
        for label, score, box, code in zip(found.labels, found.scores, found.boxes, rle.encode_many(found.masks))
    ]


def _draw(path, image, found, class_names):
    from .. import visualize

    visualize.save_figure(visualize.detections_figure([image], None, [found], class_names), path)


def _unique_names(paths):
    """A file name without suffix for each picture; a second a.png becomes a_2."""
    names = []
    for path in paths:
        name, number = path.stem, 2
        while name in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.append(name)
    return names


def _protect(paths, targets):
    """Results never overwrite a picture that was given."""
    from ..errors import ArgumentError

    clash = {path.resolve() for path in paths} & {target.resolve() for target in targets}
    if clash:
        raise ArgumentError(f"--out would overwrite the picture {sorted(clash)[0]}; choose another folder")
