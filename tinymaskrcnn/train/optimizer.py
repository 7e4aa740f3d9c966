"""From gradients to better weights: SGD with momentum, AdamW, and clipping by the global norm."""

import numpy as np

from ..backend import array_module, move_like, to_host
from ..errors import ArgumentError, CheckpointError


class Optimizer:
    """Changes the values of named Parameters in place; frozen parameters are passed over.

    Weight decay reaches only parameters that ask for it (`decay`): weights, not biases nor the scales of norms. What an
    optimizer remembers from step to step are arrays by name, one per parameter and kind, made at the first use.
    """

    kinds = ()  # what is remembered for each parameter

    def __init__(self, named_parameters, *, weight_decay=0.0):
        self.parameters = dict(named_parameters)
        self.weight_decay = weight_decay
        self.updates = 0
        self.memory = {}  # "kind.parameter name" -> array

    def step(self, learning_rate):
        """Move every trainable value against its gradient; the gradients are left as they are."""
        self.updates += 1
        for name, p in self.parameters.items():
            if p.trainable:
                self.update(name, p, learning_rate, self.weight_decay if p.decay else 0.0)

    def update(self, name, p, learning_rate, weight_decay):
        raise NotImplementedError(f"{type(self).__name__}.update")

    def remembered(self, kind, name, p):
        """The array of that kind that belongs to a parameter, zeros at first."""
        key = f"{kind}.{name}"
        if key not in self.memory:
            self.memory[key] = array_module(p.value).zeros_like(p.value)
        return self.memory[key]

    def state_dict(self):
        """Copies, on the host, of everything that the next step depends on."""
        arrays = {key: to_host(array).copy() for key, array in self.memory.items()}
        return {"updates": np.array(self.updates, np.int64), **arrays}

    def load_state_dict(self, arrays):
        """Continue from a `state_dict`; CheckpointError names an entry that fits no parameter."""
        arrays = dict(arrays)
        updates = int(arrays.pop("updates", 0))
        memory = {}
        for key, array in arrays.items():
            kind, _, name = key.partition(".")
            p = self.parameters.get(name)
            if kind not in self.kinds or p is None or tuple(p.value.shape) != tuple(array.shape):
                raise CheckpointError(
                    f"optimizer state: {key} {tuple(array.shape)} fits no parameter of this {type(self).__name__}"
                )
            memory[key] = move_like(array, p.value).copy()
        self.updates, self.memory = updates, memory
        return self


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: `v = momentum v + g + decay w`, then `w = w - rate v`."""

    kinds = ("velocity",)

    def __init__(self, named_parameters, *, momentum=0.9, weight_decay=0.0):
        super().__init__(named_parameters, weight_decay=weight_decay)
        self.momentum = momentum

    def update(self, name, p, learning_rate, weight_decay):
        velocity = self.remembered("velocity", name, p)
        velocity *= self.momentum
        velocity += p.grad
        if weight_decay:
            velocity += weight_decay * p.value
        p.value -= learning_rate * velocity


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

    kinds = ("mean", "square")

    def __init__(self, named_parameters, *, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.01):
        super().__init__(named_parameters, weight_decay=weight_decay)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, name, p, learning_rate, weight_decay):
        beta1, beta2 = self.betas
        mean = self.remembered("mean", name, p)
        square = self.remembered("square", name, p)
        mean *= beta1
        mean += (1 - beta1) * p.grad
        square *= beta2
        square += (1 - beta2) * p.grad * p.grad
        if weight_decay:
            p.value *= 1 - learning_rate * weight_decay
        # both averages started at zero: divide by how much of them is filled (Kingma and Ba 2015, section 3)
        rate = learning_rate / (1 - beta1**self.updates)
        spread = array_module(square).sqrt(square / (1 - beta2**self.updates)) + self.epsilon
        p.value -= rate * (mean / spread)


def build_optimizer(named_parameters, config):
    """The optimizer that a TrainConfig names."""
    if config.optimizer == "sgd":
        return SGD(named_parameters, momentum=config.momentum, weight_decay=config.weight_decay)
    if config.optimizer == "adamw":
        return AdamW(named_parameters, weight_decay=config.weight_decay)
    raise ArgumentError(f"build_optimizer: optimizer must be 'sgd' or 'adamw'; got {config.optimizer!r}")


def global_norm(parameters):
    """Length of all gradients of trainable parameters taken as one vector; a 0-d array, the host need not wait."""
    squares = [array_module(p.grad).square(p.grad).sum() for p in parameters if p.trainable]
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
