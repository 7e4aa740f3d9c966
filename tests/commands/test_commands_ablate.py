"""`tinymaskrcnn ablate` from the command line, on a question that trains in a moment."""

import json

import pytest
from PIL import Image
from studies.small_question import question

from tinymaskrcnn import cli
from tinymaskrcnn.studies import catalogue, rows


@pytest.fixture
def small(monkeypatch):
    """The catalogue holds one small question."""
    monkeypatch.setattr(catalogue, "QUESTIONS", {"small": question()})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which the small question is answered with two seeds, and what was printed."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "QUESTIONS", {"small": question()})
        words = ["--seeds", "2", "--threads", "1", "--plot", str(folder / "small.png"), *places(folder)]
        assert cli.main(["ablate", "small", *words]) == 0
    return folder


def places(folder):
    return ["--results", str(folder / "results"), "--work", str(folder / "work")]


def test_rows_are_kept_trainings_are_not_and_a_plot_is_drawn(done):
    kept = sorted((done / "results/rows").iterdir())
    assert len(kept) == 6 and {path.stem[-2:] for path in kept} == {"-0", "-1"}
    assert list((done / "work").iterdir()) == []
    assert Image.open(done / "small.png").size[0] > 600


def test_a_second_time_nothing_is_trained(small, done, capsys, monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.studies.runner.measured", lambda *_, **__: pytest.fail("trained again"))
    assert cli.main(["ablate", "small", "--seeds", "2", "--json", *places(done)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "small" and told["complete"] and len(told["comparisons"][0]["differences"]) == 2
    assert cli.main(["ablate", "small", "--seeds", "2", *places(done)]) == 0
    assert "| second |" in capsys.readouterr().out
    assert cli.main(["ablate", "--list", "--seeds", "2", *places(done)]) == 0
    assert capsys.readouterr().out.split() == ["small", "6/6", "rows", "Is", "it?"]


def test_quick_rows_lie_elsewhere(small, done, capsys):
    assert cli.main(["ablate", "small", "--quick", "--run-nothing", "--json", *places(done)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["arms"][0]["values"] == {} and told["seeds"] == 2


def test_rows_of_another_version_are_said_and_not_mixed(small, done, capsys, monkeypatch):
    monkeypatch.setattr(rows, "VERSION", "99.0/1")
    assert cli.main(["ablate", "small", "--seeds", "2", "--run-nothing", "--json", *places(done)]) == 0
    captured = capsys.readouterr()
    assert "6 finished rows are of version" in captured.err and "this is '99.0/1': not mixed" in captured.err
    assert json.loads(captured.out)["arms"][0]["values"] == {}


def test_what_is_stopped_says_how_to_go_on(small, tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinymaskrcnn.studies.runner.measured", stop)
    assert cli.main(["ablate", "small", "--seeds", "1", *places(tmp_path)]) == 130
    assert "the same command goes on from here" in capsys.readouterr().err


def test_mistakes_are_one_line(fails, tmp_path):
    assert "no ablation 'mask_los'; did you mean mask_loss?" in fails("ablate", "mask_los")
    assert "needs the NAME of a question, or --list, or --all" in fails("ablate")
    assert "or --list, or --all" in fails("ablate", "mask_loss", "--all")
    assert "--plot draws one question; name it" in fails("ablate", "--all", "--plot", tmp_path / "a.png")
    assert "--plot must end in .png, .svg or .pdf" in fails("ablate", "mask_loss", "--plot", tmp_path / "a.txt")


def test_a_damaged_row_is_named(small, tmp_path, fails):
    plan = question().plan(question().arms[0], 0)
    path = tmp_path / "results/rows" / f"{plan.digest}-0.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"digest": ')
    assert f"error: {path}: not valid JSON" in fails("ablate", "small", *places(tmp_path))
