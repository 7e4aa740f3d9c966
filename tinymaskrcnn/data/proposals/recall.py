"""How well proposals cover the objects, asked before anything is trained: no detector finds what nobody proposed."""

from dataclasses import dataclass

import numpy as np

from ...ops.boxes import iou_matrix

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class RecallReport:
    """The best overlap of each object with the first n proposals of its picture.

    best (len(counts), M) IoU, labels (M,), counts: the numbers n, pictures, boxes: how many a picture has in the mean;
    found and objects: how many of each every picture has, for warnings.
    """

    best: np.ndarray
    labels: np.ndarray
    counts: tuple
    pictures: int
    boxes: float
    found: tuple = ()
    objects: tuple = ()

    def recall(self, limit):
        """Share of the objects that some box overlaps by at least `limit`  ->  (len(counts),)"""
        return (self.best >= limit).mean(axis=1) if self.best.size else np.full(len(self.counts), np.nan)

    def mabo(self):
        """Mean over the classes of the average best overlap of their objects  ->  (len(counts),)"""
        classes = np.unique(self.labels)
        means = [self.best[:, self.labels == label].mean(axis=1) for label in classes]
        return np.mean(means, axis=0) if len(means) else np.full(len(self.counts), np.nan)

    def table(self):
        """The report as text, one line for each number of boxes."""
        title = f"{self.boxes:.0f} proposals in each of {self.pictures} pictures, {len(self.labels)} objects"
        lines = [title, f"{'boxes':>7}  {'MABO':>6}  {'IoU >= 0.5':>10}  {'IoU >= 0.7':>10}"]
        for row in zip(self.counts, self.mabo(), self.recall(0.5), self.recall(0.7)):
            lines.append("{:>7}  {:>6.3f}  {:>10.1%}  {:>10.1%}".format(*row))
        return "\n".join(lines)

    def warnings(self, *, most, samples=0):
        """Sentences for a person about pictures with few proposals, or with more than are used.

        most: proposals that are used of a picture; samples: RoIs that a training step takes from one.
        """
        found, objects, said = np.array(self.found, int), np.array(self.objects, int), []
        few = {"none": found == 0, "fewer than objects": found < objects}
        few[f"fewer than the {samples} of roi.samples_per_image"] = found < samples
        if counted := [f"{count} have {name}" for name, rows in few.items() if (count := int(rows.sum()))]:
            said.append(
                f"proposals are few: of {len(found)} pictures {', '.join(counted)}. What nobody proposed is not found; "
                "training learns from what there is, and from the objects themselves, and repeats nothing"
            )
        if more := int((found > most).sum()):
            said.append(
                f"of {len(found)} pictures {more} have more than {most} proposals, of which the first {most} are used "
                "(proposals.most)"
            )
        return said


def recall_report(targets, proposals, *, counts=COUNTS):
    """Compare objects with proposals, picture by picture.

    targets: Targets, proposals: for each boxes (P, 4), best first, counts: how many of them are looked at, one by one
    ->  RecallReport, to the first count that no picture exceeds; regions of many objects ("crowd") are left out
    """
    best, labels, lengths = [], [], []
    for target, boxes in zip(targets, proposals, strict=True):
        kept = np.flatnonzero(~target.crowd) if target.crowd is not None else np.arange(len(target))
        overlap = iou_matrix(target.boxes[kept].astype(np.float32), boxes.astype(np.float32))  # (M, P)
        best.append([overlap[:, :n].max(axis=1, initial=0) for n in counts])
        labels.append(target.labels[kept])
        lengths.append(len(boxes))
    objects = tuple(map(len, labels))
    most = max(lengths, default=0)
    enough = 1 + sum(n < most for n in counts)
    best = np.concatenate(best, axis=1)[:enough] if best else np.zeros((len(counts[:enough]), 0))
    labels = np.concatenate(labels) if labels else np.zeros(0, np.int64)
    mean = float(np.mean(lengths or [0]))
    return RecallReport(best, labels, tuple(counts[:enough]), len(lengths), mean, tuple(lengths), objects)
