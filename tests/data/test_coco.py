import contextlib
import dataclasses
import json
import os
import tempfile
import tracemalloc
import types
from pathlib import Path

import annotated
import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_model import tiny_config, tiny_model

from tinymaskrcnn.config import CocoConfig, Config, TrainConfig, photograph_preset
from tinymaskrcnn.data import coco, polygons, rle, transforms
from tinymaskrcnn.data.coco import BrokenAnnotations, CocoDataset, CocoStream, measure_pictures, open_coco, read_list
from tinymaskrcnn.data.coco_check import check_coco
from tinymaskrcnn.data.coco_report import Annotation, Category, Picture, Report
from tinymaskrcnn.data.loader import open_stream, prefetch
from tinymaskrcnn.data.resizing import resized_size
from tinymaskrcnn.errors import ArgumentError, ConfigError, DataError
from tinymaskrcnn.structures import collate
from tinymaskrcnn.targets.roi import mask_targets

NAMES = ("background", "cat", "person")


@pytest.fixture
def dataset(tmp_path):
    return CocoDataset.open(*annotated.write(tmp_path))


def model(**changes):
    return dataclasses.replace(photograph_preset(NAMES), resize_shorter=0, resize_longer=0, **changes)


PLAIN = CocoConfig()
MODEL = model()


def stream(dataset, *, augment=True, seed=3, batch_size=2, config=PLAIN, model=MODEL):
    return CocoStream(dataset, model, config, batch_size=batch_size, seed=seed, augment=augment)


# ---------------------------------------------------------------- the dataset


def test_labels_are_contiguous_and_lead_back_to_the_ids(dataset):
    assert dataset.class_names == NAMES  # in the order of the ids, 3 and 7
    assert dataset.labels == {3: 1, 7: 2} and dataset.category_ids == (0, 3, 7)
    assert len(dataset) == 3 and [dataset.name(i) for i in range(3)] == ["a.png", "b.png", "c.png"]


def test_labels_follow_the_names_of_a_model(tmp_path):
    names = ("background", "person", "N/A", "cat", "dog")
    dataset = CocoDataset.open(*annotated.write(tmp_path), class_names=names)
    assert dataset.labels == {3: 3, 7: 1} and dataset.category_ids == (0, 7, 0, 3, 0)
    with pytest.raises(ConfigError, match="has categories that the model does not know: cat"):
        CocoDataset.open(*annotated.write(tmp_path), class_names=("background", "person"))


def test_targets(dataset):
    target = dataset.target(0).validate(height=32, width=40, num_classes=3)
    np.testing.assert_array_equal(target.boxes, [[4, 6, 14, 18], [20, 0, 40, 32]])
    assert target.labels.tolist() == [2, 1] and target.crowd.tolist() == [False, True]
    assert target.areas.tolist() == [120, 640]
    expected = np.zeros((2, 32, 40), bool)
    expected[0, 6:18, 4:14] = expected[1, :, 20:] = True
    np.testing.assert_array_equal(target.masks, expected)
    np.testing.assert_array_equal(target.keypoints, [[[10, 8, 2], [8, 7, 1], [0, 0, 0]], np.zeros((3, 3))])
    empty = dataset.target(2).validate(height=24, width=24)
    assert len(empty) == 0 and empty.masks.shape == (0, 24, 24) and empty.keypoints.shape == (0, 3, 3)


def test_grey_palette_and_colour_pictures(dataset):
    for channels in (1, 3):
        for i, size in enumerate([(32, 40), (48, 36), (24, 24)]):
            image = dataset.image(i, channels=channels)
            assert image.shape == (*size, channels) and image.dtype == np.float32
    grey = dataset.image(1)
    assert (grey == grey[:, :, :1]).all()


