"""What keeps a detector from an average precision of 1: its errors by kind, and what each kind costs.

The kinds are those of TIDE (Bolya et al. 2020), and so is the price of one: how much AP would rise were its errors put
right and all else left as it is. Put right means: of several mistakes about the class or the box of one object, the
one with the best score finds it and the others are gone; a duplicate, and what lies on background, is gone; an object
that was missed, without a mistake that points to it, is no longer asked for.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from ..evaluation.average_precision import precision_recall
from ..evaluation.evaluator import Evaluator, rank_within_class
from .error_report import ErrorReport
from .judging import ERRORS, FITS, MISSED, TOUCHES, crowds, judge_overlaps, overlaps

KINDS = (*ERRORS, MISSED)
MOVED = ("wrong class", "poor box")  # whose best one finds its object when it is put right
MOST = 100  # detections of a class and picture that count, as in COCO's evaluation


class ErrorAnalysis:
    """Collects pictures one by one, as Evaluator does, and keeps only numbers.

    iou_type "bbox" or "segm", class_names with background first; min_iou: from which on a detection finds an object.
    What lies in a crowd region is no error.
    """

    def __init__(self, class_names, *, iou_type="bbox", min_iou=FITS, background_iou=TOUCHES):
        if iou_type not in ("bbox", "segm"):
            raise ArgumentError(f"ErrorAnalysis: iou_type must be 'bbox' or 'segm'; got {iou_type!r}")
        if not 0 < background_iou < min_iou <= 1:
            limits = f"{background_iou:g} and {min_iou:g}"
            raise ArgumentError(f"ErrorAnalysis: needs 0 < background_iou < min_iou <= 1; got {limits}")
        self.class_names, self.iou_type = tuple(class_names), iou_type
        self.limits = {"min_iou": min_iou, "background_iou": background_iou}
        self.evaluator = Evaluator(iou_type=iou_type, num_classes=len(self.class_names))
        self._found, self._truths = [], []

    def add(self, truth, detections):
        """Judge the detections of one picture: Target, Detections (without a Target's masks where boxes are judged)."""
        self.evaluator.add(truth, detections)
        picture, first = len(self._found), sum(len(part["label"]) for part in self._truths)
        scores = detections.scores_of(self.iou_type)
        order = np.argsort(-scores, kind="stable")
        order = order[rank_within_class(detections.labels[order]) < MOST]
        found = detections.select(order)
        crowd = crowds(truth)
        judged = judge_overlaps(overlaps(found, truth, self.iou_type), found.labels, truth.labels, crowd, **self.limits)
        self._found.append(
            {
                "picture": np.full(len(order), picture),
                "row": order,
                "label": found.labels,
                "score": scores[order].astype(np.float64),
                "kind": judged.kind.astype("<U21"),
                "object": np.where(judged.object >= 0, judged.object + first, -1),
                "iou": judged.iou,
                "box": found.boxes.reshape(-1, 4),
            }
        )
        self._truths.append(
            {
                "picture": np.full(len(truth), picture),
                "row": np.arange(len(truth)),
                "label": truth.labels,
                "box": truth.boxes.reshape(-1, 4),
                "crowd": crowd,
                "found": judged.by >= 0,
            }
        )

    def report(self):
        """All that was added so far: ErrorReport"""
        if not self._found:
            raise ArgumentError("ErrorAnalysis.report: no picture was added")
        found, truths = (_joined(parts) for parts in (self._found, self._truths))
        costs = Costs(found, truths, len(self.class_names) - 1)
        alone = {kind: costs.precision(kind) for kind in KINDS}
        in_turn = {kind: costs.precision(*KINDS[: k + 1]) for k, kind in enumerate(KINDS)}
        return ErrorReport(
            figures=self.evaluator.summarize(),
            class_names=self.class_names,
            iou_type=self.iou_type,
            min_iou=self.limits["min_iou"],
            pictures=len(self._found),
            ap=costs.precision(),
            alone=alone,
            in_turn=in_turn,
            totals={"false positives": costs.precision(*ERRORS, gone=True), "false negatives": costs.all_found()},
            found=found,
            truths=truths | {"missed": costs.missed},
        )


def _joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class Costs:
    """The average precision of each class with some errors put right.

    found {"label", "score", "kind", "object"} of D detections, pictures in order, in each the best first; truths
    {"label", "crowd", "found"} of M objects; classes without background.
    """

    found: dict
    truths: dict
    classes: int

    @property
    def best(self):
        """Which mistakes about class or box find their object when they are put right: (D,) bool"""
        kind, which, score = (self.found[name] for name in ("kind", "object", "score"))
        rows = np.flatnonzero(np.isin(kind, MOVED) & ~np.append(self.truths["found"], True)[which])
        order = rows[np.lexsort((-score[rows], which[rows]))]  # of an object's the best first, of equals the first
        _, first = np.unique(which[order], return_index=True)
        best = np.zeros(len(kind), bool)
        best[order[first]] = True
        return best

    @property
    def missed(self):
        """Objects that nobody found and that no mistake about class or box points to: (M,) bool"""
        missed = ~self.truths["found"] & ~self.truths["crowd"]
        missed[self.found["object"][np.isin(self.found["kind"], MOVED)]] = False
        return missed

    def precision(self, *kinds, gone=False):
        """AP (classes,) with errors of these kinds put right, with gone all of them left out; NaN without an object."""
        kind, label = self.found["kind"], self.found["label"]
        fixed = np.isin(kind, kinds)
        moved = fixed & self.best & (not gone)
        hit = (kind == "right") | moved
        miss = np.isin(kind, ERRORS) & ~fixed
        label = np.where(moved, np.append(self.truths["label"], 0)[self.found["object"]], label)
        asked = ~self.truths["crowd"] & ~(self.missed & (MISSED in kinds))
        return self._curves(hit, miss, label, asked)

    def all_found(self):
        """AP (classes,) if only what was found had been asked for."""
        kind = self.found["kind"]
        return self._curves(kind == "right", np.isin(kind, ERRORS), self.found["label"], self.truths["found"])

    def _curves(self, hit, miss, label, asked):
        order = np.lexsort((-self.found["score"], label))
        first = np.searchsorted(label[order], np.arange(1, self.classes + 2))
        of_class = np.bincount(self.truths["label"][~self.truths["crowd"]], minlength=self.classes + 1)[1:]
        left = np.bincount(self.truths["label"][asked], minlength=self.classes + 1)[1:]
        precision = np.full(self.classes, np.nan)
        for k in np.flatnonzero(of_class):
            rows = order[first[k] : first[k + 1]]
            if left[k]:
                precision[k] = precision_recall(hit[rows, None], miss[rows, None], left[k])[0].mean()
            else:  # nothing is asked for any more: what is still said of it is wrong
                precision[k] = float(not miss[rows].any())
        return precision
