"""The one place where ranks add up: a Trainer whose batch lies on several of them.

Each rank runs forward and backward on its own pictures. What a loss is divided by is the count over all ranks, once
and before backward, for afterwards the losses are one gradient and could not be told apart. Then the gradients only
have to be added: the flat arrays of the optimizer, as they are. From there on all ranks have the same numbers, and so
clip, stop at a NaN and step alike.
"""

import contextlib

import numpy as np

from ...backend import array_module
from ...nn.sync_norm import synchronise
from ...ops import losses
from ..diagnose import named, where_nonfinite
from ..trainer import Trainer
from .batches import RankRandom, RankStream, evened
from .communicator import Communicator


class RankTrainer(Trainer):
    """A Trainer that computes, on any number of ranks, the step that one process would compute, but for rounding."""

    def __init__(self, model, stream, config, *, ranks, device="cpu"):
        model = synchronise(model, ranks) if config.sync_batch_norm else model
        super().__init__(model, RankStream(stream, ranks), config, device=device)
        self.ranks = ranks
        self.kept = None  # the state after the last whole step, on rank 0

    def align(self):
        """All begin with the state of rank 0, which alone has read a checkpoint."""
        state = self.state_dict()
        arrays = {f"{part}/{name}": array for part in ("model", "optimizer") for name, array in state[part].items()}
        with self.ranks.patiently(10):  # rank 0 has looked at the data, and drawn
            sent = self.ranks.arrays_from_first(arrays | {"step": np.array(self.step)})
        parts = {part: _below(sent, f"{part}/") for part in ("model", "optimizer")}
        self.load_state(step=int(sent["step"]), **parts)

    def step_rng(self):
        return RankRandom(super().step_rng(), self.ranks)

    def finish(self):
        if not self.config.sync_batch_norm:
            self.align()  # running means, which may differ, become those that the checkpoint has
        super().finish()

    def train_step(self, batches):
        row = super().train_step(batches)
        if self.ranks.first and self.device == "cpu":  # a GPU would have to be waited for
            self.kept = self.state_dict()
        return row

    def hurry(self, run):
        """Rank 0 saves the last whole step, once: after a Ctrl-C, `mpiexec` gives it half a second."""
        kept, self.kept = self.kept, None
        if kept:
            run.save(kept)

    def _gradients(self, batches):
        with counting_over(self.ranks):
            parts = super()._gradients(evened(batch, self.ranks) for batch in batches)
        for group in self.optimizer.groups():
            self.ranks.sum_into(group.grad)
        xp = array_module(*parts.values())
        sums = self.ranks.total(xp.stack(list(parts.values())))
        return dict(zip(parts, sums))

    def _current_batches(self):
        return [evened(batch, self.ranks) for batch in super()._current_batches()]

    def agreed(self, stop):
        """Whether any rank was asked to stop: then all do, after the same step."""
        return bool(self.ranks.total(np.int64(stop)))

    def _why_nonfinite(self):
        """Each rank looks at its own pictures, by itself; what the first of them that finds something says counts."""
        batches, rng = self._current_batches(), self.step_rng()
        with _alone(self.model, self.ranks):
            own = where_nonfinite(self.model, batches, rng=rng)
        found = [where for where in self.ranks.told(own) if where]
        return named(found[0] if found else None, self.step + 1)


def _below(arrays, prefix):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


@contextlib.contextmanager
def counting_over(ranks):
    """Inside, what a loss is divided by counts the rows of all ranks; see ops.losses.total_weight."""
    token = losses.BATCH_SUM.set(ranks.total)
    try:
        yield
    finally:
        losses.BATCH_SUM.reset(token)


@contextlib.contextmanager
def _alone(model, ranks):
    """Inside, nobody is waited for: batch norms take their statistics from this rank's pictures."""
    synced = [module for _, module in model.named_modules() if getattr(module, "ranks", None) is ranks]
    for module in synced:
        module.ranks = Communicator()
    try:
        yield
    finally:
        for module in synced:
            module.ranks = ranks
