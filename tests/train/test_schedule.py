"""The learning rate at hand-computed steps."""

import pytest

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.train.schedule import learning_rate


def rates(**settings):
    config = TrainConfig(steps=100, learning_rate=0.4, **settings)
    return lambda step: learning_rate(step, config)


def test_warm_up_is_linear_and_ends_at_the_full_rate():
    rate = rates(schedule="constant", warmup_steps=4)
    assert [rate(step) for step in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4], abs=1e-15)


def test_steps_divide_by_ten_at_each_milestone():
    rate = rates(schedule="step", warmup_steps=0, step_milestones=(0.5, 0.9))
    wanted = {0: 0.4, 49: 0.4, 50: 0.04, 89: 0.04, 90: 0.004, 99: 0.004}
    assert {step: rate(step) for step in wanted} == pytest.approx(wanted)


def test_cosine_falls_from_the_end_of_the_warm_up_to_zero():
    rate = rates(schedule="cosine", warmup_steps=20)
    assert rate(19) == pytest.approx(0.4)
    assert rate(20) == pytest.approx(0.4)
    assert rate(60) == pytest.approx(0.2)  # half way: half the rate
    assert rate(80) == pytest.approx(0.4 * (1 - 2**-0.5) / 2)
    assert rate(100) == pytest.approx(0.0, abs=1e-15)
    assert rate(150) == pytest.approx(0.0, abs=1e-15)


def test_a_run_that_is_shorter_than_its_warm_up():
    rate = rates(schedule="cosine", warmup_steps=200)
    assert rate(99) == pytest.approx(0.2)


def test_a_run_that_is_all_warm_up_ends_with_its_full_rate():
    rate = rates(schedule="cosine", warmup_steps=100)
    assert rate(99) == rate(100) == pytest.approx(0.4) and rate(101) == pytest.approx(0, abs=1e-15)


def test_unknown_schedule():
    with pytest.raises(ConfigError, match="'constant', 'step' or 'cosine'; got 'linear'"):
        rates(schedule="linear", warmup_steps=0)(0)