def test_areas_that_are_missing_are_measured(tmp_path):
    contents = annotated.entries()
    for entry in contents["annotations"]:
        del entry["area"]
    assert CocoDataset.open(*annotated.write(tmp_path, contents)).target(0).areas.tolist() == [120, 640]
    for entry in contents["annotations"]:
        del entry["segmentation"]
    dataset = CocoDataset.open(*annotated.write(tmp_path, contents))
    assert not dataset.has_masks and dataset.target(0).masks is None
    assert dataset.target(0).areas.tolist() == [120, 640]


def test_broken_files_stop_with_the_head_of_the_table(tmp_path):
    contents = annotated.entries()
    contents["annotations"][0]["bbox"] = [1, 1, 0, 0]
    more = [annotated.annotation(100 + k, 10, 7, [0, 0, 1, 1]) for k in range(20)]
    contents["annotations"] += [entry | {"bbox": [0, 0, 0, k]} for k, entry in enumerate(more)]
    where = annotated.write(tmp_path, contents)
    with pytest.raises(BrokenAnnotations) as caught:
        CocoDataset.open(*where)
    lines = str(caught.value).splitlines()
    assert "21 problems" in lines[0] and "box is degenerate" in lines[2] and len(str(caught.value)) <= 500
    assert lines[-2].startswith("... and ") and "tinymaskrcnn data check" in lines[-1]
    rest = CocoDataset.open(*where, skip_broken=True)
    assert [(rest.name(i), len(rest.target(i))) for i in range(len(rest))] == [("b.png", 1), ("c.png", 0)]
    assert rest.notes == (
        f"{where[0]}: left out 22 of 23 objects and 1 of 3 pictures: what cannot be used, and its pictures whole",
    )


def test_nothing_left(tmp_path):
    contents = annotated.entries()
    for picture in contents["images"]:
        picture["file_name"] = "none.png"
    with pytest.raises(BrokenAnnotations, match="Nothing is left"):
        CocoDataset.open(*annotated.write(tmp_path, contents), skip_broken=True)


def test_only_some_pictures(dataset, tmp_path):
    (tmp_path / "list.txt").write_text("c.png\n\n10\n")
    where = dataset.path, dataset.folder
    chosen = CocoDataset.open(*where, wanted=read_list(tmp_path / "list.txt"))
    assert [chosen.name(i) for i in range(len(chosen))] == ["c.png", "a.png"] and len(chosen.target(1)) == 2
    with pytest.raises(DataError, match="pictures wanted but not there: d.png, 11"):
        CocoDataset.open(*where, wanted=["d.png", "a.png", "11"])
    with pytest.raises(DataError, match="an empty list"):
        CocoDataset.open(*where, wanted=[])


