import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.data import polygons, rle
from tinymaskrcnn.errors import ArgumentError, DataError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'


@st.composite
def drawn(draw):
    """Polygons that are whole-numbered, fractional, self-crossing, degenerate, partly or wholly outside."""
    H, W = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = rng.random((draw(st.integers(3, 12)), 2)) * [W, H]
    kind = draw(st.sampled_from(["any", "whole", "halves", "beyond", "repeated", "cents", "flat", "fine"]))
    if kind == "beyond":
        points = 3 * points - [W, H]
    points = {"whole": points.round(), "halves": (2 * points).round() / 2, "cents": points.round(2)}.get(kind, points)
    if kind == "repeated":
        points[1] = points[0]
    if kind == "flat":
        points[:, rng.integers(2)] = 3.4
    if kind == "fine":  # edges of one or two steps of the grid on which outlines are walked
        points = points[:1] + rng.integers(-2, 3, (30, 2)).cumsum(axis=0) / polygons.FINE
    return points, (H, W)


@examples(400)
@given(drawn())
def test_bit_for_bit_as_pycocotools(polygon):
    mask = pytest.importorskip("pycocotools.mask")
    points, (H, W) = polygon
    [code] = mask.frPyObjects([points.ravel().tolist()], H, W)
    assert rle.to_string(polygons.polygon_to_rle(points, size=(H, W))) == code["counts"].decode()
    np.testing.assert_array_equal(polygons.polygons_to_mask([points], size=(H, W)), mask.decode(code))


def test_several_polygons_are_united_as_pycocotools_does():
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(1)
    for _ in range(30):
        parts = [(rng.random(8) * 40).tolist() for _ in range(3)]
        expected = mask.decode(mask.merge(mask.frPyObjects(parts, 30, 40)))
        np.testing.assert_array_equal(polygons.polygons_to_mask(parts, size=(30, 40)), expected)


def test_a_rectangle_between_pixels():
    expected = np.zeros((5, 6), bool)
    expected[1:4, 2:5] = True
    got = polygons.polygons_to_mask([[2, 1, 5, 1, 5, 4, 2, 4]], size=(5, 6))
    np.testing.assert_array_equal(got, expected)
    assert not polygons.polygons_to_mask([], size=(5, 6)).any()


def test_halves_share_a_square_without_gap_or_overlap():
    left = polygons.polygons_to_mask([[0, 0, 7.3, 0, 2.1, 10, 0, 10]], size=(10, 10))
    right = polygons.polygons_to_mask([[7.3, 0, 10, 0, 10, 10, 2.1, 10]], size=(10, 10))
    assert (left ^ right).all()


@pytest.mark.parametrize(
    "points, error, message",
    [
        ([1, 1, 2, 2], DataError, "needs at least 3 points; got 2"),
        ([1, 1, 2, 2, 3], ArgumentError, r"\(P, 2\) or flat"),
        ([[1, 1, 1]] * 3, ArgumentError, r"\(P, 2\) or flat"),
        ([1, 1, 2, 2, np.nan, 3], DataError, "finite"),
        ([0, 0, 1e300, 0, 5, 5], DataError, "outline must stay below"),
        ([0, 0, 1e6, 0, 5, 5], DataError, "outline must stay below"),
        ([0, 0, 9e5, 0] * 1000, DataError, "outline must stay below"),
    ],
)
def test_bad_polygons(points, error, message):
    with pytest.raises(error, match=message):
        polygons.polygon_to_rle(points, size=(8, 8))


# ---------------------------------------------------------------- segmentation entries

SIZE = (4, 5)


def test_every_kind_of_segmentation():
    mask = np.zeros(SIZE, bool)
    mask[1:3, 2:4] = True
    code = rle.encode(mask)
    kinds = [
        [[2, 1, 4, 1, 4, 3, 2, 3]],
        {"size": [4, 5], "counts": code.counts.tolist()},
        {"size": [4, 5], "counts": rle.to_string(code)},
    ]
    for entry in kinds:
        parsed = polygons.parse_segmentation(entry, size=SIZE)
        np.testing.assert_array_equal(rle.decode(polygons.segmentations_to_rles([parsed], size=SIZE)[0]), mask)


