"""What nobody gave, and what comes last: defaults, types and limits of a dataset, its stream and its measurement."""

import dataclasses
import json

import annotated
import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.config import CocoConfig, Config, TrainConfig, photograph_preset
from tinymaskrcnn.data import coco, rle
from tinymaskrcnn.data.coco import CocoDataset, CocoStream, measure_pictures, open_coco
from tinymaskrcnn.data.coco_check import check_coco
from tinymaskrcnn.errors import ConfigError

PLAIN = CocoConfig()


@pytest.fixture
def dataset(tmp_path):
    return CocoDataset.open(*annotated.write(tmp_path))


def model(**changes):
    names = ("background", "cat", "person")
    return dataclasses.replace(photograph_preset(names), resize_shorter=0, resize_longer=0, **changes)


MODEL = model()


def stream(dataset, *, augment=True, config=PLAIN, model=MODEL):
    return CocoStream(dataset, model, config, batch_size=2, seed=3, augment=augment)


def test_the_reports_of_the_last_two_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "_REPORTS", {})
    where = []
    for name in "abc":
        (tmp_path / name).mkdir()
        where.append(annotated.write(tmp_path / name))
    checked = []
    monkeypatch.setattr(coco, "check_coco", lambda *words: checked.append(words[0].parent.name) or check_coco(*words))
    for k in (0, 1, 0, 1, 2, 1, 2, 0, 1):
        CocoDataset.open(*where[k])
    assert "".join(checked) == "abcab" and len(coco._REPORTS) == 2


def test_a_file_that_was_written_anew_is_checked_anew(tmp_path):
    path, folder = annotated.write(tmp_path)
    assert len(CocoDataset.open(path, folder).objects[10]) == 2
    contents = annotated.entries()
    contents["annotations"] = contents["annotations"][1:]
    path.write_text(json.dumps(contents))
    assert len(CocoDataset.open(path, folder).objects[10]) == 1


def test_areas_are_those_of_the_file_object_by_object(tmp_path):
    contents = annotated.entries()
    contents["annotations"][0] |= {"area": 0, "segmentation": [[4, 6, 14, 6, 14, 18, 4, 18]]}
    del contents["annotations"][1]["area"]
    dataset = CocoDataset.open(*annotated.write(tmp_path, contents))
    areas = dataset.target(0).areas
    assert areas.tolist() == [0, 640] and areas.dtype == np.float64  # none is said, so the mask is counted
    assert (
        dataset.outlines(0, masks=False).areas.tolist() == [0, 640] and dataset.outlines(0, masks=False).masks is None
    )
    del contents["annotations"][0]["area"]
    contents["annotations"][0]["segmentation"] = [[4, 6, 14, 6, 14, 12, 4, 12]]  # half of its box
    dataset = CocoDataset.open(*annotated.write(tmp_path, contents))
    assert dataset.target(0).areas.tolist() == [60, 640] and dataset.outlines(0, masks=False).areas.tolist() == [
        120,
        640,
    ]


def test_types_of_a_target(dataset):
    for target in (dataset.target(0), dataset.target(2)):
        assert (target.boxes.dtype, target.labels.dtype) == (np.float32, np.int64)
        assert (target.masks.dtype, target.crowd.dtype) == (bool, bool)
        assert (target.keypoints.dtype, target.areas.dtype) == (np.float32, np.float64)
    image, target = stream(dataset, config=CocoConfig(crop=9)).scene(0)
    assert image.dtype == target.boxes.dtype == np.float32 and target.masks.dtype == bool


def test_pictures_of_one_channel(dataset):
    assert dataset.image(0).shape[2] == dataset.pixels(0).shape[2] == 3
    backbone = dataclasses.replace(MODEL.backbone, in_channels=1)
    grey = dataclasses.replace(MODEL, backbone=backbone, image_mean=(0.5,), image_std=(0.2,))
    for augment in (True, False):
        source = stream(dataset, model=grey, augment=augment)
        assert source.scene(0)[0].shape[2] == source.encoded(0)[0].shape[2] == 1
        assert source.batch(0).images.shape[-1] == 1


