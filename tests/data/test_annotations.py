"""COCO's annotation files as they are: every number kept, every broken entry named."""

import copy
import json

import numpy as np
import pytest

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.annotations import Annotations
from tinymaskrcnn.errors import DataError

DATASET = {
    "images": [{"id": 30, "height": 6, "width": 8}, {"id": 4, "height": 5, "width": 5}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
    "annotations": [
        {
            **{"id": 1, "image_id": 30, "category_id": 18, "bbox": [1.1, 2.0, 3.3, 2.5], "area": 7.5, "iscrowd": 0},
            "segmentation": [[1, 2, 4, 2, 4, 4, 1, 4], [6, 0, 8, 0, 8, 1, 6, 1]],
            "keypoints": [2, 3, 2, 0, 0, 0],
        },
        {
            **{"id": 2, "image_id": 30, "category_id": 3, "bbox": [-1, 0, 10, 6], "area": 48, "iscrowd": 1},
            "segmentation": {"size": [6, 8], "counts": [0, 48]},
        },
    ],
}


def write(tmp_path, dataset=DATASET):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset))
    return path


def test_what_a_file_holds(tmp_path):
    annotations = Annotations(write(tmp_path))
    assert list(annotations.sizes.items()) == [(4, (5, 5)), (30, (6, 8))] and len(annotations) == 2
    assert annotations.category_ids == (3, 18)
    assert annotations.parts == ["bbox", "segmentation", "keypoints"] and annotations.num_keypoints == 2
    assert [image_id for image_id, _ in annotations.targets()] == [4, 30]


def test_objects_keep_every_number(tmp_path):
    """A box that leaves its picture stays so: COCO's tools do not cut it off either."""
    target = Annotations(write(tmp_path)).target(30, iou_type="keypoints")
    assert target.boxes.dtype == np.float64
    assert target.boxes.tolist() == [[1.1, 2.0, 1.1 + 3.3, 4.5], [-1, 0, 9, 6]]
    assert target.labels.tolist() == [2, 1] and target.crowd.tolist() == [False, True]
    assert target.areas.tolist() == [7.5, 48] and target.masks is None
    assert target.keypoints.tolist() == [[[2, 3, 2], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]


def test_masks_are_made_of_all_polygons(tmp_path):
    target = Annotations(write(tmp_path)).target(30, iou_type="segm")
    first, crowd = rle.decode_many(target.masks, size=(6, 8))
    assert crowd.all() and target.keypoints is None
    expected = np.zeros((6, 8), bool)
    expected[2:4, 1:4], expected[0:1, 6:8] = True, True
    assert (first == expected).all()


def test_pictures_without_objects_and_objects_without_area(tmp_path):
    dataset = copy.deepcopy(DATASET)
    del dataset["annotations"][0]["area"]
    annotations = Annotations(write(tmp_path, dataset))
    for kind in ("bbox", "segm", "keypoints"):
        assert len(annotations.target(4, iou_type=kind)) == 0
    assert annotations.target(30).areas is None


def broken(changes, *, images=None):
    dataset = copy.deepcopy(DATASET)
    dataset["annotations"][0] |= changes
    dataset["images"][0] |= images or {}
    return dataset


@pytest.mark.parametrize(
    "dataset, message",
    [
        (broken({"image_id": 7}), "annotation 1: there is no image 7"),
        (broken({"image_id": "30"}), "annotation 1: image_id must be a whole number; got 30"),
        (broken({"category_id": 1}), "annotation 1: there is no category 1"),
        (broken({"bbox": [0, 0, 1]}), "annotation 1: bbox must be finite"),
        (broken({"bbox": [0, 0, -1, 1]}), "annotation 1: bbox must be finite"),
        (broken({"bbox": [0, 0, 10**400, 1]}), "annotation 1: bbox must be finite"),
        (broken({"bbox": None}), "annotation 1: bbox must be finite"),
        (broken({"area": -1}), "annotation 1: area must be finite and at least 0; got -1"),
        (broken({"area": float("nan")}), "NaN or Infinity, which JSON does not know"),
        (broken({"iscrowd": 2}), "annotation 1: iscrowd must be 0 or 1; got 2"),
        (broken({"keypoints": [1, 2]}), "annotation 1: keypoints must be finite x, y, visibility"),
        (broken({}, images={"height": 10**9}), "image 30: sides must be in"),
        (broken({}, images={"width": None}), "image 30: width must be a whole number"),
        ({"images": [], "annotations": []}, "categories"),
        ([], "not COCO's format"),
    ],
)
def test_broken_files_are_refused(tmp_path, dataset, message):
    with pytest.raises(DataError, match=message):
        Annotations(write(tmp_path, dataset))


def test_keypoints_of_two_kinds_are_refused(tmp_path):
    dataset = copy.deepcopy(DATASET)
    dataset["annotations"][1]["keypoints"] = [0, 0, 0]
    with pytest.raises(DataError, match=r"as many keypoints, or none; got \[1, 2\]"):
        Annotations(write(tmp_path, dataset))


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        None,
        [[1, 2, 3, 4]],
        [[1, 2, "3", 4, 5, 6]],
        {"size": [6, 9], "counts": [54]},
        {"size": [6, 8], "counts": [0, 49]},
        {"size": [10**9, 10**9], "counts": [10**18]},
        {"size": [6, 8], "counts": "oooooooooooo"},
    ],
)
def test_broken_masks_are_refused_when_they_are_asked_for(tmp_path, segmentation):
    annotations = Annotations(write(tmp_path, broken({"segmentation": segmentation})))
    assert len(annotations.target(30)) == 2  # boxes do not need them
    with pytest.raises(DataError, match="annotation 1: "):
        annotations.target(30, iou_type="segm")


def test_an_entry_that_stands_twice(tmp_path):
    """Word for word it loses nothing; two things of one id would lose one of them."""
    for kind, what in (("images", "image"), ("categories", "category")):
        first = DATASET[kind][0]
        annotations = Annotations(write(tmp_path, DATASET | {kind: [*DATASET[kind], dict(first)]}))
        assert len(annotations) == 2 and annotations.category_ids == (3, 18)
        with pytest.raises(DataError, match=f"{what} {first['id']} stands twice in the file"):
            Annotations(write(tmp_path, DATASET | {kind: [*DATASET[kind], first | {"more": 1}]}))
