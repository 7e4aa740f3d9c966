"""Proposals that come with batches: those of the picture that is shown, however it was turned, cut and resized."""

import dataclasses
import hashlib
import json

import annotated
import numpy as np
import pytest

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import (
    CocoConfig,
    Config,
    ModelConfig,
    SceneConfig,
    TrainConfig,
    photograph_preset,
    scene_preset,
)
from tinymaskrcnn.data.coco import CocoDataset, CocoStream
from tinymaskrcnn.data.loader import SceneStream, open_stream
from tinymaskrcnn.data.proposals import stream as module
from tinymaskrcnn.data.proposals.search import find_proposals
from tinymaskrcnn.data.proposals.stream import StreamProposals, attach_proposals, given_for, padded
from tinymaskrcnn.errors import ArgumentError, DataError
from tinymaskrcnn.models.for_scenes import model_for
from tinymaskrcnn.models.systems import system_settings

CONFIG = override(
    Config(
        scenes=SceneConfig(image_size=48, digits_per_image=(1, 2), digit_size=(16, 30)),
        train=TrainConfig(batch_size=2, train_scenes=3),
    ),
    system_settings("fast_rcnn") | {"train.train_scenes": 3, "model.proposals.most": 20},
)


class Fixed:
    """A source with the same boxes for every picture, or those of a table."""

    def __init__(self, *boxes, **table):
        self.boxes, self.table = np.array(boxes, np.float32).reshape(-1, 4), table

    def of(self, number):
        return self.table.get(str(number), self.boxes)

    def missing(self, numbers):
        return []

    def flush(self):
        pass


def test_every_batch_of_scenes_brings_its_own(tmp_path):
    stream = open_stream(CONFIG, split="train", folder=tmp_path)
    batch = stream.batch(4)
    assert batch.given["proposals"].shape == (2, 20, 4) and batch.given["proposals_valid"].shape == (2, 20)
    for row, i in enumerate((8, 9)):
        boxes = find_proposals(stream.scene(i)[0], CONFIG.model.proposals)
        valid = batch.given["proposals_valid"][row]
        np.testing.assert_array_equal(batch.given["proposals"][row][valid], boxes)
        assert valid.tolist() == [k < len(boxes) for k in range(20)]
        assert not batch.given["proposals"][row][~valid].any()  # and none of them twice
    without = open_stream(override(CONFIG, system_settings("mask_rcnn")), split="train", folder=tmp_path)
    assert without.proposals is None and without.batch(0).given == {}
    alone = open_stream(override(CONFIG, {"train.procedure": "pretrain"}), split="train", folder=tmp_path)
    assert alone.proposals is None and alone.batch(0).given == {}


def test_so_many_scenes_come_again_and_again_in_another_order():
    stream = open_stream(CONFIG, split="train")
    epochs = [[stream.number(3 * e + k) for k in range(3)] for e in range(8)]
    assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs) and len(set(map(tuple, epochs))) > 1
    np.testing.assert_array_equal(stream.scene(4)[0], stream.whole(stream.number(4)))
    endless = open_stream(CONFIG, split="test")
    assert [endless.number(i) for i in (0, 7, 1000)] == [0, 7, 1000]
    assert stream.batch(2).names == tuple(f"train scene {stream.number(i)}" for i in (4, 5))


def test_they_are_found_once_and_kept_by_data_and_settings(tmp_path, capsys):
    first = open_stream(CONFIG, split="train", folder=tmp_path)
    first.proposals.prepare(batches=100)
    assert first.proposals.source.missing(range(4)) == [3]
    [folder] = tmp_path.iterdir()
    assert json.loads((folder / "about.json").read_text())["data"]["split"] == "train"
    again = open_stream(CONFIG, split="train", folder=tmp_path)
    again.proposals.source.find = None
    for i in range(6):
        np.testing.assert_array_equal(again.proposals.of(i), first.proposals.of(i))
    for other in (
        {"scenes.noise": 0.3},
        {"train.seed": 5},
        {"model.proposals.sigma": 1.0},
    ):
        stream = open_stream(override(CONFIG, other), split="train", folder=tmp_path)
        assert stream.proposals.source.missing(range(3)) == [0, 1, 2], other
        stream.proposals.found([0])
    assert len(list(tmp_path.iterdir())) == 4
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | {"data": about["data"] | {"seed": 9}}))
    with pytest.raises(DataError, match=f"{folder}: holds proposals of another data set: data.seed is 9 there and 0"):
        open_stream(CONFIG, split="train", folder=tmp_path)


