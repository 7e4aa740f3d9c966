"""Run-length encoding against pycocotools, byte for byte, and its refusals."""

import json
import tracemalloc

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinymaskrcnn.data import rle
from tinymaskrcnn.errors import ArgumentError, DataError, ShapeError

masks_of = st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 9)).flatmap(lambda s: arrays(bool, s))
SPECIAL = [np.zeros((1, 1, 1), bool), np.ones((1, 1, 1), bool), np.zeros((2, 4, 3), bool), np.ones((2, 4, 3), bool)]


def coco_mask():
    return pytest.importorskip("pycocotools.mask", reason="pycocotools is the oracle of COCO's encoding")


def coco_encode(masks):
    return [coco_mask().encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


def special(test):
    for masks in SPECIAL:
        test = example(masks)(test)
    return examples(60)(test)


def test_counts_run_down_the_columns():
    counts = rle.encode(np.array([[0, 1], [1, 1]])).counts
    assert counts.tolist() == [1, 3]
    assert rle.encode(np.array([[1, 0], [1, 1]])).counts.tolist() == [0, 2, 1, 1]


@special
@given(masks_of)
def test_equals_pycocotools(masks):
    ours = rle.encode_many(masks)
    theirs = coco_encode(masks)
    assert [rle.to_string(r) for r in ours] == [t["counts"].decode() for t in theirs]
    assert [rle.area(r) for r in ours] == [int(coco_mask().area(t)) for t in theirs]
    for one, t, mask in zip(ours, theirs, masks):
        read = rle.from_string(t["counts"], size=mask.shape)
        assert read.counts.tolist() == one.counts.tolist() == rle.encode(mask).counts.tolist()
        assert (rle.decode(read) == mask).all()
    assert (rle.decode_many(ours, size=masks.shape[1:]) == masks).all()


@examples(40)
@given(st.lists(st.integers(0, 2**33), min_size=1, max_size=12))
def test_string_round_trip_of_any_counts(counts):
    """Long runs and runs that shrink need several characters and the sign bit."""
    mask = rle.RLE((1, sum(counts)), np.array(counts, np.int64))
    assert rle.from_string(rle.to_string(mask), size=mask.size).counts.tolist() == counts


def test_masks_are_encoded_once():
    masks = np.ones((2, 3, 4), bool)
    codes = rle.encoded(masks)
    assert [code.counts.tolist() for code in codes] == [[0, 12]] * 2 and rle.encoded(codes) == codes
    assert rle.encoded([]) == [] and rle.encoded(masks[:0]) == []


@examples(40)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9)), max_size=6))
def test_many_strings_are_read_like_each(drawn):
    masks = [np.random.default_rng(seed).random((H, W)) < 0.5 for seed, H, W in drawn]
    strings, sizes = [rle.to_string(rle.encode(mask)) for mask in masks], [list(mask.shape) for mask in masks]
    read = rle.from_strings(strings, sizes=sizes)
    assert len(read) == len(masks)
    for one, mask, string, size in zip(read, masks, strings, sizes):
        assert (rle.decode(one) == mask).all()
        assert one.counts.tolist() == rle.from_string(string, size=size).counts.tolist()


def test_one_broken_string_among_many():
    good = rle.to_string(rle.encode(np.eye(3, dtype=bool)))
    for bad, message in ((good[:-2] + "o", "not a complete"), ("", "not a complete"), (good + "1", "must fill 3 x 3")):
        with pytest.raises(DataError, match=message):
            rle.from_strings([good, bad, good], sizes=[[3, 3]] * 3)
    negative = rle.to_string(rle.RLE((3, 3), np.array([4, 7, -2])))
    longer = rle.to_string(rle.RLE((3, 3), np.array([2**37, 9 - 2**37])))
    for bad in (negative, longer):
        with pytest.raises(DataError, match="must fill 3 x 3 = 9 pixels; they count 9"):
            rle.from_strings([good, bad], sizes=[[3, 3]] * 2)


