"""The shape line of a docstring, enforced: `@checked` reads it once and checks every call at the door.

    x (K, C), weight (C, O), bias (O,)  ->  y (K, O)

A letter stands for one length throughout the line, a number for itself, `...` for any axes; a dimension that is an
expression (`A*4`) is not checked. After the shape may stand `int`, `bool` or `float`. Positional arrays are floating
point and all of one dtype unless the line says otherwise. None is always let through: it means "not given".
"""

import functools
import inspect
import re

from .backend import _module_of
from .errors import BackendError, DtypeError, ShapeError

_ARGUMENT = re.compile(r"(\w+) \(([^()]*)\)(?: (int|bool|float)\b)?")
REMEMBERED = 1000  # combinations of shapes for each function; pictures of ever new sizes must not fill the memory
_KINDS = {"int": "iu", "bool": "b", "float": "f"}


def shape_line(function):
    """The part of a docstring's shape line before the arrow, or None when the docstring has no such line."""
    text = inspect.getdoc(function) or ""
    for paragraph in text.split("\n\n")[1:]:
        if "->" in paragraph:
            return " ".join(paragraph.split("->")[0].split())
    return None


def parse_shapes(line):
    """ "x (K, C), labels (K,) int"  ->  {"x": (("K", "C"), None), "labels": (("K",), "int")}."""
    return {
        name: (tuple(d.strip() for d in dims.split(",") if d.strip()), kind or None)
        for name, dims, kind in _ARGUMENT.findall(line)
    }


def checked(function):
    """Check the arguments of every call against the shape line of the docstring.

    Raises ShapeError, DtypeError or BackendError, naming the function and the argument. The door is marked `checked`.
    """
    line = shape_line(function)
    if line is None:
        raise TypeError(f"{function.__name__} has no shape line in its docstring to check against")
    expected = parse_shapes(line)
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    passed = set()  # what came through before: kinds, shapes and dtypes are all that is looked at

    @functools.wraps(function)
    def door(*args, **data):
        given = dict(zip(positional, args))
        given.update(data)
        key = tuple([_looks(given.get(argument)) for argument in expected])
        if key not in passed:
            _check_arrays(function.__name__, expected, positional, given)
            if len(passed) < REMEMBERED:
                passed.add(key)
        return function(*args, **data)

    door.checked = True
    return door


def _looks(x):
    """All that a check depends on, to be compared with what passed before."""
    return None if x is None else (type(x), getattr(x, "shape", None), getattr(x, "dtype", None))


def _check_arrays(name, expected, positional, given):
    lengths = {}  # dimension letter -> (length, the argument that fixed it)
    dtype = first = module = owner = None
    for argument, (dims, kind) in expected.items():
        x = given.get(argument)
        if x is None:
            continue
        if _module_of(x) is None or not hasattr(x, "shape"):
            raise DtypeError(
                f"{name}: {argument} must be an array ({', '.join(dims)}); got {type(x).__name__}. "
                "Wrap it with np.asarray(..., np.float32)."
            )
        if module is None:
            module, owner = _module_of(x), argument
        elif _module_of(x) is not module:
            raise BackendError(
                f"{name}: {argument} must be an array of {module.__name__} like {owner}; got one of "
                f"{_module_of(x).__name__}. Move them to one side with to_device or to_host."
            )
        _check_dtype(name, argument, x, kind, argument in positional)
        if kind is None and argument in positional:
            if dtype is None:
                dtype, first = x.dtype, argument
            elif x.dtype != dtype:
                raise DtypeError(f"{name}: {argument} must be {dtype} like {first}; got {x.dtype}")
        _check_shape(name, argument, x, dims, lengths, given)


def _check_dtype(name, argument, x, kind, is_positional):
    if kind is None and is_positional:
        kind = "float"
    if kind is not None and x.dtype.kind not in _KINDS[kind]:
        wanted = {"int": "integers", "bool": "booleans", "float": "float32 or float64"}[kind]
        raise DtypeError(f"{name}: {argument} must hold {wanted}; got {x.dtype}")
    if kind == "float" and x.dtype.itemsize not in (4, 8):
        raise DtypeError(f"{name}: {argument} must hold float32 or float64; got {x.dtype}")


def _check_shape(name, argument, x, dims, lengths, given):
    shape = x.shape
    if "..." in dims:  # only the axes after the dots are named
        dims = dims[dims.index("...") + 1 :]
        shape = shape[len(shape) - len(dims) :] if len(shape) >= len(dims) else None
    wanted = "(" + ", ".join(dims) + ("," if len(dims) == 1 else "") + ")"
    if shape is None or len(shape) != len(dims):
        raise ShapeError(f"{name}: {argument} must have {len(dims)} axes {wanted}; got shape {tuple(x.shape)}")
    for dim, length in zip(dims, shape):
        if dim.isdigit():
            if int(dim) != length:
                raise ShapeError(f"{name}: {argument} must be {wanted}; got {tuple(x.shape)}")
        elif dim.isidentifier():
            known, source = lengths.setdefault(dim, (length, argument))
            if known != length:
                other = tuple(given[source].shape)
                hint = ""
                if len(shape) == 2 and known in shape:
                    hint = " Did you pass the transpose?"
                raise ShapeError(
                    f"{name}: {argument} must be {wanted} with {dim} = {known} to fit {source} {other}; "
                    f"got {tuple(x.shape)}.{hint}"
                )
