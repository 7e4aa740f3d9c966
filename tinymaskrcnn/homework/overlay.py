"""A student's file laid over the package: one function of it at a time takes the place of the package's own.

All other blanks keep the package's solutions, also those that the same file holds: an exercise never needs another one,
and week 4 never needs week 3.
"""

import contextlib
import difflib

from .blanks import all_blanks
from .library import StandIn


class MissingFunction(Exception):
    """The student's file does not define the function of an exercise."""


def student_function(code, blank, *, others=None, builtins=None):
    """Run a compiled file and return its function for a blank, with the package's solutions for all other blanks.

    code: what `compile(text, path, "exec")` returns; others: those blanks (by default all there are); builtins: the
    names that the file finds without an import (by default Python's)  ->  something that can be called
    """
    namespace = new_namespace(builtins)
    exec(code, namespace)
    return function_in(namespace, blank, others=others)


def new_namespace(builtins=None):
    """The names that a student's file begins with."""
    return {"__name__": "homework", "__file__": "homework.py", "__builtins__": builtins or __builtins__}


def function_in(namespace, blank, *, others=None):
    """The function for a blank among the names of a file that was run, with the package's solutions for the others.

    MissingFunction when there is none.
    """
    others = list(all_blanks().values()) if others is None else others
    holder = namespace
    if blank.class_name:
        holder = vars(namespace[blank.class_name]) if isinstance(namespace.get(blank.class_name), type) else {}
    function = holder.get(blank.function)
    if not callable(function) or isinstance(function, (type, StandIn)) or _is_ours(function):
        raise MissingFunction(_missing(holder, blank, function, others))
    for other in others:
        if other.id != blank.id and not other.class_name and other.function in namespace:
            namespace[other.function] = other.reference()
    return function


def _missing(holder, blank, found, others):
    where = f"{blank.class_name}.{blank.function}" if blank.class_name else blank.function
    words = f"the file defines no function {where}"
    if found is not None and _is_ours(found):
        return f"{words} of its own: it imports the package's"
    if found is not None:
        return f"{words}: the name stands for a {type(found).__name__}"
    known = {other.function for other in others}
    own = [name for name, value in holder.items() if callable(value) and name not in known]
    close = difflib.get_close_matches(blank.function, own, n=1, cutoff=0.8)
    return f"{words}; is {close[0]} meant to be it?" if close else words


def _is_ours(function):
    return str(getattr(function, "__module__", "")).startswith("tinymaskrcnn.")


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
