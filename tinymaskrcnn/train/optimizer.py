"""From gradients to better weights: SGD with momentum, AdamW, and clipping by the global norm."""

import math

import numpy as np

from ..backend import array_module, has_kernel, move_like, to_host
from ..errors import ArgumentError, CheckpointError, listed, shown
from ..nn.flat import Flat, pieces
from ..plain_arrays import check_floats


class Optimizer:
    """Changes the values of named Parameters in place; frozen parameters are passed over.

    Weight decay reaches only parameters that ask for it (`decay`): weights, not biases nor the scales of norms. So the
    parameters form two groups, and each group lies in one flat array. What an optimizer remembers from step to step are
    arrays by name, one per parameter and kind, made at the first use.
    """

    kinds = ()  # what is remembered for each parameter
    positive = ()  # those of them that are never below zero

    def __init__(self, named_parameters, *, weight_decay=0.0):
        self.parameters = {}
        for name, p in dict(named_parameters).items():
            if not any(p is other for other in self.parameters.values()):  # a tied one counts once
                self.parameters[name] = p
        self.weight_decay = weight_decay
        self.updates = 0
        self.memory = {}  # "kind.parameter name" -> array
        self._groups, self._flat_memory = None, {}
        self._numbers = None  # of the coming update; on a device an array
        self.groups()

    def groups(self):
        """The trainable parameters as at most two Flats, with and without decay.

        They are made anew when a parameter was frozen or freed meanwhile, or was given other arrays (Module.astype,
        Module.to_device): the parameters are what counts.
        """
        trainable = {name: p for name, p in self.parameters.items() if p.trainable}
        if self._groups is None or not self._hold(trainable):
            self._groups, self._flat_memory, self._numbers = [], {}, None
            for decay in (True, False):
                if members := {name: p for name, p in trainable.items() if bool(p.decay) == decay}:
                    self._groups.append(Flat(members, decay=decay))
        return self._groups

    def _hold(self, trainable):
        """Whether the groups are made of exactly these parameters, as they are now."""
        group_of = {name: group for group in self._groups for name in group.parameters}
        return group_of.keys() == trainable.keys() and all(
            group_of[name].decay == bool(p.decay) and group_of[name].holds(name, p) for name, p in trainable.items()
        )

    def remembered(self, kind, group):
        """The flat array of that kind that belongs to a group, zeros at first."""
        key = kind, group.decay
        if key not in self._flat_memory:
            names = {name: f"{kind}.{name}" for name in group.parameters}
            known = {
                name: move_like(to_host(self.memory[k]), group.value) for name, k in names.items() if k in self.memory
            }
            self._flat_memory[key] = group.gather(known)
            self.memory |= {k: group.view(self._flat_memory[key], name) for name, k in names.items()}
        return self._flat_memory[key]

    def zero_grad(self):
        """Set every gradient to zero, those of frozen parameters too."""
        for p in [*self.groups(), *(p for p in self.parameters.values() if not p.trainable)]:
            p.zero_grad()

    def clip(self, max_norm):
        """Shrink all gradients together, see `clip_by_global_norm`; returns their norm before."""
        return clip_by_global_norm(self.groups(), max_norm)

    def step(self, learning_rate):
        """Move every trainable value against its gradient; the gradients are left as they are."""
        self.prepare(learning_rate)
        self.descend()

    def prepare(self, learning_rate):
        """Count an update; its numbers go where the parameters are, on a device into an array that stays the same."""
        self.updates += 1
        numbers = self.numbers(learning_rate)
        value = next((group.value for group in self.groups()), None)
        if value is None or array_module(value) is np:
            self._numbers = numbers
        elif self._numbers is None:
            self._numbers = move_like(np.array(numbers, value.dtype), value)
        else:
            self._numbers.set(np.array(numbers, value.dtype))

    def descend(self):
        """Move the values, by the numbers that `prepare` has left."""
        for group in self.groups():
            arrays = group.value, group.grad, *(self.remembered(kind, group) for kind in self.kinds)
            for piece in pieces(*arrays):
                self.update(*piece, *self._numbers, decay=self.weight_decay if group.decay else 0.0)

    def numbers(self, learning_rate):
        """What differs from one update to the next, as a tuple of floats."""
        return (learning_rate,)

    def update(self, value, grad, *memory_and_numbers, decay):
        """Change value (n,) and memory (n,), one array per kind, in place: a formula for each number on its own."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def __getstate__(self):
        """For copies: in a copy the parameters have arrays of their own, which it gathers when they are needed."""
        return vars(self) | {"_groups": None, "_numbers": None}

    def state_dict(self):
        """Copies, on the host, of everything that the next step depends on."""
        arrays = {key: to_host(array).copy() for key, array in self.memory.items()}
        return {"updates": np.array(self.updates, np.int64), **arrays}

    def load_state_dict(self, arrays):
        """Continue from a `state_dict`; CheckpointError names an entry that is missing or does not fit."""
        arrays = dict(arrays)
        updates = np.asarray(arrays.pop("updates", 0))
        if updates.shape != () or updates.dtype.kind not in "iu" or not 0 <= updates < 2**53:
            raise CheckpointError(f"optimizer state: updates must be a whole number, at least 0; got {shown(updates)}")
        memory = {}
        for key, array in arrays.items():
            kind, _, name = key.partition(".")
            p = self.parameters.get(name)
            if kind not in self.kinds or p is None or tuple(p.value.shape) != tuple(array.shape):
                raise CheckpointError(
                    f"optimizer state: {key} {tuple(array.shape)} fits no parameter of this {type(self).__name__}"
                )
            least = 0.0 if kind in self.positive else -math.inf
            check_floats(f"optimizer state: {key}", to_host(array), least=least, error=CheckpointError)
            memory[key] = move_like(array, p.value).copy()
        wanted = [f"{kind}.{name}" for kind in self.kinds for name, p in self.parameters.items() if p.trainable]
        halves = {key.partition(".")[2] for key in memory}  # what was frozen until now has nothing to remember
        missing = [key for key in wanted if key not in memory and (key.partition(".")[2] in halves or not memory)]
        if updates > 0 and missing:
            raise CheckpointError(f"optimizer state: missing {listed(missing, most=4)} after {updates} updates")
        self.updates, self.memory, self._flat_memory = int(updates), memory, {}
        return self


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: `v = momentum v + g + decay w`, then `w = w - rate v`."""

    kinds = ("velocity",)

    def __init__(self, named_parameters, *, momentum=0.9, weight_decay=0.0):
        super().__init__(named_parameters, weight_decay=weight_decay)
        self.momentum = momentum

    def update(self, value, grad, velocity, rate, *, decay):
        sgd_update(value, grad, velocity, rate=rate, momentum=self.momentum, decay=decay)


