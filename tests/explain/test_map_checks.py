"""Sanity checks of maps: what is covered, what that does, and what a network of random weights draws."""

import numpy as np
import pytest
from explain.explained import fast_network, network, picture, some_boxes

from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import SceneStream
from tinymaskrcnn.explain.map_checks import FAINT, correlation, occlude, random_maps
from tinymaskrcnn.explain.score_maps import score_maps
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.zoo import load_tour_detector


@pytest.fixture(scope="module")
def maps():
    """Of a digit that the small detector in the package has found."""
    image, _ = SceneStream(SceneConfig(), split="test", seed=0, batch_size=8).scene(20)
    return score_maps(trace_detection(load_tour_detector(), image), 0)


def test_faintly_covered_the_patches_agree_with_the_map(maps):
    faint, whole = occlude(maps, strength=FAINT), occlude(maps)
    assert len(faint.patches) == 36 and np.array_equal(faint.patches, whole.patches)
    for which in ("held", "free"):
        assert faint.correlation(which) > 0.99 and abs(faint.measured[which]).max() > 0
        assert faint.correlation(which) > whole.correlation(which)
    swapped = correlation(faint.measured["held"], faint.told["held"][::-1])
    assert swapped < 0.9


def test_a_patch_is_covered_and_nothing_else(maps):
    image = maps.trace.image
    whole = occlude(maps, side=3)
    x1, y1, x2, y2 = whole.patches[4]
    covered = image.copy()
    covered[y1:y2, x1:x2] = np.median(image)
    model = maps.trace.said.model
    other = trace_detection(model, covered)
    at = np.flatnonzero(other.proposals.anchor == maps.anchor)
    now = other.proposals.probabilities[at[0], maps.label] if len(at) else None
    assert now is None or now - maps.score == pytest.approx(whole.measured["free"][4], abs=1e-4)
    areas = (whole.patches[:, 2:] - whole.patches[:, :2]).prod(axis=1)
    low, high = whole.patches[:, :2].min(axis=0), whole.patches[:, 2:].max(axis=0)
    assert areas.sum() == (high - low).prod() and (areas > 0).all()  # no pixel twice, none left out


def test_random_weights_draw_another_map(maps):
    other = random_maps(maps)
    np.testing.assert_array_equal(other.proposal, maps.proposal)
    assert other.held.any() and other.score < 0.5 < maps.score
    assert abs(correlation(other.held, maps.held)) < 0.3
    np.testing.assert_array_equal(random_maps(maps).held, other.held)
    assert (random_maps(maps, seed=1).held != other.held).any()


def test_boxes_that_were_given_do_not_move():
    maps = score_maps(trace_detection(fast_network(1), picture(1), proposals=some_boxes(1)), 0)
    found = occlude(maps, side=3)
    np.testing.assert_array_equal(found.measured["held"], found.measured["free"])
    np.testing.assert_array_equal(found.told["held"], found.told["free"])
    assert np.isfinite(random_maps(maps).held).all()


def test_a_box_at_the_border_has_patches_inside():
    maps = score_maps(trace_detection(network("mask", 3), picture(3)), 0)
    patches = occlude(maps, side=6).patches
    assert (patches[:, :2] >= 0).all() and (patches[:, 2:] <= [64, 50]).all()
    assert ((patches[:, 2:] - patches[:, :2]) > 0).all()


def test_correlation():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 40))
    assert correlation(one, other) == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert np.isnan(correlation(one, np.ones(40)))