@pytest.mark.parametrize("as_shown", [True, False])
def test_a_sideways_picture_agrees_with_its_annotations(tmp_path, as_shown):
    """The bright corner lies in the object's box, whether the box is in what a viewer shows or in stored pixels."""
    path, folder = annotated.write(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it clockwise by a quarter
    shown = np.zeros((32, 40), np.uint8)
    shown[6:18, 4:14] = 255  # the first annotation
    stored = np.rot90(shown) if as_shown else shown  # turned clockwise by the viewer, it is as annotated
    Image.fromarray(stored).save(folder / "a.png", exif=exif)
    dataset = CocoDataset.open(path, folder)
    assert dataset.pictures[0].upright is as_shown
    np.testing.assert_array_equal(dataset.image(0, channels=1)[:, :, 0] > 0.5, dataset.target(0).masks[0])


def test_a_picture_that_changed_since_it_was_checked(dataset):
    Image.new("L", (9, 9)).save(dataset.folder / "a.png")
    with pytest.raises(DataError, match="a.png: has changed its size"):
        dataset.image(0)


def test_a_repaired_picture_is_found(tmp_path):
    where = annotated.write(tmp_path)
    (tmp_path / "b.png").rename(tmp_path / "away.png")
    with pytest.raises(BrokenAnnotations):
        CocoDataset.open(*where)
    (tmp_path / "away.png").rename(tmp_path / "b.png")
    assert len(CocoDataset.open(*where)) == 3


def test_a_broken_file_is_checked_once_until_a_picture_changes(tmp_path, monkeypatch):
    """b.png has another size than the file says; then it is written again, in its place."""
    where, checked = annotated.write(tmp_path), []
    right = (tmp_path / "b.png").read_bytes()
    Image.new("L", (9, 9)).save(tmp_path / "b.png")
    monkeypatch.setattr(coco, "check_coco", lambda *words: checked.append(words) or check_coco(*words))
    for _ in range(3):
        assert len(CocoDataset.open(*where, skip_broken=True)) == 2
    assert len(checked) == 1
    (tmp_path / "b.png").write_bytes(right)
    for _ in range(2):
        assert len(CocoDataset.open(*where, skip_broken=True)) == 3
    assert len(checked) == 2


def test_equal_names_in_other_folders_are_other_files(tmp_path, monkeypatch):
    """Down to the time of the last change: only the folder one works in tells them apart."""
    for name, last in (("first", 3), ("second", 2)):
        (tmp_path / name).mkdir()
        contents = annotated.entries()
        contents["annotations"] = contents["annotations"][:last]
        path, _ = annotated.write(tmp_path / name, contents)
        os.utime(path, ns=(10**18, 10**18))
        monkeypatch.chdir(tmp_path / name)
        data = CocoDataset.open("annotations.json", ".")
        assert sum(map(len, data.objects.values())) == last and data.path == "annotations.json"


def test_a_sound_file_is_checked_once(tmp_path, monkeypatch):
    where, checked = annotated.write(tmp_path), []
    monkeypatch.setattr(coco, "check_coco", lambda *words: checked.append(words) or check_coco(*words))
    monkeypatch.chdir(tmp_path)
    for path in (*where[:1], str(where[0]), "annotations.json"):
        assert CocoDataset.open(path, tmp_path).path == str(path)
    assert len(checked) == 1


def test_no_picture_is_kept(tmp_path):
    path, folder = annotated.write(tmp_path)
    for name, size in (("a.png", (40, 32)), ("b.png", (36, 48)), ("c.png", (24, 24))):
        Image.new("RGB", (30 * size[0], 30 * size[1])).save(folder / name)  # 10 MB of floats
    contents = annotated.entries()
    for picture in contents["images"]:
        picture["height"], picture["width"] = 30 * picture["height"], 30 * picture["width"]
    contents["annotations"][1]["segmentation"] = {"size": [960, 1200], "counts": [0, 960 * 1200]}
    path.write_text(json.dumps(contents))
    source = stream(CocoDataset.open(path, folder), augment=False, batch_size=1)
    source.batch(0)
    tracemalloc.start()
    for i in range(6):
        source.batch(i)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1e6


# ---------------------------------------------------------------- the stream


def test_every_epoch_has_each_picture_once_in_an_order_of_its_own(dataset):
    source = stream(dataset)
    epochs = [[source.number(i) for i in range(3 * e, 3 * e + 3)] for e in range(20)]
    assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert [stream(dataset, seed=4).number(i) for i in range(60)] != sum(epochs, [])


def test_a_batch_is_the_same_whenever_it_is_asked_for(dataset):
    config = CocoConfig(crop=20)
    first, second = stream(dataset, config=config), stream(dataset, config=config)
    for i in (5, 0, 3, 5):
        a, b = first.batch(i), second.batch(i)
        assert a.names == b.names
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.targets.masks, b.targets.masks)
        np.testing.assert_array_equal(a.targets.keypoints, b.targets.keypoints)
    ahead = list(prefetch(first, start=2, count=3))
    for i, batch in zip((2, 3, 4), ahead, strict=True):
        np.testing.assert_array_equal(batch.images, second.batch(i).images)