def test_what_was_found_before_an_interruption_is_kept(tmp_path):
    stream = open_stream(CONFIG, split="train", folder=tmp_path)
    find, order = stream.proposals.source.find, []

    def interrupted(number):
        order.append(number)
        if len(order) == 3:
            raise KeyboardInterrupt
        return find(number)

    stream.proposals.source.find = interrupted
    with pytest.raises(KeyboardInterrupt):
        stream.proposals.found(range(3))
    assert order == [0, 1, 2]
    [folder] = tmp_path.iterdir()
    stored = json.loads((folder / "about.json").read_text())
    named = json.dumps({name: stored[name] for name in ("data", "proposals")}, sort_keys=True)
    assert folder.name == f"train-{hashlib.sha256(named.encode()).hexdigest()[:8]}"
    again = open_stream(CONFIG, split="train", folder=tmp_path)
    assert again.proposals.source.missing(range(3)) == [2] and len(again.proposals.found([4, 4, 0])) == 3


def test_a_line_says_what_is_searched(monkeypatch):
    labels = []
    monkeypatch.setattr(module, "counted", lambda items, label: labels.append(label) or items)
    stream = SceneStream(CONFIG.scenes, split="train", seed=0, batch_size=1)
    source = Fixed([0, 0, 9, 9])
    source.missing = lambda numbers: numbers[1:]
    StreamProposals(stream, source, most=5).found(range(4))
    image = np.zeros((16, 16, 1), np.float32)
    for count in (1, 2):
        given_for([image] * count, np.full((count, 2), 16), CONFIG.model)
    assert labels == [f"searching {what} for proposals" for what in ("3 pictures", "1 picture", "2 pictures")]


def test_only_pictures_that_come_are_searched_beforehand(tmp_path):
    config = override(CONFIG, {"train.train_scenes": 50})
    stream = open_stream(config, split="train", folder=tmp_path)
    stream.proposals.prepare(batches=2)
    assert sorted(stream.proposals.source.known) == sorted(stream.number(i) for i in range(4))
    for batches, wanted in ((1, 2), (100, 3)):
        files, asked = pictures(tmp_path), []
        files.batch_size = 2
        files.proposals = StreamProposals(files, Fixed(), most=5)
        files.proposals.found = asked.extend
        files.proposals.prepare(batches)
        assert asked == list(range(wanted)) and len(files) == 3


def pictures(folder, **coco):
    dataset = CocoDataset.open(*annotated.write(folder))
    model = dataclasses.replace(photograph_preset(dataset.class_names), resize_shorter=64, resize_longer=96)
    return CocoStream(dataset, model, CocoConfig(**coco), batch_size=3, seed=1, augment=True)


@pytest.mark.parametrize("coco", [{"flip": 0.0}, {"flip": 1.0}, {"crop": 20}, {"crop": 17, "flip": 0.5}])
def test_they_move_with_the_picture(tmp_path, coco):
    """The objects' own boxes as proposals lie where the objects do, in every batch."""
    stream = pictures(tmp_path, **coco)
    own = {str(n): stream.dataset.outlines(n, masks=False).boxes for n in range(3)}
    stream.proposals = StreamProposals(stream, Fixed(**own), most=5)
    met = 0
    for i in range(6):
        batch = stream.batch(i)
        for row in range(3):
            truth = stream.layout(3 * i + row)[1].boxes
            valid = batch.given["proposals_valid"][row]
            boxes = batch.given["proposals"][row][valid]
            if not coco.get("crop"):
                np.testing.assert_array_equal(boxes, truth)
            for box in truth:
                met += 1
                assert np.abs(boxes - box).max(axis=1).min() < 1e-4
            height, width = batch.sizes[row]
            assert (boxes >= 0).all() and (boxes <= [width, height, width, height]).all()
    assert met >= 6


def test_a_proposal_shows_the_same_pixels_before_and_after(tmp_path):
    """Around the one bright square of a picture the box stays around it: mirrored, cut, enlarged."""
    stream = pictures(tmp_path, flip=0.5, crop=20)
    image = np.zeros((32, 40, 3), np.uint8)
    image[8:14, 12:22] = 255
    stream.dataset.pixels = lambda number, channels: image
    stream.dataset.pictures = [dataclasses.replace(p, height=32, width=40) for p in stream.dataset.pictures]
    stream.proposals = StreamProposals(stream, Fixed([12, 8, 22, 14]), most=5)
    seen = 0
    for i in range(12):
        picture, _ = stream.scene(i)
        for x1, y1, x2, y2 in stream.carried(i, stream.proposals.of(i)):
            bright = picture[:, :, 0] > 0.5
            rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
            found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose([x1, y1, x2, y2], found, atol=2.1)
            seen += 1
    assert seen > 3


