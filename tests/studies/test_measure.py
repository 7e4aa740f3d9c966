"""Rows that are really trained, on networks of a few numbers: what they tell, and how they go on and fail."""

import json

import numpy as np
import pytest
from studies.small_question import ARMS, question

from tinymaskrcnn.experiment import Experiment
from tinymaskrcnn.studies import measure
from tinymaskrcnn.studies.history import HISTORY
from tinymaskrcnn.studies.judge import SIZES
from tinymaskrcnn.studies.measure import forget, measured
from tinymaskrcnn.studies.question import Arm
from tinymaskrcnn.train import loop
from tinymaskrcnn.train.pretrain import load_backbone
from tinymaskrcnn.train.run import RunFolder

OUTSIDE = {"train.train_scenes": 2, "model.proposals.most": 12, "train.eval_scenes": 2}


def row_of(arm, work, **settings):
    return measured(question(settings=settings).plan(arm, 0), work, threads=1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A row of the first arm, and the folder in which its training still lies."""
    work = tmp_path_factory.mktemp("work")
    return row_of(ARMS[0], work), work


def test_figures_are_those_of_the_experiment(kept):
    row, work = kept
    plan = question().plan(ARMS[0], 0)
    experiment = Experiment.open(work / plan.training, threads=1)
    wanted = experiment.evaluate(area_ranges=SIZES)
    for kind, figures in wanted.items():
        for name, value in figures.items():
            assert row.figures[kind][name] == pytest.approx(value, rel=1e-5), (kind, name)
    assert row.failed == "" and row.cost["passes"] == 1 and len(row.found) == 3
    assert row.cost["parameters"] == sum(p.value.size for p in experiment.model.parameters())
    assert 0 < row.cost["train_cpu"] and 0 < row.cost["test_cpu"] < row.cost["train_cpu"]
    assert "search_cpu" not in row.cost and row.made["threads"] == 1


def test_a_test_alone_trains_nothing(kept, monkeypatch):
    row, work = kept
    monkeypatch.setattr(measure.Experiment, "start", lambda *_, **__: pytest.fail("trained again"))
    other = row_of(ARMS[2], work)
    assert other.cost["parameters"] == row.cost["parameters"] and other.digest != row.digest
    same = row_of(ARMS[0], work)
    assert same.figures == row.figures and same.cost["train_cpu"] >= row.cost["train_cpu"]


def test_untrained_layers_are_what_they_were_before(kept):
    row, work = kept
    plan = question().plan(Arm("random scores", untrained=("rpn.head.cls_logits",)), 0)
    seen = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            measure, "judged", lambda detector, *_, **__: seen.update(detector.model.state_dict()) or ({}, {}, [])
        )
        measured(plan, work, threads=1)
    start = measure.build_model(plan.config.model, rng=np.random.default_rng(0)).state_dict()
    learned = Experiment.open(work / plan.training).model.state_dict()
    back = {name for name in start if name.startswith("rpn.head.cls_logits")}
    assert len(back) == 2
    for name, value in seen.items():
        np.testing.assert_array_equal(value, (start if name in back else learned)[name])


def test_interrupted_rows_go_on_to_the_same_figures(kept, tmp_path, monkeypatch):
    row, _ = kept

    class Stopped(loop.StopRequest):
        def __enter__(self):
            self.requested = True
            return self

    plan = question().plan(ARMS[0], 0)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", Stopped)
        with pytest.raises(KeyboardInterrupt):
            measured(plan, tmp_path)
    spent = json.loads((tmp_path / plan.training / "spent.json").read_text())
    assert spent["cpu"] > 0
    again = measured(plan, tmp_path)
    assert again.figures == row.figures and again.cost["train_cpu"] > spent["cpu"]
    forget(plan, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_fails_is_a_row_that_says_so(tmp_path):
    row = row_of(ARMS[0], tmp_path, **{"train.learning_rate": 1e3, "train.clip_norm": 0.0, "train.steps": 30})
    assert "step" in row.failed and row.figures == {} and row.value("bbox.AP") is None


def test_a_pretrained_backbone_is_begun_with(tmp_path):
    arm = Arm("frozen", {"train.frozen_stages": 4}, pretrained=2)
    row = row_of(arm, tmp_path)
    plan = question().plan(arm, 0)
    [backbone] = tmp_path.glob("backbone-*")
    assert row.cost["pretrain_cpu"] > 0
    state = Experiment.open(tmp_path / plan.training).model.state_dict()
    learned = load_backbone(RunFolder.open(backbone))
    assert len(learned) > 20
    for name, array in learned.items():
        np.testing.assert_array_equal(state[name], array)


@pytest.mark.parametrize("system", ["rcnn", "fast_rcnn"])
def test_what_passes_the_network(system, tmp_path):
    """R-CNN sends every proposal through the network, Fast R-CNN the picture once."""
    row = row_of(Arm(system, {"model.system": system}), tmp_path, **OUTSIDE)
    assert row.failed == "" and row.cost["search_cpu"] > 0 and "segm" not in row.figures
    assert row.cost["passes"] == (12 if system == "rcnn" else 1) and row.figures["proposals"]["count"] <= 12


def test_every_system_of_the_history_has_what_the_table_shows():
    assert [arm.name for arm in HISTORY.arms] == [
        *("rcnn", "fast_rcnn", "faster_rcnn", "mask_rcnn", "mask_scoring_rcnn", "keypoint_rcnn"),
    ]
    scenes = {HISTORY.plan(arm, 0).config.scenes.digits_per_image for arm in HISTORY.arms}
    budgets = {
        (train.steps, train.batch_size, train.train_scenes)
        for train in (HISTORY.plan(arm, 0).config.train for arm in HISTORY.arms)
    }
    assert len(scenes) == len(budgets) == 1
