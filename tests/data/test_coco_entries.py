"""One entry of a COCO file at a time: the last number that is taken, and the first that is not."""

import numpy as np
import pytest

from tinymaskrcnn.data import coco_entries, rle
from tinymaskrcnn.data.coco_entries import HUGE, LARGEST, Broken, read_category, read_object, read_picture
from tinymaskrcnn.data.coco_report import Category, Picture

PICTURE = Picture(10, "a.png", 32, 40)  # 40 wide, 32 high
FACE = Category(7, "person", ("nose", "left_eye"))


def read(category=FACE, **entry):
    return read_object({"bbox": [4, 6, 10, 12]} | entry, 1, PICTURE, category)


def wrong(part, **entry):
    return read(**entry)[1].get(part, [])


@pytest.mark.parametrize(
    "box, edges",
    [
        ([-1, 6, 10, 12], (0, 6, 9, 18)),
        ([-1.01, 6, 10, 12], None),
        ([4, -1, 10, 12], (4, 0, 14, 11)),
        ([4, -1.01, 10, 12], None),
        ([30, 6, 11, 12], (30, 6, 40, 18)),
        ([30, 6, 11.01, 12], None),
        ([4, 20, 10, 13], (4, 20, 14, 32)),
        ([4, 20, 10, 13.01], None),
        ([4, 6, 0.1, 12], (4, 6, np.float32(4.1), 18)),
        ([4, 6, 0.08, 12], None),
        ([4, 6, 10, 0.1], (4, 6, 14, np.float32(6.1))),
        ([4, 6, 10, 0.08], None),
        ([4, 6, 10, 0], None),
        ([4, 6, -10, 12], None),
        ([39.95, 6, 1, 12], None),
        ([4, 31.95, 10, 1], None),
    ],
)
def test_a_box_lies_in_its_picture_and_has_two_sides(box, edges):
    found, broken = read(bbox=box)
    if edges is None:
        assert found is None and list(broken) == ["box"] and len(broken["box"]) == 1
    else:
        assert found.box == pytest.approx(edges, abs=1e-6) and not broken
        assert all(type(edge) is float and edge == np.float32(edge) for edge in found.box)


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("value", [None, "4", True, [4], float("nan"), float("-inf"), HUGE, -HUGE, 10**400])
def test_every_number_of_a_box_is_a_number(side, value):
    box = [4, 6, 10, 12]
    box[side] = value
    assert "bbox must hold finite numbers" in wrong("box", bbox=box)[0]


def test_why_a_box_is_degenerate():
    assert "below 0.1 pixel" in wrong("box", bbox=[4, 6, 0.08, 12])[0]
    assert "below 0.1 pixel" in wrong("box", bbox=[4, 6, 12, 0.08])[0]
    assert "inside the picture of 40x32 pixels" in wrong("box", bbox=[39.95, 6, 1, 12])[0]
    assert "lies outside the picture of 40x32 pixels; got [4, 6, 40, 12]" in wrong("box", bbox=[4, 6, 40, 12])[0]


@pytest.mark.parametrize("given, crowd", [(None, False), (0, False), (1, True), (True, True), (False, False)])
def test_a_crowd_is_true_or_false(given, crowd):
    assert read(iscrowd=given)[0].crowd is crowd


@pytest.mark.parametrize("given", [2, -1, "1", [1], 0.5])
def test_other_crowds_are_refused(given):
    assert read(iscrowd=given)[0] is None and "iscrowd must be 0 or 1" in wrong("box", iscrowd=given)[0]


@pytest.mark.parametrize("given", [0, 7, 7.5, HUGE - 1])
def test_an_area_is_a_float(given):
    area = read(area=given)[0].area
    assert area == given and type(area) is float and read(area=None)[0].area is None


@pytest.mark.parametrize("given", [-0.1, "7", True, HUGE, float("nan"), []])
def test_other_areas_are_refused(given):
    assert "area must be a finite number" in wrong("box", area=given)[0]