def test_crowds_are_not_trained_on(dataset):
    batch = stream(dataset, augment=False, batch_size=3).batch(0)
    assert batch.targets.valid.sum(axis=1).tolist() == [1, 1, 0]
    assert batch.targets.labels[0].tolist() == [2] and batch.names == ("a.png", "b.png", "c.png")


def test_flips_move_everything(dataset):
    plain, target = stream(dataset, augment=False).scene(0)
    turned = [stream(dataset, config=CocoConfig(flip=1.0)).scene(i) for i in range(3)]
    image, mirrored = next((i, t) for i, t in turned if i.shape == plain.shape)
    np.testing.assert_array_equal(image, plain[:, ::-1])
    np.testing.assert_array_equal(mirrored.masks, target.masks[:, :, ::-1])
    np.testing.assert_array_equal(mirrored.boxes[0], [26, 6, 36, 18])
    np.testing.assert_array_equal(mirrored.keypoints[0], [[30, 8, 2], [0, 0, 0], [32, 7, 1]])  # the left eye is right


def test_each_pass_over_a_picture_draws_anew(dataset):
    source, plain = stream(dataset), dataset.image(0)
    passes = [source.scene(i)[0] for i in range(60) if source.number(i) == 0]
    flipped = [not np.array_equal(image, plain) for image in passes]
    assert len(passes) == 20 and 4 < sum(flipped) < 16
    windows = stream(dataset, config=CocoConfig(crop=12))
    cuts = [windows.scene(i)[0] for i in range(30) if windows.number(i) == 0]
    assert len({cut.tobytes() for cut in cuts}) == len(cuts)


def test_training_pictures_are_resized_and_cut_held_out_ones_are_not(dataset):
    small = dataclasses.replace(model(), resize_shorter=16, resize_longer=18)
    train = stream(dataset, model=small)
    sizes = {train.scene(i)[0].shape[:2] for i in range(6)}
    assert sizes == {(14, 18), (18, 13), (16, 16)}
    for i in range(3):
        image, target = train.scene(i)
        target.validate(height=image.shape[0], width=image.shape[1])
    cut = stream(dataset, model=small, config=CocoConfig(crop=30))
    for i in range(6):
        image, target = cut.scene(i)
        target.validate(height=image.shape[0], width=image.shape[1])
        assert image.shape[:2] == {0: (13, 14), 1: (11, 11), 2: (16, 16)}[cut.number(i)]
    assert stream(dataset, model=small, augment=False).scene(0)[0].shape == (32, 40, 3)


def test_what_does_not_fit_the_model(dataset):
    with pytest.raises(ArgumentError, match="batch_size must be at least 1"):
        stream(dataset, batch_size=0)
    with pytest.raises(ConfigError, match="coco.flip must be a number in 0..1"):
        stream(dataset, config=CocoConfig(flip=1.5))
    with pytest.raises(ConfigError, match="its categories name 3 keypoints; the model has 17"):
        stream(dataset, model=model(heads=("box", "keypoint")))
    dataset.has_masks = False
    with pytest.raises(ConfigError, match="no object has a mask"):
        stream(dataset)


def test_streams_of_a_configuration(tmp_path):
    path, folder = map(str, annotated.write(tmp_path))
    (tmp_path / "train.txt").write_text("10\n20\n")
    (tmp_path / "val.txt").write_text("30\n")

    def config(**files):
        return Config(model=model(), coco=CocoConfig(path, folder, **files), train=TrainConfig(batch_size=1))

    assert len(open_stream(config(), split="train")) == len(open_coco(config(), split="test")) == 3
    lists = config(train_list=str(tmp_path / "train.txt"), val_list=str(tmp_path / "val.txt"))
    assert (len(open_coco(lists, split="train")), len(open_coco(lists, split="test"))) == (2, 1)
    only_trained = config(train_list=str(tmp_path / "train.txt"))
    assert len(open_coco(only_trained, split="test")) == 2  # nothing is held out: what was trained on
    assert open_stream(Config(), split="train").scene(0)[0].shape == (128, 128, 1)


