"""What ranks compute together is what one process computes: losses, gradients, statistics, weights, in float64."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_proposals, tiny_rcnn, tiny_scene

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.errors import NonFiniteError
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.train.pretrain import new_classifier
from tinymaskrcnn.train.ranks.rank_trainer import RankTrainer
from tinymaskrcnn.train.trainer import Trainer

SETTINGS = TrainConfig(steps=2, batch_size=4, warmup_steps=1, learning_rate=0.05, seed=3, weight_decay=1e-3)
OBJECTS = (3, 1, 0, 0)  # on two ranks the second one has no object at all, on four two of them have none
MODELS = {
    "mask, batch norm everywhere": lambda: tiny_model(version="v2"),
    "mask and keypoints": lambda: tiny_model(heads=("box", "mask", "keypoint")),
    "mask scoring": lambda: tiny_model(mask_iou_widths=(4, 4)),
    "exact joint": lambda: tiny_model(box_gradient="features+targets"),
    "softmax masks, group norm": lambda: tiny_model(mask_kind="softmax", norm="group"),
    "c4, res5 head": lambda: tiny_model(fpn="c4", block="bottleneck", heads=("box",)),
    "vgg": lambda: tiny_model(kind="vgg", fpn="c5", heads=("box",)),
    "r-cnn": lambda: tiny_rcnn(norm="batch"),
    "crops": lambda: new_classifier(tiny_model(), 0),
}


class Scenes:
    """The same few pictures in every batch, cut to what a rank sees; the most objects differ from rank to rank."""

    def __init__(self, batch_size=4, objects=OBJECTS, given=False):
        self.batch_size, self.objects, self.given, self.proposals = batch_size, objects, given, None

    def batch(self, i):
        images, targets = tiny_scene(self.objects, keypoints=3)
        proposals, valid = tiny_proposals(targets)
        first = i * self.batch_size % len(self.objects)
        mine = slice(first, first + self.batch_size)
        most = max(1, *self.objects[mine]) if self.batch_size > 1 else max(1, self.objects[first])
        parts = vars(targets).items()
        targets = dataclasses.replace(targets, **{name: a[mine, :most].astype(_double(a)) for name, a in parts})
        given = {"proposals": proposals[mine].astype(float), "proposals_valid": valid[mine]} if self.given else {}
        return ImageBatch(images[mine].astype(float), np.full((len(images[mine]), 2), 64), targets, given=given)


def _double(array):
    return float if array.dtype.kind == "f" else array.dtype


def stepped(model, make, settings, scenes):
    """The row of one step, its gradients, and the state after it; by name."""
    trainer = make(model.astype(np.float64), scenes, settings)
    batches = [trainer.stream.batch(i) for i in range(settings.accumulate)]
    row = trainer.train_step(batches)
    gradients = {name: p.grad.copy() for name, p in trainer.model.named_parameters()}
    return row, gradients, trainer.state_dict()["model"]


def on_some_ranks(threads, size, build, settings, scenes):
    def work(ranks):
        return stepped(build(), lambda *given: RankTrainer(*given, ranks=ranks), settings, scenes)

    return threads.on_ranks(size, work)


def assert_equal(one, several, rtol):
    (row, gradients, state), (other_row, other_gradients, other_state) = one, several
    assert other_row == pytest.approx(row, rel=rtol)
    for wanted, got in ((gradients, other_gradients), (state, other_state)):
        for name, array in wanted.items():
            assert abs(got[name] - array).max() <= rtol * max(abs(array).max(), 1e-3), name


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.long)])
def test_ranks_compute_what_one_process_computes(threads, kind, size):
    build, scenes = MODELS[kind], Scenes(given=kind == "r-cnn")
    one = stepped(build(), Trainer, SETTINGS, scenes)
    several = on_some_ranks(threads, size, build, SETTINGS, scenes)
    assert one[0]["loss"] > 0
    assert_equal(one, several[0], rtol=1e-12)
    for other in several[1:]:
        assert other[0] == several[0][0]
        assert all(np.array_equal(other[2][name], array) for name, array in several[0][2].items())


def test_batches_that_are_accumulated_share_their_draws(threads):
    settings = dataclasses.replace(SETTINGS, accumulate=2, batch_size=2)
    build, scenes = MODELS["mask and keypoints"], Scenes(batch_size=2, objects=(1, 3, 0, 2))
    one = stepped(build(), Trainer, settings, scenes)
    assert_equal(one, on_some_ranks(threads, 2, build, settings, scenes)[1], rtol=1e-12)


def test_a_training_of_several_steps_repeats_bit_for_bit_and_follows_one_process(threads):
    settings = dataclasses.replace(SETTINGS, steps=3, batch_size=4)

    def trained(make):
        trainer = make(MODELS["exact joint"]().astype(np.float64), Scenes(), settings)
        rows = [{n: v for n, v in row.items() if n not in ("seconds", "memory_mb")} for row in trainer.rows()]
        return rows, trainer.state_dict()["model"]

    first, again = (threads.on_ranks(2, lambda r: trained(lambda *g: RankTrainer(*g, ranks=r))) for _ in range(2))
    assert first[0][0] == first[1][0] == again[0][0]
    rows, state = trained(Trainer)
    for row, other in zip(rows, first[0][0], strict=True):
        assert other == pytest.approx(row, rel=1e-9)
    for name, array in state.items():
        assert np.array_equal(first[0][1][name], again[1][1][name]), name
        assert np.allclose(first[1][1][name], array, rtol=1e-8, atol=1e-10), name


LOCAL = dataclasses.replace(SETTINGS, sync_batch_norm=False)


class Repeated(Scenes):
    """Both ranks see the same two pictures, so what one takes of its own is what both have together."""

    def batch(self, i):
        return super().batch(0)


def test_batch_norm_of_a_rank_s_own_pictures_is_that_of_all_where_all_have_the_same(threads):
    own, all_ = (on_some_ranks(threads, 2, tiny_model, settings, Repeated()) for settings in (LOCAL, SETTINGS))
    assert own[0][0] == pytest.approx(all_[0][0], rel=1e-12)
    for name, gradient in all_[0][1].items():
        assert abs(own[1][1][name] - gradient).max() <= 1e-12 * max(abs(gradient).max(), 1e-3), name


def test_batch_norm_of_a_rank_s_own_pictures_shares_its_gradients_and_in_the_end_its_running_means(threads):
    """Step by step the weights are the same on all ranks; running means are those of rank 0 when all is done."""

    def work(ranks):
        trainer, states = RankTrainer(tiny_model().astype(np.float64), Scenes(), LOCAL, ranks=ranks), []
        for _ in trainer.rows():
            states.append({name: array.copy() for name, array in trainer.state_dict()["model"].items()})
        return states, trainer.state_dict()["model"]

    (first, first_end), (second, second_end) = threads.on_ranks(2, work)
    differ = {name for name, array in first[-1].items() if not np.array_equal(array, second[-1][name])}
    assert differ == {name for name in first_end if "running" in name}
    assert all(np.array_equal(first[-1][name], end[name]) for end in (first_end, second_end) for name in end)
    together = on_some_ranks(threads, 2, tiny_model, SETTINGS, Scenes())[0][1]
    apart = on_some_ranks(threads, 2, tiny_model, LOCAL, Scenes())[0][1]
    assert max(abs(apart[name] - together[name]).max() for name in apart) > 1e-6


@pytest.mark.parametrize("together", [True, False])
def test_the_mean_of_the_weights_is_the_same_on_all_ranks_and_what_they_end_with(threads, together):
    settings = dataclasses.replace(SETTINGS, steps=3, average=0.5, sync_batch_norm=together)

    def trained(make):
        trainer = make(MODELS["mask, batch norm everywhere"]().astype(np.float64), Scenes(), settings)
        list(trainer.rows())
        state = trainer.model.state_dict()
        assert all(np.array_equal(state[name], array) for name, array in trainer.state_dict()["model"].items())
        return state, trainer.state_dict()["optimizer"]

    (first, own), (second, other) = threads.on_ranks(2, lambda r: trained(lambda *g: RankTrainer(*g, ranks=r)))
    assert all(np.array_equal(array, second[name]) for name, array in first.items())
    assert all(np.array_equal(array, other[name]) for name, array in own.items())
    assert any(not np.array_equal(array, own[f"last.{name}"]) for name, array in first.items())
    if together:
        for name, array in trained(Trainer)[0].items():
            np.testing.assert_allclose(first[name], array, rtol=1e-9, atol=1e-12)


def test_all_ranks_stop_at_a_nan_that_one_of_them_meets_and_say_the_same(threads):
    def work(ranks):
        trainer = RankTrainer(tiny_model(norm="group").astype(np.float64), Scenes(), SETTINGS, ranks=ranks)
        before = trainer.state_dict()["model"]
        batch = trainer.stream.batch(0)
        images = batch.images.copy()
        if ranks.rank == 1:
            images[0, 5, 5] = np.nan
        batch = dataclasses.replace(batch, images=images)
        trainer.stream.batch = lambda i: batch  # met again when the step is repeated
        with np.errstate(invalid="ignore"), pytest.raises(NonFiniteError) as raised:
            trainer.train_step([batch])
        after = trainer.state_dict()["model"]
        assert all(np.array_equal(before[name], after[name]) for name in before)
        return str(raised.value)

    said = threads.on_ranks(2, work)
    assert said[0] == said[1] and said[0].startswith("step 1: the output") and "NaN" in said[0]


def test_one_that_is_asked_to_stop_stops_all(threads):
    make = lambda ranks: RankTrainer(tiny_model(), Scenes(), SETTINGS, ranks=ranks)  # noqa: E731
    assert threads.on_ranks(2, lambda ranks: make(ranks).agreed(ranks.rank == 1)) == [True, True]
    assert threads.on_ranks(2, lambda ranks: make(ranks).agreed(False)) == [False, False]


def test_a_step_meets_as_often_on_every_rank_and_sends_each_gradient_twice(threads):
    def work(ranks):
        trainer = RankTrainer(tiny_model(norm="group").astype(np.float64), Scenes(), SETTINGS, ranks=ranks)
        trainer.train_step([trainer.stream.batch(0)])
        return ranks.meetings, ranks.numbers, sum(group.size for group in trainer.optimizer.groups())

    (meetings, numbers, size), other = threads.on_ranks(2, work)
    assert other[0] == meetings == 1 + 3 + 2 * 2 + 1  # sizes; three counts; both halves of two flat arrays; the losses
    assert 2 * size <= numbers <= 2 * size + 50


def test_what_is_saved_in_a_hurry_is_the_last_whole_step_of_the_first_rank(threads):
    """Whenever it comes: in the middle of a step, whose batch norms have moved already, and once."""

    class Folder:
        def __init__(self):
            self.states = []

        def save(self, state):
            self.states.append(state)

    def interrupted(ranks):
        model = MODELS["mask, batch norm everywhere"]().astype(np.float64)
        trainer, folder = RankTrainer(model, Scenes(), SETTINGS, ranks=ranks), Folder()
        trainer.hurry(folder)  # no step is done: the checkpoint of the beginning is there already
        trainer.train_step([trainer.stream.batch(0)])
        done, optimizer_step = trainer.state_dict(), trainer.optimizer.step

        def in_the_middle(rate):
            optimizer_step(rate)
            trainer.hurry(folder)
            trainer.hurry(folder)

        trainer.optimizer.step = in_the_middle
        trainer.train_step([trainer.stream.batch(1)])
        return folder.states, done

    (states, done), (others, _) = threads.on_ranks(2, interrupted)
    assert [state["step"] for state in states] == [1] and not others
    for part in ("model", "optimizer"):
        assert states[0][part].keys() == done[part].keys()
        assert all(np.array_equal(states[0][part][name], array) for name, array in done[part].items())
