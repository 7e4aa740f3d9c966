"""`tinymaskrcnn history` from the command line, on trainings of a few steps."""

import dataclasses
import json

import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.studies import history

SYSTEMS = ["rcnn", "fast_rcnn", "faster_rcnn", "mask_rcnn", "mask_scoring_rcnn", "keypoint_rcnn"]


def short(monkeypatch, systems):
    """The history of some systems, with two steps of training, and few pictures to learn from and to be tested on."""
    few = {"train.steps": 2, "train.train_scenes": 2, "train.eval_scenes": 2, "train.warmup_steps": 1}
    settings = history.HISTORY.settings | few
    arms = tuple(arm for arm in history.HISTORY.arms if arm.name in systems)
    monkeypatch.setattr(history, "HISTORY", dataclasses.replace(history.HISTORY, settings=settings, arms=arms))


def printed(capsys, tmp_path, *words):
    places = ["--results", str(tmp_path / "results"), "--work", str(tmp_path / "work")]
    assert cli.main(["history", "--seeds", "1", "--threads", "1", *places, *words]) == 0
    return capsys.readouterr().out


def test_two_systems_their_costs_and_a_plot(monkeypatch, tmp_path, capsys):
    short(monkeypatch, ["rcnn", "fast_rcnn"])
    told = json.loads(printed(capsys, tmp_path, "--json", "--plot", str(tmp_path / "h.png")))
    rcnn, fast = told["systems"]
    assert rcnn["passes"]["mean"] == 128 and fast["passes"]["mean"] == 1
    assert told["rcnn_times_fast_rcnn"] > 5  # and more than 10 where nothing else runs: below
    assert rcnn["search, ms"]["mean"] > 0 and fast["mask AP"]["mean"] is None
    assert Image.open(tmp_path / "h.png").size[0] > 400
    assert "times as long for a picture as Fast R-CNN" in printed(capsys, tmp_path, "--run-nothing")


@pytest.mark.long
def test_a_row_for_each_system_and_r_cnn_is_slow(monkeypatch, tmp_path, capsys):
    short(monkeypatch, SYSTEMS)
    told = json.loads(printed(capsys, tmp_path, "--json"))
    systems = {entry["system"]: entry for entry in told["systems"]}
    assert list(systems) == SYSTEMS and all(entry["seeds"] == [0] for entry in systems.values())
    assert told["rcnn_times_fast_rcnn"] >= 10
    assert {entry["passes"]["mean"] for name, entry in systems.items() if name != "rcnn"} == {1}
    searched = [name for name, entry in systems.items() if entry["search, ms"]["mean"] is not None]
    assert searched == ["rcnn", "fast_rcnn"] and systems["mask_rcnn"]["mask AP"]["mean"] is not None


def test_a_plot_that_cannot_be_written_is_said_first(fails, tmp_path):
    assert "--plot must end in .png, .svg or .pdf" in fails("history", "--plot", tmp_path / "a.gif")
