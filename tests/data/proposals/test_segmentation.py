"""Felzenszwalb and Huttenlocher's regions: those of scikit-image, those of the rule in plain loops."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tinymaskrcnn.data.proposals import segmentation
from tinymaskrcnn.data.proposals.segmentation import grid_edges, segment, touching

KEPT = np.load(Path(__file__).parents[2] / "fixtures" / "segmentations.npz")
RECORDED = [name for name in KEPT.files if not name.endswith("image")]


def same_regions(a, b):
    """Whether two labellings part the pixels in the same way, whatever the numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).shape[1]
    return pairs == len(np.unique(a)) == len(np.unique(b))


@pytest.mark.parametrize("name", RECORDED)
def test_the_regions_are_those_of_scikit_image(name):
    picture, settings = name.split(".", 1)
    scale, sigma, least = settings.split("-")
    labels = segment(KEPT[f"{picture}.image"], scale=float(scale), sigma=float(sigma), min_size=int(least))
    assert labels.max() > 0 and same_regions(labels, KEPT[name])


def in_loops(image, *, scale, min_size, sigma):
    """The paper's algorithm, one edge after another."""
    height, width = image.shape[:2]
    smooth = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0))
    edges = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    difference = smooth[y, x] - smooth[y + dy, x + dx]
                    edges.append((float(np.sqrt((difference**2).sum())), y * width + x, (y + dy) * width + x + dx))
    edges.sort(key=lambda edge: edge[0])
    region = list(range(height * width))
    members = {r: [r] for r in region}
    inside = dict.fromkeys(region, 0.0)

    def unite(a, b):
        for pixel in members.pop(b):
            region[pixel] = a
            members[a].append(pixel)

    for weight, p, q in edges:
        a, b = region[p], region[q]
        tolerance = [inside[r] + scale / 255 / len(members[r]) for r in (a, b)]
        if a != b and weight <= min(tolerance):
            unite(a, b)
            inside[a] = weight
    for _, p, q in edges:
        a, b = region[p], region[q]
        if a != b and min(len(members[a]), len(members[b])) < min_size:
            unite(a, b)
    return np.array(region).reshape(height, width)


@pytest.mark.parametrize("seed", range(12))
def test_the_regions_are_those_of_the_rule(seed):
    rng = np.random.default_rng(seed)
    height, width, channels = (int(v) for v in rng.integers((1, 1, 1), (14, 14, 4)))
    image = rng.random((height, width, channels))
    settings = {"scale": 255 * rng.uniform(0, 2), "min_size": int(rng.integers(0, 9)), "sigma": rng.uniform(0, 1)}
    assert same_regions(segment(image, **settings), in_loops(image, **settings))


@pytest.mark.parametrize("blocks", (1, 3, 50))
def test_blocks_change_nothing(blocks, monkeypatch):
    image = KEPT["color0.image"]
    labels = segment(image, scale=15, min_size=8)
    monkeypatch.setattr(segmentation, "BLOCKS", blocks)
    np.testing.assert_array_equal(segment(image, scale=15, min_size=8), labels)


def test_regions_are_numbered_as_they_appear_and_none_is_too_small():
    image = KEPT["grey0.image"]
    labels = segment(image, scale=5, min_size=12)
    _, first = np.unique(labels, return_index=True)
    assert (np.diff(first) > 0).all() and np.bincount(labels.ravel()).min() >= 12
    coarse = segment(image, scale=200, min_size=12)
    assert 0 < coarse.max() < labels.max()


def test_pictures_are_smoothed_as_in_the_paper_when_nothing_is_said():
    image = KEPT["grey1.image"]
    for given, wanted in zip(grid_edges(image), grid_edges(image, sigma=0.8), strict=True):
        np.testing.assert_array_equal(given, wanted)
    settings = dict(scale=9, min_size=4)
    np.testing.assert_array_equal(segment(image, **settings), segment(image, sigma=0.8, **settings))


def test_edges_can_be_shared_and_touching_pixels_meet_at_corners():
    image = KEPT["grey1.image"]
    edges = grid_edges(image)
    assert (np.diff(edges[2]) >= 0).all() and len(edges[0]) == 2 * 48 * 47 + 2 * 47 * 47
    np.testing.assert_array_equal(segment(image, scale=9, min_size=4, edges=edges), segment(image, scale=9, min_size=4))
    first, second = touching(np.array([[0, 1], [2, 3]]))
    assert set(zip(first.tolist(), second.tolist())) == {(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)}


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (7, 1, 1)])
def test_a_flat_picture_is_one_region(shape):
    assert not segment(np.full(shape, 0.5), scale=1, min_size=1).any()
