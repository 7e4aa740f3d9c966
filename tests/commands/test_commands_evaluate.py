"""`tinymaskrcnn evaluate`: exactly the figures, and clear words for a broken run."""

import json

import annotated
import numpy as np
import pytest

from tinymaskrcnn import Experiment, cli
from tinymaskrcnn.commands.evaluate import figures_table
from tinymaskrcnn.config import CocoConfig
from tinymaskrcnn.structures import Detections

FIGURES = {"bbox": {"AP": 0.5}, "segm": {"AP": -1.0}}


def test_evaluate_prints_exactly_the_figures(run, capsys):
    assert cli.main(["evaluate", str(run), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == ["bbox", "segm"]
    for part in figures.values():
        assert list(part)[:3] == ["AP", "AP50", "AP75"] and len(part) == 12
    stored = json.loads((run / "evaluation.json").read_text())
    assert figures == {"bbox": stored["bbox"], "segm": stored["segm"]}


def test_evaluate_as_a_table_with_own_areas(run, capsys):
    assert cli.main(["evaluate", str(run), "--scenes", "1", "--split", "validation", "--areas", "10,20"]) == 0
    assert "AP50" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["--scenes", "0"], "scenes must be at least 1; got 0"),
        (["--areas", "10"], "--areas needs two sides"),
        (["--areas", "20,10"], "--areas needs 0 < A < B"),
    ],
)
def test_evaluate_with_bad_options(run, words, message, fails):
    assert message in fails("evaluate", run, *words)


def test_evaluate_a_broken_checkpoint(run, tmp_path, fails):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.json").write_text((run / "config.json").read_text())
    assert "there is no checkpoint" in fails("evaluate", copy)
    (copy / "checkpoint.npz").write_bytes((run / "checkpoint.npz").read_bytes()[:-100])
    assert "damaged or truncated" in fails("evaluate", copy)


def test_evaluate_a_checkpoint_of_another_model(run, tmp_path, fails):
    (tmp_path / "checkpoint.npz").write_bytes((run / "checkpoint.npz").read_bytes())
    config = json.loads((run / "config.json").read_text())
    config["model"]["roi"]["head_width"] = 8
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "model.roi.head_width is 16 there and 8 here" in fails("evaluate", tmp_path)


def test_evaluate_looks_at_what_it_is_told_to(run, monkeypatch):
    asked = {}
    monkeypatch.setattr(Experiment, "evaluate", lambda self, **options: asked.update(options) or FIGURES)
    assert cli.main(["evaluate", str(run), "--scenes", "7", "--split", "validation", "--areas", "10,20"]) == 0
    assert asked["scenes"] == 7 and asked["split"] == "validation"
    assert asked["area_ranges"]["medium"] == (100, 400)


# ---------------------------------------------------------------- results files