@pytest.mark.parametrize(
    "reach, fits, hint",
    [
        ((-1, -1, 41, 33), True, False),
        ((-1.1, 0, 9, 9), False, False),
        ((0, -1.1, 9, 9), False, False),
        ((0, 0, 41.1, 9), False, False),
        ((0, 0, 9, 33.1), False, True),
        ((0, 0, 33, 41), False, True),
        ((0, 0, 33.1, 41), False, False),
        ((0, 0, 33, 41.1), False, False),
        ((-1.1, 0, 9, 40), False, False),
    ],
)
def test_a_polygon_reaches_to_the_border_on_every_side(reach, fits, hint):
    x1, y1, x2, y2 = reach
    good, shape = [1, 1, 5, 1, 5, 5], [x1, y1, x2, y1, x2, y2]
    found, broken = read(segmentation=[good, shape])
    assert found is not None and (found.segmentation is not None) is fits and found.broken == frozenset(broken)
    if not fits:
        (what,) = broken["mask"]
        spans = f"x {x1:.6g}..{x2:.6g}, y {y1:.6g}..{y2:.6g}"
        assert f"polygon 1 lies outside the picture of 40x32 pixels; it spans {spans}" in what
        assert what.endswith("; as y, x it would not") is hint


def test_run_lengths_are_read():
    shape = read(segmentation={"size": [32, 40], "counts": [1000, 280]})[0].segmentation
    assert isinstance(shape, rle.RLE) and shape.counts.tolist() == [1000, 280]
    assert "not a complete" in wrong("mask", segmentation={"size": [32, 40], "counts": "oo"})[0]
    assert not wrong("mask", segmentation={"size": [32, 40], "counts": "oo"})[0].startswith("from_string")


@pytest.mark.parametrize(
    "place, fits",
    [
        ((-1, 0), True),
        ((-1.1, 0), False),
        ((0, -1), True),
        ((0, -1.1), False),
        ((41, 0), True),
        ((41.1, 0), False),
        ((0, 33), True),
        ((0, 33.1), False),
    ],
)
@pytest.mark.parametrize("joint", [0, 1])
def test_a_labelled_keypoint_reaches_to_the_border_on_every_side(place, fits, joint):
    points = [5, 5, 1, 5, 5, 2]
    points[3 * joint : 3 * joint + 2] = place
    found, broken = read(keypoints=points)
    assert (found.keypoints is not None) is fits
    if fits:
        assert found.keypoints.dtype == np.float32 and found.keypoints.ravel().tolist() == points
    else:
        assert broken["keypoint"] == [f"keypoint {FACE.keypoints[joint]!r} lies outside the picture of 40x32 pixels"]
    points[3 * joint + 2] = 0  # one that is absent may be anywhere, and is nowhere
    kept = read(keypoints=points)[0].keypoints
    assert kept[joint].tolist() == [0, 0, 0] and kept[1 - joint].tolist() == [5, 5, 2 - joint if joint else 2]


def test_keypoints_and_their_count():
    points = [5, 5, 1, 0, 0, 0]
    for counted in (None, 1, True):
        assert not read(keypoints=points, num_keypoints=counted)[1]
    for counted in (0, 2, "1", [1]):
        assert wrong("keypoint", keypoints=points, num_keypoints=counted) == [
            f"num_keypoints must count the 1 labelled points; got {counted!r}"
        ]
    assert read()[0].keypoints.tolist() == [[0, 0, 0]] * 2 and read()[0].keypoints.dtype == np.float32
    assert read(Category(3, "cat"))[0].keypoints is None and read(Category(3, "cat"), keypoints=[])[0].keypoints is None
    assert read(Category(3, "cat"), keypoints=points)[1] == {"keypoint": ["has keypoints; its category names none"]}
    assert read(None, keypoints=points) == (None, {})
    for visibility in (0.5, -1, 3):
        assert "visibility must be 0, 1 or 2" in wrong("keypoint", keypoints=[5, 5, 1, 5, 5, visibility])[0]
    for bad in ("5", None, True, float("inf"), HUGE):
        assert wrong("keypoint", keypoints=[5, bad, 1, 5, 5, 1]) == ["keypoints must be finite numbers"]


