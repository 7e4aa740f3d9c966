"""Why was this object missed? The stage at which the last box that fitted it was lost, and the number that decided it.

At every stage some boxes fit an object: their IoU with it is at least `min_iou`. The object is lost at the first stage
after which no box fits it any more, whatever happened to it before.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ShapeError
from ..ops import boxes

STAGES = (  # in this order; what each one leaves over
    ("anchors", "anchors that cover it"),
    ("deltas", "anchors after their deltas"),
    ("top-n", "best of their level by objectness"),
    ("RPN NMS", "survivors of the RPN's NMS"),
    ("proposals", "best over all levels: proposals"),
    ("box deltas", "proposals after their class's deltas"),
    ("class score", "class score above the threshold"),
    ("final NMS", "survivors of the NMS in each class"),
    ("detections", "best of the image: detections"),
    ("shown", "score high enough to be shown"),
    ("mask", "mask that fits, too"),
)

OF_RPN = ("anchors", "deltas", "top-n", "RPN NMS")  # without an RPN, all begins with the proposals


@dataclass(frozen=True)
class Fate:
    """What became of one object.

    stage: where it was lost, a name of STAGES, or "found"; reason: a sentence with the numbers; numbers: the same by
    name; counts {stage: boxes that fit the object after it}; fitting {stage: those boxes (n, 4)}; culprit (4,): the box
    that decided it, None where there is none; best_iou {stage: the best IoU of all boxes after it}; min_iou: from which
    on a box fits.
    """

    stage: str
    reason: str
    numbers: dict
    counts: dict
    fitting: dict
    best_iou: dict
    min_iou: float
    culprit: np.ndarray | None


def why_missed(trace, target_box, *, label=None, mask=None, min_iou=0.5, min_score=0.0):
    """Follow one object through the stages of a DetectionTrace, to where the last box that fits it was lost.

    target_box (4,), label: its class, None for any; mask (H, W) bool, None to leave masks out  ->  Fate

    A detection below min_score counts as not shown.
    """
    target = np.asarray(target_box, trace.proposals.boxes.dtype)
    if target.shape != (4,):
        raise ShapeError(f"why_missed: target_box must be (4,), x1, y1, x2, y2; got shape {target.shape}")
    walk = _Walk(trace, target, label, mask, min_iou, min_score)
    names = [name for name, _ in STAGES if trace.anchors is not None or name not in OF_RPN]
    stages = {name: walk.boxes_after(name) for name in names}
    overlaps = {name: walk.overlap(found) for name, found in stages.items()}
    fitting = {name: stages[name][overlaps[name] >= min_iou] for name in stages}
    counts = {name: len(found) for name, found in fitting.items()}
    passed = [i for i, name in enumerate(names) if counts[name]]
    lost = passed[-1] + 1 if passed else 0
    stage = names[lost] if lost < len(names) else "found"
    reason, numbers, culprit = walk.explain(stage)
    best = {name: float(found.max(initial=0)) for name, found in overlaps.items()}
    return Fate(stage, reason, numbers, counts, fitting, best, min_iou, culprit)


class _Walk:
    """One object, and the boxes that are left of the trace after each stage."""

    def __init__(self, trace, target, label, mask, min_iou, min_score):
        self.trace, self.target, self.label, self.mask = trace, target, label, mask
        self.min_iou, self.min_score = min_iou, min_score
        count = trace.proposals.kept.shape[1]
        self.classes = np.arange(count) if label is None else np.array([label - 1])  # columns without background

    def overlap(self, found):
        """IoU of boxes (n, 4) with the object  ->  (n,)"""
        return boxes.iou_matrix(found, self.target[None])[:, 0]

    def boxes_after(self, stage):
        """The boxes that are left after a stage, (n, 4)."""
        anchors, candidates, proposals = self.trace.anchors, self.trace.candidates, self.trace.proposals
        found, refined = self.trace.detections, proposals.refined[:, self.classes]
        ours = np.isin(found.labels - 1, self.classes)
        shown = ours & (found.scores >= self.min_score)
        if stage in OF_RPN:
            return {
                "anchors": anchors.boxes,
                "deltas": anchors.moved,
                "top-n": candidates.boxes,
                "RPN NMS": candidates.boxes[candidates.kept],
            }[stage]
        return {
            "proposals": proposals.boxes,
            "box deltas": refined.reshape(-1, 4),
            "class score": refined[proposals.likely[:, self.classes]],
            "final NMS": refined[proposals.kept[:, self.classes]],
            "detections": found.boxes[ours],
            "shown": found.boxes[shown],
            "mask": found.boxes[shown & (self.mask_iou() >= self.min_iou)],
        }[stage]

    def mask_iou(self):
        """IoU of the mask of every detection with the object's, (D,); 1 where masks are left out."""
        masks = self.trace.detections.masks
        if self.mask is None or masks is None:
            return np.ones(len(self.trace.detections))
        truth = np.asarray(self.mask, bool)
        return (masks & truth).sum(axis=(1, 2)) / np.maximum((masks | truth).sum(axis=(1, 2)), 1)

    def fitting(self, found):
        """The rows of boxes (n, 4) that fit the object."""
        return np.flatnonzero(self.overlap(found) >= self.min_iou)

    def pairs(self, flags):
        """The pairs of a proposal and one of our classes that have a flag and fit, best first: rows, columns."""
        proposals = self.trace.proposals
        rows, columns = np.nonzero(flags[:, self.classes])
        columns = self.classes[columns]
        fits = self.fitting(proposals.refined[rows, columns])
        rows, columns = rows[fits], columns[fits]
        order = np.argsort(-proposals.probabilities[rows, columns + 1], kind="stable")
        return rows[order], columns[order]

    def name(self, column):
        return self.trace.config.class_names[column + 1]

    def level_name(self, level):
        return self.trace.config.backbone.level_name(int(level))

    # ------------------------------------------------------------ (reason, numbers, culprit) of each stage

    def explain(self, stage):
        """Why no box fits any more after a stage that one had reached."""
        explanations = {
            "anchors": self._anchors,
            "deltas": self._deltas,
            "top-n": self._top_n,
            "RPN NMS": self._rpn_nms,
            "proposals": self._proposals,
            "box deltas": self._box_deltas,
            "class score": self._class_score,
            "final NMS": self._final_nms,
            "detections": self._detections,
            "shown": self._shown,
            "mask": self._mask,
            "found": self._found,
        }
        return explanations[stage]()

    def _anchors(self):
        iou = self.overlap(self.trace.anchors.boxes)
        best = int(np.argmax(iou))
        level = int(self.trace.anchors.level[best])
        where = self.level_name(level)
        reason = f"no anchor covers it: the best, on {where}, has IoU {iou[best]:.2f}, below {self.min_iou:g}"
        return reason, {"best_iou": float(iou[best]), "level": level}, self.trace.anchors.boxes[best]

    def _deltas(self):
        anchors = self.trace.anchors
        before, after = self.overlap(anchors.boxes), self.overlap(anchors.moved)
        best = int(np.argmax(before))
        reason = (
            f"anchors cover it (IoU {before[best]:.2f}), but their deltas move all of them away (IoU {after[best]:.2f})"
        )
        numbers = {"iou_before": float(before[best]), "iou_after": float(after[best])}
        return reason, numbers, anchors.moved[best]

    def _top_n(self):
        anchors, limit = self.trace.anchors, self.trace.config.rpn.pre_nms_top_n[1]
        rows = self.fitting(anchors.moved)
        best = rows[np.argmin(anchors.rank[rows])]
        rank, level, objectness = int(anchors.rank[best]) + 1, int(anchors.level[best]), anchors.objectness[best]
        where = f"number {rank} on {self.level_name(level)}"
        reason = f"its best anchor, objectness {objectness:.2g}, is {where}; only {limit} go on"
        numbers = {"rank": rank, "limit": limit, "objectness": float(objectness), "level": level}
        return reason, numbers, anchors.moved[best]

    def _rpn_nms(self):
        candidates, least = self.trace.candidates, self.trace.config.rpn.min_size
        rows = self.fitting(candidates.boxes)
        if not (_sides(candidates.boxes[rows]) >= least).any():
            return self._too_small(candidates.boxes[rows], "rpn.min_size", least)
        rows = rows[_sides(candidates.boxes[rows]) >= least]
        best = rows[np.argmax(candidates.scores[rows])]
        rivals = candidates.kept & (candidates.level == candidates.level[best])
        limit = self.trace.config.rpn.nms_iou
        return self._suppressed(
            candidates.boxes[best],
            float(candidates.scores[best]),
            candidates.boxes[rivals],
            candidates.scores[rivals],
            f"NMS of {self.level_name(candidates.level[best])}",
            limit,
        )

    def _proposals(self):
        if self.trace.candidates is None:
            return self._not_proposed()
        candidates, limit = self.trace.candidates, self.trace.config.rpn.post_nms_top_n[1]
        kept = np.flatnonzero(candidates.kept)
        kept = kept[np.argsort(-candidates.scores[kept], kind="stable")]
        rank = int(self.fitting(candidates.boxes[kept])[0])
        score = float(candidates.scores[kept[rank]])
        reason = (
            f"its best box, objectness {score:.2g}, is number {rank + 1} of all levels; only {limit} become proposals"
        )
        return reason, {"rank": rank + 1, "limit": limit, "objectness": score}, candidates.boxes[kept[rank]]

    def _not_proposed(self):
        iou = self.overlap(self.trace.proposals.boxes)
        best = int(np.argmax(iou))
        reason = f"no proposal that came with the picture fits it: the best has IoU {iou[best]:.2f}"
        return f"{reason}, below {self.min_iou:g}", {"best_iou": float(iou[best])}, self.trace.proposals.boxes[best]

    def _box_deltas(self):
        proposals = self.trace.proposals
        before = self.overlap(proposals.boxes)
        best = int(np.argmax(before))
        after = self.overlap(proposals.refined[best, self.classes])
        column = int(np.argmax(after))
        reason = (
            f"a proposal fits it (IoU {before[best]:.2f}), but the deltas of its class move the box away "
            f"(IoU {after[column]:.2f})"
        )
        numbers = {"iou_before": float(before[best]), "iou_after": float(after[column])}
        return reason, numbers, proposals.refined[best, self.classes[column]]

    def _class_score(self):
        proposals, limit = self.trace.proposals, self.trace.config.roi.score_threshold
        rows, columns = self.pairs(np.ones_like(proposals.likely))
        row, column = rows[0], columns[0]
        score = float(proposals.probabilities[row, column + 1])
        winner = int(np.argmax(proposals.probabilities[row])) - 1
        numbers = {"score": score, "threshold": limit, "winner": self.name(winner)}
        numbers["winner_score"] = float(proposals.probabilities[row, winner + 1])
        reason = f"its class {self.name(column)} gets {score:.2f}, not above {limit:g}; {self._winner(numbers)}"
        return reason, numbers, proposals.refined[row, column]

    def _final_nms(self):
        proposals = self.trace.proposals
        rows, columns = self.pairs(proposals.likely)
        found, least = proposals.refined[rows, columns], self.trace.config.roi.min_size
        if not (_sides(found) >= least).any():
            return self._too_small(found, "roi.min_size", least)
        row, column = (of[_sides(found) >= least][0] for of in (rows, columns))
        rivals = proposals.kept[:, column]
        return self._suppressed(
            proposals.refined[row, column],
            float(proposals.probabilities[row, column + 1]),
            proposals.refined[rivals, column],
            proposals.probabilities[rivals, column + 1],
            f"NMS of class {self.name(column)}",
            self.trace.config.roi.nms_iou,
        )

    def _detections(self):
        proposals, limit = self.trace.proposals, self.trace.config.roi.detections_per_image
        rows, columns = self.pairs(proposals.kept)
        score = float(proposals.probabilities[rows[0], columns[0] + 1])
        rank = 1 + int((proposals.probabilities[:, 1:][proposals.kept] > score).sum())
        reason = f"its score {score:.2f} is number {rank} in the image; only {limit} are reported"
        return reason, {"score": score, "rank": rank, "limit": limit}, proposals.refined[rows[0], columns[0]]

    def _shown(self):
        best, score = self._best_detection()
        probabilities = self.trace.proposals.probabilities[self.trace.origins[best]]
        winner = int(np.argmax(probabilities)) - 1
        numbers = {"score": score, "min_score": self.min_score, "winner": self.name(winner)}
        numbers["winner_score"] = float(probabilities[winner + 1])
        reason = (
            f"found, but with score {score:.2f} it is not shown (from {self.min_score:g} on); {self._winner(numbers)}"
        )
        return reason, numbers, self.trace.detections.boxes[best]

    def _mask(self):
        best, score = self._best_detection()
        iou = float(self.mask_iou()[best])
        said, numbers = self._mask_score(best)
        reason = f"the box fits, but its mask has IoU {iou:.2f}, below {self.min_iou:g}{said}"
        return reason, {"mask_iou": iou, "score": score} | numbers, self.trace.detections.boxes[best]

    def _found(self):
        best, score = self._best_detection()
        iou = float(self.overlap(self.trace.detections.boxes[best, None])[0])
        said, numbers = self._mask_score(best)
        return f"score {score:.2f}, IoU {iou:.2f}{said}", {"score": score, "best_iou": iou} | numbers, None

    def _mask_score(self, row):
        """What a model that scores its masks says of one, in words and by name; nothing of another model."""
        found = self.trace.detections
        if found.mask_scores is None:
            return "", {}
        score, own = float(found.scores[row]), float(found.mask_scores[row])
        predicted = own / score if score else 0.0
        said = f"; the model thinks that its mask has IoU {predicted:.2f}, which ranks it with {own:.2f}"
        return said, {"mask_score": own, "predicted_mask_iou": predicted}

    def _best_detection(self):
        """The detection with the best score that fits: its row, its score; one whose mask fits goes first."""
        found = self.trace.detections
        rows = self.fitting(found.boxes)
        rows = rows[np.isin(found.labels[rows] - 1, self.classes)]
        fits = self.mask_iou()[rows] >= self.min_iou
        best = rows[np.argmax(found.scores[rows] + fits)]
        return int(best), float(found.scores[best])

    def _suppressed(self, box, score, rivals, rival_scores, where, limit):
        """What a better box with too much overlap did to the best box that fitted."""
        iou = np.where(rival_scores >= score, boxes.iou_matrix(rivals, box[None])[:, 0], -1)
        best = int(np.argmax(iou))
        of_object = float(self.overlap(rivals[best, None])[0])
        reason = (
            f"{where}: its best box (score {score:.2f}) shares IoU {iou[best]:.2f}, above {limit:g}, with a better one "
            f"(score {rival_scores[best]:.2f}), which fits the object only with IoU {of_object:.2f}"
        )
        numbers = {"score": score, "shared_iou": float(iou[best]), "limit": limit}
        numbers |= {"rival_score": float(rival_scores[best]), "rival_iou": of_object}
        return reason, numbers, rivals[best]

    def _too_small(self, found, setting, least):
        """All boxes (n, 4) that fit have too short a side to take part."""
        best = int(np.argmax(_sides(found)))
        side = float(_sides(found)[best])
        reason = f"its best box has a side of {side:.3g} px, less than {setting} {least:g}"
        return reason, {"side": side, "min_size": least}, found[best]

    @staticmethod
    def _winner(numbers):
        return f"the likeliest class is {numbers['winner']} with {numbers['winner_score']:.2f}"


def _sides(found):
    """The shorter side of each box: (n, 4)  ->  (n,)"""
    return (found[:, 2:] - found[:, :2]).min(axis=1, initial=np.inf)
