"""The log of a training, damaged line by line or as bytes: what is left is drawn, and a run goes on from it."""

import json
import warnings

from tinymaskrcnn.train.metrics import append_row, read_rows, truncate_rows
from tinymaskrcnn.visualize import curves_figure, save_figure

from .damage import damaged_bytes, damaged_tree, pick, strange
from .frame import Door

LINES = (
    "",
    "{",
    "null",
    "[1]",
    '{"step": 3, "lo',
    '{"step": NaN}',
    "[" * 50_000,
    '{"step": 1, "step": 2}',
    "x" * 10**5,
)


def make_log(rng, folder):
    path = folder / "metrics.jsonl"
    rows = [
        {"step": step, "loss": 1 / step, "loss_mask": 0.5, "seconds": 0.1, "memory_mb": None} for step in range(1, 9)
    ]
    lines = [json.dumps(row) for row in rows]
    for _ in range(int(rng.integers(0, 4))):
        at = int(rng.integers(len(lines)))
        kind = int(rng.integers(5))
        if kind <= 1:
            lines[at] = json.dumps(damaged_tree(rng, pick(rng, rows)) if kind else strange(rng))
        elif kind == 2:
            lines[at] = pick(rng, LINES)
        elif kind == 3:
            lines.insert(at, pick(rng, lines))
        else:
            lines[at], lines[0] = lines[0], lines[at]
    text = pick(rng, ["\n", "\n", "\r\n", "\r"]).join([*lines, pick(rng, ["", "", '{"step": 9'])])
    contents = text.encode(pick(rng, ["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32"]), "surrogatepass")
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.3 else contents)
    return path


def use_log(path):
    before = path.read_bytes()
    for old in path.parent.glob("metrics.damaged*"):
        old.unlink()
    rows = read_rows(path)
    steps = [row["step"] for row in rows]
    assert steps == sorted(set(steps)) and all(type(step) is int and step > 0 for step in steps)
    if len(before) % 20 == 0:  # a picture takes long
        save_figure(curves_figure(rows), path.with_name("curves.png"))
    assert truncate_rows(path, 4) == [row for row in rows if row["step"] <= 4]
    append_row(path, {"step": 5})
    kept = [aside.read_bytes() for aside in path.parent.glob("metrics.damaged*")]
    assert kept in ([], [before])
    if not kept:  # what is gone was computed again, or cut off by a kill
        lines = [line for line in before.split(b"\n") if line.strip(b"\0 \t\r")]  # in UTF-16 half of an end is left
        assert len(lines) <= len(rows) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [row["step"] for row in read_rows(path)] == [step for step in steps if step <= 4] + [5]


DOORS = [Door("training log", make_log, use_log, cost=2.0)]
