"""A module with a bit of everything a module may hold."""

import numpy as np

from tinymaskrcnn.nn import Module, Parameter
from tinymaskrcnn.nn.layers import BatchNorm2d, Linear
from tinymaskrcnn.nn.module import Sequential


class Net(Module):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.stem = Linear(2, 3, rng=rng)
        self.norm = BatchNorm2d(3)
        self.blocks = [Linear(3, 3, rng=rng), Sequential(first=Linear(3, 3, rng=rng), second=Linear(3, 3, rng=rng))]
        self.scale = Parameter(np.ones(1, np.float32), decay=False)
        self.options = {"kept": "out"}
        self.note = [1, 2]
