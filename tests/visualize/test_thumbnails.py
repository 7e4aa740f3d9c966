"""Arrays as pictures of a few dozen pixels: size, colours, what they show, and words about it."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_matrix

from tinymaskrcnn.visualize.thumbnails import PORTRAIT, SIDE, WIDTH, Thumbnails, are_boxes


def pixels(thumbnail):
    """(h, w, 4) uint8 of the PNG itself."""
    return np.asarray(Image.open(io.BytesIO(thumbnail.png)).convert("RGBA")).astype(int)


SHAPES = [(7,), (500,), (3, 3), (1, 4092), (4096, 9), (1, 4092, 4), (5, 28, 28), (1, 32, 32, 16), (10, 14, 14, 32)]
SHAPES += [(1, 128, 128, 1), (3, 3, 16, 32), (1, 1, 64, 32), (1, 64, 64, 3, 3, 16), (2, 1, 1, 1), (4, 7, 7, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["signed", "above", "bool", "int"])
def test_any_array_has_a_small_picture(shape, kind):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    array = {"signed": values, "above": np.abs(values), "bool": values > 0, "int": (9 * values).astype(int)}[kind]
    look = Thumbnails(np.zeros((64, 64, 1)))(array, "x")
    height, width, _ = pixels(look).shape
    assert height <= SIDE + 20 and width <= WIDTH + 10 and 3 <= look.width <= WIDTH + 10 and look.height <= SIDE + 20
    assert look.alt.startswith("x (") and "values from" in look.alt
    assert len(look.png) < 6000 and look == Thumbnails(np.zeros((64, 64, 1)))(array, "x")


def test_zero_is_dark_and_signs_have_their_colours():
    values = np.zeros((3, 8))
    values[0, 0], values[2, 7] = 5.0, -5.0
    drawn = pixels(Thumbnails()(values, "dx"))[..., :3]
    red, green, blue = drawn[0, 0]
    assert blue > red and drawn[2, 7][0] > drawn[2, 7][2] and drawn[1, 4].sum() < 100


def test_a_single_spark_survives_shrinking():
    values = np.zeros((1, 400, 400, 1))
    values[0, 123, 321, 0] = -1e-4
    drawn = pixels(Thumbnails()(values, "dx"))[..., :3].sum(axis=-1)
    assert (drawn > 300).sum() == 1


def test_what_says_nothing_has_no_picture():
    show = Thumbnails()
    assert show(np.zeros((0, 4))) is None and show(np.array(["a"])) is None and show(np.full(3, np.nan)) is None
    assert show(np.array([1.0, np.nan, np.inf, 2.0, 3, 4, 5])) is not None


def test_sparse_matrices_show_where_their_entries_are():
    matrix = csr_matrix(np.eye(80))
    look = Thumbnails()(matrix, "A")
    drawn = pixels(look)[..., :3].sum(axis=-1)
    bright = drawn > drawn.min()
    assert "80 entries" in look.alt and bright.sum() == 80


def test_boxes_are_drawn_on_their_picture():
    picture = np.zeros((64, 64, 1))
    rows = np.array([[8, 8, 40, 40], [20, 10, 60, 30.0]])
    assert are_boxes(rows, (64, 64)) and not are_boxes(rows[:, ::-1], (64, 64)) and not are_boxes(rows / 100, (64, 64))
    look = Thumbnails(picture)(rows, "rois")
    side = look.width
    drawn = pixels(look)[..., :3].sum(axis=-1)
    assert "boxes on the picture" in look.alt
    assert drawn[round(8 * side / 64), round(20 * side / 64)] > drawn[0, 0]


def test_the_portrait_has_frames_around_its_objects():
    picture = np.full((64, 64, 1), 0.5)
    look = Thumbnails(picture).portrait(np.array([[10, 10, 20, 20.0]]), "one digit")
    drawn = pixels(look)
    assert look.alt == "one digit" and look.width == PORTRAIT // 64 * 64
    assert (drawn[9, 15] != drawn[15, 15]).any() and (drawn[..., 3] == 255).all()
