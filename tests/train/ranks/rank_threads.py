"""Ranks that are threads of this process: as many as a test likes, in no time; only `exchange` is another."""

import threading

import numpy as np

from tinymaskrcnn.train.ranks.communicator import Communicator

PATIENCE = 60  # seconds that one waits for the others


class ThreadCommunicator(Communicator):
    def __init__(self, rank, size, mail, barrier):
        self.rank, self.size, self.mail, self.barrier = rank, size, mail, barrier
        self.meetings, self.numbers = 0, 0

    def exchange(self, parts):
        assert len(parts) == self.size and all(part.ndim == 1 for part in parts)
        self.mail[self.rank] = [np.array(part) for part in parts]
        self.barrier.wait(PATIENCE)
        came = [self.mail[sender][self.rank] for sender in range(self.size)]
        self.barrier.wait(PATIENCE)
        self.meetings += 1
        self.numbers += sum(part.size for part in parts)
        return came


def on_ranks(size, work):
    """[work(communicator)] of every rank, in order; the first error of any of them is raised here."""
    mail, barrier, results, errors = [None] * size, threading.Barrier(size), [None] * size, []

    def run(rank):
        try:
            results[rank] = work(ThreadCommunicator(rank, size, mail, barrier))
        except BaseException as error:
            errors.append(error)
            barrier.abort()  # the others need not wait

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return results
