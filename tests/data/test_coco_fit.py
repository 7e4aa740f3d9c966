"""Parts that do not fit each other: what all boxes mean, masks beside their box, keypoints outside of it."""

import annotated
import numpy as np
import pytest

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.coco_check import check_coco
from tinymaskrcnn.data.coco_fit import (
    area_fits,
    boxes_as_written,
    check_keypoints,
    check_mask,
    common_meaning,
    mask_fills,
)
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


# ---------------------------------------------------------------- where each rule ends


def with_row(k, row):
    """Boxes as corners, of which one is another."""
    written = corners(boxes(3))
    written[k] = row
    return common_meaning(written, SIZES)


@pytest.mark.parametrize(
    "row, meaning",
    [
        ([-1, -1, 641, 481], "corners"),
        ([-1.1, 0, 600, 400], None),
        ([0, -1.1, 600, 400], None),
        ([0, 0, 641.1, 400], None),
        ([0, 0, 600, 481.1], None),
        ([50, 60, 50, 400], None),
        ([50, 60, 51, 400], "corners"),
        ([50, 60, 600, 60], None),
        ([50, 60, 600, 61], "corners"),
    ],
)
def test_one_box_that_cannot_be_corners_speaks_for_all(row, meaning):
    assert with_row(0, row) == with_row(5, row) == meaning


@pytest.mark.parametrize("side", [0, 1])
def test_a_quarter_of_the_boxes_leaves_its_picture_on_either_side(side):
    written, size = np.array([[10.0, 10, 100, 100]] * 4), np.array([[480.0, 640]] * 4)
    assert common_meaning(written, size) is None
    written[2, side], written[2, 2 + side] = 300, 479  # beyond the border as a width or height
    assert common_meaning(written, size) == "corners"
    assert common_meaning(np.concatenate([written, written[:1]]), np.tile(size[0], (5, 1))) is None  # one in five
    written[2, side], written[2, 2 + side] = 201, (640, 480)[side] - 200  # within the slack of one pixel
    assert common_meaning(written, size) is None


def test_fractions_are_more_than_half_of_the_boxes():
    small, large = [0.0, 0.5, 1.0, 0.25], [10.0, 10, 5, 5]
    assert common_meaning(np.array([small, small, large]), SIZES[:3]) == "fractions"
    assert common_meaning(np.array([small, large]), SIZES[:2]) is None
    assert common_meaning(np.array([small]), np.array([[3, 3]])) == "fractions"
    for size in ([2, 9], [9, 2]):  # where a pixel may be the half of a side
        assert common_meaning(np.array([small]), np.array([size])) is None
    for row in ([-0.1, 0.5, 1, 0.5], [0, 0.5, 1.1, 0.5]):
        assert common_meaning(np.array([row]), SIZES[:1]) is None


@pytest.mark.parametrize("by, read_as", [(3.0, None), (3.2, "swapped"), (-3.0, None), (-3.2, "swapped")])
def test_a_mask_on_the_diagonal_reads_the_same_with_y_before_x(by, read_as):
    box = (40, 40 + by, 90, 90 + by)
    assert check_mask(found(box, rectangle(box[1], box[0], box[3], box[2])))[1] == read_as


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("off, read_as", [(1.5, "swapped"), (-1.5, "swapped"), (1.7, None), (-1.7, None)])
def test_every_side_of_a_mask_that_means_something_else_is_close(side, off, read_as):
    shape = [20.0, 50, 60, 120]
    shape[side] += off
    assert check_mask(found(BOX, rectangle(*shape)))[1] == read_as
    shape = [50.0, 20, 70, 40]
    shape[side] += off
    assert (check_mask(found(BOX, rectangle(*shape)))[1] == "corners") is (read_as is not None)


@pytest.mark.parametrize(
    "shape, read_as",
    [((0, 0, 1, 1), "fractions"), ((0, 0, 1.1, 1), None), ((0, 0, 1, 1.1), None), ((-0.1, 0, 1, 1), None)],
)
def test_fractions_lie_between_0_and_1(shape, read_as):
    what, meaning = check_mask(found(BOX, rectangle(*shape)))
    assert what is not None and meaning == read_as
    placed = np.array([[shape[0], shape[1], 1], [shape[2], shape[3], 2]], np.float32)
    assert check_keypoints(found(BOX, keypoints=placed))[1] == read_as
    small = found((0, 0, 1, 1), rectangle(*shape))  # a box of one pixel is none of them
    assert check_mask(small)[1] is None


@pytest.mark.parametrize(
    "shape, fits",
    [
        ((85, 20, 155, 60), True),  # with a pixel around each: 37 of 72 in x
        ((88, 20, 158, 60), False),
        ((15, 20, 85, 60), True),
        ((12, 20, 82, 60), False),
        ((50, 40, 120, 80), True),
        ((50, 43, 120, 83), False),
        ((50, 0, 120, 40), True),
        ((50, -3, 120, 37), False),
        ((119, 20, 125, 60), False),
        ((40, 10, 130, 70), True),  # larger on all sides
        ((-50, -40, 220, 120), False),
    ],
)
def test_half_of_a_mask_lies_in_its_box(shape, fits):
    assert (check_mask(found(BOX, rectangle(*shape)))[0] is None) is fits


