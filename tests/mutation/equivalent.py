"""Mutants that change nothing that is promised: equivalent/*.json, {where: {what changed: why it is no fault}}.

Whoever adds one says why no caller within the documented domain can tell. An entry that no mutant bears any more is
stale, and is reported like a survivor.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "equivalent"


def known_equivalents(name):
    """{where: {key: reason}} of a homework or a room; empty where none is known."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def is_listed(name):
    """Whether somebody has gone through the mutants of a homework."""
    return (FOLDER / f"{name}.json").exists()
