import copy
import itertools
import json

import annotated
import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.data.coco_check import check_coco, read_json
from tinymaskrcnn.errors import DataError


def problems(folder, contents):
    return [(p.where, p.picture, p.what) for p in check_coco(*annotated.write(folder, contents)).problems]


def test_a_sound_file(tmp_path):
    report = check_coco(*annotated.write(tmp_path))
    assert report.ok and report.table().endswith("sound (3 pictures, 3 objects, 2 classes)")
    person = report.annotations[1]
    assert person.box == (4, 6, 14, 18) and person.area == 120 and not person.crowd
    assert person.keypoints.tolist() == [[10, 8, 2], [8, 7, 1], [0, 0, 0]]
    assert report.annotations[2].crowd and report.annotations[5].keypoints is None
    assert report.pictures[20].file_name == "b.png" and report.categories[3].name == "cat"


def changed(**changes):
    """Change the first annotation."""

    def change(contents):
        contents["annotations"][0].update(changes)

    return change


def removed(*names):
    def change(contents):
        for name in names:
            del contents["annotations"][0][name]

    return change


FACE = [10, 8, 2, 8, 7, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "change, message",
    [
        (changed(bbox=[4, 6, 0, 5]), "box is degenerate: width and height must be above 0; got [4, 6, 0, 5]"),
        (changed(bbox=[4, 6, 5, -1]), "box is degenerate"),
        (changed(bbox=[-0.5, 6, 0.4, 3]), "box is degenerate inside the picture"),
        (changed(bbox=[30, 6, 20, 5]), "box lies outside the picture of 40x32 pixels; got [30, 6, 20, 5]"),
        (changed(bbox=[4, 6, 7]), "bbox must be [x, y, width, height]; got [4, 6, 7]"),
        (changed(bbox=[4, 6, 7, "8"]), "bbox must hold finite numbers"),
        (changed(bbox=[4, 6, 7, True]), "bbox must hold finite numbers"),
        (changed(bbox=[4, 6, 7, float("nan")]), "bbox must hold finite numbers; got [4, 6, 7, nan]"),
        (changed(bbox=[4, 6, 7, 10**400]), "bbox must hold finite numbers"),
        (removed("bbox"), "bbox must be [x, y, width, height]; got None"),
        (changed(area=-1), "area must be a finite number, at least 0; got -1"),
        (changed(area=float("inf")), "area must be a finite number"),
        (changed(iscrowd=2), "iscrowd must be 0 or 1; got 2"),
        (changed(segmentation=[[1, 1, 60, 1, 60, 9]]), "polygon 0 lies outside the picture of 40x32 pixels; it spans"),
        (changed(segmentation=[[1, 1, 2, 2]]), "polygon 0: needs at least 3 points; got 2"),
        (changed(segmentation=[[0, 0, 40, 32] * 9000]), "polygon 0: the outline must stay below 1048576 points"),
        (changed(bbox=[4, 6, 0.00002, 12]), "box is degenerate below 0.1 pixel; got [4, 6, 2e-05, 12]"),
        (changed(keypoints=[30, 8, 2, 38, 7, 1, 0, 0, 0]), "only 0 of 2 keypoints lie in the box x 4..14, y 6..18"),
        (changed(segmentation=[]), "segmentation is missing; other objects have one"),
        (removed("segmentation"), "segmentation is missing; other objects have one"),
        (changed(segmentation={"size": [32, 40], "counts": [1000, 1000]}), "must fill 32 x 40 = 1280 pixels"),
        (changed(image_id=99), "image_id names no picture; got 99"),
        (changed(image_id=[10]), "image_id names no picture; got [10]"),
        (changed(category_id=1), "category_id names no category; got 1"),
        (changed(category_id={}), "category_id names no category; got {}"),
        (changed(keypoints=FACE[:6]), "keypoints must be 9 numbers for the category's 3 points; got 6"),
        (changed(keypoints="face"), "keypoints must be 9 numbers for the category's 3 points; got 'face'"),
        (changed(keypoints=[*FACE[:8], 3]), "keypoints: visibility must be 0, 1 or 2; got [2, 1, 3]"),
        (changed(keypoints=[50, *FACE[1:]]), "keypoint 'nose' lies outside the picture of 40x32 pixels"),
        (changed(keypoints=[None, *FACE[1:]]), "keypoints must be finite numbers"),
        (changed(num_keypoints=3), "num_keypoints must count the 2 labelled points; got 3"),
    ],
)
def test_each_broken_annotation_is_named(tmp_path, change, message):
    contents = annotated.entries()
    change(contents)
    [(where, _, what)] = problems(tmp_path, contents)
    assert where == "annotation 1" and message in what


