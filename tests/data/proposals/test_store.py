"""Proposals on disk: found once, whole after every interruption, and never those of something else."""

import json

import numpy as np
import pytest

from tinymaskrcnn.data.proposals import store as module
from tinymaskrcnn.data.proposals.store import ProposalStore
from tinymaskrcnn.errors import DataError

ABOUT = {"data": {"split": "train", "seed": 0}, "proposals": {"method": "selective_search", "scales": (50.0,)}}


def written(folder):
    """A folder with the proposals of picture 1."""
    store = ProposalStore(folder, ABOUT, Finder())
    store.of(1)
    store.flush()
    return folder / "part-00000.npz"


class Finder:
    """Finds as many boxes as the number says, none for 3, and counts."""

    def __init__(self):
        self.asked = []

    def __call__(self, number):
        self.asked.append(number)
        rng = np.random.default_rng(number)
        return rng.random((0 if number == 3 else number % 5 + 1, 4)).astype(np.float32)


def same(store, other, numbers):
    for number in numbers:
        np.testing.assert_array_equal(store.of(number), other(number))


def test_what_was_found_is_read_and_not_looked_for_again(tmp_path):
    find = Finder()
    store = ProposalStore(tmp_path / "p", ABOUT, find)
    assert store.missing(range(6)) == list(range(6))
    same(store, Finder(), (5, 3, 0, 5, 1))
    assert find.asked == [5, 3, 0, 1] and not list(tmp_path.glob("p/part-*"))
    store.flush()
    store.flush()
    assert [path.name for path in tmp_path.glob("p/part-*")] == ["part-00000.npz"]
    again = Finder()
    store = ProposalStore(tmp_path / "p", ABOUT, again)
    same(store, Finder(), (0, 1, 3, 5))
    assert again.asked == [] and store.missing(range(7)) == [2, 4, 6]
    store.of(2)
    store.flush()
    assert ProposalStore(tmp_path / "p", ABOUT, again).missing(range(6)) == [4]


def test_parts_are_written_as_it_goes_and_an_interruption_loses_one_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART", 4)
    find = Finder()

    def interrupted(number):
        if number == 10:
            raise KeyboardInterrupt
        return find(number)

    store = ProposalStore(tmp_path / "p", ABOUT, interrupted)
    with pytest.raises(KeyboardInterrupt):
        for number in range(12):
            store.of(number)
    for name in (".part-00002.npz.999999-0.tmp", ".about.json.999999-1.tmp"):
        (tmp_path / "p" / name).write_bytes(b"half")  # what a killed process leaves
    store = ProposalStore(tmp_path / "p", ABOUT, Finder())
    assert not list(tmp_path.glob("p/.*"))
    assert store.missing(range(12)) == [8, 9, 10, 11]
    same(store, Finder(), range(12))
    store = ProposalStore(tmp_path / "p", ABOUT, None)
    same(store, Finder(), range(12))


def test_every_64_searches_are_written_and_parts_are_counted_on(tmp_path):
    folder = tmp_path / "a" / "b"
    store = ProposalStore(folder, ABOUT, Finder())
    for number in range(63):
        store.of(number)
    assert not folder.exists()
    store.of(63)
    assert [path.name for path in folder.glob("part-*")] == ["part-00000.npz"]
    store = ProposalStore(folder, ABOUT, Finder())
    store.of(64)
    store.flush()
    assert sorted(path.name for path in folder.glob("part-*")) == ["part-00000.npz", "part-00001.npz"]
    about = (folder / "about.json").read_text()
    assert about == json.dumps({"format": 1, **ABOUT}, indent=1) + "\n"  # to be read by people, too
    arrays = dict(np.load(folder / "part-00000.npz"))
    assert {name: a.dtype.str for name, a in arrays.items()} == {"numbers": "<i8", "counts": "<i8", "boxes": "<f4"}


