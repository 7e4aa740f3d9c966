"""What CuPy has: read from the committed list, or collected from an installed CuPy.

    python tests/cupy_names.py > tests/data_cupy_names.txt

writes the list again (CuPy imports without a GPU; nothing is computed). One line per name; functions written in Python
carry their parameters, so that a keyword which NumPy knows and CuPy does not is found without a GPU.
"""

import importlib
import inspect
from pathlib import Path

LIST = Path(__file__).parent / "data_cupy_names.txt"
NAMESPACES = (
    "cupy",
    "cupy.ndarray",
    "cupy.linalg",
    "cupy.lib.stride_tricks",
    "cupyx.scipy.sparse",
    "cupyx.scipy.sparse.csr_matrix",
)


def read():
    """{namespace: {name: tuple of parameters, or None when they are not known}} from the committed list."""
    names, namespace = {}, None
    for line in LIST.read_text().splitlines():
        if line.startswith("["):
            namespace = names.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, _, parameters = line.partition(":")
            namespace[name] = tuple(parameters.split()) if parameters else None
    return names


def collect():
    """The same from the installed CuPy."""
    return {path: {name: _parameters(value) for name, value in _public(_find(path))} for path in NAMESPACES}


def _find(path):
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:  # a class
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def _public(owner):
    hidden = ("annotations", "np", "numpy")
    return [(n, getattr(owner, n, None)) for n in sorted(dir(owner)) if not n.startswith("_") and n not in hidden]


def _parameters(value):
    if not inspect.isfunction(value):
        return None
    parameters = inspect.signature(value).parameters.values()
    return tuple(
        ("*" * (2 if p.kind is p.VAR_KEYWORD else 1) if "VAR" in p.kind.name else "") + p.name for p in parameters
    )


def main():
    import cupy

    print(f"# Public names of CuPy {cupy.__version__}, with the parameters of functions written in Python.")
    print("# Written by tests/cupy_names.py.")
    for path, names in collect().items():
        print(f"\n[{path}]")
        for name, parameters in names.items():
            print(name if parameters is None else f"{name}: {' '.join(parameters)}".rstrip())


if __name__ == "__main__":
    main()
