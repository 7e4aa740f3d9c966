"""What a detector finds in held-out scenes, judged in all the ways that a question may ask for, and what it costs."""

import contextlib
import dataclasses
import time

import numpy as np

from ..backend import to_host
from ..data.proposals.recall import recall_report
from ..evaluation.evaluator import Evaluator
from ..evaluation.mask_quality import MaskQuality, with_true_scores
from ..evaluation.oks import default_sigmas
from .sketch import SCENES, sketched

SIZES = {"all": (0, 1e10), "small": (0, 24**2), "medium": (24**2, 48**2), "large": (48**2, 1e10)}  # pixels
COUNTS = (5, 10, 20, 50)  # of proposals whose recall is told
TIMED, ENOUGH = 96, 2.0  # few pictures are timed again, until there are so many, or seconds


class Stopwatch:
    """Seconds of the CPU, of all threads of this process, and by the clock: stretches add up."""

    def __init__(self, cpu=0.0, wall=0.0):
        self.cpu, self.wall = cpu, wall

    @contextlib.contextmanager
    def running(self):
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield self
        finally:
            self.cpu += time.process_time() - cpu
            self.wall += time.perf_counter() - wall


def judged(detector, stream, *, scenes, batch, proposals=None):
    """Figures of some scenes of a stream, and the cost of a picture.

    ->  {"bbox": {"AP": ...}, "segm": ..., "proposals": ..., ...}, {"test_cpu", "test_wall", "passes"} per picture,
    and sketches of what was found in the first scenes
    """
    evaluators, layouts, offered, watch = _evaluators(detector.model.config), [], [], Stopwatch()
    sketches = []

    def detect(numbers):
        images, truths = zip(*(stream.encoded(i) for i in numbers))
        given = proposals and [proposals[i] for i in numbers]
        with watch.running():
            return truths, detector.detect(images, encoded=True, proposals=given)

    batches = [range(first, min(first + batch, scenes)) for first in range(0, scenes, batch)]
    detect(batches[0])
    watch = Stopwatch()  # the first time, weights are transformed and memory is asked for
    with watched(detector.model) as seen:
        for numbers in batches:
            truths, detections = detect(numbers)
            layouts += truths
            offered += seen.proposals
            sketches += [sketched(found) for found in detections[: max(0, SCENES - numbers.start)]]
            for truth, found in zip(truths, detections):
                for add in evaluators.values():
                    add(truth, found)
    figures = {name: add.figures() for name, add in evaluators.items()}
    figures["proposals"] = _recall(layouts, offered)
    timed = scenes
    while timed < TIMED and watch.cpu < ENOUGH:
        timed += sum(len(detect(numbers)[0]) for numbers in batches)
    cost = {"test_cpu": watch.cpu / timed, "test_wall": watch.wall / timed, "passes": seen.passes / scenes}
    return figures, cost, sketches


class Judge:
    """An Evaluator of one kind, to which detections come as they are or with other scores of their masks."""

    def __init__(self, kind, prepare=lambda truth, found: found, **options):
        self.evaluator = Evaluator(iou_type=kind, **options)
        self.prepare = prepare

    def __call__(self, truth, found):
        self.evaluator.add(truth, self.prepare(truth, found))

    def figures(self):
        """COCO's figures; AP90, and APhigh, the mean of those at 0.75 to 0.90."""
        evaluation = self.evaluator.accumulate()
        figures = evaluation.figures()
        if self.evaluator.iou_type == "keypoints":
            return figures
        high = [evaluation.average_precision(iou=iou) for iou in (0.75, 0.8, 0.85, 0.9)]
        return figures | {"AP90": high[-1], "APhigh": float(np.mean(high))}


class Quality:
    """Whether the scores of masks know how good the masks are: MaskQuality as one of the judges."""

    def __init__(self):
        self.quality = MaskQuality()

    def __call__(self, truth, found):
        self.quality.add(truth, found)

    def figures(self):
        return self.quality.summarize()


def _evaluators(config):
    """What judges a model with these heads, by the name of its figures."""
    judges = {"bbox": Judge("bbox", area_ranges=SIZES)}
    if "mask" in config.heads:
        judges["segm"] = Judge("segm", area_ranges=SIZES)
        judges["segm_by_class"] = Judge("segm", lambda truth, found: dataclasses.replace(found, mask_scores=None))
        judges["segm_by_truth"] = Judge("segm", with_true_scores)  # no ranking of the same masks does better
        judges["mask_scores"] = Quality()
    if "keypoint" in config.heads:
        judges["keypoints"] = Judge("keypoints", sigmas=default_sigmas(config.roi.num_keypoints))
    return judges


def _recall(truths, offered):
    """How well so many proposals cover the objects: {"recall50_10": ..., "recall70_10": ..., "count": boxes}."""
    report = recall_report(truths, offered, counts=COUNTS)
    figures = {"count": report.boxes}
    for n, half, most in zip(report.counts, report.recall(0.5), report.recall(0.7)):
        figures |= {f"recall50_{n}": float(half), f"recall70_{n}": float(most)}
    return figures


@dataclasses.dataclass
class Seen:
    """What passed a model: how many pictures or crops went through its network, and its last proposals."""

    passes: int = 0
    proposals: list = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def watched(model):
    """Count what goes through the body of the backbone, and keep what the proposer proposes, while the block runs."""
    seen, body, proposer = Seen(), model.backbone.body, model.rpn
    forward, propose = body.forward, proposer.propose

    def counting(x):
        seen.passes += len(x)
        return forward(x)

    def keeping(*args, **options):
        boxes, valid = propose(*args, **options)
        seen.proposals = [rows[kept] for rows, kept in zip(to_host(boxes), to_host(valid))]
        return boxes, valid

    body.forward, proposer.propose = counting, keeping
    try:
        yield seen
    finally:
        del body.forward, proposer.propose
