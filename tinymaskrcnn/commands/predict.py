"""`tinymaskrcnn predict`: what a model finds in pictures of your own, as a table, drawn, and as JSON."""

import json
import sys
from pathlib import Path

from .options import add_device, share

HELP = "find handwritten digits in photographs, or what a model of your own was trained on in pictures"
EXAMPLES = """examples:
  tinymaskrcnn predict photo.jpg                                        handwritten digits, on paper or on a board
  tinymaskrcnn predict photo.png --model runs/001 --out found
  tinymaskrcnn predict scans/ --model runs/001 --out found --invert     dark ink on bright paper
  tinymaskrcnn predict photo.jpg --model model.npz                      a model of `tinymaskrcnn convert`
  tinymaskrcnn predict digits.png --model tour                          the small digit detector in the package

Writes NAME.png (drawn) and NAME.json (boxes, labels, scores, masks as COCO RLE) for each picture."""
SURE = 0.9  # a picture in which no score is higher is looked at again: what is wrong with it?
WIDEST = 11.0  # inches of what is drawn: some 1,200 pixels, however large the picture was


def add_arguments(parser):
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="a PNG or JPEG, or a folder of them")
    parser.add_argument(
        "--model",
        metavar="RUN|FILE|NAME",
        help="run folder of `tinymaskrcnn train`, model.npz, or one of the detectors in the package: handwriting "
        "(default) or tour",
    )
    parser.add_argument("--out", metavar="DIR", default="found", help="folder for the results (default: found)")
    parser.add_argument(
        "--score", type=share, default=0.5, metavar="S", help="smallest score that counts (default: 0.5)"
    )
    parser.add_argument("--invert", action="store_true", help="swap dark and bright before looking")
    add_device(parser)


def run(args):
    from ..data.pictures import list_images
    from ..experiment import open_detector

    detector = open_detector(args.model, device=args.device, threads=args.threads)
    paths = list_images(args.images)
    names = _unique_names(paths)
    out = Path(args.out)
    _protect(paths, [out / f"{name}.png" for name in names])
    out.mkdir(parents=True, exist_ok=True)
    failed = sum([not _predict(detector, path, out / name, args) for path, name in zip(paths, names)])
    if failed and len(paths) > 1:  # of one picture everything has been said
        print(f"error: {failed} of {len(paths)} pictures could not be used", file=sys.stderr)
    return 1 if failed else 0


def _predict(detector, path, target, args):
    """Whether one picture could be used; when not, one line on stderr says why, and the next one has its turn."""
    from ..errors import TinyMaskRCNNError

    try:
        _find(detector, path, target, args)
    except (TinyMaskRCNNError, OSError, MemoryError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error) or "not enough memory"
        print(f"error: {why if why.startswith(str(path)) else f'{path}: {why}'}", file=sys.stderr)
        return False
    return True


def _find(detector, path, target, args):
    """Write and print what is found in one picture."""
    import numpy as np

    from ..data.pictures import read_pixels, to_float
    from ..files import write_whole

    image = read_pixels(path, detector.model.config.backbone.in_channels)
    white = 255 if image.dtype == np.uint8 else 1
    image = white - image if args.invert else image
    [found] = detector.detect([to_float(image)], encoded=True)  # whose floats are gone once they are resized
    found = found.select(found.scores >= args.score)
    entries = detections_to_json(found, detector.class_names)
    result = {"image": str(path), "height": image.shape[0], "width": image.shape[1], "objects": entries}
    if names := detector.model.config.keypoint_names:
        result["keypoint_names"] = list(names)
    write_whole(f"{target}.json", json.dumps(result, indent=1) + "\n")
    _draw(f"{target}.png", image if args.invert else _in_colour(path, image), found, detector.model.config)
    print(f"{path}: {len(entries) or 'no'} object{'' if len(entries) == 1 else 's'}  -> {target}.png")
    for line in _table(entries):
        print(line)
    if why := _what_is_wrong(detector, image, entries, args):
        print(f"  {why}", file=sys.stderr)


def _table(entries):
    """One line per object, best first: class, score, box."""
    if not entries:
        return []
    width = max(len("class"), *(len(entry["class"]) for entry in entries))
    lines = [f"  {'class':{width}}  score      x1      y1      x2      y2"]
    for entry in entries:
        box = "".join(f"{value:8.1f}" for value in entry["box"])
        lines.append(f"  {entry['class']:{width}}  {entry['score']:.3f}{box}")
    return lines


def _what_is_wrong(detector, image, entries, args):
    """Where nothing was found, or nothing for sure, what may be the reason, if there is one to be seen; or None."""
    from ..data.legibility import complaint
    from ..data.pictures import to_float

    if detector.model.config.ink:
        if not entries:
            return complaint(to_float(image))
        if max(entry["score"] for entry in entries) < SURE:
            why = complaint(to_float(image)) or f"no score reaches {SURE}; is it handwriting?"
            return f"what was found is doubtful: {why}"
    elif not entries and "0" in detector.class_names and not args.invert and to_float(image).mean() > 0.5:
        return "the picture is bright, the training scenes are dark: try --invert"
    return None


def detections_to_json(found, class_names):
    """One plain dictionary per object, best score first; masks as COCO's compressed RLE, keypoints as x, y, score.

    mask_score stands there where the model scores its masks.
    """
    from ..data import rle

    entries = []
    for k, label in enumerate(found.labels.tolist()):
        entry = {"label": label, "class": str(class_names[label]), "score": round(float(found.scores[k]), 6)}
        entry["box"] = [round(float(v), 3) for v in found.boxes[k]]
        entries.append(entry)
    if found.masks is not None:
        for entry, code in zip(entries, rle.encoded(found.masks)):
            entry["mask"] = {"size": list(code.size), "counts": rle.to_string(code)}
    if found.mask_scores is not None:
        for entry, score in zip(entries, found.mask_scores.tolist()):
            entry["mask_score"] = round(score, 6)
    if found.keypoints is not None:
        for entry, points in zip(entries, found.keypoints):
            entry["keypoints"] = [[round(float(v), 3) for v in point] for point in points]
    return entries


def _in_colour(path, image):
    """The pixels (H, W, 3) of a picture of which a detector saw (H, W, 1); image itself where it had all there are."""
    from ..data.pictures import read_pixels

    if image.shape[2] == 3:
        return image
    pixels = read_pixels(path, 3)
    return pixels if (pixels != pixels[:, :, :1]).any() else image


def _draw(path, image, found, config):
    from .. import visualize
    from ..visualize.detections import PANEL

    names = {"class_names": config.class_names, "keypoint_names": config.keypoint_names}
    panel = min(max(PANEL, image.shape[1] / visualize.style.DPI), WIDEST)  # so that names stay small beside it
    visualize.save_figure(visualize.detections_figure([image], None, [found], panel=panel, **names), path)


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
