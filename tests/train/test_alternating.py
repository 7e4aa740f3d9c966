"""Four steps in turn: what learns in each, what stays to the last bit, and going on after any stop."""

import dataclasses
import shutil

import numpy as np
import pytest
from tiny_settings import TINY_RUN

from tinymaskrcnn import Experiment
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.errors import CheckpointError, ConfigError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train import alternating
from tinymaskrcnn.train.alternating import HeadsStep, ProposerStep, load_weights, step_file, steps_of
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.schedule import learning_rate

TINY = TINY_RUN | {"train.checkpoint_every": 2, "train.steps": 12, "train.procedure": "alternating"}


def config(**more):
    return override(Config(), TINY | {name.replace("__", "."): value for name, value in more.items()})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    experiment = Experiment.start(tmp_path_factory.mktemp("alternating") / "whole", config())
    assert experiment.train() is True
    return experiment


def changed(before, after):
    """The first words of the names of all arrays that differ."""
    return {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}


def test_the_steps_divide_a_run_as_the_authors_did():
    assert [(step.first, step.end) for step in steps_of(240_000)] == [
        (0, 80_000),
        (80_000, 120_000),
        (120_000, 200_000),
        (200_000, 240_000),
    ]
    for total in range(6, 60):
        steps = steps_of(total)
        assert steps[0].first == 0 and steps[-1].end == total and all(step.first < step.end for step in steps)
        assert all(one.end == next.first for one, next in zip(steps, steps[1:]))


def test_each_step_changes_its_part_and_nothing_else(trained):
    weights = [load_weights(trained.run, number) for number in range(5)]
    first = weights[0]
    assert changed(first, weights[1]) == {"backbone", "rpn"}
    assert changed(first, weights[2]) == {"backbone", "roi_heads", "rpn"}  # the proposer is still that of step 1
    assert changed(weights[1], weights[2]) == {"backbone", "roi_heads"}
    assert changed(weights[2], weights[3]) == {"rpn"}  # values and statistics of the backbone: to the last bit
    assert changed(weights[3], weights[4]) == {"roi_heads"}
    final = trained.model.state_dict()
    assert not changed(final, weights[4])
    assert any(name.endswith("running_mean") for name in first)  # there are statistics that could have moved


def test_steps_2_and_3_begin_with_the_first_weights(trained, monkeypatch):
    began = {}
    real = alternating.StepTrainer

    def spy(part, stream, settings, step, *, device):
        began[step.number] = part.state_dict()
        return real(part, stream, settings, step, device=device)

    monkeypatch.setattr(alternating, "StepTrainer", spy)
    again = Experiment.start(trained.run.path.parent / "again", config())
    again.train()
    first = load_weights(trained.run, 0)
    assert not changed(first, began[1])
    assert changed(first, began[2]) == {"rpn"}
    assert changed(first, began[3]) == {"backbone", "roi_heads"}
    assert not changed(again.model.state_dict(), trained.model.state_dict())


def test_momentum_and_decay_leave_frozen_parts_alone(trained):
    """The optimizer of a step remembers nothing of what it does not train; all parameters learn again afterwards."""
    stored = trained.run.load()
    assert {name.split(".")[1] for name in stored.optimizer if name != "updates"} == {"roi_heads"}
    assert all(p.trainable for p in trained.model.parameters())


def test_each_step_reports_the_losses_of_its_part(trained):
    rows = read_rows(trained.run.metrics_file)
    kinds = [{name for name in row if name.startswith(("rpn", "box", "mask"))} for row in rows]
    rpn, heads = {"rpn_objectness", "rpn_box"}, {"box_class", "box_delta", "mask"}
    assert kinds == [rpn] * 4 + [heads] * 2 + [rpn] * 4 + [heads] * 2
    rates = [row["learning_rate"] for row in rows]
    assert rates[0] == rates[4] == rates[6] == rates[10] == config().train.learning_rate  # each begins anew
    for step in steps_of(12):
        own = dataclasses.replace(config().train, steps=step.end - step.first)
        wanted = [learning_rate(k, own) for k in range(own.steps)]
        np.testing.assert_allclose(rates[step.first : step.end], wanted, rtol=1e-12)
    assert rates[3] < rates[0] / 2, "the rate falls within a step"
    trained.draw(scenes=1)


class Stop(Exception):
    pass


