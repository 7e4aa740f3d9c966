"""A detection linked with its ancestors: each is the one that the trace knows, also on a picture that was padded."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_model
from visualize.pictures import trace

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.visualize import touch


@pytest.fixture(scope="module")
def linked():
    return trace(), touch.trace(tiny_model(seed=3).eval(), trace()).data["found"]


def test_every_detection_has_its_proposal_and_its_anchor(linked):
    traced, found = linked
    assert len(found) == min(10, len(traced.detections))
    for k, entry in enumerate(found):
        origin = traced.origins[k]
        np.testing.assert_allclose(entry["proposal"], traced.proposals.boxes[origin], atol=0.006)
        moved = traced.anchors.moved[traced.proposals.anchor[origin]]
        np.testing.assert_array_equal(moved, traced.proposals.boxes[origin])  # the anchor, moved by its deltas
        assert entry["rank"] == 1 + traced.anchors.rank[traced.proposals.anchor[origin]]


def test_the_cell_lies_in_the_middle_of_its_anchor(linked):
    _, found = linked
    for entry in found:
        x1, y1, x2, y2 = entry["anchor"]
        cell, size = np.array(entry["cell"]), 2 ** entry["anchor_level"]
        assert (cell[2:] - cell[:2] == size).all()
        corner = np.array([(x1 + x2) / 2, (y1 + y2) / 2])  # anchors stand on the corner or in the middle of their cell
        assert (abs(corner - (cell[:2] + cell[2:]) / 2) <= size / 2 + 0.51).all()


def test_the_next_best_class_is_another_one(linked):
    traced, found = linked
    for k, entry in enumerate(found):
        probabilities = traced.proposals.probabilities[traced.origins[k]].copy()
        probabilities[traced.detections.labels[k]] = -1
        assert f"{probabilities.max():.2f}" in entry["others"]


def test_boxes_with_the_names_that_were_given():
    data = touch.trace(tiny_model(seed=3).eval(), trace(), class_names=["none", *"abcdefghijk"]).data
    assert {entry["name"] for entry in data["found"]} <= set("abcdefghijk")


def test_a_picture_without_detections_is_named():
    traced = trace()
    empty = dataclasses.replace(traced.detections, **{
        name: getattr(traced.detections, name)[:0] for name in ("boxes", "labels", "scores", "masks")
    })
    with pytest.raises(ArgumentError, match="nothing was detected"):
        touch.trace(tiny_model(seed=3).eval(), dataclasses.replace(traced, detections=empty))
