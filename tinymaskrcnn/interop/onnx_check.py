"""Does an exported model say the same? Its answers in onnxruntime beside those of `detect`, picture by picture."""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError, ConfigError
from ..structures import collate

BOXES, SCORES, MASKS = 1e-2, 1e-4, 1e-3  # tolerances: pixels, probability, share of a picture's pixels


@dataclass(frozen=True)
class Differences:
    """The largest differences over some pictures; `unpaired` counts detections that only one side made."""

    pictures: int = 0
    detections: int = 0
    unpaired: int = 0
    boxes: float = 0.0
    scores: float = 0.0
    masks: float = 0.0

    def __bool__(self):
        """Whether something differs by more than float32 explains."""
        return self.unpaired > 0 or self.boxes > BOXES or self.scores > SCORES or self.masks > MASKS

    def __str__(self):
        return (
            f"{self.pictures} pictures, {self.detections} detections, {self.unpaired} without a partner; largest "
            f"differences: boxes {self.boxes:.1e} px (allowed {BOXES:.0e}), scores {self.scores:.1e} ({SCORES:.0e}), "
            f"masks {self.masks:.1e} of the pixels ({MASKS:.0e})"
        )

    def join(self, other):
        """Both together: counts added, the larger differences."""
        counts = [getattr(self, n) + getattr(other, n) for n in ("pictures", "detections", "unpaired")]
        return Differences(*counts, *(max(getattr(self, n), getattr(other, n)) for n in ("boxes", "scores", "masks")))


def open_session(data, *, threads=None):
    """An onnxruntime session for the bytes, or the path, of an ONNX model."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("this needs the package onnxruntime: pip install 'tinymaskrcnn[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = threads or 0
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def compare_onnx(model, data, images, *, threads=None):
    """Run every picture (H, W, C) through `model.detect` and through onnxruntime  ->  Differences"""
    session = open_session(data, threads=threads)
    names = [output.name for output in session.get_outputs()]
    total = Differences()
    for image in images:
        batch = collate([image])
        [ours] = model.detect(batch.images, sizes=batch.sizes)
        theirs = dict(zip(names, session.run(names, {"image": batch.images[0, : image.shape[0], : image.shape[1]]})))
        total = total.join(compare_detections(ours, theirs))
    return total


def compare_detections(ours, theirs):
    """Detections beside {"boxes", "labels", "scores", maybe "masks"}, whose order may differ among equal scores."""
    pairs = _pair(ours, theirs)
    unpaired = len(ours) + len(theirs["boxes"]) - 2 * len(pairs)
    i, j = np.array(pairs, int).reshape(-1, 2).T
    masks = 0.0
    if ours.masks is not None:
        masks = (ours.masks[i] != theirs["masks"][j]).mean(axis=(1, 2)).max(initial=0)
    return Differences(
        pictures=1,
        detections=len(ours),
        unpaired=unpaired,
        boxes=float(np.abs(ours.boxes[i] - theirs["boxes"][j]).max(initial=0)),
        scores=float(np.abs(ours.scores[i] - theirs["scores"][j]).max(initial=0)),
        masks=float(masks),
    )


def _pair(ours, theirs):
    """Partners (i, j): the same label, the nearest box that is still free and at most a pixel away."""
    distance = np.abs(ours.boxes[:, None] - theirs["boxes"][None]).max(axis=2)  # (K, their K)
    distance[ours.labels[:, None] != theirs["labels"][None]] = np.inf
    pairs = []
    for i in range(len(ours)):
        j = int(distance[i].argmin()) if distance.shape[1] else 0
        if distance.shape[1] and distance[i, j] <= 1:
            pairs.append((i, j))
            distance[:, j] = np.inf
    return pairs


def require_equal(differences):
    """ArgumentError when the two disagree beyond the tolerances."""
    if differences:
        raise ArgumentError(f"the ONNX model and this one disagree: {differences}")
    return differences
