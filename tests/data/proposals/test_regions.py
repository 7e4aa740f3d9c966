"""What is known of regions: that two joined are what one looks at when it looks at both, and that it is in range."""

import numpy as np
import pytest

from tinymaskrcnn.data.proposals import regions
from tinymaskrcnn.data.proposals.regions import MEASURES, alike, describe


def drawn(seed, channels=3):
    """A picture of 20x24 pixels and a labelling of it into 6 regions, not all in one piece."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (5, 6)).repeat(4, axis=0).repeat(4, axis=1)
    labels.flat[:6] = np.arange(6)  # each has a pixel
    return rng.random((20, 24, channels)), labels


@pytest.mark.parametrize("seed", range(5))
def test_two_joined_are_as_if_they_had_been_one_from_the_start(seed):
    image, labels = drawn(seed, channels=1 + 2 * (seed % 2))
    known = describe(image, labels).with_room(7)
    known.join(1, 4, into=6)
    seen = describe(image, np.array([0, 1, 2, 3, 1, 4])[labels])
    np.testing.assert_array_equal(known.boxes[6], seen.boxes[1])
    assert known.sizes[6] == seen.sizes[1] == np.isin(labels, (1, 4)).sum()
    for name in ("color", "texture"):
        np.testing.assert_allclose(getattr(known, name)[6], getattr(seen, name)[1], atol=1e-12)


def test_histograms_of_a_region_are_those_of_its_pixels():
    image, labels = drawn(1)
    image.flat[::7], image.flat[3::7] = 1, 0  # the ends belong to the last and the first bin
    known = describe(image, labels)
    assert {values.dtype for values in vars(known).values()} == {np.dtype(float)}
    assert known.color.shape == (6, 75) and known.texture.shape == (6, 240)
    for region in range(6):
        counts = [np.histogram(channel[labels == region], 25, (0, 1))[0] for channel in np.moveaxis(image, 2, 0)]
        np.testing.assert_allclose(known.color[region], np.concatenate(counts) / np.sum(counts))
    np.testing.assert_allclose(known.texture.sum(axis=1), 1)


@pytest.mark.parametrize("direction", range(8))
def test_texture_tells_the_eight_directions_in_which_a_picture_rises(direction):
    """A slope of 0.05 a pixel lies in bin 1 of its own direction; where it rises less, or falls, in the first one."""
    angle = np.pi / 4 * direction
    y, x = np.mgrid[:15, :15] - 7
    slope = 0.5 + 0.05 * (np.cos(angle) * x + np.sin(angle) * y)
    inner = np.zeros((15, 15), int)
    inner[5:10, 5:10] = 1
    histogram = describe(slope[:, :, None], inner).texture[1].reshape(8, 10)
    wanted = np.where(np.arange(8) == direction, 1, 0)
    np.testing.assert_allclose(histogram[np.arange(8), wanted], 1 / 8, atol=1e-9)


def test_no_edge_is_steeper_than_the_last_bin():
    step = np.zeros((15, 15, 1))
    step[:, 7:] = 1
    assert regions._slopes(step).max() <= regions.STEEPEST < 1.1 * regions._slopes(step).max()


@pytest.mark.parametrize("seed", range(5))
def test_likeness_lies_in_0_to_1_and_does_not_ask_who_comes_first(seed):
    image, labels = drawn(seed)
    known, others = describe(image, labels), np.arange(6)
    for name in MEASURES:
        pairs = np.array([alike(known, k, others, area=labels.size, measures=[name]) for k in range(6)])
        np.testing.assert_allclose(pairs, pairs.T)
        assert name == "fill" or (pairs >= 0).all()
        assert (pairs[~np.eye(6, dtype=bool)] <= 1 + 1e-12).all()
    total = alike(known, 2, others, area=labels.size, measures=MEASURES)
    each = [alike(known, 2, others, area=labels.size, measures=[name]) for name in MEASURES]
    np.testing.assert_allclose(total, sum(each))


def test_size_and_fill_by_hand():
    """A frame of 6x6 pixels around a square of 4x4, in a picture of 10x10; and two bars far apart."""
    labels = np.zeros((10, 10), int)
    labels[2:8, 2:8], labels[3:7, 3:7] = 1, 2
    known = describe(np.zeros((10, 10, 1)), labels)
    assert alike(known, 1, [2], area=100, measures=["size"]) == pytest.approx([1 - 36 / 100])
    assert alike(known, 1, [2], area=100, measures=["fill"]) == pytest.approx([1])  # they fill their box
    labels = np.zeros((10, 10), int)
    labels[0, :4], labels[9, :4] = 1, 2
    known = describe(np.zeros((10, 10, 1)), labels)
    assert alike(known, 1, [2], area=100, measures=["fill"]) == pytest.approx([1 - (40 - 8) / 100])


def test_labellings_of_one_picture_share_where_its_values_count():
    image, labels = drawn(3)
    places = regions.histogram_places(image)
    for other in (labels, labels.T.repeat(2, axis=0)[:20, :].repeat(2, axis=1)[:, :24]):
        alone, shared = describe(image, other), describe(image, other, places=places)
        for name, values in vars(alone).items():
            np.testing.assert_array_equal(getattr(shared, name), values)
