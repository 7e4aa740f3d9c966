"""A walked step against observers of another make: Python's own `trace`, its profiler, and modules that are watched."""

import inspect
import sys
import trace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

import tinymaskrcnn
from docs import reading_path
from tinymaskrcnn import backend
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.walk import FEW, _readable, walk_step
from tinymaskrcnn.nn.module import spend
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.testing import cache_bytes
from tinymaskrcnn.testing.trees import same_bits

PACKAGE = Path(tinymaskrcnn.__file__).parent


def small():
    return tiny_model(seed=3).train()


def tiny_batch():
    images, targets = tiny_scene(objects=(2,))
    return ImageBatch(images, np.array([[64, 60]]), targets)


def step(model, batch):
    """The step that is walked, by itself: losses and cache."""
    rng = np.random.default_rng(0)
    losses, cache = model.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=rng)
    model.backward({name: 1.0 for name in losses}, spend(cache))
    return losses


def inside(path):
    """A file's name within the package, None outside."""
    return Path(path).relative_to(PACKAGE).as_posix() if PACKAGE in Path(path).parents else None


@pytest.fixture(scope="module")
def walk():
    return walk_step(small(), tiny_batch())


def test_the_lines_are_those_that_pythons_own_trace_counts(walk):
    tracer = trace.Trace(count=1, trace=0)
    with _readable():
        tracer.runfunc(step, small(), tiny_batch())
    counted = {(inside(file), line) for (file, line), _ in tracer.results().counts.items() if inside(file)}
    assert walk.lines == counted and len(counted) > 700


def test_functions_stand_in_the_order_of_their_first_calls_and_each_call_is_counted(walk):
    called, generators = [], set()  # which are called again where they go on

    def profiled(frame, event, argument):
        key = inside(frame.f_code.co_filename), frame.f_code.co_qualname
        if event == "call" and key[0] and not key[1].endswith(">"):  # of comprehensions the function they stand in
            called.append(key)
            generators.update([key] if frame.f_code.co_flags & inspect.CO_GENERATOR else [])

    model, batch = small(), tiny_batch()
    with _readable():
        before = sys.getprofile()
        sys.setprofile(profiled)
        try:
            step(model, batch)
        finally:
            sys.setprofile(before)
    found = [(f.file, f.name) for f in walk.functions]
    assert found == list(dict.fromkeys(called))
    for function in walk.functions:
        if (function.file, function.name) not in generators:
            assert len(function.calls) == called.count((function.file, function.name)), function.name


def test_shapes_are_those_that_watched_modules_see(walk):
    model, seen = small(), []
    names = {id(module): name for name, module in reversed(list(model.named_modules()))}
    for module in {id(m): m for _, m in model.named_modules()}.values():
        watch(module, names[id(module)], seen)
    with _readable():
        step(model, tiny_batch())
    forwards = [call for f in walk.functions if f.name.split(".")[-1] == "forward" for call in f.calls]
    ends = {}
    for call in forwards:
        parts = [part for part in call.returned for part in (part.parts or [part])]
        ends.setdefault(call.module, []).append([part.shape for part in parts])
    for name in {name for name, _ in seen} - {""}:
        assert sorted(shapes for n, shapes in seen if n == name) == sorted(ends[name]), name


def watch(module, name, seen):
    """Let a module's forward tell the shapes of the arrays that it returns."""
    forward = module.forward

    def watched(*args, **data):
        y, cache = forward(*args, **data)
        parts = y.values() if isinstance(y, dict) else y if isinstance(y, (list, tuple)) else [y]
        seen.append((name, [part.shape for part in parts]))
        return y, cache

    module.forward = watched


def test_a_walk_computes_what_a_step_computes_and_leaves_the_weights(walk):
    walked, plain = small(), small()
    with _readable():
        losses = step(plain, tiny_batch())
    assert walk_step(walked, tiny_batch()).losses == {name: float(loss) for name, loss in losses.items()}
    for (name, one), (_, other) in zip(walked.named_parameters(), plain.named_parameters(), strict=True):
        assert same_bits(one.grad, other.grad), name
        assert same_bits(one.value, other.value), name
    assert backend._KERNELS_ENABLED and sys.gettrace() is None


