"""The ten checks, one function each. Every message is meant for the person who wrote the backward."""

import warnings

import numpy as np

from ..backend import array_module, to_host
from .case import fail
from .subject import CheckFailed, caster, fresh, line_of, random_like
from .trees import (
    arrays_inside,
    copies,
    first_change,
    is_array,
    is_float,
    largest_difference,
    leaves,
    map_arrays,
    same_bits,
    snapshot,
    structure_difference,
)

FLOAT32_TOLERANCE = 1e-3  # relative to the largest value, float32 against float64
BACKEND_TOLERANCE = {np.float64: 1e-9, np.float32: 1e-3}


# ---------------------------------------------------------------- 2: shapes, dtypes, structure


def check_structure(case):
    y, cache = case.forward()
    if not any(is_float(leaf) for _, leaf in leaves(y)):
        fail("structure", f"{case.names[0]} must return floating point arrays in y; got {type(y).__name__}.")
    for name, leaf in leaves(y, "y"):
        if is_float(leaf) and leaf.dtype != case.dtype:
            wanted = np.dtype(case.dtype)
            fail("structure", f"{case.names[0]}: {name} must be {wanted} when the inputs are; got {leaf.dtype}.")
    gradients = case.backward(case.seed_for(y), cache)
    for i, (gradient, value) in enumerate(zip(gradients, case.args)):
        name = case.argument(i)
        if gradient is None:
            if not any(is_float(leaf) for _, leaf in leaves(value)) or name in case.without_gradient:
                continue
            fail(
                "structure",
                f"{case.names[1]} returned None for the gradient of {name}. If it is not differentiable by choice, "
                f"pass without_gradient=({name!r},) to this check.",
            )
        difference = structure_difference(gradient, value, f"the gradient of {name}")
        if difference:
            fail("structure", f"{case.names[1]}: {difference}.")
    for name, p in case.subject.parameters:
        difference = structure_difference(p.grad, p.value, f"{name}.grad")
        if difference:
            fail("structure", f"{case.names[1]}: {difference}.")


def check_strides(case):
    """Inputs and dy may be views with gaps: the values must not depend on how memory is laid out."""
    y, cache = case.forward()
    dy = case.seed_for(y)
    want = case.backward(dy, cache)
    y2, cache2 = case.forward(map_arrays(_with_gaps, case.args))
    got = case.backward(map_arrays(_with_gaps, dy), cache2)
    if not largest_difference((y2, got), (y, want)) <= 1e-9:
        fail("structure", f"{case.names[0]} or {case.names[1]} gives other values for a view that is not contiguous.")


def _with_gaps(array):
    wide = array_module(array).zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    return wide[..., 0]


# ---------------------------------------------------------------- 6, 5, 10: ownership, no memory, repeatable


def check_ownership(case):
    """Inputs, dy and cache hold the same values before and after (the locks catch the writer in the act)."""
    data = fresh(case.data, caster(case.dtype, case.put))
    before = snapshot(dict(zip(map(case.argument, range(len(case.args))), case.args))) + snapshot(data)
    y, cache = case.forward(data=data)
    _no_change(before, case.names[0])
    dy = case.seed_for(y)
    before += snapshot({"dy": dy, "cache": cache, "y": y})
    case.backward(dy, cache)
    _no_change(before, case.names[1])


def _no_change(before, name):
    changed = first_change(before)
    if changed:
        fail("ownership", f"{name} wrote into {changed}. Inputs, dy and caches are read-only: write a + b, not a += b.")


def check_repeatable(case):
    legacy = np.random.get_state()  # noqa: NPY002 (it must stay untouched)
    y, cache = case.forward()
    if not all(np.array_equal(a, b) for a, b in zip(legacy, np.random.get_state())):  # noqa: NPY002
        fail("random", f"{case.names[0]} drew from NumPy's global generator: draw from the rng argument only.")
    again, _ = case.forward()
    if not same_bits(again, y):
        fail(
            "random",
            f"{case.names[0]} returned something else the second time, with equal inputs and a generator in the same "
            "state: draw random numbers from the rng argument only.",
        )
    first = copies(y)
    dy = case.seed_for(y)
    want = copies(case.backward(dy, cache))
    y, cache = case.forward()
    case.forward(map_arrays(_elsewhere, case.args))
    if not same_bits(y, first):
        fail("state", f"a second {case.names[0]} overwrote the result of the first: return arrays of your own.")
    if not same_bits(case.backward(dy, cache), want):
        fail(
            "state",
            f"{case.names[1]} returns something else when another {case.names[0]} ran in between: everything it needs "
            "must be in the cache, nothing on self or in a shared buffer.",
        )


