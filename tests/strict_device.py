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

The class wraps an array instead of deriving from it: np.asarray takes a subclass of ndarray without asking, but calls
`__array__` of a wrapper, which refuses.
"""

import functools
import gc
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
    shapes: tuple  # of what came out, or of what a kernel was given
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

_costs = []


@contextmanager
def counting():
    """Count host synchronisations and array operations inside the block, and write down what a GPU has to start."""
    cost = Cost()
    _costs.append(cost)
    try:
        yield cost
    finally:
        _costs.remove(cost)


def _note(*events):
    for cost in _costs:
        cost.events.extend(events)


def _synchronise(name="get"):
    if _costs:
        _note(Event("wait", name, 1, (), _place()))


def _operate(name, started=cupy_costs.ONE_LAUNCH, shapes=()):
    if not _costs:
        return
    place = _place()
    for cost in _costs:
        cost.operations += 1
    _note(*(Event(kind, name, count, shapes, place) for kind, count in started))


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


def _shapes(result):
    parts = result if isinstance(result, (list, tuple)) else [result]
    return tuple((*part.shape, str(part.dtype)) for part in parts if isinstance(part, (np.ndarray, np.generic)))


def live_bytes():
    """Bytes of all arrays on the device that somebody still holds."""
    gc.collect()
    owners = {}
    for thing in gc.get_objects():
        if type(thing) is StrictArray:
            memory = thing._memory
            while isinstance(memory.base, np.ndarray):
                memory = memory.base
            owners[id(memory)] = memory.nbytes
    return sum(owners.values())


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
        shapes = tuple(tuple(a.shape) if isinstance(a, StrictArray) else a.item() for a in arguments)
        _operate(kernel, shapes=(blocks, *shapes))
        memory = [a._memory if isinstance(a, StrictArray) else a for a in arguments]
        if dry:
            cuda_emulator.clear(source, kernel, memory)
        else:
            replacements = (faults or {}).get(source, ())
            cuda_emulator.run(source, kernel, blocks, block, memory, seed=seed, replacements=replacements)

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
        result = self._memory[_index(key)]
        if isinstance(result, np.ndarray) and np.may_share_memory(result, self._memory):
            return StrictArray(result)  # a view
        if _is_plain(key):
            return StrictArray(np.asarray(result))  # CuPy gives a view of one number, too
        _operate("getitem", cupy_costs.of_index(_arrays_of(key)), _shapes(result))
        return StrictArray(np.asarray(result))

    def __setitem__(self, key, value):
        if _has_mask(key) and getattr(value, "ndim", 0):
            _synchronise("mask")  # CuPy turns the mask into positions, unless one number fills them all
        if isinstance(value, (list, tuple)):
            raise TypeError("a device array cannot be filled from a list; make an array with xp.asarray first")
        _operate("setitem", cupy_costs.of_index(_arrays_of(key)), _shapes(self._memory))
        self._memory[_index(key)] = _unwrap(value, "assignment")

    def __len__(self):
        return len(self._memory)

    def __iter__(self):
        return (self[i] for i in range(len(self._memory)))

    def __copy__(self):
        _operate("copy", shapes=_shapes(self._memory))
        return StrictArray(self._memory.copy())

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
    result = getattr(array._memory, name)(*args, **kwargs)
    if name in WAITING_METHODS:
        _synchronise(name)
    elif name not in VIEWS:
        _operate(name, cupy_costs.of_call(name, (array._memory, *args), kwargs, result), _shapes(result))
    elif isinstance(result, np.ndarray) and not np.may_share_memory(result, array._memory):
        _note(Event("launch", f"copy for {name}", 1, _shapes(result), _place()))  # what has gaps is first copied
    return result if name in ("item", "tolist", "tobytes") else _wrap(result)


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
    result = function(*args, **{k: _unwrap(v, name) for k, v in kwargs.items()})
    _operate(name, cupy_costs.of_call(name, args, kwargs, result), _shapes(result))
    return _wrap(result)


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
    if name in WAITING or (name == "where" and len(args) == 1):
        _synchronise(name)
    elif name not in VIEWS | ON_HOST | {"broadcast_to", "expand_dims", "moveaxis", "atleast_1d", "atleast_2d"}:
        _operate(name, cupy_costs.of_call(name, host_args, host_kwargs, result), _shapes(result))
    if isinstance(kwargs.get("out"), StrictArray):
        return kwargs["out"]
    return result if name in ON_HOST else _wrap(result)


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
        _operate(name, [cupy_costs.Started(kind, 1)], _shapes(result))
    else:
        _operate(name, cupy_costs.of_call(name, moved, kwargs, result), _shapes(result))
    return StrictArray(result.copy() if any(result is m for m in moved) else result)


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
