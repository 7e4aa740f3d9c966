"""The errors of a data set in words and numbers: by kind, by class, and beside those of another run."""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError, listed, shown
from .chain import wrapped

WHY = (
    "Each kind is put right alone, in the ranking that all others are still in, and AP is no sum: a false positive "
    "costs only where it stands before right ones, what is never found costs all precision at its recall, and of "
    "several mistakes about one object only the best can find it. Put right one after the other, from the top, they "
    "do add up"
)
BESIDE = (
    "Compare numbers of errors first. What a kind costs depends on what else is wrong: in a detector with a lower AP "
    "the same errors mostly cost less, because they stand among others."
)


@dataclass(frozen=True, eq=False)
class ErrorReport:
    """figures: those of COCO's evaluation; ap (C,): of each class at min_iou, NaN for one without an object.

    alone, in_turn {kind: AP (C,)} with that kind put right, alone or after those before it; totals {"false positives",
    "false negatives": AP (C,)}; found {name: (D,)} and truths {name: (M,)}: every detection and object.
    """

    figures: dict
    class_names: tuple
    iou_type: str
    min_iou: float
    pictures: int
    ap: np.ndarray
    alone: dict
    in_turn: dict
    totals: dict
    found: dict
    truths: dict

    @property
    def kinds(self):
        return tuple(self.alone)

    @property
    def classes(self):
        """Labels of classes that have an object."""
        return [int(k) + 1 for k in np.flatnonzero(~np.isnan(self.ap))]

    def average(self, precision):
        """The mean over classes that have an object; -1 where none has."""
        return float(np.nanmean(precision)) if self.classes else -1.0

    @property
    def short_of_one(self):
        return 1 - self.average(self.ap) if self.classes else 0.0

    def count(self, kind, label=None):
        """How many errors: of detections by the class that they said, of what was missed by that of the object."""
        wrong, labels = (
            (self.truths["missed"], self.truths["label"])
            if kind == "missed"
            else (self.found["kind"] == kind, self.found["label"])
        )
        return int((wrong if label is None else wrong & (labels == label)).sum())

    def cost(self, kind, label=None):
        """How much AP rises when a kind is put right alone, over all classes or of one; 0 without an object."""
        precision = {**self.alone, **self.totals}[kind]
        gain = precision - self.ap if label is None else (precision - self.ap)[label - 1 : label]
        return float(np.nanmean(gain)) if not np.isnan(gain).all() else 0.0

    def cost_in_turn(self, kind):
        """How much more AP rises when a kind is put right after those before it: these add up to 1 - AP."""
        before = [self.ap, *self.in_turn.values()][self.kinds.index(kind)]
        return self.average(self.in_turn[kind]) - self.average(before) if self.classes else 0.0

    def confusions(self):
        """[(said, true, how often)] of errors about the class alone, the commonest first: labels."""
        rows = self.found["kind"] == "wrong class"
        pairs = np.stack([self.found["label"][rows], self.truths["label"][self.found["object"][rows]]], axis=1)
        pairs, counts = np.unique(pairs, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [(*map(int, pairs[k]), int(counts[k])) for k in order]

    def examples(self, kind, count=4):
        """The errors of a kind that cost most first: those with the best scores, of what was missed the largest.

        ->  [dict]: picture, detection or None, label, score, box, object or None, true, true_box, iou
        """
        if kind not in self.kinds:
            raise ArgumentError(f"examples: kind must be one of {listed(map(repr, self.kinds))}; got {shown(kind)}")
        if kind == "missed":
            rows = np.flatnonzero(self.truths["missed"])
            sides = self.truths["box"][rows, 2:] - self.truths["box"][rows, :2]
            return [self._object(m) for m in rows[np.argsort(-sides.prod(axis=1), kind="stable")][:count]]
        rows = np.flatnonzero(self.found["kind"] == kind)
        return [self._detection(d) for d in rows[np.argsort(-self.found["score"][rows], kind="stable")][:count]]

    def _detection(self, d):
        found = {name: column[d] for name, column in self.found.items()}
        said = {"picture": int(found["picture"]), "detection": int(found["row"]), "label": int(found["label"])}
        said |= {"score": float(found["score"]), "box": found["box"].tolist(), "iou": float(found["iou"])}
        return said | self._true(int(found["object"]))

    def _object(self, m):
        said = {"picture": int(self.truths["picture"][m]), "detection": None, "label": None, "score": None}
        return said | {"box": None, "iou": None} | self._true(m)

    def _true(self, m):
        if m < 0:
            return {"object": None, "true": None, "true_box": None}
        row, label, box = (self.truths[name][m] for name in ("row", "label", "box"))
        return {"object": int(row), "true": int(label), "true_box": box.tolist()}

    # ------------------------------------------------------------ in words

    @property
    def metric(self):
        return f"AP{100 * self.min_iou:.0f}"

    def __str__(self):
        return "\n\n".join([self._heads(), self._kinds_table(), self._why(), self._classes_table(), self._confused()])

    def _heads(self):
        figures = ", ".join(f"{name} {self.figures[name]:.3f}" for name in ("AP", "AP50", "AP75"))
        what = {"bbox": "boxes", "segm": "masks"}[self.iou_type]
        objects = int((~self.truths["crowd"]).sum())
        return f"{self.pictures} pictures, {objects} objects, {len(self.found['label'])} detections; {what}: {figures}"

    def _kinds_table(self):
        rows = [f"{'':<22}{'errors':>8}{'alone':>9}{'in turn':>9}   what {self.metric} gains"]
        for kind in self.kinds:
            rows.append(f"{kind:<22}{self.count(kind):>8}{self.cost(kind):>9.3f}{self.cost_in_turn(kind):>9.3f}")
        alone = sum(map(self.cost, self.kinds))
        rows.append(f"{'added up':<22}{'':>8}{alone:>9.3f}{sum(map(self.cost_in_turn, self.kinds)):>9.3f}")
        rows += [f"{f'all {name}':<22}{'':>8}{self.cost(name):>9.3f}" for name in self.totals]
        return "\n".join(rows)

    def _why(self):
        short = f"{self.metric} {self.average(self.ap):.3f} is {self.short_of_one:.3f} short of 1"
        return wrapped(f"{WHY}: {short}.", "", 0)

    def _classes_table(self):
        short = ("class", "box", "both", "dupl", "backgr", "missed")
        width = max(12, *(len(self.class_names[label]) + 2 for label in self.classes or [0]))
        head = f"{'':<{width}}{'objects':>8}{self.metric:>8}" + "".join(f"{name:>8}" for name in short)
        rows = ["what each class gains, each kind alone:", head]
        for label in sorted(self.classes, key=lambda label: self.ap[label - 1]):
            objects = int(((self.truths["label"] == label) & ~self.truths["crowd"]).sum())
            costs = "".join(f"{self.cost(kind, label):>8.3f}" for kind in self.kinds)
            rows.append(f"{self.class_names[label]:<{width}}{objects:>8}{self.ap[label - 1]:>8.3f}{costs}")
        return "\n".join(rows)

    def _confused(self):
        said = [
            f"{self.class_names[own]} for {self.class_names[true]} ({count})"
            for own, true, count in self.confusions()[:8]
        ]
        return wrapped("taken for another class: " + (", ".join(said) or "none"), "", 2)

    def as_json(self, *, examples=4):
        """The same as plain numbers, for a file."""
        kinds = {
            kind: {
                "errors": self.count(kind),
                "cost": self.cost(kind),
                "cost_in_turn": self.cost_in_turn(kind),
                "examples": self.examples(kind, examples),
            }
            for kind in self.kinds
        }
        classes = {
            self.class_names[label]: {
                "ap": float(self.ap[label - 1]),
                "errors": {kind: self.count(kind, label) for kind in self.kinds},
                "cost": {kind: self.cost(kind, label) for kind in self.kinds},
            }
            for label in self.classes
        }
        names = self.class_names
        confusions = [{"said": names[own], "true": names[true], "count": n} for own, true, n in self.confusions()]
        ends = {name.replace(" ", "_"): self.cost(name) for name in self.totals}
        return {
            "iou_type": self.iou_type,
            "min_iou": self.min_iou,
            "pictures": self.pictures,
            "figures": self.figures,
            "ap": self.average(self.ap),
            "kinds": kinds,
            **ends,
            "classes": classes,
            "confusions": confusions,
        }


def side_by_side(reports):
    """Two or more {name: ErrorReport} beside one another, in words."""
    first = next(iter(reports.values()))
    names = {name: name if len(name) <= 16 else f"…{name[-15:]}" for name in reports}
    rows = [f"{'':<22}" + "".join(f"{names[name]:>18}" for name in reports)]
    for figure in ("AP", "AP50", "AP75"):
        rows.append(f"{figure:<22}" + "".join(f"{report.figures[figure]:>18.3f}" for report in reports.values()))
    rows.append(f"{'':<22}" + f"{'errors':>10}{'cost':>8}" * len(reports))
    for kind in first.kinds:
        cells = "".join(f"{report.count(kind):>10}{report.cost(kind):>8.3f}" for report in reports.values())
        rows.append(f"{kind:<22}{cells}")
    return "\n".join([*rows, "", wrapped(BESIDE, "", 0)])
