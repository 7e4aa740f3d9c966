"""Time goes to the innermost stage, memory to the first that keeps it, and everything is as before afterwards."""

import types

import numpy as np
import pytest
import scipy.sparse

from tinymaskrcnn.nn.module import Module
from tinymaskrcnn.train.recorder import Hook, Recorder, memory_behind, watching


class Clock:
    """A clock that only moves when something is done."""

    now = 0.0

    def __call__(self):
        return self.now


class Inner(Module):
    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def forward(self, x):
        self.clock.now += self.seconds
        return x + 1, x

    def backward(self, dy, cache):
        self.clock.now += 10 * self.seconds
        return dy


class Outer(Module):
    def __init__(self, clock):
        self.clock = clock
        self.first, self.second = Inner(clock, 1), Inner(clock, 2)

    def forward(self, x):
        self.clock.now += 100
        x, c_first = self.first.forward(x)
        x, c_second = self.second.forward(x)
        return x, (c_first, c_second)

    def backward(self, dy, cache):
        d = self.second.backward(dy, cache[1])
        self.clock.now += 1000
        return self.first.backward(d, cache[0])


def hooks_of(module, stage, **options):
    return [Hook(module, "forward", stage, "forward", keeps=True), Hook(module, "backward", stage, "backward")]


@pytest.fixture
def outer():
    return Outer(Clock())


def every_hook(outer):
    return [*hooks_of(outer, "outer"), *hooks_of(outer.first, "first"), *hooks_of(outer.second, "second")]


def test_time_goes_to_the_innermost_stage(outer):
    with watching(every_hook(outer), Recorder(outer.clock)) as recorder:
        y, cache = outer.forward(np.zeros(3))
        outer.clock.now += 7  # outside of all stages
        outer.backward(y, cache)
    assert recorder.seconds == {
        ("outer", "forward"): 100,
        ("first", "forward"): 1,
        ("second", "forward"): 2,
        ("outer", "backward"): 1000,
        ("second", "backward"): 20,
        ("first", "backward"): 10,
    }


def test_stages_of_one_name_are_added_up(outer):
    hooks = [*hooks_of(outer, "all"), *hooks_of(outer.first, "all"), *hooks_of(outer.second, "second")]
    with watching(hooks, Recorder(outer.clock)) as recorder:
        outer.forward(outer.forward(np.zeros(3))[0])
    assert recorder.seconds == {("all", "forward"): 202, ("second", "forward"): 4}


def test_a_stage_may_be_named_by_the_arguments(outer):
    hook = Hook(outer.first, "forward", lambda x: f"size {len(x)}", "forward")
    with watching([hook], Recorder(outer.clock)) as recorder:
        outer.first.forward(np.zeros(3))
        outer.first.forward(np.zeros(4))
    assert recorder.seconds == {("size 3", "forward"): 1, ("size 4", "forward"): 1}


def test_everything_is_as_before_whatever_happens(outer):
    place = types.SimpleNamespace(double=lambda x: 2 * x)
    outer.second.forward = own = lambda x: (x, None)  # an object may have a function of its own
    double, before = place.double, dict(vars(outer))
    hooks = [*every_hook(outer), Hook(place, "double", "double", "forward")]
    recorder = Recorder(outer.clock)
    with pytest.raises(KeyError, match="oops"), watching(hooks, recorder):
        assert outer.forward.__name__ == "forward" and "forward" in vars(outer) and place.double is not double
        with recorder.span("broken", "forward"):
            raise KeyError("oops")
    assert vars(outer) == before and "forward" not in vars(outer.first)
    assert vars(outer.second)["forward"] is own and place.double is double
    with recorder.span("after", "forward"):
        outer.clock.now += 1
    assert recorder.seconds[("after", "forward")] == 1  # the broken span was closed


def test_hooks_on_functions_that_do_not_exist_change_nothing(outer):
    with pytest.raises(AttributeError), watching([*every_hook(outer), Hook(outer, "forwrad", "x", "forward")], None):
        pass
    assert "forward" not in vars(outer)


# ---------------------------------------------------------------- memory