ANNOTATIONS = {
    "images": [{"id": 5, "height": 40, "width": 40}, {"id": 2, "height": 40, "width": 40}],
    "categories": [{"id": 7, "name": "seven"}, {"id": 9, "name": "nine"}],
    "annotations": [
        {"id": 1, "image_id": 5, "category_id": 9, "bbox": [1, 1, 20, 20], "area": 400, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 7, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
    ],
}
HIT = {"image_id": 5, "category_id": 9, "score": 0.9, "bbox": [1, 1, 20, 20]}
MISS = {"image_id": 2, "category_id": 9, "score": 0.95, "bbox": [1, 1, 20, 20]}


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def test_evaluate_a_results_file(tmp_path, capsys):
    """One class with precision 1/2 at full recall, one with nothing found; no model anywhere."""
    annotations = write_json(tmp_path / "annotations.json", ANNOTATIONS)
    results = write_json(tmp_path / "results.json", [HIT, MISS])
    assert cli.main(["evaluate", "--annotations", str(annotations), "--results", str(results), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == ["bbox"] and figures["bbox"]["AP"] == pytest.approx(0.25)
    words = ["--annotations", str(annotations), "--results", str(results), "--iou", "bbox", "--areas", "10,30"]
    assert cli.main(["evaluate", *words]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["box"] and ["AP", "0.250"] in [line.split() for line in table]
    assert ["APmedium", "0.250"] in [line.split() for line in table] and ["APsmall", "-"] in map(str.split, table)


def test_evaluate_a_results_file_that_does_not_fit(tmp_path, fails):
    annotations = write_json(tmp_path / "annotations.json", ANNOTATIONS)
    results = tmp_path / "results.json"
    words = ("evaluate", "--annotations", annotations, "--results", results)
    assert "results.json" in fails(*words)  # there is none
    write_json(results, [HIT, HIT | {"image_id": 6}])
    assert "entry 1: there is no image 6 among the 2" in fails(*words)
    write_json(results, [HIT | {"category_id": 1}])
    assert "entry 0: there is no category 1; there are [7, 9]" in fails(*words)
    assert cli.main([*map(str, words), "--skip-unknown"]) == 0
    write_json(results, [HIT])
    assert "segm: must be in both files; annotations have bbox, results bbox" in fails(*words, "--iou", "segm")


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "either a RUN, or --annotations and --results"),
        (["RUN", "--results", "r.json", "--annotations", "a.json"], "either a RUN, or --annotations and --results"),
        (["--results", "r.json"], "--results needs --annotations"),
        (["RUN", "--skip-unknown"], "--skip-unknown: only for --results"),
        (["RUN", "--annotations", "a.json"], "both --annotations and --images"),
        (
            ["--results", "r.json", "--annotations", "a.json", "--save-results", "s.json", "--scenes", "3"],
            "--scenes, --save-results: only for a RUN",
        ),
    ],
)
def test_evaluate_options_that_do_not_go_together(words, message, fails):
    assert message in fails("evaluate", *words)


def test_evaluate_saves_what_a_run_found(run, tmp_path, capsys):
    """The figures of the file are those of the run, when the file is judged against the same scenes."""
    from tinymaskrcnn.evaluation import evaluate_results, load_results

    path = tmp_path / "found.json"
    assert cli.main(["evaluate", str(run), "--scenes", "3", "--json", "--save-results", str(path)]) == 0
    figures = json.loads(capsys.readouterr().out)
    scenes = Experiment.open(run).scenes(3)
    results = load_results(path, sizes={i: target.masks.shape[1:] for i, (_, target) in enumerate(scenes)})
    assert results.parts == ("bbox", "segmentation") and len(results)
    truths = [(i, target) for i, (_, target) in enumerate(scenes)]
    assert evaluate_results(truths, results, iou_type="bbox") == figures["bbox"]
    assert evaluate_results(truths, results, iou_type="segm")["AP"] == figures["segm"]["AP"]


def test_evaluate_only_what_the_model_has(run, capsys, fails):
    assert cli.main(["evaluate", str(run), "--scenes", "1", "--json", "--iou", "segm"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["segm"]
    assert "--iou must be one of bbox, segm" in fails("evaluate", run, "--scenes", "1", "--iou", "keypoints")


def test_saved_results_carry_the_ids_of_the_annotation_file(tmp_path):
    """Pictures come in the order of their ids (10, 20, 30), labels 1, 2 are the categories 3, 7."""
    from tinymaskrcnn.config import ModelConfig
    from tinymaskrcnn.data.coco import CocoDataset, CocoStream
    from tinymaskrcnn.experiment import _results_writer

    dataset = CocoDataset.open(*annotated.write(tmp_path))
    stream = CocoStream(dataset, ModelConfig(), CocoConfig(), batch_size=1, seed=0, augment=False)
    found = Detections(np.array([[1.0, 2, 3, 5]]), np.array([2]), np.array([0.5]))
    with _results_writer(tmp_path / "found.json", stream) as add:
        for i in range(3):
            add(i, found)
    entries = json.loads((tmp_path / "found.json").read_text())
    assert [(entry["image_id"], entry["category_id"]) for entry in entries] == [(10, 7), (20, 7), (30, 7)]
    with _results_writer(None, stream) as add:
        add(0, found)  # nothing was asked for


def test_results_of_classes_without_a_category_are_counted(tmp_path):
    from tinymaskrcnn.config import ModelConfig
    from tinymaskrcnn.data.coco import CocoDataset, CocoStream
    from tinymaskrcnn.experiment import _results_writer

    names = ("background", "dog", "cat", "person")
    dataset = CocoDataset.open(*annotated.write(tmp_path), class_names=names)
    stream = CocoStream(dataset, ModelConfig(), CocoConfig(), batch_size=1, seed=0, augment=False)
    found = Detections(np.tile([[1.0, 2, 3, 5]], (3, 1)), np.array([1, 2, 1]), np.array([0.5, 0.4, 0.3]))
    said = []
    with _results_writer(tmp_path / "found.json", stream, said.append) as add:
        add(0, found)
        add(1, found)
    assert [entry["category_id"] for entry in json.loads((tmp_path / "found.json").read_text())] == [3, 3]
    assert len(said) == 1 and "left out 4 found objects of classes that" in said[0]


def test_what_a_dash_means_is_said_once_and_only_where_there_is_one():
    whole = {"bbox": {"AP": 0.5, "APsmall": 0.1}, "segm": {"AP": 0.4, "APsmall": 0.0}}
    assert "-" not in figures_table(whole)
    for part in ({"AP": 0.4, "APsmall": -1.0}, {"AP": 0.4}):
        table = figures_table(whole | {"segm": part})
        assert table.count("-: there is no object of this size") == 1
    assert figures_table({"bbox": {"AP": 0.5, "APsmall": -1}}).splitlines()[-1].startswith("-: ")
