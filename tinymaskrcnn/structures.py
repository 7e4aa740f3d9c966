"""Frozen dataclasses of plain arrays: what travels between the data, the model and the evaluation."""

from dataclasses import dataclass, field, fields

import numpy as np

from .devices import to_device
from .errors import ArgumentError, DtypeError, ShapeError


@dataclass(frozen=True)
class Target:
    """The objects of one image.

    boxes (M, 4) float32 as x1, y1, x2, y2 in pixels, labels (M,) integer in 1 .. num_classes-1 (0 is background),
    masks (M, H, W) bool, or uint8 of 0 and 1, or None where data has boxes or keypoints only (see `lacks`); to judge
    and to draw, a list of M run-length encoded masks will do. An image without objects has M = 0. `crowd` (M,) bool
    marks regions of many objects, which are ignored in training and handled in evaluation. keypoints (M, J, 3)
    float32 as x, y, visibility (0 absent, 1 hidden, 2 visible). areas (M,) float: the annotation's own area in pixels,
    which evaluation prefers to the mask's.
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None
    crowd: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    areas: np.ndarray | None = None

    def __len__(self):
        return len(self.boxes)

    def validate(self, *, height, width, num_classes=None, image="image"):
        """Raise one clear error, naming image and box, unless all arrays are sound and agree."""
        self._check_arrays(image)
        self._check_masks(image, height, width)
        self._check_keypoints(image)
        if self.areas is not None and not (np.isfinite(self.areas) & (self.areas >= 0)).all():
            raise ArgumentError(f"{image}: areas must be finite and at least 0; got {self.areas.tolist()}")
        for i, box in enumerate(self.boxes):
            where = f"{image}, box {i}"
            given = [round(float(v), 3) for v in box]
            if not np.isfinite(box).all():
                raise ArgumentError(f"{where}: coordinates must be finite; got {given}")
            if box[2] <= box[0] or box[3] <= box[1]:
                raise ArgumentError(f"{where}: needs x2 > x1 and y2 > y1; got x1, y1, x2, y2 = {given}")
            if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
                raise ArgumentError(f"{where}: lies outside the image of {width}x{height} pixels; got {given}")
        if len(self.labels) and self.labels.min() < 1:
            raise ArgumentError(f"{image}: labels start at 1 (0 is background); got {int(self.labels.min())}")
        if num_classes is not None and len(self.labels) and self.labels.max() >= num_classes:
            raise ArgumentError(
                f"{image}: labels must be below num_classes = {num_classes} (which counts background); "
                f"got {int(self.labels.max())}"
            )
        return self

    def _check_masks(self, image, height, width):
        if self.masks is None:
            return
        if self.masks.shape[1:] != (height, width):
            raise ShapeError(
                f"{image}: masks must be (M, H, W) = (M, {height}, {width}) like the image; got {self.masks.shape}"
            )
        if self.masks.dtype != bool and self.masks.size and self.masks.max() > 1:
            raise ArgumentError(f"{image}: masks must be 0 outside and 1 inside; got values up to {self.masks.max()}")

    def _check_keypoints(self, image):
        if self.keypoints is None:
            return
        if self.keypoints.shape[2] != 3:
            raise ShapeError(f"{image}: keypoints must be (M, J, 3) as x, y, visibility; got {self.keypoints.shape}")
        broken = np.argwhere(~np.isfinite(self.keypoints).all(axis=2))
        if len(broken):
            k, j = broken[0]
            raise ArgumentError(
                f"{image}, box {k}, keypoint {j}: must be finite; got {[float(v) for v in self.keypoints[k, j]]}"
            )
        strange = np.argwhere(~np.isin(self.keypoints[..., 2], (0, 1, 2)))
        if len(strange):
            k, j = strange[0]
            raise ArgumentError(
                f"{image}, box {k}, keypoint {j}: visibility must be 0 (absent), 1 (hidden) or 2 (visible); "
                f"got {float(self.keypoints[k, j, 2])}"
            )

    def _check_arrays(self, image):
        """Number of axes, kind of number, and as many rows everywhere."""
        arrays = {"boxes": (self.boxes, 2, "f"), "labels": (self.labels, 1, "iu")}
        for name, axes, kinds in (("masks", 3, "bu"), ("crowd", 1, "b"), ("keypoints", 3, "f"), ("areas", 1, "f")):
            if getattr(self, name) is not None:
                arrays[name] = (getattr(self, name), axes, kinds)
        wanted = {"f": "floats", "iu": "integers", "bu": "booleans or uint8", "b": "booleans"}
        for name, (array, axes, kinds) in arrays.items():
            if not isinstance(array, np.ndarray):
                raise DtypeError(f"{image}: {name} must be a NumPy array; got {type(array).__name__}")
            if array.ndim != axes:
                raise ShapeError(f"{image}: {name} must have {axes} axes, objects first; got shape {array.shape}")
            if array.dtype.kind not in kinds:
                raise DtypeError(f"{image}: {name} must hold {wanted[kinds]}; got {array.dtype}")
        if self.boxes.shape[1] != 4:
            raise ShapeError(f"{image}: boxes must be (M, 4); got {self.boxes.shape}")
        counts = {name: len(array) for name, (array, _, _) in arrays.items()}
        if len(set(counts.values())) > 1:
            raise ShapeError(f"{image}: all arrays must count the same objects; got {counts}")


def lacks(record, part):
    """Whether the objects of a Target, or what Detections found, come without the part "masks" or "keypoints".

    None says that the data has none of this kind. Without an object nothing is missing, whether None or an empty array.
    """
    return getattr(record, part) is None and len(record) > 0


@dataclass(frozen=True)
class TargetBatch:
    """The objects of N images, padded to the same M so that no shape depends on the data.

    boxes (N, M, 4), labels (N, M), masks (N, M, H, W) uint8 or None, keypoints (N, M, J, 3) or None; valid (N, M) bool
    is False where a row is padding (its box and keypoints are all zeros, its label 0). M is at least 1, so that an
    argmax over objects always exists. Masks may be what stands for such an array (`data.spans.SpanBatch`).
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    valid: np.ndarray
    keypoints: np.ndarray | None = None

    def to_device(self, device):
        return TargetBatch(*(_moved(getattr(self, part.name), device) for part in fields(self)))


