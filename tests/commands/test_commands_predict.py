"""`tinymaskrcnn predict` on pictures of any kind, and on files that are none."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import handwriting
from PIL import Image

from tinymaskrcnn import cli, experiment, visualize
from tinymaskrcnn.commands import predict
from tinymaskrcnn.commands.pictures import starting_weights
from tinymaskrcnn.commands.predict import _unique_names
from tinymaskrcnn.config import Config, photograph_preset
from tinymaskrcnn.data import digits, rle
from tinymaskrcnn.errors import ArgumentError, DataError
from tinymaskrcnn.interop.model_file import save_model
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Detections
from tinymaskrcnn.train.run import RunFolder


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (70, 50), np.uint8)).save(folder / "grey.png")
    Image.fromarray(rng.integers(0, 255, (33, 64, 3), np.uint8)).save(folder / "color.jpg")
    Image.fromarray(np.full((1, 1), 200, np.uint8)).save(folder / "one.png")
    return folder


def test_predict_draws_and_writes_json(run, pictures, tmp_path):
    out = tmp_path / "found"
    command = ["predict", str(pictures), "--model", str(run), "--out", str(out), "--score", "0"]
    assert cli.main(command) == 0
    assert sorted(os.listdir(out)) == ["color.json", "color.png", "grey.json", "grey.png", "one.json", "one.png"]
    result = json.loads((out / "grey.json").read_text())
    assert (result["height"], result["width"]) == (70, 50)
    for entry in result["objects"]:
        assert entry["mask"]["size"] == [70, 50] and entry["class"] in "0123456789"
        assert 0 <= entry["score"] <= 1 and len(entry["box"]) == 4
        x1, y1, x2, y2 = entry["box"]
        assert 0 <= x1 <= x2 <= 50 and 0 <= y1 <= y2 <= 70


def test_an_unreadable_picture_is_named_and_the_others_are_done(run, pictures, tmp_path, capsys):
    (pictures / "broken.png").write_bytes(b"not a picture")
    out = tmp_path / "found"
    assert cli.main(["predict", str(pictures), "--model", str(run), "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert "broken.png" in err and "1 of 4 pictures could not be used" in err and "Traceback" not in err
    assert (out / "grey.png").exists() and (out / "one.json").exists() and not (out / "broken.json").exists()


def test_a_kill_while_the_json_is_written_leaves_the_old_one(run, pictures, tmp_path, monkeypatch):
    (tmp_path / "grey.json").write_text("old")
    begun = []

    def killed(handle):
        begun.append(os.fstat(handle).st_size)
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    command = ["predict", str(pictures / "grey.png"), "--model", str(run), "--out", str(tmp_path)]
    assert cli.main(command) == 130 and begun[0] > 0
    assert (tmp_path / "grey.json").read_text() == "old" and not (tmp_path / "grey.png").exists()


def test_whatever_one_picture_leads_to_the_others_are_done(run, pictures, tmp_path, capsys, monkeypatch):
    """A picture of which nothing is left after resizing, one that no memory is left for, one with no room to write."""
    config = RunFolder.open(run).config.model
    model = dataclasses.replace(config, resize_shorter=32, resize_longer=48)
    save_model(tmp_path / "model.npz", build_model(model, rng=np.random.default_rng(0)))
    Image.fromarray(np.zeros((2, 1600), np.uint8)).save(pictures / "a long one.png")
    (pictures / "b.png").symlink_to("b.png")  # a link to itself
    (pictures / "c.gif").write_bytes(b"GIF89a")
    out = tmp_path / "found"
    (out / "one.json").mkdir(parents=True)
    command = ["predict", str(pictures), str(pictures / "grey.png"), "--model", str(tmp_path / "model.npz")]
    save = visualize.save_figure

    def no_memory(figure, path, **words):
        if "color" in str(path):
            raise MemoryError
        return save(figure, path, **words)

    monkeypatch.setattr(visualize, "save_figure", no_memory)
    assert cli.main([*command, "--out", str(out)]) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    for line, words in zip(lines, ("a long one.png: ", "c.gif: ", "color.jpg: not enough memory", "one", "4 of 6 pic")):
        assert line.startswith("error: ") and words in line, captured.err
    assert len(lines) == 5 and "a picture of 1600x2 pixels has no pixel left" in lines[0]
    assert captured.out.count("grey.png:") == 2 and (out / "grey_2.json").exists()


def test_the_detector_in_the_package_is_a_model_everywhere(pictures, tmp_path, monkeypatch, capsys):
    """--model tour; a file or folder of this name goes first."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["predict", "pictures/grey.png", "--model", "tour", "--out", "found"]) == 0
    assert cli.main(["export", "tour", "--out", "tour.onnx", "--scenes", "1"]) == 0
    assert len(starting_weights("tour").model.class_names) == 11
    assert starting_weights("handwriting").model.ink
    (tmp_path / "tour").mkdir()
    assert cli.main(["predict", "pictures/grey.png", "--model", "tour", "--out", "found"]) == 2
    assert "tour is not a run folder" in capsys.readouterr().err


