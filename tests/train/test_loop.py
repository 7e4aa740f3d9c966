"""Rows, checkpoints, Ctrl-C, resuming and the message of a broken run, all in a run folder."""

import dataclasses
import json
import os
import signal
import sys
import threading

import numpy as np
import pytest

from tinymaskrcnn.config import Config, TrainConfig
from tinymaskrcnn.errors import CheckpointError, NonFiniteError
from tinymaskrcnn.train.checkpoint import save_checkpoint
from tinymaskrcnn.train.loop import StopRequest, resume, run_training
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.trainer import Trainer

TRAIN = TrainConfig(steps=6, batch_size=3, warmup_steps=2, learning_rate=0.1, seed=4, checkpoint_every=2)
TIMINGS = ("seconds", "memory_mb")


@pytest.fixture
def start(fakes, tmp_path):
    def make(name="run", **settings):
        config = Config(train=dataclasses.replace(TRAIN, **settings))
        path = tmp_path / name
        run = RunFolder.open(path) if path.exists() else RunFolder.create(path, config)
        return Trainer(fakes.fake_model(), fakes.FakeStream(), run.config.train), run

    return make


def rows_of(run):
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in read_rows(run.metrics_file)]


def assert_same(a, b):
    assert a.step == b.step
    for part in ("model", "optimizer"):
        left, right = getattr(a, part), getattr(b, part)
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])


def test_a_whole_run(start):
    trainer, run = start()
    seen = []
    assert run_training(trainer, run, on_row=seen.append)
    assert [row["step"] for row in read_rows(run.metrics_file)] == [1, 2, 3, 4, 5, 6] == [r["step"] for r in seen]
    assert run.load().step == 6
    assert sorted(os.listdir(run.path)) == ["checkpoint.npz", "config.json", "metrics.jsonl"]


