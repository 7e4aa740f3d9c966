"""Mask Scoring R-CNN and Keypoint R-CNN from the command line: trained, resumed, evaluated, drawn, refused."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.data.figures import CLASS_NAMES, JOINTS
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.run import RunFolder

SMALL = {
    "mask_scoring_rcnn": {"model__roi__mask_iou_widths": [8, 8]},
    "keypoint_rcnn": {"model__roi__keypoint_widths": [8], "scenes__digit_size": [24, 40]},
}
LOSSES = {"mask_scoring_rcnn": "mask_iou", "keypoint_rcnn": "keypoint"}
SYSTEMS = list(SMALL)


@pytest.fixture(scope="module")
def runs(train, tmp_path_factory):
    """A run of four steps of each."""
    folders = {system: tmp_path_factory.mktemp("systems") / system for system in SYSTEMS}
    for system, folder in folders.items():
        assert train(folder, "--system", system, train__schedule="constant", **SMALL[system]) == 0
    return folders


def rows_of(folder):
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "memory_mb")}
        for row in read_rows(folder / "metrics.jsonl")
    ]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_folder_holds_everything(runs, system):
    config = RunFolder.open(runs[system]).config
    assert config.model.system == system and LOSSES[system] in rows_of(runs[system])[-1]
    assert {"detections.png", "curves.png", "evaluation.json", "checkpoint.npz"} <= set(os.listdir(runs[system]))
    if system == "keypoint_rcnn":
        assert config.model.heads == ("box", "mask", "keypoint") and config.scenes.source == "figures"
        assert config.model.class_names == CLASS_NAMES and config.model.keypoint_names == JOINTS
        assert config.model.roi.num_keypoints == len(JOINTS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_two_steps_and_two_more_equal_four_bit_for_bit(runs, system, train, tmp_path):
    folder = tmp_path / "halves"
    assert train(folder, "--system", system, train__steps=2, train__schedule="constant", **SMALL[system]) == 0
    assert cli.main(["train", "--out", str(folder), "--resume", "--steps", "4"]) == 0
    assert rows_of(folder) == rows_of(runs[system])
    a, b = RunFolder.open(folder).load(), RunFolder.open(runs[system]).load()
    for part in ("model", "optimizer"):
        for name, array in getattr(a, part).items():
            np.testing.assert_array_equal(array, getattr(b, part)[name], err_msg=name)


def test_evaluate_prints_what_each_adds(runs, capsys):
    figures = {}
    for system, run in runs.items():
        capsys.readouterr()
        assert cli.main(["evaluate", str(run), "--json"]) == 0
        figures[system] = json.loads(capsys.readouterr().out)
    assert set(figures["mask_scoring_rcnn"]) == {"bbox", "segm", "mask_scores"}
    assert set(figures["mask_scoring_rcnn"]["mask_scores"]) == {"class_score", "mask_score"}
    assert (
        set(figures["keypoint_rcnn"]) == {"bbox", "segm", "keypoints"}
        and "AP50" in figures["keypoint_rcnn"]["keypoints"]
    )
    assert cli.main(["evaluate", str(runs["mask_scoring_rcnn"])]) == 0
    assert "rank correlation with the IoU of the mask: mask score" in capsys.readouterr().out
    assert cli.main(["evaluate", str(runs["mask_scoring_rcnn"]), "--iou", "bbox", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"bbox"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_predict_writes_scores_of_masks_and_names_of_joints(runs, system, tmp_path, capsys):
    config = RunFolder.open(runs[system]).config
    image = SceneStream(config.scenes, split="test", seed=0, batch_size=1).scene(0)[0]
    Image.fromarray(np.rint(255 * image[:, :, 0]).astype(np.uint8)).save(tmp_path / "scene.png")
    out = tmp_path / "found"
    assert (
        cli.main(
            ["predict", str(tmp_path / "scene.png"), "--model", str(runs[system]), "--out", str(out), "--score", "0"]
        )
        == 0
    )
    result = json.loads((out / "scene.json").read_text())
    assert result["objects"] and (out / "scene.png").exists()
    for entry in result["objects"]:
        assert ("mask_score" in entry) == (system == "mask_scoring_rcnn")
        assert len(entry.get("keypoints", ())) == (len(JOINTS) if system == "keypoint_rcnn" else 0)
    assert result.get("keypoint_names", list(JOINTS)) == list(JOINTS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_step_is_profiled(runs, system, tmp_path, capsys):
    words = ["--run", str(runs[system]), "--out", str(tmp_path / "profile.png"), "--steps", "1"]
    assert cli.main(["profile", *words]) == 0
    assert {"mask_scoring_rcnn": "mask iou head", "keypoint_rcnn": "keypoint head"}[system] in capsys.readouterr().out


def test_what_has_no_scores_of_masks_refuses_them(runs, fails, tmp_path):
    out = tmp_path / "model.onnx"
    line = fails("export", runs["mask_scoring_rcnn"], "--out", out)
    assert "the ONNX export has no word for model.roi.mask_iou_widths" in line
    assert not out.exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--scenes", "clean"],
            "scenes.extreme_points must be true, or scenes.source 'figures', for a model with a keyp",
        ),
        (["--set", "model.roi.num_keypoints=17"], "keypoint_names must count roi.num_keypoints, 17"),
        (
            ["--set", 'model.heads=["box"]'],
            "model.heads must be ['box', 'keypoint', 'mask'] for system 'keypoint_rcnn'",
        ),
        (["--set", "model.num_classes=3"], "model.num_classes must count class_names"),
        (
            ["--set", "model.roi.mask_iou_widths=[4]"],
            "must name widths for system 'mask_scoring_rcnn' and for no other",
        ),
    ],
)
def test_settings_that_do_not_fit_fail_before_a_folder_is_made(tmp_path, monkeypatch, words, message, fails):
    monkeypatch.chdir(tmp_path)
    assert message in fails("train", "--out", "run", "--system", "keypoint_rcnn", *words)
    assert os.listdir(tmp_path) == []


def test_digits_with_four_ends(train, tmp_path):
    """The keypoints of the scenes say how many the head finds."""
    settings = {"scenes__extreme_points": True, "model__roi__keypoint_widths": [8], "scenes__source": "digits"}
    settings |= {"scenes__digit_size": [20, 36], "train__steps": 1}
    assert train(tmp_path / "run", "--system", "keypoint_rcnn", **settings) == 0
    model = RunFolder.open(tmp_path / "run").config.model
    assert model.keypoint_names == ("top", "left", "bottom", "right") and len(model.class_names) == 11
    assert "AP" in json.loads((tmp_path / "run" / "evaluation.json").read_text())["keypoints"]
