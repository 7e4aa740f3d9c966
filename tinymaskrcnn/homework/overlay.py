"""A student's file laid over the package: one function of it at a time takes the place of the package's own.

All other blanks keep the package's solutions, also those that the same file holds: an exercise never needs another one,
and week 4 never needs week 3.
"""

import contextlib
import types

from .blanks import all_blanks


class MissingFunction(Exception):
    """The student's file does not define the function of an exercise."""


def student_function(code, blank, *, others=None, builtins=None):
    """Run a compiled file and return its function for a blank, with the package's solutions for all other blanks.

    code: what `compile(text, path, "exec")` returns; others: those blanks (by default all there are); builtins: the
    names that the file finds without an import (by default Python's)  ->  a plain function
    """
    namespace = {"__name__": "homework", "__builtins__": builtins or __builtins__}
    exec(code, namespace)
    holder = namespace
    if blank.class_name:
        holder = vars(namespace[blank.class_name]) if isinstance(namespace.get(blank.class_name), type) else {}
    function = holder.get(blank.function)
    if not isinstance(function, types.FunctionType):
        where = f"{blank.class_name}.{blank.function}" if blank.class_name else blank.function
        raise MissingFunction(f"the file defines no function {where}")
    for other in all_blanks().values() if others is None else others:
        if other.id != blank.id and not other.class_name and other.function in namespace:
            namespace[other.function] = other.reference()
    return function


@contextlib.contextmanager
def laid_over(blank, function):
    """While this lasts, the package itself uses `function` where it used its own."""
    owner, name = blank.owner(), blank.function
    original = vars(owner)[name]
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, original)
