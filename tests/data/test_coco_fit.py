"""Parts that do not fit each other: what all boxes mean, masks beside their box, keypoints outside of it."""

import annotated
import numpy as np
import pytest

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.coco_check import check_coco
from tinymaskrcnn.data.coco_fit import area_fits, check_keypoints, check_mask, common_meaning
from tinymaskrcnn.data.coco_report import Annotation

SIZES = np.array([[480, 640]] * 6)


def boxes(seed=0, count=6):
    """x, y, width, height somewhere in a picture of 640 x 480."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 150, (count, 2))
    return np.concatenate([rng.uniform(10, [640, 480] - size), size], axis=1)


def corners(written):
    return np.concatenate([written[:, :2], written[:, :2] + written[:, 2:]], axis=1)


def test_boxes_that_mean_something_else():
    for seed in range(20):
        written = boxes(seed)
        assert common_meaning(written, SIZES) is None
        assert common_meaning(corners(written), SIZES) == "corners"
        assert common_meaning(written / [640, 480, 640, 480], SIZES) == "fractions"
    assert common_meaning(np.zeros((0, 4)), np.zeros((0, 2))) is None


def test_small_and_large_boxes_that_mean_what_they_say():
    assert common_meaning(np.array([[0.0, 0, 1, 1]]), SIZES[:1]) is None  # one pixel in the corner
    assert common_meaning(np.array([[0.2, 0.1, 0.5, 0.5], [9, 9, 5, 5]]), SIZES[:2]) is None
    assert common_meaning(np.array([[0.0, 0, 640, 480], [1, 1, 600, 470]]), SIZES[:2]) is None  # whole pictures
    assert common_meaning(np.array([[0.0, 0, 1, 1], [0.5, 0, 0.5, 1]]), np.ones((2, 2))) is None  # pictures of a pixel


def found(box, segmentation=None, **more):
    polygons = None if segmentation is None else segmentation
    return Annotation(1, 1, 1, tuple(map(float, box)), segmentation=polygons, **more)


def rectangle(x1, y1, x2, y2):
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]


BOX = (50, 20, 120, 60)


@pytest.mark.parametrize(
    "mask, text, meaning",
    [
        (rectangle(*BOX), None, None),
        (rectangle(51, 19, 121, 61), None, None),
        (rectangle(60, 30, 110, 55), None, None),  # partly hidden: the box is that of the whole object
        (rectangle(130, 20, 200, 60), "do not fit: the mask spans x 130..200, y 20..60, the box x 50..120", None),
        (rectangle(90, 20, 170, 60), "do not fit", None),
        (rectangle(80, 35, 90, 40), None, None),  # hardly to be seen
        (rectangle(112, 35, 125, 40), "do not fit", None),
        (rectangle(0, 0, 300, 300), "do not fit", None),
        (rectangle(20, 50, 60, 120), "do not fit", "swapped"),
        (rectangle(0.1, 0.2, 0.4, 0.6), "holds no pixel", "fractions"),
        (rectangle(50, 20, 70, 40), "do not fit", "corners"),
        (rectangle(70, 30, 70.2, 59), "holds no pixel", None),
        ([np.array([[60.0, 30], [80, 50], [100, 70]])], "holds no pixel", None),
        ([*rectangle(60, 30, 60.1, 59), *rectangle(*BOX)], None, None),
    ],
)
def test_masks_and_boxes(mask, text, meaning):
    what, read_as = check_mask(found(BOX, mask))
    assert (text is None and what is None or text in what) and read_as == meaning


def test_tiny_objects_may_have_no_pixel_and_crowds_any_extent():
    assert check_mask(found((5.6, 5.6, 6.1, 6.1), rectangle(5.6, 5.6, 6.1, 6.1))) == (None, None)
    empty, full = (rle.encode(np.full((9, 9), value)) for value in (False, True))
    assert check_mask(found((1, 1, 3, 3), empty))[0] == "mask holds no pixel"
    assert check_mask(found((1, 1, 3, 3), full, crowd=True)) == (None, None)
    assert "do not fit" in check_mask(found((1, 1, 2, 2), full))[0]


def points(*places):
    return np.array([[x, y, 2] for x, y in places] + [[0, 0, 0]], np.float32)


@pytest.mark.parametrize(
    "placed, text, meaning",
    [
        (points(), None, None),
        (points((60, 30), (119, 59)), None, None),
        (points((60, 30), (45, 25), (125, 66)), None, None),  # a hand reaches out
        (points((200, 30), (220, 59), (60, 30)), "only 1 of 3 keypoints lie in the box x 50..120, y 20..60", None),
        (points((21, 60), (25, 110)), "only 0 of 2 keypoints", "swapped"),
        (points((0.3, 0.4), (0.8, 0.9)), "only 0 of 2 keypoints", "fractions"),
    ],
)
def test_keypoints_and_boxes(placed, text, meaning):
    what, read_as = check_keypoints(found(BOX, keypoints=placed))
    assert (text is None and what is None or text in what) and read_as == meaning


# ---------------------------------------------------------------- in a file: one line for what all have in common


def many(count=12, **changes):
    """A file with many objects of different shapes on the first picture, which is 400 x 300 pixels."""
    contents = annotated.entries()
    contents["images"][1] |= {"height": 300, "width": 400}
    rng = np.random.default_rng(1)
    contents["annotations"] = []
    for k in range(count):
        x, y, w, h = *rng.integers(5, 180, 2).tolist(), *rng.integers(20, 100, 2).tolist()
        contents["annotations"].append(annotated.annotation(k + 1, 10, 3, [x, y, w, h]))
    return contents


@pytest.fixture
def check(tmp_path):
    from PIL import Image

    def check(contents):
        where = annotated.write(tmp_path, contents)
        Image.new("RGB", (400, 300)).save(tmp_path / "a.png")
        return check_coco(*where)

    return check


def swapped(entry):
    flat = np.array(entry["segmentation"]).reshape(-1, 2)[:, ::-1]
    return entry | {"segmentation": [flat.ravel().tolist()]}


def as_corners(entry):
    x, y, w, h = entry["bbox"]
    return entry | {"bbox": [x, y, x + w, y + h]}


def as_fractions(entry):
    x, y, w, h = entry["bbox"]
    return entry | {"bbox": [x / 400, y / 300, w / 400, h / 300]}


@pytest.mark.parametrize(
    "change, text, objects, part",
    [
        (swapped, "masks look like y, x where x, y is expected", 12, "mask"),
        (as_corners, "boxes look like x1, y1, x2, y2 where x, y, width, height", 0, "box"),
        (as_fractions, "boxes look like fractions of the picture", 0, "box"),
    ],
)
def test_one_line_for_a_whole_file(check, change, text, objects, part):
    contents = many()
    assert check(contents).ok
    contents["annotations"] = [change(entry) for entry in contents["annotations"]]
    report = check(contents)
    [problem] = report.problems
    assert text in problem.what and "more" in problem.where and problem.part == part
    assert len(report.annotations) == objects and all(a.broken == {part} for a in report.annotations.values())


def test_corners_that_stay_in_their_picture_are_told_by_their_masks(check):
    contents = many()
    for entry in contents["annotations"]:
        x, y, w, h = [v // 3 for v in entry["bbox"]]
        entry |= annotated.annotation(entry["id"], 10, 3, [x, y, w + 5, h + 5])
    assert check(contents).ok
    contents["annotations"] = [as_corners(entry) for entry in contents["annotations"]]
    report = check(contents)
    assert [p.part for p in report.problems] == ["box"] and "x1, y1, x2, y2" in report.problems[0].what
    assert not report.annotations and report.lost == {10: 12}


def test_one_object_among_many_has_its_own_line(check):
    contents = many()
    contents["annotations"][3] = swapped(contents["annotations"][3])
    [problem] = check(contents).problems
    assert problem.where == "annotation 4" and "mask and box do not fit" in problem.what and "y, x" in problem.what


@pytest.mark.parametrize(
    "area, fits", [(None, True), (2800, True), (1000, True), (4000, True), (0, False), (1e5, False)]
)
def test_areas_that_cannot_be(area, fits):
    assert area_fits(found(BOX, area=area)) is fits


def test_areas_that_cannot_be_are_said(check):
    contents = many()
    assert check(contents).notes == ()
    for entry in contents["annotations"][:3]:
        entry["area"] = 1e8
    report = check(contents)
    assert report.ok and report.notes == ("3 areas cannot be those of their boxes; evaluation goes by them",)


def test_what_is_seen_of_hidden_objects_is_a_note(tmp_path):
    contents = annotated.entries()
    seen = {"segmentation": [[8, 9, 12, 9, 12, 14, 8, 14]]}
    hidden = [annotated.annotation(k, 20, 3, [1 + k, 2, 30, 40], **seen) for k in range(3)]
    contents["annotations"] = [*hidden, annotated.annotation(9, 10, 3, [4, 6, 10, 12])]
    report = check_coco(*annotated.write(tmp_path, contents))
    assert report.ok and report.notes == ("3 objects with a box much larger than the mask, as if partly hidden",)
    assert all(entry.segmentation for entry in report.annotations.values())