def _elsewhere(array):
    if not is_float(array) or array.size == 0:
        return array.copy()
    rng = np.random.default_rng(1)
    noise = array_module(array).asarray(rng.uniform(-1, 1, tuple(array.shape)).astype(array.dtype))
    return array * 0.9 + noise * abs(array).max() * 1e-3


# ---------------------------------------------------------------- 4: backward twice


def check_accumulation(case):
    case.subject.zero_grad()
    y, cache = case.forward()
    dy = case.seed_for(y)
    first = case.backward(dy, cache)
    kept = copies(first)
    once = case.parameter_gradients()
    try:
        second = case.backward(dy, cache)
    except CheckFailed:
        raise
    except Exception as error:
        text = f"{case.names[1]} cannot run twice on one cache ({error!r}): it must not take the cache apart."
        raise CheckFailed("twice", text) from error
    if not same_bits(second, kept):
        fail("twice", f"{case.names[1]} called twice with the same dy and cache returns two different gradients.")
    twice = case.parameter_gradients()
    case.backward(map_arrays(lambda array: 0.5 * array, dy), cache)
    if not same_bits(first, kept):
        fail("twice", f"a later {case.names[1]} overwrote the gradient that an earlier one returned.")
    for name in once:
        single, double = to_host(once[name]), to_host(twice[name])
        slack = 1e-9 * max(float(np.abs(single).max(initial=0)), 1e-12)
        if np.abs(double - 2 * single).max(initial=0) > slack:
            if np.abs(double - single).max(initial=0) <= slack:
                fail("twice", f"{case.names[1]} overwrote {name}.grad instead of adding to it (use +=).")
            fail("twice", f"{case.names[1]} called twice must double {name}.grad; it did not.")
    case.subject.zero_grad()


# ---------------------------------------------------------------- 3: linear in dy


def check_linearity(case):
    y, cache = case.forward()
    one, two = case.seed_for(y, 1), case.seed_for(y, 2)
    both = map_arrays(lambda _, a, b: None if a is None else 2 * a - 3 * b, y, one, two)
    results = []
    for dy in (one, two, both):
        case.subject.zero_grad()
        results.append((case.backward(dy, cache), case.parameter_gradients()))
    case.subject.zero_grad()
    parts = zip(*(leaves(_named(case, g)) + leaves(p, "") for g, p in results))
    for (name, a), (_, b), (_, c) in parts:
        a, b, c = to_host(a), to_host(b), to_host(c)
        scale = max(np.abs(2 * a).max(initial=0), np.abs(3 * b).max(initial=0), 1e-12)
        if not np.abs(c - (2 * a - 3 * b)).max(initial=0) <= 1e-9 * scale:
            fail(
                "linearity",
                f"{case.names[1]} is not linear in dy (gradient of {name}): backward(2a - 3b) must equal "
                "2 backward(a) - 3 backward(b). A gradient only multiplies dy, it never adds to or thresholds it.",
            )


def _named(case, gradients):
    return {case.argument(i): g for i, g in enumerate(gradients)}


# ---------------------------------------------------------------- 7, 8: eval and empty


def check_eval(case):
    layer = case.subject.module
    layer.eval()
    try:
        _, cache = case.forward()
    finally:
        layer.train()
    held = arrays_inside(cache, "cache")
    if held:
        name, array = held[0]
        fail(
            "eval",
            f"{case.names[0]} keeps arrays in eval mode ({name} {tuple(array.shape)}): return self.keep(cache), which "
            "is None outside training.",
        )