def test_a_huge_picture_asks_for_no_memory():
    """Ten thousand million pixels, as run lengths: areas, boxes, overlaps and merging never make a picture of them."""
    tracemalloc.start()
    text = rle.to_string(rle.RLE((10**5, 10**5), np.array([5, 10**9, 9 * 10**9 - 5])))
    huge = rle.from_coco({"size": [10**5, 10**5], "counts": text})
    assert rle.iou([huge], [huge])[0, 0] == 1 and rle.area(rle.merge([huge, huge])) == 10**9
    assert rle.to_boxes([huge]).tolist() == [[0, 0, 10**4 + 1, 10**5]]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e7


@special
@given(masks_of)
def test_iou_equals_pycocotools(masks):
    crowd = np.arange(len(masks)) % 2 == 1
    ours = rle.iou(rle.encode_many(masks), rle.encode_many(masks[::-1]), crowd)
    assert ours.shape == (len(masks), len(masks))
    if len(masks):
        encoded = coco_encode(masks)
        assert (ours == coco_mask().iou(encoded, encoded[::-1], crowd.astype(np.uint8).tolist())).all()


@special
@given(masks_of)
def test_merge_equals_pycocotools(masks):
    rles = rle.encode_many(masks)
    for intersect in (False, True) if len(masks) else ():
        ours = rle.merge(rles, intersect=intersect)
        assert rle.to_string(ours) == coco_mask().merge(coco_encode(masks), int(intersect))["counts"].decode()
        assert (rle.decode(ours) == (masks.all(axis=0) if intersect else masks.any(axis=0))).all()


@special
@given(masks_of)
def test_boxes_equal_pycocotools(masks):
    boxes = rle.to_boxes(rle.encode_many(masks))
    assert boxes.shape == (len(masks), 4)
    if len(masks):
        expected = coco_mask().toBbox(coco_encode(masks))
        assert (boxes - np.pad(boxes[:, :2], ((0, 0), (2, 0))) == expected).all()


