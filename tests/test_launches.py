"""What a training step starts on a device: few launches, and the same list of them in every step."""

import collections
import itertools

import numpy as np
import pytest
import strict_device
from benchmarks import launches
from benchmarks.contestants import with_train
from pretended_cupy import pretended
from strict_device import xp
from tiny_settings import TINY_RUN

from tinymaskrcnn import Experiment
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config
from tinymaskrcnn.models.systems import SYSTEMS, system_settings
from tinymaskrcnn.train import rcnn_stages
from tinymaskrcnn.train.optimizer import Optimizer
from tinymaskrcnn.train.procedures import Training
from tinymaskrcnn.train.trainer import Trainer

MOST = 1000


@pytest.fixture(scope="module")
def steps():
    return launches.counted_steps(Config(), 3)


def test_a_default_step_is_at_most_a_thousand_launches(steps):
    cost = steps[-1]
    assert cost.launches <= MOST
    assert cost.products <= 200 and cost.sorts <= 12
    assert cost.synchronisations == 1  # for the numbers of its row


def test_only_what_changes_is_uploaded(steps):
    """Pictures, their sizes and objects, the random keys of two samples, the rate: constants have been there before."""
    places = collections.Counter(event.place for event in steps[-1].events if event.kind == "upload")
    assert places.pop("structures.py:to_device") + places.pop("structures.py:_moved") == 6
    assert places == {"targets/matcher.py:draw_keys": 2, "train/optimizer.py:prepare": 1}


def differences(first, second):
    """Pairs of events in which the lists of two steps differ."""
    return [pair for pair in itertools.zip_longest(first.events, second.events) if pair[0] != pair[1]]


def test_two_steps_record_the_same_list(steps):
    """The same operations in the same order with equal arguments: every number, and of every array all but its numbers.

    So no number on the device decides anything, none of the data does, and nothing that Python counts goes along: two
    steps whose rates and random draws differ.
    """
    second, third = steps[1:]
    assert differences(second, third) == [] and len(third.events) > 1000


def test_a_rate_that_python_hands_over_is_seen(monkeypatch):
    """A fault: the rate is a number in the list, as it was until it got an array."""

    def prepare(self, learning_rate):
        self._numbers = self.numbers(learning_rate)

    monkeypatch.setattr(Optimizer, "prepare", prepare)
    config = override(Config(), {"scenes.digits_per_image": (3, 3), "train.batch_size": 1})
    found = differences(*launches.counted_steps(config, 3)[1:])
    assert found and {a.place for a, _ in found} == {"train/optimizer.py:sgd_update"}


def test_steps_leave_nothing_behind():
    """As many bytes are held after a step as before it, and as much is asked for in every one."""
    held = []

    def after(step):
        held.append(strict_device.live_bytes())

    costs = launches.counted_steps(with_train(Config(), batch_size=1), 3, after_step=after)
    assert held[1] == held[2] > 0
    asked = [sum(event.kind == "memory" for event in cost.events) for cost in costs]
    assert asked[1] == asked[2]


# ---------------------------------------------------------------- every system, every procedure

SMALL = TINY_RUN | {
    "model.proposals.most": 30,
    "model.rcnn.warp_size": 32,
    "scenes.digit_size": (16, 30),
    "train.train_scenes": 4,
    "train.eval_scenes": 0,
    "train.steps": 6,
}
TRAININGS = {
    **{name: system_settings(name) for name in SYSTEMS},
    "exact joint": {"model.box_gradient": "features+targets"},
    "exact joint, RoIWarp": {"model.box_gradient": "features+targets", "model.roi.pooling": "warp"},
    "RoIPool": {"model.roi.pooling": "pool"},
    "PrRoIPool": {"model.roi.pooling": "prroi"},
    "alternating": {"train.procedure": "alternating"},
    "pretrain": {"train.procedure": "pretrain"},
}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", TRAININGS)
def test_no_training_waits_but_for_the_numbers_of_its_rows(name, tmp_path, monkeypatch):
    """And no sparse matrix is left, whose products CuPy adds up in no fixed order."""
    config = override(Config(), TRAININGS[name] | SMALL)
    costs, step = [], Trainer.train_step

    def counted(self, batches):
        batches = list(batches)
        with strict_device.counting() as cost:
            row = step(self, batches)
        costs.append(cost)
        return row

    monkeypatch.setattr(Trainer, "train_step", counted)
    with pretended(), strict_device.kernels(dry=True), np.errstate(all="ignore"):
        take_the_steps(config, tmp_path)
    assert costs and [cost.synchronisations for cost in costs] == [1] * len(costs)
    assert not any(event.name == "_sparse_matmul" for cost in costs for event in cost.events)