def test_encoded_masks_are_those_of_the_scene(dataset):
    source = stream(dataset, augment=False)
    for i in range(4):
        (image, target), (other, packed) = source.scene(i), source.encoded(i)
        np.testing.assert_array_equal(image, other)
        np.testing.assert_array_equal(rle.decode_many(packed.masks, size=image.shape[:2]), target.masks)
        np.testing.assert_array_equal(packed.boxes, target.boxes)
    dataset.has_masks = False
    assert source.encoded(0)[1].masks is None and source.scene(0)[1].masks is None


def test_what_is_not_there_can_be_judged_but_not_learned(tmp_path):
    contents = annotated.entries()
    del contents["categories"][0]["keypoints"]
    for entry in contents["annotations"]:
        entry.pop("keypoints", None), entry.pop("num_keypoints", None)
    dataset = CocoDataset.open(*annotated.write(tmp_path, contents))
    points = model(heads=("box", "keypoint"))
    with pytest.raises(ConfigError, match="no object has a keypoint; train without the keypoint head"):
        stream(dataset, model=points)
    assert stream(dataset, model=points, augment=False).scene(0)[1].keypoints is None


def test_numbers_of_keypoints_must_agree_also_where_nothing_is_learned(dataset):
    for augment in (True, False):
        with pytest.raises(ConfigError, match="its categories name 3 keypoints; the model has 17"):
            stream(dataset, model=model(heads=("box", "keypoint")), augment=augment)
    roi = dataclasses.replace(MODEL.roi, num_keypoints=3)
    assert stream(dataset, model=model(heads=("box", "keypoint"), roi=roi)).keypoint_order == [0, 2, 1]


def test_settings_reach_the_stream_of_a_configuration(tmp_path):
    path, folder = map(str, annotated.write(tmp_path))
    (tmp_path / "val").mkdir()
    contents = annotated.entries()
    contents["annotations"] = contents["annotations"][:1]
    val_path, val_folder = map(str, annotated.write(tmp_path / "val", contents))
    files = CocoConfig(path, folder, val_annotations=val_path, val_images=val_folder, crop=5, flip=0.25)
    config = Config(model=model(), coco=files, train=TrainConfig(batch_size=3, seed=11))
    train, test = open_coco(config, split="train"), open_coco(config, split="test")
    assert (train.augment, train.batch_size, train.seed, train.config) == (True, 3, 11, files)
    assert (test.augment, test.batch_size, test.seed) == (False, 3, 11)
    assert (train.dataset.path, test.dataset.path) == (path, val_path)
    assert (str(train.dataset.folder), str(test.dataset.folder)) == (folder, val_folder)
    assert sum(map(len, test.dataset.objects.values())) == 1
    boxes = open_coco(config, split="test", parts=("box",))
    assert boxes.model.heads == ("box",) and not boxes.dataset.has_masks and test.model.heads == MODEL.heads


def test_some_of_many_pictures_are_measured(tmp_path, monkeypatch):
    """The first, the last and those between, in bands: grey only where all of them are."""
    monkeypatch.setattr(coco, "BAND", 5)
    contents = annotated.entries()
    contents["annotations"], contents["images"] = [], []
    path, folder = annotated.write(tmp_path, contents)
    for k in range(9):
        pixels = np.full((11, 7, 3), 20 * k, np.uint8)
        pixels[:, :3] = 255
        Image.fromarray(pixels).save(folder / f"{k}.png")
        contents["images"].append({"id": k, "file_name": f"{k}.png", "height": 11, "width": 7})
    path.write_text(json.dumps(contents))
    dataset = CocoDataset.open(path, folder)
    for most, chosen in ((3, [0, 4, 8]), (1, [0]), (50, range(9))):
        channels, mean, std = measure_pictures(dataset, most=most)
        values = np.concatenate([dataset.image(k)[:, :, 0].ravel() for k in chosen]).astype(np.float64)
        assert channels == 1 and mean == (pytest.approx(values.mean(), rel=2e-3),)
        assert std == (pytest.approx(values.std(), rel=2e-3),)
    pixels[-1, -1] = 3, 4, 3
    Image.fromarray(pixels).save(folder / "8.png")
    assert measure_pictures(dataset)[0] == 3 and measure_pictures(dataset, most=1)[0] == 1
    Image.new("RGB", (7, 11)).save(folder / "0.png")
    channels, mean, std = measure_pictures(dataset, most=1)
    assert mean == (0.0,) and std == (1e-5,)  # one colour: nothing to divide by