@pytest.mark.parametrize(
    "shape, fills",
    [
        ((50, 20, 120, 60), True),
        ((50, 20, 70, 45), True),  # 22 * 27 of 72 * 42 is 0.196, and no part of it outside ...
        ((50, 20, 71, 46), True),
        ((50, 20, 60, 30), False),
        ((110, 20, 120, 60), False),
    ],
)
def test_a_mask_fills_a_fifth_of_its_box(shape, fills):
    share = (shape[2] - shape[0] + 2) * (shape[3] - shape[1] + 2) / (72 * 42)
    assert mask_fills(found(BOX, rectangle(*shape))) is (share >= 0.2)
    assert fills is (share >= 0.196)
    assert mask_fills(found(BOX, rectangle(*shape), crowd=True)) and mask_fills(found(BOX))
    assert mask_fills(found(BOX, rle.encode(np.zeros((90, 140), bool))))  # empty: there is another line about it


@pytest.mark.parametrize("area, fits", [(27, True), (26.9, False), (4210, True), (4210.1, False)])
def test_an_area_is_that_of_its_box_or_less(area, fits):
    assert area_fits(found(BOX, area=area)) is fits  # the box has 2800
    assert area_fits(found(BOX, area=area, crowd=True)) is True
    assert area_fits(found((0, 0, 2, 3), area=0)) is True  # a tiny one may have none


@pytest.mark.parametrize(
    "point, inside",
    [
        ((31.5, 40), True),
        ((31.3, 40), False),
        ((138.5, 40), True),
        ((138.7, 40), False),
        ((80, 9), True),
        ((80, 8.8), False),
        ((80, 71), True),
        ((80, 71.2), False),
    ],
)
def test_a_hand_reaches_out_of_the_box_by_a_quarter_of_its_sides(point, inside):
    placed = points(point)
    assert (check_keypoints(found(BOX, keypoints=placed))[0] is None) is inside
    assert check_keypoints(found(BOX, keypoints=placed, crowd=True)) == (None, None)
    placed[0, 2] = 1  # hidden, but labelled
    assert (check_keypoints(found(BOX, keypoints=placed))[0] is None) is inside
    both = points(point, (80, 40))  # half of them inside is enough
    assert check_keypoints(found(BOX, keypoints=both)) == (None, None)


@pytest.mark.parametrize(
    "box, tiny", [((5.2, 5.2, 7.1, 9), True), ((5.2, 5.2, 9, 7.1), True), ((5.2, 5.2, 7.2, 7.2), False)]
)
def test_an_object_of_less_than_two_pixels_may_have_none(box, tiny):
    nothing = [np.array([[5.6, 5.6], [5.9, 5.6], [5.9, 5.9]])]
    assert (check_mask(found(box, nothing))[0] is None) is tiny
    empty = rle.encode(np.zeros((12, 12), bool))
    assert check_mask(found(box, empty))[0] == "mask holds no pixel"
    assert check_mask(found(box, empty, crowd=True))[0] == "mask holds no pixel"


def test_polygons_along_the_border_and_far_from_it_hold_pixels():
    """Wide ones are told by their area, thin ones are drawn, wherever they lie and whichever way they run."""
    for x, y in ((0, 0), (3, 900), (900, 3), (-0.5, -0.5), (1000.5, 1000.5)):
        for w, h, holds in ((1.2, 30, True), (30, 1.2, True), (0.2, 30, False), (30, 0.2, False), (60, 60, True)):
            x0, y0 = (x if w > 1 else np.floor(x) + 0.7), (y if h > 1 else np.floor(y) + 0.7)
            box = (max(x0, 0), max(y0, 0), x0 + max(w, 31), y0 + max(h, 31))
            shape = rectangle(x0, y0, x0 + w, y0 + h)
            for polygon in (shape, [shape[0][::-1]], [np.roll(shape[0], 1, axis=0)]):
                assert ("no pixel" not in str(check_mask(found(box, polygon))[0])) is holds, (x, y, w, h)


def test_boxes_as_they_are_written_where_they_have_a_picture():
    sizes = {1: (30, 40), 2: (50, 60)}
    entries = [
        {"bbox": [1, 2, 3, 4], "image_id": 1},
        {"bbox": [1, 2, 3, 4], "image_id": 9},
        {"bbox": [1, 2, 3], "image_id": 1},
        {"bbox": [1, 2, 3, "4"], "image_id": 1},
        "no table",
        {"bbox": [5, 6, 7, 8.5], "image_id": 2},
    ]
    written, of = boxes_as_written(entries, lambda entry: sizes.get(entry["image_id"]))
    assert written.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8.5]] and of.tolist() == [[30, 40], [50, 60]]
    assert written.dtype == of.dtype == np.float64
    written, of = boxes_as_written([], lambda entry: None)
    assert written.shape == (0, 4) and of.shape == (0, 2)


@pytest.mark.parametrize("side", range(4))
def test_what_is_seen_of_an_object_may_leave_its_box_by_a_pixel(side):
    """On every side; a small mask anywhere in the box is fine, one that reaches further out is not."""
    inside = [(50, 30, 55, 36), (80, 20, 86, 25), (115, 30, 120, 36), (80, 55, 86, 60)][side]
    for by, fits in ((0, True), (1, True), (1.1, False)):
        shape = list(map(float, inside))
        shape[side] += by if side > 1 else -by
        assert (check_mask(found(BOX, rectangle(*shape)))[0] is None) is fits


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("out, text", [(1, None), (1.1, "do not fit")])
def test_what_is_seen_of_an_object_may_leave_its_box_by_a_pixel_on_any_side(side, out, text):
    small = np.array([80.0, 35, 86, 40])
    small[[side % 2, side % 2 + 2]] += (BOX[side] - small[side]) + (-out if side < 2 else out)
    what, _ = check_mask(found(BOX, rectangle(*small)))
    assert what is None if text is None else text in what
