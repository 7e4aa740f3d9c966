"""`tinymaskrcnn train` from end to end on a very small model: files, resuming, Ctrl-C, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.run import RunFolder

TIMINGS = ("seconds", "memory_mb")


def rows_of(folder):
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in read_rows(folder / "metrics.jsonl")]


def test_a_run_folder_holds_everything(run):
    assert sorted(os.listdir(run)) == [
        "anchors.png",
        "checkpoint.npz",
        "config.json",
        "curves.png",
        "detections.png",
        "evaluation.json",
        "metrics.jsonl",
    ]
    assert [row["step"] for row in read_rows(run / "metrics.jsonl")] == [1, 2, 3, 4]
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["scenes"] == 2 and "AP50" in evaluation["segm"]
    assert Image.open(run / "detections.png").size[0] > 200


@pytest.mark.parametrize("box_gradient", ["none", pytest.param("features+targets", marks=pytest.mark.long)])
def test_two_steps_and_two_more_equal_four_bit_for_bit(train, tmp_path, capsys, box_gradient):
    folder = tmp_path / "halves"
    kind = {"train__schedule": "constant", "model__box_gradient": box_gradient}
    assert train(folder, train__steps=2, **kind) == 0
    assert cli.main(["train", "--out", str(folder), "--resume", "--steps", "4"]) == 0
    assert "continuing after step 2" in capsys.readouterr().err
    whole = tmp_path / "whole"
    assert train(whole, **kind) == 0
    assert rows_of(folder) == rows_of(whole)
    a, b = RunFolder.open(folder).load(), RunFolder.open(whole).load()
    for part in ("model", "optimizer"):
        for name, array in getattr(a, part).items():
            np.testing.assert_array_equal(array, getattr(b, part)[name])


def test_pages_are_learned_from_weights_that_know_digits(run, train, tmp_path, capsys):
    """A model that looks at ink, on pages of all kinds, from another run's weights: no step changes none."""
    pages = {"scenes__surface": "any", "scenes__digit_size": [14, 40], "model__ink": True}
    assert train(tmp_path / "warm", "--model", run, train__steps=0, train__eval_scenes=0, **pages) == 0
    assert "starting anew" not in capsys.readouterr().err
    before, after = (RunFolder.open(folder).load().model for folder in (run, tmp_path / "warm"))
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    assert train(tmp_path / "learned", "--model", run, train__steps=2, train__eval_scenes=1, **pages) == 0
    assert RunFolder.open(tmp_path / "learned").config.model.ink
    assert "--freeze needs --data coco" in _refused(train, tmp_path / "frozen", "--freeze", 1, capsys=capsys)


def _refused(train, *words, capsys):
    assert train(*words) == 2
    return capsys.readouterr().err


def test_ctrl_c_in_a_real_process_saves_and_says_how_to_go_on(tmp_path, tiny_words):
    settings = tiny_words(train__steps=100_000)
    command = [sys.executable, "-m", "tinymaskrcnn", "train", "--out", "run", *settings]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while len(read_rows(metrics)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped and saved. Continue with: tinymaskrcnn train --out run --resume" in stderr
    assert "Traceback" not in stderr
    assert RunFolder.open(tmp_path / "run").load().step == len(read_rows(metrics)) >= 3


def test_a_run_is_not_overwritten(run, fails):
    assert "already holds a run; continue it with --resume, or choose another --out" in fails("train", "--out", run)


def test_resuming_keeps_the_settings_of_the_run(run, fails):
    line = fails("train", "--out", run, "--resume", "--seed", 3, "--batch-size", 4)
    assert "leave out --seed, --batch-size" in line


def test_resuming_nothing(tmp_path, monkeypatch, fails):
    monkeypatch.chdir(tmp_path)
    assert "there is no run in runs/" in fails("train", "--resume")
    assert "is not a run folder" in fails("train", "--resume", "--out", "nowhere")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--steps", "-1"], "train.steps must be a whole number in 0..1e9; got -1"),
        (["--set", "train.stepz=3"], "there is no setting 'train.stepz'; did you mean train.steps?"),
        (["--set", "scenes.noise"], "--set needs NAME=VALUE"),
        (["--set", "scenes.noise=loud"], "scenes.noise must be a number in 0..1; got 'loud'"),
        (["--set", "train.optimizer=lion"], "optimizer must be 'sgd' or 'adamw'; got 'lion'"),
        (["--set", "model.num_classes=3"], "model.num_classes must count class_names"),
        (["--set", "model.backbone.in_channels=3"], "image_mean must have as many entries as backbone.in_channels, 3"),
        (["--data", "no/such/folder"], "--data must be 'digits', 'mnist' or a folder"),
        (["--config", "missing.json"], "missing.json: there is no such file"),
    ],
)
def test_bad_settings_fail_before_a_folder_is_made(tmp_path, monkeypatch, words, message, fails):
    monkeypatch.chdir(tmp_path)
    assert message in fails("train", "--out", "run", *words)
    assert os.listdir(tmp_path) == []


def test_an_empty_data_folder(tmp_path, fails):
    (tmp_path / "empty").mkdir()
    line = fails("train", "--out", tmp_path / "run", "--data", tmp_path / "empty")
    assert "MNIST was not found" in line and "tinymaskrcnn data mnist" in line
    assert not (tmp_path / "run").exists()


def test_a_preset_is_where_a_new_run_on_scenes_starts(run, fails):
    assert "--preset is for scenes of digits" in fails("train", "--preset", "tour", "--data", "coco")
    assert "leave out --preset" in fails("train", "--out", run, "--resume", "--preset", "tour")
