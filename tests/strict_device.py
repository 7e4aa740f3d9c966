"""A device without a device: arrays that behave like CuPy's where CuPy differs from NumPy, on any machine.

    from strict_device import xp, counting

    x = xp.asarray(host_array)
    with counting() as cost:
        y, cache = linear_forward(x, weight, bias)
    cost.synchronisations, cost.operations, cost.launches

What a GPU would refuse is refused here: host arrays mixed with device arrays, np functions and np.asarray on device
arrays, indexing with host arrays, names and keywords that CuPy lacks (from data_cupy_names.txt), and `ufunc.at`, whose
float atomics are not repeatable. What would make the host wait for the GPU is counted: get, float, int, bool, item,
tolist, a boolean mask as an index, nonzero and its kin, and sparse matrices, which CuPy checks by reading them. Every
operation is written down with what CuPy starts for it (cupy_costs.py) and the line of the package that asked.
`with kernels():` lends the device its CUDA kernels, run by cuda_emulator; each launch counts as one operation.
`with recording() as plan:` keeps what is done to be done again, in the same memory, by `plan.replay()`.

The class wraps an array instead of deriving from it: np.asarray takes a subclass of ndarray without asking, but calls
`__array__` of a wrapper, which refuses.
"""

import functools
import gc
import operator
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import cuda_emulator
import cupy_costs
import cupy_names
import numpy as np
import scipy.sparse

from tinymaskrcnn.backend import register_array_type
from tinymaskrcnn.devices import register_launcher
from tinymaskrcnn.testing import Backend

NAMES = cupy_names.read()


class Event(NamedTuple):
    """One thing that was asked of the device."""

    kind: str  # of cupy_costs.KINDS, or "wait"
    name: str
    count: int  # how many of them CuPy starts
    given: tuple  # of what came out and what went in: numbers, and for arrays what is known without reading them
    place: str  # module:function of the package that asked


@dataclass(eq=False)
class Cost:
    """What was asked of the device: operations are calls, launches what CuPy starts for them."""

    operations: int = 0
    events: list = field(default_factory=list)

    def count(self, kind):
        return sum(event.count for event in self.events if event.kind == kind)

    synchronisations = property(lambda self: self.count("wait"))
    sparse_waits = property(lambda self: sum(e.kind == "wait" and e.name.startswith(SPARSE) for e in self.events))
    launches = property(lambda self: self.count("launch"))
    products = property(lambda self: self.count("product"))
    sorts = property(lambda self: self.count("sort"))
    uploads = property(lambda self: self.count("upload"))


SPARSE = ("csr_matrix", "csc_matrix", "coo_matrix", "sparse")  # names of waits that CuPy's sparse matrices make

_costs, _plans = [], []


@contextmanager
def counting():
    """Count host synchronisations and array operations inside the block, and write down what a GPU has to start."""
    cost = Cost()
    _costs.append(cost)
    try:
        yield cost
    finally:
        _costs.remove(cost)


class Plan:
    """What the device was asked for while it was recorded: a stand-in for a CUDA graph.

    Like a graph it knows arrays by their memory alone: every operation reads and writes the memory that it read and
    wrote, and the memory of all is kept. Python numbers are as they were.
    """

    def __init__(self):
        self.work, self.events = [], []

    def replay(self):
        """Do it all again. No array is made, and nothing of the package runs."""
        _note(*self.events)
        for again in self.work:
            again()

    def written(self):
        """(id, bytes) of the memory behind each array that an operation gave."""
        for again in self.work:
            given = again.args[-1]
            for array in given if isinstance(given, (list, tuple)) else [given]:
                if isinstance(array, StrictArray):
                    yield _owner(array)


@contextmanager
def recording():
    """Record what is done inside the block, which may neither upload nor wait, and so decide by no number there."""
    plan = Plan()
    with counting() as cost:
        _plans.append(plan)
        try:
            yield plan
        finally:
            _plans.remove(plan)
    plan.events = [event for event in cost.events if event.kind != "memory"]


def _record(function, args, kwargs, given):
    """given: what the package got; of a function that writes in place, None or what it wrote into."""
    for plan in _plans:
        plan.work.append(functools.partial(_again, function, args, kwargs, given))


