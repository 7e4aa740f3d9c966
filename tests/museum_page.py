"""Writes docs/museum.md, its pictures and the records on which it rests: every check against every exhibit.

python tests/museum_page.py [--processes 2]       # some minutes
python tests/museum_page.py --trainings           # what each costs in AP: a quarter of an hour, can be interrupted
python tests/museum_page.py --text                # the page alone, of what the two records hold
"""

import argparse
import dataclasses
import hashlib
import json
import math
from pathlib import Path

from tinymaskrcnn.counting import counted
from tinymaskrcnn.files import write_whole
from tinymaskrcnn.museum.checks import CHECKS
from tinymaskrcnn.museum.exhibits import EXHIBITS, ROOMS
from tinymaskrcnn.museum.matrix import judged, measures
from tinymaskrcnn.museum.picture import exhibit_figure, matrix_figure
from tinymaskrcnn.museum.training import Course
from tinymaskrcnn.museum.visit import visit, visits
from tinymaskrcnn.visualize.steps import small_png

DOCS = Path(__file__).parents[1] / "docs"
PAGE, RECORD, PICTURES = DOCS / "museum.md", DOCS / "museum.json", DOCS / "images/museum"
TRAININGS = DOCS / "museum_trainings.json"
SEEDS = (0, 1, 2)  # of the clean package; an exhibit is trained with the first
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


# ---------------------------------------------------------------- the price in AP


def trainings():
    """Train with each exhibit that has no row yet, or another patch than its row; every row is kept as it is done."""
    record = {"course": dataclasses.asdict(Course()), "clean": {}, "exhibits": {}}
    if TRAININGS.exists():
        old = json.loads(TRAININGS.read_text(encoding="utf-8"))
        record = old if old["course"] == record["course"] else record
    todo = [("clean", str(seed), None, "") for seed in SEEDS]
    todo += [("exhibits", name, exhibit, patch_of(exhibit)) for name, exhibit in EXHIBITS.items()]
    todo = [each for each in todo if record[each[0]].get(each[1], {}).get("patch") != each[3]]
    record["exhibits"] = {name: row for name, row in record["exhibits"].items() if name in EXHIBITS}
    for where, name, exhibit, patch in counted(todo, label="trainings"):
        seed = 0 if exhibit else int(name)
        told = visit(exhibit, checks=(), training={"seed": seed})["training"]
        record[where][name] = told | {"patch": patch}
        write_whole(TRAININGS, json.dumps(record, indent=1) + "\n")


def patch_of(exhibit):
    """A short name for what an exhibit changes, by which a row knows that it is still the same."""
    return hashlib.sha256(json.dumps(exhibit.edits).encode()).hexdigest()[:12]


def _training_price(row, clean):
    """What a row says, in words, beside that of the clean package with the same seed."""
    if not row.get("met", True):
        return "not asked, a training does not come by here"
    course = Course()
    if "stopped" in row:
        return f"none, `{row['stopped']}`"
    both = f"box {row['bbox']:.3f}, mask {row['segm']:.3f} after {course.steps} steps"
    if all(row[kind] == clean[kind] for kind in ("bbox", "segm")):
        return f"{both}, as without it"
    return f"{both}; without it {clean['bbox']:.3f}, {clean['segm']:.3f}"


def _trainings_in_words(told):
    course, clean = Course(), list(told["clean"].values())
    spread = {kind: [row[kind] for row in clean] for kind in ("bbox", "segm")}
    between = {kind: f"{min(values):.3f} to {max(values):.3f}" for kind, values in spread.items()}
    return (
        f"The last price is an AP: a network of a few ten thousand weights, {course.steps} steps of {course.batch} "
        f"pictures of 64 x 64 pixels with up to two digits, judged on {course.pictures} others, with the same seed "
        "with and without the bug. It has only begun to learn, and much is chance: the clean package with "
        f"{len(clean)} seeds comes to a box AP of {between['bbox']} and a mask AP of {between['segm']}. What lies "
        "well below is a price; what lies between, or above, is none that so short a training could tell.\n"
    )


# ---------------------------------------------------------------- the page


def page(record, told):
    """The text of the page, of what docs/museum.json and docs/museum_trainings.json hold."""
    return "\n".join([HEAD, *_matrix(record), _trainings_in_words(told), *_rooms(record, told), *_checks()]) + "\n"


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


def _rooms(record, trained):
    lines = []
    for room, exhibits in ROOMS.items():
        lines.append(f"## {room}\n")
        for exhibit in exhibits:
            price = _training_price(trained["exhibits"][exhibit.name], trained["clean"]["0"])
            lines += _exhibit(exhibit, record["exhibits"][exhibit.name], price)
    return lines


def _exhibit(exhibit, told, ap):
    price = f"gradients {_price(told['gradient'])}; numbers {_price(told['parity'])}; AP: {ap}"
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
    parser.add_argument("--trainings", action="store_true", help="measure what is missing of the price in AP")
    args = parser.parse_args()
    if args.trainings:
        trainings()
    elif not args.text:
        matrix, clean, views = measured(args.processes)
        write_whole(RECORD, json.dumps(record_of(matrix), indent=1) + "\n")
        PICTURES.mkdir(parents=True, exist_ok=True)
        write_whole(PICTURES / "matrix.png", small_png(matrix_figure(matrix, ROOMS)))
        for exhibit in EXHIBITS.values():
            figure = exhibit_figure(exhibit, clean[exhibit.view], views[exhibit.name])
            write_whole(PICTURES / f"{exhibit.name}.png", small_png(figure))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (RECORD, TRAININGS)]
    write_whole(PAGE, page(*records))


if __name__ == "__main__":
    main()
