"""`tinymaskrcnn train` in which one rank comes to grief: faulty_train.py KIND RANK STEP arguments...

KIND: raise, kill (SIGKILL), hang, term (asks politely to stop), or none.
"""

import os
import signal
import sys
import time

from tinymaskrcnn.cli import main
from tinymaskrcnn.train.ranks.rank_trainer import RankTrainer

kind, rank, step, *arguments = sys.argv[1:]
usual = RankTrainer.train_step


def train_step(trainer, batches):
    if trainer.ranks.rank == int(rank) and trainer.step == int(step):
        if kind == "raise":
            raise ZeroDivisionError("a part of this machine")
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "hang":
            time.sleep(600)
        if kind == "term":
            os.kill(os.getpid(), signal.SIGTERM)
    return usual(trainer, batches)


RankTrainer.train_step = train_step
sys.exit(main(arguments))
