"""`tinymaskrcnn walk`: one training step as a page to scroll, every function with the lines that ran."""

import functools
import itertools
from pathlib import Path

HELP = "make a page of one training step: each function that runs, its lines, and what each line makes"
EXAMPLES = """examples:
  tinymaskrcnn walk                                  the small detector in the package, on one of its scenes
  tinymaskrcnn walk --model runs/001 --scene 3       a trained run, on scene 3 of its test scenes
  tinymaskrcnn walk --picture photo.png              on a picture of your own: what is found stands in for the truth
  tinymaskrcnn walk --blanks --out class.html        without the answers of the homework
  tinymaskrcnn walk --out plate.pdf                  the whole network on one sheet instead, as a poster of A1

The page needs nothing else and no network. The step is computed on the readable text, without kernels; the model on
the disk stays as it is."""
PAGES, SHEETS = (".html", ".htm"), (".svg", ".pdf", ".png")
SCENE = 7  # of the package's own detectors: for the tour's, four digits, two of which touch


def add_arguments(parser):
    parser.add_argument(
        "--model",
        metavar="RUN|FILE|NAME",
        default="tour",
        help="run folder, model.npz, or a detector in the package: tour (default) or handwriting",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--scene", type=_number, metavar="N", help="which of the model's test scenes, from 0")
    what.add_argument("--picture", metavar="IMAGE", help="a PNG or JPEG instead; what is found is its truth")
    parser.add_argument("--seed", type=_number, default=0, metavar="S", help="of the random samples (default: 0)")
    parser.add_argument("--blanks", action="store_true", help="leave the homework's answers out")
    parser.add_argument(
        "--out", metavar="FILE", default="walk.html", help="the page, or .svg, .pdf (default: walk.html)"
    )


def _number(text):
    """An argparse type: a whole number from 0 up."""
    import argparse

    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 0; got {text!r}")
    return int(text)


def run(args):
    from ..errors import ArgumentError
    from ..files import write_whole

    kind = Path(args.out).suffix.lower()
    if kind not in (*PAGES, *SHEETS):
        raise ArgumentError(f"--out must end in .html, .svg, .pdf or .png; got {args.out!r}")
    model, batch, about = subject(args.model, scene=args.scene, picture=args.picture)
    if kind in SHEETS:
        write_sheet(plate_of(model, batch, seed=args.seed), args.out)
        print(f"wrote {args.out}: the whole network on one sheet")
        return 0
    page = page_of(model, batch, about, seed=args.seed, blanks=args.blanks)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.out, page)
    print(f"wrote {args.out} ({len(page.encode()) / 1e6:.1f} MB); open it in a browser")
    return 0


def page_of(model, batch, about, *, seed=0, blanks=False):
    """The page of one step of a model on a batch of one picture; about says in a sentence what they are."""
    from ..counting import counted
    from ..explain.walk import walk_step
    from ..train.trainer import computing
    from ..visualize.thumbnails import Thumbnails
    from ..visualize.walk_page import walk_page

    look = Thumbnails(batch.images[0])
    calls = counted(itertools.count(), label="walking, calls so far")
    with computing(1):
        walk = walk_step(model, batch, seed=seed, look=look, told=functools.partial(next, iter(calls)))
    calls.close()
    boxes = batch.targets.boxes[0][batch.targets.valid[0]]
    objects = f"{len(boxes)} object{'' if len(boxes) == 1 else 's'} in frames"
    portrait = look.portrait(boxes, f"The picture, its {objects}")
    return walk_page(walk, picture=portrait, about=about, hidden=_hidden(blanks))


def plate_of(model, batch, *, seed=0, **addresses):
    """The Sheet of one step; addresses: those of `draw_plate`."""
    from ..explain.passes import watch_step
    from ..train.trainer import computing
    from ..visualize.plate import NAMES, draw_plate

    with computing(1):
        return draw_plate(watch_step(model, batch, NAMES, seed=seed), **addresses)


def write_sheet(sheet, path):
    """Write a Sheet as SVG, or through matplotlib as PDF or PNG."""
    from ..files import write_whole
    from ..visualize import save_figure

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if Path(path).suffix.lower() == ".svg":
        write_whole(path, sheet.svg())
    else:
        save_figure(sheet.figure(), path)


def subject(path, *, scene=None, picture=None):
    """(model on the host, ImageBatch of one picture, a sentence about both) that the options describe."""
    import dataclasses

    from ..data.loader import open_stream
    from ..errors import ArgumentError
    from ..experiment import open_detector
    from ..zoo.shipped import SHIPPED, is_shipped

    detector = open_detector(path)
    shipped = SHIPPED[str(path)] if is_shipped(path) else None
    name = f"The network is {shipped.about if shipped else path}"
    if picture is not None:
        batch, found = _of_picture(detector, picture)
        about = f"{name}, the picture {Path(picture).name}; what it finds there, {found}, stands in for the truth."
        return detector.model, batch, about
    config = shipped.preset() if shipped else getattr(detector, "config", None)
    if config is None:
        raise ArgumentError(f"{path} says nothing of its scenes: give a picture with --picture")
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=1))
    number = SCENE if scene is None and shipped else scene or 0
    batch = open_stream(config, split="test", data_dir=getattr(detector, "data_dir", None)).batch(number)
    _require_memory(detector.model, batch)
    return detector.model, batch, f"{name}, the picture is scene {number} of those that no training saw."


def _of_picture(detector, path):
    """A picture file as an ImageBatch: what the detector finds in it stands in for the truth."""
    import dataclasses

    from ..data.pictures import read_image
    from ..data.proposals.stream import given_for
    from ..data.resizing import resize_pixels, resize_to_config
    from ..structures import Target, collate

    config = detector.model.config
    picture = resize_pixels(read_image(path, config.backbone.in_channels), config)
    [found] = detector.detect([picture])  # which makes ink of it by itself
    image = resize_to_config(picture, config)
    found = found.select(found.scores >= 0.5)
    batch = collate([image], [Target(found.boxes, found.labels, found.masks, keypoints=_visible(found.keypoints))])
    batch = dataclasses.replace(batch, given=given_for([image], batch.sizes, config))
    _require_memory(detector.model, batch)
    return batch, f"{len(found)} object{'' if len(found) == 1 else 's'}"


def _visible(keypoints):
    """Keypoints with a score as keypoints that can be seen."""
    if keypoints is None:
        return None
    keypoints = keypoints.copy()
    keypoints[..., 2] = 2
    return keypoints


def _require_memory(model, batch):
    from ..capacity import require
    from ..errors import ArgumentError
    from ..models.shapes import step_bytes

    needed = step_bytes(model.config, batch.images.shape[1:3], pictures=1)
    require(needed, "a training step", advice="; take a smaller picture", error=ArgumentError)


def _hidden(blanks):
    """{file: [(first line, last line, words)]} of all blanks, when they are to be left out."""
    if not blanks:
        return {}
    from ..homework.blanks import places

    words = "{}: this part is homework"
    return {file: [(*lines, words.format(name)) for name, *lines in found] for file, found in places().items()}
