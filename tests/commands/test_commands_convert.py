"""`tinymaskrcnn convert`, and `predict` with the file it makes."""

import dataclasses
import json
import os

import numpy as np
import pytest
from interop import small
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.config import COCO_CLASSES, torchvision_preset
from tinymaskrcnn.experiment import Experiment
from tinymaskrcnn.interop.model_file import load_model, save_model
from tinymaskrcnn.interop.torchvision import from_state_dict

KIND = "maskrcnn_resnet50_fpn"


@pytest.fixture
def weights(tmp_path):
    """A file of random weights of a small model."""
    path = tmp_path / "weights.npz"
    np.savez(path, **small.weights(small.settings(KIND), dtype=np.float32))
    return path


def convert(weights, out, *more, kind=KIND):
    return cli.main(["convert", str(weights), "--kind", kind, "--out", str(out), *map(str, more)])


def test_convert_writes_a_model_that_loads(weights, tmp_path, capsys):
    out = tmp_path / "model.npz"
    assert convert(weights, out) == 0
    model = load_model(out)
    with np.load(weights) as given:
        count = len(given.files)
    state = model.state_dict()
    counters = f" ({count - len(state)} counters of norms are not needed)" if count > len(state) else ""
    assert capsys.readouterr().out.splitlines() == [
        f"{weights}: {count} arrays, all accounted for{counters}",
        f"{KIND}: 5 classes, background included; {sum(array.size for array in state.values()):,} numbers",
        "backbone norms: frozen, eps 0",
        f"-> {out} ({out.stat().st_size / 1e6:.1f} MB)",
    ]
    assert model.config.num_classes == 5 and model.config.resize_shorter == 800
    with np.load(weights) as given:
        want = given["roi_heads.box_predictor.cls_score.weight"].T
    assert np.array_equal(model.state_dict()["roi_heads.box_predictor.cls_score.weight"], want)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_convert_takes_class_names_and_eps(weights, tmp_path, encoding):
    (tmp_path / "names.txt").write_bytes("cat\r\n\r\ndög\r\nowl \r\n猫".encode(encoding))
    out = tmp_path / "model.npz"
    assert convert(weights, out, "--classes", tmp_path / "names.txt", "--norm-eps", "1e-5") == 0
    config = load_model(out).config
    assert config.class_names == ("background", "cat", "dög", "owl", "猫") and config.backbone.norm_eps == 1e-5


def test_convert_makes_one_small_file_of_a_run(run, tmp_path, capsys):
    whole, half = tmp_path / "whole.npz", tmp_path / "half.npz"
    assert cli.main(["convert", str(run), "--out", str(whole)]) == 0
    assert cli.main(["convert", str(run), "--half", "--out", str(half)]) == 0
    assert "11 classes, background included" in capsys.readouterr().out
    trained = Experiment.open(run).model.state_dict()
    exact, rounded = load_model(whole).state_dict(), load_model(half).state_dict()
    assert all(np.array_equal(exact[name], array) for name, array in trained.items())
    assert all(array.dtype == np.float32 for array in rounded.values())
    assert any(not np.array_equal(rounded[name], array) for name, array in trained.items())
    assert half.stat().st_size < 0.75 * whole.stat().st_size


def test_convert_halves_other_weights_too(weights, tmp_path):
    assert convert(weights, tmp_path / "whole.npz") == convert(weights, tmp_path / "half.npz", "--half") == 0
    assert (tmp_path / "half.npz").stat().st_size < 0.75 * (tmp_path / "whole.npz").stat().st_size


def test_convert_says_what_a_run_or_a_file_needs(run, weights, tmp_path, fails):
    out = tmp_path / "model.npz"
    given = "is a run and knows its own settings; leave out --kind, --norm-eps"
    assert given in fails("convert", run, "--out", out, "--kind", KIND, "--norm-eps", "0")
    assert "--kind must name its model" in fails("convert", weights, "--out", out)
    assert "is not a run folder" in fails("convert", tmp_path, "--out", out)
    assert not out.exists()


