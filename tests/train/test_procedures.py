"""Procedures by name: the settings know all of them, and each goes on where its run stopped, bit for bit."""

import importlib

import numpy as np
import pytest
from pretended_cupy import pretended

from tinymaskrcnn import config_rules
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, TrainConfig
from tinymaskrcnn.models.build import build_model
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


class Looks:
    """A watcher that remembers when it was called."""

    def __init__(self, fails_at=None):
        self.calls, self.fails_at = [], fails_at

    def begin(self, trainer):
        self.calls.append(("begin", trainer.step))

    def look(self, trainer, row):
        self.calls.append((trainer.step, row["step"]))
        if row["step"] == self.fails_at:
            raise RuntimeError("seen enough")

    def end(self):
        self.calls.append("end")


def test_watchers_look_on_from_the_first_step_to_the_end_whatever_happens(tmp_path, fakes):
    config = Config(train=TrainConfig(steps=3, schedule="constant", batch_size=2, checkpoint_every=2))

    def train(name, watchers):
        run = RunFolder.create(tmp_path / name, config)
        training = Training(fakes.fake_model(), fakes.FakeStream(), run, watchers=watchers)
        assert joint(training) is True
        return training.model.state_dict()

    one, other = Looks(), Looks()
    watched, alone = train("watched", (one, other)), train("alone", ())
    assert one.calls == other.calls == [("begin", 0), (1, 1), (2, 2), (3, 3), "end"]
    assert all(np.array_equal(watched[name], alone[name]) for name in alone)
    with pytest.raises(RuntimeError, match="seen enough"):
        train("broken", (broken := Looks(fails_at=2),))
    assert broken.calls[-1] == "end"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    "name, trainer, steps",
    [
        ("joint", "procedures.Trainer", 6),
        ("pretrain", "procedures.Trainer", 6),
        ("alternating", "alternating.StepTrainer", 2),
    ],
)
def test_a_procedure_trains_on_the_device_that_it_is_given(tmp_path, monkeypatch, name, trainer, steps, device):
    """With the run's own settings, and a bar for all of its steps."""
    settings = {"train.steps": 6, "train.procedure": name, "model.backbone.widths": (4, 4, 4, 4)}
    config = override(Config(), settings | {"model.backbone.depths": (1, 1, 1, 1), "model.backbone.stem_width": 4})
    run = RunFolder.create(tmp_path / "run", config)
    (tmp_path / "run" / ".checkpoint.npz.999999-0.tmp").write_bytes(b"half")  # what a killed process left
    seen, bars, began = [], [], []

    place, _, attribute = trainer.partition(".")
    module = importlib.import_module(f"tinymaskrcnn.train.{place}")
    real = getattr(module, attribute)
    with pretended():
        model = build_model(config.model, rng=np.random.default_rng(0))
        model = model if device == "cpu" else model.to_device(device)

        def started(*args, **options):
            made = real(*args, **options)
            seen.append((made.config, options["device"], type(next(iter(made.model.parameters())).value)))
            parts = {type(p.value) for p in made.model.parameters()}
            assert len(parts) == 1, "all of it lives there"
            return made

        monkeypatch.setattr(module, attribute, started)
        own = importlib.import_module(PROCEDURES[name].__module__)
        monkeypatch.setattr(own, "run_training", lambda *_, **__: False)
        before = own.Progress
        monkeypatch.setattr(own, "Progress", lambda *a, **k: bars.append((a, k)) or before(*a, **k))
        assert PROCEDURES[name](Training(model, None, run, device), on_start=began.append) is False
    [(settings, given, kind)] = seen
    assert given == device and (kind is np.ndarray) == (device == "cpu") and settings.steps == steps
    assert bars == [((6,), {"start": 0})] and began == [0]
    assert not list((tmp_path / "run").glob(".*"))
