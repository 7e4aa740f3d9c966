"""What is left out is counted and said; what nobody asked for stops nobody; nothing left is an error."""

import copy

import annotated
import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.config import photograph_preset
from tinymaskrcnn.data.coco import BrokenAnnotations, CocoDataset
from tinymaskrcnn.data.coco_check import check_coco
from tinymaskrcnn.errors import ConfigError, DataError

BOX = ("box",)


def squares(per_picture=(4, 4, 4)):
    """Pictures 10, 20, 30 with so many objects each, ids from 1."""
    contents = annotated.entries()
    contents["annotations"] = [
        annotated.annotation(0, 10 * (i + 1), 3, [1 + 4 * k, 2, 4, 9])
        for i, n in enumerate(per_picture)
        for k in range(n)
    ]
    for number, entry in enumerate(contents["annotations"], start=1):
        entry["id"] = number
    return contents


def dataset(folder, contents, **asked):
    return CocoDataset.open(*annotated.write(folder, contents), **asked)


def counts(data):
    return {data.name(i): len(data.objects[p.id]) for i, p in enumerate(data.pictures)}


def test_a_picture_goes_with_its_broken_object(tmp_path):
    contents = squares()
    for entry in contents["annotations"][:3]:
        entry["bbox"] = [5, 5, 0, 0]
    with pytest.raises(BrokenAnnotations, match="3 problems"):
        dataset(tmp_path, contents)
    data = dataset(tmp_path, contents, skip_broken=True)
    assert counts(data) == {"b.png": 4, "c.png": 4}
    [note] = data.notes
    assert "left out 4 of 12 objects and 1 of 3 pictures" in note and note.startswith(str(tmp_path))


def test_nothing_left_out_nothing_said(tmp_path):
    assert dataset(tmp_path, squares()).notes == ()
    assert dataset(tmp_path, squares(), skip_broken=True).notes == ()
    assert counts(dataset(tmp_path, annotated.entries() | {"annotations": []})) == dict.fromkeys(
        ("a.png", "b.png", "c.png"), 0
    )


def test_an_object_that_names_no_picture_is_counted(tmp_path):
    contents = squares()
    contents["annotations"][0]["image_id"] = 99
    data = dataset(tmp_path, contents, skip_broken=True)
    assert counts(data) == {"a.png": 3, "b.png": 4, "c.png": 4}
    assert data.notes[0].endswith("left out 1 of 12 objects and 0 of 3 pictures")


@pytest.mark.parametrize("broken", [lambda e: e | {"bbox": None}, lambda e: e | {"category_id": 99}, lambda e: "text"])
def test_no_object_left_is_an_error(tmp_path, broken):
    contents = squares((2, 2, 0))
    contents["annotations"] = [broken(entry) if i % 2 else entry for i, entry in enumerate(contents["annotations"])]
    if not isinstance(contents["annotations"][1], str):  # a text names no picture: nothing is known to be spoiled
        with pytest.raises(BrokenAnnotations, match="Nothing is left to work with: 0 of 4 objects") as caught:
            dataset(tmp_path, contents, skip_broken=True)
        assert len(str(caught.value)) <= 500
    contents["annotations"] = list(map(broken, squares((2, 2, 0))["annotations"]))
    with pytest.raises(BrokenAnnotations, match="Nothing is left to work with: 0 of 4 objects"):
        dataset(tmp_path, contents, skip_broken=True)


# ---------------------------------------------------------------- two entries for one thing


def test_a_root_category_with_the_name_of_a_class(tmp_path):
    contents = squares()
    for root in ({"id": 0, "name": "cat", "supercategory": "none"}, {"id": 99, "name": "cat"}):
        for place in (0, 2):
            changed = copy.deepcopy(contents)
            changed["categories"].insert(place, root)
            data = dataset(tmp_path, changed)
            assert counts(data) == {"a.png": 4, "b.png": 4, "c.png": 4} and data.class_names == (
                ("background", "cat", "person")
            )
            assert data.target(0).labels.tolist() == [1] * 4
            assert f"category {root['id']} without objects is left out: its name 'cat' is taken" in data.notes[0]


def test_a_category_called_background(tmp_path):
    contents = squares()
    contents["categories"].insert(0, {"id": 0, "name": "background"})
    data = dataset(tmp_path, contents)
    assert data.class_names == ("background", "cat", "person") and "category 0 without objects" in data.notes[0]
    contents["annotations"][0]["category_id"] = 0
    report = check_coco(*annotated.write(tmp_path, contents))
    assert [p.what for p in report.problems] == ["the name 'background' is that of class 0, which is no object"]
    assert counts(dataset(tmp_path, contents, skip_broken=True)) == {"b.png": 4, "c.png": 4}


