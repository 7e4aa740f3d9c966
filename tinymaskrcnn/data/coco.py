"""Pictures and objects in COCO's format, as a stream of batches: only the index is kept, pictures are read when needed.

Pictures and annotations: `CocoDataset`. Order, resizing, flips and crops of a training run: `CocoStream`.
"""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import numpy as np

from ..counting import counted
from ..errors import ArgumentError, ConfigError, DataError
from ..files import read_lines
from ..structures import Target, collate
from . import pictures, polygons, transforms
from .coco_check import BACKGROUND, check_coco, fit_to_model
from .coco_selection import BrokenAnnotations, select
from .ink import to_ink
from .resizing import resized_size
from .spans import SpanBatch, Spans

__all__ = ["BrokenAnnotations", "CocoDataset", "CocoStream", "class_list", "measure_pictures", "open_coco", "read_list"]

MOST_KEPT = 2  # reports: that of the training pictures, and that of the held-out ones
_REPORTS = {}  # (file, folder, stamp) -> Report, traces of what it found broken


class CocoDataset:
    """The index of a COCO file: which pictures, which objects, which classes.

    The label of a category is the place of its name in class_names: ids with gaps become labels without.
    category_ids[label] leads back (0 where a label has no category). Pictures are ordered by id, or as in a list.
    offers: which of "box", "mask" and "keypoint" the objects of the file have; parts: those that are in use;
    notes: sentences about what was left out.
    """

    def __init__(self, report, folder, *, class_names=None, **asked):
        chosen = select(report, folder, names=class_names, **asked)
        self.path, self.folder = report.path, Path(folder)
        self.class_names = tuple(class_names) if class_names is not None else class_list(report)
        places = {name: label for label, name in enumerate(self.class_names) if label}
        self.labels = {c.id: places[c.name] for c in report.categories.values() if c.name in places}
        ids = dict(zip(self.labels.values(), self.labels))
        self.category_ids = tuple(ids.get(label, 0) for label in range(len(self.class_names)))
        self.pictures, self.objects, self.notes = chosen.pictures, chosen.objects, chosen.notes
        self.offers, self.parts, self.has_masks = report.parts, chosen.parts, "mask" in chosen.parts
        named = (c.keypoints for c in report.categories.values() if c.keypoints)
        self.keypoint_names = next(named, ()) if "keypoint" in (*self.offers, *self.parts) else ()

    @classmethod
    def open(cls, path, folder, *, model=None, **asked):
        """Check a file and index it; BrokenAnnotations shows what is wrong with what is asked for.

        model: a ModelConfig, whose size no picture may be too thin for. asked: class_names, and what
        `coco_selection.select` takes: parts, wanted, skip_broken, learn.
        """
        report = _checked(path, folder)
        return cls(report if model is None else fit_to_model(report, model), folder, **asked)

    def __len__(self):
        return len(self.pictures)

    def name(self, i):
        """The file name of picture i."""
        return self.pictures[i].file_name

    def image(self, i, *, channels=3):
        """Picture i  ->  image (H, W, C) float32 in 0..1

        Its EXIF orientation is applied when that gives the height and width of the annotations.
        """
        return pictures.to_float(self.pixels(i, channels=channels))

    def pixels(self, i, *, channels=3):
        """Picture i as `pictures.read_pixels` reads it: pixels (H, W, C)."""
        picture = self.pictures[i]
        try:
            pixels = pictures.read_pixels(self.folder / picture.file_name, channels, upright=picture.upright)
        except DataError as error:  # of many pictures, only the headers were read
            raise DataError(f"{error}. All such pictures: tinymaskrcnn data check --decode") from error
        if pixels.shape[:2] != (picture.height, picture.width):
            raise DataError(f"{self.folder / picture.file_name}: has changed its size since it was checked")
        return pixels

    def target(self, i):
        """The objects of picture i as a Target; masks and keypoints are None when the file has none."""
        target = self.outlines(i)
        return target if target.masks is None else dataclasses.replace(target, masks=target.masks.decode())

    def outlines(self, i, *, masks=True):
        """The same Target with its masks as Spans, which no number of pixels makes large, or without them."""
        picture = self.pictures[i]
        objects = self.objects[picture.id]
        size = picture.height, picture.width
        spans = keypoints = None
        if self.has_masks and masks:
            codes = polygons.segmentations_to_rles([entry.segmentation for entry in objects], size=size)
            spans = Spans.from_rles(codes, size=size)
        if "keypoint" in self.parts:
            keypoints = np.zeros((len(objects), len(self.keypoint_names), 3), np.float32)
            for k, entry in enumerate(objects):
                keypoints[k] = 0 if entry.keypoints is None else entry.keypoints
        return Target(
            np.array([entry.box for entry in objects], np.float32).reshape(-1, 4),
            np.array([self.labels[entry.category] for entry in objects], np.int64),
            spans,
            np.array([entry.crowd for entry in objects], bool),
            keypoints,
            _areas(objects, spans),
        )


