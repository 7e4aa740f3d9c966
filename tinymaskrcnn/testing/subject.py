"""What is under test: a pair of functions or a Module, behind one face for all the checks."""

import copy
import functools
import inspect
import os
import traceback
from contextlib import contextmanager

import numpy as np

from ..contract import parse_shapes, shape_line
from .trees import is_float, lock, map_arrays


class CheckFailed(AssertionError):
    """A forward/backward breaks the protocol; `check` is the name of the check that found it."""

    def __init__(self, check, message):
        super().__init__(f"[{check}] {message}")
        self.check = check


class Pair:
    """A forward and a backward function."""

    parameters = ()
    module = None

    def __init__(self, forward, backward):
        self._forward, self._backward = forward, backward
        self.names = (forward.__name__, backward.__name__)
        self.arguments = _positional(forward)
        self.shapes = parse_shapes(shape_line(forward) or "")

    def converted(self, change):
        return self

    def zero_grad(self):
        pass

    def forward(self, inputs, data):
        with explained(self.names[0]):
            return _two(self._forward(*inputs, **data), self.names[0])

    def backward(self, dy, cache):
        with explained(self.names[1]):
            return self._backward(dy, cache)


class Layer:
    """A copy of a Module whose children, parameters and running statistics are watched.

    Whatever crosses the boundary of a module, in forward or in backward, is locked read-only. Running statistics start
    from the same values in every forward.
    """

    shapes = {}

    def __init__(self, module):
        name = type(module).__name__
        self.names = (f"{name}.forward", f"{name}.backward")
        self.module = copy.deepcopy(module)
        self.arguments = _positional(self.module.forward)
        self.parameters = tuple(self.module.named_parameters())
        self._buffers = [(b, b.value.copy()) for _, b in self.module.named_buffers()]
        for _, p in self.parameters:
            lock(p.value)
        for path, child in self.module.named_modules():
            if path:
                _watch(child)

    def converted(self, change):
        """A fresh subject whose parameters and buffers went through `change`."""
        clean = copy.deepcopy(self.module)
        for _, module in clean.named_modules():
            for method in [n for n, v in vars(module).items() if hasattr(v, "watched")]:
                delattr(module, method)
        return Layer(clean.convert(lambda array: change(array.copy())))

    def zero_grad(self):
        self.module.zero_grad()

    def forward(self, inputs, data):
        for buffer, value in self._buffers:
            buffer.value = value.copy()
        before = _state(self.module)
        with explained(self.names[0]):
            result = _two(self.module.forward(*inputs, **data), self.names[0])
        _compare_state(before, _state(self.module))
        return result

    def backward(self, dy, cache):
        before = _state(self.module)
        with explained(self.names[1]):
            result = self.module.backward(dy, cache)
        _compare_state(before, _state(self.module))
        return result


# ---------------------------------------------------------------- what is remembered on self


def _state(root):
    """{module path: (module, {attribute: the objects it holds})}; parameters and buffers may change their values."""
    return {path: (module, {k: _held(v) for k, v in vars(module).items()}) for path, module in root.named_modules()}


def _held(value):
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, set)):
        return [value, *value]
    return [value]


def _compare_state(before, after):
    for path, (module, attributes) in after.items():
        old = before[path][1]
        for name, held in attributes.items():
            if name not in old or len(old[name]) != len(held) or any(a is not b for a, b in zip(old[name], held)):
                raise CheckFailed(
                    "state",
                    f"{type(module).__name__} stored something in self.{name} during the call. The same layer serves "
                    "several inputs before backward runs: return what backward needs in the cache.",
                )


def _watch(child):
    """Lock what enters and leaves the forward and backward methods of one child (found on the copy only)."""
    for name in dir(child):
        words = name.split("_")
        if not name.startswith("_") and ("forward" in words or "backward" in words) and callable(getattr(child, name)):
            setattr(child, name, _locking(getattr(child, name)))


def _locking(method):
    @functools.wraps(method)
    def call(*args, **data):
        lock(args)
        lock(data)
        return lock(method(*args, **data))

    call.watched = True
    return call


# ---------------------------------------------------------------- helpers


def _positional(function):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def _two(result, name):
    if not isinstance(result, tuple) or len(result) != 2:
        raise CheckFailed("structure", f"{name} must return (y, cache); got {type(result).__name__}.")
    return result


@contextmanager
def explained(name):
    """Turn NumPy's complaint about a locked array into a sentence with the line that wrote into it."""
    try:
        yield
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise CheckFailed(
            "ownership",
            f"{name} wrote into an array that it had received or already handed over{line_of(error)}. Inputs, dy, "
            "caches and what another module returned are read-only: write a + b, not a += b.",
        ) from error


def line_of(error):
    """Where an error was raised, NumPy's own files aside, as words in brackets."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/numpy/" not in f.filename.replace("\\", "/")]
    if not frames:
        return ""
    return f" (line {frames[-1].lineno} of {os.path.basename(frames[-1].filename)}: `{frames[-1].line.strip()}`)"


def gradients_by_input(result, inputs, name):
    """backward's return value as one entry per input."""
    if len(inputs) == 1:
        return (result,)
    if not isinstance(result, tuple) or len(result) != len(inputs):
        given = f"{len(result)} of them" if isinstance(result, tuple) else type(result).__name__
        raise CheckFailed("structure", f"{name} must return {len(inputs)} gradients, one per input; got {given}.")
    return result


def fresh(data, change):
    """The keyword data for one call: arrays through `change`, a new generator from the seed or state of `rng`."""
    moved = {key: map_arrays(change, value) for key, value in data.items()}
    if isinstance(data.get("rng"), (int, np.integer)):
        moved["rng"] = np.random.default_rng(int(data["rng"]))
    elif isinstance(data.get("rng"), np.random.Generator):
        moved["rng"] = copy.deepcopy(data["rng"])
    return moved


def caster(dtype, put=lambda array: array):
    """change(array): a fresh copy, floats as dtype, moved by put."""

    def change(array):
        array = np.asarray(array)
        return put(array.astype(dtype) if array.dtype.kind == "f" else array.copy())

    return change


def random_like(tree, rng, put=lambda array: array):
    """Standard normal numbers in the structure of tree, made on the host; None where an array holds no floats."""

    def draw(array):
        if not is_float(array):
            return None
        return put(np.asarray(rng.standard_normal(tuple(array.shape))).astype(array.dtype))

    return map_arrays(draw, tree)