def _moved(array, device):
    """An array, None, or what stands for an array and knows its own way."""
    if hasattr(array, "moved_to"):
        return array.moved_to(device)
    return None if array is None else to_device(array, device)


@dataclass(frozen=True)
class ImageBatch:
    """N images padded to one size, with their true sizes and, when known, their objects.

    images (N, H, W, C) float32 in 0..1 (the model normalises), sizes (N, 2) as height, width before padding. given:
    what else a model wants by name, arrays with N rows: "proposals" (N, P, 4) and "proposals_valid" (N, P) bool.
    """

    images: np.ndarray
    sizes: np.ndarray
    targets: TargetBatch | None = None
    names: tuple = field(default=())
    given: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.images)

    def to_device(self, device):
        targets = self.targets.to_device(device) if self.targets is not None else None
        given = {name: to_device(array, device) for name, array in self.given.items()}
        return ImageBatch(to_device(self.images, device), to_device(self.sizes, device), targets, self.names, given)


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best score first.

    boxes (K, 4) in pixels, labels (K,) integer, scores (K,) in 0..1, masks (K, H, W) bool or a list of K run-length
    encoded ones (or None when not asked for), keypoints (K, J, 3) as x, y in pixels and a score that has no upper limit
    (or None), mask_scores (K,) in 0..1 by which masks are ranked (None: by the scores, as boxes are).
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    mask_scores: np.ndarray | None = None

    def __len__(self):
        return len(self.boxes)

    def scores_of(self, iou_type):
        """The scores (K,) that rank what is compared: "bbox", "segm" or "keypoints"."""
        own = self.mask_scores if iou_type == "segm" else None
        return self.scores if own is None else own

    def select(self, rows):
        """Some of the detections, in the order of rows (n,) int, or where rows (K,) bool says so."""
        numbers = np.arange(len(self))[rows]
        parts = {}
        for name, values in vars(self).items():
            parts[name] = [values[k] for k in numbers] if isinstance(values, list) else values
            parts[name] = values[numbers] if hasattr(values, "dtype") else parts[name]
        return Detections(**parts)


