"""Ranks with a GPU each: arrays go from card to card by NCCL, and what lies on the host by MPI as before."""

import numpy as np

from ...backend import array_module
from ...devices import to_device
from ...errors import BackendError
from .mpi import MpiCommunicator

CODES = {"float32": 7, "float64": 8, "int64": 4, "int32": 2}  # NCCL's numbers of types
SUM = 0  # of operations


class NcclCommunicator(MpiCommunicator):
    """As MpiCommunicator; a device array never visits the host, and nobody waits for a card.

    Long sums are NCCL's own: of the same ranks on the same cards they have the same bits every time, and the same on
    every rank, but not the order of the ranks. Each rank of a machine takes a card of its own.
    """

    def __init__(self):
        import socket  # where it is used: not every Python has one

        super().__init__()
        self.cupy = array_module(to_device(np.zeros(1, np.float32), "cuda"))  # says what is missing
        nccl = self.cupy.cuda.nccl
        if not nccl.available:
            raise BackendError("several ranks on GPUs need NCCL, which this CuPy was built without")
        hosts = self.told(socket.gethostname())
        cards, card = self.cupy.cuda.runtime.getDeviceCount(), hosts[: self.rank].count(hosts[self.rank])
        if hosts.count(hosts[self.rank]) > cards:
            raise BackendError(
                f"every rank needs a GPU of its own: {hosts.count(hosts[self.rank])} ranks on {hosts[self.rank]} "
                f"find {cards}"
            )
        self.cupy.cuda.Device(card).use()
        name = self.told(list(nccl.get_unique_id()) if self.first else None)[0]
        self.nccl = nccl.NcclCommunicator(self.size, tuple(name), self.rank)

    def everybody(self, array):
        xp = array_module(array)
        if xp is np:
            return super().everybody(array)
        own, came = xp.ascontiguousarray(array), xp.empty((self.size, *array.shape), array.dtype)
        self.nccl.allGather(_place(own), _place(came), own.size, CODES[str(own.dtype)], self._stream())
        return [came[rank] for rank in range(self.size)]

    def sum_into(self, flat):
        if array_module(flat) is np:
            super().sum_into(flat)
        else:
            self.nccl.allReduce(_place(flat), _place(flat), flat.size, CODES[str(flat.dtype)], SUM, self._stream())

    def _stream(self):
        return self.cupy.cuda.get_current_stream().ptr


def _place(array):
    """Where an array begins in the memory of its card."""
    return array.data.ptr
