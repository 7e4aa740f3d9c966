"""Files between stages: whole or not there, and refused when they were made from something else."""

import json
import os

import numpy as np
import pytest

from tinymaskrcnn.errors import CheckpointError
from tinymaskrcnn.train.stage_files import StageFiles, digest

MADE_FROM = {"pictures": "0a1b", "settings": {"svm_c": 0.001, "scales": [50, 150]}}
ARRAYS = {"boxes": np.arange(8, dtype=np.float32).reshape(2, 4), "counts": np.array([2, 0]), "none": np.zeros((0, 3))}


def test_what_is_written_comes_back(tmp_path):
    files = StageFiles(tmp_path / "stages")
    assert not files.has("a")
    files.write("a", ARRAYS, made_from=MADE_FROM)
    back = files.read("a", made_from=MADE_FROM | {"settings": {"svm_c": 0.001, "scales": (50, 150)}})
    assert files.has("a") and list(back) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    assert os.listdir(files.folder) == ["a.npz"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pictures": "ffff"}, "pictures is '0a1b' there and 'ffff' here. R"),
        ({"settings": {"svm_c": 0.002, "scales": [50, 150]}}, "settings.svm_c is 0.001 there and 0.002 here. R"),
        ({"weights": "77"}, "weights is None there and '77' here. R"),
        ({"pictures": "ffff", "weights": "77"}, "pictures is '0a1b' there and 'ffff' here; weights is None there"),
    ],
)
def test_a_file_made_from_something_else_is_refused(tmp_path, change, said):
    files = StageFiles(tmp_path / "stages")
    files.write("a", ARRAYS, made_from=MADE_FROM)
    with pytest.raises(CheckpointError) as caught:
        files.read("a", made_from=MADE_FROM | change)
    assert f"a.npz: was made from something else: {said}" in str(caught.value)
    assert "emove the folder stages" in str(caught.value) and len(str(caught.value)) < 500


def test_damage_and_strangers(tmp_path):
    files = StageFiles(tmp_path)
    with pytest.raises(CheckpointError, match=r"a.npz: there is no such file"):
        files.read("a", made_from=MADE_FROM)
    files.write("a", ARRAYS, made_from=MADE_FROM)
    whole = files.path("a").read_bytes()
    for contents in (whole[: len(whole) // 2], b"", b"PK"):
        files.path("a").write_bytes(contents)
        with pytest.raises(CheckpointError, match=r"a.npz: damaged or truncated, or not a file of a training's stage"):
            files.read("a", made_from=MADE_FROM)
    np.savez(files.path("a"), **ARRAYS)
    with pytest.raises(CheckpointError, match=r"a.npz: does not say what it was made from"):
        files.read("a", made_from=MADE_FROM)
    for about, said in ((b"[1]", "must say in a table"), (b"{", "not valid JSON"), (b"\x80", "UTF-8")):
        np.savez(files.path("a"), about=np.frombuffer(about, np.uint8))
        with pytest.raises(CheckpointError, match=said):
            files.read("a", made_from=MADE_FROM)
    objects = np.empty(1, object)
    objects[0] = print
    np.savez(files.path("a"), about=objects)
    with pytest.raises(CheckpointError, match="pickled"):
        files.read("a", made_from=MADE_FROM)


def test_arrays_that_were_changed_are_refused(tmp_path):
    files = StageFiles(tmp_path)
    files.write("a", ARRAYS, made_from=MADE_FROM)
    stored = dict(np.load(files.path("a")))
    for change in ({"counts": np.array([2, 1])}, {"counts": np.array([[2, 0]])}, {"more": np.zeros(1)}):
        np.savez(files.path("a"), **(stored | change))
        with pytest.raises(CheckpointError, match=r"a.npz: the checksum of its arrays does not match"):
            files.read("a", made_from=MADE_FROM)
    np.savez(files.path("a"), **{name: array for name, array in stored.items() if name != "none"})
    with pytest.raises(CheckpointError, match="checksum"):
        files.read("a", made_from=MADE_FROM)


def test_a_killed_writer_leaves_the_old_file(tmp_path, monkeypatch):
    files = StageFiles(tmp_path)
    files.write("a", ARRAYS, made_from=MADE_FROM)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", killed)
        with pytest.raises(KeyboardInterrupt):
            files.write("a", {}, made_from={})
    files.clean()
    assert list(files.read("a", made_from=MADE_FROM)) == list(ARRAYS) and os.listdir(tmp_path) == ["a.npz"]


def test_digest_sees_numbers_types_and_shapes():
    x = np.arange(6.0)
    texts = {digest(x), digest(x.reshape(2, 3)), digest(x.astype(np.float32)), digest(x + 1), digest(x, x), digest()}
    assert len(texts) == 6 and digest(x) == digest(x.copy()) == digest(np.asfortranarray(x.reshape(2, 3)).reshape(6))


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    files = StageFiles(tmp_path)
    files.write("a", ARRAYS, made_from=MADE_FROM)
    (tmp_path / ".a.npz.999999-0.tmp").write_bytes(b"half")
    files.clean()
    assert os.listdir(tmp_path) == ["a.npz"]


def test_of_many_differences_two_are_named_and_long_values_cut(tmp_path):
    files = StageFiles(tmp_path)
    files.write("a", ARRAYS, made_from=dict.fromkeys("wxyz", "n" * 80))
    with pytest.raises(CheckpointError) as caught:
        files.read("a", made_from=dict.fromkeys("wxyz", "m" * 80))
    cut = [f"'{letter * 14} ... {letter * 9}'" for letter in "nm"]
    said = "; ".join(f"{name} is {cut[0]} there and {cut[1]} here" for name in "wx")
    assert f"something else: {said}; and 2 more. R" in str(caught.value)
    with pytest.raises(CheckpointError, match="; and 1 more. R"):
        files.read("a", made_from=dict.fromkeys("xyz", "m") | {"w": "n" * 80})


@pytest.mark.parametrize("more, sound", [(0, True), (1, False)])
def test_a_description_has_a_megabyte_at_most(tmp_path, more, sound):
    files = StageFiles(tmp_path)
    text = json.dumps({"made_from": {}, "arrays": {}})
    header = 128  # of an .npy file
    about = np.frombuffer(text.ljust((1 << 20) - header + more).encode(), np.uint8)
    np.savez(files.path("a"), about=about)
    if sound:
        assert files.read("a", made_from={}) == {}
        return
    with pytest.raises(CheckpointError, match="about: has 1,048,577 bytes; at most 1,048,576 make sense"):
        files.read("a", made_from={})


def test_a_digest_is_24_letters():
    assert len(digest(np.arange(3))) == 24 and digest() != digest(np.zeros(0))
