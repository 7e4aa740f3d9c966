"""The picture of gradients over a training: a curve for each stage, a matrix for each place where losses meet."""

import numpy as np
import pytest
from visualize.pictures import flow

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.gradient_flow import PLACES, GradientFlow
from tinymaskrcnn.visualize.gradient_flow import gradient_flow_figure


def test_curves_and_matrices_are_those_of_the_flow():
    watched = flow()
    curves, *matrices = gradient_flow_figure(watched).axes
    for line, (stage, (steps, lengths)) in zip(curves.lines, watched.series().items()):
        assert line.get_label() == stage and list(line.get_xdata()) == steps
        np.testing.assert_allclose(line.get_ydata(), lengths)
    for ax, place in zip(matrices, PLACES, strict=True):
        cosines = watched.mean_cosines(place)
        written = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in ax.texts}
        wanted = {(i, j): f"{cosines[i, j]:+.2f}" for i in range(3) for j in range(3) if i != j}
        assert written == {at: text for at, text in wanted.items() if text != "+nan"}
        assert ax.get_title("left") == place


def test_without_a_look_there_is_nothing_to_draw():
    with pytest.raises(ArgumentError, match="call look at least once"):
        gradient_flow_figure(GradientFlow())
