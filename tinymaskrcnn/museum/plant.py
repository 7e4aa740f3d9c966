"""Modules of the package with a source that is not their file's: an exhibit laid over what nobody has imported yet."""

import importlib.machinery
import importlib.util
import linecache
import sys


class Planted:
    """Finds and loads modules {dotted name: source}; all others are left to Python."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name not in self.sources:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = _Source(name, spec.origin, self.sources[name])
        return spec


class _Source(importlib.machinery.SourceFileLoader):
    def __init__(self, name, path, text):
        super().__init__(name, path)
        self.text = text

    def get_code(self, name):
        """Compiled anew: neither the file nor what Python kept of it is looked at."""
        linecache.cache[self.path] = (len(self.text), None, self.text.splitlines(True), self.path)
        return compile(self.text, self.path, "exec")

    def get_source(self, name):
        return self.text


def plant(sources):
    """Put sources {dotted module: text} in the place of modules; RuntimeError when one of them is imported already."""
    there = sorted(set(sources) & set(sys.modules))
    if there:
        raise RuntimeError(f"{', '.join(there)} is imported already, without the exhibit")
    sys.meta_path.insert(0, Planted(sources))
