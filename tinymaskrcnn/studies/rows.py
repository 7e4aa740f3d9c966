"""Finished rows as small JSON files: each is written once, whole, and names all that it was made from."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from ..config import tour_preset
from ..config_changes import differences, override
from ..errors import DataError, listed, shown
from ..files import read_json, write_whole

RECIPES = 1  # goes up when a default setting, or what a figure means, changes: rows of before are then not mixed in
VERSION = f"{__version__}/{RECIPES}"


@dataclass(frozen=True)
class Row:
    """What one training reached: figures {"bbox": {"AP": ...}, ...} and its cost, or the error that ended it.

    settings: what differs from the preset "tour"; made: when, where and with which kernels; found: sketches of what was
    found in the first held-out scenes.
    """

    digest: str
    seed: int
    settings: dict
    figures: dict = field(default_factory=dict)
    cost: dict = field(default_factory=dict)
    made: dict = field(default_factory=dict)
    found: list = field(default_factory=list)
    failed: str = ""
    version: str = VERSION

    @classmethod
    def of(cls, plan, **told):
        """The row of a plan, with what there is to tell of it."""
        unseeded = override(plan.config, {"train.seed": 0})
        settings = differences(unseeded, tour_preset()) | {f"test: {name}": value for name, value in plan.test.items()}
        if plan.untrained:
            settings["test: untrained"] = list(plan.untrained)
        if plan.pretrained:
            settings["pretrained steps"] = plan.pretrained
        return cls(plan.digest, plan.seed, settings, **told)

    def value(self, measure):
        """A figure by its dotted name, "segm.AP75"; None when the row failed or has no such figure."""
        kind, _, name = measure.partition(".")
        value = (self.cost if kind == "cost" else self.figures.get(kind, {})).get(name)
        return value if isinstance(value, (int, float)) and math.isfinite(value) else None


class Rows:
    """The rows of a folder, by plan; those of another version are told of, and never mixed with these."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.strange = {}  # {other version: names of its files}

    def path(self, plan):
        return self.folder / f"{plan.digest}-{plan.seed}.json"

    def get(self, plan):
        """The row of a plan; None when it is not there, or of another version."""
        path = self.path(plan)
        if not path.exists():
            return None
        row = read_row(path)
        if (row.digest, row.seed) != (plan.digest, plan.seed):
            raise DataError(f"{path}: is the row of other settings (its name was changed?); remove it to make it anew")
        if row.version != VERSION:
            self.strange.setdefault(row.version, set()).add(path.name)
            return None
        return row

    def put(self, plan, row):
        """Write a row in one move, instead of one of another version."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return write_whole(self.path(plan), written(dataclasses.asdict(row)) + "\n")

    def warnings(self):
        """A sentence for each other version whose rows were met."""
        for version, names in sorted(self.strange.items()):
            count = "1 finished row is" if len(names) == 1 else f"{len(names)} finished rows are"
            yield (
                f"{count} of version {shown(version)}, and this is {VERSION!r}: not mixed, measured anew "
                f"({self.folder}: {listed(sorted(names), most=3)})"
            )


def read_row(path):
    """A row from its file; DataError says what of it is none."""
    table = read_json(path)
    kinds = {"digest": str, "seed": int, "settings": dict, "figures": dict, "cost": dict, "made": dict}
    kinds |= {"found": list}
    kinds |= {"failed": str, "version": str}
    if not isinstance(table, dict) or set(table) != set(kinds):
        raise DataError(f"{path}: is no row of a study: it must be a table of {', '.join(kinds)}")
    for name, kind in kinds.items():
        if not isinstance(table[name], kind) or isinstance(table[name], bool):
            raise DataError(f"{path}: {name} must be a {kind.__name__}; got {shown(table[name])}")
    groups = {f"figures.{name}": group for name, group in table["figures"].items()} | {"cost": table["cost"]}
    for name, group in groups.items():
        values = group.values() if isinstance(group, dict) else [None]
        if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            raise DataError(f"{path}: {name} must be a table of numbers; got {shown(group)}")
    return Row(**table)


def written(table):
    """A table as JSON: an entry of the outer two levels a line, so that a row is read and compared in an editor."""
    lines = []
    for name, value in table.items():
        if isinstance(value, dict) and value:
            inner = ",\n".join(f"  {json.dumps(key)}: {json.dumps(part, default=list)}" for key, part in value.items())
            lines.append(f" {json.dumps(name)}: {{\n{inner}\n }}")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value, default=list, separators=(',', ':'))}")
    return "{\n" + ",\n".join(lines) + "\n}"