@examples(80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 1, 2]))
def test_masks_of_boxes_equal_pycocotools(seed, H, W, digits):
    """Also of boxes that stick out of the picture, or miss it."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(-3, 14, (4, 2)), rng.uniform(0, 14, (4, 2))
    xywh = np.concatenate([corner, size], axis=1).round(digits)
    boxes = xywh + np.pad(xywh[:, :2], ((0, 0), (2, 0)))
    ours = rle.from_boxes(boxes, size=(H, W))
    assert [rle.to_string(r) for r in ours] == [t["counts"].decode() for t in coco_mask().frPyObjects(xywh, H, W)]


def test_masks_of_whole_boxes():
    masks = rle.decode_many(
        rle.from_boxes(np.array([[1, 0, 3, 2], [0, 1, 9, 1], [-5, 1, 9, 9]]), size=(3, 4)), size=(3, 4)
    )
    assert masks[0].astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert not masks[1].any() and masks[2].astype(int).tolist() == [[0] * 4, [1] * 4, [1] * 4]


def test_runs_of_length_zero_are_allowed():
    """Other programs write them: [2, 0, 1, 3] is three pixels off, then three on."""
    odd, plain = (rle.RLE((2, 3), np.array(counts)) for counts in ([2, 0, 1, 3], [3, 3]))
    assert (rle.decode(odd) == rle.decode(plain)).all()
    assert rle.iou([odd], [plain])[0, 0] == 1 == rle.iou([plain], [odd])[0, 0]
    assert rle.merge([odd]).counts.tolist() == [3, 3]
    assert (rle.to_boxes([odd]) == rle.to_boxes([plain])).all()


def test_coco_dictionary_survives_json():
    mask = np.arange(12).reshape(3, 4) % 5 < 2
    entry = json.loads(json.dumps(rle.to_coco(rle.encode(mask))))
    assert (rle.decode(rle.from_coco(entry)) == mask).all()
    as_list = {"size": [3, 4], "counts": rle.encode(mask).counts.tolist()}
    assert (rle.decode(rle.from_coco(as_list)) == mask).all()


def test_refusals_say_what_was_wanted():
    whole = rle.encode(np.ones((30, 20), bool))
    with pytest.raises(ShapeError, match=r"encode: mask must be \(H, W\)"):
        rle.encode(np.ones((2, 3, 4)))
    with pytest.raises(ShapeError, match=r"encode_many: masks must be \(M, H, W\)"):
        rle.encode_many(np.ones((3, 4)))
    with pytest.raises(DataError, match="must fill 30 x 21 = 630 pixels; they count 600"):
        rle.from_string(rle.to_string(whole), size=(30, 21))
    with pytest.raises(DataError, match="not a complete run-length string"):
        rle.from_string(rle.to_string(whole)[:-1], size=(30, 20))
    with pytest.raises(DataError, match="not a complete run-length string"):
        rle.from_string("", size=(1, 1))
    with pytest.raises(DataError, match="too long"):
        rle.from_string("o" * 12 + "0", size=(1, 1))
    with pytest.raises(ArgumentError, match="size and counts"):
        rle.from_coco([1, 2])
    with pytest.raises(ShapeError, match="all masks must be of one size"):
        rle.iou([whole], [rle.encode(np.ones((20, 30), bool))])
    with pytest.raises(ShapeError, match="one entry for each of 1 truths"):
        rle.iou([whole], [whole], [True, False])
    with pytest.raises(ShapeError, match=r"of size \(2, 2\)"):
        rle.decode_many([whole], size=(2, 2))
    with pytest.raises(ArgumentError, match="merge: needs at least one mask"):
        rle.merge([])
    with pytest.raises(ShapeError, match="merge: all masks must be of one size"):
        rle.merge([whole, rle.encode(np.ones((20, 30), bool))])
    with pytest.raises(ShapeError, match="from_boxes: boxes must be finite"):
        rle.from_boxes(np.array([[0, 0, np.nan, 1]]), size=(3, 3))


@pytest.mark.parametrize(
    "size, counts, message",
    [
        ([2, 3], [2, 5], "must fill 2 x 3 = 6 pixels; they count 7"),
        ([2, 3], [7, -1], "must fill 2 x 3 = 6 pixels; they count 6"),
        ([2, 3], [2**62, 2**62, 2**62, 2**62, 6], "they count 18446744073709551622"),
        ([2, 3], [2.5, 3.5], "counts must be a string or a list of whole numbers"),
        ([2, 3], [float("nan"), 6], "counts must be a string or a list of whole numbers"),
        ([2, 3], [[2], [4, 0]], "counts must be a string or a list of whole numbers"),
        ([2, 3], [10**30], "counts must be a string or a list of whole numbers"),
        ([2, 3], None, "counts must be a string or a list of whole numbers"),
        ([10**9, 10**9], [10**18], "of a possible picture"),
        ([-2, -3], [6], r"two whole numbers from 0 up.*got \[-2, -3\]"),
        ([2], [6], "two whole numbers"),
        ([2, 3.0], [6], "two whole numbers"),
        ("23", [6], "two whole numbers"),
    ],
)
def test_broken_entries_are_refused(size, counts, message):
    """At once, and without making a picture of them."""
    with pytest.raises(DataError, match=message):
        rle.from_coco({"size": size, "counts": counts})


@pytest.mark.parametrize("stranger", ["\ud800", "é", "猫", "\xa0"])
def test_characters_that_no_string_has_are_not_read_as_others(stranger):
    """Put in place of a question mark, which is one of the 64, they would decode to something."""
    good = rle.to_coco(rle.encode(np.eye(12, dtype=bool)))
    for counts in (stranger, good["counts"] + stranger, stranger + good["counts"][1:]):
        with pytest.raises(DataError, match="not a complete run-length string"):
            rle.from_coco({"size": [12, 12], "counts": counts})
    mask = next(m for m in map(_speckled, range(99)) if "?" in rle.to_coco(rle.encode(m))["counts"])
    counts = rle.to_coco(rle.encode(mask))["counts"]
    np.testing.assert_array_equal(rle.decode(rle.from_coco({"size": [12, 12], "counts": counts})), mask)
    with pytest.raises(DataError, match="not a complete run-length string"):
        rle.from_coco({"size": [12, 12], "counts": counts.replace("?", stranger, 1)})


def _speckled(seed):
    return np.random.default_rng(seed).random((12, 12)) < 0.06


def test_sizes_may_be_lists():
    counts = np.array([1, 3, 2])
    as_list, as_tuple = rle.RLE([2, 3], counts), rle.RLE((2, 3), counts)
    for size in ([2, 3], (2, 3), np.array([2, 3])):
        for mask in (as_list, as_tuple):
            np.testing.assert_array_equal(rle.decode_many([mask], size=size)[0], rle.decode(as_tuple))
    assert rle.iou([as_list], [as_tuple])[0, 0] == 1 and rle.merge([as_list, as_tuple]).counts.tolist() == [1, 3, 2]
    assert rle.to_coco(rle.RLE((np.int64(2), np.int64(3)), counts))["size"] == [2, 3]
    assert all(type(side) is int for side in rle.to_coco(rle.RLE(np.array([2, 3]), counts))["size"])
    assert rle.from_coco({"size": np.array([2, 3]).tolist(), "counts": [1, 3, 2]}).size == (2, 3)
    assert rle.from_coco({"size": (np.int16(2), np.int16(3)), "counts": np.array([1, 3, 2], np.uint8)}).size == (2, 3)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.uint16, np.int64, np.float32])
def test_any_value_but_0_is_on(dtype):
    mask = np.array([[0, 2, 0], [1, 100, 0]], dtype)
    if np.dtype(dtype).kind in "if":
        mask[0, 1] = -1
    for code in (rle.encode(mask), *rle.encode_many(np.stack([mask, mask])), rle.encode(np.asfortranarray(mask))):
        assert code.size == (2, 3) and code.counts.tolist() == [1, 3, 2] and code.counts.dtype == np.int64
    assert rle.decode(code).dtype == bool and rle.decode_many([code], size=(2, 3)).dtype == bool


def test_types_that_are_promised():
    masks = rle.encode_many(np.ones((2, 3, 4), bool))
    assert rle.to_boxes(masks).dtype == rle.to_boxes([]).dtype == np.float64
    assert rle.intersections(masks, masks).dtype == rle.iou(masks, masks).dtype == np.float64
    assert rle.intersections(masks, masks[:1]).tolist() == [[12], [12]] and rle.iou([], masks).shape == (0, 2)
    assert type(rle.area(masks[0])) is int and type(rle.to_string(masks[0])) is str
    filled, read = rle.from_boxes([[0, 0, 2, 2]], size=(3, 4))[0], rle.from_string("04;", size=(1, 15))
    for code in (rle.merge(masks), filled, read):
        assert code.counts.dtype == np.int64 and type(code.size) is tuple
    as_bytes = {"size": [3, 4], "counts": rle.to_string(masks[0]).encode()}
    assert rle.from_coco(as_bytes).counts.tolist() == [0, 12]


def test_crowds_may_be_numbers():
    whole, half = rle.encode(np.ones((2, 4), bool)), rle.RLE((2, 4), np.array([0, 4, 4]))
    for crowd in ([0, 1], [False, True], np.array([0, 1], np.uint8), np.array([0.0, 1.0])):
        assert rle.iou([half], [whole, whole], crowd).tolist() == [[0.5, 1.0]]
    assert rle.iou([half], [whole, whole]).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("size", [(2**20, 2**20), (2**40, 1), (1, 2**40)])
def test_the_largest_picture_has_one_pixel_less(size):
    H, W = size
    for counts in ([H * W], rle.to_string(rle.RLE(size, np.array([H * W])))):
        with pytest.raises(DataError, match=r"size must be \[H, W\] of a possible picture"):
            rle.from_coco({"size": [H, W], "counts": counts})
    fits = [H - 1, W] if H > 1 else [H, W - 1]
    assert rle.from_coco({"size": fits, "counts": [fits[0] * fits[1]]}).counts.tolist() == [fits[0] * fits[1]]


@pytest.mark.parametrize("size", [[-1, 3], [3, -1], [3], [1, 2, 3], [3, "3"], ["3", 3], None, 9, {3, 4}])
def test_a_size_is_two_numbers_from_0(size):
    for counts in ([9], "9"):
        with pytest.raises(DataError, match="size must be"):
            rle.from_coco({"size": size, "counts": counts})
    with pytest.raises(DataError, match="from_boxes: size must be"):
        rle.from_boxes(np.zeros((1, 4)), size=size)


def test_a_picture_may_be_without_pixels():
    for size in ((0, 3), (3, 0), (0, 0)):
        assert rle.from_coco({"size": list(size), "counts": [0]}).size == size
        assert rle.from_boxes([[0, 0, 9, 9]], size=size)[0].counts.tolist() == [0]


@pytest.mark.parametrize("boxes", [np.zeros(4), np.zeros((1, 5)), np.zeros((1, 1, 4)), [[0, 0, np.inf, 1]]])
def test_boxes_are_finite_and_four(boxes):
    with pytest.raises(ShapeError, match=r"from_boxes: boxes must be finite and \(M, 4\); got shape \("):
        rle.from_boxes(boxes, size=(3, 3))


@examples(60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_edges_that_meet_are_no_edges(seed, H, W):
    """Runs of columns, one after the other: what ends where the next begins goes on."""
    rng = np.random.default_rng(seed)
    edges, mask = [], np.zeros((H, W), bool)
    for column in range(W):
        start, stop = np.sort(rng.choice(H + 1, 2)).tolist()
        if start < stop:
            edges += [column * H + start, column * H + stop]
            mask[start:stop, column] = True
    code = rle.from_edges(np.array(edges, np.int64), size=(H, W))
    np.testing.assert_array_equal(code.counts, rle.encode(mask).counts)
    assert code.size == (H, W) and code.counts.dtype == np.int64


def test_a_number_has_at_most_eight_characters():
    longest = rle.to_string(rle.RLE((1, 2**39 - 1), np.array([2**39 - 1])))
    assert len(longest) == 8 and rle.from_string(longest, size=(1, 2**39 - 1)).counts.tolist() == [2**39 - 1]
    with pytest.raises(DataError, match=r"a number is too long: b?'PPPPPPPP0'"):
        rle.from_strings(["1", "P" * 8 + "0"], sizes=[[1, 1], [1, 1]])


def test_what_an_error_shows_is_short():
    for bad in ({"size": [10**50] * 9, "counts": "1"}, {"size": [1, 1], "counts": "P" * 10_000}):
        with pytest.raises(DataError) as error:
            rle.from_coco(bad)
        assert len(str(error.value)) < 200 and ("..." in str(error.value) or "P" * 40 + "'" in str(error.value))


@pytest.mark.parametrize("entry", [{}, {"size": [1, 1]}, {"counts": [1]}, None, "size counts"])
def test_an_entry_has_size_and_counts(entry):
    with pytest.raises(ArgumentError, match="from_coco: entry must be a dict with size and counts; got"):
        rle.from_coco(entry)


@pytest.mark.parametrize("shape", [(), (4,), (1, 2, 3)])
def test_a_mask_has_two_axes_and_masks_have_three(shape):
    with pytest.raises(ShapeError, match=r"encode: mask must be \(H, W\); got shape \("):
        rle.encode(np.ones(shape))
    with pytest.raises(ShapeError, match=r"encode_many: masks must be \(M, H, W\); got shape \("):
        rle.encode_many(np.ones((2, *shape)))