@has_kernel
def sgd_update(value, grad, velocity, *, rate, momentum, decay):
    """One step of SGD, in place: value (n,), grad (n,), velocity (n,); rate is a number, or () in their dtype."""
    velocity *= momentum
    velocity += grad
    if decay:
        velocity += decay * value
    value -= rate * velocity


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

    kinds = ("mean", "square")
    positive = ("square",)

    def __init__(self, named_parameters, *, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.01):
        super().__init__(named_parameters, weight_decay=weight_decay)
        self.betas = betas
        self.epsilon = epsilon

    def numbers(self, learning_rate):
        """The rate, how much of a weight stays, and how much of the averages is filled: both started at zero.

        They are divided by the latter (Kingma and Ba 2015, section 3), mean / filled as part of the rate.
        """
        filled, filled_square = (1 - beta**self.updates for beta in self.betas)
        return learning_rate / filled, 1 - learning_rate * self.weight_decay, filled_square

    def update(self, value, grad, mean, square, rate, kept, filled, *, decay):
        beta1, beta2 = self.betas
        mean *= beta1
        mean += (1 - beta1) * grad
        square *= beta2
        square += (1 - beta2) * grad * grad
        if decay:
            value *= kept
        spread = array_module(square).sqrt(square / filled) + self.epsilon
        value -= rate * (mean / spread)


def build_optimizer(named_parameters, config):
    """The optimizer that a TrainConfig names."""
    if config.optimizer == "sgd":
        return SGD(named_parameters, momentum=config.momentum, weight_decay=config.weight_decay)
    return AdamW(named_parameters, weight_decay=config.weight_decay)


def global_norm(parameters):
    """Length of all gradients of trainable parameters taken as one vector; a 0-d array, the host need not wait."""
    gradients = [p.grad.reshape(-1) for p in parameters if p.trainable]
    squares = [array_module(g).square(g).sum() for gradient in gradients for (g,) in pieces(gradient)]
    if not squares:
        return np.zeros((), np.float32)
    xp = array_module(squares[0])
    return xp.sqrt(xp.stack(squares).sum())


def clip_by_global_norm(parameters, max_norm):
    """Shrink all gradients by one factor so that together they are no longer than max_norm (0 = only measure).

    Returns the norm before clipping as a 0-d array.
    """
    if max_norm < 0:
        raise ArgumentError(f"clip_by_global_norm: max_norm must be 0 (off) or more; got {max_norm}")
    parameters = [p for p in parameters if p.trainable]
    norm = global_norm(parameters)
    if max_norm > 0 and parameters:
        factor = array_module(norm).minimum(max_norm / (norm + 1e-6), 1.0)
        for p in parameters:
            p.grad *= factor
    return norm
