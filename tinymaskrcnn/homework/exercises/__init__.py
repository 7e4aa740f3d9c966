"""The exercises, one file a homework: recipes, cases, and mistakes known by name."""

import functools
import importlib
import pkgutil

from ...errors import ArgumentError
from ..exercise import Call

__all__ = ["Call", "all_exercises", "exercises_of", "find_exercise", "load_all", "titles"]


@functools.cache
def load_all():
    """{homework: module} of the files in this folder."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name.startswith("hw"))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def titles():
    """{homework: title}."""
    return {name: module.TITLE for name, module in load_all().items()}


def exercises_of(homework):
    """The exercises of a homework in their order; ArgumentError for an unknown one."""
    if homework not in load_all():
        raise ArgumentError(f"homework must be one of {', '.join(load_all())}; got {homework!r}")
    return load_all()[homework].EXERCISES


def all_exercises():
    """Every exercise, homework by homework."""
    return [exercise for module in load_all().values() for exercise in module.EXERCISES]


def find_exercise(identifier):
    """The Exercise of an id; ArgumentError for an unknown one."""
    for exercise in all_exercises():
        if exercise.id == identifier:
            return exercise
    raise ArgumentError(f"there is no exercise {identifier!r}; known are {', '.join(e.id for e in all_exercises())}")
