"""Procedures by name: the settings know all of them, and each goes on where its run stopped, bit for bit."""

import numpy as np
import pytest

from tinymaskrcnn import config_rules
from tinymaskrcnn.config import Config, TrainConfig
from tinymaskrcnn.train.procedures import PROCEDURES, Training, joint
from tinymaskrcnn.train.run import RunFolder


def test_the_rules_and_the_table_have_the_same_names():
    assert tuple(PROCEDURES) == config_rules.PROCEDURES


@pytest.mark.parametrize("stopped", [0, 2, 4])
def test_joint_training_goes_on_where_it_stopped(tmp_path, fakes, stopped):
    def train(name, steps):
        config = Config(train=TrainConfig(steps=steps, schedule="constant", batch_size=2, checkpoint_every=2))
        folder = tmp_path / name
        run = RunFolder(folder, config) if folder.exists() else RunFolder.create(folder, config)
        training = Training(fakes.fake_model(), fakes.FakeStream(), run)
        began = []
        assert joint(training, on_start=began.append) is True
        return began, training.model.state_dict()

    _, whole = train("whole", 4)
    if stopped:
        train("parts", stopped)
    began, parts = train("parts", 4)
    assert began == [stopped]
    assert all(np.array_equal(parts[name], whole[name]) for name in whole)