def test_two_classes_of_one_name(tmp_path):
    contents = squares()
    contents["categories"].append({"id": 8, "name": "cat"})
    for entry in contents["annotations"][:4]:
        entry["category_id"] = 8
    assert [p.what for p in check_coco(*annotated.write(tmp_path, contents)).problems] == [
        "the name 'cat' is taken by another category"
    ]
    data = dataset(tmp_path, contents, skip_broken=True)
    assert counts(data) == {"b.png": 4, "c.png": 4} and "left out 4 of 12 objects" in data.notes[0]


@pytest.mark.parametrize("name", ["a.png", "./a.png", ".//a.png"])
def test_a_file_under_two_ids(tmp_path, name):
    contents = squares()
    contents["images"].append({"id": 11, "file_name": name, "height": 32, "width": 40})
    data = dataset(tmp_path, contents)  # without objects of its own it would be a picture of nothing
    assert counts(data) == {"a.png": 4, "b.png": 4, "c.png": 4} and "picture 11 without objects" in data.notes[0]
    contents["annotations"][0]["image_id"] = 11
    report = check_coco(*annotated.write(tmp_path, contents))
    assert [p.where for p in report.problems] == ["picture 10", "picture 11"]
    assert "the file of 2 pictures" in report.problems[0].what
    data = dataset(tmp_path, contents, skip_broken=True)
    assert counts(data) == {"b.png": 4, "c.png": 4}
    assert "left out 4 of 12 objects and 2 of 4 pictures" in data.notes[0]


def test_an_id_that_means_two_things_means_nothing(tmp_path):
    contents = squares()
    contents["images"].append({"id": 10, "file_name": "c.png", "height": 24, "width": 24})
    assert counts(dataset(tmp_path, contents, skip_broken=True)) == {"b.png": 4, "c.png": 4}
    contents = squares()
    contents["categories"].append({"id": 3, "name": "dog"})
    with pytest.raises(BrokenAnnotations, match="0 of 12 objects"):
        dataset(tmp_path, contents, skip_broken=True)


def test_entries_that_stand_twice_count_once(tmp_path):
    contents = squares()
    for entries in contents.values():
        entries.append(entries[0])
    data = dataset(tmp_path, contents)
    assert counts(data) == {"a.png": 4, "b.png": 4, "c.png": 4} and len(data.notes) == 3
    assert all("twice" in note for note in data.notes)


# ---------------------------------------------------------------- what is asked for


@pytest.mark.parametrize("absent", [None, [], [[]], [[], []], {}, "", [None]])
def test_every_way_to_say_no_mask(tmp_path, absent):
    contents = squares()
    for entry in contents["annotations"]:
        entry["segmentation"] = absent
    data = dataset(tmp_path, contents)
    assert data.offers == BOX and data.target(0).masks is None
    contents["annotations"][-1] |= {"segmentation": squares()["annotations"][-1]["segmentation"]}
    report = check_coco(*annotated.write(tmp_path, contents))
    assert {p.what for p in report.problems} == {"segmentation is missing; other objects have one"}
    assert {p.part for p in report.problems} == {"mask"} and report.parts == ("box", "mask")


@pytest.mark.parametrize(
    "shape", [[], [[1, 2]], "nonsense", {"size": [1, 1], "counts": [1]}, [[200, 1, 2, 2, 1, 9]], 7]
)
def test_boxes_do_not_need_masks(tmp_path, shape):
    contents = squares()
    contents["annotations"][0]["segmentation"] = shape
    with pytest.raises(BrokenAnnotations):
        dataset(tmp_path, contents)
    data = dataset(tmp_path, contents, parts=BOX)
    assert counts(data) == {"a.png": 4, "b.png": 4, "c.png": 4} and data.target(0).masks is None and not data.notes
    assert counts(dataset(tmp_path, contents, skip_broken=True)) == {"b.png": 4, "c.png": 4}


def test_masks_do_not_need_keypoints(tmp_path):
    contents = annotated.entries()
    contents["annotations"][0]["keypoints"] = [1, 2]
    contents["categories"].append({"id": 9, "name": "dog", "keypoints": ["tail"]})
    with pytest.raises(BrokenAnnotations, match="2 problems"):
        dataset(tmp_path, contents)
    data = dataset(tmp_path, contents, parts=("box", "mask"))
    assert data.target(0).keypoints is None and data.target(0).masks is not None


