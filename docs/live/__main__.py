"""`python -m docs.live` in the checkout: builds the pages that compute in the browser, into a folder of their own."""

import argparse
import sys
from pathlib import Path

from .build import OUT, build

parser = argparse.ArgumentParser(prog="python -m docs.live", description=__doc__, allow_abbrev=False)
parser.add_argument("out", nargs="?", default=str(OUT), metavar="DIR", help="the folder (default: docs/_build/live)")
parser.add_argument(
    "--pyodide", metavar="DIR", help="a distribution of Pyodide to copy from; then the pages ask no other server"
)
args = parser.parse_args()
try:
    print(f"built {build(Path(args.out), args.pyodide)}")
except (OSError, ValueError) as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