def check_image(image, *, name="image", channels=None):
    """Raise unless image is a finite (H, W, C) float array with at least one pixel; returns it as float32."""
    if not hasattr(getattr(image, "dtype", None), "kind"):
        raise DtypeError(f"{name}: must be an array (H, W, C); got {type(image).__name__}{_hint(image)}")
    if image.dtype.kind != "f":
        raise DtypeError(f"{name}: pixels must be floats in 0..1; got {image.dtype}. Divide uint8 pixels by 255.")
    if image.ndim != 3 or 0 in image.shape:
        more = ". A grey picture needs an axis: image[:, :, None]" if image.ndim == 2 and image.size else ""
        raise ShapeError(f"{name}: must be (H, W, C) with at least one pixel; got shape {tuple(image.shape)}{more}")
    if channels is not None and image.shape[2] != channels:
        raise ShapeError(f"{name}: must have {channels} channel(s); got {image.shape[2]}{_axes(image, channels)}")
    if not np.isfinite(image).all():
        bad = np.argwhere(~np.isfinite(image))
        raise ArgumentError(
            f"{name}: {len(bad)} pixel value(s) are NaN or infinite, first at (y, x, c) = {tuple(bad[0].tolist())}"
        )
    return image.astype(np.float32, copy=False)


def _hint(given):
    """How what is no array becomes a picture."""
    if isinstance(given, (str, bytes)) or hasattr(given, "__fspath__"):
        return ". Read a file with tinymaskrcnn.read_image(path, channels)"
    if hasattr(given, "convert") and hasattr(given, "mode"):  # of PIL
        return ". np.asarray(picture) / 255 is an array; read_image(path, channels) reads a file"
    return ". tensor.numpy() is an array" if hasattr(given, "numpy") else ""


def _axes(image, channels):
    """What a picture with another number of channels seems to be."""
    if image.shape[0] == channels:
        return f", in shape {tuple(image.shape)}. Channels stand last: image.transpose(1, 2, 0)"
    if (image.shape[2], channels) == (3, 1):
        return ". A colour picture becomes grey with image.mean(axis=2, keepdims=True), or read_image(path, channels=1)"
    if (image.shape[2], channels) == (1, 3):
        return ". A grey picture gets three with np.repeat(image, 3, axis=2), or read_image(path, channels=3)"
    return f", in shape {tuple(image.shape)}"


def check_pictures(images, *, channels):
    """The float32 arrays of pictures (H, W, channels) in 0..1 to look at; an error says which is none, and why.

    Rounding and resizing may overshoot a little: a tenth on either side is let through.
    """
    several = hasattr(images, "__iter__") and not isinstance(images, (str, bytes)) and not hasattr(images, "convert")
    if not several or getattr(images, "ndim", 4) < 4:
        given = f"an array of shape {tuple(images.shape)}" if hasattr(images, "shape") else type(images).__name__
        raise ShapeError(f"images must be a list of pictures (H, W, C); got {given}. One picture: [image]")
    checked = []
    for i, image in enumerate(images):
        image = check_image(image, name=f"image {i}", channels=channels)
        low, high = float(image.min()), float(image.max())
        if low < -0.1 or high > 1.1:
            bytes_like = low >= 0 and 1.1 < high <= 255
            more = ". Divide by 255" if bytes_like else ". The model normalises by itself" if low < 0 else ""
            raise ArgumentError(f"image {i}: pixels must lie in 0..1; got {low:g} to {high:g}{more}")
        checked.append(image)
    return checked


