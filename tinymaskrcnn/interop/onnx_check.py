"""Does an exported model say the same? Its answers in onnxruntime beside those of `detect`, picture by picture."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..data.ink import to_ink
from ..data.resizing import resize_to_config
from ..errors import ArgumentError, ConfigError
from ..structures import check_pictures, collate

# Tolerances: pixels, probability, share of a picture's pixels. Of two places that are equally likely a keypoint may
# take either, so one in a hundred may lie elsewhere.
BOXES, SCORES, MASKS, KEYPOINTS = 1e-2, 1e-4, 1e-3, 1e-2


@dataclass(frozen=True)
class Differences:
    """The largest differences over some pictures.

    `unpaired` counts detections that only one side made, `moved` keypoints more than BOXES pixels apart.
    """

    pictures: int = 0
    detections: int = 0
    unpaired: int = 0
    keypoints: int = 0
    moved: int = 0
    boxes: float = 0.0
    scores: float = 0.0
    masks: float = 0.0

    def __bool__(self):
        """Whether something differs by more than float32 explains."""
        return (
            self.unpaired > 0
            or self.boxes > BOXES
            or self.scores > SCORES
            or self.masks > MASKS
            or self.moved > max(1, KEYPOINTS * self.keypoints)
        )

    def __str__(self):
        text = (
            f"{self.pictures} pictures, {self.detections} detections, {self.unpaired} without a partner; largest "
            f"differences: boxes {self.boxes:.1e} px (allowed {BOXES:.0e}), scores {self.scores:.1e} ({SCORES:.0e}), "
            f"masks {self.masks:.1e} of the pixels ({MASKS:.0e})"
        )
        return text + (f"; {self.moved} of {self.keypoints} keypoints elsewhere" if self.keypoints else "")

    def join(self, other):
        """Both together: counts added, the larger differences."""
        values = {}
        for field in dataclasses.fields(self):
            mine, its = getattr(self, field.name), getattr(other, field.name)
            values[field.name] = mine + its if field.type is int else max(mine, its)
        return Differences(**values)


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
    for image in check_pictures(images, channels=model.config.backbone.in_channels):
        given = to_ink(image) if model.config.ink else image  # which the file's metadata ask its user for
        theirs = dict(zip(names, session.run(names, {"image": given})))
        total = total.join(compare_detections(detect(model, image), theirs))
    return total


def detect(model, image):
    """The Detections of one picture (H, W, C) of any size, in its own pixels."""
    batch = collate([resize_to_config(image, model.config)])
    images = batch.images.astype(model.parameters()[0].value.dtype, copy=False)
    [found] = model.detect(images, sizes=batch.sizes, original_sizes=np.array([image.shape[:2]]))
    return found


def compare_detections(ours, theirs):
    """Detections beside {"boxes", "labels", "scores", maybe "masks"}, whose order may differ among equal scores."""
    pairs = _pair(ours, theirs)
    unpaired = len(ours) + len(theirs["boxes"]) - 2 * len(pairs)
    i, j = np.array(pairs, int).reshape(-1, 2).T
    masks, moved = 0.0, np.zeros(0, bool)
    if ours.masks is not None:
        masks = (ours.masks[i] != theirs["masks"][j]).mean(axis=(1, 2)).max(initial=0)
    if ours.keypoints is not None:
        moved = np.abs(ours.keypoints[i] - theirs["keypoints"][j])[..., :2].max(axis=2) > BOXES
    return Differences(
        pictures=1,
        detections=len(ours),
        unpaired=unpaired,
        boxes=float(np.abs(ours.boxes[i] - theirs["boxes"][j]).max(initial=0)),
        scores=float(np.abs(ours.scores[i] - theirs["scores"][j]).max(initial=0)),
        masks=float(masks),
        keypoints=moved.size,
        moved=int(moved.sum()),
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
