"""NCCL where there is none: two ranks with equal pictures, of which this one is asked what it wants of its card."""

import types

import numpy as np
import pytest
import strict_device
from pretended_cupy import pretended
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.train.ranks import nccl
from tinymaskrcnn.train.ranks.communicator import Communicator
from tinymaskrcnn.train.ranks.mpi import MpiCommunicator
from tinymaskrcnn.train.ranks.rank_trainer import RankTrainer
from tinymaskrcnn.train.trainer import Trainer

SETTINGS = TrainConfig(steps=2, batch_size=4, warmup_steps=1, learning_rate=0.05)


class Twin:
    """What stands for NCCL: the other rank always has what this one has. Arrays stand for their places in memory."""

    def __init__(self):
        self.asked = []

    def allGather(self, own, came, count, code, stream):
        assert count == own.size and 2 * count == came.size and nccl.CODES[str(own.dtype)] == code and stream == 99
        self.asked.append("allGather")
        came[...] = own.reshape(came.shape[1:])

    def allReduce(self, own, came, count, code, operation, stream):
        assert own is came and count == own.size and (nccl.CODES[str(own.dtype)], operation, stream) == (code, 0, 99)
        self.asked.append("allReduce")
        came *= 2


@pytest.fixture
def ranks(monkeypatch):
    monkeypatch.setattr(nccl, "_place", lambda array: array)
    twins = object.__new__(nccl.NcclCommunicator)
    twins.rank, twins.size, twins.nccl = 0, 2, Twin()
    twins.exchange = lambda parts: [parts[0], parts[0]]
    twins.cupy = types.SimpleNamespace(
        cuda=types.SimpleNamespace(get_current_stream=lambda: types.SimpleNamespace(ptr=99))
    )
    return twins


def batch(device="cpu"):
    images, targets = tiny_scene()
    return ImageBatch(images, np.full((len(images), 2), 64), targets).to_device(device)


def step(make, device="cpu"):
    model = tiny_model(version="v2")
    trainer = make(model if device == "cpu" else model.to_device(device))
    with strict_device.counting() as cost:
        row = trainer.train_step([batch(device)])
    return row, cost


class OnTheHost(Communicator):
    """The same two ranks without a card."""

    size = 2

    def everybody(self, array):
        return [np.array(array)] * 2

    def sum_into(self, flat):
        flat *= 2


class Stream:
    batch_size, proposals = 4, None


def test_a_step_is_that_of_the_host_and_waits_no_more_often_than_alone(ranks):
    with pretended():
        _, alone = step(lambda model: Trainer(model, None, SETTINGS, device="cuda"), "cuda")
        row, cost = step(lambda model: RankTrainer(model, Stream(), SETTINGS, device="cuda", ranks=ranks), "cuda")
    assert cost.synchronisations == alone.synchronisations
    assert ranks.nccl.asked.count("allReduce") == 2 and ranks.nccl.asked.count("allGather") > 10
    wanted, _ = step(lambda model: RankTrainer(model, Stream(), SETTINGS, ranks=OnTheHost()))
    assert row == pytest.approx(wanted, rel=1e-3)


def test_what_lies_on_the_host_goes_by_mpi(ranks):
    assert ranks.total(3) == 6
    flat = np.arange(4.0)
    MpiCommunicator.everybody(ranks, flat)
    assert ranks.nccl.asked == []


def cards(count, *, available=True):
    runtime = types.SimpleNamespace(getDeviceCount=lambda: count)
    used = []
    found = types.SimpleNamespace(
        available=available, get_unique_id=lambda: (1, 2, 3), NcclCommunicator=lambda *given: given
    )
    device = lambda number: types.SimpleNamespace(use=lambda: used.append(number))  # noqa: E731
    return types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime, nccl=found, Device=device)), used


@pytest.mark.parametrize("rank, size, hosts, card", [(0, 2, "aa", 0), (1, 2, "aa", 1), (2, 4, "aabb", 0)])
def test_each_rank_of_a_machine_takes_a_card_of_its_own(monkeypatch, rank, size, hosts, card):
    def begin(self):
        self.rank, self.size = rank, size
        self.told = lambda value: list(hosts) if isinstance(value, str) else [[1, 2, 3]] * size

    cupy, used = cards(2)
    monkeypatch.setattr(MpiCommunicator, "__init__", begin)
    monkeypatch.setattr(nccl, "to_device", lambda x, device: x)
    monkeypatch.setattr(nccl, "array_module", lambda x: cupy)
    made = nccl.NcclCommunicator()
    assert used == [card] and made.nccl == (size, (1, 2, 3), rank)
    cupy.cuda.runtime.getDeviceCount = lambda: 1
    with pytest.raises(BackendError, match=f"every rank needs a GPU of its own: 2 ranks on {hosts[rank]} find 1"):
        nccl.NcclCommunicator()
    cupy.cuda.nccl.available = False
    with pytest.raises(BackendError, match="which this CuPy was built without"):
        nccl.NcclCommunicator()