@pytest.mark.parametrize(
    "entry, message",
    [
        ("text", "polygons or run lengths; got str"),
        ([[1, 2, 3, 4]], "polygon 0: needs at least 3 points; got 2"),
        ([[0, 0, 1, 1, 2, 0], [1, 2, 3]], "polygon 1: needs pairs"),
        ([[0, 0, 1, 1, 2, "x"]], "polygon 0: must be a flat list of numbers"),
        ([[0, 0, 1, 1, 2, None]], "polygon 0: must be a flat list of numbers"),
        ([[[0, 0], [1, 1], [2]]], "polygon 0: must be a flat list of numbers"),
        ([{}], "polygon 0: must be a flat list"),
        ([[0, 0, 1, 1, 2, float("nan")]], "polygon 0: every coordinate must be finite"),
        ([[0, 0, 1, 1, 2, 10**400]], "polygon 0: must be a flat list of numbers"),
        ({"size": [4, 5]}, "counts must be a text or a list; got NoneType"),
        ({"counts": [20]}, r"size must be \[height, width\]; got None"),
        ({"size": [5, 4], "counts": [20]}, r"size must be that of the picture, \[4, 5\]; got \[5, 4\]"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "size must be that of the picture"),
        ({"size": [4, 5], "counts": [10, 11]}, "must fill 4 x 5 = 20 pixels; they count 21"),
        ({"size": [4, 5], "counts": [10]}, "must fill 4 x 5 = 20 pixels; they count 10"),
        ({"size": [4, 5], "counts": [-1, 21]}, "every count must be a whole number in 0..20"),
        ({"size": [4, 5], "counts": [2.5, 17.5]}, "every count must be a whole number"),
        ({"size": [4, 5], "counts": [10**30]}, "every count must be a whole number"),
        ({"size": [4, 5], "counts": "###"}, "not a complete run-length string"),
        ({"size": [4, 5], "counts": "oooo7" * 3}, "the runs must fill 4 x 5"),
    ],
)
def test_broken_segmentations_are_named(entry, message):
    with pytest.raises(DataError, match=message):
        polygons.parse_segmentation(entry, size=SIZE)


def test_a_malicious_run_length_costs_no_memory():
    import tracemalloc

    large = rle.to_string(rle.RLE((1, 1), np.array([3, 2**36, 2**36], np.int64)))
    tracemalloc.start()
    for counts in (large, [2**36, 2**36]):
        with pytest.raises(DataError):
            polygons.parse_segmentation({"size": [4, 5], "counts": counts}, size=SIZE)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_run_lengths_whose_sum_overflows_are_seen():
    """64-bit sums wrap around: these counts add up to 2**64 + 20, and the picture has 20 pixels."""
    m = 1 << 14
    step, rest = divmod(2**64 + 20, m * (m + 1))
    counts = np.concatenate([[rest], np.repeat(np.arange(1, m + 1) * step, 2)])
    assert int(counts.sum()) == 20
    text = rle.to_string(rle.RLE((4, 5), counts))
    with pytest.raises(DataError):
        polygons.parse_segmentation({"size": [4, 5], "counts": text}, size=SIZE)


def test_outlines_of_the_shortest_edges_equal_pycocotools():
    """Every pair of directions of one step, around every place of a pixel at which a step may round."""
    mask = pytest.importorskip("pycocotools.mask")
    steps = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    shapes = []
    for start in range(5):
        for first in steps:
            for second in steps:
                corners = np.cumsum([(10 + start, 12 + start), first, second, (2, 3), (3, -2)], axis=0) / polygons.FINE
                shapes.append(corners)
    codes = mask.frPyObjects([corners.ravel().tolist() for corners in shapes], 6, 7)
    for ours, theirs in zip(polygons.polygons_to_rles(shapes, size=(6, 7)), codes, strict=True):
        assert rle.to_string(ours) == theirs["counts"].decode()


