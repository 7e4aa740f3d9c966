"""What is said of a picture in which nothing was found."""

import re

import numpy as np
import pytest

from tinymaskrcnn.data.legibility import complaint


def written(paper=0.8, pen=0.2, height=20, size=300):
    image = np.full((size, size, 1), paper)
    for k in range(4):
        image[50 : 50 + height, 40 + 50 * k : 43 + 50 * k] = pen
    return image + 0.003 * np.random.default_rng(0).normal(size=image.shape)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (written(0.05, 0.02), "the picture is too dark: hardly a pixel has more than"),
        (np.ones((50, 50, 1)), "the picture is overexposed"),
        (np.ones((1, 1, 1)), "the picture is only 1x1 pixels large"),
        (np.ones((5000, 2, 1)), "the picture is only 2x5000 pixels large"),
        (written(0.8, 0.75), r"the picture has hardly any contrast: what is written stands out by \d+% at most"),
        (written(height=5), "what is written is too small: about 5 of the picture's 300 pixels high, 16 are needed"),
    ],
)
def test_what_is_wrong_is_named(image, said):
    assert re.match(said, complaint(image))
    assert len(complaint(image)) < 200


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("height", "size", "needed"),
    [(13, 300, 16), (2, 300, 16), (16, 1600, 20), (24, 2600, 32), (8, 4000, 50), (24, 4000, 50), (40, 4000, 50)],
)
def test_small_writing_is_named_in_the_pixels_of_the_picture_whatever_its_size(height, size, needed):
    said = complaint(written(height=height, size=size))
    assert (found := re.fullmatch(r".* too small: about (\d+) of .* (\d+) pixels high, (\d+) are needed; .*", said))
    tallest, whole, wanted = map(int, found.groups())
    assert abs(tallest - height) <= 4 and (whole, abs(wanted - needed) <= 1) == (size, True)


@pytest.mark.parametrize(("height", "size"), [(20, 1280), (200, 2600), (60, 4000)])
def test_nothing_is_said_of_writing_that_is_large_enough(height, size):
    assert complaint(written(height=height, size=size)) is None


def test_nothing_is_said_of_a_sound_picture():
    assert complaint(written()) is None and complaint(1 - written()) is None
