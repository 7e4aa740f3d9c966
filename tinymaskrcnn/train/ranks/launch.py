"""The beginning and the end of a program that runs as several ranks: who they are, that they agree, and one error."""

import contextlib
import io
import json
import math
import os
import sys
import time
import traceback

import numpy as np

from ... import __version__
from ...config import Config, from_dict, to_dict
from ...errors import ConfigError, RankError, TinyMaskRCNNError, shown
from ..checkpoint import differences
from ..run import FollowedRun
from .mpi import MpiCommunicator, started
from .nccl import NcclCommunicator

RANK = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")  # which of them mpiexec says this is
TURN = 1.0  # seconds that a rank with an error leaves to each one before it, which may have the same
READ = 0.5  # seconds in which mpiexec hands on what a rank says: what is not read when it ends is lost
ERROR = 2  # the exit status of an error that is one line
PROCEDURES = ("joint", "pretrain")


@contextlib.contextmanager
def together(device="cpu"):
    """The ranks as which MPI started this program, a Communicator; None where it runs by itself.

    Inside, rank 0 alone is heard. An error on any rank ends all of them, with one line that names it.
    """
    if started() < 2:
        yield None
        return
    with _said_once():
        ranks = MpiCommunicator()
    try:
        ranks = ranks if device == "cpu" else NcclCommunicator()
        with _heard(ranks.first):
            check_same(ranks, "versions", {"tinymaskrcnn": __version__, "numpy": np.__version__})
            yield ranks
            with ranks.patiently(math.inf):  # rank 0 evaluates and draws
                ranks.told("done")
    except BaseException as error:
        _end_all(ranks, error)


@contextlib.contextmanager
def _said_once():
    """What every rank meets before they can talk, such as a missing mpi4py, is said by one of them."""
    try:
        yield
    except TinyMaskRCNNError:
        said = [os.environ[name] for name in RANK if name in os.environ]
        if said and said[0] != "0":
            sys.exit(ERROR)
        raise


@contextlib.contextmanager
def _heard(heard):
    """Inside, what is printed goes nowhere unless somebody is to be heard."""
    if heard:
        yield
        return
    with contextlib.redirect_stdout(_Nowhere()), contextlib.redirect_stderr(_Nowhere()):
        yield


class _Nowhere(io.TextIOBase):
    """Takes any text and keeps none."""

    def write(self, text):
        return len(text)


def _end_all(ranks, error):
    """Say what went wrong here and end the run; who comes later, or is stuck, is not waited for."""
    time.sleep(TURN * min(ranks.rank, 10))
    if not isinstance(error, (TinyMaskRCNNError, OSError, KeyboardInterrupt)):
        traceback.print_exception(error, file=sys.__stderr__)
    text = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
    print(f"error: rank {ranks.rank} of {ranks.size}: {text}", file=sys.__stderr__, flush=True)
    time.sleep(READ)
    ranks.end_all(ERROR)


def fair_threads(ranks):
    """How many threads a rank may use, so that those of one machine keep to its cores and to what mpiexec gave them."""
    import socket  # where it is used: not every Python has one

    hosts = ranks.told(socket.gethostname())
    cores = os.cpu_count() or 1
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return max(1, min(own, cores // hosts.count(hosts[ranks.rank])))


# ---------------------------------------------------------------- what all must agree on


def check_same(ranks, what, table):
    """Raise RankError unless a table, such as a configuration's, is the same on all ranks."""
    tables = ranks.told(table)
    for rank, other in enumerate(tables):
        if differing := differences(tables[0], other):
            name, first, there = differing[0]
            more = f"; and {len(differing) - 1} more" if len(differing) > 1 else ""
            raise RankError(
                f"the ranks have different {what}: {name} is {shown(first, 40)} on rank 0 and {shown(there, 40)} "
                f"on rank {rank}{more}"
            )


def check_together(config, ranks):
    """Raise unless several ranks can train what a Config says, and all were told the same."""
    check_same(ranks, "configurations", to_dict(config))
    if config.train.procedure not in PROCEDURES:
        wanted = " or ".join(map(repr, PROCEDURES))
        raise ConfigError(f"train.procedure must be {wanted} on several ranks; got {config.train.procedure!r}")
    if config.train.batch_size % ranks.size:
        raise ConfigError(
            f"train.batch_size must be a multiple of the {ranks.size} ranks, which share each batch; "
            f"got {config.train.batch_size}"
        )


def same_run(ranks, find):
    """The run that rank 0 finds, `find() -> RunFolder`: on the others as one that they do not write to."""
    run = find() if ranks.first else None
    entries = [str(run.path), to_dict(run.config), run.data_dir] if run else None
    path, config, data_dir = json.loads(ranks.from_first(json.dumps(entries).encode()))
    return run or FollowedRun.create(path, from_dict(Config, config, f"{path}/config.json"), data_dir=data_dir)


def same_weights(ranks, checkpoint):
    """The arrays {name: array} and the step of rank 0's Checkpoint, on all ranks; the others have none."""
    if ranks is None:
        return checkpoint.model, checkpoint.step
    with ranks.patiently(10):  # rank 0 reads, or draws
        sent = ranks.arrays_from_first(checkpoint and checkpoint.model | {"step": np.array(checkpoint.step)})
    return sent, int(sent.pop("step"))
