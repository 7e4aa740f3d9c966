"""Run folders are claimed once, opened with a helpful error, and numbered."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from tinymaskrcnn.config import Config, TrainConfig
from tinymaskrcnn.errors import ArgumentError, CheckpointError, ConfigError
from tinymaskrcnn.train.run import RunFolder, latest_run_path, next_run_path

CONFIG = Config(train=TrainConfig(steps=5))
STATE = {"step": 2, "model": {"w": np.ones(2)}, "optimizer": {}}


def test_a_new_run_opens_with_the_same_configuration(tmp_path):
    RunFolder.create(tmp_path / "a" / "b", CONFIG)
    assert RunFolder.open(tmp_path / "a" / "b").config == CONFIG


def test_the_folder_of_the_data_is_remembered(tmp_path):
    RunFolder.create(tmp_path / "a", CONFIG, data_dir=tmp_path)
    assert RunFolder.open(tmp_path / "a").data_dir == str(tmp_path.resolve())
    assert RunFolder.open(RunFolder.create(tmp_path / "b", CONFIG).path).data_dir is None


def test_an_existing_run_is_not_overwritten(tmp_path):
    RunFolder.create(tmp_path, CONFIG)
    with pytest.raises(ArgumentError, match="already holds a run; continue it with --resume, or choose another --out"):
        RunFolder.create(tmp_path, CONFIG)


def test_a_folder_with_other_files_is_not_taken(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ArgumentError, match="is not a run; choose another"):
        RunFolder.create(tmp_path, CONFIG)
    with pytest.raises(ArgumentError, match="is not a run; choose another"):
        RunFolder.create(tmp_path / "thesis.txt", CONFIG)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_opening_what_is_no_run_points_at_one_that_is(tmp_path):
    with pytest.raises(ArgumentError, match="not a run folder"):
        RunFolder.open(tmp_path / "nowhere")
    RunFolder.create(tmp_path / "007", CONFIG)
    with pytest.raises(ArgumentError, match="did you mean .*007"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"surprise": 1}', "[]"])
def test_a_broken_configuration(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError):
        RunFolder.open(tmp_path)


def test_checkpoints_belong_to_the_configuration(tmp_path):
    run = RunFolder.create(tmp_path, CONFIG)
    run.save(STATE)
    assert run.load().step == 2
    longer = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, steps=9))
    assert run.reconfigured(longer).load().step == 2
    assert RunFolder.open(tmp_path).config.train.steps == 9
    other = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, learning_rate=0.5))
    with pytest.raises(CheckpointError, match="train.learning_rate is 0.02 there and 0.5 here"):
        run.reconfigured(other).load()


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / "config.json.tmp").write_text("{")  # killed while claiming the folder
    run = RunFolder.create(tmp_path, CONFIG)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    hidden = [
        f".{name}" for name in (f"a.{dead.pid}-7.tmp", f"curves.png.{dead.pid}.tmp", f"found.json.{dead.pid}.part")
    ]
    for name in ("checkpoint.npz.tmp", *hidden):
        (tmp_path / name).write_bytes(b"half")
    living = tmp_path / f".evaluation.json.{os.getppid()}.tmp"
    living.write_bytes(b"half")
    run.clean()
    assert sorted(os.listdir(tmp_path)) == sorted([living.name, "config.json"])


def test_numbers(tmp_path):
    assert next_run_path(tmp_path).name == "001"
    assert latest_run_path(tmp_path) is None
    for name in ("001", "004", "named"):
        RunFolder.create(tmp_path / name, CONFIG)
    assert next_run_path(tmp_path).name == "005"
    for age, name in enumerate(("001", "named", "004")):
        os.utime(tmp_path / name / "config.json", (age, age))
    assert latest_run_path(tmp_path).name == "004"


def test_a_folder_may_be_a_text(tmp_path):
    folder = str(tmp_path)
    assert (next_run_path(folder), latest_run_path(folder)) == (tmp_path / "001", None)
    RunFolder.create(f"{folder}/001", CONFIG)
    assert (next_run_path(folder), latest_run_path(folder)) == (tmp_path / "002", tmp_path / "001")
    assert RunFolder.open(f"{folder}/001").path == tmp_path / "001"
