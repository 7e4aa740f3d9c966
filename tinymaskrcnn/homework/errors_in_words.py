"""NumPy's and Python's own error messages, as one plain sentence for those who meet them for the first time."""

import ast
import builtins
import difflib
import re

KNOWN = ("numpy", "math", "itertools", "functools", "tinymaskrcnn")  # modules that are often imported
SHAPE = r"\(([\d,]*)\)"


def in_words(message, line=""):
    """What an exception says, in plain words; "" when it is none of the common ones.

    message: "ValueError: operands could ...", line: that of the student's file where it was raised, without its margin
    """
    for pattern, words in TABLE:
        if match := re.search(pattern, message):
            return words.format(*match.groups()) if isinstance(words, str) else words(line, *match.groups())
    return ""


# ---------------------------------------------------------------- sentences that take more than filling in


def _matmul(line, second, first):
    products = _products(line)
    product = f"in {' or '.join(products)} " if products else ""
    return (
        f"the inner sides of a matrix product must agree: {product}they are {first} and {second}; is a transpose, .T, "
        "missing or too much?"
    )


def _sparse_matmul(line, first, second):
    return _matmul(line, second, first)


def _products(line):
    """The matrix products on a line, if it can be read on its own."""
    try:
        nodes = list(ast.walk(ast.parse(line)))
    except (SyntaxError, ValueError):
        return []
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)]


def _dot(line, first, second, inner, _, outer):
    return (
        f"the inner sides of a matrix product must agree: shapes ({first}) and ({second}) have {inner} and {outer} "
        "there; is a transpose, .T, missing or too much?"
    )


def _broadcast(line, first, second):
    a, b = _sides(first), _sides(second)
    meeting = next(((m, n) for m, n in zip(a[::-1], b[::-1]) if m != n and 1 not in (m, n)), ("?", "?"))
    words = (
        f"the shapes {_shape(a)} and {_shape(b)} do not fit: sides are compared from the last one on, and must be "
        f"equal or 1; here {meeting[0]} meets {meeting[1]}"
    )
    return words if len(a) == len(b) else f"{words}. Is keepdims=True missing, or an axis of length 1, [:, None]?"


def _reshape(line, size, shape):
    sides = _sides(shape)
    count = 1
    for side in sides:
        count *= side
    held = "" if -1 in sides else f", which has room for {count}"
    return f"{size} numbers cannot be laid out as {_shape(sides)}{held}"


def _axis(line, axis, count):
    there = "no axis at all" if count == "0" else f"the axes 0 to {int(count) - 1}" if count != "1" else "axis 0 alone"
    return f"there is no axis {axis}: the array has {there}"


def _sides(text):
    return tuple(int(part) for part in re.findall(r"-?\d+", text))


def _shape(sides):
    return str(tuple(sides))


KEPT_AWAY = {  # builtins that are not there: why, or what to do
    "open": "no file can be opened when homework is checked",
    "input": "nobody answers input() when homework is checked",
    "breakpoint": "nobody sits at a debugger when homework is checked: take breakpoint() out",
    "get_ipython": "get_ipython() is there in a notebook only: take the line out",
    "display": "display() is there in a notebook only: use print",
}


def _name(line, name):
    if name in KEPT_AWAY:
        return KEPT_AWAY[name]
    if hasattr(builtins, name):
        return f"{name} is not there when homework is checked; an exercise needs NumPy only"
    return f"there is nothing called {name} here: is it misspelt, or made in another function only?"


def _stand_in(line, name):
    close = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.7)
    return f"there is no module {name}: is {close[0]} misspelt in your import?" if close and close[0] != name else ""


