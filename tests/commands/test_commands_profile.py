"""`tinymaskrcnn profile` prints a table that adds up, draws it, and writes its figures."""

import json

import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.commands.profile import profile_table
from tinymaskrcnn.train.profile import Profile, StageCost


def numbers(line):
    return [float(word.rstrip("%")) for word in line.split() if word[0].isdigit()]


def test_a_training_step(tmp_path, tiny_words, capsys):
    picture, file = tmp_path / "new" / "er" / "p.png", tmp_path / "p.json"
    words = ["--steps", "2", "--batch-size", "3", "--threads", "1", "--out", str(picture), "--json", str(file)]
    assert cli.main(["profile", *tiny_words(), "--set", "train.batch_size=3", *words]) == 0
    captured = capsys.readouterr()
    assert "training step: 3 x 64x64 pixels, 1 thread," in captured.out and "mask head" in captured.out
    assert f"wrote {picture}" in captured.err and Image.open(picture).size[0] > 800
    found = json.loads(file.read_text())
    assert (found["work"], found["batch"], found["threads"]) == ("training step", 3, 1)
    assert 0.8 < sum(stage["share"] for stage in found["stages"]) <= 1
    assert found["peak"] > 0 and sum(stage["kept"] for stage in found["stages"]) > 0


def test_a_run_and_inference(run, tmp_path, capsys):
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    words = ["--run", str(run), "--inference", "--steps", "1", "--batch-size", "1", "--out", str(tmp_path / "p.svg")]
    assert cli.main(["profile", *words]) == 0
    out = capsys.readouterr().out
    assert "inference: 1 x 64x64" in out and "masks pasted" in out and "optimizer" not in out
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before
    assert cli.main(["profile", "--run", str(run), "--steps", "1", "--out", str(tmp_path / "p.png")]) == 0
    assert "training step: 2 x 64x64" in capsys.readouterr().out


def test_mistakes_are_found_before_anything_is_computed(run, tmp_path, fails):
    assert "--out must end in .png" in fails("profile", "--out", tmp_path / "p.gif")
    assert "leave out --scenes, --set" in fails("profile", "--run", run, "--scenes", "clean", "--set", "train.steps=3")
    assert "there is no setting 'train.stpes'" in fails("profile", "--set", "train.stpes=3")


@pytest.mark.parametrize("words", [["--steps", "0"], ["--batch-size", "-1"], ["--threads", "two"]])
def test_numbers_are_whole_and_positive(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(["profile", *words])
    assert "must be a whole number, at least 1" in capsys.readouterr().err


def profile_of(work, *stages, device="cpu"):
    return Profile(work, 8, (96, 128), device, 10, 0.1, stages, 0.007, 5_000_000, 3_000_000, None)


def test_the_lines_of_the_table():
    head = StageCost("mask head", 0.03, 0.06, None, 2_000_000, {"forward": 4_000_000, "backward": 5_000_000})
    table = profile_table(
        profile_of("training step", head, StageCost("optimizer", None, None, 0.01, 0, {"update": 10})), threads=2
    )
    lines = {line[:24].strip(): line[24:] for line in table.splitlines()}
    assert numbers(lines["mask head"]) == [30, 60, 90, 90, 2, 5]
    assert numbers(lines["optimizer"]) == [10, 10, 0]  # no forward, no backward, nothing kept
    assert numbers(lines["all stages"]) == [30, 60, 100, 100, 2, 5]
    assert "128x96 pixels, 2 threads, the middle half of 10 steps: 100.0 ms" in table
    assert "128x96 pixels, 1 thread, the middle" in profile_table(profile_of("training step", head))
    assert "beyond 3.0 MB of weights, gradients and optimizer" in table


def test_inference_has_no_column_of_zeros_and_a_device_is_explained():
    table = profile_table(
        profile_of("inference", StageCost("stem", 0.1, None, None, 0, {"forward": 10}), device="cuda")
    )
    [total] = [line for line in table.splitlines() if line.startswith("all stages")]
    assert numbers(total) == [100, 100, 100, 5]
    assert "the host waits for the device at the border of every stage" in table and "1 thread" not in table


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_the_figures_of_a_device_mean_is_said_there_only(device):
    stage = StageCost("stem", 0.01, 0.02, None, 5, {"forward": 7})
    made = Profile("inference", 1, (64, 64), device, 3, 0.03, (stage,), 0.1, 7, 10**6, None)
    lines = profile_table(made, threads=1).splitlines()
    assert "beyond 1.0 MB of weights and scratch memory that outlives a step" in lines
    pool = "in use, on a device, is what its memory pool has handed out at these borders"
    assert (pool in lines) == (device == "cuda")
    assert any(line.startswith("the host waits for the device") for line in lines) == (device == "cuda")
    assert not any(line.startswith("the process holds") for line in lines) and "making the data: 100.0 ms" in lines