def test_convert_fails_in_one_line_and_writes_nothing(weights, tmp_path, fails):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    (tmp_path / "broken.safetensors").write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    np.savez(tmp_path / "objects.npz", w=np.array([{}], object))
    before = sorted(os.listdir(tmp_path))
    out = tmp_path / "model.npz"

    def line(weights, *more, kind=KIND, out=out):
        found = fails("convert", weights, "--kind", kind, "--out", out, *more)
        assert sorted(os.listdir(tmp_path)) == before
        return found

    assert "must be a .npz file" in line(weights, out=tmp_path / "model.bin")
    assert "would overwrite" in line(weights, out=weights)
    assert "no such file" in line(tmp_path / "nothing.npz")
    assert "pickled Python objects" in line(tmp_path / "objects.npz")
    assert "header claims" in line(tmp_path / "broken.safetensors")
    assert f"weights of {KIND}, not of keypointrcnn" in line(weights, kind="keypointrcnn_resnet50_fpn")
    assert "must name 4 classes" in line(weights, "--classes", tmp_path / "names.txt")
    assert "is not a text in UTF-8" in line(weights, "--classes", weights)
    assert "--norm-eps" in line(weights, "--norm-eps", "-1")
    assert "could not be written" in line(weights, out=tmp_path / "no" / "model.npz")


def test_convert_refuses_truncated_weights(weights, tmp_path, fails):
    content = weights.read_bytes()
    for length in (0, 50, len(content) // 2, len(content) - 10):
        weights.write_bytes(content[:length])
        assert "weights.npz" in fails("convert", weights, "--kind", KIND, "--out", tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()


def test_an_unknown_kind_ends_with_the_known_ones(weights, tmp_path, capsys):
    with pytest.raises(SystemExit):
        convert(weights, tmp_path / "model.npz", kind="maskrcnn")
    assert "keypointrcnn_resnet50_fpn" in capsys.readouterr().err


# ---------------------------------------------------------------- predict


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(small.pictures()[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def coco_model(kind, path):
    """A narrow model with all of torchvision's classes."""
    config = small.settings(kind)
    names = torchvision_preset(kind).class_names
    roi = dataclasses.replace(config.roi, score_threshold=0.012)  # one class of 91 is seldom sure by chance
    config = dataclasses.replace(config, num_classes=len(names), class_names=names, roi=roi)
    save_model(path, from_state_dict(kind, small.weights(config, dtype=np.float32), config=config))
    return path


@pytest.mark.parametrize("kind", small.KINDS)
def test_predict_prints_a_table_and_draws(kind, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = coco_model(kind, tmp_path / "model.npz")
    assert cli.main(["predict", str(photo), "--model", str(model), "--score", "0"]) == 0
    result = json.loads((tmp_path / "found" / "photo.json").read_text())
    lines = capsys.readouterr().out.splitlines()
    assert len(result["objects"]) > 0 and f"{len(result['objects'])} object" in lines[0]
    assert lines[1].split() == ["class", "score", "x1", "y1", "x2", "y2"]
    for entry, line in zip(result["objects"], lines[2:], strict=True):
        assert entry["class"] in COCO_CLASSES[1:] and COCO_CLASSES.index(entry["class"]) <= entry["label"]
        assert line.split()[-5] == f"{entry['score']:.3f}" and line.strip().startswith(entry["class"])
        assert ("mask" in entry) == kind.startswith("mask") and ("keypoints" in entry) == kind.startswith("key")
    assert Image.open(tmp_path / "found" / "photo.png").size[0] > 100


def test_predict_finds_nothing_above_a_high_score(photo, tmp_path, capsys):
    model = coco_model(KIND, tmp_path / "model.npz")
    command = ["predict", str(photo), "--model", str(model), "--out", str(tmp_path / "out"), "--score", "1"]
    assert cli.main(command) == 0
    captured = capsys.readouterr()
    assert "no objects" in captured.out and "--invert" not in captured.err


def test_predict_says_what_is_wrong_with_a_model_file(photo, tmp_path, fails):
    (tmp_path / "model.npz").write_bytes(b"nothing")
    line = fails("predict", photo, "--model", tmp_path / "model.npz", "--out", tmp_path / "out")
    assert "model.npz" in line and not (tmp_path / "out").exists()
    np.savez(tmp_path / "weights.npz", **small.weights(small.settings(KIND), dtype=np.float32))
    line = fails("predict", photo, "--model", tmp_path / "weights.npz", "--out", tmp_path / "out")
    assert "not a checkpoint" in line


@pytest.mark.parametrize(
    "names, message",
    [
        ("a\nb\nb\nc", "names.txt: the name 'b' stands there twice"),
        ("a\nb\nbackground\nc", "names.txt: the name 'background' is that of class 0"),
        ("a\nb\n\x1b[31mred\nc", r"names.txt: '\x1b[31mred' is no class name"),
        ("a\nb\nc\u2028d\ne", r"names.txt: 'c\u2028d' is no class name"),
    ],
)
def test_names_that_no_classes_can_have(weights, tmp_path, capsys, names, message):
    (tmp_path / "names.txt").write_text(names, encoding="utf-8")
    assert convert(weights, tmp_path / "out.npz", "--classes", tmp_path / "names.txt") == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out.npz").exists()
