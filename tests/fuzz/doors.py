"""All doors, gathered from the files `door_*.py` beside this one: each holds a list DOORS."""

import importlib
from pathlib import Path


def all_doors():
    """Every Door by its name, in the order of the files."""
    doors = {}
    for path in sorted(Path(__file__).parent.glob("door_*.py")):
        for door in importlib.import_module(f"{__package__}.{path.stem}").DOORS:
            assert door.name not in doors, f"two doors are called {door.name}"
            doors[door.name] = door
    return doors
