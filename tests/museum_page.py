"""Writes docs/museum.md, its pictures and docs/museum.json, on which it rests: every check against every exhibit.

python tests/museum_page.py [--processes 2]       # some minutes
python tests/museum_page.py --text                # the page alone, of what docs/museum.json holds
"""

import argparse
import json
import math
from pathlib import Path

from tinymaskrcnn.counting import counted
from tinymaskrcnn.files import write_whole
from tinymaskrcnn.museum.checks import CHECKS
from tinymaskrcnn.museum.exhibits import EXHIBITS, ROOMS
from tinymaskrcnn.museum.matrix import judged, measures
from tinymaskrcnn.museum.picture import exhibit_figure, matrix_figure
from tinymaskrcnn.museum.visit import visits
from tinymaskrcnn.visualize.steps import small_png

DOCS = Path(__file__).parents[1] / "docs"
PAGE, RECORD, PICTURES = DOCS / "museum.md", DOCS / "museum.json", DOCS / "images/museum"
DIFFERENT = 1e-6  # relative; what differs by less is the same function in other words
HEAD = """# The bug museum

Famous mistakes of the R-CNN family, each a few lines of this package's own source changed as somebody once wrote them:
where each comes from, what one sees of it, what it costs, and the cheapest check that finds it. Nothing in the package
knows of them: a bug is laid over the source while a process of its own imports it, and is gone with that process.

```bash
tinymaskrcnn museum list
tinymaskrcnn museum show half-a-pixel --out half.png
tinymaskrcnn museum check                    # the matrix below, anew: some minutes
tinymaskrcnn museum try my_check.py          # which of them does your check find?
```

## Write the check

`my_check.py` holds a function `check(package)`, or several whose names begin with `check`. It is called with the
package as it is and with each bug, and raises an AssertionError, or anything else, when something is wrong:

```python
import numpy as np


def check(package):
    a = np.array([[0.0, 0, 4, 2], [1, 0, 5, 2]])
    iou = package.ops.boxes.iou_matrix(a, a)
    assert np.allclose(iou, [[1, 0.6], [0.6, 1]]), f"IoU of neighbours is {iou[0, 1]}"
```

The answer is your column of the matrix, with its false alarms: what a check also says of the clean package is no find,
and three exhibits change nothing. Your file runs with limits on time, memory, files and network, as homework does.
"""


def measured(processes):
    """(Matrix, {view: numbers of the clean package}, {exhibit: numbers of its view})"""
    exhibits = list(EXHIBITS.values())

    def told(names):
        return counted(names, label="exhibits")

    replies = visits(exhibits, processes=processes, told=told, checks=None, **measures(exhibits))
    if silent := {name: reply["trouble"] for name, reply in replies.items() if "trouble" in reply}:
        raise SystemExit(f"no answer: {silent}")
    views = {exhibit.name: replies[exhibit.name]["views"][exhibit.view] for exhibit in exhibits}
    return judged(exhibits, replies, measured=True), replies[""]["views"], views


def record_of(matrix):
    """What the page says of a Matrix, as data: of the checks no times, which differ from run to run."""
    return matrix.as_data() | {"checks": list(matrix.checks)}


def page(record):
    """The text of the page, of what docs/museum.json holds."""
    return "\n".join([HEAD, *_matrix(record), *_rooms(record), *_checks()]) + "\n"


def _matrix(record):
    bugs = [e for e in record["exhibits"].values() if not e["harmless"]]
    found = sum(bool(e["found"]) for e in bugs)
    alone = sum(len(e["found"]) == 1 for e in bugs)
    right = sum(_is_right(e["gradient"]) for e in bugs)
    exhibits, checks, alarms = (len(record[kind]) for kind in ("exhibits", "checks", "false_alarms"))
    alt = f"A grid of {exhibits} exhibits and {checks} checks; {found} of {len(bugs)} bugs have at least one mark"
    return [
        "## The kill matrix\n",
        f"{checks} checks against {len(bugs)} bugs: {found} are found, {alone} of them by one check only. False alarms "
        f"on the clean package and on the {exhibits - len(bugs)} exhibits that change nothing: {alarms}.\n",
        f"With {right} of the bugs every gradient of the harness is right: a gradient check proves that backward fits "
        "forward, not that forward is what it should be.\n",
        f"```{{image}} images/museum/matrix.png\n:alt: {alt}\n```\n",
    ]


def _rooms(record):
    lines = []
    for room, exhibits in ROOMS.items():
        lines.append(f"## {room}\n")
        for exhibit in exhibits:
            lines += _exhibit(exhibit, record["exhibits"][exhibit.name])
    return lines


def _exhibit(exhibit, told):
    price = f"gradients {_price(told['gradient'])}; numbers {_price(told['parity'])}"
    if told["cheapest"]:
        said = " ".join(told["found"][told["cheapest"]].split())
        others = [f"`{name}`" for name in told["found"] if name != told["cheapest"]]
        also = f" Also found by {', '.join(others)}." if others else ""
        check = f"`{told['cheapest']}` says: `{said}`{'' if said.endswith('.') else '.'}{also}"
    else:
        check = "None finds anything, and none should." if exhibit.harmless else "None finds it."
    return [
        f"### {exhibit.title}\n",
        f"```{{image}} images/museum/{exhibit.name}.png\n:alt: {alt_text(exhibit)}\n```\n",
        f"`{exhibit.name}`. {exhibit.seen}\n",
        f"From: {exhibit.origin}\n",
        f"Price: {price}.\n",
        f"Cheapest check: {check}\n",
        f"```diff\n{exhibit.diff()}\n```\n",
    ]


def alt_text(exhibit):
    """What the picture of an exhibit shows, for those who do not see it."""
    both = "the same twice" if exhibit.harmless else "as it is and with the bug"
    return f"{exhibit.title}: the same view of the package {both}"


def _is_right(price):
    return not isinstance(price[0], str) and price[0] < DIFFERENT


def _price(price):
    error, where = price
    if isinstance(error, str):
        return "are NaN" if math.isnan(float(error)) else f"cannot be compared any more (`{where}`)"
    return "as they should be" if error < DIFFERENT else f"off by {error:.1g} of the largest (`{where}`)"


def _checks():
    lines = ["## The checks\n", "From cheap to dear; each takes less than a few seconds.\n"]
    for name, check in CHECKS.items():
        lines.append(f"- `{name}`: {' '.join(check.__doc__.split())}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--text", action="store_true", help="write the page alone")
    args = parser.parse_args()
    if not args.text:
        matrix, clean, views = measured(args.processes)
        write_whole(RECORD, json.dumps(record_of(matrix), indent=1) + "\n")
        PICTURES.mkdir(parents=True, exist_ok=True)
        write_whole(PICTURES / "matrix.png", small_png(matrix_figure(matrix, ROOMS)))
        for exhibit in EXHIBITS.values():
            figure = exhibit_figure(exhibit, clean[exhibit.view], views[exhibit.name])
            write_whole(PICTURES / f"{exhibit.name}.png", small_png(figure))
    write_whole(PAGE, page(json.loads(RECORD.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
