"""R-CNN's stages: the same bits however often they are stopped, nothing of another run, nothing out of turn."""

import dataclasses
import os
import shutil
import signal

import numpy as np
import pytest

from tinymaskrcnn import Experiment
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config
from tinymaskrcnn.config_whole import check_data
from tinymaskrcnn.errors import ArgumentError, CheckpointError, ConfigError
from tinymaskrcnn.models.systems import system_settings
from tinymaskrcnn.train import rcnn_stages
from tinymaskrcnn.train.procedures import Training
from tinymaskrcnn.train.rcnn_stages import STAGES, Stages
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.stage_files import StageFiles, digest
from tinymaskrcnn.train.trainer import Trainer

SMALL = {
    "model.backbone.depths": (1, 1, 1, 1),
    "model.backbone.widths": (4, 4, 4, 8),
    "model.backbone.stem_width": 4,
    "model.rcnn.warp_size": 32,
    "model.rcnn.context": 2,
    "model.rcnn.svm_retrain_after": 20,
    "model.proposals.most": 30,
    "model.roi.head_width": 6,
    "scenes.image_size": 64,
    "train.train_scenes": 5,
    "train.batch_size": 2,
    "train.steps": 3,
    "train.warmup_steps": 1,
    "train.checkpoint_every": 2,
    "train.eval_scenes": 2,
}


def config(**changes):
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return override(Config(), system_settings("rcnn") | SMALL | named)


PICTURES = rcnn_stages.PICTURES  # as it is when nobody changes it


@pytest.fixture(autouse=True)
def two_pictures_a_file(monkeypatch):
    monkeypatch.setattr(rcnn_stages, "PICTURES", 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted; tests copy it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rcnn_stages, "PICTURES", 2)
        experiment = Experiment.start(tmp_path_factory.mktemp("rcnn") / "whole", config())
        assert experiment.train() is True
    return experiment.run.path


def training(experiment):
    return Training(experiment.model, experiment.stream(), experiment.run)


def reopened(path, **changes):
    run = RunFolder.open(path)
    return Experiment(dataclasses.replace(run, config=override(run.config, changes)) if changes else run)


def contents(path):
    """{file and array: numbers} of the checkpoint and of all that the stages wrote."""
    arrays = {}
    for file in sorted([path / "checkpoint.npz", *(path / "stages").iterdir()]):
        with np.load(file) as loaded:
            arrays |= {(file.name, name): loaded[name] for name in loaded.files}
    return arrays


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_all_stages_leave_their_files(whole):
    names = [f"features-{first:06d}.npz" for first in (0, 2, 4)]
    names += [f"classifiers-{label:05d}.npz" for label in range(1, 11)] + ["regression.npz"]
    assert sorted(os.listdir(whole / "stages")) == sorted(names)
    opened = Experiment.open(whole)
    predictor = opened.model.roi_heads.heads["box"].predictor
    assert predictor.svm_weight.value.any() and predictor.bbox_weight.value.any()
    assert list(opened.evaluate(scenes=2)) == ["bbox"]


def test_what_was_fitted_is_installed_and_the_checkpoint_keeps_the_rest(whole):
    run = RunFolder.open(whole)
    stages, stored = Stages(training(reopened(whole))), run.load()
    assert stored.step == 3 and "updates" in stored.optimizer and len(stored.optimizer) > 1
    machines, (ridge,) = list(stages.read("classifiers")), stages.read("regression")
    predictor = Experiment.open(whole).model.roi_heads.heads["box"].predictor
    for label, machine in enumerate(machines):
        np.testing.assert_allclose(predictor.svm_weight.value[:, label], machine["weight"], rtol=1e-6)
        np.testing.assert_allclose(predictor.svm_bias.value[label], machine["bias"], rtol=1e-6)
    np.testing.assert_allclose(predictor.bbox_weight.value, ridge["weight"], rtol=1e-6)


