"""Objects that own parameters: Parameter, Module, the layers, containers and initialisers."""

from .module import Buffer, Module, Parameter, Sequential, spend, sum_grads

__all__ = ["Buffer", "Module", "Parameter", "Sequential", "spend", "sum_grads"]
