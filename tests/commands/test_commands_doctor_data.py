"""`tinymaskrcnn doctor --data annotations.json`: what is wrong, drawn; the status says whether anything is."""

import annotated

from tinymaskrcnn import cli


def test_sound_pictures_and_broken_ones(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, folder = annotated.write(tmp_path)
    assert cli.main(["doctor", "--data", str(path)]) == 0
    said = capsys.readouterr().out
    assert "sound (3 pictures" in said and "anchors on 2 objects" in said and "by k-means: " in said
    assert "nothing conspicuous" in said and "wrote doctor-anchors.png" in said
    contents = annotated.entries()
    contents["annotations"][0]["bbox"] = [30, 20, 30, 10]
    annotated.write(tmp_path, contents)
    assert cli.main(["doctor", "--data", str(path), "--images", str(folder), "--out", "wrong.png"]) == 1
    said = capsys.readouterr().out
    assert "!!  box outside: annotation 1 in a.png. box lies outside the picture of 40x32 pixels" in said
    assert "1 finding\nwrote wrong.png and wrong-anchors.png" in said
    assert {p.name for p in tmp_path.glob("*.png")} >= {"doctor-anchors.png", "wrong.png", "wrong-anchors.png"}
    assert not (tmp_path / "doctor.png").exists()  # there was nothing to draw


def test_what_cannot_be_examined(fails, tmp_path):
    path, _ = annotated.write(tmp_path)
    assert "gone.json: " in fails("doctor", "--data", tmp_path / "gone.json")
    assert "not COCO's format" in fails("doctor", "--data", annotated_text(tmp_path, "{}"))
    assert "--images must be the folder" in fails("doctor", "--data", path, "--images", tmp_path / "gone")
    assert "--out must end in .png" in fails("doctor", "--data", path, "--out", tmp_path / "x.gif")
    assert "--run or --data" in fails("doctor", "--data", path, "--run", tmp_path)
    assert "--images: only with --data JSON" in fails("doctor", "--images", tmp_path)


def annotated_text(folder, text):
    path = folder / "other.json"
    path.write_text(text)
    return path
