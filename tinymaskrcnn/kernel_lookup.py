"""The lookup of fast kernels by name: who stands in for a readable function, for these arrays and in this case."""

import contextlib
import functools
import importlib

import numpy as np

from . import backend
from .backend import _module_of

_KERNELS = {}  # name -> list of (array module, applies, function)


def register_kernel(name, *, module=np, applies=lambda *args, **data: True, first=False):
    """Decorator for `kernels/`: this function may stand in for the readable one called `name` ("f", or "Class.f").

    `applies` is called with the same arguments and says whether the kernel takes this case (dtype, shapes). A kernel
    must return the same values and the same cache as its readable twin. `module` is NumPy, or a function that is asked
    whether the kernel works on the arrays of a module. first: it is asked before those that are there already.
    """

    def register(function):
        kernels = _KERNELS.setdefault(name, [])
        kernels.insert(0 if first else len(kernels), (module, applies, function))
        return function

    return register


@functools.cache
def _load_kernels(home=""):
    try:
        of_models = ("models.at_rest", "models.heads_at_rest", "models.at_once") if ".models." in home else ()
        for part in ("kernels", "nn.fused", *of_models):
            importlib.import_module(f"{__package__}.{part}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(f"{__package__}.kernels"):
            raise  # a kernel misses a package of its own: say so; only a missing folder is fine


@functools.cache
def _name_of(readable):
    """The name of a text's kernels; None where the text was edited, which has none."""
    _load_kernels(readable.__module__)
    return None if _is_edited(readable) else readable.__qualname__.rpartition("<locals>.")[2]


def _is_edited(readable):
    """Whether somebody changed a text since its kernels were written: then it is the text that runs."""
    try:
        return importlib.import_module(f"{__package__}.kernels.texts").edited(readable)
    except ModuleNotFoundError:
        return False


def kernel_for(readable, args, data):
    """The kernel that takes a call of a readable function, or None; the first one registered that applies."""
    kernels = _KERNELS.get(_name_of(readable), ())
    module = _first_module(args) if kernels else None
    for wanted, applies, kernel in kernels:
        if _serves(wanted, module) and applies(*args, **data):
            return kernel
    return None


def _serves(wanted, module):
    """Whether a kernel registered for `wanted` works on arrays of `module`."""
    return wanted is module or (module is not None and callable(wanted) and wanted(module))


def _first_module(args):
    """The module of the first array among positional arguments or inside a cache tuple."""
    for x in args:
        if isinstance(x, (tuple, list)):
            found = _first_module(x)
        else:
            found = _module_of(x)
        if found is not None:
            return found
    return None


@contextlib.contextmanager
def without_kernels():
    """While this lasts the texts compute, as with TINYMASKRCNN_KERNELS=0."""
    before, backend._KERNELS_ENABLED = backend._KERNELS_ENABLED, False
    try:
        yield
    finally:
        backend._KERNELS_ENABLED = before