def take_the_steps(config, folder):
    """The run of a configuration as far as steps go: what R-CNN fits to its features afterwards is of the host."""
    experiment = Experiment.start(folder / "run", config, device="cuda")
    if config.train.procedure == "stages":
        stages = rcnn_stages.Stages(Training(experiment.model, experiment.stream(), experiment.run, device="cuda"))
        assert stages.run("proposals") and stages.run("network")
    else:
        experiment.train()


# ---------------------------------------------------------------- the counter


@pytest.mark.parametrize(
    ("work", "kinds"),
    [
        (lambda x: x + 1, {"launch": 1}),
        (lambda x: x[:, 1:3].T, {}),
        (lambda x: x[0, 0], {}),
        (lambda x: x.T.reshape(-1), {"launch": 1}),  # what has gaps is copied first
        (lambda x: xp.concatenate([x, x, x]), {"launch": 3}),
        (lambda x: xp.concatenate([x] * 9), {"launch": 1, "upload": 1}),
        (lambda x: x[xp.asarray([0, 2])], {"launch": 1, "upload": 1}),
        (lambda x: xp.take_along_axis(x, x.argsort(axis=1), axis=1), {"launch": 5, "sort": 1}),
        (lambda x: x @ x.T, {"product": 1}),
        (lambda x: xp.ones((2, 5, 3), np.float32) @ xp.ones((3, 1), np.float32), {"launch": 2, "product": 1}),
        (lambda x: xp.repeat(x, 2, axis=0), {"launch": 3}),
        (lambda x: xp.repeat(x, 2), {"launch": 1}),
        (lambda x: xp.empty(3), {"memory": 1}),
        (lambda x: x.get(), {"wait": 1}),
        (lambda x: x.__setitem__((slice(1), 2), 0.0), {"launch": 1}),
        (lambda x: xp.asarray(x), {}),
    ],
)
def test_what_cupy_starts_is_known(work, kinds):
    x = xp.asarray(np.ones((3, 4), np.float32))
    with strict_device.counting() as cost:
        work(x)
    counted = {kind: cost.count(kind) for kind in ("launch", "product", "sort", "upload", "memory", "wait")}
    assert {kind: count for kind, count in counted.items() if count} == kinds


def test_a_step_that_decides_by_a_number_is_seen(monkeypatch):
    """A fault: with more than so many positives the step does something else."""
    from tinymaskrcnn.targets import roi

    text = roi.mask_targets

    def deciding(masks, rois, matched, **data):
        deciding.calls += 1
        extra = rois + 0 if deciding.calls == 3 else rois
        return text(masks, extra, matched, **data)

    deciding.calls = 0
    monkeypatch.setattr("tinymaskrcnn.models.heads.mask.mask_targets", deciding)
    first, second = launches.counted_steps(with_train(Config(), batch_size=1), 3)[1:]
    assert [event.name for event in first.events] != [event.name for event in second.events]


def test_the_table(capsys):
    assert launches.main(["--batch", "1"]) == 0
    head, total, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == list(launches.KINDS) and total.split()[0] == "all"
    assert any(row.startswith("kernels/cuda/conv.py:conv2d_backward") for row in rows)
    columns = [[int(row[44 + 9 * i : 53 + 9 * i].strip() or 0) for i in range(5)] for row in (total, *rows)]
    assert columns[0] == [sum(column) for column in zip(*columns[1:])]


def test_what_is_left_of_a_replayed_step(capsys):
    assert launches.main(["--batch", "1", "--plan"]) == 0
    calls, operations, kept = capsys.readouterr().out.splitlines()
    always, replayed = (int(word.replace(",", "")) for word in calls.split() if word[0].isdigit())
    assert always > 10_000 and replayed < 500
    assert operations.endswith("memory asked for: 0") and kept.endswith("MB")
