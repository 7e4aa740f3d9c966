"""The backward as a picture: what is drawn are the gradients of the model itself."""

import dataclasses

import matplotlib
import numpy as np
import pytest
from drawing_checks import assert_legible, words
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.explain import loss_gradients
from tinymaskrcnn.visualize import gradients_figure, use_theme


@pytest.fixture(scope="module")
def drawn():
    images, targets = tiny_scene(objects=(2, 1))
    model = tiny_model(seed=3)
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    return model, images, targets, losses, cache, loss_gradients(model, losses, cache)


def panels(figure):
    """The arrays that are drawn below the picture, row by row."""
    return [ax.images[0].get_array() for ax in figure.axes[1:]]


def test_what_is_drawn_are_the_gradients_of_the_model(drawn):
    """The last row adds up the others; it is held against one backward of all losses, which nothing here has seen."""
    model, images, _, losses, cache, gradients = drawn
    found = panels(gradients_figure(gradients, images[1], of=1))
    columns = 1 + len(next(iter(gradients.values())).dpyramid)
    assert len(found) == (len(losses) + 1) * columns
    for row, name in enumerate(losses):
        alone = model.backward({other: float(other == name) for other in losses}, cache)
        np.testing.assert_array_equal(found[row * columns], alone[1].sum(axis=2))
        for k, level in enumerate(gradients[name].dpyramid):
            np.testing.assert_array_equal(found[row * columns + 1 + k], np.abs(level[1]).mean(axis=2))
    whole = model.backward({name: 1.0 for name in losses}, cache)
    np.testing.assert_allclose(found[-columns], whole[1].sum(axis=2), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_legible_and_says_what_it_shows(drawn, theme):
    _, images, targets, losses, _, gradients = drawn
    with matplotlib.rc_context():
        use_theme(theme)
        figure = gradients_figure(gradients, images[0], boxes=targets.boxes[0], title="the way back")
        assert_legible(figure)
    said = words(figure)
    assert all(f"{name.replace('_', chr(10), 1)}\n{float(loss):.3g}" in said for name, loss in losses.items())
    lengths = [np.linalg.norm(level[0]) for level in gradients["mask"].dpyramid]
    assert all((f"{length:.2g}" if length else "0") in said for length in lengths)
    assert 0 in lengths  # no mask is cut from the coarsest level, and the panel says so
    assert any(word.startswith("P2: 16×16×4") for word in said)


def test_frozen_layers_and_one_loss_alone(drawn):
    images, gradients = drawn[1], drawn[5]
    alone = {"mask": dataclasses.replace(gradients["mask"], dimages=None)}
    figure = gradients_figure(alone, images[0])
    assert "frozen" in words(figure) and len(figure.axes) == 1 + 1 + len(gradients["mask"].dpyramid)


def test_what_does_not_fit_is_refused(drawn):
    images, gradients = drawn[1], drawn[5]
    with pytest.raises(ArgumentError, match="at least one loss"):
        gradients_figure({}, images[0])
    with pytest.raises(ArgumentError, match=r"of must be a picture of the batch, 0\.\.1; got 2"):
        gradients_figure(gradients, images[0], of=2)
    with pytest.raises(ShapeError, match=r"the shape \(64, 64, 1\) of its gradient; got \(32, 64, 1\)"):
        gradients_figure(gradients, images[0, :32])
