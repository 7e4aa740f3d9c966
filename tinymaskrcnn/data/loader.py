"""Scenes as a stream of batches: made when needed, never stored, generated ahead while the model computes.

Photographs with annotations come as the same kind of stream: see `coco.CocoStream`.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counted_from

from ..capacity import require
from ..errors import ArgumentError, ConfigError
from ..structures import collate
from . import coco, digits, mnist, scenes


def load_bank(source, data_dir=None):
    """The source digits called "digits" (embedded) or "mnist" (idx files in data_dir, or where `mnist.find` looks)."""
    if source == "digits":
        return digits.load()
    if source == "mnist":
        return mnist.load(data_dir)
    raise ConfigError(f"scenes.source must be 'digits' or 'mnist'; got {source!r}")


class SceneStream:
    """An endless stream of scenes with random access: batch i is the same whenever and wherever it is asked for.

    A run that stopped after batch i therefore goes on with `batch(i + 1)`; there is no state to save.
    """

    def __init__(self, config, *, split, seed, batch_size, data_dir=None, bank=None):
        scenes.validate(config)
        if batch_size < 1:
            raise ArgumentError(f"SceneStream: batch_size must be at least 1; got {batch_size}")
        numbers = batch_size * config.image_size**2 * (3 if config.color else 1)
        require(4 * numbers, f"a batch of {batch_size} scenes", advice="; lower batch_size or scenes.image_size")
        self.config, self.split, self.seed, self.batch_size = config, split, seed, batch_size
        self.bank = bank if bank is not None else load_bank(config.source, data_dir)
        self.bank.members(split)  # an unknown split fails here, not in a background thread

    def scene(self, i):
        """Scene i  ->  image (H, W, C) float32 in 0..1, Target"""
        return scenes.make_scene(i, self.config, bank=self.bank, split=self.split, seed=self.seed)

    encoded = layout = scene  # a scene is small, and has to be made to be known; a picture's objects stand in a file

    def batch(self, i):
        """Scenes i * batch_size and following as one ImageBatch."""
        numbers = range(i * self.batch_size, (i + 1) * self.batch_size)
        images, targets = zip(*map(self.scene, numbers))
        return collate(images, targets, names=[f"{self.split} scene {n}" for n in numbers])


def open_stream(config, *, split, data_dir=None, parts=None):
    """The stream of a split that a Config describes: annotated pictures where it names some, else generated scenes.

    parts: see `coco.open_coco`; scenes have all of them.
    """
    if config.coco.annotations:
        return coco.open_coco(config, split=split, parts=parts)
    train = config.train
    return SceneStream(config.scenes, split=split, seed=train.seed, batch_size=train.batch_size, data_dir=data_dir)


def prefetch(stream, *, start=0, count=None, depth=2):
    """Yield `stream.batch(start)`, `stream.batch(start + 1)`, ...: `count` of them, or without end.

    A background thread works ahead and keeps at most `depth` finished batches; the batches do not depend on depth. An
    exception in the thread is raised here, at its batch. Closing the iterator stops the thread after its current batch.
    """
    if depth < 1:
        raise ArgumentError(f"prefetch: depth must be at least 1; got {depth}")
    return _prefetch(stream, start, count, depth)


def _prefetch(stream, start, count, depth):
    numbers = iter(range(start, start + count) if count is not None else counted_from(start))
    worker = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
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
