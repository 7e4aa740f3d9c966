"""Objects that own parameters: Parameter, Module, the layers, containers and initialisers."""

from .module import Module
from .parameter import Buffer, Parameter

__all__ = ["Buffer", "Module", "Parameter"]