def test_categories_that_the_model_does_not_know(tmp_path):
    contents = squares()
    names = ("background", "cat")
    data = dataset(tmp_path, contents, class_names=names)  # no person is there
    assert "1 category without objects that the model does not know: 'person'" in data.notes[0]
    contents["annotations"][0]["category_id"] = 7
    with pytest.raises(ConfigError, match=r"the model does not know: person \(1 object\)"):
        dataset(tmp_path, contents, class_names=names)
    learned = dataset(tmp_path, contents, class_names=names, skip_broken=True)
    assert counts(learned) == {"b.png": 4, "c.png": 4}  # in a.png a person would be background
    judged = dataset(tmp_path, contents, class_names=names, skip_broken=True, learn=False)
    assert counts(judged) == {"a.png": 3, "b.png": 4, "c.png": 4} and "left out 1 of 12 objects" in judged.notes[-1]


def test_only_the_pictures_of_a_list_matter(tmp_path):
    contents = squares()
    contents["annotations"][0]["bbox"] = [5, 5, 0, 0]
    contents["images"].append({"id": 40, "file_name": "none.png", "height": 9, "width": 9})
    data = dataset(tmp_path, contents, wanted=["c.png", "20"])
    assert counts(data) == {"c.png": 4, "b.png": 4} and not data.notes
    for name in ("a.png", "none.png", "40"):
        with pytest.raises(BrokenAnnotations, match="1 problem "):
            dataset(tmp_path, contents, wanted=["c.png", name])
        data = dataset(tmp_path, contents, wanted=["c.png", name], skip_broken=True)
        assert counts(data) == {"c.png": 4} and "1 of 2 pictures" in data.notes[0]
    with pytest.raises(DataError, match="wanted but not there: x.png"):
        dataset(tmp_path, contents, wanted=["c.png", "x.png"], skip_broken=True)
    assert "1 line of the list" in dataset(tmp_path, contents, wanted=["c.png", "30"]).notes[0]


def test_pictures_too_thin_for_a_model(tmp_path):
    contents = squares()
    contents["images"].append({"id": 50, "file_name": "thin.png", "height": 2, "width": 1600})
    contents["annotations"].append(annotated.annotation(50, 50, 3, [5, 0, 9, 2]))
    path, folder = annotated.write(tmp_path, contents)
    Image.fromarray(np.zeros((2, 1600), np.uint8)).save(folder / "thin.png")
    model = photograph_preset(("background", "cat", "person"))
    assert len(CocoDataset.open(path, folder)) == 4
    with pytest.raises(BrokenAnnotations, match="1600x2 pixels has no pixel left"):
        CocoDataset.open(path, folder, model=model)
    data = CocoDataset.open(path, folder, model=model, skip_broken=True)
    assert len(data) == 3 and "left out 1 of 13 objects and 1 of 4 pictures" in data.notes[0]


# ---------------------------------------------------------------- whatever is asked for, it needs a box


@pytest.mark.parametrize("parts", [("box",), ("mask",), ("keypoint",), ("mask", "keypoint"), ("box", "mask")])
def test_broken_boxes_stop_whatever_is_asked_for(tmp_path, parts):
    contents = annotated.entries()
    contents["annotations"][2]["bbox"] = [5, 5, 0, 0]
    with pytest.raises(BrokenAnnotations, match="box is degenerate"):
        dataset(tmp_path, contents, parts=parts)
    data = dataset(tmp_path, contents, parts=parts, skip_broken=True)
    assert counts(data) == {"a.png": 2, "c.png": 0} and "left out 1 of 3 objects and 1 of 3 pictures" in data.notes[-1]


def test_what_stands_twice_counts_once(tmp_path):
    contents = squares()
    contents["annotations"][0]["bbox"] = [5, 5, 0, 0]
    contents["images"] += copy.deepcopy(contents["images"][:2])
    contents["annotations"] += copy.deepcopy(contents["annotations"][5:7])
    data = dataset(tmp_path, contents, skip_broken=True)
    assert "left out 4 of 12 objects and 1 of 3 pictures" in data.notes[-1]
    assert "sound: 3 pictures, 11 of 12 objects" in check_coco(*annotated.write(tmp_path, contents)).table()


def test_a_picture_that_a_list_names_in_two_ways_counts_once(tmp_path):
    contents = squares()
    contents["annotations"][0]["bbox"] = [5, 5, 0, 0]
    data = dataset(tmp_path, contents, skip_broken=True, wanted=["10", "a.png", "20", "b.png"])
    assert "left out 4 of 8 objects and 1 of 2 pictures" in data.notes[-1]
    contents["images"][0]["height"] = 25  # not that of picture 30
    data = dataset(tmp_path, contents, skip_broken=True, wanted=["10", "a.png", "20", "30", "c.png"])
    assert "and 2 of 3 pictures" in data.notes[-1]
