"""`tinymaskrcnn museum`: famous bugs as patches of the source, what they look like, and which checks find them."""

from pathlib import Path

HELP = "famous bugs as patches of this package: what each looks like, what it costs, and which check finds it"
EXAMPLES = """examples:
  tinymaskrcnn museum list
  tinymaskrcnn museum show half-a-pixel --out half.png   # origin, patch, and its picture
  tinymaskrcnn museum check                              # our own checks against every exhibit: some minutes
  tinymaskrcnn museum try my_check.py                    # the same with yours; exit status 1 while it misses a bug

my_check.py holds a function check(package), or several whose names begin with check. Each is called with the package,
as package.ops.roi_align, package.models or package.nn, once as it is and once with each bug, and raises AssertionError,
or anything else, when something is wrong. Three exhibits change nothing: what a check says of them is a false alarm.
"""


def add_arguments(parser):
    from .options import positive

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="all exhibits, room by room")

    show = actions.add_parser("show", help="where a bug comes from, its patch, what one sees")
    show.add_argument("exhibit", metavar="NAME", help="an exhibit, as `museum list` names it")
    show.add_argument("--out", metavar="FILE", help="draw what it looks like: .png, .pdf or .svg")

    check = actions.add_parser("check", help="our own checks against every exhibit, with the price of each")
    own = actions.add_parser("try", help="your checks against every exhibit")
    own.add_argument("file", metavar="FILE", help="a .py file with a function check(package)")
    own.add_argument("--seconds", type=float, default=10.0, help="of computing for each check (default: 10)")
    for action in (check, own):
        action.add_argument("--only", nargs="+", metavar="NAME", help="these exhibits alone, and the package as it is")
        action.add_argument("--json", action="store_true", help="print data")
        action.add_argument("--processes", type=positive, metavar="N", help="at the same time (default: one a core)")


def run(args):
    return {"list": _list, "show": _show, "check": _check, "try": _try}[args.action](args)


def _list(args):
    from ..museum.exhibits import ROOMS

    width = max(len(exhibit.name) for room in ROOMS.values() for exhibit in room)
    for room, exhibits in ROOMS.items():
        print(room)
        for exhibit in exhibits:
            print(f"    {exhibit.name:<{width}}  {exhibit.title}")
    return 0


def _show(args):
    from ..errors import ArgumentError
    from ..museum.exhibits import find

    exhibit = find(args.exhibit)
    if args.out is not None and Path(args.out).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ArgumentError(f"--out must end in .png, .pdf or .svg; got {args.out!r}")
    for part in (exhibit.title, exhibit.seen, f"From: {exhibit.origin}", exhibit.diff()):
        print(f"{part}\n")
    if args.out is None:
        print(f"its picture: tinymaskrcnn museum show {exhibit.name} --out {exhibit.name}.png")
        return 0
    from ..museum.visit import visit

    clean, patched = (visit(each, views=[exhibit.view])["views"][exhibit.view] for each in (None, exhibit))
    from ..museum.picture import exhibit_figure
    from ..visualize import save_figure

    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    save_figure(exhibit_figure(exhibit, clean, patched), args.out)
    print(f"wrote {args.out}")
    return 0


def _check(args):
    matrix = _matrix(args, measured=True)
    _tell(args, matrix)
    for verdict in [] if args.json else matrix.verdicts:
        gradient, parity = (_price(*pair) for pair in (verdict.gradient, verdict.parity))
        print(f"    {verdict.name}: gradients {gradient}, numbers {parity}")
    return int(bool(matrix.missed or matrix.false_alarms))


def _try(args):
    from ..errors import ArgumentError
    from ..homework.files import read_program
    from ..museum.visit import Program

    if not 0 < args.seconds < 1e4:
        raise ArgumentError(f"--seconds must be a time above 0, at most 10000; got {args.seconds:g}")
    path = str(Path(args.file).absolute())
    matrix = _matrix(args, program=Program(path, read_program(args.file), seconds=args.seconds))
    if matrix.trouble:
        raise ArgumentError(f"{args.file}: {matrix.trouble}")
    _tell(args, matrix)
    return int(bool(matrix.missed or matrix.false_alarms))


def _matrix(args, **wanted):
    from ..counting import counted
    from ..museum.exhibits import EXHIBITS, find
    from ..museum.matrix import kill_matrix

    exhibits = [find(name) for name in args.only] if args.only else EXHIBITS.values()

    def told(names):
        return counted(names, label="exhibits")

    return kill_matrix(exhibits, processes=args.processes or _cores(), told=told, **wanted)


def _cores():
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(args, matrix):
    import json

    if args.json:
        print(json.dumps(matrix.as_data(), indent=1))
        return
    width = max(len(verdict.name) for verdict in matrix.verdicts)
    for verdict in matrix.verdicts:
        print(f"{verdict.name:<{width}}  {_word(verdict, matrix)}")
    for check, name in matrix.false_alarms:
        said = matrix.alarms[check] if not name else next(v.found[check] for v in matrix.verdicts if v.name == name)
        print(f"false alarm: {check} on {name or 'the package as it is'}: {said}")
    found = len(matrix.bugs) - len(matrix.missed)
    print(f"{found} of {len(matrix.bugs)} bugs found, {len(matrix.false_alarms)} false alarms")


def _word(verdict, matrix):
    if verdict.trouble:
        return f"no answer: {verdict.trouble}"
    first = matrix.cheapest(verdict)
    if verdict.harmless:
        return f"FALSE ALARM by {first}" if first else "harmless, and nothing said"
    others = f", and {len(verdict.found) - 1} more" if len(verdict.found) > 1 else ""
    return f"found by {first}{others}: {verdict.found[first]}" if first else "not found"


def _price(error, where):
    import math

    if math.isnan(error):
        return f"NaN ({where})"
    if math.isinf(error):
        return f"cannot be compared ({where})"
    return "as they should be" if error < 1e-6 else f"off by {error:.1g} ({where})"