def test_a_file_depends_on_its_own_pictures_and_the_settings_of_its_stage(whole):
    stages = Stages(training(reopened(whole)))
    crop, ridge = {"warp_size", "context"}, {"ridge_iou", "ridge_strength"}
    svm = {"svm_c", "svm_negative_iou", "svm_positive_weight", "svm_bias_multiplier", "svm_retrain_after"}
    wanted = {"features": crop | {"ridge_iou"}, "classifiers": crop | svm | {"feature_norm", "ridge_iou"}}
    wanted["regression"] = crop | ridge | {"feature_norm"}
    digests = stages.pictures[1]
    assert len(set(digests)) == 3
    for stage, names in wanted.items():
        for name, what in stages.names(stage).items():
            told = stages.made_from(stage, what)
            assert set(told["rcnn"]) == names and told["seed"] == 0 and told["network"] == stages.network
            of = [digests[what.start // 2]] if stage == "features" else digests
            assert told["pictures"] == digest(np.array(of)), name
            assert tuple(told["delta_weights"]) == stages.config.model.roi.delta_weights
    pictures = [stages.stream.scene(number) for number in (2, 3)]
    given = [stages.stream.proposals.of(number) for number in (2, 3)]
    arrays = [a for (image, t), boxes in zip(pictures, given) for a in (image, t.boxes, t.labels, boxes)]
    assert digests[1] == digest(*arrays)
    state = stages.model.state_dict()
    assert stages.network == digest(*(state[n] for n in sorted(state) if "box_predictor" not in n))


def test_fifty_pictures_a_file_and_a_line_a_stage(whole, tmp_path, capsys):
    assert PICTURES == 50
    path = without(whole, tmp_path, "stages/regression.npz")
    (path / "stages" / ".regression.npz.999999-0.tmp").write_bytes(b"half")
    began = []
    assert reopened(path).train(on_start=began.append) is True and began == [3]
    said = capsys.readouterr().err
    assert "stage 5 of 5: regression" in said and "stage 4" not in said
    assert not list((path / "stages").glob(".*"))


def test_the_network_learns_on_the_device_of_its_training(whole, tmp_path, monkeypatch):
    path, seen = without(whole, tmp_path, "stages"), []
    monkeypatch.setattr(rcnn_stages, "run_training", lambda trainer, run, on_row: seen.append(trainer.device) or False)
    monkeypatch.setattr(rcnn_stages, "resume", lambda trainer, run: 1)
    before = rcnn_stages.Progress
    monkeypatch.setattr(rcnn_stages, "Progress", lambda *a, **k: seen.append((a, k)) or before(*a, **k))
    stages = Stages(dataclasses.replace(training(reopened(path)), device="somewhere"))
    assert stages.run("network") is False and seen == [((3,), {"start": 1}), "somewhere"]


def without(whole, tmp_path, *names):
    """A copy of a run that lost some of its files, as if it had been stopped before them."""
    path = shutil.copytree(whole, tmp_path / "run")
    for name in names:
        shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()
    return path


class Killed(Exception):
    pass


@pytest.mark.in_turn
@pytest.mark.parametrize("last", [1, 2, 4, 9, 13, 14])
def test_killed_while_it_wrote_a_file_and_again(whole, tmp_path, monkeypatch, last):
    """Killed before file number `last`, and once more at the very next one."""
    write, written = StageFiles.write, []

    def killed(self, name, arrays, **options):
        written.append(name)
        if len(written) in (last, last + 2):
            raise Killed
        write(self, name, arrays, **options)

    path = without(whole, tmp_path, "stages")
    with monkeypatch.context() as patch:
        patch.setattr(StageFiles, "write", killed)
        for _ in range(1 if last == 14 else 2):
            with pytest.raises(Killed):
                reopened(path).train()
    assert reopened(path).train() is True
    assert equal(contents(path), contents(whole))


@pytest.mark.parametrize("step", [0, 1, 2])
def test_killed_while_the_network_learned(whole, tmp_path, monkeypatch, step):
    real, path = Trainer.train_step, without(whole, tmp_path, "stages", "checkpoint.npz", "metrics.jsonl")

    def killed(self, batches):
        if self.step == step:
            raise Killed
        return real(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(Killed):
            reopened(path).train()
    assert reopened(path).train() is True
    assert equal(contents(path), contents(whole))


def test_ctrl_c_between_files(whole, tmp_path, monkeypatch):
    write, path = StageFiles.write, without(whole, tmp_path, "stages")

    def interrupted(self, name, arrays, **options):
        write(self, name, arrays, **options)
        if name.startswith("features"):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(StageFiles, "write", interrupted)
        assert reopened(path).train() is False
        assert os.listdir(path / "stages") == ["features-000000.npz"]
    assert reopened(path).train() is True
    assert equal(contents(path), contents(whole))


def test_a_finished_run_has_nothing_left_to_do(whole, tmp_path, monkeypatch):
    path = shutil.copytree(whole, tmp_path / "run")
    before = contents(path)
    monkeypatch.setattr(StageFiles, "write", lambda *_, **__: pytest.fail("nothing is missing"))
    assert reopened(path).train() is True
    assert equal(contents(path), before)


# ---------------------------------------------------------------- out of turn, and of another run


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_does_not_start_before_the_one_it_needs(whole, tmp_path, stage):
    before = STAGES[STAGES.index(stage) - 1]
    file = {"proposals": "proposals", "network": "checkpoint.npz"}.get(before)
    path = without(whole, tmp_path, file or sorted((whole / "stages").glob(f"{before}*"))[-1].relative_to(whole))
    stages = Stages(training(reopened(path)))
    with pytest.raises(ArgumentError) as caught:
        stages.run(stage)
    said = str(caught.value)
    assert f"stage {stage!r} of R-CNN starts from what stage {before!r} makes" in said and len(said) < 500


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"train.train_scenes": 0}, "train.train_scenes must be above 0 for R-CNN"),
        ({"train.procedure": "joint"}, "train.procedure must be 'stages' for system 'rcnn'; got 'joint'"),
        (system_settings("fast_rcnn") | {"train.procedure": "stages"}, "which is R-CNN's, for system 'fast_rcnn'"),
    ],
)
def test_stages_and_the_system_belong_together(settings, said):
    with pytest.raises(ConfigError, match=said):
        check_data(override(config(), settings))
    check_data(override(config(), {"train.procedure": "pretrain"}))  # its backbone may learn first