def test_without_a_model_photographs_of_handwriting_are_read(tmp_path, capsys):
    """Ink on paper and chalk on a board, large and small, in a file that lies on its side."""
    images, labels = source_digits()
    pixels, boxes, names, _ = handwriting.make_picture(1, images, labels, height=300)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise when it is shown
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(pixels)))
    lying.save(tmp_path / "page.jpg", quality=90, exif=exif)
    Image.fromarray(255 - np.kron(pixels, np.ones((4, 4, 1), np.uint8))).save(tmp_path / "board.png")
    out = tmp_path / "found"
    assert cli.main(["predict", str(tmp_path / "page.jpg"), str(tmp_path / "board.png"), "--out", str(out)]) == 0
    drawn = {name: Image.open(out / f"{name}.png").width for name in ("page", "board")}
    assert drawn["board"] > 2 * drawn["page"] > 600, "a large picture is drawn large"
    for name, scale in (("page", 1), ("board", 4)):
        result = json.loads((out / f"{name}.json").read_text())
        assert (result["height"], result["width"]) == tuple(scale * n for n in pixels.shape[:2])
        found = [(entry["box"], entry["label"]) for entry in result["objects"]]
        right, false, missed = handwriting.counts(scale * boxes, names, *zip(*found))
        assert right >= 4 and handwriting.f1(right, false, missed) >= 0.6, name
        assert all(entry["mask"]["size"] == [result["height"], result["width"]] for entry in result["objects"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("large", [1600, 4000])
def test_names_hide_little_of_a_large_picture(large, monkeypatch):
    """Ten digits in a row, each a 25th of the picture: what is written beside them takes a fiftieth of it at most."""
    drawn = []
    monkeypatch.setattr(visualize, "save_figure", lambda figure, path: drawn.append(figure))
    left = large * np.arange(1, 11) / 12
    boxes = np.stack([left, 0 * left + large / 2, left + large / 25, 0 * left + 0.55 * large], axis=1)
    found = Detections(boxes.astype(np.float32), np.arange(1, 11), np.linspace(0.9, 0.99, 10, dtype=np.float32))
    predict._draw("x.png", np.full((large, large, 1), 200, np.uint8), found, Config().model)
    [ax] = drawn[0].axes
    texts = [text.get_window_extent() for text in ax.texts]
    whole = ax.get_window_extent()
    assert len(texts) == 10 and sum(text.width * text.height for text in texts) < whole.width * whole.height / 50
    assert 1000 < whole.width < 1300


def source_digits():
    bank = digits.load()
    members = bank.members("test")
    grey = (bank.images[members].astype(np.uint16) * 255 // bank.full).astype(np.uint8)
    return np.pad(grey, ((0, 0), (1, 1), (1, 1))), bank.labels[members]


@pytest.mark.parametrize(
    ("value", "said"),
    [(8, "the picture is too dark"), (255, "overexposed"), (140, "hardly any contrast")],
)
def test_a_picture_in_which_nothing_is_found_is_told_why(value, said, tmp_path, capsys):
    Image.fromarray(np.full((120, 160), value, np.uint8)).save(tmp_path / "empty.png")
    assert cli.main(["predict", str(tmp_path / "empty.png"), "--out", str(tmp_path / "found")]) == 0
    out, err = capsys.readouterr()
    assert "empty.png: no objects" in out and said in err and "--invert" not in err
    assert out.count("\n") == 1


def test_a_picture_in_which_something_doubtful_is_found_is_told_why(tmp_path, capsys):
    """A room without light: its noise looks like digits now and then, surely like none."""
    noise = np.random.default_rng(0).normal(4, 2, (600, 800)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "night.png")
    assert cli.main(["predict", str(tmp_path / "night.png"), "--out", str(tmp_path / "found")]) == 0
    assert re.search("^  (what was found is doubtful: )?the picture is too dark: ", capsys.readouterr().err)


def test_one_picture_that_cannot_be_read_takes_one_line(tmp_path, capsys):
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    assert cli.main(["predict", str(tmp_path / "photo.heic"), "--out", str(tmp_path / "found")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "HEIC is not known here: save it as JPEG" in err


def test_predict_needs_pictures_and_does_not_overwrite_them(run, pictures, tmp_path, fails):
    (tmp_path / "empty").mkdir()
    assert "no pictures" in fails("predict", tmp_path / "empty", "--model", run, "--out", tmp_path / "out")
    line = fails("predict", pictures / "grey.png", "--model", run, "--out", pictures)
    assert "would overwrite the picture" in line


def test_pictures_of_one_name_get_different_results():
    assert _unique_names([Path("a/x.png"), Path("b/x.jpg"), Path("y.png")]) == ["x", "x_2", "y"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read where Linux shows it")
def test_a_hundred_masks_of_twelve_megapixels(tmp_path):
    """As pixels the masks alone are 1.2 GB."""
    config = photograph_preset(("background", "thing", "other"), heads=("box", "mask"))
    config = dataclasses.replace(config, roi=dataclasses.replace(config.roi, score_threshold=0.0, nms_iou=0.95))
    save_model(tmp_path / "model.npz", build_model(config, rng=np.random.default_rng(0)))
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((4000, 3000)).save(tmp_path / "photo.jpg")
    words = ["predict", str(tmp_path / "photo.jpg"), "--model", str(tmp_path / "model.npz"), "--score", "0"]
    code = f"from tinymaskrcnn import cli; assert cli.main({[*words, '--out', str(tmp_path / 'found')]!r}) == 0"
    code += "; print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads((tmp_path / "found" / "photo.json").read_text())["objects"]
    masks = [rle.from_coco(entry["mask"]) for entry in found]
    assert len(masks) == 100 and sum(map(rle.area, masks)) > 1e6
    assert int(done.stdout.split()[-1]) < 450e3  # kB; with all that is imported


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("PATH: is empty"), "PATH: is empty"),
        (DataError("is empty"), "PATH: is empty"),
        (OSError(5, "Input/output error", "PATH"), "PATH: Input/output error"),
        (OSError("truncated"), "PATH: truncated"),
        (MemoryError(), "PATH: not enough memory"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no letter"), "PATH: 'ascii' codec can't encode character"),
    ],
)
def test_whatever_is_wrong_with_one_picture_is_one_line(error, said, monkeypatch, capsys):
    def fail(*_):
        raise error

    if error.args and isinstance(error.args[0], str) and "PATH" in error.args[0]:
        error = DataError(error.args[0].replace("PATH", "a.png"))
    monkeypatch.setattr(predict, "_find", fail)
    assert predict._predict(None, Path("a.png"), None, None) is False
    line = capsys.readouterr().err
    assert line.startswith("error: " + said.replace("PATH", "a.png")) and line.count("\n") == 1


def test_what_is_found_as_plain_numbers():
    masks, points = np.zeros((2, 3, 4), bool), np.array([[[1.23456, 2, 0.5]], [[3, 4, 1.5]]])
    masks[0, 1:, 2] = masks[1, 0] = True
    boxes = np.array([[0.12345, 1, 2, 3], [1, 1.5, 4, 3]], np.float32)
    found = Detections(boxes, np.array([2, 1]), np.array([0.98765432, 0.5], np.float32), masks, points)
    first, second = predict.detections_to_json(found, ("background", "cat", "dog"))
    assert (first["label"], first["class"], second["label"], second["class"]) == (2, "dog", 1, "cat")
    assert first["score"] == 0.987654 and second["score"] == 0.5
    assert first["box"] == [0.123, 1.0, 2.0, 3.0] and second["box"] == [1.0, 1.5, 4.0, 3.0]
    assert first["keypoints"] == [[1.235, 2.0, 0.5]] and second["keypoints"] == [[3.0, 4.0, 1.5]]
    for entry, mask in zip((first, second), masks):
        assert entry["mask"]["size"] == [3, 4] and entry["mask"]["counts"] == rle.to_string(rle.encode(mask))
    assert predict._table([first, second]) == [
        "  class  score      x1      y1      x2      y2",
        "  dog    0.988     0.1     1.0     2.0     3.0",
        "  cat    0.500     1.0     1.5     4.0     3.0",
    ]
    plain = predict.detections_to_json(Detections(boxes, found.labels, found.scores), ("background", "cat", "dog"))
    assert [set(entry) for entry in plain] == [{"label", "class", "score", "box"}] * 2
    scored = Detections(boxes, found.labels, found.scores, mask_scores=np.array([0.1234567, 0.5]))
    assert [entry["mask_score"] for entry in predict.detections_to_json(scored, "abc")] == [0.123457, 0.5]
    assert predict._table([]) == []
    assert predict._table([first | {"class": "long name"}])[0].startswith("  class      score")


@pytest.mark.parametrize("mode, tint", [("RGB", (90, 40, 160)), ("RGBA", (90, 40, 160, 255)), ("L", 120), ("1", 1)])
@pytest.mark.parametrize("invert", [False, True])
def test_a_picture_is_drawn_in_its_own_colours(mode, tint, invert, tmp_path, monkeypatch):
    """However the detector saw it; of a negative that was looked at, the negative."""
    Image.new(mode, (40, 30), tint).save(tmp_path / "tinted.png")
    drawn = []
    monkeypatch.setattr(predict, "_draw", lambda path, image, found, config: drawn.append(image))
    options = ["--model", "tour", "--out", str(tmp_path / "found"), *["--invert"] * invert]
    assert cli.main(["predict", str(tmp_path / "tinted.png"), *options]) == 0
    [image] = drawn
    colours = mode.startswith("RGB") and not invert
    assert image.shape == (30, 40, 3 if colours else 1)
    assert image[0, 0].tolist() == [90, 40, 160] or not colours


def test_results_never_overwrite_a_picture(tmp_path):
    inside = [tmp_path / "a.png", tmp_path / "b.png"]
    with pytest.raises(ArgumentError, match=r"--out would overwrite the picture .*b.png; choose another folder"):
        predict._protect(inside, [tmp_path / "x" / ".." / "b.png", tmp_path / "c.png"])
    predict._protect(inside, [tmp_path / "found" / "a.png"])


def test_which_score_counts_and_what_a_bright_picture_is_told(run, tmp_path, capsys):
    Image.fromarray(np.full((40, 40), 250, np.uint8)).save(tmp_path / "bright.png")
    words = ["predict", str(tmp_path / "bright.png"), "--model", str(run), "--out", str(tmp_path / "found")]
    assert cli.main([*words, "--score", "1"]) == 0
    out, err = capsys.readouterr()
    assert f"bright.png: no objects  -> {tmp_path}/found/bright.png" in out and "try --invert" in err
    assert cli.main([*words, "--score", "1", "--invert"]) == 0
    assert "try --invert" not in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_looked_at_is_the_picture_or_its_negative(dtype, tmp_path, monkeypatch):
    """And by whom: the model, on the device and with the threads that were asked for."""
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (12, 15)).astype(dtype)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    opened, seen = [], []

    class Finder:
        model = build_model(Config().model, rng=np.random.default_rng(0))
        class_names = model.config.class_names

        def detect(self, images, **_):
            seen.extend(images)
            return [Detections(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), [])]

    finder = Finder()
    monkeypatch.setattr(experiment, "open_detector", lambda *words, **data: opened.append((words, data)) or finder)
    words = ["predict", str(tmp_path / "a.png"), "--model", "mine", "--out", str(tmp_path / "found"), "--threads", "3"]
    assert cli.main(words) == cli.main([*words, "--invert"]) == 0
    assert opened == [(("mine",), {"device": "cpu", "threads": 3})] * 2
    share = pixels[:, :, None] / np.iinfo(dtype).max
    for image, wanted in zip(seen, (share, 1 - share), strict=True):
        np.testing.assert_allclose(image, wanted, atol=1e-6)