def check_zero_rows(case, emptied):
    """Cut the first axis of the named arguments to length zero: all must flow through, and nothing be learned."""
    args = [_no_rows(a) if case.argument(i) in emptied else a for i, a in enumerate(case.args)]
    data = fresh(case.data, caster(case.dtype, case.put))
    data = {name: _no_rows(value) if name in emptied else value for name, value in data.items()}
    what = f"with zero rows in {', '.join(emptied)}"
    case.subject.zero_grad()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # the mean of nothing, 0 / 0
            y, cache = case.forward(args, data)
            gradients = case.backward(case.seed_for(y), cache)
    except CheckFailed:
        raise
    except Exception as error:
        text = f"{case.names[0]} or {case.names[1]} failed {what}: {error!r}{line_of(error)}"
        raise CheckFailed("empty", text) from error
    named = leaves(y, "y") + leaves(_named(case, gradients)) + leaves(case.parameter_gradients(), "grad")
    for name, leaf in named:
        if not np.isfinite(to_host(leaf)).all():
            fail("empty", f"{case.names[0]} {what}: {name} must be finite; got NaN or infinity.")
    for i, (gradient, value) in enumerate(zip(gradients, args)):
        difference = gradient is not None and structure_difference(
            gradient, value, f"the gradient of {case.argument(i)}"
        )
        if difference:
            fail("empty", f"{case.names[1]} {what}: {difference}.")
    case.subject.zero_grad()


def _no_rows(tree):
    return map_arrays(lambda array: array[:0].copy(), tree)


def default_emptied(case):
    """The arguments that share the first axis of the first one: by the shape line if it names them, else by length."""
    arguments = {case.argument(i): a for i, a in enumerate(case.args)} | case.data
    first_axis = {name: dims[0] if dims else None for name, (dims, _) in case.subject.shapes.items()}
    first = case.argument(0)
    letter = first_axis.get(first, "...")
    if letter == "...":
        first_axis, letter = {}, None
    rows = {name: {len(leaf) if leaf.ndim else -1 for _, leaf in leaves(value)} for name, value in arguments.items()}
    return tuple(n for n in arguments if (first_axis[n] == letter if n in first_axis else rows[n] == rows[first]))


# ---------------------------------------------------------------- 2, 9: float32 and backends


def compare(case, other, check, tolerance, what):
    """Same arguments, same dy: y and all gradients of `other` must agree with those of `case`.

    Returns what `other` computed and the largest relative difference.
    """
    results, worst = [], 0.0
    for c in (case, other):
        c.subject.zero_grad()
        y, cache = c.forward()
        dy = map_arrays(caster(c.dtype, c.put), random_like(y, np.random.default_rng(c.seed)))  # drawn on the host
        gradients = c.backward(dy, cache)
        results.append({"y": y, "gradient": _named(c, gradients), "grad": c.parameter_gradients()})
    for part in results[0]:
        for (name, want), (_, got) in zip(leaves(results[0][part], part), leaves(results[1][part], part)):
            if got.dtype.kind == "f" and got.dtype != other.dtype:
                fail(check, f"{case.names[0]}: {name} must be {np.dtype(other.dtype)} {what}; got {got.dtype}.")
            difference = largest_difference(got, want)
            if not difference <= tolerance:
                fail(check, f"{case.names[0]}: {name} differs by {difference:.1e} (relative) {what}.")
            worst = max(worst, difference)
    return results[1], worst


def check_backend(case, backend):
    """Everything agrees with NumPy and stays on the device; returns the largest relative difference."""
    moved = case.with_(put=backend.put)
    module = array_module(backend.put(np.zeros(1)))
    try:
        result, worst = compare(case, moved, "backend", BACKEND_TOLERANCE[case.dtype], f"on {backend.name}")
        check_ownership(moved)
    except CheckFailed:
        raise
    except Exception as error:
        raise CheckFailed("backend", f"{case.names[0]} or its backward fails on {backend.name}: {error!r}") from error
    for name, leaf in arrays_inside(result):
        if is_array(leaf) and array_module(leaf) is not module:
            fail("backend", f"{case.names[0]} on {backend.name}: {name[2:]} came back as a host array.")
    return worst
