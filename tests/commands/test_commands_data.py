"""`tinymaskrcnn data` lists what is there, and downloads only when told to."""

import json

import annotated

from tinymaskrcnn import cli
from tinymaskrcnn.data import mnist


def test_what_is_there(capsys, tmp_path):
    assert cli.main(["data", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "1797 embedded UCI digits" in out
    assert "MNIST was not found" in out and "tinymaskrcnn data mnist" in out


def test_the_download_goes_where_it_is_told(monkeypatch, capsys):
    monkeypatch.setattr(mnist, "download", lambda target: target or "cache")
    assert cli.main(["data", "mnist", "--out", "somewhere"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "MNIST is complete and verified in somewhere",
        "use it with: tinymaskrcnn train --data somewhere",
    ]
    assert cli.main(["data", "mnist"]) == 0
    said = capsys.readouterr().out
    assert "verified in cache" in said and "--data mnist" in said


# ---------------------------------------------------------------- proposals


def test_proposals_are_tried_out(tmp_path, monkeypatch, capsys):
    """A table of recall against the number of boxes, a picture, and nothing else on the disk."""
    monkeypatch.chdir(tmp_path)
    settings = ["--set", "scenes.image_size=64", "--set", "scenes.digits_per_image=[2, 2]"]
    assert cli.main(["data", "proposals", "--pictures", "3", *settings]) == 0
    out = capsys.readouterr().out
    assert "in each of 3 pictures, 6 objects" in out and "MABO" in out and "wrote proposals.png" in out
    first, *_, last = [line.split() for line in out.splitlines()[2:-1]]
    assert first[0] == "1" and float(first[1]) < float(last[1]) and last[2] == "100.0%"
    assert [path.name for path in tmp_path.iterdir()] == ["proposals.png"]
    settings += ["--set", "model.proposals.method=sliding_window", "--set", "scenes.color=true"]
    assert cli.main(["data", "proposals", "--pictures", "1", "--out", "windows.png", *settings]) == 0
    assert (tmp_path / "windows.png").exists()


def test_proposals_in_pictures_of_your_own(tmp_path, capsys):
    path, folder = annotated.write(tmp_path)
    words = ["data", "proposals", "--annotations", str(path), "--images", str(folder), "--out", str(tmp_path / "p.png")]
    assert cli.main(words) == 0
    assert "in each of 3 pictures, 2 objects" in capsys.readouterr().out  # the crowd does not count
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps([{"image_id": 10, "bbox": [4, 6, 10, 12]}, {"image_id": 20, "bbox": [1, 2, 30, 20]}]))
    assert cli.main([*words, "--set", f"coco.proposals={mine}"]) == 0
    assert "1   0.750      100.0%       50.0%" in capsys.readouterr().out
    mine.write_text(json.dumps([{"image_id": 1, "bbox": [4, 6, 10, 12]}]))
    assert cli.main([*words, "--set", f"coco.proposals={mine}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {mine}: holds proposals of another data set") and said.count("\n") == 1
