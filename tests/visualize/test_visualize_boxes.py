"""Images in their own coordinates, boxes where they belong, labels that do not cover each other."""

import numpy as np
import pytest
from drawing_checks import assert_legible
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.visualize import draw_boxes, draw_image, style
from tinymaskrcnn.visualize.boxes import MOST_SHOWN, _rectangle, _size


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1), (6, 9, 3), (1, 1, 1)])
def test_one_data_unit_is_one_pixel(shape):
    ax = draw_image(np.zeros(shape, np.float32))
    assert ax.get_xlim() == (0, shape[1]) and ax.get_ylim() == (shape[0], 0)
    assert ax.images[0].get_extent() == [0, shape[1], shape[0], 0]
    assert ax.images[0].get_array().shape == (*shape[:2], 3)


def test_uint8_and_floats_look_the_same():
    pixels = np.arange(0, 256, 5, dtype=np.uint8).reshape(4, 13)
    a, b = (draw_image(p).images[0].get_array() for p in (pixels, pixels / np.float32(255)))
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("shape", [(1500, 30), (30, 2500)])
def test_of_a_large_picture_fewer_pixels_are_drawn_over_the_same_place(shape, rng):
    pixels = rng.random(shape)
    image = draw_image(pixels).images[0]
    drawn = image.get_array()[:, :, 0]
    assert max(drawn.shape) == MOST_SHOWN and image.get_extent() == [0, shape[1], shape[0], 0]
    rows, columns = ((np.arange(n) + 0.5) * side / n for n, side in zip(drawn.shape, shape))
    near = [[pixels[int(y), int(x)] for x in columns] for y in rows]
    assert (np.abs(drawn - near) < 1e-6).mean() > 0.9


def test_boxes_lie_where_they_were_asked():
    boxes = np.array([[1, 2, 5, 8], [0, 0, 3, 3]], np.float32)
    ax = draw_boxes(boxes, ax=draw_image(np.zeros((9, 9))), colors=["#112233", style.RED], linestyles=["-", "--"])
    assert [p.get_bbox().extents.tolist() for p in ax.patches] == boxes.tolist()
    assert [p.get_linestyle() for p in ax.patches] == ["-", "--"]
    assert len(draw_boxes(np.zeros((0, 4)), ax=draw_image(np.zeros((9, 9))), labels=[]).patches) == 0


@examples(15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_labels_neither_overlap_nor_stick_out(seed, count):
    """Boxes anywhere in a 3 x 3 grid of cells, one label each, some drawn in a second call."""
    rng = np.random.default_rng(seed)
    cell = rng.permutation(9)[:count]
    corner = np.stack([cell % 3, cell // 3], axis=1) * 42 + rng.uniform(0, 12, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(12, 30, (count, 2))], axis=1)
    ax = draw_image(np.zeros((128, 128)))
    draw_boxes(boxes[: count // 2], ax=ax, labels=["7  0.98"] * (count // 2))
    draw_boxes(boxes[count // 2 :], ax=ax, labels=["missed 3"] * (count - count // 2))
    assert_legible(ax.figure)
    edge = ax.get_window_extent()
    for text in ax.texts:
        box = text.get_window_extent()
        assert edge.x0 - 2 <= box.x0 and box.x1 <= edge.x1 + 2 and edge.y0 - 2 <= box.y0 and box.y1 <= edge.y1 + 2


def test_the_room_of_a_label_lies_around_its_place():
    x1, y1, x2, y2 = _rectangle(50.0, 70.0, "7  0.98", 0.5)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((50, 70))
    assert (x2 - x1, y2 - y1) == pytest.approx(_size("7  0.98", 0.5))


def test_labels_of_equal_boxes_find_different_places():
    ax = draw_image(np.zeros((128, 128)))
    draw_boxes(np.repeat([[40.0, 40, 80, 80]], 4, axis=0), ax=ax, labels=["7  0.98", "1  0.97", "missed 3", "9  0.50"])
    assert_legible(ax.figure)


def test_refusals():
    with pytest.raises(ShapeError, match=r"image must be .* got shape \(2, 3, 4\)"):
        draw_image(np.zeros((2, 3, 4)))
    ax = draw_image(np.zeros((9, 9)))
    with pytest.raises(ShapeError, match="labels must have one entry for each of 1 boxes; got 2"):
        draw_boxes(np.zeros((1, 4)), ax=ax, labels=["a", "b"])
