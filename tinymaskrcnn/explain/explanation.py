"""Why? Every detection of a picture explained, and every object that was missed, with the numbers that decided."""

import functools
from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from ..structures import Target
from .chain import Chain, name_of, place_of, plural, size_of, wrapped
from .detection_steps import detection_steps
from .missed import missed_chain
from .proposal_steps import proposal_steps
from .score_maps import score_maps
from .trace import DetectionTrace, trace_detection, what_if
from .verdicts import FITS, Verdict, judge_detections, truth_mask, verdict_step


def explain(model, image, targets=None, *, proposals=None, min_score=0.0, min_iou=FITS):
    """Find the objects of one image as `model.detect` does, and say of every detection why it is there.

    MaskRCNN in eval mode on the host, image (H, W, C) in 0..1 of the size the network should see, its Target if it is
    known; for a model without an RPN proposals (P, 4)  ->  Explanation

    Detections below min_score do not count as found; min_iou: from which on a box, and a mask, fits an object.
    """
    trace = trace_detection(model, image, proposals=proposals)
    if targets is not None:
        height, width = image.shape[:2]
        targets.validate(height=height, width=width, num_classes=model.config.num_classes)
    return Explanation(trace, targets, min_score, min_iou)


@dataclass(frozen=True, eq=False)
class Explanation:
    """A DetectionTrace that can be asked why: str() tells the whole picture, `chain(k)` one detection.

    verdicts [Verdict], one for each detection that is shown, and missed, numbers of objects; both None without truth.
    """

    trace: DetectionTrace
    target: Target | None = None
    min_score: float = 0.0
    min_iou: float = FITS

    @functools.cached_property
    def shown(self):
        """The detections that count: the first so many."""
        return int((self.trace.detections.scores >= self.min_score).sum())

    @functools.cached_property
    def _judged(self):
        found = self.trace.detections.select(np.arange(self.shown))
        return judge_detections(found, self.target, min_iou=self.min_iou)

    @property
    def verdicts(self) -> list[Verdict] | None:
        return None if self.target is None else self._judged[0]

    @property
    def missed(self):
        return None if self.target is None else np.flatnonzero(~self._judged[1]).tolist()

    def __len__(self):
        return self.shown

    @functools.cached_property
    def _told(self):
        return {}

    def chain(self, k):
        """All that was decided about detection k, best first from 0: a Chain, which prints."""
        if not 0 <= k < self.shown:
            raise ArgumentError(f"chain: there is no detection {k}; {plural(self.shown, 'detection')} from number 0 on")
        if k not in self._told:
            self._told[k] = self._chain(k)
        return self._told[k]

    def _chain(self, k):
        steps, mask = [], None
        if self.target is not None:
            verdict = self.verdicts[k]
            steps.append(verdict_step(self.trace, k, verdict, self.target, min_iou=self.min_iou))
            if verdict.kind in ("right", "poor mask"):
                mask = truth_mask(self.target, verdict.object)
        steps += proposal_steps(self.trace, k)
        steps += detection_steps(self.trace, k, truth_mask=mask, min_iou=self.min_iou)
        return Chain(f"{k}: {self._title(k)}", tuple(steps))

    def missed_chain(self, m):
        """Where object m was lost and what would have had to be otherwise: a Chain of one step."""
        if self.target is None or m not in self.missed:
            raise ArgumentError(f"missed_chain: object {m} is not one that was missed")
        wanted = {"mask": truth_mask(self.target, m), "min_iou": self.min_iou, "min_score": self.min_score}
        chain = missed_chain(self.trace, self.target.boxes[m], int(self.target.labels[m]), **wanted)
        return Chain(f"object {m} {chain.title}", chain.steps)

    def chains(self):
        """Of all detections, and of all objects that were missed."""
        chains = [self.chain(k) for k in range(self.shown)]
        return chains + [self.missed_chain(m) for m in self.missed or ()]

    def maps(self, k, *, of="score"):
        """Which pixels the score of detection k heeds, and what would move its box: ScoreMaps"""
        return score_maps(self.trace, k, of=of)

    def what_if(self, settings):
        """The same picture with other settings ({"roi.nms_iou": 0.3}, see `trace.what_if`): an Explanation."""
        return Explanation(what_if(self.trace, settings), self.target, self.min_score, self.min_iou)

    def _title(self, k):
        found = self.trace.detections
        box = found.boxes[k]
        return f"{name_of(self.trace.config, found.labels[k])} {found.scores[k]:.3f}, {size_of(box)} {place_of(box)}"

    def __str__(self):
        lines = [self.stages()]
        for k in range(self.shown):
            verdict = "" if self.target is None else f"  {self.chain(k)['verdict'].text}"
            lines.append(wrapped(f"{self._title(k)}{verdict}", f"{k:>3}: ", 7))
        for m in self.missed or ():
            chain = self.missed_chain(m)
            lines.append(f"{chain.title}: {chain.steps[0].text}")
            lines += [f"     - {other}" for other in chain.steps[0].counterfactuals]
        return "\n".join(lines)

    def stages(self):
        """How many boxes were left after every stage; without a detection, at which stage everything ended."""
        trace, proposals = self.trace, self.trace.proposals
        counts = []
        if trace.anchors is not None:
            counts += [f"{len(trace.anchors.boxes)} anchors", f"{len(trace.candidates.boxes)} candidates"]
            counts.append(f"{int(trace.candidates.kept.sum())} after NMS")
        counts += [plural(len(proposals.boxes), "proposal"), f"{int(proposals.likely.sum())} likely classes of them"]
        counts += [f"{int(proposals.kept.sum())} after NMS", plural(len(trace.detections), "detection")]
        if 0 < self.shown < len(trace.detections):
            counts[-1] += f", {self.shown} of them from a score of {self.min_score:g} on"
        text = wrapped(" -> ".join(counts), "", 2)
        if self.shown:
            return text
        return f"{text}\nnothing is found: {self._end()}"

    def _end(self):
        trace, proposals, config = self.trace, self.trace.proposals, self.trace.config.roi
        if len(trace.detections):
            best = trace.detections.scores[0]
            return (
                f"the best detection has {best:.3g}, below {self.min_score:g}; it is {self.min_score - best:.2g} short"
            )
        if not len(proposals.boxes):
            return "no candidate survived the RPN's NMS: all boxes were smaller than rpn.min_size"
        if not proposals.likely.any():
            row, column = np.unravel_index(np.argmax(proposals.probabilities[:, 1:]), proposals.likely.shape)
            best, name = proposals.probabilities[row, column + 1], name_of(self.trace.config, column + 1)
            return (
                f"no class of any proposal gets more than roi.score_threshold {config.score_threshold:g}; the best is "
                f"{name} {best:.3g}, of proposal {row}"
            )
        return "every box whose class is likely is smaller than roi.min_size"
