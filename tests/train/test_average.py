"""The mean of the weights: as torch makes it, beside a training that it does not touch, and across stops."""

import dataclasses
import os
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.config import Config, ModelConfig, TrainConfig
from tinymaskrcnn.config_whole import check_data
from tinymaskrcnn.errors import CheckpointError, ConfigError
from tinymaskrcnn.nn import Sequential
from tinymaskrcnn.nn.layers import BatchNorm2d, Linear
from tinymaskrcnn.train.average import WeightAverage
from tinymaskrcnn.train.loop import resume, run_training
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.trainer import Trainer

TRAIN = TrainConfig(steps=6, batch_size=3, warmup_steps=2, learning_rate=0.1, seed=4, checkpoint_every=2, average=0.7)


@pytest.fixture
def start(fakes, tmp_path):
    def make(name="run", **settings):
        path = tmp_path / name
        config = Config(train=dataclasses.replace(TRAIN, **settings))
        run = RunFolder.open(path) if path.exists() else RunFolder.create(path, config)
        return Trainer(fakes.fake_model(), fakes.FakeStream(), dataclasses.replace(TRAIN, **settings)), run

    return make


def network(seed=0):
    return Sequential(fc=Linear(2, 3, rng=np.random.default_rng(seed)), norm=BatchNorm2d(3))


def walked(decay, steps):
    """The mean after so many steps of random weights, and these, all by name."""
    model, rng, walk = network(), np.random.default_rng(1), []
    average = WeightAverage(model, decay)
    for step in range(1, steps + 1):
        model.load_state_dict({name: rng.random(a.shape).astype(a.dtype) for name, a in model.state_dict().items()})
        walk.append(model.state_dict())
        average.follow(step)
    return average.arrays, walk


@given(st.floats(0, 0.9999), st.integers(1, 12))
def test_the_mean_by_its_definition(decay, steps):
    """Step k counts share_k times what later steps leave of it: at first 1/n each, at last a power of the decay."""
    mean, walk = walked(decay, steps)
    shares = [max(1 - decay, 1 / step) for step in range(1, steps + 1)]
    counts = [share * np.prod([1 - later for later in shares[k + 1 :]]) for k, share in enumerate(shares)]
    assert sum(counts) == pytest.approx(1)
    for name, array in mean.items():
        wanted = sum(count * weights[name] for count, weights in zip(counts, walk))
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)
    assert set(mean) == set(network().state_dict()) > {"norm.running_var"}


@pytest.mark.parametrize("decay, kind", [(0.9999, "mean"), (0.0, "last"), (0.6, "exponential")])
def test_torch_makes_the_same_mean(decay, kind):
    torch = pytest.importorskip("torch", reason="the mean is compared with torch's where torch is installed")
    from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

    mean, walk = walked(decay, 9)
    theirs = torch.nn.ParameterDict({name.replace(".", "_"): torch.tensor(a) for name, a in walk[0].items()})
    ema = {} if kind == "mean" else {"avg_fn": get_ema_avg_fn(decay)}
    averaged = AveragedModel(theirs, **ema)
    late = 2 if kind == "exponential" else 0  # of three the mean is plain here, and of two with a share of 0.4 is not
    if late:
        plain = AveragedModel(theirs)
        for weights in walk[:late]:
            _write(theirs, weights)
            plain.update_parameters(theirs)
        averaged.load_state_dict(plain.state_dict())
    for weights in walk[late:]:
        _write(theirs, weights)
        averaged.update_parameters(theirs)
    for name, array in mean.items():
        wanted = averaged.module[name.replace(".", "_")].detach().numpy()
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)


def _write(parameters, weights):
    for name, array in weights.items():
        parameters[name.replace(".", "_")].data = parameters[name.replace(".", "_")].new_tensor(array)


# ---------------------------------------------------------------- in a training


def test_a_training_takes_the_same_steps_beside_it_and_ends_with_the_mean(start):
    plain, _ = start("plain", average=0.0)
    trainer, _ = start()
    steps, own = [], []
    for row, other in zip(plain.rows(), trainer.rows(), strict=True):
        assert row["loss"] == other["loss"] and row["gradient_norm"] == other["gradient_norm"]
        own.append(trainer.state_dict()["optimizer"])
        steps.append(plain.model.state_dict())
        if trainer.step < 6:
            assert all(np.array_equal(a, steps[-1][n]) for n, a in trainer.model.state_dict().items())
    for step, entries in zip(steps, own):
        assert all(np.array_equal(entries[f"last.{name}"], array) for name, array in step.items())
    shares = [1, 1 / 2, 1 / 3, 0.3, 0.3, 0.3]
    wanted = steps[0]
    for share, weights in zip(shares[1:], steps[1:]):
        wanted = {name: array + share * (weights[name] - array) for name, array in wanted.items()}
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-5, atol=1e-7)
        assert not np.array_equal(array, steps[-1][name])
    again = trainer.state_dict()  # the weights of the last step are not lost
    assert all(np.array_equal(again["optimizer"][f"last.{name}"], array) for name, array in steps[-1].items())
    assert all(np.array_equal(again["model"][name], array) for name, array in trainer.model.state_dict().items())


