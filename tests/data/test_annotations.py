"""COCO's annotation files as they are: every number kept, every broken entry named."""

import copy
import json

import numpy as np
import pytest

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.annotations import Annotations
from tinymaskrcnn.data.coco_check import LARGEST
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


@pytest.mark.parametrize(
    "images, message",
    [
        ({"height": 0}, "sides must be in 1..32768; got 0 x 8"),
        ({"width": 0}, "sides must be in 1..32768; got 6 x 0"),
        ({"height": LARGEST + 1}, "got 32769 x 8"),
        ({"width": LARGEST + 1}, "got 6 x 32769"),
        ({"height": 6.0}, "image 30: height must be a whole number; got 6.0"),
        ({"id": True}, "image: id must be a whole number; got True"),
        ({"id": 2**63}, "image: id must be a whole number"),
        ({"id": -(2**63)}, "image: id must be a whole number"),
    ],
)
def test_both_sides_and_the_id_of_a_picture_have_limits(tmp_path, images, message):
    with pytest.raises(DataError, match=message):
        Annotations(write(tmp_path, broken({}, images=images)))


def test_what_just_fits_is_taken(tmp_path):
    images = [{"id": 2**63 - 1, "height": LARGEST, "width": 1}, {"id": 1 - 2**63, "height": 1, "width": LARGEST}]
    entry = {"id": 1, "image_id": 1 - 2**63, "category_id": 3, "bbox": [-5, -2.5, 0, 0], "area": 0, "iscrowd": None}
    annotations = Annotations(write(tmp_path, DATASET | {"images": images, "annotations": [entry]}))
    assert annotations.sizes == {1 - 2**63: (1, LARGEST), 2**63 - 1: (LARGEST, 1)}
    assert annotations.parts == ["bbox"] and annotations.num_keypoints == 0
    target = annotations.target(1 - 2**63)
    assert target.boxes.tolist() == [[-5, -2.5, -5, -2.5]] and target.areas.tolist() == [0]
    assert target.crowd.tolist() == [False] and target.crowd.dtype == bool and target.labels.dtype == np.int64


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image_id": True}, "annotation 1: image_id must be a whole number; got True"),
        ({"category_id": 3.0}, "annotation 1: category_id must be a whole number; got 3.0"),
        ({"bbox": [0, 0, 1, -1]}, "annotation 1: bbox must be finite"),
        ({"bbox": [0, 0, 1, 1, 1]}, "annotation 1: bbox must be finite"),
        ({"bbox": [0, 0, 1, True]}, "annotation 1: bbox must be finite"),
        ({"bbox": [0, -1e300, 1, 1]}, "annotation 1: bbox must be finite"),
        ({"bbox": {"x": 0}}, "annotation 1: bbox must be finite x, y, width, height; got {'x': 0}$"),
        ({"area": -1e-3}, "annotation 1: area must be finite and at least 0; got -0.001"),
        ({"area": "7"}, "annotation 1: area must be finite"),
        ({"area": 1e300}, "annotation 1: area must be finite"),
        ({"iscrowd": -1}, "annotation 1: iscrowd must be 0 or 1; got -1"),
        ({"keypoints": [1, 2, "2"]}, "annotation 1: keypoints must be finite"),
        ({"keypoints": [1, 2, 10**400]}, "annotation 1: keypoints must be finite"),
        ({"keypoints": {"x": 1}}, "annotation 1: keypoints must be finite"),
    ],
)
def test_every_part_of_an_annotation_is_looked_at(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        Annotations(write(tmp_path, broken(changes)))


def test_numbers_that_float32_would_round_stay(tmp_path):
    fine = 2**24 + 1 + 2**-8
    changes = {"bbox": [fine, 0.1, fine, 0.3], "area": fine, "keypoints": [fine, 0.1, 2, 0, 0, 0]}
    target = Annotations(write(tmp_path, broken(changes))).target(30, iou_type="keypoints")
    assert target.boxes[0].tolist() == [fine, 0.1, fine + fine, 0.1 + 0.3]
    assert target.areas[0] == fine and target.keypoints[0, 0].tolist() == [fine, 0.1, 2]


def test_an_object_without_mask_is_named_when_masks_are_judged(tmp_path):
    path = write(tmp_path, broken({"segmentation": []}))
    with pytest.raises(DataError, match=r"annotations\.json: annotation 1: has no segmentation to judge masks by"):
        Annotations(path).target(30, iou_type="segm")
    path = write(tmp_path, broken({"segmentation": [[1, 2, 4, 2, 4, 4, 1, 4]]}))  # one polygon only
    expected = np.zeros((6, 8), bool)
    expected[2:4, 1:4] = True
    np.testing.assert_array_equal(rle.decode(Annotations(path).target(30, iou_type="segm").masks[0]), expected)