def _again(function, args, kwargs, given):
    result = function(*args, **kwargs)
    several = isinstance(given, (list, tuple))
    for array, fresh in zip(given if several else [given], result if several else [result]):
        if isinstance(array, StrictArray) and fresh is not array._memory:
            array._memory[...] = fresh


def _not_recorded(what, name):
    if _plans:
        raise RuntimeError(f"{name} {what} inside a step that is being recorded")


def _note(*events):
    for cost in _costs:
        cost.events.extend(events)


def _synchronise(name="get"):
    _not_recorded("waits for the device", name)
    if _costs:
        _note(Event("wait", name, 1, (), _place()))


def _operate(name, started=cupy_costs.ONE_LAUNCH, result=None, *given):
    if any(kind == "upload" for kind, _ in started):
        _not_recorded("uploads", name)
    if not _costs:
        return
    place, given = _place(), (_said(_made(result)), _said(given))
    for cost in _costs:
        cost.operations += 1
    _note(*(Event(kind, name, count, given, place) for kind, count in started))


_UNSAID = ("backend.py", "contract.py", "kernel_lookup.py", "launch.py", "devices.py")  # they hand on what others ask


def _place():
    """The function of the package that asked, as "ops/boxes.py:decode"."""
    frame = sys._getframe(2)
    while frame:
        _, found, inside = frame.f_code.co_filename.rpartition("tinymaskrcnn/")
        if found and not inside.endswith(_UNSAID) and not inside.startswith("tests/"):
            return f"{inside}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"


def _made(result):
    """What a function gave, as arrays: NumPy makes a number of a sum, and CuPy an array of one."""
    if isinstance(result, (list, tuple)):
        return [_made(part) for part in result]
    return np.asarray(result) if isinstance(result, np.generic) else result


def _said(value):
    """What the host knows of an argument: a number as it is; an array's dtype, shape and place in its memory."""
    if isinstance(value, np.ndarray):
        first = value if value.base is None else value.base
        start = value.ctypes.data - first.ctypes.data if isinstance(first, np.ndarray) else 0
        return (value.dtype.str, value.shape, value.strides, start)
    if isinstance(value, (list, tuple)):
        return tuple(map(_said, value))
    if isinstance(value, dict):
        return tuple((name, _said(part)) for name, part in value.items())
    return str(value) if isinstance(value, slice) else value


def live_bytes():
    """Bytes of all arrays on the device that somebody still holds."""
    gc.collect()
    return sum(dict(_owner(thing) for thing in gc.get_objects() if type(thing) is StrictArray).values())


def _owner(array):
    """(id, bytes) of the memory that an array is, or is a view of."""
    memory = array._memory
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    return id(memory), memory.nbytes


@contextmanager
def kernels(*, seed=1, faults=None, dry=False):
    """Inside the block the device has its CUDA kernels; outside it computes the readable text.

    seed shuffles the order in which threads run; faults {source: ((old, new), ...)} change what is compiled. dry only
    counts: what a kernel should write becomes 0, and no compiler is needed. Where nothing waits for the device, no
    number decides what is launched, so that the count is the same. Gives the list of the kernels that were launched.
    """
    launched = []

    def launch(source, kernel, blocks, block, arguments):
        launched.append(kernel)
        memory = [a._memory if isinstance(a, StrictArray) else a for a in arguments]
        _operate(kernel, cupy_costs.ONE_LAUNCH, None, blocks, memory)
        if dry:
            run = functools.partial(cuda_emulator.clear, source, kernel, memory)
        else:
            options = {"seed": seed, "replacements": (faults or {}).get(source, ())}
            run = functools.partial(cuda_emulator.run, source, kernel, blocks, block, memory, **options)
        run()
        _record(run, (), {}, None)

    register_launcher(xp.__name__, launch)
    try:
        yield launched
    finally:
        register_launcher(xp.__name__, None)


# ---------------------------------------------------------------- in and out of the device


def _unwrap(value, what):
    """The memory behind a device array, also inside lists and tuples; a host array is refused."""
    if isinstance(value, StrictArray):
        return value._memory
    if isinstance(value, np.ndarray):
        raise TypeError(f"{what}: a host array {value.shape} {value.dtype} was mixed with device arrays")
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrap(item, what) for item in value)
    if isinstance(value, slice):
        return slice(*(_plain(part, what) for part in (value.start, value.stop, value.step)))
    return value


