"""The machinery of registry.py: what a case is, how it is checked, and what the package has that needs one."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from strategies import Draw

from tinymaskrcnn.models.poolers import PyramidPool
from tinymaskrcnn.models.roi_heads import Head
from tinymaskrcnn.nn import Module
from tinymaskrcnn.testing import check_layer, check_pair

OPTIONS = ("skip", "zero_rows", "without_gradient", "directions", "seed")
PAIR_PACKAGES = ("ops", "nn", "models")
MODULE_PACKAGES = ("nn", "models")
BASES = (Module, Head, PyramidPool)  # what has no forward, or no parts, of its own


@dataclass(frozen=True)
class Case:
    """kind "pair": what is the name before _forward; "layer": what makes the Module; "methods": what makes the pair."""

    kind: str
    what: Any
    arguments: dict  # name or position -> Draw, shape or value
    options: dict = field(default_factory=dict)
    note: str = ""

    def __str__(self):
        name = self.what if self.kind == "pair" else self.made.__name__ if self.kind == "layer" else self.note
        return f"{name}{'-' + self.note if self.note and self.kind != 'methods' else ''}"

    def build(self):
        """(forward, backward), or the Module."""
        if self.kind == "pair":
            return find_pair(self.what)
        built = self.what(np.random.default_rng(5))
        return worn(built) if self.kind == "layer" else built

    @cached_property
    def made(self):
        """The Module's class, or the pair's forward: what the name and the home of a case are read from."""
        built = self.build()
        return type(built) if self.kind == "layer" else built[0]

    @property
    def home(self):
        """The room that the pair or Module lives in: "ops" or "models/heads"."""
        return "/".join(self.made.__module__.split(".")[1:-1])

    def drawn(self):
        """(positional arguments, keyword data) as host arrays."""
        rng = np.random.default_rng(11)
        positional = [_draw(v, rng, shape_allowed=True) for k, v in self.arguments.items() if isinstance(k, int)]
        data = {k: _draw(v, rng) for k, v in self.arguments.items() if isinstance(k, str)}
        return positional, data

    def check(self, backends):
        """The harness's Report."""
        positional, data = self.drawn()
        built = self.build()
        if self.kind == "layer":
            return check_layer(built, *positional, backends=backends, **self.options, **data)
        return check_pair(*built, positional, backends=backends, **self.options, **data)


def worn(module, seed=17):
    """The Module as training would have left it: scales of 1 and shifts of 0 would hide a fault that forgets them."""
    rng = np.random.default_rng(seed)
    for member in (*module.parameters(), *(buffer for _, buffer in module.named_buffers())):
        shape = member.value.shape
        stretched = member.value * rng.uniform(0.6, 1.6, shape)  # a variance stays positive
        member.value[...] = np.where(member.value == 0, rng.normal(0, 0.2, shape), stretched)
    return module


def _draw(value, rng, shape_allowed=False):
    if isinstance(value, Draw):
        return value(rng)
    if shape_allowed and isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return rng.standard_normal(value)
    if isinstance(value, list):
        return [_draw(item, rng) for item in value]
    return value


def pair(name, note="", **arguments):
    """A pair of functions by its name; arguments by name, those before the * of the signature are differentiable."""
    forward, _ = find_pair(name)
    names = [n for n in positional_names(forward) if n in arguments]
    options = {k: arguments.pop(k) for k in OPTIONS if k in arguments}
    positions = {i: arguments.pop(n) for i, n in enumerate(names)}
    return Case("pair", name, {**positions, **arguments}, options, note)


def positional_names(function):
    return [n for n, p in inspect.signature(function).parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]


def layer(make, *inputs, note="", **data):
    """A Module: make(rng) returns one."""
    options = {k: data.pop(k) for k in OPTIONS if k in data}
    return Case("layer", make, {**dict(enumerate(inputs)), **data}, options, note)


def methods(note, make, *inputs, **data):
    """Two methods or other functions that are a pair: make(rng) returns (forward, backward)."""
    return replace(layer(make, *inputs, **data), kind="methods", note=note)


# ---------------------------------------------------------------- what there is


def modules_of(packages):
    """The imported modules below tinymaskrcnn.<package>."""
    for package in packages:
        root = importlib.import_module(f"tinymaskrcnn.{package}")
        for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            yield importlib.import_module(info.name)


def public_pairs():
    """{name without _forward: (forward, backward or None)} of all functions at the top level of their modules."""
    found = {}
    for module in modules_of(PAIR_PACKAGES):
        for name, value in vars(module).items():
            is_own = getattr(value, "__module__", None) == module.__name__
            if name.endswith("_forward") and not name.startswith("_") and inspect.isfunction(value) and is_own:
                stem = name.removesuffix("_forward")
                found[stem] = (value, vars(module).get(f"{stem}_backward"))
    return found


def public_modules():
    """The names of all public subclasses of Module in nn and models that say what they compute."""
    found = set()
    for module in modules_of(MODULE_PACKAGES):
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, Module) and value.__module__ == module.__name__:
                if value not in BASES and not name.startswith("_"):
                    found.add(name)
    return found


def find_pair(name):
    return public_pairs()[name]
