"""Finished rows of studies: files that a hand, an editor or a merge may have changed."""

import dataclasses
import math

from tinymaskrcnn.studies.catalogue import QUESTIONS
from tinymaskrcnn.studies.rows import Row, Rows, read_row, written

from .damage import damaged_bytes, damaged_tree, json_bytes
from .frame import Door

QUESTION = QUESTIONS["mask_loss"]
PLAN = QUESTION.plan(QUESTION.arms[0], 0)


def make_row(rng, folder):
    figures = {"bbox": {"AP": 0.25, "APlarge": -1.0}, "segm": {"AP": 0.2}}
    found = [{"boxes": [[1.0, 2.0, 3.0, 4.0]], "labels": [3], "scores": [0.5], "masks": ["0"]}]
    row = Row.of(PLAN, figures=figures, cost={"passes": 1.0}, made={"machine": "a"}, found=found)
    tree = dataclasses.asdict(row)
    path = Rows(folder).path(PLAN)
    if rng.random() < 0.2:
        path.write_bytes(damaged_bytes(rng, written(tree).encode()))
    else:
        path.write_bytes(json_bytes(rng, damaged_tree(rng, tree) if rng.random() < 0.9 else tree))
    return path


def use_row(path):
    row = read_row(path)
    value = row.value("bbox.AP")
    assert value is None or math.isfinite(value)
    assert row.value("segm.nothing") is None and row.value("nothing.AP") is None
    kept = Rows(path.parent).get(PLAN)
    assert kept is None or kept == row


DOORS = [Door("rows of studies", make_row, use_row)]