def test_ids_are_unique_and_whole(tmp_path):
    contents = annotated.entries()
    contents["annotations"][1]["id"] = 1
    contents["annotations"][2]["id"] = "5"
    contents["annotations"].append("not a table")
    found = problems(tmp_path, contents)
    assert [where for where, _, _ in found] == [
        "annotation 1",
        "annotation no. 3 of the list",
        "annotation no. 4 of the list",
    ]
    assert [what for _, _, what in found] == [
        "the id 1 is taken by another entry",
        "id must be a whole number; got '5'",
        "must be a table of entries; got 'not a table'",
    ]


def test_pictures_and_categories(tmp_path):
    contents = annotated.entries()
    extra = {"height": 24, "width": 24}
    contents["images"] += [
        {"id": 40, "file_name": "none.png", **extra},
        {"id": 41, "file_name": "../c.png", **extra},
        {"id": 42, "file_name": "c.png", "height": 25, "width": 24},
        {"id": 43, "file_name": "c.png", "height": 24.0, "width": 24},
        {"id": 44, "file_name": "text.png", **extra},
        {"id": 30, "file_name": "a.png", **extra},
        {"id": 45, "file_name": 7, **extra},
    ]
    contents["annotations"].append(annotated.annotation(9, 40, 3, [0, 0, 5, 5]))  # its picture is missing: one line
    contents["categories"] += [{"id": 3, "name": "dog"}, {"id": 4}, {"id": 5, "name": "cat"}]
    (tmp_path / "text.png").write_text("no picture")
    found = problems(tmp_path, contents)
    expected = [
        ("category 3", "", "the id 3 is taken"),
        ("category 4", "", "needs a name; got None"),
        ("picture 40", "none.png", "there is no such picture"),
        ("picture 41", "../c.png", "file_name must stay inside the folder"),
        ("picture 42", "c.png", "is 24x24 pixels; the file says 24x25"),
        ("picture 43", "c.png", "height and width must be whole numbers"),
        ("picture 44", "text.png", "cannot be read as a picture"),
        ("picture 30", "a.png", "the id 30 is taken"),
        ("picture 45", "", "needs a file_name; got 7"),
    ]
    assert [f[:2] for f in found] == [e[:2] for e in expected]
    assert all(e[2] in f[2] for e, f in zip(expected, found))


def test_everything_is_reported_at_once_in_one_table(tmp_path):
    contents = annotated.entries()
    contents["annotations"][0].update(bbox=[1, 1, 0, 0], area=-1, segmentation=[[1, 2]])
    contents["annotations"][2].update(bbox=[0, 0, 99, 99], category_id=99)
    report = check_coco(*annotated.write(tmp_path, contents))
    head, columns, *lines = report.table().splitlines()
    assert head.endswith("5 problems (sound: 3 pictures, 1 of 3 objects, 2 classes)")
    assert columns.split() == ["entry", "picture", "problem"]
    assert [line.split("  ")[0] for line in lines] == ["annotation 1"] * 3 + ["annotation 5"] * 2
    assert all("a.png" in line for line in lines[:3]) and all("b.png" in line for line in lines[3:])
    assert report.table(2).splitlines()[-1] == "... and 3 more"
    assert list(report.annotations) == [2]


def test_nan_that_nothing_reads_is_found_too(tmp_path):
    contents = annotated.entries() | {"info": {"version": float("nan")}}
    assert problems(tmp_path, contents) == [("file", "", "holds 1 times NaN or Infinity, which JSON does not know")]


def test_what_rounding_leaves_outside_is_cut_off(tmp_path):
    contents = annotated.entries()
    contents["annotations"][2]["bbox"] = [-0.4, 10, 36.9, 38.5]
    report = check_coco(*annotated.write(tmp_path, contents))
    assert report.ok and report.annotations[5].box == (0, 10, 36, 48)