# Each: what to look for, and a sentence with {0}, {1} for its groups, or a function of the line and the groups.
TABLE = (
    (r"matmul: .*mismatch in its core dimension .*\(size (\d+) is different from (\d+)\)", _matmul),
    (r"matmul: dimension mismatch with signature \(\w+,k=(\d+)\),\(k=(\d+),", _sparse_matmul),
    (rf"shapes {SHAPE} and {SHAPE} not aligned: (\d+) \(dim (\d+)\) != (\d+)", _dot),
    (
        r"matmul: Input operand \d does not have enough dimensions",
        "@ multiplies arrays, and one of the two is a number",
    ),
    (rf"could not be broadcast together with shapes {SHAPE} {SHAPE}", _broadcast),
    (
        rf"non-broadcastable output operand with shape {SHAPE} doesn't match the broadcast shape {SHAPE}",
        "+= keeps the shape of what stands on its left, ({0}), and the result would have shape ({1})",
    ),
    (
        rf"could not broadcast input array from shape {SHAPE} into shape {SHAPE}",
        "what you assign has shape ({0}), and the place it goes to has shape ({1})",
    ),
    (r"axis (-?\d+) is out of bounds for array of dimension (\d+)", _axis),
    (r"cannot reshape array of size (\d+) into shape (\(.*\))", _reshape),
    (
        r"truth value of an array with more than one element is ambiguous",
        "if, and, or, not and Python's own max and min want a single True or False, and this is a whole array: use "
        "np.where, &, |, ~, np.maximum or np.minimum",
    ),
    (
        r"unsupported operand type\(s\) for .*'Parameter'",
        "a Parameter is no array: its numbers are self.weight.value, and their gradient is self.weight.grad",
    ),
    (r"unsupported operand type\(s\) for (\S+): .*'NoneType'", "one of the two sides of {0} is None"),
    (
        r"unsupported operand type\(s\) for (\S+): '(tuple|list)' and",
        "the left side of {0} is a {1}: take its parts out first",
    ),
    (
        r"unsupported operand type\(s\) for (\S+): '.*' and '(tuple|list)'",
        "the right side of {0} is a {1}: take its parts out first",
    ),
    (
        r"'(tuple|list)' object has no attribute '(\w+)'",
        "this is a {0}, not an array: take its parts out first, a, b = cache",
    ),
    (r"'NoneType' object (?:has no attribute|is not)", "this is None and no array: did something return nothing?"),
    (r"too many values to unpack \(expected (\d+)", "the right side of = holds more than the {0} names on the left"),
    (
        r"not enough values to unpack \(expected (\d+), got (\d+)\)",
        "the right side of = holds {1} things, and on the left stand {0} names",
    ),
    (
        r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)",
        "axis {1} has length {2}, so there is no index {0} along it (the first one is 0)",
    ),
    (
        r"too many indices for array: array is (\d+)-dimensional, but (\d+)",
        "the array has {0} axes, and you give {1} indices",
    ),
    (r"arrays used as indices must be of integer", "an index must hold whole numbers or True and False, not fractions"),
    (
        r"zero-size array to reduction operation (\w+) which has no identity",
        "there is no {0} of no numbers: the batch may have no rows, so name the axis along which you look",
    ),
    (
        r"Cannot cast ufunc '\w+' output from dtype\('(\w+)'\) to dtype\('(\w+)'\)",
        "an array of {1} cannot take up {0}: make it with the dtype of the input, np.zeros(shape, x.dtype)",
    ),
    (r"cannot access local variable '(\w+)'", "{0} is used before it is given a value"),
    (r"NameError: name '(\w+)' is not defined", _name),
    (r"No module named '([\w.]+)'", "there is no module called {0} here: is it misspelt?"),
    (r"ImportError: (\w+)[\w.]* is not there when homework is checked", _stand_in),
    (r"module 'numpy' has no attribute '(\w+)'", "NumPy has no function called {0}"),
    (r"maximum recursion depth exceeded", "it calls itself and never comes to an end, or once for every single number"),
    (
        r"unhashable type: '(numpy.ndarray|list|dict|set)'",
        "a {0} cannot be a key of a dictionary or a member of a set, nor remembered by lru_cache or cache",
    ),
    (r"(\w+)\(\) takes (\d+) positional arguments? but (\d+) w", "{0} is given {2} arguments and has names for {1}"),
    (r"(\w+)\(\) missing (\d+) required positional arguments?: (.*)", "{0} has more arguments than it is given: {2}"),
    (
        r"no file can be opened when homework is checked|SystemError: <.*'(?:tofile|dump|fromfile)'",
        "no file can be opened when homework is checked",
    ),
)
