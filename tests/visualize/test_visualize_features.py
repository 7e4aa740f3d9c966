import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.visualize import draw_feature_map, draw_pyramid, feature_maps_figure, pyramid_figure, style


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield
    style.use_theme("light")


def features(rng, shape=(6, 8, 5)):
    return rng.standard_normal(shape).astype(np.float32)


def test_a_channel_is_drawn_as_it_is(rng):
    x = features(rng)
    ax = draw_feature_map(x, channel=3, title="channel three")
    np.testing.assert_array_equal(ax.images[0].get_array(), x[:, :, 3])
    assert ax.images[0].get_extent() == [0, 8, 6, 0]
    assert_legible(ax.figure)


def test_without_a_channel_the_mean_strength_is_drawn(rng):
    x = features(rng)
    np.testing.assert_allclose(draw_feature_map(x).images[0].get_array(), np.abs(x).mean(axis=2))
    np.testing.assert_array_equal(draw_feature_map(x[:, :, 0]).images[0].get_array(), x[:, :, 0])


def test_extent_lays_the_cells_on_the_pixels_of_an_image(rng):
    ax = draw_feature_map(features(rng), extent=(0, 32, 24, 0))
    assert ax.images[0].get_extent() == [0, 32, 24, 0]


def test_a_diverging_map_is_centred_on_zero(rng):
    image = draw_feature_map(features(rng) + 1, channel=0, cmap="PuOr").images[0]
    low, high = image.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(image.get_array()).max())


def test_the_most_varied_channels_are_shown_in_one_scale(rng, theme):
    x = features(rng, (5, 5, 6)) * np.array([1, 9, 0, 5, 7, 0], np.float32)
    figure = feature_maps_figure(x, channels=3, title="layer 1")
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == ["channel 1", "channel 3", "channel 4"]
    limits = {ax.images[0].get_clim() for ax in panels}
    assert limits == {(float(x[:, :, [1, 3, 4]].min()), float(x[:, :, [1, 3, 4]].max()))}
    assert_legible(figure)


def test_named_channels_are_shown_in_the_order_given(rng):
    figure = feature_maps_figure(features(rng), channels=[4, 0])
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == ["channel 4", "channel 0"]
    assert_legible(figure)


def test_many_channels_stay_legible(rng, theme):
    figure = feature_maps_figure(features(rng, (8, 8, 16)), channels=16, columns=8)
    assert len(figure.axes) == 17
    assert_legible(figure)


@pytest.mark.parametrize("image", [None, np.zeros((64, 64, 1), np.float32)])
def test_a_pyramid_has_a_panel_for_each_level(rng, theme, image):
    pyramid = [features(rng, (1, 64 // s, 64 // s, 4)) for s in (4, 8, 16, 32, 64)]
    figure = pyramid_figure(pyramid, image)
    shown = [ax for ax in figure.axes if ax.axison]
    assert len(shown) == 5 + (image is not None)
    drawn = shown[image is not None].images[0].get_array()
    np.testing.assert_allclose(drawn, np.abs(pyramid[0][0]).mean(axis=2))
    assert any("P6: 1×1×4" in word for word in words(figure))
    assert any("a cell is 4 px" in word for word in words(figure)) == (image is not None)
    assert_legible(figure)


@pytest.mark.parametrize(("levels", "columns", "rows"), [(1, 1, 1), (4, 4, 1), (5, 3, 2), (6, 3, 2)])
def test_more_than_four_levels_stand_in_two_rows(rng, levels, columns, rows):
    figure = pyramid_figure([features(rng, (64 >> k, 64 >> k, 2)) for k in range(levels)])
    shown = [ax.get_subplotspec() for ax in figure.axes if ax.axison]
    assert len({s.colspan.start for s in shown}) == columns and len({s.rowspan.start for s in shown}) == rows
    assert figure.get_figwidth() <= 9.5


def test_a_level_that_does_not_divide_reaches_beyond_the_image(rng):
    """Three cells of 32 px become two of 64 px, of which the image of 96 px shows one and a half."""
    pyramid = [features(rng, (n, n, 4)) for n in (24, 12, 6, 3, 2)]
    figure = pyramid_figure(pyramid, np.zeros((96, 96, 1), np.float32))
    assert any(word.endswith("2×2×4, a cell is 64 px") for word in words(figure))
    last = [ax for ax in figure.axes if ax.axison][-1]
    assert last.images[0].get_extent() == [0, 32, 32, 0] and last.get_xlim() == (0, 24) and last.get_ylim() == (24, 0)
    ax = draw_pyramid(pyramid)
    assert [image.get_extent()[1] - image.get_extent()[0] for image in ax.images] == [24, 24, 24, 24, 32]
    ax.figure.draw_without_rendering()
    seen = [ax.transData.inverted().transform(image.get_clip_box()) for image in ax.images]  # corners, in cells
    np.testing.assert_allclose([high[0] - low[0] for low, high in seen], 24)


def test_what_cannot_be_drawn_is_refused(rng):
    with pytest.raises(ShapeError, match=r"\(H, W, C\) or \(H, W\)"):
        draw_feature_map(np.zeros(3))
    with pytest.raises(ArgumentError, match="one of 5 channels; got 5"):
        draw_feature_map(features(rng), channel=5)
    with pytest.raises(ArgumentError, match=r"some of 0\.\.4; got \[5\]"):
        feature_maps_figure(features(rng), channels=[5])
    with pytest.raises(ArgumentError, match="at least 1; got 0"):
        feature_maps_figure(features(rng), channels=0)
    with pytest.raises(ShapeError, match="features must be"):
        feature_maps_figure(np.zeros((2, 2)))
    with pytest.raises(ArgumentError, match="at least one level"):
        pyramid_figure([])
    with pytest.raises(ShapeError, match="each level must be"):
        pyramid_figure([np.zeros((2, 2))])


def test_a_pyramid_on_one_axes_keeps_its_levels_equally_wide(theme, rng):
    pyramid = [features(rng, (1, 8 // k, 12 // k, 3)) for k in (1, 2, 4)]
    own = style.new_figure(7, 2).add_axes((0.02, 0.02, 0.96, 0.8))
    ax = draw_pyramid(pyramid, ax=own)
    assert ax is own
    extents = np.array([image.get_extent() for image in ax.images])
    assert (extents[:, 1] - extents[:, 0] == 12).all() and (extents[:, 2] == 8).all()
    assert (extents[1:, 0] > extents[:-1, 1]).all()
    for image, level in zip(ax.images, pyramid):
        np.testing.assert_allclose(image.get_array(), np.abs(level[0]).mean(axis=2))
    assert words(ax.figure) == ["P2: 8×12×3", "P3: 4×6×3", "P4: 2×3×3"]
    assert_legible(ax.figure)
    assert_legible(draw_pyramid(pyramid).figure)
    with pytest.raises(ArgumentError, match="draw_pyramid: pyramid must hold at least one level"):
        draw_pyramid([])