def test_entries_may_be_absent_where_nothing_depends_on_them(tmp_path):
    contents = annotated.entries()
    for entry in contents["annotations"]:
        for name in ("segmentation", "area", "iscrowd", "keypoints", "num_keypoints"):
            entry.pop(name, None)
    report = check_coco(*annotated.write(tmp_path, contents))
    assert report.ok and report.annotations[1].area is None and report.annotations[1].segmentation is None
    assert not report.annotations[1].keypoints.any()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"images": [1', "not valid JSON"),
        ("[]", "it needs a list 'images'"),
        ('{"annotations": [1], "annotations": []}', "a table has the key 'annotations' twice"),
        ('{"images": [' + "9" * 5000 + "]}", "not valid JSON"),
        ('{"images": [], "annotations": {}}', "it needs a list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": []}', "holds 0 pictures and 0 categories"),
    ],
)
def test_files_that_are_something_else(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        check_coco(path, tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        read_json(tmp_path / "none.json")


def test_any_entry_may_be_anything(tmp_path):
    """Replace every value of a sound file, one after the other, by things it should not be: never a crash."""
    strange = (None, -1, 2.5, "x", "", [], {}, [[]], [None], True, float("nan"), 10**30)
    path, folder = annotated.write(tmp_path)
    sound = annotated.entries()
    crashes = []
    for place in ("images", "annotations", "categories"):
        for name in sound[place][0]:
            for value in strange:
                contents = copy.deepcopy(sound)
                contents[place][0][name] = value
                path.write_text(json.dumps(contents))
                try:
                    check_coco(path, folder).table()
                except Exception as error:
                    crashes.append((place, name, value, repr(error)))
    assert not crashes


# ---------------------------------------------------------------- which way up


def rotated(folder, size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("L", size).save(folder / "a.png", exif=exif)


@pytest.mark.parametrize("orientation, upright", [(1, True), (3, True), (6, True), (8, True)])
def test_annotations_of_what_a_viewer_shows(tmp_path, orientation, upright):
    path, folder = annotated.write(tmp_path)
    rotated(folder, (40, 32) if orientation < 5 else (32, 40), orientation)
    assert check_coco(path, folder).pictures[10].upright is upright


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_annotations_of_the_pixels_as_stored(tmp_path, orientation):
    path, folder = annotated.write(tmp_path)
    rotated(folder, (40, 32), orientation)
    assert check_coco(path, folder).pictures[10].upright is False


def test_what_was_left_out_without_harm_is_said_and_counted(tmp_path):
    contents = annotated.entries()
    contents["annotations"] += [dict(contents["annotations"][0]), dict(contents["annotations"][0])]
    contents["annotations"].append(dict(contents["annotations"][2]))
    contents["images"].append(dict(contents["images"][0]))
    contents["categories"] += [{"id": 9, "name": "cat"}, {"id": 11, "name": "background"}]
    contents["images"].append({"id": 31, "file_name": "./a.png", "height": 32, "width": 40})
    report = check_coco(*annotated.write(tmp_path, contents))
    assert report.ok and report.total == (4, 3) and len(report.annotations) == 3
    assert set(report.notes) == {
        "3 annotations that stand twice in the file count once",
        "1 picture entries that stand twice in the file count once",
        "category 9 without objects is left out: its name 'cat' is taken by another category",
        "category 11 without objects is left out: its name 'background' is that of class 0, which is no object",
        "picture 31 without objects is left out: its file ./a.png is that of picture 10",
    }
    contents["annotations"] = contents["annotations"][:4]
    again = check_coco(*annotated.write(tmp_path, contents))
    assert "1 annotation that stand twice in the file count once" in again.notes


@pytest.mark.parametrize("used", [3, 9])
def test_of_two_categories_of_one_name_that_with_objects_stays(tmp_path, used):
    contents = annotated.entries()
    contents["categories"].append({"id": 9, "name": "cat"})
    for entry in contents["annotations"]:
        entry["category_id"] = used if entry["category_id"] == 3 else 7
    report = check_coco(*annotated.write(tmp_path, contents))
    assert report.ok and sorted(report.categories) == sorted([used, 7])
    contents["annotations"].append(annotated.annotation(8, 20, 12 - used, [1, 2, 30, 40]))
    report = check_coco(*annotated.write(tmp_path, contents))
    assert [p.where for p in report.problems if "taken by another" in p.what] == ["category 9"]


def test_a_file_that_two_pictures_with_objects_claim(tmp_path):
    contents = annotated.entries()
    contents["images"].append({"id": 40, "file_name": "./a.png", "height": 32, "width": 40})
    contents["annotations"].append(annotated.annotation(8, 40, 3, [1, 2, 30, 20]))
    report = check_coco(*annotated.write(tmp_path, contents))
    assert sorted(report.pictures) == [20, 30] and report.lost == {10: 2, 40: 1}
    assert [(p.where, p.picture, p.picture_id) for p in report.problems] == [
        ("picture 10", "a.png", 10),
        ("picture 40", "./a.png", 40),
    ]
    assert "is the file of 2 pictures" in report.problems[0].what


@pytest.mark.parametrize("used", [*itertools.product([False, True], repeat=4)])
def test_of_all_pictures_of_one_file_that_with_objects_stays(tmp_path, used):
    """Whichever it is; two of them would be background in each other, and without any the first one stays."""
    contents = annotated.entries()
    keys = [10, 40, 50, 60]
    contents["images"] += [contents["images"][1] | {"id": key} for key in keys[1:]]
    contents["annotations"] = [annotated.annotation(k, key, 3, [1, 2, 30, 20]) for k, key in enumerate(keys) if used[k]]
    report = check_coco(*annotated.write(tmp_path, contents))
    owners = [key for key, has in zip(keys, used) if has]
    assert [p.picture_id for p in report.problems if "is the file of 4" in p.what] == (keys if len(owners) > 1 else [])
    stays = [] if len(owners) > 1 else owners or keys[:1]
    assert [key for key in report.pictures if key in keys] == stays
    left_out = [key for key in keys if f"picture {key} without objects is left out" in "; ".join(report.notes)]
    assert left_out == [key for key in keys if key not in owners + stays] if len(owners) < 2 else not left_out


def test_categories_that_name_other_keypoints(tmp_path):
    contents = annotated.entries()
    contents["categories"][1]["keypoints"] = ["tail"]
    report = check_coco(*annotated.write(tmp_path, contents))
    (problem,) = (p for p in report.problems if p.where.startswith("category"))
    assert problem.part == "keypoint" and "must name the same ones" in problem.what
    assert [c.other_points for _, c in sorted(report.categories.items())] == [True, False]


@pytest.mark.parametrize("pictures, read", [(2, True), (3, True), (4, False)])
def test_up_to_some_pictures_are_read_to_the_last_pixel(tmp_path, monkeypatch, pictures, read):
    """Unless one says what is wanted."""
    monkeypatch.setattr("tinymaskrcnn.data.coco_check.DECODED", 3)
    noise, contents = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8), annotated.entries()
    contents["annotations"], contents["images"] = [], []
    path, folder = annotated.write(tmp_path, contents)
    for k in range(pictures):
        Image.fromarray(noise).save(folder / f"{k}.jpg")
        contents["images"].append({"id": k, "file_name": f"{k}.jpg", "height": 9, "width": 9})
    path.write_text(json.dumps(contents))
    (folder / "0.jpg").write_bytes((folder / "0.jpg").read_bytes()[:-60])
    for decode, found in ((None, read), (True, True), (False, False)):
        assert [p.where for p in check_coco(path, folder, decode=decode).problems] == ["picture 0"] * found


def test_infinity_is_said_once_where_another_line_says_it(tmp_path):
    contents = annotated.entries() | {"info": float("inf")}
    contents["annotations"][0]["area"] = float("nan")
    assert len(problems(tmp_path, contents)) == 1
    del contents["annotations"][0]["area"]
    assert problems(tmp_path, contents)[0][2] == "holds 1 times NaN or Infinity, which JSON does not know"


def test_parts_of_a_file_are_those_that_an_object_has(tmp_path):
    contents = annotated.entries()
    assert check_coco(*annotated.write(tmp_path, contents)).parts == ("box", "mask", "keypoint")
    contents["annotations"][0]["keypoints"] = [1, 2]  # broken, but there
    assert check_coco(*annotated.write(tmp_path, contents)).parts == ("box", "mask", "keypoint")
    contents["annotations"][0] |= {"keypoints": [0] * 9, "num_keypoints": 0}  # labelled nowhere
    assert check_coco(*annotated.write(tmp_path, contents)).parts == ("box", "mask")
    for entry in contents["annotations"]:
        if not entry["iscrowd"]:
            entry["segmentation"] = []
    assert check_coco(*annotated.write(tmp_path, contents)).parts == ("box",)  # a crowd does not decide
    contents["annotations"] = [entry for entry in contents["annotations"] if entry["iscrowd"]]
    assert check_coco(*annotated.write(tmp_path, contents)).parts == ("box", "mask")  # unless there is nothing else


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "a\udcff.png", "b.png/a.png", "."])
def test_a_name_that_no_picture_can_have_is_one_problem(tmp_path, name):
    contents = annotated.entries()
    contents["images"][1]["file_name"] = name
    report = check_coco(*annotated.write(tmp_path, contents))
    assert [p.where for p in report.problems if p.picture_id == 10] == ["picture 10"] and 10 not in report.pictures
