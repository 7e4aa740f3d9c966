"""python -m tests.mutation homework [hw01 ...] [--json]; python -m tests.mutation package ROOM [--json]"""

import argparse
import json
import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]  # as pytest does

from .report import as_data, table  # noqa: E402


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    homework = kinds.add_parser("homework", help="mutants of solutions against the checks of exercises")
    homework.add_argument("names", nargs="*", help="hw01, or hw01.sum_grads; all when left out")
    homework.add_argument("--shown", action="store_true", help="without the cases that only grading uses")
    homework.add_argument("--seed", type=int, default=0, help="of the cases that are drawn")
    package = kinds.add_parser("package", help="mutants of the package's source against the tests of their room")
    package.add_argument("names", nargs="+", help="a room like nn, or a file in it like nn/layers.py")
    package.add_argument("--no-wings", action="store_true", help="without the folders in a room")
    package.add_argument("--sample", type=int, help="so many of the mutants, drawn; all when left out")
    package.add_argument("--seed", type=int, default=0, help="of that draw")
    package.add_argument("--processes", type=int, default=2)
    package.add_argument("--rows", help="a file to which each fate is added; what stands there is not tried again")
    for each in (homework, package):
        each.add_argument("--json", action="store_true", help="print data")
    args = parser.parse_args(argv)
    rows = _homework(args) if args.kind == "homework" else _package(args)
    print(json.dumps(as_data(rows), indent=1) if args.json else table(rows))
    return int(any(row.survivors or row.stale for row in rows))


def _homework(args):
    from .homework import chosen, examined

    rows = []
    for exercise in chosen(args.names):
        row = examined(exercise, hidden=not args.shown, seed=args.seed)
        print(f"{row.where}: {row.total} mutants, {len(row.survivors)} survive", file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def _package(args):
    from .package import examined

    settings = {"sample": args.sample, "seed": args.seed, "processes": args.processes, "rows": args.rows}
    return [examined(name, wings=not args.no_wings, **settings) for name in args.names]


if __name__ == "__main__":
    sys.exit(main())
