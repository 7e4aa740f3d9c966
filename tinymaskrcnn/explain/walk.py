"""One training step with all that runs: every function in order, its lines, and what each line made.

`walk_step` lets the readable text compute one step of one picture, forward and back, under Python's own tracing, and
keeps a Walk: the functions of this package that ran, in the order in which they were first called.
"""

import contextlib
import dataclasses
import inspect
import sys

import numpy as np

from .. import backend
from ..errors import ArgumentError
from ..kernel_lookup import without_kernels
from ..nn.module import Cache, spend
from ..testing.memory import owner
from ..testing.trees import arrays_inside, is_array
from .statements import PACKAGE, source_of
from .walked import Call, Function, Ran, Seen, Station, Walk

INSIDE = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>", "<lambda>")  # parts of the function they stand in
TEXT = ("backend", "contract", "structures", "ops", "nn", "targets", "models")  # where the text of a step stands
FEW = 6  # numbers of an array that are better read than seen
MOST_PARTS = 6  # of a list of arrays that are looked at one by one


def walk_step(model, batch, *, seed=0, look=None, told=None):
    """Make one training step of a model, forward and backward, and keep all that runs.

    MaskRCNN on the host, ImageBatch with targets, seed of the random samples  ->  Walk

    look(array, name) says what an array looks like, told() is called at every call of a function.

    The gradients are those of this step alone. As in training, running statistics move; weights stay.
    """
    walker = _Walker(model, look or (lambda array, name: None), told or (lambda: None))
    losses, _ = readable_step(model, batch, seed=seed, watching=walker)
    return Walk(list(walker.functions.values()), walker.stations, losses, walker.kept_bytes, walker.count)


def readable_step(model, batch, *, seed=0, watching=None):
    """One training step on the readable text: {name: loss}, and the gradient at the images.

    watching: a context manager that is open meanwhile
    """
    if backend.array_module(model.parameters()[0].value) is not np:
        raise ArgumentError("walk_step: the model must be on the host; move it with to_device('cpu')")
    for parameter in model.parameters():
        parameter.grad = None
    data = {"targets": batch.targets, "sizes": batch.sizes, "rng": np.random.default_rng(seed), **batch.given}
    was_training = model.training
    model.train()
    try:
        with _readable(), watching or contextlib.nullcontext():
            losses, cache = model.forward(batch.images, **data)
            dimages = model.backward({name: 1.0 for name in losses}, spend(cache))
    finally:
        model.train(was_training)
    return {name: float(loss) for name, loss in losses.items()}, dimages


@contextlib.contextmanager
def _readable():
    """The text itself, as if nothing had run before: without kernels, nothing remembered."""
    for function in _remembering():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
        else:
            inspect.getclosurevars(function).nonlocals["passed"].clear()
    with without_kernels():
        yield


def _remembering():
    """Functions of the text that know what came before: those with a cache, and the doors that checked shapes."""
    for name, module in list(sys.modules.items()):
        package, _, rest = name.partition(".")
        if package == PACKAGE.name and rest.partition(".")[0] in TEXT:
            for function in vars(module).values():
                if hasattr(function, "cache_clear") or getattr(function, "checked", False) is True:
                    yield function


class _Frame:
    """A call that is going on: its Call, the statement that runs, and what grew on the way."""

    def __init__(self, call, source):
        self.call, self.source = call, source
        self.at, self.line = None, 0
        self.growing = {}  # path -> Ran