def collate(images, targets=None, *, divisor=32, num_classes=None, names=()):
    """Pad a list of (H, W, C) images, and their Targets, into one ImageBatch whose sides are multiples of `divisor`.

    Every image and target is validated here, at the door: errors name the image by `names` or by its position.
    """
    names = tuple(names) or tuple(f"image {i}" for i in range(len(images)))
    if len(images) == 0:
        raise ArgumentError("collate: a batch needs at least one image; got an empty list")
    if targets is not None and len(targets) != len(images):
        raise ShapeError(f"collate: {len(images)} images came with {len(targets)} targets")
    if len(names) != len(images):
        raise ShapeError(f"collate: {len(images)} images came with {len(names)} names")
    channels = images[0].shape[2] if getattr(images[0], "ndim", 0) == 3 else None
    images = [check_image(image, name=name, channels=channels) for image, name in zip(images, names)]
    sizes = np.array([image.shape[:2] for image in images], np.int64)
    height, width = (-(-int(side) // divisor) * divisor for side in sizes.max(axis=0))
    padded = np.zeros((len(images), height, width, channels), np.float32)
    for n, image in enumerate(images):
        padded[n, : image.shape[0], : image.shape[1]] = image
    batch = None
    if targets is not None:
        for n, target in enumerate(targets):
            target.validate(height=int(sizes[n, 0]), width=int(sizes[n, 1]), num_classes=num_classes, image=names[n])
        batch = _pad_targets(targets, height, width, names)
    return ImageBatch(padded, sizes, batch, names)


def _pad_targets(targets, height, width, names):
    kept = [np.flatnonzero(~t.crowd) if t.crowd is not None else np.arange(len(t)) for t in targets]
    n, m = len(targets), max(1, *(len(k) for k in kept))
    boxes = np.zeros((n, m, 4), np.float32)
    labels = np.zeros((n, m), np.int64)
    masks = np.zeros((n, m, height, width), np.uint8) if _all_have("masks", targets, names) else None
    keypoints = None
    if _all_have("keypoints", targets, names):
        keypoints = np.zeros((n, m, _count_keypoints(targets, names), 3), np.float32)
    valid = np.zeros((n, m), bool)
    for i, (target, rows) in enumerate(zip(targets, kept)):
        boxes[i, : len(rows)] = target.boxes[rows]
        labels[i, : len(rows)] = target.labels[rows]
        if masks is not None and len(rows):
            h, w = target.masks.shape[1:]
            masks[i, : len(rows), :h, :w] = target.masks[rows]
        if keypoints is not None and len(rows):
            keypoints[i, : len(rows)] = target.keypoints[rows]
        valid[i, : len(rows)] = True
    return TargetBatch(boxes, labels, masks, valid, keypoints)


def _all_have(entry, targets, names):
    """Whether the targets of a batch have masks, or keypoints: all or none; one without objects agrees with both."""
    having = {not lacks(t, entry) for t in targets if len(t)}
    if len(having) > 1:
        without = next(name for t, name in zip(targets, names) if lacks(t, entry))
        raise ArgumentError(f"collate: {without} has no {entry}, other images of the batch do; give all or none")
    return having == {True} or (not having and all(getattr(t, entry) is not None for t in targets))


def _count_keypoints(targets, names):
    """J, the number of keypoint types, the same for all objects."""
    counts = {name: t.keypoints.shape[1] for t, name in zip(targets, names) if t.keypoints is not None}
    if len(set(counts.values())) > 1:
        raise ShapeError(f"collate: keypoints (M, J, 3) must have the same J in all images; got {counts}")
    return next(iter(counts.values()))