def test_a_kill_before_the_second_checkpoint_changes_nothing(start):
    trainer, straight = start("straight")
    run_training(trainer, straight)
    trainer, run = start("killed")
    with pytest.raises(ZeroDivisionError):
        run_training(trainer, run, on_row=lambda row: 1 / 0)
    trainer, run = start("killed")
    assert resume(trainer, run) == 0 and run_training(trainer, run)
    assert all(np.array_equal(array, straight.load().model[name]) for name, array in run.load().model.items())


@pytest.mark.parametrize("stop", range(1, 7))
def test_a_stop_anywhere_changes_nothing(start, stop):
    trainer, straight = start("straight")
    run_training(trainer, straight)
    ended = trainer.model.state_dict()

    trainer, run = start("stopped")
    interrupt = lambda row: row["step"] == stop and os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    assert run_training(trainer, run, on_row=interrupt) == (stop == 6)
    stored = run.load()
    assert stored.step == stop
    assert all(np.array_equal(array, stored.model[name]) for name, array in trainer.model.state_dict().items())
    trainer, run = start("stopped")
    assert resume(trainer, run) == stop
    assert run_training(trainer, run)
    for part in ("model", "optimizer"):
        got, wanted = (getattr(one.load(), part) for one in (run, straight))
        assert got.keys() == wanted.keys()
        assert all(np.array_equal(got[name], array) for name, array in wanted.items())
    assert all(np.array_equal(trainer.model.state_dict()[name], array) for name, array in ended.items())
    assert all(np.array_equal(run.load().model[name], array) for name, array in ended.items())


def test_a_finished_run_goes_on_from_its_own_weights_not_from_their_mean(start):
    longer, run = start("longer", steps=9, schedule="constant", warmup_steps=0)
    run_training(longer, run)
    first, run = start("first", schedule="constant", warmup_steps=0)
    run_training(first, run)
    then, run = start("first", steps=9, schedule="constant", warmup_steps=0)
    assert resume(then, run.reconfigured(dataclasses.replace(run.config, train=then.config))) == 6
    list(then.rows())
    for name, array in longer.model.state_dict().items():
        np.testing.assert_array_equal(then.model.state_dict()[name], array)


def test_weights_of_a_training_without_a_mean_are_where_one_begins(start):
    trainer, _ = start("plain", average=0.0)
    list(trainer.rows())
    state = trainer.state_dict()
    begun, _ = start()
    begun.load_state(step=0, model=state["model"], optimizer={})
    for name, array in begun.model.state_dict().items():
        np.testing.assert_array_equal(array, state["model"][name])
        np.testing.assert_array_equal(begun.state_dict()["model"][name], state["model"][name])


def cut(state, part, name):
    state[part][name] = state[part][name][:1]


@pytest.mark.parametrize("part, prefix", [("model", ""), ("optimizer", "last.")])
@pytest.mark.parametrize("damage, said", [(lambda *at: at[0][at[1]].pop(at[2]), "missing"), (cut, "must have shape")])
def test_a_checkpoint_that_does_not_fit_is_told(start, part, prefix, damage, said):
    trainer, _ = start()
    next(trainer.rows())
    state, name = trainer.state_dict(), next(iter(trainer.model.state_dict()))
    damage(state, part, prefix + name)
    with pytest.raises(CheckpointError, match=f"{said}.*|{name}.*{said}"):
        start("other")[0].load_state(**state)


def test_a_trainer_goes_on_from_the_last_weights_where_it_has_shown_the_mean(start):
    longer, _ = start("longer", steps=9, schedule="constant", warmup_steps=0)
    list(longer.rows())
    trainer, _ = start("first", schedule="constant", warmup_steps=0)
    list(trainer.rows())
    trainer.config = dataclasses.replace(trainer.config, steps=9)
    list(trainer.rows())
    for name, array in longer.model.state_dict().items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name], array)


def test_settings_that_do_not_fit():
    with pytest.raises(ConfigError, match=r"train\.average must be a number in 0\.\..*; got 1\.0"):
        TrainConfig(average=1.0)
    for procedure, system in (("alternating", "mask_rcnn"), ("stages", "rcnn")):
        with pytest.raises(ConfigError, match=f"train.average must be 0 for train.procedure '{procedure}'.*; got 0.9"):
            check_data(fitting(procedure, system, average=0.9))
        check_data(fitting(procedure, system))
    check_data(fitting("pretrain", "mask_rcnn", average=0.9))


def fitting(procedure, system, **settings):
    heads = ("box",) if system == "rcnn" else ("box", "mask")
    train = TrainConfig(procedure=procedure, train_scenes=8, **settings)
    return Config(model=ModelConfig(system=system, heads=heads), train=train)