def _checked(path, folder):
    """The report of a file; a large one takes a while, and is asked for more than once while a run starts.

    What is broken may be repaired at any time, pictures without a change of the file: then all is looked at again.
    """
    key = Path(path).resolve(), Path(folder).resolve(), _stamp(path)
    report, traces = _REPORTS.pop(key, (None, None))
    if report is None or traces != _traces(report, folder):
        report = check_coco(path, folder)
    _REPORTS[key] = report, _traces(report, folder)
    while len(_REPORTS) > MOST_KEPT:
        del _REPORTS[next(iter(_REPORTS))]
    return dataclasses.replace(report, path=str(path))  # as it is called now


def _traces(report, folder):
    """What changes when a picture that has a line in the report is repaired, or one that was missing arrives."""
    if report.ok:
        return None
    names = sorted({problem.picture for problem in report.problems})
    arrived = Path(folder).stat().st_mtime_ns if Path(folder).is_dir() else None
    return arrived, [_stamp(Path(folder) / name) for name in names]


def _stamp(path):
    if not Path(path).is_file():
        return None
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def class_list(report):
    """Class names of a file, background first, in the order of the categories' ids."""
    return (BACKGROUND, *(report.categories[key].name for key in sorted(report.categories)))


def _areas(objects, masks):
    """The annotations' areas (M,); where one has none that of the mask, or of the box."""
    measured = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (entry.box for entry in objects)]
    measured = measured if masks is None else masks.areas()
    given = [entry.area for entry in objects]
    return np.array([value if area is None else area for area, value in zip(given, measured)], np.float64)


def read_list(path):
    """A text file with one file name or id per line, as `CocoDataset.open` takes it for wanted."""
    return read_lines(path)


class CocoStream:
    """The pictures of a dataset as an endless stream with random access, like `loader.SceneStream`.

    Picture i of the stream is the same whenever it is asked for: its place in the order, its flip and its window follow
    from (seed, i). Every pass over the data, an epoch, has an order of its own. Pictures have the size and the channels
    that a ModelConfig asks for. With augment False they come as the dataset has them: in its order, whole, not resized.
    """

    def __init__(self, dataset, model, config, *, batch_size, seed, augment):
        if batch_size < 1:
            raise ArgumentError(f"CocoStream: batch_size must be at least 1; got {batch_size}")
        given = {"mask": dataset.has_masks, "keypoint": "keypoint" in dataset.parts}
        for part in given if augment else ():  # what is not there cannot be learned; it need not be judged
            if part in model.heads and not given[part]:
                advice = f"train without the {part} head (model.heads)"
                raise ConfigError(f"{dataset.path}: no object has a {part}; {advice}")
        if "keypoint" in model.heads and given["keypoint"] and len(dataset.keypoint_names) != model.roi.num_keypoints:
            raise ConfigError(
                f"{dataset.path}: its categories name {len(dataset.keypoint_names)} keypoints; "
                f"the model has {model.roi.num_keypoints} (model.roi.num_keypoints)"
            )
        self.dataset, self.model, self.config = dataset, model, config
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.proposals = None  # what finds them, where a model wants some: `proposals.stream`
        self.keypoint_order = transforms.mirrored_order(dataset.keypoint_names)
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)  # of this epoch and, read ahead, the next

    def __len__(self):
        """Pictures per epoch."""
        return len(self.dataset)

    def _shuffled(self, epoch):
        return np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.dataset))

    def number(self, i):
        """Which picture of the dataset comes as number i of the stream."""
        epoch, place = divmod(i, len(self.dataset))
        return int(self._order(epoch)[place]) if self.augment else place

    def scene(self, i):
        """Picture i of the stream  ->  image (H, W, C) float32 in 0..1, Target"""
        image, target = self._outlined(i)
        return image, target if target.masks is None else dataclasses.replace(target, masks=target.masks.decode())

    def _outlined(self, i):
        """The same with masks as Spans."""
        number = self.number(i)
        image = self.dataset.pixels(number, channels=self.model.backbone.in_channels)
        target = self.dataset.outlines(number)
        if self.augment:
            image, target = self._augmented(image, target, rng=np.random.default_rng([self.seed, 1, i]))
        image = pictures.to_float(image)
        return to_ink(image) if self.augment and self.model.ink else image, target

    def encoded(self, i):
        """Picture i whole, as `scene` without augment gives it, but with its masks as a list of RLE.

        ->  image (H, W, C) float32 in 0..1, Target
        """
        number = self.number(i)
        image = self.dataset.image(number, channels=self.model.backbone.in_channels)
        target = self.dataset.outlines(number)
        return image, target if target.masks is None else dataclasses.replace(target, masks=target.masks.to_rles())

    def layout(self, i):
        """Size and boxes of picture i of the stream, for which no picture is read and no mask made.

        ->  image (H, W, 0), Target without masks
        """
        number = self.number(i)
        picture, target = self.dataset.pictures[number], self.dataset.outlines(number, masks=bool(self.config.crop))
        image = np.zeros((picture.height, picture.width, 0), np.uint8)
        if self.augment:
            image, target = self._augmented(image, target, rng=np.random.default_rng([self.seed, 1, i]))
        return image, dataclasses.replace(target, masks=None)

    def whole(self, number):
        """Picture `number` of the dataset as it is: (H, W, C) float32 in 0..1"""
        return self.dataset.image(number, channels=self.model.backbone.in_channels)

    def carried(self, i, boxes):
        """Boxes (P, 4) in the whole picture, as they lie in picture i of the stream: mirrored, cut and resized alike.

        ->  boxes (P', 4) float32; those that are cut off are left out
        """
        if not self.augment:
            return boxes
        picture = self.dataset.pictures[self.number(i)]
        image = np.zeros((picture.height, picture.width, 0), np.uint8)
        target = Target(boxes, np.ones(len(boxes), np.int64))
        return self._augmented(image, target, rng=np.random.default_rng([self.seed, 1, i]))[1].boxes

    def about(self):
        """A table of all that the pictures depend on."""
        files = [(self.dataset.folder / picture.file_name).stat().st_size for picture in self.dataset.pictures]
        seen = [(p.id, p.file_name, p.height, p.width, size) for p, size in zip(self.dataset.pictures, files)]
        digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]
        channels = self.model.backbone.in_channels
        return {"pictures": len(seen), "digest": digest, "channels": channels}

    def _augmented(self, image, target, *, rng):
        """Flipped, cut and resized: masks are spans and pixels are bytes until the window is known."""
        image, target = transforms.random_flip(
            image, target, rng=rng, probability=self.config.flip, keypoint_order=self.keypoint_order
        )
        whole, size = image.shape[:2], resized_size(*image.shape[:2], self.model)
        if window := self.config.crop:  # before resizing, so that only what is kept is resized
            image, target = transforms.random_crop(image, target, size=(window, window), rng=rng)
            size = tuple(max(1, round(side * new / old)) for side, new, old in zip(image.shape[:2], size, whole))
        image = pictures.to_float(image)
        return transforms.scale(image, target, size=size) if size != image.shape[:2] else (image, target)

    def batch(self, i):
        """Pictures i * batch_size and following as one ImageBatch, named by their files; its masks are a SpanBatch."""
        numbers = range(i * self.batch_size, (i + 1) * self.batch_size)
        images, targets = zip(*map(self._outlined, numbers))
        names = [self.dataset.name(self.number(n)) for n in numbers]
        bare = [dataclasses.replace(target, masks=None) for target in targets]
        batch = collate(images, bare, names=names, num_classes=len(self.dataset.class_names))
        batch = dataclasses.replace(batch, given=self.proposals.given(numbers)) if self.proposals else batch
        if not self.dataset.has_masks:
            return batch
        learned = [target.masks[np.flatnonzero(~target.crowd)] for target in targets]  # the rows that collate keeps
        masks = SpanBatch(learned, (*batch.targets.valid.shape, *batch.images.shape[1:3]))
        return dataclasses.replace(batch, targets=dataclasses.replace(batch.targets, masks=masks))