@pytest.mark.parametrize("entry", [None, "", [], {}, [[]], [[], []], [None], [{}], [""]])
def test_a_segmentation_may_be_absent(entry):
    assert polygons.is_absent(entry)


@pytest.mark.parametrize("entry", [0, [[1, 2, 3, 4, 5, 6]], [[], [1, 2]], {"size": [1, 1]}, "x", [0], 7])
def test_what_says_something_is_not_absent(entry):
    assert not polygons.is_absent(entry)


def test_objects_of_every_kind_at_once():
    """Without pixels, one polygon, several, run lengths: each keeps its place."""
    square, other = np.array([[1.0, 1], [3, 1], [3, 3], [1, 3]]), np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    whole = rle.RLE(SIZE, np.array([0, 20]))
    codes = polygons.segmentations_to_rles([None, [square], whole, [square, other], [], [other]], size=SIZE)
    assert [rle.area(code) for code in codes] == [0, 4, 20, 5, 0, 1]
    assert all(code.size == SIZE and code.counts.sum() == 20 for code in codes)
    assert polygons.segmentations_to_rles([], size=SIZE) == []


@pytest.mark.parametrize("most", [1, 7, 60, 10**6])
def test_polygons_are_the_same_however_many_are_walked_at_once(most, monkeypatch):
    rng = np.random.default_rng(4)
    shapes = [rng.random((5, 2)) * 12 for _ in range(9)]
    expected = [polygons.polygon_to_rle(points, size=(12, 11)).counts.tolist() for points in shapes]
    monkeypatch.setattr(polygons, "POINTS_AT_ONCE", most)
    assert [code.counts.tolist() for code in polygons.polygons_to_rles(shapes, size=(12, 11))] == expected


@pytest.mark.parametrize("size", [[4, 5.0], ["4", 5], [4], [4, 5, 1], None, True, [4, True], "45"])
def test_a_size_is_two_whole_numbers(size):
    with pytest.raises(DataError, match=r"run lengths: size must be \[height, width\]; got"):
        polygons.parse_segmentation({"size": size, "counts": [20]}, size=SIZE)


def test_lists_of_counts_may_be_whole_or_nothing():
    for counts in ([20], [0, 20], [20, 0], [3, 4, 0, 13]):
        code = polygons.parse_segmentation({"size": [4, 5], "counts": counts}, size=SIZE)
        assert code.counts.tolist() == counts and code.counts.dtype == np.int64 and code.size == (4, 5)
    for counts in ([21], [-1, 21], [True, 19], [20.0], ["20"]):
        with pytest.raises(DataError, match="every count must be a whole number in 0..20"):
            polygons.parse_segmentation({"size": [4, 5], "counts": counts}, size=SIZE)
    with pytest.raises(DataError, match="must fill 4 x 5 = 20 pixels; they count 19"):
        polygons.parse_segmentation({"size": [4, 5], "counts": [19]}, size=SIZE)


def test_parsed_polygons_are_floats_however_they_are_written():
    for points in ([0, 0, 3, 0, 3, 3], [0.0, 0, 3, 0, 3, 3.0], [0, 0, 2**53 + 1, 0, 3, 3][:2] + [3, 0, 3, 3]):
        (parsed,) = polygons.parse_segmentation([points], size=SIZE)
        assert parsed.dtype == np.float64 and parsed.shape == (3, 2) and parsed.tolist() == [[0, 0], [3, 0], [3, 3]]
    with pytest.raises(DataError, match="polygon 1: the outline must stay below 1048576 points of 1/5 pixel"):
        polygons.parse_segmentation([points, [0, 0, 1e9, 0, 3, 3]], size=SIZE)
    within = (polygons.MOST_POINTS - 20) / (2 * polygons.FINE)  # there and back
    polygons.parse_segmentation([[0, 0, within, 0, 0, 1]], size=SIZE)
    with pytest.raises(DataError, match="polygon 0: the outline must stay below"):
        polygons.parse_segmentation([[0, 0, within + 9, 0, 0, 1]], size=SIZE)