def test_scenes_of_every_source_are_told_apart(tmp_path):
    """Figures, too, which are drawn of poses and not of pictures."""
    streams = [SceneStream(SceneConfig(source=s), split="train", seed=0, batch_size=1) for s in ("digits", "figures")]
    digits, figures = (stream.about() for stream in streams)
    assert digits["digits"] != figures["digits"] and figures == streams[1].about()
    config = override(CONFIG, model_for(scene_preset("figures")))
    stream = open_stream(dataclasses.replace(config, scenes=scene_preset("figures")), split="train", folder=tmp_path)
    assert stream.batch(0).given["proposals_valid"].any()


def test_pictures_are_told_apart_by_their_index(tmp_path):
    stream = pictures(tmp_path)
    about = stream.about()
    assert about == pictures(tmp_path).about()
    stream.dataset.pictures = stream.dataset.pictures[:2]
    assert stream.about()["digest"] != about["digest"] and stream.about()["pictures"] == 2
    image = stream.whole(1)
    assert image.shape == (48, 36, 3) and image.dtype == np.float32
    still = CocoStream(stream.dataset, stream.model, stream.config, batch_size=1, seed=0, augment=False)
    boxes = np.ones((2, 4), np.float32)
    assert still.carried(0, boxes) is boxes


def test_a_file_by_its_name(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([{"image_id": 20, "bbox": [1, 2, 3, 4]}]))
    stream = pictures(tmp_path)
    files = {"annotations": "x", "proposals": str(path)}
    config = dataclasses.replace(CONFIG, coco=CocoConfig(**files))
    attach_proposals(stream, config, split="train", folder=tmp_path / "p")
    number = next(i for i in range(9) if stream.number(i) == 1)
    assert stream.proposals.of(number).tolist() == [[1, 2, 4, 6]]
    assert not (tmp_path / "p").exists()
    for own, split, wanted in (
        ({}, "test", "mine.json"),
        ({"val_annotations": "y"}, "test", None),
        ({"val_annotations": "y"}, "train", "mine.json"),
        ({"val_annotations": "y", "val_proposals": "none.json"}, "test", "none.json"),
        ({"val_annotations": "y", "val_proposals": "none.json"}, "train", "mine.json"),
        ({"val_list": "y"}, "test", None),
        ({"val_proposals": "none.json"}, "test", "none.json"),
    ):
        config = dataclasses.replace(CONFIG, coco=CocoConfig(**files, **own))
        try:
            attach_proposals(stream, config, split=split)
            found = type(stream.proposals.source).__name__
        except DataError as error:
            found = str(error)
        assert ("ProposalStore" if wanted is None else "GivenFile" if wanted == "mine.json" else wanted) in found


def test_short_and_long_lists():
    """A short list stays short, a long one is cut to its best; none at all is ordinary."""
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    given = padded([boxes[:1], boxes, boxes[:0]], most=2)
    assert given["proposals_valid"].tolist() == [[True, False], [True, True], [False, False]]
    assert given["proposals"][1].tolist() == boxes[:2].tolist() and not given["proposals"][0][1].any()
    wide = padded([boxes.astype(np.float64)], most=4)
    assert wide["proposals"].dtype == np.float32 and wide["proposals_valid"].dtype == bool


def test_pictures_without_a_stream():
    """At inference: found in the picture as it is, moved to the size that the network sees."""
    rng = np.random.default_rng(0)
    images = [rng.random((30, 40, 1)).astype(np.float32), rng.random((16, 16, 1)).astype(np.float32)]
    sizes = np.array([[60, 80], [16, 16]])
    given = given_for(images, sizes, CONFIG.model)
    for row, factor in enumerate((2, 1)):
        boxes = find_proposals(images[row], CONFIG.model.proposals)
        np.testing.assert_allclose(given["proposals"][row][given["proposals_valid"][row]], factor * boxes)
    brought = given_for(images, sizes, CONFIG.model, found=[np.array([[1, 2, 3, 4]], np.float32)] * 2)
    assert brought["proposals"][:, 0].tolist() == [[2, 4, 6, 8], [1, 2, 3, 4]]
    assert given_for(images, sizes, ModelConfig()) == {}
    with pytest.raises(ArgumentError, match="this model proposes by itself; leave out proposals"):
        given_for(images, sizes, ModelConfig(), found=[None] * 2)
    with pytest.raises(ArgumentError, match="2 pictures came with proposals for 1"):
        given_for(images, sizes, CONFIG.model, found=[np.zeros((0, 4))])


def test_the_report_is_about_what_is_shown():
    stream = SceneStream(CONFIG.scenes, split="train", seed=0, batch_size=1)
    stream.proposals = StreamProposals(stream, Fixed([0, 0, 48, 48]), most=5)
    report = stream.proposals.report(4)
    assert report.pictures == 4 and report.counts == (1,)
    areas = np.concatenate(
        [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (stream.scene(i)[1].boxes for i in range(4))]
    )
    np.testing.assert_allclose(report.best[0], areas / 48**2, rtol=1e-5)
