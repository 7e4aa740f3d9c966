"""Trees of arrays: walked in one order, rebuilt in their kind, and every difference has its name."""

import dataclasses
import types
from collections import namedtuple

import numpy as np
import pytest
import strict_device

from tinymaskrcnn.testing import trees

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True)
class Record:
    boxes: object
    name: str = "a"


def array(*shape, dtype=np.float64):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def a_tree():
    return {"x": array(2), "all": [array(3), (array(1, 2), None, "text", 3.5)], "of": Pair(array(4), Record(array(5)))}


NAMES = ["x", "all[0]", "all[1][0]", "of[0]", "of[1].boxes"]


def test_what_is_an_array():
    for yes in (array(2), np.float32(1), strict_device.xp.asarray(array(2))):
        assert trees.is_array(yes)
    for no in (None, 1.5, [1], "x", np.ndarray, np.float32, Record):
        assert not trees.is_array(no)
    assert trees.is_float(np.float16(1)) and trees.is_float(array(2, dtype=np.float32))
    assert not trees.is_float(array(2, dtype=int)) and not trees.is_float(np.array([True])) and not trees.is_float(1.0)


def test_leaves_are_named_as_python_reads_them():
    found = trees.leaves(a_tree())
    assert [name for name, _ in found] == NAMES and [leaf.size for _, leaf in found] == [2, 3, 2, 4, 5]
    assert [name for name, _ in trees.leaves(a_tree(), "cache")] == [
        "cache['x']", "cache['all'][0]", "cache['all'][1][0]", "cache['of'][0]", "cache['of'][1].boxes",
    ]  # fmt: skip
    assert trees.leaves(array(2), "y")[0][0] == "y" and trees.leaves(Record) == trees.leaves(3) == []


def test_a_tree_is_rebuilt_in_its_kind():
    tree = a_tree()
    made = trees.map_arrays(lambda a, b, c: a + 2 * b + len(c), tree, tree, tree)
    assert trees.structure_difference(made, tree, "y") is None
    assert type(made["of"]) is Pair and type(made["of"].right) is Record and made["of"].right.name == "a"
    assert made["all"][1][1:] == (None, "text", 3.5) and type(made["all"]) is list
    for (_, new), (_, old) in zip(trees.leaves(made), trees.leaves(tree), strict=True):
        np.testing.assert_array_equal(new, 3 * old + len(old))
    assert trees.map_arrays(str, Record) is Record


def test_nothing_hides_in_an_object_or_a_set_and_a_circle_ends():
    inside = types.SimpleNamespace(a=array(2), more={"b": (array(3),)})
    inside.itself = inside
    twice = array(4)
    found = trees.arrays_inside([inside, {(1, 2)}, twice, twice, len, Record], "c")
    assert [name for name, _ in found] == ["c[0].a", "c[0].more['b'][0]", "c[2]"]
    assert trees.arrays_inside(types.SimpleNamespace) == []


def test_locked_arrays_take_no_numbers():
    tree = {"a": array(2), "deep": types.SimpleNamespace(b=array(3))}
    assert trees.lock(tree) is tree
    for values in (tree["a"], tree["deep"].b):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 7
    trees.lock([np.float32(1), strict_device.xp.asarray(array(2))])
    copied = trees.copies({"a": tree["a"][::-1]})["a"]
    copied[0] = 7
    assert copied.flags.c_contiguous and tree["a"].tolist() == [0, 1]


def test_the_first_change_is_named():
    tree = {"a": array(2), "b": np.array([np.nan, 1.0]), "c": np.array([1, 2]), "d": strict_device.xp.asarray(array(2))}
    taken = trees.snapshot(tree)
    assert trees.first_change(taken) is None
    tree["c"][1] = 3
    assert trees.first_change(taken) == "c"
    tree["b"][1] = np.nan
    assert trees.first_change(taken) == "b"


@pytest.mark.parametrize(
    ("got", "want", "said"),
    [
        (array(2), array(2), None),
        (None, array(2), "y must be an array (2,); got NoneType"),
        (array(3), array(2), "y must have shape (2,); got (3,)"),
        (array(2, 1), array(1, 2), "y must have shape (1, 2); got (2, 1)"),
        (array(2, dtype=np.float32), array(2), "y must be float64; got float32"),
        ([array(2)], (array(2),), "y must be a tuple of 1; got list of 1"),
        ((array(2),), (array(2), array(2)), "y must be a tuple of 2; got tuple of 1"),
        (array(2), [array(2)], "y must be a list of 1; got ndarray of 2"),
        (3, [array(2)], "y must be a list of 1; got int"),
        ((array(2), array(3)), (array(2), array(2)), "y[1] must have shape (2,); got (3,)"),
        ({"a": array(2)}, {"b": array(2)}, "y must have the entries ['b']; got ['a']"),
        ({"a": array(2)}, {"a": array(1)}, "y['a'] must have shape (1,); got (2,)"),
        (Record(None), Record(array(1)), "y.boxes must be an array (1,); got NoneType"),
        (None, Record(array(1)), "y.boxes must be an array (1,); got NoneType"),
        (Record(array(1)), Record(array(1)), None),
        ("anything", None, None),
        (array(2), None, "y must be None; got ndarray"),
        ((array(2), [array(1)]), (array(2), "off"), "y[1] must be 'off'; got list"),
    ],
)
def test_the_first_difference_in_structure(got, want, said):
    assert trees.structure_difference(got, want, "y") == said


def test_the_largest_difference_is_relative_to_each_array():
    want = [np.array([10.0, -100.0]), np.array([1.0]), np.zeros((0, 3))]
    assert trees.largest_difference(want, want) == 0.0 and trees.largest_difference([], []) == 0.0
    assert trees.largest_difference([want[0] + [0, 5], want[1], want[2]], want) == pytest.approx(0.05)
    assert trees.largest_difference([want[0] - 1, want[1] - 0.5, want[2]], want) == pytest.approx(0.5)
    assert trees.largest_difference(np.zeros(2), np.zeros(2)) == 0.0
    assert trees.largest_difference(np.ones(2), np.zeros(2)) > 1e6
    assert np.isnan(trees.largest_difference([want[0], np.array([np.nan]), want[2]], want))
    assert np.isnan(trees.largest_difference([np.array([np.nan, 1.0]), want[1] + 1, want[2]], want))


def test_the_same_bits():
    tree = [np.array([1.0, np.nan]), np.array([1, 2])]
    assert trees.same_bits(tree, [a.copy() for a in tree])
    assert not trees.same_bits([tree[0], np.array([1, 3])], tree)
    assert not trees.same_bits([np.array([1.0 + 1e-15, np.nan]), tree[1]], tree)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float16, np.float32, np.float64, bool])
def test_the_largest_difference_is_that_of_the_numbers_whatever_holds_them(dtype):
    """Of the smallest int8 there is no absolute value; between unsigned numbers there are no negative differences."""
    low, high = (
        (0, 1)
        if dtype is bool
        else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if np.dtype(dtype).kind in "iu"
        else (-3, 5)
    )
    want, got = np.array([low, 0, high], dtype), np.array([high, 0, low], dtype)
    wanted = (float(high) - low) / max(abs(float(low)), float(high))
    assert trees.largest_difference(got, want) == pytest.approx(wanted)