def test_a_view_stands_for_its_memory():
    a, b, c = np.zeros(10), np.zeros(20), np.zeros(30)
    entries = np.ones(3)
    matrix = scipy.sparse.csr_array((entries, np.arange(3), np.arange(4)))
    holder = types.SimpleNamespace(inside={"c": [c, c]}, none=None)
    found = memory_behind((a[2:5], [a.reshape(2, 5), b.T], holder, matrix, np.float32(1), "text", 3))
    assert set(found) >= {id(a), id(b), id(c), id(entries)}
    assert sum(array.nbytes for array in found.values() if array.dtype == np.float64) == 8 * (10 + 20 + 30 + 3)


class Keeper(Module):
    """Keeps what it is told to, after the parts below it."""

    def __init__(self, cache, *parts):
        self.cache, self.parts = cache, parts

    def forward(self, x):  # the result is an array too, which nobody keeps
        return np.zeros(9), (self.cache, [part.forward(x)[1] for part in self.parts])


def kept(network, stages, ignored=()):
    recorder = Recorder(meter=lambda: 0, ignored=ignored)
    with watching([Hook(part, "forward", name, "forward", keeps=True) for name, part in stages.items()], recorder):
        network.forward(0)
    return recorder.kept


def test_a_function_keeps_nothing_unless_it_is_said_to():
    place = types.SimpleNamespace(double=lambda x: 2 * x)
    with watching([Hook(place, "double", "double", "forward")], Recorder(meter=lambda: 0)) as recorder:
        assert place.double(21) == 42
    assert recorder.kept == {} and recorder.keeping == 0


def test_without_a_meter_nobody_looks_for_what_is_kept(outer):
    with watching(every_hook(outer), Recorder(outer.clock)) as recorder:
        outer.forward(np.zeros(3))
    assert recorder.kept == {} and recorder._claims == [] and set(recorder.peaks.values()) == {0}


def test_shared_memory_counts_once_and_weights_do_not():
    x, y, weight = np.zeros(10), np.zeros(100), np.zeros(1000)
    first, second = Keeper((x[1:], x, weight)), Keeper((x, y.T))
    network = Keeper(np.zeros(5), first, second)
    stages = {"network": network, "first": first, "second": second}
    assert kept(network, stages, [weight]) == {"first": 80, "second": 800, "network": 40}
    assert kept(network, stages) == {"first": 80 + 8000, "second": 800, "network": 40}


def test_what_the_network_does_not_keep_is_not_counted():
    class Forgetful(Keeper):
        def forward(self, x):
            self.parts[0].forward(x)
            return x, None

    frozen = Keeper(np.zeros(10))
    network = Forgetful(None, frozen)
    assert kept(network, {"network": network, "frozen": frozen}) == {}


def test_peaks_belong_to_the_stage_that_was_open(outer):
    answers = iter([1, 50, 60, 7, 8, 9])  # asked on every way in and out
    hooks = [
        Hook(outer, "forward", "outer", "forward"),
        *(hooks_of(p, "inner")[0] for p in (outer.first, outer.second)),
    ]
    recorder = Recorder(outer.clock, meter=lambda: next(answers))
    with watching(hooks, recorder):
        outer.forward(np.zeros(3))
    assert recorder.peaks == {("outer", "forward"): 50, ("inner", "forward"): 60}


def test_another_array_in_the_place_of_one_that_is_gone():
    recorder, gone = Recorder(meter=lambda: 0), np.zeros(10)
    place = id(gone)
    recorder.claim("frozen", gone, last=False)
    del gone
    others = [np.zeros(10)]
    while id(others[-1]) != place and len(others) < 1000:
        others.append(np.zeros(10))
    recorder.claim("network", others[-1], last=True)
    assert recorder.kept == {"network": 80}


def test_what_a_stage_kept_in_one_step_it_need_not_keep_in_the_next():
    """An array that lives on, such as the picture, belongs to who keeps it first now."""
    recorder, picture = Recorder(meter=lambda: 0), np.zeros(10)
    for stage in ("stem", "head"):
        recorder.claim(stage, (picture,), last=False)
        recorder.claim("network", (picture, np.zeros(3)), last=True)
        assert recorder.kept == {stage: picture.nbytes, "network": 24}