def test_ctrl_c_saves_after_the_step_and_resuming_is_bit_for_bit(start):
    trainer, straight = start("straight")
    run_training(trainer, straight)

    trainer, run = start("stopped")

    def interrupt(row):
        if row["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    assert not run_training(trainer, run, on_row=interrupt)
    assert run.load().step == 3
    trainer, run = start("stopped")
    assert resume(trainer, run) == 3
    assert run_training(trainer, run)
    assert_same(run.load(), straight.load())
    assert rows_of(run) == rows_of(straight)


def test_a_last_step_between_two_checkpoints_is_kept(start):
    trainer, run = start(steps=5)
    assert run_training(trainer, run) and run.load().step == 5


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


@pytest.mark.parametrize("number", SIGNALS)
def test_whatever_asks_it_to_stop_once(start, number):
    before, (trainer, run) = signal.getsignal(number), start()
    assert not run_training(trainer, run, on_row=lambda row: row["step"] == 3 and os.kill(os.getpid(), number))
    assert run.load().step == 3 and signal.getsignal(number) is before


def test_what_a_killed_process_left_is_removed_when_a_run_goes_on(start):
    trainer, run = start()
    (run.path / ".checkpoint.npz.999999-0.tmp").write_bytes(b"half")
    resume(trainer, run)
    assert os.listdir(run.path) == ["config.json"]


def test_a_run_that_died_after_its_checkpoint_repeats_the_lost_steps_without_duplicates(start):
    trainer, straight = start("straight")
    run_training(trainer, straight)

    class PowerCut(Exception):
        pass

    def die(row):
        if row["step"] == 5:
            raise PowerCut

    trainer, run = start("dead")
    with pytest.raises(PowerCut):
        run_training(trainer, run, on_row=die)
    with open(run.metrics_file, "a") as file:
        file.write('{"step": 6, "los')  # and the last line is half written
    trainer, run = start("dead")
    assert resume(trainer, run) == 4
    assert run_training(trainer, run)
    assert_same(run.load(), straight.load())
    assert rows_of(run) == rows_of(straight)


def test_a_run_without_a_checkpoint_starts_at_the_beginning(start):
    trainer, run = start()
    assert resume(trainer, run) == 0


def test_there_is_a_checkpoint_before_the_first_step(start):
    trainer, run = start()
    trainer.train_step = lambda batches: 1 / 0  # whatever happens from here on
    with pytest.raises(ZeroDivisionError):
        run_training(trainer, run)
    assert run.load().step == 0


def test_a_finished_run_stays_as_it_is(start):
    trainer, run = start()
    run_training(trainer, run)
    before = run.checkpoint_file.read_bytes()
    trainer, run = start()
    assert resume(trainer, run) == 6
    assert run_training(trainer, run)
    assert run.checkpoint_file.read_bytes() == before


def test_the_last_good_checkpoint_survives_a_nan(start):
    trainer, run = start()

    def poison(row):
        if row["step"] == 5:
            trainer.model.head.weight.value[0, 0] = np.nan

    with pytest.raises(NonFiniteError, match=r"step 6: parameter head.weight .* weights of step 4 are kept in .*npz"):
        run_training(trainer, run, on_row=poison)
    checkpoint = run.load()
    assert checkpoint.step == 4 and np.isfinite(checkpoint.model["head.weight"]).all()
    assert all(np.isfinite(row["loss"]) for row in map(json.loads, run.metrics_file.read_text().splitlines()))


def resigned(run, change):
    """The run's checkpoint with other contents and a checksum that fits."""
    stored = run.load()
    change(stored.model, stored.optimizer)
    parts = {"model": stored.model, "optimizer": stored.optimizer}
    save_checkpoint(run.checkpoint_file, step=stored.step, config=stored.config, **parts)


STATES = {
    "no moments": (lambda model, memory: [memory.pop(n) for n in list(memory) if n != "updates"], "missing velocity"),
    "a moment more": (lambda model, memory: memory.update(velocity=np.ones(2)), "velocity .2,. fits no parameter"),
    "another optimizer": (lambda model, memory: memory.update({"mean.w": np.ones(2)}), "mean.w .2,. fits no"),
    "another shape": (lambda model, memory: memory.update({"velocity.head.bias": np.ones(9)}), "fits no parameter"),
    "a weight less": (lambda model, memory: model.pop("head.bias"), "missing .'head.bias'"),
    "a weight more": (lambda model, memory: model.update(more=np.ones(2)), "unexpected .'more'"),
    "a weight of a shape": (lambda model, memory: model.update({"head.bias": np.ones(9)}), "must have shape .4,."),
}


@pytest.mark.parametrize("case", STATES)
def test_a_checkpoint_that_fits_another_training_is_refused_by_name(start, case):
    change, sentence = STATES[case]
    run_training(*start())
    trainer, run = start()
    resigned(run, change)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        resume(trainer, run)
    assert str(caught.value).startswith(f"{run.checkpoint_file}: ") and trainer.step == 0


def test_weights_that_overflow_at_a_checkpoint_do_not_replace_the_good_ones(start):
    """The losses and gradients of the step were finite; what they made of the weights was not."""
    trainer, run = start(checkpoint_every=1)
    step = trainer.optimizer.step

    def leap(rate):
        step(rate)
        if trainer.step == 2:
            trainer.model.head.bias.value[...] = np.inf

    trainer.optimizer.step = leap
    with pytest.raises(NonFiniteError, match="not written: after step 3.*The weights of step 2 are kept in"):
        run_training(trainer, run)
    assert run.load().step == 2


def test_the_second_ctrl_c_stops_at_once(python_ctrl_c):
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is python_ctrl_c


@pytest.mark.parametrize("name, stops", [("SIGCONT", False), ("SIGTERM", True), ("SIGINT", True), ("SIGUSR1", True)])
def test_what_may_announce_the_end_is_hurried_and_the_rest_is_not(name, stops):
    """Open MPI's Ctrl-C begins with SIGCONT, which a shell's `fg` sends too: nothing stops because of it."""
    number, calls = getattr(signal, name, None) or pytest.skip(f"no {name} here"), []
    before = signal.getsignal(number)
    with StopRequest(hurry=lambda: calls.append(stop.requested)) as stop:
        os.kill(os.getpid(), number)
        assert stop.requested == stops and calls == ([stops] if name in ("SIGCONT", "SIGTERM") else [])
    assert signal.getsignal(number) is before


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signals that can be held back")
def test_a_stop_and_what_comes_along_with_it_at_once(monkeypatch):
    """`timeout` sends SIGTERM and SIGCONT together; neither is lost, and Python does not complain of a race."""
    calls, complaints = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: complaints.append(what.exc_value))
    before = signal.getsignal(signal.SIGCONT)
    both = {signal.SIGTERM, signal.SIGCONT}
    with StopRequest(hurry=lambda: calls.append(stop.requested)) as stop:
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
    assert stop.requested and calls[-1] is True and len(calls) == 2 and complaints == []
    assert signal.getsignal(signal.SIGCONT) is before


def test_signals_are_left_alone_outside_the_main_thread():
    result = []

    def work():
        with StopRequest() as stop:
            result.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert result == [False]
