"""The mean of a model's weights over the last steps, which is quieter than the weights of any one step."""

from contextlib import contextmanager

from ..backend import to_host

LAST = "last."  # how names of a model's last weights begin in a checkpoint, where the mean has the plain names


class WeightAverage:
    """The running mean of all that a model's `state_dict` holds, its batch norms' statistics too.

    A high learning rate keeps weights circling around where they are going; their mean is nearer to it (Polyak and
    Juditsky 1992). While there are few steps all count alike, later those of long ago fade (an exponential mean).
    """

    def __init__(self, model, decay):
        """decay: how much of the mean stays at a step, in [0, 1): 0.98 makes it one of about the last fifty."""
        self.model, self.decay = model, decay
        self.arrays = {}  # by name, where the model's are
        self._last = None  # the model's last weights, while it has the mean

    def follow(self, step):
        """Take in the weights after `step` completed steps, at least 1."""
        share = max(1 - self.decay, 1 / step)
        for name, member in self.model.named_state():
            if step == 1 or name not in self.arrays:
                self.arrays[name] = member.value.copy()
            else:
                self.arrays[name] += share * (member.value - self.arrays[name])

    def install(self):
        """Give the model the mean, until `remove`."""
        if self.arrays and self._last is None:
            self._last = self.model.state_dict()
            self.model.load_state_dict(self.arrays)

    def remove(self):
        """Give the model its last weights again, to go on from."""
        if self._last is not None:
            self.model.load_state_dict(self._last)
            self._last = None

    @contextmanager
    def shown(self):
        """Inside, the model has the mean."""
        self.install()
        try:
            yield
        finally:
            self.remove()

    def state(self, state):
        """A trainer's state_dict with the mean for its model, and the model's last weights beside the optimizer's."""
        last = self._last or state["model"]
        mean = {name: to_host(array).copy() for name, array in self.arrays.items()} or last
        return state | {"model": mean, "optimizer": state["optimizer"] | {LAST + n: a for n, a in last.items()}}

    def load(self, model, optimizer):
        """Undo `state`: takes over the mean, and returns the model's last weights and the optimizer's arrays.

        Weights that no training with a mean has left are their own mean: a training begins with them. Raises
        CheckpointError for a mean that does not fit the model.
        """
        self.model.load_state_dict(model)
        self.arrays = {name: member.value.copy() for name, member in self.model.named_state()}
        self._last = None
        last = {name.removeprefix(LAST): a for name, a in optimizer.items() if name.startswith(LAST)}
        return last or model, {name: array for name, array in optimizer.items() if not name.startswith(LAST)}
