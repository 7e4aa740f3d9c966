"""All operator configurations against torchvision itself, where it is installed."""

import numpy as np
import pytest
from parity import comparison, measure
from parity.operators import CONFIGURATIONS

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("torchvision", reason="needs torchvision")


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_equals_torchvision(configuration):
    from parity.torch_operators import theirs

    arrays, settings = configuration.draw()
    wrong = comparison.differences(configuration.ours(arrays, settings), theirs(configuration, arrays, settings))
    assert max(wrong.values()) <= comparison.TOLERANCE, (settings, wrong)


def test_the_stored_answers_are_those_of_today():
    from parity.torch_operators import theirs

    for configuration, (arrays, settings, want) in measure.stored().items():
        assert comparison.largest_difference(theirs(configuration, arrays, settings), want) <= 1e-12, configuration


def test_what_is_drawn_covers_the_choices():
    drawn = [(c, *c.draw()) for c in CONFIGURATIONS]
    regions = {(s["samples"], s["aligned"]) for c, _, s in drawn if c.family == "roi_align"}
    assert regions == {(samples, aligned) for samples in (0, 1, 2, 4) for aligned in (True, False)}
    assert {s["groups"] for c, _, s in drawn if c.family == "conv2d"} == {1, 2, 3}
    assert any(np.ndim(s["dilation"]) for c, _, s in drawn if c.family == "conv2d")
    assert {s["beta"] for c, _, s in drawn if c.family == "smooth_l1"} == {1 / 9, 1.0, 0.0, 0.5}
