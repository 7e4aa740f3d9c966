"""Boxes that a person draws: checked, kept in COCO's format, and read by what trains on them."""

import json

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.data.annotator import DIGITS, Notebook
from tinymaskrcnn.data.coco import CocoDataset
from tinymaskrcnn.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.jpg"):
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / "c.jpg", exif=exif)
    return tmp_path


def test_what_is_drawn_is_what_a_training_reads(folder):
    path = folder / "boxes.json"
    notebook = Notebook(folder, path)
    assert notebook.pictures == ["a.png", "b.jpg", "c.jpg"] and notebook.sizes["c.jpg"] == (60, 40)
    notebook.put(0, [[1.234, 2, 20, 30.5, 7], [30, 5, 90, 39, 0]])
    notebook.put(2, [])
    dataset = CocoDataset.open(path, folder, parts=("box",))
    assert dataset.class_names == ("background", *DIGITS)
    assert [picture.file_name for picture in dataset.pictures] == ["a.png", "c.jpg"]  # the others were not looked at
    target = dataset.outlines(0)
    np.testing.assert_allclose(target.boxes, [[1.23, 2, 20, 30.5], [30, 5, 60, 39]], atol=1e-4)
    assert target.labels.tolist() == [8, 1] and len(dataset.outlines(1)) == 0
    assert dataset.image(1, channels=1).shape == (60, 40, 1)


def test_one_goes_on_where_one_stopped(folder):
    path = folder / "boxes.json"
    Notebook(folder, path).put(1, [[3, 4, 5, 6, 2]])
    again = Notebook(folder, path)
    assert again.boxes == {"b.jpg": [[3, 4, 5, 6, 2]]}
    again.put(0, [])
    assert Notebook(folder, path).boxes == {"a.png": [], "b.jpg": [[3, 4, 5, 6, 2]]}


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ("many", "boxes must be a list of at most 1000"),
        ([[1, 2, 3, 4]], "a box must be x1, y1, x2, y2 and a class"),
        ([[1, 2, 3, "4", 1]], "a box must be x1, y1, x2, y2 and a class"),
        ([[1, 2, 3, True, 1]], "a box must be x1, y1, x2, y2 and a class"),
        ([[1, 2, float("nan"), 4, 1]], "a box must be x1, y1, x2, y2 and a class"),
        ([[5, 2, 3, 4, 1]], "a box needs x2 > x1 and y2 > y1 inside the picture"),
        ([[70, 2, 80, 4, 1]], "a box needs x2 > x1 and y2 > y1 inside the picture"),
        ([[1, 2, 3, 4, 10]], r"a class must be in 0..9; got 10"),
        ([[1, 2, 3, 4, 0.5]], r"a class must be in 0..9; got 0.5"),
        ([[1, 2, 3, 4, 0]] * 1001, "boxes must be a list of at most 1000"),
    ],
)
def test_boxes_that_are_none_are_refused_and_nothing_is_written(boxes, said, folder):
    notebook = Notebook(folder, folder / "boxes.json")
    with pytest.raises(DataError, match=f"a.png: {said}"):
        notebook.put(0, boxes)
    assert not notebook.path.exists() and notebook.boxes == {}


@pytest.mark.parametrize("number", [-1, 3, "0", None, 1.0])
def test_a_picture_that_is_not_there(number, folder):
    with pytest.raises(DataError, match="there is no picture number"):
        Notebook(folder, folder / "boxes.json").put(number, [])


def broken(change):
    def apply(path):
        table = json.loads(path.read_text())
        change(table)
        path.write_text(json.dumps(table))

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("{"),
        broken(lambda t: t["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, 6]])),
        broken(lambda t: t["annotations"][0].update(iscrowd=1)),
        broken(lambda t: t["annotations"][0].update(bbox=[1, 2])),
        broken(lambda t: t["categories"][3].update(name="cat")),
        broken(lambda t: t["images"][0].update(file_name="gone.png")),
        broken(lambda t: t["images"][0].update(file_name=["a.png"])),
    ],
)
def test_a_file_of_which_something_would_be_lost_is_left_alone(spoil, folder):
    path = folder / "boxes.json"
    Notebook(folder, path).put(0, [[1, 2, 3, 4, 5]])
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="boxes.json"):
        Notebook(folder, path)
    assert path.read_bytes() == before
