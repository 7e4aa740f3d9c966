"""The network on one sheet: every part with its arrays, forward and back, the losses, and links."""

import dataclasses
import re

import numpy as np
import pytest
from tiny_model import drawn as with_drawn_weights
from tiny_model import tiny_config, tiny_model, tiny_proposals, tiny_rcnn, tiny_scene

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.passes import watch_step
from tinymaskrcnn.explain.statements import PACKAGE
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.train.finetune import freeze_stages
from tinymaskrcnn.visualize.plate import COLUMNS, HEIGHT, NAMES, WIDTH, draw_plate


def passes(**config):
    images, targets = tiny_scene(objects=(2,), keypoints=3)
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


FAMILY = {
    "keypoint_rcnn": {"heads": ("box", "mask", "keypoint")},
    "mask_scoring_rcnn": {"mask_iou_widths": (4, 6)},
    "features": {"box_gradient": "features"},
    "features+targets": {"box_gradient": "features+targets"},
    "vgg": {"kind": "vgg"},
    "plain": {"kind": "plain", "fpn": "no_lateral"},
    "p2": {"fpn": "p2"},
    "c4": {"kind": "vgg", "fpn": "c4"},
    "c5": {"fpn": "c5"},
}


@pytest.mark.parametrize("name", FAMILY)
def test_the_family_is_drawn_under_its_own_names(name):
    seen = passes(**FAMILY[name])
    sheet = draw_plate(seen, source=lambda file: file)
    words = [rest[1] for kind, *rest in sheet.things if kind == "text"]
    backbone = seen.config.backbone
    maps = [backbone.level_name(level) for level in backbone.levels]
    assert [word for word in words if re.fullmatch(r"logits \w+", word)] == [f"logits {name}" for name in maps[:2]]
    stages = [f"C{level + 2}" for level in range(len(seen.of["backbone.body"].y))]
    assert [word for word in words if re.fullmatch(r"[PC]\d", word)] == stages + maps
    assert len(seen.proposals) and "×".join(map(str, seen.proposals.shape)) in words
    assert f"models/backbones/{backbone.kind}.py" in words
    files = {rest[-1] for kind, *rest in sheet.things if kind == "text"} - {None}
    assert all((PACKAGE / file).exists() for file in files)


def test_what_is_not_there_is_said_in_its_place():
    images, targets = tiny_scene(objects=(2,))
    model = freeze_stages(tiny_model(seed=3), 2)
    seen = watch_step(model, ImageBatch(images, np.array([[64, 64]]), targets), NAMES)
    seen = dataclasses.replace(seen, rois=seen.rois[:0])
    words = [rest[1] for kind, *rest in draw_plate(seen).things if kind == "text"]
    assert seen.dimages is None and words.count("none") == 3, "RoIs, dimage and dx"


def of_outside(system):
    if system == "rcnn":
        return tiny_rcnn()
    config = dataclasses.replace(tiny_config(heads=("box",)), system=system)
    return with_drawn_weights(build_model(config, rng=np.random.default_rng(0)), 0)


@pytest.mark.parametrize("system", ["rcnn", "fast_rcnn"])
def test_a_network_without_an_rpn_is_refused(system):
    images, targets = tiny_scene(objects=(2,))
    proposals, valid = tiny_proposals(targets)
    given = {"proposals": proposals, "proposals_valid": valid}
    batch = ImageBatch(images, np.array([[64, 64]]), targets, given=given)
    with pytest.raises(ArgumentError, match="needs a model with an RPN and a mask head; it has no RPN"):
        draw_plate(watch_step(of_outside(system), batch, NAMES))


@pytest.mark.parametrize("fpn", ["full", "c4"])
@pytest.mark.parametrize("heads", [("box",), ("box", "keypoint")])
def test_a_network_without_masks_is_refused(heads, fpn):
    with pytest.raises(ArgumentError, match="it has no roi_heads.mask_roi_pool"):
        draw_plate(passes(heads=heads, fpn=fpn))
