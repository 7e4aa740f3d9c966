"""`tinymaskrcnn explain`: the chains of a picture or a scene, one of them drawn; what it cannot use it says."""

import json

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.commands.explain import explained
from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.explain import check_maps


@pytest.fixture
def grey(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 40), np.uint8)).save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


def test_a_scene_is_explained_and_judged(tmp_path, capsys):
    assert cli.main(["explain", "--scene", "20", "--detection", "3", "--out", str(tmp_path / "new" / "a.png")]) == 0
    said = capsys.readouterr().out
    told = explained("tour", scene=20)
    assert str(told) in said and all(str(told.chain(k)) in said for k in range(len(told))) and len(told) == 4
    assert "verdict  right: IoU" in said and said.endswith(f"wrote {tmp_path / 'new' / 'a.png'}\n")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_all_of_it_becomes_a_page(tmp_path, capsys):
    assert cli.main(["explain", "--scene", "20", "--out", str(tmp_path / "new" / "a.html")]) == 0
    page = (tmp_path / "new" / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<title>scene 20: what was found, and why</title>" in page
    assert page.count("<article") == 4 and len(page) < 5e6
    assert capsys.readouterr().out.endswith(f"wrote {tmp_path / 'new' / 'a.html'}\n")


def test_a_picture_is_explained_as_predict_sees_it(run, grey, tmp_path, capsys):
    words = [str(grey), "--model", str(run), "--score", "0.01"]
    assert cli.main(["explain", *words, "--out", str(tmp_path / "a.svg")]) == 0
    assert "verdict" not in capsys.readouterr().out
    told = explained(str(run), picture=grey, score=0.01)
    assert cli.main(["predict", *words, "--out", str(tmp_path / "found")]) == 0
    found = json.loads((tmp_path / "found" / "grey.json").read_text(encoding="utf-8"))["objects"]
    np.testing.assert_allclose(told.trace.detections.boxes[: len(told)], [o["box"] for o in found], atol=1e-3)


def test_a_model_without_an_rpn_gets_proposals_of_its_own(train, grey, tmp_path, capsys):
    assert train(tmp_path / "fast", "--system", "fast_rcnn", train__train_scenes=2, model__proposals__most=16) == 0
    words = [str(grey), "--model", str(tmp_path / "fast"), "--score", "0", "--out", str(tmp_path / "a.png")]
    assert cli.main(["explain", *words]) == 0
    assert "that came with the picture" in capsys.readouterr().out


def test_a_model_that_looks_at_ink_is_explained_in_one_size(grey):
    detector, told = open_detector("handwriting"), explained("handwriting", picture=grey)
    assert told.trace.image.shape == (50, 40, 1) and told.trace.config == detector.model.config


def test_a_picture_without_a_detection_says_where_all_ended(tmp_path, capsys):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "black.png")
    words = [str(tmp_path / "black.png"), "--score", "0.9", "--out", str(tmp_path / "a.png")]
    assert cli.main(["explain", *words]) == 0
    assert "nothing is found: " in capsys.readouterr().out and (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "explain needs a picture, or --scene N, and not both"),
        (["a.png", "--scene", "1"], "explain needs a picture, or --scene N, and not both"),
        (["a.png", "--out", "a.txt"], "--out must end in .png, .pdf, .svg or .html; got 'a.txt'"),
        (["a.png", "--out", "a.png"], "--out would overwrite the picture"),
        (["--scene", "20", "--maps", "a.html"], "--maps must end in .png, .pdf or .svg; got 'a.html'"),
        (["--scene", "20", "--out", "/proc/none/a.html"], "/proc/none"),
        (["--scene", "20", "--maps", "a.txt"], "--maps must end in .png, .pdf or .svg; got 'a.txt'"),
        (["a.png", "--maps", "a.png"], "--maps would overwrite the picture"),
        (["--scene", "20", "--maps", "a.png", "--out", "a.png"], "--maps and --out are one file"),
        (["nothing.png"], "nothing.png: there is no such file"),
        (["--scene", "20", "--model", "nowhere"], "nowhere"),
        (["--scene", "20", "--detection", "9"], "--detection must be below 4, the detections with 0.5 or more"),
        (["--scene", "20", "--out", "/proc/none/a.png"], "/proc/none"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(words, said, fails):
    line = fails("explain", *words)
    assert said in line and len(line) < 500


def test_the_pixels_of_one_detection_are_drawn_and_checked(tmp_path, capsys):
    words = ["explain", "--scene", "20", "--detection", "2", "--out", str(tmp_path / "a.png")]
    assert cli.main([*words, "--maps", str(tmp_path / "maps" / "b.png")]) == 0
    said = capsys.readouterr().out
    assert str(check_maps(explained("tour", scene=20).maps(2))) in said and "detection 2, pixel by pixel" in said
    assert said.endswith(f"wrote {tmp_path / 'a.png'} and {tmp_path / 'maps' / 'b.png'}\n")
    assert (tmp_path / "maps" / "b.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_detection_there_are_no_maps(tmp_path, fails):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "black.png")
    words = ["--score", "0.9", "--out", tmp_path / "a.png", "--maps", tmp_path / "b.png"]
    assert "--maps needs a detection, and none has 0.9 or more" in fails("explain", tmp_path / "black.png", *words)


def test_a_model_in_one_file_has_no_scenes(run, tmp_path, fails):
    assert cli.main(["convert", str(run), "--out", str(tmp_path / "model.npz")]) == 0
    line = fails("explain", "--scene", 1, "--model", tmp_path / "model.npz", "--out", tmp_path / "a.png")
    assert "says nothing of its scenes: give a picture instead of --scene" in line


def test_a_file_that_is_no_picture(tmp_path, fails):
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert str(tmp_path / "a.png") in fails("explain", tmp_path / "a.png")


def test_a_run_is_no_picture_and_a_file_no_folder(fails, run, tmp_path):
    said = fails("explain", run)
    assert f"{run} is a folder, not a picture; of the errors of a run: add --scenes 200" in said
    (tmp_path / "taken").write_text("")
    said = fails("explain", "--scene", 1, "--out", tmp_path / "taken" / "page.html")
    assert f"{tmp_path / 'taken'}: a file of that name is there already" in said
