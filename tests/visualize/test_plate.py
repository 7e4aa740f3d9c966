"""The network on one sheet: every part with its arrays, forward and back, the losses, and links."""

import re

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.passes import watch_step
from tinymaskrcnn.explain.statements import PACKAGE
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.visualize.plate import COLUMNS, HEIGHT, NAMES, WIDTH, draw_plate


def passes(**config):
    images, targets = tiny_scene(objects=(2,))
    return watch_step(tiny_model(seed=3, **config), ImageBatch(images, np.array([[64, 64]]), targets), NAMES)


@pytest.fixture(scope="module")
def drawn():
    seen = passes()
    return seen, draw_plate(seen, source=lambda file: f"source/{file}", lesson=lambda name: f"lesson/{name}")


def test_every_array_of_the_step_is_there_with_its_shape(drawn):
    seen, sheet = drawn
    words = [rest[1] for kind, *rest in sheet.things if kind == "text"]
    shapes = [level.shape for level in (*seen.of["backbone.body"].y, *seen.of["backbone"].y)]
    shapes += [seen.of["rpn"].y[1].shape, seen.of["roi_heads.box_predictor"].y[0].shape, seen.proposals.shape]
    for shape in shapes:
        assert words.count("×".join(map(str, shape))) >= 1 + (shape != seen.proposals.shape)
    for name, loss in seen.losses.items():
        assert name.replace("_", " ") in words and f"{loss:.3f}" in words


def test_boxes_lead_to_files_and_lessons_that_exist(drawn):
    links = [rest[-1] for kind, *rest in drawn[1].things if kind == "text" and rest[-1]]
    assert len(links) == 4 * len(COLUMNS)
    for link in links:
        kind, _, name = link.partition("/")
        path = PACKAGE / name if kind == "source" else PACKAGE.parent / "lessons" / f"{name}.ipynb"
        assert path.exists(), link


def test_nothing_leaves_the_sheet_or_its_box(drawn):
    for kind, place, *_ in drawn[1].things:
        points = place if kind == "line" else [place[:2]]
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    boxes = [place for kind, place, *_ in drawn[1].things if kind == "box"]
    for kind, place, *_ in drawn[1].things:
        if kind == "picture":
            x, y, width, height = place
            inside = [(x >= a and y >= b and x + width <= a + c and y + height <= b + d - 34) for a, b, c, d in boxes]
            assert any(inside), place


def test_the_same_step_is_the_same_sheet(drawn):
    again = draw_plate(passes(), source=lambda file: f"source/{file}", lesson=lambda name: f"lesson/{name}")
    assert again.svg() == drawn[1].svg() and len(again.svg()) < 400_000
    assert not re.search(r"https?://(?!www\.w3\.org)", again.svg())


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(ArgumentError, match="it has no roi_heads.mask_roi_pool"):
        draw_plate(passes(heads=("box",)))
