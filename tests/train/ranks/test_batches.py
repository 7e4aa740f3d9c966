"""Which pictures and which draws a rank has: those of one process, cut into parts."""

import dataclasses
import types

import annotated
import numpy as np
import pytest

from tinymaskrcnn.config import CocoConfig, Config, SceneConfig, photograph_preset
from tinymaskrcnn.data.coco import CocoDataset, CocoStream
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.data.proposals.stream import StreamProposals
from tinymaskrcnn.data.spans import SpanBatch, Spans
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.structures import Target, collate
from tinymaskrcnn.train.ranks.batches import RankRandom, RankStream, evened
from tinymaskrcnn.train.ranks.communicator import Communicator

BOXES = np.array([[1, 1, 20, 20], [3, 2, 15, 22], [2, 5, 23, 23]], np.float32)


def rank_of(rank, size):
    ranks = Communicator()
    ranks.rank, ranks.size = rank, size
    return ranks


def test_the_pictures_of_all_ranks_are_those_of_the_batch():
    stream = SceneStream(SceneConfig(image_size=64), split="train", seed=3, batch_size=6, different=4)
    whole = stream.batch(5)
    parts = [RankStream(stream, rank_of(rank, 3)).batch(5) for rank in range(3)]
    assert stream.batch_size == 6 and [len(part) for part in parts] == [2, 2, 2]
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), whole.images)
    assert sum((part.names for part in parts), ()) == whole.names


def test_annotated_pictures_are_opened_by_one_rank_alone_and_their_proposals_come_along(threads, tmp_path, monkeypatch):
    dataset = CocoDataset.open(*annotated.write(tmp_path))
    model = dataclasses.replace(photograph_preset(dataset.class_names), resize_shorter=0, resize_longer=0)
    stream = CocoStream(dataset, model, CocoConfig(), batch_size=4, seed=1, augment=True)
    stream.proposals = StreamProposals(stream, types.SimpleNamespace(of=lambda number: BOXES[: 1 + number]), most=5)
    opened, pixels = [], dataset.pixels
    monkeypatch.setattr(dataset, "pixels", lambda i, **options: opened.append(i) or pixels(i, **options))
    whole = stream.batch(2)
    wanted = sorted(opened)
    opened.clear()
    parts = threads.on_ranks(2, lambda ranks: evened(RankStream(stream, ranks).batch(2), ranks))
    assert sorted(opened) == wanted and len(wanted) == 4
    for name in ("boxes", "labels", "masks", "valid"):
        together = np.concatenate([np.asarray(getattr(part.targets, name)) for part in parts])
        np.testing.assert_array_equal(together, np.asarray(getattr(whole.targets, name)), err_msg=name)
    for name in ("proposals", "proposals_valid"):
        np.testing.assert_array_equal(np.concatenate([part.given[name] for part in parts]), whole.given[name])
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), whole.images)


def test_a_batch_that_cannot_be_shared_is_refused():
    stream = SceneStream(Config().scenes, split="train", seed=0, batch_size=8)
    with pytest.raises(ConfigError, match="train.batch_size must be a multiple of the 3 ranks.*got 8"):
        RankStream(stream, rank_of(0, 3))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_draws_of_all_ranks_are_those_of_the_batch(size):
    whole = np.random.default_rng([3, 1])
    ranks = [RankRandom(np.random.default_rng([3, 1]), rank_of(rank, size)) for rank in range(size)]
    for shape in ((5,), (3, 2), (0,), (1,)):
        wanted = whole.random((4, *shape))
        got = np.concatenate([one.random((4 // size, *shape)) for one in ranks])
        np.testing.assert_array_equal(got, wanted)


def picture(height, width, objects, rng):
    corners = rng.integers(0, 10, (objects, 2)).astype(np.float32)
    masks = rng.random((objects, height, width)) < 0.3
    boxes = np.concatenate([corners, corners + 9], axis=1)
    target = Target(boxes, np.ones(objects, np.int64), masks, None, rng.integers(0, 3, (objects, 2, 3)).astype(float))
    return rng.random((height, width, 1), np.float32), target


def spans(masks):
    owner, column, start = np.nonzero(masks.transpose(0, 2, 1))
    return Spans(len(masks), masks.shape[1:], owner, column, start, start + 1)


@pytest.mark.parametrize("as_spans", [False, True])
def test_parts_are_padded_as_the_whole_batch_is(threads, as_spans):
    rng = np.random.default_rng(0)
    pictures = [picture(40, 60, 1, rng), picture(20, 20, 0, rng), picture(70, 30, 4, rng), picture(33, 64, 2, rng)]

    def batch(some):
        made = collate(*map(list, zip(*some)))
        if not as_spans:
            return made
        shape = made.targets.masks.shape
        masks = SpanBatch([spans(target.masks) for _, target in some], shape)
        return dataclasses.replace(made, targets=dataclasses.replace(made.targets, masks=masks))

    whole = batch(pictures)
    parts = threads.on_ranks(2, lambda ranks: evened(batch(pictures[2 * ranks.rank : 2 * ranks.rank + 2]), ranks))
    for name in ("boxes", "labels", "masks", "valid", "keypoints"):
        together = np.concatenate([np.asarray(getattr(part.targets, name)) for part in parts])
        np.testing.assert_array_equal(together, np.asarray(getattr(whole.targets, name)), err_msg=name)
        assert together.dtype == np.asarray(getattr(whole.targets, name)).dtype
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), whole.images)
    np.testing.assert_array_equal(np.concatenate([part.sizes for part in parts]), whole.sizes)
