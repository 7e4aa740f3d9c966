"""Files of proposals that somebody brings: by image id, best first, and of these pictures or refused."""

import json

import annotated
import numpy as np
import pytest

from tinymaskrcnn.data.coco import CocoDataset
from tinymaskrcnn.data.proposals.given_file import GivenFile, read_proposals
from tinymaskrcnn.errors import DataError

ENTRIES = [
    {"image_id": 20, "bbox": [1, 2, 3, 4], "score": 0.2},
    {"image_id": 10, "bbox": [0, 0, 40, 32], "score": 0.5},
    {"image_id": 20, "bbox": [5, 5, 10.5, 2], "score": 0.9, "category_id": 3},
    {"image_id": 20, "bbox": [6, 5, 10, 2], "score": 0.9},
]


@pytest.fixture
def dataset(tmp_path):
    return CocoDataset.open(*annotated.write(tmp_path))


def as_json(folder, entries=ENTRIES):
    path = folder / "mine.json"
    path.write_text(json.dumps(entries))
    return path


def as_npz(folder, **other):
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in (entry["bbox"] for entry in ENTRIES)], np.float32)
    arrays = {"image_id": np.array([entry["image_id"] for entry in ENTRIES]), "boxes": boxes}
    arrays["scores"] = np.array([entry["score"] for entry in ENTRIES])
    np.savez(folder / "mine.npz", **{k: v for k, v in (arrays | other).items() if v is not None})
    return folder / "mine.npz"


@pytest.mark.parametrize("write", [as_json, as_npz])
def test_best_first_by_image_id(tmp_path, dataset, write):
    """Pictures are 10, 20 and 30 in the data set; of equal scores the earlier line comes first."""
    given = GivenFile(write(tmp_path), dataset)
    assert given.of(0).tolist() == [[0, 0, 40, 32]]
    assert given.of(1).tolist() == [[5, 5, 15.5, 7], [6, 5, 16, 7], [1, 2, 4, 6]]
    assert given.of(2).shape == (0, 4) and given.of(1).dtype == given.of(2).dtype == np.float32
    assert given.missing(range(3)) == []
    given.flush()


def test_a_box_may_reach_a_pixel_beyond_its_picture_and_no_further(tmp_path, dataset):
    """The first picture is 40 wide and 32 high; the row that is named is the first wrong one of its picture."""
    for beyond, sound in ((1.0, True), (1.25, False)):
        for side, edge in ((0, -beyond), (1, -beyond), (2, 40 + beyond), (3, 32 + beyond)):
            box = np.array([5.0, 6, 7, 8])
            box[side] = edge
            x1, y1, x2, y2 = box.tolist()
            rows = [[1, 1, 2, 2], [x1, y1, x2 - x1, y2 - y1], [0, 0, 50 - 40 * sound, 4]]
            path = as_json(tmp_path, [{"image_id": 10, "bbox": row} for row in rows])
            if sound:
                assert GivenFile(path, dataset).of(0)[1].tolist() == box.tolist()
                continue
            with pytest.raises(DataError, match=f"40x32 pixels, its box 1 is x1, y1, x2, y2 = .{x1}, {y1}, {x2}, {y2}"):
                GivenFile(path, dataset)


def test_the_largest_numbers(tmp_path):
    """Below a million pixels; image ids of 64 bits with their sign."""
    for x, sound in ((999_999.0, True), (1e6, False), (-999_999.0, True), (-1e6, False)):
        path = as_json(tmp_path, [{"image_id": 1, "bbox": [0, 0, 2, 2]}, {"image_id": 1, "bbox": [x, 0, 0.5, 1]}])
        if sound:
            assert read_proposals(path)[1].shape == (2, 4)
        else:
            with pytest.raises(DataError, match="box 1, of image 1, has no area"):
                read_proposals(path)
    for number, sound in ((2**63 - 1, True), (2**63, False), (-(2**63), True), (-(2**63) - 1, False), (True, False)):
        path = as_json(tmp_path, [{"image_id": number, "bbox": [0, 0, 1, 1]}])
        if sound:
            assert list(read_proposals(path)) == [number]
        else:
            with pytest.raises(DataError, match="entry 0 must have"):
                read_proposals(path)


