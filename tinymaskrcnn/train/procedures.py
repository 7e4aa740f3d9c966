"""How a system is trained: procedures by the name that `train.procedure` says.

A procedure goes on from wherever its run folder says it stopped, and leaves what was learned in the model and in the
folder's checkpoint. Files of its own lie in a folder beside it.
"""

from dataclasses import dataclass
from typing import Any

from . import rcnn_stages
from .alternating import alternating
from .loop import resume, run_training
from .pretrain import pretrain
from .progress import Progress
from .ranks.rank_trainer import RankTrainer
from .run import RunFolder
from .trainer import Trainer


@dataclass(frozen=True)
class Training:
    """What a procedure trains: a model on its device, and a stream of batches; and the folder that it writes to.

    watchers look on in joint training: `begin(trainer)` before the first step, `look(trainer, row)` after every
    step, `end()` when the training ends, however it does.
    """

    model: Any
    stream: Any
    run: RunFolder
    device: str = "cpu"
    ranks: Any = None  # a Communicator, where several processes train together
    watchers: tuple = ()

    @property
    def config(self):
        return self.run.config

    def trainer(self, model):
        """A Trainer of a model, alone or with others."""
        if self.ranks is None:
            return Trainer(model, self.stream, self.config.train, device=self.device)
        return RankTrainer(model, self.stream, self.config.train, device=self.device, ranks=self.ranks)


def joint(training, *, on_start=lambda step: None):
    """All losses at once, from the last checkpoint (or the beginning) to the last step; False when Ctrl-C came first.

    on_start(step) is called when nothing but the steps themselves can go wrong any more.
    """
    settings = training.config.train
    trainer = training.trainer(training.model)
    start = resume(trainer, training.run)
    on_start(start)
    for watcher in training.watchers:
        watcher.begin(trainer)
    with Progress(settings.steps, start=start) as progress:

        def on_row(row):
            progress(row)
            for watcher in training.watchers:
                watcher.look(trainer, row)

        try:
            return run_training(trainer, training.run, on_row=on_row)
        finally:
            for watcher in training.watchers:
                watcher.end()


# config_rules.PROCEDURES has the same names
PROCEDURES = {"joint": joint, "alternating": alternating, "pretrain": pretrain, "stages": rcnn_stages.run}
