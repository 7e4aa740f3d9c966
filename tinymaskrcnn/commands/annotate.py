"""`tinymaskrcnn annotate`: draw boxes around the objects of your own pictures, in the browser of this machine."""

from pathlib import Path

HELP = "draw boxes around objects in pictures of your own, in the browser, and keep them in COCO's format"
EXAMPLES = """examples:
  tinymaskrcnn annotate photos/                     digits 0 to 9, into photos/annotations.json
  tinymaskrcnn annotate photos/ --suggest           begin with what the detector of handwriting finds
  tinymaskrcnn annotate photos/ --classes names.txt --out mine.json

Opens a page that only this machine can see. Drag to draw a box, drag it to move it, press 0 to 9 to name it; touch will
do, and so will the keyboard alone (the page says how). Every change is saved at once. Ctrl-C ends it."""


def add_arguments(parser):
    parser.add_argument("folder", metavar="DIR", help="the folder of the pictures")
    parser.add_argument("--out", metavar="JSON", help="file for the boxes (default: annotations.json in the folder)")
    parser.add_argument("--classes", metavar="FILE", help="class names, one per line (default: 0 to 9)")
    parser.add_argument("--suggest", action="store_true", help="begin with what the detector of handwriting finds")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (default: one that is free)")
    parser.add_argument("--no-browser", action="store_true", help="say the address and open nothing")


def run(args):
    import webbrowser

    from ..data.annotator import DIGITS, Notebook
    from ..errors import ArgumentError
    from ..files import read_lines
    from .annotate_page import make_server

    if not Path(args.folder).is_dir():
        raise ArgumentError(f"{args.folder}: annotate needs a folder of pictures")
    if not 0 <= args.port <= 65535:
        raise ArgumentError(f"--port must be in 0..65535; got {args.port}")
    classes = tuple(read_lines(args.classes)) if args.classes else DIGITS
    if not classes or len(set(classes)) < len(classes):
        raise ArgumentError(f"{args.classes}: must name at least one class, and none twice")
    if args.suggest and classes != DIGITS:
        raise ArgumentError("--suggest knows digits alone; leave it out with --classes")
    notebook = Notebook(args.folder, args.out or Path(args.folder) / "annotations.json", classes)
    notebook.path.parent.mkdir(parents=True, exist_ok=True)
    server = make_server(notebook, port=args.port, suggest=_suggester() if args.suggest else None)
    print(f"{len(notebook.pictures)} pictures at {server.address} -> {notebook.path}", flush=True)
    if not args.no_browser:
        webbrowser.open(server.address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print(f"{len(notebook.boxes)} of {len(notebook.pictures)} pictures have their boxes in {notebook.path}")
    finally:
        server.server_close()
    return 0


def _suggester():
    """suggest(path): the boxes that the detector of handwriting finds in a picture, as a Notebook has them."""
    from ..data.pictures import read_image
    from ..experiment import open_detector

    detector = open_detector("handwriting")

    def suggest(path):
        [found] = detector.detect([read_image(path)], encoded=True)
        found = found.select(found.scores >= 0.5)
        return [[*map(float, box), int(label) - 1] for box, label in zip(found.boxes, found.labels)]

    return suggest