def test_a_row_without_a_score_has_0_and_scores_may_be_of_any_type(tmp_path):
    scores = {3: -0.5, 1: None, 2: 0.5, 5: 0}
    rows = [{"image_id": 7, "bbox": [k, 0, 1, 1]} | ({} if s is None else {"score": s}) for k, s in scores.items()]
    assert read_proposals(as_json(tmp_path, rows))[7][:, 0].tolist() == [2, 1, 5, 3]
    path = as_npz(tmp_path, scores=np.array([0, 5, 3, 9], np.uint8), image_id=np.full(4, 20, np.uint16))
    assert read_proposals(path)[20][:, 0].tolist() == [6, 0, 5, 1]


def test_counts_of_all_pictures_without_crowds(tmp_path, dataset):
    assert GivenFile(as_json(tmp_path), dataset).counts() == {"found": (1, 3, 0), "objects": (1, 1, 0)}


def test_without_scores_in_the_order_of_the_file(tmp_path):
    assert read_proposals(as_npz(tmp_path, scores=None))[20][:, 0].tolist() == [1, 5, 6]
    bare = [{"image_id": 7, "bbox": [k, 0, 1, 1]} for k in (3, 1, 2)]
    assert read_proposals(as_json(tmp_path, bare))[7][:, 0].tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            [{"image_id": 99, "bbox": [0, 0, 1, 1]}],
            "holds proposals of another data set: none of its 1 image ids .* 99",
        ),
        (
            [{"image_id": 10, "bbox": [0, 0, 90, 9]}],
            r"of another data set: image 10 \('a.png'\) has 40x32 pixels, its box 0",
        ),
        ([{"image_id": 10, "bbox": [0, 0, 0, 1]}], "box 0, of image 10, has no area"),
        ([{"image_id": 10, "bbox": [0, 0, 1e400, 1]}], "the number '1e400' is too large|Infinity is not a number"),
        ([{"image_id": "10", "bbox": [0, 0, 1, 1]}], 'entry 0 must have "image_id" and "bbox"'),
        ([{"image_id": 10, "bbox": [0, 0, 1]}], 'entry 0 must have "image_id" and "bbox"'),
        ([ENTRIES[0], {"bbox": [0, 0, 1, 1]}], 'entry 1 must have "image_id" and "bbox"'),
        ([ENTRIES[0], [1, 2]], "entry 1 must have"),
        ([], "holds no proposals"),
        ({"annotations": []}, "must be a list of"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, dataset, entries, said):
    path = as_json(tmp_path, entries)
    with pytest.raises(DataError, match=f"^{path}: .*({said})") as caught:
        GivenFile(path, dataset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"image_id": None}, "image_id is not so"),
        ({"boxes": np.zeros((4, 4), np.int64)}, "boxes is not so"),
        ({"boxes": np.zeros((3, 4))}, "must have as many rows"),
        ({"boxes": np.zeros((4, 3))}, "must have as many rows"),
        ({"boxes": np.zeros((4, 1, 4))}, "boxes is not so"),
        ({"image_id": np.zeros((4, 1), int)}, "image_id is not so"),
        ({"image_id": np.zeros(4)}, "image_id is not so"),
        ({"boxes": np.array([[0, 0, 1, 1.0]] * 2 + [[3, 5, 4, 5]] * 2)}, "box 2, of image 20, has no area"),
        ({"scores": np.zeros(3)}, "must have as many rows"),
        ({"scores": np.full(4, np.nan)}, "must have as many rows|finite"),
        ({"boxes": np.full((4, 4), np.nan)}, "box 0, of image 20, has no area"),
        ({"boxes": np.array([[0, 0, 1, 1e300]] * 4)}, "has no area"),
        ({"boxes": np.array([[object()] * 4] * 4)}, "pickled Python objects, which are never loaded"),
    ],
)
def test_arrays_that_are_none_of_this(tmp_path, other, said):
    path = as_npz(tmp_path, **other)
    with pytest.raises(DataError, match=f"^{path}: .*({said})"):
        read_proposals(path)
    with pytest.raises(DataError, match="there is no such file|No such file|damaged"):
        read_proposals(tmp_path / "nowhere.npz")
