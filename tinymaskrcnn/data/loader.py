"""Scenes as a stream of batches: made when needed, never stored, generated ahead while the model computes.

Photographs with annotations come as the same kind of stream: see `coco.CocoStream`.
"""

import dataclasses
import functools
import math
from collections import deque
from itertools import count as counted_from

import numpy as np

from ..capacity import require
from ..config import to_dict
from ..errors import ArgumentError, ConfigError
from ..machine import thread_pool
from ..structures import Target, collate
from . import coco, digits, figures, mnist, pages, scenes, transforms
from .ink import to_ink
from .proposals.stream import attach_proposals
from .resizing import resized_size


def load_bank(source, data_dir=None):
    """The source digits called "digits" (embedded) or "mnist" (idx files in data_dir, or where `mnist.find` looks).

    "figures" are no digits, but stand in their place: see figures.py.
    """
    if source in ("digits", "figures"):
        return (digits if source == "digits" else figures).load()
    if source == "mnist":
        return mnist.load(data_dir)
    raise ConfigError(f"scenes.source must be 'digits', 'mnist' or 'figures'; got {source!r}")


class SceneStream:
    """An endless stream of scenes with random access: batch i is the same whenever and wherever it is asked for.

    A run that stopped after batch i therefore goes on with `batch(i + 1)`; there is no state to save. different: so
    many scenes come again and again, in another order every time; 0: all scenes differ. size: the height and width that
    scenes are resized to. ink: batches, and they alone, have what a model looks at that looks at ink (data/ink.py).
    """

    def __init__(self, config, *, split, seed, batch_size, data_dir=None, bank=None, different=0, size=None, ink=False):
        scenes.validate(config)
        if batch_size < 1:
            raise ArgumentError(f"SceneStream: batch_size must be at least 1; got {batch_size}")
        self.size = size or (config.image_size, config.image_size)
        numbers = batch_size * math.prod(self.size) * (3 if config.color else 1)
        require(4 * numbers, f"a batch of {batch_size} scenes", advice="; lower batch_size or scenes.image_size")
        self.config, self.split, self.seed, self.batch_size = config, split, seed, batch_size
        self.different, self.ink = different, ink
        self.proposals = None  # what finds them, where a model wants some: `proposals.stream`
        self.bank = bank if bank is not None else load_bank(config.source, data_dir)
        self.bank.members(split)  # an unknown split fails here, not in a background thread

    def number(self, i):
        """Which scene comes as number i of the stream."""
        if not self.different:
            return i
        epoch, place = divmod(i, self.different)
        return int(_order(self.different, self.seed, epoch)[place])

    def scene(self, i):
        """Scene i of the stream  ->  image (H, W, C) float32 in 0..1, Target"""
        image, target = self._draw(self.number(i))
        return (image, target) if self.size == image.shape[:2] else transforms.scale(image, target, size=self.size)

    def _draw(self, number):
        make = pages.make_page if self.config.surface else scenes.make_scene
        return make(number, self.config, bank=self.bank, split=self.split, seed=self.seed)

    def whole(self, number):
        """The picture of a scene, by its own number: (H, W, C) float32 in 0..1"""
        return self._draw(number)[0]

    def carried(self, i, boxes):
        """Boxes (P, 4) in the whole picture, as they lie in number i of the stream."""
        whole = self.config.image_size, self.config.image_size
        if self.size == whole:
            return boxes
        target = Target(boxes, np.ones(len(boxes), np.int64))
        return transforms.scale(np.zeros((*whole, 0), np.float32), target, size=self.size)[1].boxes

    def about(self):
        """A table of all that the pictures depend on."""
        digest = self.bank.digest()
        return {"scenes": to_dict(self.config), "split": self.split, "seed": self.seed, "digits": digest}

    encoded = layout = scene  # a scene is small, and has to be made to be known; a picture's objects stand in a file

    def batch(self, i):
        """Scenes i * batch_size and following as one ImageBatch."""
        numbers = range(i * self.batch_size, (i + 1) * self.batch_size)
        images, targets = zip(*map(self.scene, numbers))
        images = [to_ink(image) for image in images] if self.ink else images
        given = self.proposals.given(numbers) if self.proposals else {}
        names = [f"{self.split} scene {self.number(n)}" for n in numbers]
        return dataclasses.replace(collate(images, targets, names=names), given=given)


@functools.lru_cache(maxsize=4)
def _order(count, seed, epoch):
    """The order in which `count` scenes come in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def open_stream(config, *, split, data_dir=None, parts=None, folder=None):
    """The stream of a split that a Config describes: annotated pictures where it names some, else generated scenes.

    parts: see `coco.open_coco`; scenes have all of them. folder: where proposals are kept, for a model that wants some.
    """
    if config.coco.annotations:
        stream = coco.open_coco(config, split=split, parts=parts)
        return attach_proposals(stream, config, split=split, folder=folder)
    train = config.train
    different = train.train_scenes if split == "train" else 0
    stated = {"split": split, "seed": train.seed, "batch_size": train.batch_size, "data_dir": data_dir}
    side = config.scenes.image_size
    size = resized_size(side, side, config.model) if split == "train" else None  # others are judged as they are
    stream = SceneStream(config.scenes, **stated, different=different, size=size, ink=config.model.ink)
    return attach_proposals(stream, config, split=split, folder=folder)


def prefetch(stream, *, start=0, count=None, depth=2):
    """Yield `stream.batch(start)`, `stream.batch(start + 1)`, ...: `count` of them, or without end.

    A background thread works ahead and keeps at most `depth` finished batches; the batches do not depend on depth. An
    exception in the thread is raised here, at its batch. Closing the iterator stops the thread after its current batch.
    Where no thread can be started, each batch is made when it is asked for.
    """
    if depth < 1:
        raise ArgumentError(f"prefetch: depth must be at least 1; got {depth}")
    return _prefetch(stream, start, count, depth)


def _prefetch(stream, start, count, depth):
    numbers = iter(range(start, start + count) if count is not None else counted_from(start))
    worker = thread_pool(1, "prefetch")
    if worker is None:
        yield from map(stream.batch, numbers)
        return
    ahead = deque()

    def order_next():
        for i in numbers:
            ahead.append(worker.submit(stream.batch, i))
            return

    try:
        for _ in range(depth):
            order_next()
        while ahead:
            batch = ahead.popleft().result()
            order_next()
            yield batch
    finally:
        worker.shutdown(wait=True, cancel_futures=True)
