"""One test for every forward and backward, also for yours.

    from tinymaskrcnn.testing import check_pair, check_layer

    check_pair(linear_forward, linear_backward, [x, weight, bias])
    check_pair(conv2d_forward, conv2d_backward, [x, weight, bias], stride=2, padding=1)
    check_layer(Linear(3, 4, rng=rng), x)

Both return a Report of the errors they measured when all is well, and raise CheckFailed, an AssertionError whose
message says what is wrong. What a cache costs in memory is told by cache_bytes(cache) and cache_table(cache).
"""

from dataclasses import dataclass, field

import numpy as np

from ..devices import cuda_available, to_device
from . import checks
from .case import Case
from .gradients import check_gradients
from .memory import cache_bytes, cache_table
from .subject import CheckFailed, Layer, Pair

__all__ = [
    "Backend",
    "CheckFailed",
    "Report",
    "available_backends",
    "cache_bytes",
    "cache_table",
    "check_layer",
    "check_pair",
]

CHECKS = (
    "gradient",
    "structure",
    "strides",
    "linearity",
    "twice",
    "state",
    "ownership",
    "eval",
    "zero_rows",
    "backend",
)


@dataclass(frozen=True)
class Backend:
    """Another kind of array to compare NumPy with: `put(host_array)` makes one."""

    name: str
    put: object


@dataclass(frozen=True)
class Report:
    """How far off a passing check was, relative to the largest number of an array; None where it was skipped.

    - gradient: backward against differences of forward, in float64
    - float32: the same calls in float32 against float64
    - backends: {name: values and gradients against NumPy's, in float64}
    """

    gradient: float | None = None
    float32: float | None = None
    backends: dict = field(default_factory=dict)


def available_backends():
    """CuPy when it is installed and sees a GPU; otherwise none."""
    return (Backend("cuda", lambda array: to_device(array, "cuda")),) if cuda_available() else ()


def check_pair(forward, backward, inputs, *, backends=(), **options_and_data):
    """Check a forward and a backward function on example inputs; returns a Report.

    inputs is the sequence of positional arguments; an argument may be a list, tuple or dictionary of arrays. Keyword
    data is handed to forward; arrays in it are moved along, float ones in the precision of the check; `rng` may be a
    seed or a Generator, and every call gets a fresh one in that state. Options:

    - backends: other kinds of arrays to compare with, for example available_backends() (default: NumPy alone)
    - skip: {check: reason} for checks that cannot apply, by the names in CHECKS
    - zero_rows: names of the arguments whose first axis is emptied together, or a list of such tuples (default: those
      that share the first axis of the first argument, by the shape line of forward's docstring or by length)
    - without_gradient: names of inputs for which backward returns None by choice
    - directions: random directions per array (tiny cases check every number instead)
    - seed: of the directions and of dy
    """
    return _run(Pair(forward, backward), tuple(inputs), backends, **options_and_data)


def check_layer(layer, *inputs, backends=(), **options_and_data):
    """Check a Module on example inputs: as check_pair, and its parameters, its children's ownership, its eval mode.

    The layer itself is left as it was; the checks work on copies.
    """
    return _run(Layer(layer), inputs, backends, **options_and_data)


def _run(subject, inputs, backends, *, skip=None, zero_rows=None, without_gradient=(), directions=3, seed=0, **data):
    skip = skip or {}
    if set(skip) - set(CHECKS) or not all(skip.values()):
        raise ValueError(f"skip must give a reason for each of {CHECKS}; got {skip}")
    case = Case(subject, inputs, data, tuple(without_gradient), directions, seed)
    single = case.with_(dtype=np.float32)
    gradient_error, float32_error, backend_errors = None, None, {}
    if "structure" not in skip:
        checks.check_structure(case)
        checks.check_structure(single)
    if "ownership" not in skip:
        checks.check_ownership(case)
        checks.check_ownership(single)
    if "state" not in skip:
        checks.check_repeatable(case)
        checks.check_repeatable(single)
    if "twice" not in skip:
        checks.check_accumulation(case)
    if "linearity" not in skip:
        checks.check_linearity(case)
    if "gradient" not in skip:
        gradient_error = check_gradients(case)
        _, float32_error = checks.compare(case, single, "structure", checks.FLOAT32_TOLERANCE, "in float32")
    if "strides" not in skip:
        checks.check_strides(case)
    if subject.module is not None and "eval" not in skip:
        checks.check_eval(case)
    if "zero_rows" not in skip:
        for emptied in _groups(zero_rows if zero_rows is not None else checks.default_emptied(case)):
            checks.check_zero_rows(case, emptied)
    if "backend" not in skip:
        for backend in backends:
            backend_errors[backend.name] = checks.check_backend(case, backend)
            checks.check_backend(single, backend)
    return Report(gradient_error, float32_error, backend_errors)


def _groups(zero_rows):
    return (zero_rows,) if not zero_rows or isinstance(zero_rows[0], str) else zero_rows
