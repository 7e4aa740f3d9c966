"""`tinymaskrcnn evaluate`: exactly the figures, and clear words for a broken run."""

import json

import pytest

from tinymaskrcnn import Experiment, cli

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
