"""What is said of a picture in which nothing was found."""

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
        (written(0.8, 0.75), r"the picture has hardly any contrast: what is written stands out by \d+% at most"),
        (written(height=5), "what is written is too small: 5 of the picture's 300 pixels high, 12 are needed"),
    ],
)
def test_what_is_wrong_is_named(image, said):
    import re

    assert re.match(said, complaint(image))
    assert len(complaint(image)) < 200


def test_of_a_large_picture_the_height_is_still_in_its_own_pixels():
    assert "30 of the picture's 4000 pixels" not in (complaint(written(height=30, size=4000)) or "")
    assert complaint(written(height=200, size=2600)) is None


def test_nothing_is_said_of_a_sound_picture():
    assert complaint(written()) is None and complaint(1 - written()) is None