def test_measured_pictures(tmp_path):
    path, folder = annotated.write(tmp_path)
    dataset = CocoDataset.open(path, folder)
    channels, mean, std = measure_pictures(dataset)
    pixels = np.concatenate([dataset.image(i).reshape(-1, 3) for i in range(3)])
    assert channels == 3
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(std, pixels.std(axis=0), rtol=1e-3)
    for name, size in (("a.png", (40, 32)), ("b.png", (36, 48)), ("c.png", (24, 24))):
        Image.new("L", size, 51).save(folder / name)
    channels, mean, std = measure_pictures(dataset)
    assert (channels, mean) == (1, (0.2,)) and std[0] > 0


@pytest.mark.parametrize("augment, crop", [(True, 0), (True, 15), (False, 0)])
def test_the_layout_is_that_of_the_scene_and_needs_no_picture(dataset, augment, crop):
    small = dataclasses.replace(MODEL, resize_shorter=20, resize_longer=33)
    source = stream(dataset, augment=augment, config=CocoConfig(crop=crop), model=small)
    scenes = [source.scene(i) for i in range(3 if not augment else 12)]
    for name in ("a.png", "b.png", "c.png"):
        (dataset.folder / name).unlink()
    for i, (image, target) in enumerate(scenes):
        empty, layout = source.layout(i)
        assert empty.shape == (*image.shape[:2], 0) and layout.masks is None
        np.testing.assert_array_equal(layout.boxes, target.boxes)
        np.testing.assert_array_equal(layout.labels, target.labels)


# ---------------------------------------------------------------- the slow route: all pixels first