def refused(path, **changes):
    with pytest.raises(CheckpointError) as caught:
        reopened(path, **changes).train()
    said = str(caught.value)
    assert "was made from something else" in said and len(said) < 500 and "\n" not in said
    return said


def test_features_of_other_pictures_are_refused(whole, tmp_path):
    other = Experiment.start(tmp_path / "other", config(scenes__noise=0.2))
    shutil.copytree(whole / "stages", other.run.path / "stages")
    assert "has learned nothing yet" in refused(other.run.path)  # at once, not when it has learned
    shutil.rmtree(other.run.path / "stages")
    other.train()
    shutil.copytree(whole / "stages", other.run.path / "stages", dirs_exist_ok=True)
    said = refused(other.run.path)
    assert "network is" in said and "; pictures is" in said


# ---------------------------------------------------------------- more steps


def test_with_more_steps_the_network_learns_on_and_the_rest_is_made_anew(whole, tmp_path, monkeypatch, capsys):
    """Killed as soon as it has learned on, and in what comes after: the same bits as in one go."""
    in_one_go = reopened(shutil.copytree(whole, tmp_path / "one"), **{"train.steps": 5})
    in_one_go.run.write_config()
    assert in_one_go.train() is True and in_one_go.run.load().step == 5
    assert "the network learns on; what was made from it is made anew" in capsys.readouterr().err
    before, after = contents(whole), contents(tmp_path / "one")
    assert before.keys() == after.keys()
    fits = [name for name in before if name[0].startswith(("features", "classifiers", "regression"))]
    assert all(not np.array_equal(before[name], after[name]) for name in fits if name[1] in ("fc7", "about"))

    path = shutil.copytree(whole, tmp_path / "parts")
    longer = reopened(path, **{"train.steps": 5})
    longer.run.write_config()
    real = Trainer.train_step

    def killed(self, batches):
        if self.step == 4:
            raise Killed
        return real(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(Killed):
            longer.train()
    with pytest.raises(ArgumentError, match="R-CNN has no classifiers yet: .*--resume` runs what is left"):
        Experiment.open(path)
    stages = Stages(training(reopened(path)))
    assert stages.run("network") and stages.run("features")
    assert reopened(path).train() is True
    assert equal(contents(path), after)


@pytest.mark.parametrize("setting", ["svm_c", "ridge_strength", "context"])
def test_files_made_with_other_settings_are_refused(whole, tmp_path, setting):
    path = shutil.copytree(whole, tmp_path / "run")
    value = {"svm_c": 0.5, "ridge_strength": 7.0, "context": 3}[setting]
    stages = Stages(training(reopened(path)))
    settings = dataclasses.replace(stages.config.model.rcnn, **{setting: value})
    stages.config = dataclasses.replace(stages.config, model=dataclasses.replace(stages.config.model, rcnn=settings))
    with pytest.raises(CheckpointError, match=f"rcnn.{setting} is .* there and {value} here"):
        stages.install()


# ---------------------------------------------------------------- what is learned from


def test_positives_are_objects_and_negatives_lie_away_from_the_class(whole, tmp_path, monkeypatch):
    from tinymaskrcnn.ops.naive import iou
    from tinymaskrcnn.train import rcnn_fits
    from tinymaskrcnn.train.svm import LinearSVM

    stages = Stages(training(reopened(shutil.copytree(whole, tmp_path / "run"))))
    seen = []

    def watched(positives, pictures, **options):
        seen.append((positives, list(pictures)))
        return LinearSVM(np.zeros(positives.shape[1]), 0.0)

    monkeypatch.setattr(rcnn_fits, "mine_svm", watched)
    some = 0
    for label in range(1, 11):
        rcnn_fits.classifier(stages, label)
        positives, negatives = seen[-1]
        assert len(positives) == sum((labels == label).sum() for _, labels, _ in stages.pictures[0])
        for (objects, labels, proposals), rows in zip(stages.pictures[0], negatives, strict=True):
            own = objects[labels == label]
            away = [all(iou(box, other) < 0.3 for other in own) for box in proposals]
            assert len(rows) == sum(away)
            some += len(rows) < len(proposals)
    assert some > 0
    lengths = [np.linalg.norm(positives, axis=1) for positives, _ in seen if len(positives)]
    assert 5 < np.concatenate(lengths).mean() < 60  # scaled: over objects and boxes together the mean is 20


def test_regression_learns_from_boxes_near_an_object(whole, tmp_path):
    from tinymaskrcnn.ops.naive import encode, iou

    stages = Stages(training(reopened(shutil.copytree(whole, tmp_path / "run"))))
    expected = []
    for objects, labels, proposals in stages.pictures[0]:
        for box in proposals:
            overlaps = [iou(box, other) for other in objects]
            if overlaps and max(overlaps) >= 0.6:
                best = int(np.argmax(overlaps))
                expected.append((labels[best], encode(objects[best].astype(float), box.astype(float))))
    files = list(stages.read("features"))
    labels, deltas = (np.concatenate([f[name] for f in files]) for name in ("near_labels", "near_deltas"))
    assert len(expected) > 3 and labels.tolist() == [label for label, _ in expected]
    np.testing.assert_allclose(deltas, [d for _, d in expected], rtol=1e-4, atol=1e-5)


def test_what_is_fitted_to_scaled_features_is_told_for_features_as_they_come(whole, tmp_path, monkeypatch):
    """The mean length that machines and ridges see is feature_norm, and what is written needs no scaling any more."""
    from tinymaskrcnn.train import rcnn_fits
    from tinymaskrcnn.train.ridge import fit_ridge
    from tinymaskrcnn.train.svm import LinearSVM

    stages = Stages(training(reopened(shutil.copytree(whole, tmp_path / "run"))))
    files = list(stages.read("features"))
    fc7, pool5 = (np.concatenate([f[name] for f in files]).astype(float) for name in ("fc7", "near_pool5"))
    plane = LinearSVM(np.arange(1.0, 7), 0.25)
    monkeypatch.setattr(rcnn_fits, "mine_svm", lambda *_, **__: plane)
    told, scale = rcnn_fits.classifier(stages, 1), 20 / np.linalg.norm(fc7, axis=1).mean()
    np.testing.assert_allclose(fc7 @ told["weight"] + told["bias"], plane.scores(fc7 * scale), rtol=1e-6)

    told, scale = rcnn_fits.regression(stages, None), 20 / np.linalg.norm(pool5, axis=1).mean()
    labels, deltas = (np.concatenate([f[name] for f in files]) for name in ("near_labels", "near_deltas"))
    said = (pool5 @ told["weight"] + told["bias"]).reshape(len(pool5), 10, 4)
    for label in set(labels.tolist()):
        rows = labels == label
        weight, bias = fit_ridge(pool5[rows] * scale, deltas[rows], strength=1000.0)
        np.testing.assert_allclose(said[:, label - 1], pool5 * scale @ weight + bias, rtol=1e-5, atol=1e-7)


def test_the_same_seed_gives_the_same_bits(whole, tmp_path):
    again = Experiment.start(tmp_path / "again", config())
    again.train()
    assert equal(contents(tmp_path / "again"), contents(whole))