def _plain(part, what):
    if isinstance(part, StrictArray):
        raise TypeError(f"{what}: a slice needs a Python int; got a device array")
    return part


def _wrap(value):
    if isinstance(value, (np.ndarray, np.generic, bool)):
        return StrictArray(np.asarray(value))
    if isinstance(value, (list, tuple)):
        return type(value)(_wrap(item) for item in value)
    return value


def _check_keywords(name, keywords, parameters):
    if parameters is None or any(p.startswith("**") for p in parameters):
        return
    unknown = set(keywords) - set(parameters)
    if unknown:
        raise TypeError(f"cupy.{name} does not know the keyword(s) {sorted(unknown)}; it has {parameters}")


# ---------------------------------------------------------------- the array

VIEWS = {"reshape", "transpose", "T", "mT", "ravel", "squeeze", "swapaxes", "view", "diagonal", "real"}
FREE = {"shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides", "flags"}
WAITING_METHODS = {"get", "item", "tolist", "tobytes", "nonzero", "compress"}


class StrictArray:
    """An array on the pretended device."""

    __array_priority__ = 100
    __hash__ = None

    def __init__(self, memory):
        self._memory = memory

    # ------------------------------------------------------------ what NumPy would do behind one's back

    def __array__(self, *args, **kwargs):
        raise TypeError("implicit conversion of a device array to a host array; use backend.to_host")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        scalar_on_the_left = isinstance(inputs[0], np.generic) and len(inputs) == 2 and method == "__call__"
        if not scalar_on_the_left or kwargs:
            raise TypeError(f"np.{ufunc.__name__} was called on a device array; use array_module(x).{ufunc.__name__}")
        return _compute(ufunc, *inputs)

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"np.{function.__name__} was called on a device array; use array_module(x).{function.__name__}")

    # ------------------------------------------------------------ the host waits

    def get(self):
        _synchronise("get")
        return self._memory.copy()

    def set(self, host):
        """Copy a host array into this one, as CuPy does: without a wait."""
        if (host.dtype, host.shape) != (self.dtype, self.shape):
            raise ValueError(f"{host.dtype} {host.shape} cannot be set to {self.dtype} {self.shape}")
        _operate("set", [cupy_costs.Started("upload", 1)], self._memory)
        self._memory[...] = host

    def _scalar(self, kind):
        _synchronise(kind.__name__)
        return kind(self._memory)

    def __float__(self):
        return self._scalar(float)

    def __int__(self):
        return self._scalar(int)

    def __bool__(self):
        return self._scalar(bool)

    def __str__(self):
        return self._scalar(str)

    def __repr__(self):
        return f"device {self._scalar(repr)}"

    # ------------------------------------------------------------ indexing

    def __getitem__(self, key):
        if _has_mask(key):
            _synchronise("mask")
        index = _index(key)
        result = self._memory[index]
        if isinstance(result, np.ndarray) and np.may_share_memory(result, self._memory):
            return StrictArray(result)  # a view
        if _is_plain(key):
            index = index if isinstance(index, tuple) else (index,)
            whole = index if any(part is ... for part in index) else (*index, ...)
            return StrictArray(self._memory[whole])  # a view of one number, in CuPy, too
        _operate("getitem", cupy_costs.of_index(_arrays_of(key)), result, self._memory, index)
        given = StrictArray(np.asarray(result))
        _record(operator.getitem, (self._memory, index), {}, given)
        return given

    def __setitem__(self, key, value):
        if _has_mask(key) and getattr(value, "ndim", 0):
            _synchronise("mask")  # CuPy turns the mask into positions, unless one number fills them all
        if isinstance(value, (list, tuple)):
            raise TypeError("a device array cannot be filled from a list; make an array with xp.asarray first")
        change = self._memory, _index(key), _unwrap(value, "assignment")
        _operate("setitem", cupy_costs.of_index(_arrays_of(key)), None, *change)
        operator.setitem(*change)
        _record(operator.setitem, change, {}, None)

    def __len__(self):
        return len(self._memory)

    def __iter__(self):
        return (self[i] for i in range(len(self._memory)))

    def __copy__(self):
        _operate("copy", cupy_costs.ONE_LAUNCH, self._memory)
        given = StrictArray(self._memory.copy())
        _record(self._memory.copy, (), {}, given)
        return given

    def __deepcopy__(self, memo):
        return StrictArray(self._memory.copy())

    def setflags(self, *, write):
        """Not CuPy's: it lets the harness lock arrays on this device too."""
        self._memory.setflags(write=write)

    def __getattr__(self, name):
        if name not in NAMES["cupy.ndarray"]:
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        if name in FREE:
            return getattr(self._memory, name)
        if not callable(getattr(np.ndarray, name)):
            return StrictArray(getattr(self._memory, name))
        return functools.partial(_method, self, name)


