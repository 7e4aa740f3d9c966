"""`tinymaskrcnn explain RUN --scenes N`: the errors of a data set, whose figures are those of `evaluate`."""

import json
import re
import shutil

import annotated
import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands.explain import explained


def test_the_errors_of_scenes_and_what_explains_them(tmp_path, capsys):
    assert cli.main(["explain", "--scenes", "12", "--out", str(tmp_path / "new" / "a.png")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("12 pictures, ") and said.endswith(f"wrote {tmp_path / 'new' / 'a.png'}\n")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    links = re.findall(r"^  (\S.*?)  +.*\n +tinymaskrcnn explain --scene (\d+) --detection (\d+)(.*)$", said, re.M)
    assert len(links) > 2
    for kind, scene, detection, score in links[:4]:  # the chain of a linked detection says the same of it
        low = float(score.split()[-1]) if score else 0.5
        told = explained("tour", scene=int(scene), score=low)
        assert told.chain(int(detection))["verdict"].text.startswith(kind)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_figures_of_a_run_are_those_of_its_evaluation(run, tmp_path, capsys, kind):
    out = ("--out", str(tmp_path / "a.png"))
    assert cli.main(["explain", str(run), "--json", "--scenes", "2", "--iou", kind, *out]) == 0
    said = json.loads(capsys.readouterr().out)
    assert cli.main(["evaluate", str(run), "--json", "--scenes", "2"]) == 0
    assert said["figures"] == json.loads(capsys.readouterr().out)[kind]
    assert said["iou_type"] == kind and list(said["kinds"])[-1] == "missed"


def test_two_runs_are_judged_on_the_same_pictures(run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    words = ["--scenes", "2", "--out", str(tmp_path / "a.png")]
    assert cli.main(["explain", str(run), "--against", str(other), *words]) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines()[::-1] if line.startswith("missed")).split()
    assert row[1:3] == row[3:5] and "Compare numbers of errors first." in said
    assert cli.main(["explain", str(run), "--against", str(other), "--json", *words]) == 0
    assert list(json.loads(capsys.readouterr().out)) == [str(run), str(other)]


def test_annotated_pictures_are_named_in_the_links(run, tmp_path, capsys):
    contents = annotated.entries()
    contents["categories"] = [{"id": 7, "name": "7"}, {"id": 3, "name": "3"}]
    for entry in contents["annotations"]:
        entry.pop("keypoints", None)
        entry.pop("num_keypoints", None)
    annotations, images = annotated.write(tmp_path, contents)
    words = ["--annotations", str(annotations), "--images", str(images), "--out", str(tmp_path / "a.png")]
    assert cli.main(["explain", str(run), *words]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 pictures, 2 objects, ")
    assert f"tinymaskrcnn explain {images}" in said and f"--model {run}" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tour", "--scenes", "2", "--detection", "1"], "--detection: of one picture only, not of a data set"),
        (["--scene", "1", "--scenes", "2"], "--scene: of one picture only, not of a data set"),
        (["tour", "--scenes", "2", "--against", "tour"], "--against tour is the run itself"),
        (["runs/x", "--model", "runs/y", "--scenes", "2"], "explain needs one run: got runs/x and --model runs/y"),
        (["nowhere", "--scenes", "2"], "nowhere"),
        (["tour", "--annotations", "a.json", "--images", "b"], "tour is no run folder"),
        (["tour", "--annotations", "a.json"], "--annotations needs --images"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(words, said, fails, tmp_path):
    line = fails("explain", *words, "--out", tmp_path / "a.png")
    assert said in line and len(line) < 500


def test_what_a_model_does_not_have_cannot_be_judged(train, tmp_path, fails):
    assert train(tmp_path / "boxes", "--system", "faster_rcnn") == 0
    words = ["--scenes", "2", "--iou", "segm", "--out", tmp_path / "a.png"]
    assert "has no mask head" in fails("explain", tmp_path / "boxes", *words)
    assert cli.main(["convert", str(tmp_path / "boxes"), "--out", str(tmp_path / "model.npz")]) == 0
    words = ["--scenes", "2", "--out", tmp_path / "a.png"]
    assert "its pictures and their truth are not known" in fails("explain", tmp_path / "model.npz", *words)