def test_bytes_kept_are_those_of_the_caches(walk):
    model, batch = small(), tiny_batch()
    with _readable():
        _, cache = model.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(0))
    whole = walk.find("models/mask_rcnn.py", "MaskRCNN.forward")
    assert whole.calls[0].kept == cache_bytes(cache, without=model) == walk.kept
    assert sum(station.kept for station in walk.stations) == walk.kept
    conv = walk.find("ops/conv.py", "conv2d_forward")
    assert conv.keeps == [
        ("[0]", conv.calls[0].given[0].shape, conv.calls[0].kept)
    ]  # x alone: weights are there anyway


def test_the_default_step_is_walked_whole():
    """The files of docs/reading.md, and in them every function that runs."""
    model = reading_path._model().train()
    walk = walk_step(model, tiny_batch())
    with _readable(), reading_path.Walk() as other:
        step(model, tiny_batch())
    assert {f.file for f in walk.functions} == set(other.files)
    parts = {(file, name.rpartition(".<locals>.<")[0] or name) for file, name, _ in other.functions}
    assert {(f.file, f.name) for f in walk.functions} == parts - {("explain/walk.py", "_readable")}


def test_stations_are_the_calls_of_the_network_itself(walk):
    down = [station.title for station in walk.stations if not station.backward]
    up = [station.title for station in walk.stations if station.backward]
    assert down == ["normalize", "backbone", "rpn", "choose samples", "rpn loss", "roi heads"]
    assert up == ["roi heads", "rpn loss", "rpn", "backbone", "normalize"]
    assert all(station.given and station.returned and station.doc for station in walk.stations)


def test_what_a_line_makes_is_looked_at_once_and_with_what_it_holds_then():
    looked = []

    def look(array, name):
        looked.append(name)
        return float(np.abs(array.sum() if hasattr(array, "tocoo") else np.sum(array)))

    walk = walk_step(small(), tiny_batch(), look=look)
    conv = walk.find("ops/conv.py", "_image_to_columns")
    columns = [seen for ran in conv.ran.values() for seen in ran.seen if seen.name == "columns"]
    assert [seen.look for seen in columns] == [None, pytest.approx(columns[1].look)] and columns[1].look > 0
    assert columns[0].shape == columns[1].shape  # empty memory is not looked at, only what was written to it
    for function in walk.functions:
        for ran in function.ran.values():
            names = [seen.name for seen in ran.seen if seen.name]
            assert len(names) == len(set(names)), (function.name, names)
            for seen in ran.seen:
                assert seen.look is None or np.prod(seen.shape) > FEW
    linear = walk.find("ops/linear.py", "linear_forward")
    assert [[seen.name for seen in linear.ran[line].seen] for line in sorted(linear.ran)] == [["y"], []]


def test_two_walks_of_one_model_are_alike():
    model, batch = small(), tiny_batch()
    one, other = walk_step(model, batch), walk_step(model, batch)
    assert one.lines == other.lines and one.calls == other.calls
    assert [f.name for f in one.functions] == [f.name for f in other.functions]


def test_a_walk_ends_well_when_the_step_fails():
    model, batch = small(), tiny_batch()
    with pytest.raises(tinymaskrcnn.errors.TinyMaskRCNNError):
        walk_step(model, ImageBatch(batch.images[..., [0, 0]], batch.sizes, batch.targets))
    assert backend._KERNELS_ENABLED and sys.gettrace() is None


def test_a_model_on_a_device_is_refused(monkeypatch):
    monkeypatch.setattr(backend, "array_module", lambda *arrays: "cupy")
    with pytest.raises(ArgumentError, match="must be on the host"):
        walk_step(tiny_model(), tiny_batch())
