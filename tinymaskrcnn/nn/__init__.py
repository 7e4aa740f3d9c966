"""Objects that own parameters: Parameter, Module, the layers, containers and initialisers."""

from .containers import Sequential, sum_grads
from .module import Buffer, Module, Parameter, spend

__all__ = ["Buffer", "Module", "Parameter", "Sequential", "spend", "sum_grads"]
