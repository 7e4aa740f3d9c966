"""An array that training changes, beside its gradient."""

import numpy as np

from ..backend import array_module


class Parameter:
    """A trainable array and the sum of its gradients since the last `zero_grad`.

    decay says whether weight decay applies: yes for weights, no for biases and for the scale and shift of norms.
    A frozen parameter (trainable False) still carries values; its layers may skip its gradient.
    """

    def __init__(self, value, *, decay=True, trainable=True):
        self.value = value
        self._grad = None
        self.decay = decay
        self.trainable = trainable

    @property
    def grad(self):
        """The gradient, in the shape of the value; made when first asked for, so that inference has none."""
        if self._grad is None:
            self._grad = array_module(self.value).zeros_like(self.value)
        return self._grad

    @grad.setter
    def grad(self, grad):
        self._grad = grad

    def zero_grad(self):
        if self._grad is not None:
            self._grad[...] = 0

    def __repr__(self):
        return f"Parameter{tuple(self.value.shape)} {self.value.dtype}"


class Buffer:
    """An array that belongs to a layer's state but is not trained: the running statistics of batch normalisation."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Buffer{tuple(self.value.shape)} {self.value.dtype}"


def zeros(shape):
    return np.zeros(shape, np.float32)


def ones(shape):
    return np.ones(shape, np.float32)