def open_coco(config, *, split, parts=None):
    """The stream of a split that a Config describes: "train" is drawn at random, every other split is evaluated.

    Without pictures of its own (val_annotations, val_list) the evaluation sees those of the training. parts of objects
    that are asked for: those that the model's heads learn, or are judged by, unless told otherwise.
    """
    files, train, learn = config.coco, config.train, split == "train"
    path, folder, chosen = files.annotations, files.images, files.train_list
    if not learn and (files.val_annotations or files.val_list):
        path, folder, chosen = files.val_annotations or path, files.val_images or folder, files.val_list
    dataset = CocoDataset.open(
        path,
        folder,
        model=config.model,
        class_names=config.model.class_names,
        parts=parts or config.model.heads,
        wanted=read_list(chosen) if chosen else None,
        skip_broken=files.skip_broken,
        learn=learn,
    )
    heads = tuple(head for head in config.model.heads if parts is None or head in ("box", *parts))
    model = dataclasses.replace(config.model, heads=heads)
    return CocoStream(dataset, model, files, batch_size=train.batch_size, seed=train.seed, augment=learn)


BAND = 256  # rows of a picture that are measured together


def measure_pictures(dataset, *, most=50):
    """What a model that is trained from scratch wants to know about its pictures, from some of them.

    ->  channels (1 when all of them are grey), mean and standard deviation per channel
    """
    chosen = np.unique(np.linspace(0, len(dataset) - 1, most).round().astype(int))
    sums, grey = np.zeros((3, 3)), True
    for i in counted(chosen.tolist(), label="measuring pictures"):
        whole = dataset.pixels(i, channels=3)
        for top in range(0, len(whole), BAND):
            pixels = pictures.to_float(whole[top : top + BAND]).reshape(-1, 3).astype(np.float64)
            grey = grey and bool((pixels == pixels[:, :1]).all())
            sums += np.stack([np.full(3, len(pixels)), pixels.sum(axis=0), (pixels**2).sum(axis=0)])
    count, total, squares = sums
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-10))
    channels = 1 if grey else 3
    return channels, *(tuple(float(f"{v:.4g}") for v in values[:channels]) for values in (mean, std))
