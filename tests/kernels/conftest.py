"""What every kernel is held to: its readable twin in float64, the twin's cache, and the same bits on any threads."""

from pathlib import Path

import compiled_lane
import numpy as np
import pytest

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.kernels.c import library

SHARE = 2e-5  # of the largest number of an array: what float32, and Winograd in it, may be off by


@pytest.fixture(autouse=True)
def kernels_in_numpy():
    """The public functions find the kernels in NumPy; those in C have a folder of their own."""
    library.use("numpy")
    yield
    library.use(None)


@pytest.fixture(scope="session")
def built(once):
    """The library of the sources as they are now: the installed one, unless it is older than they are."""
    newest = max(path.stat().st_mtime for path in compiled_lane.SOURCES.glob("*.[ch]"))
    installed = library.load()
    if installed is not None and Path(installed._name).stat().st_mtime > newest:
        return installed
    if compiled_lane.COMPILER is None:
        pytest.skip("no C compiler")
    return library.load(once("lane", compiled_lane.compiled))


@pytest.fixture
def lane(kernels_in_numpy, built, monkeypatch):
    """The kernels in C run, on the best variant of this processor; afterwards the choice is as it was."""
    monkeypatch.setattr(library, "load", lambda *_: built)
    library.supported.cache_clear()
    library.use(library.supported()[0])
    yield
    monkeypatch.undo()
    library.supported.cache_clear()
    library.use(None)


@pytest.fixture(params=["numpy", "c"])
def either_lane(request):
    """The kernels that run, by their name: first those in NumPy, then those in C."""
    if request.param == "c":
        request.getfixturevalue("lane")
    return request.param


@pytest.fixture(autouse=True)
def usual_threads():
    yield
    threads.set_threads(None)


@pytest.fixture
def normal():
    """A function of a shape that gives read-only float32 normal numbers."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        x = rng.standard_normal(shape, dtype=np.float32)
        x.flags.writeable = False
        return x

    return draw


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def close(actual, wanted, share=SHARE):
    for a, w in zip(as_tuple(actual), as_tuple(wanted), strict=True):
        if w is None:
            assert a is None
            continue
        assert (a.shape, a.dtype) == (w.shape, np.float32)
        np.testing.assert_allclose(a, w, rtol=0, atol=share * max(abs(w).max(initial=0), 1e-6))


def identical(results):
    """The same bits in every result."""
    for result in results[1:]:
        for a, b in zip(as_tuple(result), as_tuple(results[0]), strict=True):
            assert a is b is None or np.array_equal(a, b)


def on_threads(function):
    """What function() returns with one, two and four threads; between the calls the workspaces are used again."""
    results = []
    for n in (1, 2, 4):
        threads.set_threads(n)
        results.append(function())
    return results


def unchanged_by(result, function):
    """What a kernel returned is its caller's: another call must not write there."""
    before = tuple(None if a is None else a.copy() for a in as_tuple(result))
    function()
    identical([as_tuple(result), before])


def locked(tree):
    if isinstance(tree, np.ndarray):
        tree.flags.writeable = False
    elif isinstance(tree, tuple):
        for branch in tree:
            locked(branch)
    return tree


@pytest.fixture
def compare_pair(normal):
    """compare(kernel forward, kernel backward, public forward, public backward, inputs, **data)."""

    def compare(fast_forward, fast_backward, forward, backward, inputs, **data):
        wide = [None if x is None else x.astype(np.float64) for x in inputs]
        wanted, wide_cache = forward.readable(*wide, **data)
        dy = normal(*wanted.shape)
        wanted_gradients = backward.readable(dy.astype(np.float64), wide_cache)

        inputs = tuple(None if x is None else locked(x) for x in inputs)
        outputs = on_threads(lambda: fast_forward(*inputs, **data))
        unchanged_by(outputs[-1][0], lambda: fast_forward(-2 * inputs[0], *inputs[1:], **data))
        identical([y for y, _ in outputs])
        close(outputs[0][0], wanted)
        y, cache = outputs[-1]
        locked((y, cache))
        gradients = on_threads(lambda: fast_backward(dy, cache))
        unchanged_by(gradients[-1], lambda: fast_backward(2 * dy, cache))
        identical(gradients)
        close(gradients[0], wanted_gradients)

        _, twin_cache = forward.readable(*inputs, **data)  # either backward takes either cache
        close(fast_backward(dy, locked(twin_cache)), wanted_gradients)
        close(backward.readable(dy, cache), wanted_gradients)

        y, _ = forward(*inputs, **data)  # the public function finds the kernel
        identical([y, outputs[0][0]])
        identical([backward(dy, cache), gradients[0]])

    return compare


def in_float64(arguments):
    """The same arguments with one of the arrays in float64, each in turn; inside of tuples too."""
    for i, x in enumerate(arguments):
        others = in_float64(x) if isinstance(x, tuple) else [x.astype(np.float64)] if isinstance(x, np.ndarray) else []
        yield from ((*arguments[:i], other, *arguments[i + 1 :]) for other in others)


@pytest.fixture
def is_held_to_float32():
    """is_held_to_float32(gate, arguments, **data): a gate takes them, and never with one of them in another type."""

    def check(gate, *arguments, **data):
        assert gate(*arguments, **data)
        changed = [*in_float64(arguments)]
        assert changed and not any(gate(*other, **data) for other in changed)

    return check


@pytest.fixture
def gate_of():
    """gate_of(name): what the one kernel of that name for NumPy asks of its arguments."""

    def gate(name):
        [applies] = [applies for module, applies, _ in kernel_lookup._KERNELS[name] if module is np]
        return applies

    return gate