@pytest.mark.in_turn
@pytest.mark.parametrize("stop", [1, 3, 4, 5, 6, 7, 10, 11])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(trained, tmp_path, monkeypatch, stop):
    run = tmp_path / "parts"
    real = alternating.StepTrainer.train_step

    def killed(self, batches):
        if self.step == stop:
            raise Stop
        return real(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(alternating.StepTrainer, "train_step", killed)
        with pytest.raises(Stop):
            Experiment.start(run, config()).train()
    again = Experiment(RunFolder.open(run))
    assert again.train() is True
    assert not changed(again.model.state_dict(), trained.model.state_dict())
    lines = [RunFolder.open(path).metrics_file.read_text().count("\n") for path in (run, trained.run.path)]
    assert lines == [12, 12]


def test_a_kill_between_the_checkpoint_and_what_a_step_leaves(trained, tmp_path, monkeypatch):
    run, real = tmp_path / "parts", alternating._save

    def killed(run, number, *what):
        if number == 1:
            raise Stop
        real(run, number, *what)

    with monkeypatch.context() as patch:
        patch.setattr(alternating, "_save", killed)
        with pytest.raises(Stop):
            Experiment.start(run, config()).train()
    assert not step_file(RunFolder.open(run), 1).exists()
    again = Experiment(RunFolder.open(run))
    assert again.train() is True
    assert not changed(again.model.state_dict(), trained.model.state_dict())


def test_a_step_without_its_predecessor_is_refused(trained, tmp_path):
    for number in (0, 1, 3):
        run = RunFolder.open(shutil.copytree(trained.run.path, tmp_path / str(number)))
        step_file(run, number).unlink()
        with pytest.raises(CheckpointError, match=rf"step{number}.npz: is missing; what comes after step {number} "):
            Experiment(run).train()


def test_what_is_opened_between_the_steps_says_so(trained, tmp_path, capsys):
    run = RunFolder.open(shutil.copytree(trained.run.path, tmp_path / "run"))
    for step, number in ((0, 1), (3, 1), (4, 2), (7, 3), (11, 4)):
        run.save({"step": step, "model": trained.run.load().model, "optimizer": {}})
        Experiment.open(run.path)
        assert f"stopped in step {number} of the 4 of alternating" in capsys.readouterr().err
    Experiment.open(trained.run.path)
    assert capsys.readouterr().err == ""


def test_more_steps_than_it_began_with_are_refused(trained):
    longer = dataclasses.replace(trained.run, config=override(trained.config, {"train.steps": 24}))
    with pytest.raises(CheckpointError, match="step 1 ended after 4 optimizer steps, and would now after 8"):
        Experiment(longer).train()
    with pytest.raises(ConfigError, match="train.steps must be at least 6 for .*alternating.* got 5"):
        Experiment.start(trained.run.path.parent / "short", config(train__steps=5))
    with pytest.raises(ConfigError, match="model.box_gradient must be 'none' where .* got 'features'"):
        Experiment.start(trained.run.path.parent / "short", config(model__box_gradient="features"))


def test_a_frozen_stem_stays_frozen(tmp_path):
    experiment = Experiment.start(tmp_path / "frozen", config(train__frozen_stages=1, train__steps=6))
    first = experiment.model.state_dict()
    frozen = {name for name, p in experiment.model.named_parameters() if not p.trainable}
    experiment.train()
    final = experiment.model.state_dict()
    assert frozen and all(np.array_equal(first[name], final[name]) for name in frozen)
    assert {name for name, p in experiment.model.named_parameters() if not p.trainable} == frozen


@pytest.mark.parametrize("part", [ProposerStep, HeadsStep])
@pytest.mark.parametrize("shared", [False, True])
def test_a_step_has_the_gradients_of_the_whole_where_it_learns(part, shared):
    """With the same samples, the losses of a part and their gradients are those of joint training."""
    model = build_model(config().model, rng=np.random.default_rng(1)).astype(np.float64)
    teacher = build_model(config().model, rng=np.random.default_rng(2)).astype(np.float64)
    batch = open_stream(config(), split="train").batch(0)
    targets = dataclasses.replace(batch.targets, boxes=batch.targets.boxes.astype(np.float64))
    images, data = batch.images.astype(np.float64), dict(targets=targets, sizes=batch.sizes)
    if shared:
        model.backbone.eval()
    pyramid, _ = model.backbone.forward(model.normalize.forward(images, sizes=batch.sizes)[0])
    said, _ = model.rpn.forward(pyramid)
    samples = model.choose_samples(
        pyramid, said, targets, image_size=images.shape[1:3], sizes=batch.sizes, rng=np.random.default_rng(3)
    )
    wanted, cache = model.forward(images, samples=samples, **data)
    model.zero_grad()
    own = {name: float(name.startswith("rpn") == (part is ProposerStep)) for name in wanted}
    if not shared:
        model.backward(own, cache)
        gradients = {name: p.grad.copy() for name, p in model.named_parameters()}
    step = part(model, shared=shared, teacher=teacher)
    assert set(step.state_dict()) == set(model.state_dict())
    model.train()
    losses, cache = step.forward(images, samples=samples, **data)
    assert set(losses) == {name for name, share in own.items() if share}
    if shared:
        statistics = {name: b.value.copy() for name, b in model.backbone.named_buffers()}
        assert all(losses[name] == wanted[name] for name in losses)
        assert step.backward(dict.fromkeys(losses, 1.0), cache) is None
        assert not any(p.grad.any() for p in model.backbone.parameters())
        assert all(np.array_equal(b.value, statistics[name]) for name, b in model.backbone.named_buffers())
        return
    model.zero_grad()
    dimages = step.backward(dict.fromkeys(losses, 1.0), cache)
    assert dimages.shape == images.shape
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad, gradients[name], rtol=0, atol=1e-12)