class _Walker:
    """Python's trace function, and what it gathers."""

    def __init__(self, model, look, told):
        self.look, self.told, self.model = look, told, model
        self.modules = {id(module): name for name, module in reversed(list(model.named_modules()))}
        self.functions, self.stations = {}, []
        self.count, self.kept_bytes = 0, 0
        self.held = {}  # id -> (array that some cache keeps, the station that kept it first)
        self.caches = {}  # id -> (cache, bytes that it keeps)
        self.known = {id(owner(array)) for _, array in arrays_inside(model)}
        self.open, self.stack, self.files = {}, [], {}

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.entered)

    def __exit__(self, *_):
        sys.settrace(self.before)

    def file(self, code):
        """The path of a code's file inside the package, None outside."""
        if code.co_filename not in self.files:
            path = code.co_filename.replace("\\", "/")
            root = f"{PACKAGE.as_posix()}/"
            self.files[code.co_filename] = path.removeprefix(root) if path.startswith(root) else None
        return self.files[code.co_filename]

    def entered(self, frame, event, argument):
        file = self.file(frame.f_code)
        if file is None or file.startswith("explain/"):
            return None
        if frame.f_code.co_name in INSIDE:
            return self.part_of(file, frame)
        here = self.open.get(frame)  # a generator that goes on
        if here is None:
            here = self.open[frame] = _Frame(self.begin(file, frame), source_of(file))
        self.stack.append(here)

        def within(frame, event, argument):
            if event == "line":
                self.line(here, frame)
            elif event == "return":
                self.leave(here, frame, argument)
            return within

        return within

    def part_of(self, file, frame):
        """The lines of a comprehension or a lambda are lines of the function that it is written in."""
        owner = frame.f_code.co_qualname.rpartition(".<locals>.")[0]
        lines = self.functions[file, owner].lines

        def within(frame, event, argument):
            if event == "line":
                lines.add(frame.f_lineno)
            return within

        return within

    def begin(self, file, frame):
        code, values = frame.f_code, frame.f_locals
        key = file, code.co_qualname
        if key not in self.functions:
            definition = source_of(file).definition(code.co_firstlineno)
            self.functions[key] = Function(*key, definition)
        function = self.functions[key]
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        first = not function.calls
        arguments = [(name, values[name]) for name in names if name != "self" and name in values]
        if first:
            function.given = [seen for name, value in arguments if (seen := self.seen(name, value))]
        caller = self.stack[-1] if self.stack else None
        module = self.modules.get(id(values.get("self")), caller.call.module if caller else "")
        given = [seen for name, value in arguments if (seen := _shaped(name, value))]
        call = Call(function, self.count, caller and caller.call, caller.line if caller else 0, module, given)
        function.calls.append(call)
        self.count += 1
        self.told()
        if caller:
            call.station = caller.call.station
            self.linked(function)
        if _is_of_network(call) and self.is_station(file, code.co_name, values.get("self")):
            call.station = len(self.stations)
            of_class = code.co_name in ("forward", "backward") and inspect.getdoc(type(values["self"]))
            looks = [seen for name, value in arguments if (seen := self.seen(name, value))]
            backward = _root(call).function.name.endswith("backward")
            self.stations.append(Station(call, backward, of_class or function.definition.doc, looks))
        return call

    def linked(self, function):
        """Let the statement that calls a function know it, past what stands around functions."""
        near = self.stack[-1]
        if near.call.function.hands_on and not function.mark:
            near = next(here for here in reversed(self.stack) if not here.call.function.hands_on)
        if near.call.function.mark or not function.mark:
            near.call.function.ran[near.at.first].called.setdefault(function)

    def is_station(self, file, name, owner):
        """A part of the network that is called, or a decision of the network itself; no helper."""
        whole = owner is self.model and file.startswith("models/") and not name.startswith("_")
        return whole or (owner is not self.model and id(owner) in self.modules)

    def line(self, here, frame):
        """A line begins: the statement before it is done, unless it is the same one on its next line."""
        number, function = frame.f_lineno, here.call.function
        function.lines.add(number)
        statement = here.source.statement(number)
        if here.at is not None and statement is not here.at:
            self.done(here, frame)
        here.line = number
        if statement is not here.at:
            here.at = statement
            ran = function.ran.setdefault(statement.first, Ran(len(function.calls) - 1))
            ran.times += function.calls[ran.first_call] is here.call

    def done(self, here, frame):
        """Look at what the statement has made, the first time it ran; what grows is looked at in the end."""
        ran = here.call.function.ran[here.at.first]
        if here.call.function.calls[ran.first_call] is not here.call:
            return
        known = {seen.name for seen in ran.seen}
        for made in here.at.made:
            value = _at(made.path, frame.f_locals)
            if made.grows:
                here.growing.setdefault((made.path, id(ran)), ran)
            elif made.empty:
                ran.seen += [_shaped(made.path, value)] if made.path not in known else []
            elif made.path not in known:
                ran.seen += filter(None, [self.seen(made.path, value)])
            elif ran.times > 1 and (shape := _shape(value)) is not None:
                ran.shapes.setdefault(made.path, []).append(shape)

    def leave(self, here, frame, value):
        self.stack.pop()
        call, function = here.call, here.call.function
        if frame.f_code.co_flags & inspect.CO_GENERATOR and here.at is not None:
            call.returned = []
            return  # it yields, or is exhausted: nothing is returned
        del self.open[frame]
        keeps = _is_forward(function.name) and isinstance(value, tuple) and len(value) == 2
        if here.at is not None:
            self.done(here, frame)
            ran = function.ran[here.at.first]
            if here.at.returned is not None and not ran.seen and function.calls[ran.first_call] is call:
                texts = here.at.returned
                ran.seen += self.returned(texts[:1], value[0]) if keeps else self.returned(texts, value)
        for (path, _), ran in here.growing.items():
            if path not in {seen.name for seen in ran.seen}:
                ran.seen += filter(None, [self.seen(path, _at(path, frame.f_locals))])
        if keeps and not function.mark:
            self.keep(call, value[1])
        result = value[0] if keeps else value
        parts = result if isinstance(result, tuple) else [result]
        call.returned = [seen for part in parts if (seen := _shaped("", part))]
        for station in self.stations[-1:]:
            if station.call is call:
                station.returned = [seen for part in parts if (seen := self.seen("", part))]

    def returned(self, texts, value):
        """What a return statement hands back and no line above had: expressions, not names."""
        parts = value if len(texts) > 1 and isinstance(value, tuple) else [value]
        for text, part in zip(texts, parts):
            if not text.isidentifier() and (seen := self.seen("", part)):
                yield seen

    def keep(self, call, cache):
        """Count the bytes of a cache: all of them, and those that nobody kept before."""
        rows = {}
        for place, array in arrays_inside(cache):
            if id(owner(array)) not in self.known:
                rows.setdefault(id(owner(array)), (place, tuple(array.shape), owner(array)))
        call.kept = sum(array.nbytes for *_, array in rows.values())
        self.caches[id(cache)] = cache, call.kept
        for key, (*_, array) in rows.items():
            self.held.setdefault(key, (array, call.station))
        if call.caller is None:  # the whole network's own: what is not in it, nobody kept
            self.kept_bytes = call.kept
            for key, (*_, array) in rows.items():
                self.stations[self.held[key][1]].kept += array.nbytes
        if call is call.function.calls[0]:
            call.function.keeps = [(place, shape, array.nbytes) for place, shape, array in rows.values()]

    def seen(self, name, value):
        """A Seen with looks; None for what says nothing: functions, settings, objects without arrays."""
        if id(value) in self.caches and (name.startswith("c_") or name.endswith("cache")):
            return Seen(name, kept=self.caches[id(value)][1])
        if is_array(value):
            look = self.look(value, name) if value.size > FEW else None
            return dataclasses.replace(_shaped(name, value), look=look)
        if hasattr(value, "tocoo"):
            look = self.look(value, name)
            return Seen(name, tuple(value.shape), f"sparse, {value.nnz} entries", look=look)
        return _shaped(name, value, self.seen)


