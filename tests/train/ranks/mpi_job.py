"""What test_mpi.py lets two real ranks do; rank 0 prints what it saw."""

import time

import numpy as np

from tinymaskrcnn.errors import RankError
from tinymaskrcnn.train.ranks.communicator import in_order
from tinymaskrcnn.train.ranks.mpi import MpiCommunicator

ranks = MpiCommunicator()
assert ranks.size == 2
for length in (0, 1, 5, 300_000):  # the last one is too long to be sent before it is asked for
    parts = np.random.default_rng(length).normal(size=(2, length)).astype(np.float32)
    flat = parts[ranks.rank].copy()
    ranks.sum_into(flat)
    assert np.array_equal(flat, in_order(list(parts)))
assert ranks.told(["x" * (1 + 100 * ranks.rank)]) == [["x"], ["x" * 101]]
assert ranks.from_first(b"first" if ranks.first else b"") == b"first"
assert ranks.total(np.float64(ranks.rank)) == 1 and not ranks.everybody(np.zeros((2, 0)))[1].size

try:
    ranks.everybody(np.zeros(1 + ranks.rank))
except RankError as error:
    if ranks.first:
        print(error)

ranks.told("before")
if ranks.first:
    ranks.patience = 0.5
    try:
        ranks.told("after")
    except RankError as error:
        print(error)
else:
    time.sleep(1.5)
ranks.end_all(7)