def test_what_differs_is_named_shortly(tmp_path):
    """Three settings at most, long values cut."""
    written(tmp_path / "p")
    other = {"proposals": {"method": "x" * 80, **dict.fromkeys("abcd", 1)}}
    with pytest.raises(DataError, match="other settings") as caught:
        ProposalStore(tmp_path / "p", ABOUT | other, Finder())
    said = str(caught.value).partition("other settings: ")[2]
    assert said.count(" is ") == 3 and said.endswith("and 3 more")
    assert f"'{'x' * 14} ... {'x' * 9}' here" in said


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"data": {"split": "test", "seed": 0}}, "another data set: data.split is 'train' there and 'test' here"),
        ({"data": {"split": "train", "seed": 1}}, "another data set: data.seed is 0 there and 1 here"),
        ({"proposals": {"method": "sliding_window", "scales": (50.0,)}}, "other settings: proposals.method is"),
        ({"proposals": {"method": "selective_search"}}, r"other settings: proposals.scales is \[50.0\] there and None"),
        ({"format": 2}, "other settings: format is 1 there and 2 here"),
    ],
)
def test_proposals_of_something_else_are_refused(tmp_path, other, said):
    written(tmp_path / "p")
    with pytest.raises(DataError, match=f"^{tmp_path}/p: holds proposals of {said}") as caught:
        ProposalStore(tmp_path / "p", ABOUT | other, Finder())
    assert "\n" not in str(caught.value)


def test_damaged_files_are_named(tmp_path):
    part = written(tmp_path / "p")
    good = dict(np.load(part))
    for wrong, said in (
        ({"counts": np.array([9])}, "is no part of a folder of proposals; delete it"),
        ({"numbers": np.array([0.5])}, "is no part"),
        ({"counts": np.array([2.0])}, "is no part"),
        ({"counts": np.array([3, -1]), "numbers": np.array([1, 2])}, "is no part"),
        ({"counts": np.array([1, 1])}, "is no part"),
        ({"boxes": np.zeros((4, 2), np.float32)}, "is no part"),
        ({"boxes": np.zeros((2, 5), np.float32)}, "is no part"),
        ({"boxes": good["boxes"].astype(np.float64)}, "its boxes must be finite float32 numbers; delete it"),
        ({"boxes": good["boxes"] * np.nan}, "its boxes must be finite float32"),
    ):
        np.savez(part, **(good | wrong))
        with pytest.raises(DataError, match=f"^{part}: {said}"):
            ProposalStore(tmp_path / "p", ABOUT, Finder())
    for gone in good:
        np.savez(part, **{name: array for name, array in good.items() if name != gone})
        with pytest.raises(DataError, match=f"^{part}: is no part of a folder of proposals; delete it"):
            ProposalStore(tmp_path / "p", ABOUT, Finder())
    part.write_bytes(b"PK")
    with pytest.raises(DataError, match=f"^{part}: damaged or truncated"):
        ProposalStore(tmp_path / "p", ABOUT, Finder())
    part.unlink()
    for text in ("[]", json.dumps({"format": 7})):
        (tmp_path / "p" / "about.json").write_text(text)
        with pytest.raises(DataError, match="is no folder of proposals that this version can read"):
            ProposalStore(tmp_path / "p", ABOUT, Finder())


def test_nothing_is_written_before_there_is_something_and_without_a_folder_never(tmp_path):
    ProposalStore(tmp_path / "p", ABOUT, Finder()).flush()
    assert not list(tmp_path.iterdir())
    find = Finder()
    store = ProposalStore(None, ABOUT, find)
    for _ in range(2):
        same(store, Finder(), range(3))
        store.flush()
    assert find.asked == [0, 1, 2]


def test_no_pickle(tmp_path):
    np.savez(written(tmp_path / "p"), numbers=np.array([object()], object))
    with pytest.raises(DataError, match="pickled Python objects, which are never loaded"):
        ProposalStore(tmp_path / "p", ABOUT, Finder())