def _method(array, name, *args, **kwargs):
    parameters = NAMES["cupy"].get(name)
    _check_keywords(f"ndarray.{name}", set(kwargs) - {"copy", "kind", "order"}, parameters)
    _no_array_repeats(name, args, kwargs)
    args = [_unwrap(a, name) for a in args]
    kwargs = {k: _unwrap(v, name) for k, v in kwargs.items()}
    method = getattr(array._memory, name)
    result = method(*args, **kwargs)
    given = result if name in ("item", "tolist", "tobytes") else _wrap(result)
    if name in WAITING_METHODS:
        _synchronise(name)
    elif name not in VIEWS:
        given_to = array._memory, *args
        _operate(name, cupy_costs.of_call(name, given_to, kwargs, result), result, given_to, kwargs)
        _record(method, args, kwargs, given)
    elif isinstance(result, np.ndarray) and not np.may_share_memory(result, array._memory):
        _operate(f"copy for {name}", cupy_costs.ONE_LAUNCH, result, array._memory)  # what has gaps is first copied
        _record(method, args, kwargs, given)
    return given


def _no_array_repeats(name, args, kwargs):
    if name == "repeat" and any(isinstance(a, StrictArray) for a in [*args, *kwargs.values()]):
        raise TypeError("cupy.repeat: repeats must be an int or a list of ints, not a device array")


def _index(key):
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, np.ndarray) for part in parts):
        raise IndexError("a device array cannot be indexed with a host array")
    parts = tuple(_unwrap(part, "index") for part in parts)
    return parts if isinstance(key, tuple) else parts[0]


def _is_plain(key):
    """Whether the index has numbers and slices only."""
    parts = key if isinstance(key, tuple) else (key,)
    return not any(isinstance(part, (StrictArray, list)) for part in parts)


def _arrays_of(key):
    parts = key if isinstance(key, tuple) else (key,)
    return sum(isinstance(part, (StrictArray, list)) for part in parts)


def _has_mask(key):
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(part, StrictArray) and part.dtype == bool for part in parts)


def _compute(function, *args, **kwargs):
    name = function.__name__
    args = [_unwrap(a, name) for a in args]
    kwargs = {k: _unwrap(v, name) for k, v in kwargs.items()}
    result = function(*args, **kwargs)
    _operate(name, cupy_costs.of_call(name, args, kwargs, result), result, args, kwargs)
    given = None if "out" in kwargs else _wrap(result)  # what was written in place lies where it lay
    _record(function, args, kwargs, given)
    return given


def _operators():
    binary = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
        "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
        "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
    }  # fmt: skip
    compare = {
        "lt": "less",
        "le": "less_equal",
        "gt": "greater",
        "ge": "greater_equal",
        "eq": "equal",
        "ne": "not_equal",
    }
    for dunder, name in {**binary, **compare}.items():
        setattr(StrictArray, f"__{dunder}__", _binary(getattr(np, name)))
    for dunder, name in binary.items():
        setattr(StrictArray, f"__r{dunder}__", _binary(getattr(np, name), swapped=True))
        setattr(StrictArray, f"__i{dunder}__", _in_place(getattr(np, name)))
    for dunder, name in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
        setattr(StrictArray, f"__{dunder}__", functools.partialmethod(_unary, getattr(np, name)))


def _unary(self, ufunc):
    return _compute(ufunc, self)