def test_all_that_is_wrong_is_said_and_the_rest_is_kept():
    found, broken = read(segmentation=[[1, 2]], keypoints=[1])
    assert set(broken) == {"mask", "keypoint"} == found.broken and (found.id, found.picture, found.category) == (
        1,
        10,
        7,
    )
    found, broken = read(bbox=None, iscrowd=7, area=-1, segmentation=3)
    assert found is None and len(broken["box"]) == 3 and len(broken["mask"]) == 1


@pytest.mark.parametrize("name", [None, "", " ", 7, [], "two\nlines", "bell\a"])
def test_a_category_has_a_name(name):
    with pytest.raises(Broken, match="name"):
        read_category({"name": name}, 1)


@pytest.mark.parametrize("points, kept", [(None, ()), ("", ()), ({}, ()), ([], ()), (["a", "b"], ("a", "b"))])
def test_a_category_may_name_keypoints(points, kept):
    assert read_category({"name": "cat", "keypoints": points}, 3) == Category(3, "cat", kept)


@pytest.mark.parametrize("points", ["nose", {"nose": 1}, ["nose", 3], 7])
def test_names_of_keypoints_are_texts(points):
    with pytest.raises(Broken, match="keypoints must be a list of names; got"):
        read_category({"name": "cat", "keypoints": points}, 3)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (True, 5), (5, True), (LARGEST + 1, 5), (5, LARGEST + 1), (5.0, 5)])
def test_both_sides_of_a_picture_are_whole_numbers(tmp_path, size):
    entry = {"file_name": "a.png", "height": size[0], "width": size[1]}
    with pytest.raises(Broken, match=r"height and width must be whole numbers in 1\.\.32768; got"):
        read_picture(entry, 1, tmp_path)
    for sound in ((LARGEST, 1), (1, LARGEST)):
        with pytest.raises(Broken, match="there is no such picture"):
            read_picture(entry | {"height": sound[0], "width": sound[1]}, 1, tmp_path)


@pytest.mark.parametrize("name", [None, "", 7, "a\0b", "/etc/a.png", "..", "../a.png", "a/../b.png", "a/.."])
def test_a_file_stays_in_its_folder(name):
    with pytest.raises(Broken, match="file_name"):
        coco_entries.file_name({"file_name": name})


@pytest.mark.parametrize("name", ["a.png", "a..png", "..a.png", "a/b.png", "./a.png", " "])
def test_names_of_files_that_are_taken(name):
    assert coco_entries.file_name({"file_name": name}) == name
    assert (
        coco_entries.same_file("./a//b/../c.png")
        == coco_entries.same_file("a/c.png")
        != coco_entries.same_file("c.png")
    )


def test_ids():
    for key in (0, -3, 2**63 - 1, 1 - 2**63):
        assert coco_entries.claim_id({"id": key}, {}) == key and coco_entries.identify({"id": key}, 4) == str(key)
    for key in (2**63, -(2**63), True, 1.0, "1", None):
        with pytest.raises(Broken, match="id must be a whole number"):
            coco_entries.claim_id({"id": key}, {})
    for entry in ({"id": True}, {"id": "1"}, {}, "id", None):
        assert coco_entries.identify(entry, 4) == "no. 5 of the list"
    with pytest.raises(Broken, match="the id 3 is taken by another entry"):
        coco_entries.claim_id({"id": 3}, {3: {}})


def test_names_in_a_table_are_short_and_printable():
    assert (
        coco_entries.shown_name("a" * 60) == "a" * 60
        and coco_entries.shown_name(7) == coco_entries.shown_name(None) == ""
    )
    for name in ("a" * 61, "a\nb", "a\x1b[31m"):
        shown = coco_entries.shown_name(name)
        assert shown != name and shown.isprintable() and shown.startswith("'a")
