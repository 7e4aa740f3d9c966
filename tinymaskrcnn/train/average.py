"""The mean of a model's weights over the last steps, which is quieter than the weights of any one step."""

from ..backend import move_like, to_host
from ..errors import CheckpointError, listed

LAST = "last."  # in a checkpoint, how names of a model's own weights begin: under the plain names lies the mean


class WeightAverage:
    """The running mean of all that a model's `state_dict` holds, its batch norms' statistics too.

    A high learning rate keeps weights circling around where they are going; their mean is nearer to it (Polyak and
    Juditsky 1992). While there are few steps all count alike, later those of long ago fade (an exponential mean).
    """

    def __init__(self, model, decay):
        """decay: how much of the mean stays at a step, in [0, 1): 0.98 is the mean of about the last fifty."""
        self.model, self.decay = model, decay
        self.arrays = {}  # by name, where the model's are
        self._set_aside = None

    def follow(self, step):
        """Take in the weights after `step` completed steps, at least 1."""
        share = max(1 - self.decay, 1 / step)
        for name, member in self.model.named_state():
            mean = self.arrays.setdefault(name, member.value.copy())
            mean += share * (member.value - mean)

    def install(self):
        """Give the model the mean; what a checkpoint needs of its own weights is kept."""
        if self.arrays and self._set_aside is None:
            self._set_aside = self.model.state_dict()
            self.model.load_state_dict(self.arrays)

    def state(self, state):
        """A trainer's state_dict with the mean for its model, and the model's own weights beside the optimizer's."""
        own = self._set_aside or state["model"]
        mean = {name: to_host(array).copy() for name, array in self.arrays.items()} or own
        return state | {"model": mean, "optimizer": state["optimizer"] | {LAST + n: a for n, a in own.items()}}

    def load(self, model, optimizer):
        """Undo `state`: takes over the mean, and returns the model's own weights and the optimizer's arrays.

        Weights that no training with a mean has left are their own mean: a training begins with them.
        """
        own = {name.removeprefix(LAST): a for name, a in optimizer.items() if name.startswith(LAST)} or model
        if differing := sorted(own.keys() ^ model.keys()):
            differing = listed(differing, most=4)
            raise CheckpointError(f"the mean of the weights and the last ones do not both have {differing}")
        members = dict(self.model.named_state())
        self.arrays = {n: move_like(a, members[n].value).copy() for n, a in model.items() if n in members}
        self._set_aside = None
        return own, {name: array for name, array in optimizer.items() if not name.startswith(LAST)}
