"""What a cell sees, by counting, against what the gradient of one cell says."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.nn.layers import Conv2d, Linear, ReLU
from tinymaskrcnn.nn.more_layers import AvgPool2d, MaxPool2d
from tinymaskrcnn.ops.conv import conv2d_backward, conv2d_forward
from tinymaskrcnn.visualize import draw_receptive_field, receptive_field, style

window = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))


def seen_by(size, layers, cell):
    """First and one past the last pixel of a row that a cell depends on, by the gradient of convolutions of ones."""
    x, caches = np.zeros((1, 1, size, 1)), []
    for kernel, stride, padding, dilation in layers:
        weight = np.ones((1, kernel, 1, 1))
        x, cache = conv2d_forward(x, weight, None, stride=(1, stride), padding=(0, padding), dilation=(1, dilation))
        caches.append(cache)
    dx = np.zeros_like(x)
    cell = x.shape[2] // 2 if cell is None else cell
    dx[0, 0, cell, 0] = 1
    for cache in reversed(caches):
        dx = conv2d_backward(dx, cache)[0]
    pixels = np.flatnonzero(dx)
    return cell, (pixels[0], pixels[-1] + 1)


@examples(60)
@given(st.lists(window, min_size=1, max_size=4))
def test_a_field_is_what_the_gradient_reaches(layers):
    field = receptive_field(layers)[-1]
    size = 2 * field.size + 8 * field.jump + 40  # the middle cell sees no padding
    cell, seen = seen_by(size, layers, None)
    assert field.span(cell) == seen


@examples(40)
@given(st.lists(window, min_size=1, max_size=3))
def test_the_first_cell_hangs_over_the_border(layers):
    """Cells at the border see the field without what lies outside; deep inside nothing else is added."""
    field = receptive_field(layers)[-1]
    first, last = field.span(0)
    if last > 0:
        _, seen = seen_by(3 * field.size + 40, layers, 0) if _reaches(layers) else (0, None)
        if seen is not None:
            assert max(first, 0) <= seen[0] and seen[1] <= last


def _reaches(layers):
    """Without dilation and with kernels not smaller than strides there are no holes: the first cell sees something."""
    return all(dilation == 1 and kernel >= stride and padding < kernel for kernel, stride, padding, dilation in layers)


def test_fields_of_a_known_stack():
    """ResNet's stem: 7x7 stride 2, 3x3 pooling stride 2, then 3x3."""
    fields = receptive_field([(7, 2, 3), (3, 2, 1), (3, 1, 1)])
    assert [(f.size, f.jump, f.start) for f in fields] == [(7, 2, -3), (11, 4, -5), (19, 4, -9)]


def test_layers_speak_for_themselves(rng):
    layers = [
        Conv2d(1, 2, 3, stride=2, padding=1, dilation=2, rng=rng),
        MaxPool2d(3, stride=2, padding=1),
        AvgPool2d(2),
    ]
    assert receptive_field(layers) == receptive_field([(3, 2, 1, 2), (3, 2, 1), (2, 2)])


@examples(60)
@given(st.lists(window, min_size=1, max_size=4), st.integers(0, 500))
def test_cell_at_is_the_nearest(layers, pixel):
    field = receptive_field(layers)[-1]
    distance = [abs(sum(field.span(field.cell_at(pixel) + step)) / 2 - pixel - 0.5) for step in (-1, 0, 1)]
    assert distance[1] == min(distance)


STACK = [(3, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 1)]


def test_boxes_are_the_spans():
    ax = draw_receptive_field(np.zeros((32, 40, 1)), STACK, at=(12, 20), show=[0, 3], names=["stem", "end"])
    boxes = [p.get_bbox().extents.tolist() for p in ax.patches if p.get_linewidth() == 2.2]
    assert boxes[0] == [19, 11, 22, 14]  # cell 10, 6 of jump 2: 3 pixels from -1 + 20, -1 + 12
    assert boxes[1] == [11, 3, 30, 22]  # cell 5, 3 of jump 4: 19 pixels from -9 + 20, -9 + 12
    assert {"stem: 3 px, every 2", "end: 19 px, every 4"} <= set(words(ax.figure))


@pytest.mark.parametrize("shape", [(32, 32), (24, 64)])
def test_the_picture_fills_its_axes(shape):
    ax = draw_receptive_field(np.zeros(shape), STACK, at=(0, 0))
    ax.figure.canvas.draw()
    room, place = ax.get_position(original=True), ax.get_position()
    assert place.width > 0.97 * room.width and place.height > 0.97 * room.height


def test_every_layer_has_its_box_however_many_there_are():
    count = len(style.PALETTE) + 3
    ax = draw_receptive_field(np.zeros((32, 32)), [(3, 1, 1)] * count, at=(12, 20))
    boxes = [p for p in ax.patches if p.get_linewidth() == 2.2]
    assert [box.get_width() for box in boxes] == [3 + 2 * k for k in range(count)]
    looks = {(box.get_edgecolor(), str(box.get_linestyle())) for box in boxes}
    assert len(looks) == count, "the same colour comes again with another line"


def test_cells_stay_on_the_map():
    """The last pixel has no cell of its own when the stride leaves a rest: the last cell is shown."""
    ax = draw_receptive_field(np.zeros((9, 9)), [(2, 4)], at=(8, 8))
    assert [p.get_bbox().extents.tolist() for p in ax.patches if p.get_linewidth() == 2.2] == [[4, 4, 6, 6]]


def test_the_view_opens_for_the_padding():
    ax = draw_receptive_field(np.zeros((16, 16)), STACK, at=(0, 0))
    assert ax.get_xlim()[0] <= -9 and ax.get_ylim()[1] <= -9
    ax = draw_receptive_field(np.zeros((16, 16)), STACK, at=(0, 0), margin=4)
    assert -5 < ax.get_xlim()[0] <= -4


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("shape", [(32, 32), (24, 64, 1), (64, 32, 3)])
def test_legible(theme, shape):
    style.use_theme(theme)
    try:
        assert_legible(draw_receptive_field(np.zeros(shape), STACK * 2, at=(12, 12), title="What it sees").figure)
    finally:
        style.use_theme("light")


@pytest.mark.parametrize(
    "layer", [(), (3, 1, 1, 1, 1), (3, 1.5), "conv", ReLU(), Linear(2, 3, rng=np.random.default_rng(0))]
)
def test_refuses_what_has_no_window(layer):
    with pytest.raises(ArgumentError, match="receptive_field: layers must hold"):
        receptive_field([(3,), layer])


def test_refusals():
    with pytest.raises(ArgumentError, match="too small for the layers"):
        draw_receptive_field(np.zeros((4, 4)), [(3, 2), (3, 2)], at=(0, 0))
    with pytest.raises(ArgumentError, match="names must be one for each of 4 layers; got 1"):
        draw_receptive_field(np.zeros((32, 32)), STACK, at=(0, 0), names=["a"])