def _operand(other):
    if isinstance(other, (list, tuple)):
        raise TypeError("a device array and a list cannot be combined; make an array with xp.asarray first")
    return other


def _binary(ufunc, swapped=False):
    def operator(self, other):
        if not isinstance(other, (StrictArray, np.ndarray, np.generic, int, float, complex, list, tuple)):
            return NotImplemented
        pair = (_operand(other), self) if swapped else (self, _operand(other))
        return _compute(ufunc, *pair)

    return operator


def _in_place(ufunc):
    def operator(self, other):
        _compute(ufunc, self, _operand(other), out=self)
        return self

    return operator


_operators()


# ---------------------------------------------------------------- the module

CREATORS = {
    "array", "asarray", "ascontiguousarray", "asanyarray", "arange", "zeros", "ones", "empty", "full", "eye",
    "linspace", "tri", "identity", "logspace", "indices",
}  # fmt: skip
JOINERS = {"concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "meshgrid", "ix_", "einsum", "where"}
WAITING = {
    "nonzero",
    "flatnonzero",
    "argwhere",
    "unique",
    "extract",
    "compress",
    "bincount",
    "asnumpy",
    "place",
    "delete",
}
ON_HOST = {
    "shape", "ndim", "size", "result_type", "can_cast", "promote_types", "isscalar", "finfo", "iinfo", "dtype",
    "broadcast_shapes", "issubdtype", "iscomplexobj", "isrealobj", "min_scalar_type", "common_type",
}  # fmt: skip


_UNWRITTEN = {"f": np.nan, "i": -1, "b": True}  # what is found where nobody wrote: a device has other leftovers


class _Namespace:
    """A module that has the names of a CuPy module and works on StrictArrays."""

    def __init__(self, path, source):
        self.__name__ = f"strict_{path}"
        self._names, self._source = NAMES[path], source

    def __getattr__(self, name):
        if name.startswith("__") or name not in self._names:
            raise AttributeError(f"{self.__name__[7:]} has no attribute {name!r}")
        value = getattr(self._source, name)
        if isinstance(value, type) or not callable(value):
            return value  # float32, pi, newaxis
        return functools.partial(_call, name, value, self._names[name])


def _call(name, function, parameters, *args, **kwargs):
    _check_keywords(name, kwargs, parameters)
    _no_array_repeats(name, args[1:], kwargs)
    if name in CREATORS:
        return _create(name, function, args, kwargs)
    if args and isinstance(args[0], (list, tuple)) and name not in JOINERS | ON_HOST:
        raise TypeError(f"cupy.{name} needs an array; got a {type(args[0]).__name__}")
    if name in ("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack"):
        strangers = [type(a).__name__ for a in args[0] if not isinstance(a, StrictArray)]
        if strangers:
            raise TypeError(f"cupy.{name} joins device arrays only; got {strangers}")
    host_args = [_unwrap(a, f"cupy.{name}") for a in args]
    host_kwargs = {k: _unwrap(v, f"cupy.{name}") for k, v in kwargs.items()}
    result = function(*host_args, **host_kwargs)
    given = kwargs["out"] if kwargs.get("out") is not None else result if name in ON_HOST else _wrap(result)
    if name in WAITING or (name == "where" and len(args) == 1):
        _synchronise(name)
    elif name not in VIEWS | ON_HOST | {"broadcast_to", "expand_dims", "moveaxis", "atleast_1d", "atleast_2d"}:
        _operate(name, cupy_costs.of_call(name, host_args, host_kwargs, result), result, host_args, host_kwargs)
        _record(function, host_args, host_kwargs, given)
    elif name in VIEWS and not np.may_share_memory(result, host_args[0]):
        _record(function, host_args, host_kwargs, given)
    return given


def _create(name, function, args, kwargs):
    """Arrays from shapes, numbers, lists and host arrays: the one door into the device."""
    if name in ("linspace", "arange", "full") and any(isinstance(a, StrictArray) and a.ndim == 0 for a in args):
        if name != "full":
            _synchronise(name)
    moved = [a._memory if isinstance(a, StrictArray) else a for a in args]
    kwargs = {k: v for k, v in kwargs.items() if k != "blocking"}
    result = np.asarray(function(*moved, **kwargs))
    if name == "empty":
        result.fill(_UNWRITTEN.get(result.dtype.kind, 0))
    if name in cupy_costs.UPLOADING:
        if isinstance(args[0], StrictArray) and result is args[0]._memory and name != "array":
            return args[0]  # it is there, as it is
        kind = "launch" if isinstance(args[0], StrictArray) else "upload"
        _operate(name, [cupy_costs.Started(kind, 1)], result)
    else:
        _operate(name, cupy_costs.of_call(name, moved, kwargs, result), result, moved, kwargs)
    given = StrictArray(result.copy() if any(result is m for m in moved) else result)
    if name != "empty":
        _record(function, moved, kwargs, given)
    return given


class _Module(_Namespace):
    ndarray = StrictArray

    def __init__(self):
        super().__init__("cupy", np)
        self.linalg = _Namespace("cupy.linalg", np.linalg)
        self.lib = type("lib", (), {"stride_tricks": _Namespace("cupy.lib.stride_tricks", np.lib.stride_tricks)})

    def asnumpy(self, array):
        return array.get()


xp = _Module()


# ---------------------------------------------------------------- sparse matrices


class StrictSparse:
    """A scipy.sparse matrix whose parts are device arrays and which multiplies device arrays only.

    CuPy reads back the ends of the row pointers when a matrix is made and, before the first product, whether the
    entries of its rows are sorted and distinct; where they are not, it sorts them and waits for how many are left.
    """

    def __init__(self, matrix):
        self._matrix, self._known = matrix, False

    @property
    def T(self):
        return StrictSparse(self._matrix.T)

    def __matmul__(self, other):
        if isinstance(other, StrictSparse):
            return StrictSparse(self._matrix @ other._matrix)
        if not isinstance(other, StrictArray):
            raise TypeError(f"a device matrix multiplies device arrays only; got {type(other).__name__}")
        if not self._known:
            for _ in range(1 if self._matrix.has_canonical_format else 3):
                _synchronise("sparse product")
            self._known = True
        return _compute(_sparse_matmul, StrictArray(self._matrix.data), other, matrix=self._matrix)

    def __getattr__(self, name):
        if name.startswith("__") or name not in NAMES["cupyx.scipy.sparse.csr_matrix"]:
            raise AttributeError(f"cupyx.scipy.sparse.csr_matrix has no attribute {name!r}")
        value = getattr(self._matrix, name)
        return functools.partial(_sparse_method, value) if callable(value) else _wrap_sparse(value)


def _sparse_matmul(data, dense, *, matrix):
    return matrix @ dense


def _sparse_method(method, *args, **kwargs):
    _operate(method.__name__)
    args = [_unwrap(a, method.__name__) for a in args]
    return _wrap_sparse(method(*args, **kwargs))


def _wrap_sparse(value):
    return StrictSparse(value) if scipy.sparse.issparse(value) else _wrap(value)


class _SparseModule:
    __name__ = "strict_cupyx.scipy.sparse"

    def __getattr__(self, name):
        if name.startswith("__") or name not in NAMES["cupyx.scipy.sparse"]:
            raise AttributeError(f"cupyx.scipy.sparse has no attribute {name!r}")
        make = getattr(scipy.sparse, name)
        return lambda *args, **kwargs: _make_sparse(name, make, args, kwargs)


def _make_sparse(name, make, args, kwargs):
    if name in ("csr_matrix", "csc_matrix", "coo_matrix"):
        _only_device(args, name)
        if isinstance(args[0], tuple):
            _synchronise(name)
    return StrictSparse(make(*(_unwrap(a, name) for a in args), **kwargs))


def _only_device(args, name):
    """CuPy builds a matrix from (data, (row, column)) or (data, indices, indptr) on the device."""
    parts = args[0] if isinstance(args[0], tuple) else ()
    for part in parts:
        for item in part if isinstance(part, (tuple, list)) else (part,):
            if not isinstance(item, (StrictArray, int)):
                raise TypeError(f"cupyx.scipy.sparse.{name} needs device arrays; got {type(item).__name__}")


sparse = _SparseModule()
register_array_type(StrictArray, xp, sparse)
BACKEND = Backend("the strict device array", xp.asarray)