@st.composite
def crowded_files(draw):
    """A picture of odd sides with objects of every kind at every border, and how it is to be flipped, cut, resized."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    H, W = rng.integers(9, 60, 2).tolist()
    entries = [_drawn_object(rng, kind, H, W) for kind in rng.integers(6, size=rng.integers(0, 9)).tolist()]
    config = CocoConfig(flip=float(rng.integers(3)) / 2, crop=int(rng.choice([0, 7, 20, 100])))
    shorter = int(rng.choice([0, 0, 11, 40]))
    return entries, (H, W), config, shorter, rng.integers(0, 256, (H, W, 3), dtype=np.uint8)


def _drawn_object(rng, kind, H, W):
    """polygon across a border, two polygons, run lengths of noise, a crowd of columns, an empty mask, everything."""
    x, y = np.sort(rng.random(2) * (W + 2) - 1).tolist(), np.sort(rng.random(2) * (H + 2) - 1).tolist()
    x, y = ([min(low, side), min(max(high, low + 1), side + 1)] for (low, high), side in ((x, W), (y, H)))
    box = [max(x[0], 0), max(y[0], 0), min(x[1], W), min(y[1], H)]
    if min(box[2] - box[0], box[3] - box[1]) < 0.2:
        box = [0, 0, W, H]
    polygon = [x[0], y[0], x[1], y[0], x[1], y[1], x[0] + 0.3 * (x[1] - x[0]), y[1]]
    more = (rng.random(6) * np.tile([W, H], 3)).tolist()
    mask = np.asfortranarray(rng.random((H, W)) < rng.random() ** 3)
    code = {"size": [H, W], "counts": rle.encode(mask).counts.tolist()}
    columns = rle.encode(np.repeat(rng.random((1, W)) < 0.4, H, axis=0))
    segmentation = {0: [polygon], 1: [polygon, more], 2: code, 3: rle.to_coco(columns), 4: {"size": [H, W]}}.get(kind)
    if kind == 4:
        segmentation["counts"] = [H * W]
    entry = {"bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]], "iscrowd": int(kind == 3)}
    entry |= {"segmentation": segmentation or [[0, 0, W, 0, W, H, 0, H]]}
    return entry | ({"area": 7.5} if rng.random() < 0.5 else {})


def _record(k, entry, size):
    """What the check of a file makes of an entry; here also of such as it would not pass."""
    x, y, w, h = entry["bbox"]
    segmentation = polygons.parse_segmentation(entry["segmentation"], size=size)
    more = {"crowd": bool(entry["iscrowd"]), "area": entry.get("area"), "segmentation": segmentation}
    return Annotation(id=k, picture=1, category=1, box=(x, y, x + w, y + h), **more)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'
@examples(80)
@given(crowded_files())
def test_a_training_picture_equals_all_pixels_flipped_cut_and_resized(drawn):
    """Masks by pycocotools and as whole arrays, pictures as floats from the start: the same bits."""
    mask = pytest.importorskip("pycocotools.mask")
    entries, (H, W), config, shorter, pixels = drawn
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(pixels).save(Path(folder) / "a.png")
        annotations = {k: _record(k, entry, (H, W)) for k, entry in enumerate(entries)}
        picture, thing = Picture(1, "a.png", H, W), Category(1, "thing")
        dataset = CocoDataset(Report("a.json", {1: thing}, {1: picture}, annotations, parts=("box", "mask")), folder)
        network = dataclasses.replace(MODEL, resize_shorter=shorter, resize_longer=3 * shorter, heads=("box",))
        source = stream(dataset, config=config, model=network, batch_size=1)
        scenes = [source.scene(i) for i in range(3)]
    masks = np.zeros((len(entries), H, W), bool)
    for own, entry in zip(masks, entries):
        shape = entry["segmentation"]
        packed = isinstance(shape, dict) and isinstance(shape["counts"], str)
        code = shape if packed else mask.frPyObjects(shape, H, W)
        own[...] = mask.decode(mask.merge(code) if isinstance(code, list) else code)
    for i, (image, target) in enumerate(scenes):
        rng = np.random.default_rng([source.seed, 1, i])
        plain = dataclasses.replace(dataset.target(0), masks=masks if dataset.has_masks else None)
        assert plain.areas.tolist() == [e.get("area", m.sum()) for e, m in zip(entries, masks)]
        expected, slow = transforms.random_flip(
            pixels.astype(np.float32) / np.float32(255), plain, rng=rng, probability=config.flip
        )
        size = resized_size(H, W, network)
        if config.crop:
            expected, slow = transforms.random_crop(expected, slow, size=(config.crop, config.crop), rng=rng)
            size = tuple(max(1, round(s * n / o)) for s, n, o in zip(expected.shape[:2], size, (H, W)))
        if size != expected.shape[:2]:
            expected, slow = transforms.scale(expected, slow, size=size)
        np.testing.assert_array_equal(image, expected)
        for name, ours in vars(target).items():
            theirs = getattr(slow, name)
            assert (ours is None) == (theirs is None), name
            if ours is not None:
                np.testing.assert_array_equal(ours, theirs, err_msg=name)
                assert ours.dtype == theirs.dtype, name


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """300 squares of 12 pixels in 2000 x 2000: as whole masks they were 1.2 GB."""
    folder = tmp_path_factory.mktemp("crowded")
    rng = np.random.default_rng(0)
    Image.new("L", (2000, 2000), 99).save(folder / "a.png")
    corners = rng.integers(0, 1988, (300, 2)).tolist()
    squares = [annotated.annotation(k + 1, 1, 1, [x, y, 12, 12]) for k, (x, y) in enumerate(corners)]
    picture = {"id": 1, "file_name": "a.png", "height": 2000, "width": 2000}
    contents = {"images": [picture], "categories": [{"id": 1, "name": "square"}], "annotations": squares}
    (folder / "a.json").write_text(json.dumps(contents))
    return CocoDataset.open(folder / "a.json", folder)


def test_many_objects_in_a_large_picture_cost_no_more_than_their_window(crowded):
    source = stream(crowded, config=CocoConfig(crop=256), batch_size=1, model=model(heads=("box", "mask")))
    with measured() as cost:
        found = [int(source.batch(i).targets.valid.sum()) for i in range(3)]
    assert 0 < sum(found) < 60 and cost.peak < 48e6  # the picture as floats, which is not made either


def test_many_objects_in_a_resized_picture_cost_no_more_than_its_pixels(crowded):
    """As an array of 0 and 1 the masks were 192 MB of the 800 x 800 picture; as floats, for a moment, 768."""
    network = dataclasses.replace(model(heads=("box", "mask")), resize_shorter=800, resize_longer=1333)
    source = stream(crowded, batch_size=1, model=network)
    with measured() as cost:
        batch = source.batch(0)
    assert batch.targets.masks.shape == (1, 300, 800, 800) and cost.peak < 48e6 * 2.2  # and one gone over
    rois = np.tile(np.array([[300, 300, 500, 500]], np.float32), (64, 1))
    mask_targets(batch.targets.masks, rois[:1], np.arange(1), sizes=batch.sizes, size=28, aligned=True)
    with measured() as cost:
        sampled = mask_targets(batch.targets.masks, rois, np.arange(64), sizes=batch.sizes, size=28, aligned=True)
    assert sampled.shape == (64, 28, 28) and cost.peak < 48e6


@contextlib.contextmanager
def measured():
    """The most memory that is in use inside of the block, in bytes, above what was before it."""
    cost = types.SimpleNamespace()
    tracemalloc.start()
    try:
        yield cost
        cost.peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("crop", [0, 20])
def test_a_step_on_spans_has_the_bits_of_one_on_arrays(dataset, crop):
    """Three pictures of three sizes, one of them with a crowd, as the stream gives them and collated from arrays."""
    source = stream(dataset, config=CocoConfig(crop=crop), batch_size=3, model=tiny_config())
    batch = source.batch(0)
    plain = collate(*zip(*map(source.scene, range(3))), num_classes=3)
    assert isinstance(plain.targets.masks, np.ndarray) and not isinstance(batch.targets.masks, np.ndarray)
    np.testing.assert_array_equal(np.asarray(batch.targets.masks), plain.targets.masks)
    for part in vars(plain.targets):
        np.testing.assert_array_equal(getattr(batch.targets, part), getattr(plain.targets, part))
    losses = [
        tiny_model().forward(plain.images, targets=targets, sizes=plain.sizes, rng=np.random.default_rng(0))[0]
        for targets in (plain.targets, batch.targets.to_device("cpu"))
    ]
    assert losses[0] == losses[1] and losses[0]["mask"] > 0


# ---------------------------------------------------------------- real pictures

DATA = os.environ.get("TINYMASKRCNN_DATA")
REAL = [("coco6", "instances.json"), ("coco6", "keypoints.json"), ("dali_coco", "instances.json")]


@pytest.mark.parametrize("folder, file", REAL)
def test_real_annotations_equal_pycocotools(folder, file):
    if not DATA or not (Path(DATA) / "coco" / folder).is_dir():
        pytest.skip("needs TINYMASKRCNN_DATA, a folder with coco/coco6 and coco/dali_coco")
    mask = pytest.importorskip("pycocotools.mask")
    folder = Path(DATA) / "coco" / folder
    dataset = CocoDataset.open(folder / file, folder, skip_broken=True)
    entries = {entry["id"]: entry for entry in json.loads((folder / file).read_text())["annotations"]}
    seen = 0
    for i, picture in enumerate(dataset.pictures):
        target = dataset.target(i).validate(height=picture.height, width=picture.width)
        if i < 3:
            assert dataset.image(i).shape == (picture.height, picture.width, 3)
        for ours, annotation in zip(target.masks, dataset.objects[picture.id]):
            shape = entries[annotation.id]["segmentation"]
            code = mask.frPyObjects(shape, picture.height, picture.width)
            code = mask.merge(code) if isinstance(shape, list) else code
            assert rle.to_string(rle.encode(ours)) == code["counts"].decode()
            seen += 1
    assert seen >= 10
