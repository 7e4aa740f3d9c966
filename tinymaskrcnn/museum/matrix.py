"""The kill matrix: which check finds which bug, what each bug costs, and which check raises a false alarm."""

import dataclasses
import math

import numpy as np

from .visit import visits


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Of one exhibit: found {check: what it said}, trouble: why there is no answer, if there is none; gradient and
    parity: (how much, where) of the largest error, or None when it was not measured."""

    name: str
    harmless: bool
    found: dict
    trouble: str = ""
    gradient: tuple | None = None
    parity: tuple | None = None


@dataclasses.dataclass(frozen=True)
class Matrix:
    """checks {name: seconds on the clean package}, alarms {check: what it said of the clean package}, verdicts of the
    exhibits; trouble: why the checks could not be asked at all."""

    checks: dict
    alarms: dict
    verdicts: list
    trouble: str = ""

    @property
    def bugs(self):
        return [verdict for verdict in self.verdicts if not verdict.harmless]

    @property
    def false_alarms(self):
        """[(check, where)] of checks that find something where nothing is wrong; "" is the package as it is."""
        harmless = [(v.name, v.found) for v in self.verdicts if v.harmless]
        return [(check, name) for name, found in [("", self.alarms), *harmless] for check in found]

    @property
    def missed(self):
        return [verdict.name for verdict in self.bugs if not verdict.found]

    def cheapest(self, verdict):
        """The first check, in their order from cheap to dear, that finds an exhibit; "" when none does."""
        return next((name for name in self.checks if name in verdict.found), "")

    def as_data(self):
        """All of it as plain data."""
        exhibits = {v.name: {**_plain(v), "cheapest": self.cheapest(v)} for v in self.verdicts}
        alarms = [list(alarm) for alarm in self.false_alarms]
        return {"checks": self.checks, "false_alarms": alarms, "missed": self.missed, "exhibits": exhibits}


def kill_matrix(exhibits, *, measured=False, program=None, processes=1, told=lambda names: names):
    """Every check asked of the clean package and of every exhibit  ->  Matrix

    measured: what each exhibit costs, too: the error of gradients, and the difference of what its picture shows
    """
    exhibits = list(exhibits)
    wanted = {"checks": None, "program": program} | (measures(exhibits) if measured else {})
    return judged(exhibits, visits(exhibits, processes=processes, told=told, **wanted), measured=measured)


def measures(exhibits):
    """What a visit is asked for so that its price can be told."""
    return {"views": sorted({exhibit.view for exhibit in exhibits}), "gradients": True}


def judged(exhibits, replies, *, measured):
    """The Matrix of replies {name: reply} to `visits`."""
    clean = replies[""]
    if "trouble" in clean:
        return Matrix({}, {}, [], clean["trouble"])
    return Matrix(
        {name: result["seconds"] for name, result in clean["checks"].items()},
        _found(clean),
        [_verdict(exhibit, replies[exhibit.name], clean, measured) for exhibit in exhibits],
    )


def _plain(verdict):
    """A Verdict as data that strict JSON holds, too."""
    told = dataclasses.asdict(verdict)
    for kind in ("gradient", "parity"):
        if told[kind] is not None:
            error, where = told[kind]
            told[kind] = [error if math.isfinite(error) else str(error), where]
    return told


def _found(reply):
    return {name: result["said"] for name, result in reply["checks"].items() if result["found"]}


def _verdict(exhibit, reply, clean, measured):
    if "trouble" in reply:
        return Verdict(exhibit.name, exhibit.harmless, {}, reply["trouble"])
    alarms = _found(clean)  # what a check says of the clean package, it does not find in a bug
    found = {name: said for name, said in _found(reply).items() if name not in alarms}
    if not measured:
        return Verdict(exhibit.name, exhibit.harmless, found)
    errors = {name: math.inf if error is None else error for name, error in reply["gradients"].items()}
    where = max(errors, key=lambda name: (math.isnan(errors[name]), errors[name]))
    differences = {name: difference(clean["views"][name], view) for name, view in reply["views"].items()}
    most = max(differences, key=lambda name: (math.isnan(differences[name]), differences[name], name == exhibit.view))
    parity = differences[most], most
    return Verdict(exhibit.name, exhibit.harmless, found, "", (errors[where], where), parity)


def difference(clean, view):
    """The largest difference of two views' numbers, relative to the largest number of the clean one.

    inf where one has other shapes, other names, or no numbers at all; NaN where one has a NaN that the other has not.
    """
    if "trouble" in view or "trouble" in clean:
        return math.inf
    mine, theirs = _numbers(view["values"]), _numbers(clean["values"])
    if [array.shape for array in mine] != [array.shape for array in theirs] or _names(view) != _names(clean):
        return math.inf
    mine, theirs = (np.concatenate([array.reshape(-1) for array in arrays] or [[]]) for arrays in (mine, theirs))
    if (np.isnan(mine) != np.isnan(theirs)).any():
        return math.nan
    scale = np.nanmax(np.abs(theirs[np.isfinite(theirs)]), initial=1e-12)
    both_inf = np.isinf(mine) & (mine == theirs)
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.where(both_inf, 0, np.abs(mine - theirs)), initial=0) / scale)


def _numbers(values):
    if isinstance(values, dict):
        return [array for key, part in values.items() if key != "names" for array in _numbers(part)]
    return [np.asarray(values, float)]


def _names(view):
    values = view["values"]
    return (values.get("names"), list(values)) if isinstance(values, dict) else None
