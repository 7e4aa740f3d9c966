"""A missed object: its fate, and which number would have had to be another for a box that fits it to go on."""

import numpy as np

from ..ops.boxes import iou_matrix
from .after import after_for_object
from .chain import Chain, Counterfactual, Step, name_of, place_of, size_of
from .detection_steps import class_group, mask_limits, soft_mask
from .fate import why_missed
from .thresholds import limit_of_nms


def missed_chain(trace, target_box, label, *, mask=None, min_iou=0.5, min_score=0.0):
    """The Chain of a missed object: one step, named like the stage at which the last box that fitted it was lost.

    label: its class; None where any will do.
    """
    wanted = {"label": label, "mask": mask, "min_iou": min_iou, "min_score": min_score}
    fate = why_missed(trace, target_box, **wanted)
    name = "object" if label is None else name_of(trace.config, label)
    title = f"missed: {name}, {size_of(target_box)} {place_of(target_box)}"
    case = _Missed(trace, target_box, fate, wanted)
    numbers = {"stage": fate.stage} | fate.numbers
    text = "a detection fits it, and counts for another object" if fate.stage == "found" else fate.reason
    return Chain(title, (Step(fate.stage, text, numbers, tuple(case.counterfactuals())),))


class _Missed:
    """One object, its Fate, and the counterfactuals of the stage at which it was lost."""

    def __init__(self, trace, box, fate, wanted):
        self.trace, self.fate, self.wanted = trace, fate, wanted
        self.box = np.asarray(box, trace.proposals.boxes.dtype)

    def counterfactuals(self):
        stages = {
            "anchors": self._short_of_iou,
            "deltas": self._short_of_iou,
            "top-n": self._top_n,
            "RPN NMS": self._rpn_nms,
            "proposals": self._proposals,
            "box deltas": self._short_of_iou,
            "class score": self._class_score,
            "final NMS": self._final_nms,
            "detections": self._detections,
            "shown": self._shown,
            "mask": self._mask,
            "found": lambda: [],
        }
        return stages[self.fate.stage]()

    def _changed(self, setting, now, same, other, words):
        then = after_for_object(self.trace, self.box, {setting: other}, **self.wanted)
        return Counterfactual(setting, now, same, other, words, then)

    def _fits(self, boxes):
        """boxes (n, 4)  ->  (n,) bool"""
        return iou_matrix(boxes, self.box[None])[:, 0] >= self.wanted["min_iou"]

    def _short_of_iou(self):
        best, least = self.fate.best_iou[self.fate.stage], self.wanted["min_iou"]
        return [Counterfactual("IoU", best, best, least, f"a box fits it with IoU {least:g}: {least - best:.2f} more")]

    def _top_n(self):
        limit, rank = self.trace.config.rpn.pre_nms_top_n[1], self.fate.numbers["rank"]
        words = f"goes on from rpn.pre_nms_top_n {rank} on"
        anchors, level = self.trace.anchors, self.fate.numbers["level"]
        last = float(anchors.objectness[(anchors.level == level) & (anchors.rank == limit - 1)][0])
        own = self.fate.numbers["objectness"]
        said = Counterfactual("objectness", own, own, last, f"goes on with an objectness {last - own:.2g} higher")
        return [self._changed("rpn.pre_nms_top_n", limit, rank - 1, rank, words), said]

    def _proposals(self):
        if self.trace.candidates is None:
            return self._short_of_iou()
        limit, rank = self.fate.numbers["limit"], self.fate.numbers["rank"]
        words = f"becomes a proposal from rpn.post_nms_top_n {rank} on"
        last, own = float(self.trace.proposals.scores[-1]), self.fate.numbers["objectness"]
        said = Counterfactual("objectness", own, own, last, f"becomes one with an objectness {last - own:.2g} higher")
        return [self._changed("rpn.post_nms_top_n", limit, rank - 1, rank, words), said]

    def _rpn_nms(self):
        candidates, least = self.trace.candidates, self.trace.config.rpn.min_size
        fitting = self._fits(candidates.boxes)
        limits = []
        for level in np.unique(candidates.level[fitting]):
            rows = np.flatnonzero(candidates.level == level)
            sound = (candidates.boxes[rows, 2:] - candidates.boxes[rows, :2] >= least).all(axis=1)
            limits.append(self._limit("rpn", candidates.boxes[rows], candidates.scores[rows], sound, fitting[rows]))
        return self._nms("rpn", limits)

    def _final_nms(self):
        limits = []
        for column in range(self.trace.proposals.kept.shape[1]):
            if self.wanted["label"] is None or column == self.wanted["label"] - 1:
                boxes, scores, valid = class_group(self.trace, column)
                limits.append(self._limit("roi", boxes, scores, valid, self._fits(boxes) & valid))
        return self._nms("roi", limits)

    def _limit(self, part, boxes, scores, valid, fitting):
        now = getattr(self.trace.config, part).nms_iou
        return limit_of_nms(boxes, scores, now, lambda kept: (kept & fitting).any(), valid=valid, upward=True)

    def _nms(self, part, limits):
        if "min_size" in self.fate.numbers:
            side, now = self.box.dtype.type(self.fate.numbers["side"]), self.fate.numbers["min_size"]
            more = float(np.nextafter(side, side.dtype.type(np.inf)))
            setting = f"{part}.min_size"
            return [self._changed(setting, now, more, float(side), f"large enough up to {setting} {side:.4g}")]
        limits = [limit for limit in limits if limit is not None]
        if not limits:
            return []
        limit, now = min(limits), getattr(self.trace.config, part).nms_iou
        same = float(np.nextafter(self.box.dtype.type(limit), self.box.dtype.type(-1)))
        return [self._changed(f"{part}.nms_iou", now, same, limit, f"kept from {part}.nms_iou {limit:.4g} on")]

    def _class_score(self):
        score, now = self.box.dtype.type(self.fate.numbers["score"]), self.trace.config.roi.score_threshold
        less = float(np.nextafter(score, score.dtype.type(-1)))
        words = f"goes on below roi.score_threshold {score:.4g}: its score is {max(now - score, 0):.2g} short"
        return [self._changed("roi.score_threshold", now, float(score), less, words)]

    def _detections(self):
        limit, rank = self.fate.numbers["limit"], self.fate.numbers["rank"]
        words = f"reported from roi.detections_per_image {rank} on"
        return [self._changed("roi.detections_per_image", limit, rank - 1, rank, words)]

    def _shown(self):
        score, least = self.fate.numbers["score"], self.wanted["min_score"]
        words = f"found if its score were {least - score:.2g} higher"
        return [Counterfactual("score", score, score, least, words)]

    def _mask(self):
        found = self.trace.detections
        fits = self._fits(found.boxes) & (found.scores >= self.wanted["min_score"])
        if self.wanted["label"] is not None:
            fits &= found.labels == self.wanted["label"]
        row, truth = int(np.flatnonzero(fits)[0]), np.asarray(self.wanted["mask"], bool)
        now = self.trace.config.roi.mask_threshold
        return mask_limits(soft_mask(self.trace, row), truth, now, self.wanted["min_iou"])
