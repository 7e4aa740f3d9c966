"""A rank's part of every batch: its own pictures, padded and drawn for as if the others were there."""

import dataclasses

import numpy as np

from ...backend import array_module
from ...errors import ConfigError


class RankStream:
    """A stream that makes of each batch only the pictures of one rank: N / size of them, one after the other.

    Which pictures batch i has does not depend on how many ranks there are: picture k of it is number i * N + k of the
    whole stream.
    """

    def __init__(self, stream, ranks):
        if stream.batch_size % ranks.size:
            raise ConfigError(
                f"train.batch_size must be a multiple of the {ranks.size} ranks, which share each batch; "
                f"got {stream.batch_size}"
            )
        self.stream, self.ranks = stream, ranks
        self.part = _with_batch_size(stream, stream.batch_size // ranks.size)

    def batch(self, i):
        return self.part.batch(i * self.ranks.size + self.ranks.rank)


def _with_batch_size(stream, batch_size):
    """A stream of the same pictures in smaller batches."""
    part = _copied(stream, batch_size=batch_size)
    if part.proposals is not None:
        part.proposals = _copied(part.proposals, stream=part)
    return part


def _copied(thing, **changed):
    copy = object.__new__(type(thing))
    vars(copy).update(vars(thing) | changed)
    return copy


def evened(batch, ranks):
    """An ImageBatch padded to the largest picture and the most objects that any rank has in its own.

    What is padded counts nowhere but in the sizes of arrays: of maps, over which a batch norm takes its mean, and of
    random draws.
    """
    n, height, width, _ = batch.images.shape
    m = batch.targets.valid.shape[1]
    height, width, m = np.max(ranks.everybody(np.array([height, width, m])), axis=0).tolist()
    targets = batch.targets
    changed = {name: _grown(getattr(targets, name), n, m) for name in ("boxes", "labels", "valid", "keypoints")}
    changed["masks"] = _grown(targets.masks, n, m, height, width)
    images = _grown(batch.images, n, height, width)
    return dataclasses.replace(batch, images=images, targets=dataclasses.replace(targets, **changed))


def _grown(array, *shape):
    """An array with zeros behind its first axes where these are shorter than asked for."""
    if array is None or tuple(array.shape[: len(shape)]) == shape:
        return array
    if hasattr(array, "grown"):  # what stands for an array, and knows its own way
        return array.grown(*shape)
    grown = array_module(array).zeros((*shape, *array.shape[len(shape) :]), array.dtype)
    grown[tuple(slice(length) for length in array.shape)] = array
    return grown


class RankRandom:
    """The draws of a rank's rows, out of those that one process would have made for the whole batch.

    generator: one of PCG64, whose draws can be passed over. Every draw has one row for each picture.
    """

    def __init__(self, generator, ranks):
        self.generator, self.ranks = generator, ranks

    def random(self, shape):
        """Numbers in [0, 1): shape (n, ...), n pictures of this rank out of n * size of all."""
        count, rank = int(np.prod(shape)), self.ranks.rank
        self._pass_over(count * rank)
        drawn = self.generator.random(shape)
        self._pass_over(count * (self.ranks.size - 1 - rank))
        return drawn

    def _pass_over(self, count):
        self.generator.bit_generator.advance(count)
