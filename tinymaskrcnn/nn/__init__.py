"""Objects that own parameters: Parameter, Module, the layers, containers and initialisers."""

from .containers import Sequential, sum_grads
from .module import Module
from .parameter import Buffer, Parameter

__all__ = ["Buffer", "Module", "Parameter", "Sequential", "sum_grads"]
