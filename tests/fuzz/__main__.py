"""`python -m tests.fuzz --cases 2000 [DOOR ...]`: a table of doors and outcomes; exit status 1 when one fails."""

import argparse
import sys
import tempfile
import time

from .doors import all_doors
from .frame import REFUSED, RIGHT, run_door


def main():
    doors = all_doors()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="cases for each door (default: 2000)")
    parser.add_argument("--start", type=int, default=0, metavar="SEED", help="the first case's seed (default: 0)")
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=f"some of {', '.join(doors)} (default: all)")
    args = parser.parse_args()
    chosen = [doors[name] for name in args.doors] or doors.values()
    print(f"{'door':<22} {'cases':>6} {RIGHT:>7} {REFUSED:>10} {'faults':>7} {'seconds':>8}")
    failed = 0
    for door in chosen:
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            outcomes, first = run_door(door, args.cases, folder, start=args.start)
        faults = sum(outcomes[outcome] for outcome in first)
        failed += faults
        counts = f"{outcomes[RIGHT]:>7} {outcomes[REFUSED]:>10} {faults:>7}"
        print(f"{door.name:<22} {args.cases:>6} {counts} {time.process_time() - began:>8.1f}", flush=True)
        for outcome, (seed, sentence) in first.items():
            print(f"    {outcomes[outcome]:>5}x {sentence!r}  (first: seed {seed})")
    return 1 if failed else 0


sys.exit(main())
