"""A profile is drawn completely, in its order, and legibly."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.train.profile import Profile, StageCost
from tinymaskrcnn.visualize import profile_figure
from tinymaskrcnn.visualize.profile import draw_stage_memory, draw_stage_times

MOST = {"forward": 8 * 10**7, "backward": 10**8}


def profile_of(stages, work="training step", batch=8):
    seconds = sum(stage.seconds for stage in stages)
    peak = max(stage.peak for stage in stages)
    return Profile(work, batch, (128, 96), "cpu", 10, seconds, tuple(stages), 0.007, peak, 18_000_000, 208.5)


def training(count=23):
    stages = [StageCost(f"a stage, number {i}", 0.001 * i, 0.002 * i, None, 10**6 * i, MOST) for i in range(1, count)]
    return profile_of([*stages, StageCost("optimizer", None, None, 0.005, 0, {"update": 9 * 10**7})])


def inference():
    stages = [StageCost("stem", 0.002, None, None, 0, {"forward": 10**5}), StageCost("FPN", 0.0, None, None, 0, {})]
    return profile_of(stages, "inference", batch=1)


@pytest.mark.parametrize("profile", [training(), training(2), inference()])
def test_every_stage_is_named_in_order_and_legible(profile):
    figure = profile_figure(profile)
    assert_legible(figure)
    left, right = figure.axes
    for ax in (left, right):
        low, high = ax.get_ylim()
        assert low > len(profile.stages) - 1 and high < 0  # the first on top, none cut off
    assert [label.get_text() for label in left.get_yticklabels()] == [stage.stage for stage in profile.stages]


def test_times_stand_side_by_side():
    ax = draw_stage_times(training())
    bars = {container.get_label(): container.patches for container in ax.containers}
    assert set(bars) == {"forward", "backward", "update"}
    third = [bars[name][2] for name in ("forward", "backward")]
    assert [bar.get_width() for bar in third] == pytest.approx([3, 6])
    assert third[0].get_y() + third[0].get_height() <= third[1].get_y() + 1e-9
    assert bars["update"][22].get_width() == pytest.approx(5)
    assert any("9.0 ms, 1%" in text for text in words(ax.figure))


def test_inference_has_no_words_about_backward():
    said = words(profile_figure(inference()))
    assert "backward" not in said and "kept for backward" not in said
    assert any("inference of 1 picture of 96x128: 2 ms" in text for text in said)


def test_memory_shows_what_is_kept_and_the_most_in_use():
    ax = draw_stage_memory(training())
    [kept] = ax.containers
    assert kept.patches[4].get_width() == pytest.approx(5)
    peaks = {line.get_label(): line for line in ax.lines}
    assert list(peaks) == ["in use: forward", "backward", "update"]
    np.testing.assert_allclose(peaks["backward"].get_xdata(), [100] * 22)
    assert peaks["update"].get_xydata().tolist() == [[90, 22]]
    assert ax.get_xlim()[1] > 100