def _shaped(name, value, of_part=None):
    """A Seen without looks: arrays, lists of arrays, small numbers and sizes, sparse matrices."""
    of_part = of_part or _shaped
    if is_array(value):
        few = value.size <= FEW and value.dtype.kind in "biuf"
        text = " ".join(f"{number:.4g}" for number in np.ravel(value).tolist()) if few else ""
        return Seen(name, tuple(value.shape), str(value.dtype), text)
    if value is None or isinstance(value, (bool, str, bytes, Cache)):  # a Cache may be spent, and is not ours to read
        return None
    if isinstance(value, (int, float)):
        return Seen(name, text=f"{value:.4g}" if isinstance(value, float) else str(value))
    if hasattr(value, "tocoo"):
        return Seen(name, tuple(value.shape), f"sparse, {value.nnz} entries")
    if isinstance(value, dict):
        parts = tuple(seen for key, part in value.items() if (seen := of_part(str(key), part)))
        return Seen(name, parts=parts) if parts else None
    if dataclasses.is_dataclass(value):
        fields = [(part.name, getattr(value, part.name)) for part in dataclasses.fields(value)]
        parts = tuple(seen for label, part in fields if (seen := of_part(label, part)) and not seen.text)
        return Seen(name, parts=parts) if parts else None
    if isinstance(value, (list, tuple)) and 0 < len(value) <= MOST_PARTS:
        if all(is_array(part) for part in value):
            return Seen(name, parts=tuple(of_part("", part) for part in value))
        if all(isinstance(part, int) for part in value):
            return Seen(name, text=str(tuple(value)))
    return None


def _shape(value):
    return tuple(value.shape) if is_array(value) else None


def _at(path, values):
    """The value of a dotted path among local names; None where it is no more."""
    first, *rest = path.split(".")
    value = values.get(first)
    for name in rest:
        value = getattr(value, name, None)
    return value


def _above(call):
    """Who called it, whatever stands between."""
    call = call.caller
    while call and call.function.mark:
        call = call.caller
    return call


def _is_of_network(call):
    """Whether the whole network's own forward or backward calls it."""
    above = _above(call)
    return above is not None and above.caller is None


def _root(call):
    while call.caller:
        call = call.caller
    return call


def _is_forward(name):
    last = name.rpartition(".")[2]
    return last == "forward" or last.endswith("_forward")
