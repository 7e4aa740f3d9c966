"""`tinymaskrcnn export`: the file, the comparison it prints, and refusals that leave nothing behind."""

import sys

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.interop import onnx_check
from tinymaskrcnn.interop.model_file import save_model
from tinymaskrcnn.interop.onnx_check import Differences, compare_onnx


def test_export_a_run_and_compare(run, tmp_path, capsys):
    path = tmp_path / "model.onnx"
    assert cli.main(["export", str(run), "--out", str(path), "--scenes", "2", "--licence", "CC BY 4.0"]) == 0
    said = capsys.readouterr().out
    assert f"{path}: 0." in said and "opset 17, accepted by onnx.checker" in said
    assert "onnxruntime 1." in said and ": 2 pictures, " in said and "boxes " in said
    session = onnx_check.open_session(str(path), threads=1)
    assert session.get_modelmeta().custom_metadata_map["licence"] == "CC BY 4.0"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_export_a_model_file_and_compare_on_pictures(run, tmp_path, capsys):
    save_model(tmp_path / "model.npz", open_detector(run).model)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 70), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    words = ["export", tmp_path / "model.npz", "--out", tmp_path / "m.onnx"]
    assert cli.main([*map(str, words), "--images", str(tmp_path / "a.png")]) == 0
    assert ": 1 pictures, " in capsys.readouterr().out
    assert cli.main([*map(str, words), "--scenes", "1"]) == 0  # scenes with as many channels as the model wants
    image = np.float32(pixels[..., None]) / 255
    assert not compare_onnx(open_detector(run).model.eval(), (tmp_path / "m.onnx").read_bytes(), [image], threads=1)


@pytest.mark.parametrize("name", ["tour", "handwriting"])
def test_export_a_detector_of_the_package(name, tmp_path, capsys):
    """That of handwriting looks at ink, which is made of a picture before it goes in."""
    assert cli.main(["export", name, "--out", str(tmp_path / "model.onnx"), "--scenes", "2"]) == 0
    assert "2 pictures" in capsys.readouterr().out and (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("missing", [False, True])
def test_export_without_a_comparison(run, tmp_path, capsys, monkeypatch, missing):
    words = ["--scenes", "1"] if missing else ["--scenes", "0"]
    if missing:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert cli.main(["export", str(run), "--out", str(tmp_path / "m.onnx"), *words]) == 0
    said = capsys.readouterr().out
    assert ("not compared: onnxruntime is not installed" if missing else "not compared with onnxruntime") in said


@pytest.mark.parametrize(
    "words, message",
    [
        (["--out", "model.pb"], "--out must be a .onnx file; got 'model.pb'"),
        (["--out", "model.onnx", "--scenes", "-1"], "--scenes must be at least 0; got -1"),
        (["--out", "model.onnx", "--images", "nowhere.png"], "nowhere.png: there is no such file"),
        (["--out", "nowhere/model.onnx", "--scenes", "0"], "nowhere/model.onnx: No such file or directory"),
    ],
)
def test_export_with_bad_options(run, tmp_path, monkeypatch, words, message, fails):
    monkeypatch.chdir(tmp_path)
    assert message in fails("export", run.resolve(), *words)
    assert not list(tmp_path.iterdir())


def test_export_of_nothing(tmp_path, fails):
    assert "is not a run folder" in fails("export", tmp_path / "none", "--out", tmp_path / "m.onnx")
    (tmp_path / "model.npz").write_bytes(b"PK")
    assert "model.npz" in fails("export", tmp_path / "model.npz", "--out", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_export_that_disagrees_writes_nothing(run, tmp_path, monkeypatch, fails):
    monkeypatch.setattr(onnx_check, "compare_onnx", lambda *args: Differences(pictures=1, detections=9, boxes=0.5))
    message = fails("export", run, "--out", tmp_path / "m.onnx")
    assert "disagree: 1 pictures, 9 detections" in message and "boxes 5.0e-01 px (allowed 1e-02)" in message
    assert not list(tmp_path.iterdir())


def test_export_without_onnx(run, tmp_path, monkeypatch, fails):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'tinymaskrcnn[onnx]'" in fails("export", run, "--out", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
