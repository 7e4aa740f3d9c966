import gzip
import hashlib
import os
import shutil
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.data import mnist
from tinymaskrcnn.errors import DataError

REAL = Path(os.environ.get("TINYMASKRCNN_DATA", "")) / "mnist"
needs_mnist = pytest.mark.skipif(
    "TINYMASKRCNN_DATA" not in os.environ or not REAL.is_dir(),
    reason="MNIST is not here: set TINYMASKRCNN_DATA to the folder that holds mnist/",
)


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def write_set(folder, *, train=12, test=4, packed=True):
    """A small set in the format of MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            raw = idx(array)
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(raw, mtime=0) if packed else raw)
    return folder


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch, tmp_path):
    """No test sees the data or the cache of the machine it runs on."""
    monkeypatch.delenv("TINYMASKRCNN_DATA", raising=False)
    monkeypatch.setenv("TINYMASKRCNN_CACHE", str(tmp_path / "cache"))


# ---------------------------------------------------------------- the idx format


def test_idx_is_read_as_written():
    array = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(mnist.parse_idx(idx(array), axes=3), array)
    np.testing.assert_array_equal(mnist.parse_idx(idx(array[0, 0]), axes=1), array[0, 0])
    assert mnist.parse_idx(idx(array[:0]), axes=3).shape == (0, 3, 4)


GOOD = idx(np.zeros((2, 3, 4), np.uint8))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "name: truncated; the header needs 16 bytes, the file has 0"),
        (GOOD[:10], "name: truncated; the header needs 16 bytes, the file has 10"),
        (GOOD[:-1], r"name: truncated; shape \(2, 3, 4\) needs 40 bytes, the file has 39"),
        (GOOD + b"x", r"name: has trailing bytes; shape \(2, 3, 4\) needs 40 bytes, the file has 41"),
        (idx(np.zeros(20, np.uint8)), "name: not an idx file of uint8 with 3 axes; magic must be 2051, got 2049"),
        (b"\x00\x00\x0d\x03" + GOOD[4:], "magic must be 2051, got 3331"),
        (b"\x89PNG" + GOOD[4:], "not an idx file"),
        (struct.pack(">4I", 0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1), "truncated"),
    ],
)
def test_a_wrong_idx_file_is_refused(raw, message):
    with pytest.raises(DataError, match=message):
        mnist.parse_idx(raw, axes=3, name="name")


# ---------------------------------------------------------------- where it is looked for


def test_an_explicit_folder_is_the_only_one_looked_in(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYMASKRCNN_DATA", str(write_set(tmp_path / "env" / "mnist").parent))
    assert mnist.find() == tmp_path / "env" / "mnist"
    with pytest.raises(DataError, match="MNIST was not found; looked in .*nothing") as caught:
        mnist.find(tmp_path / "nothing")
    assert "tinymaskrcnn data mnist" in str(caught.value) and "--data" in str(caught.value)
    assert "env" not in str(caught.value)
    write_set(tmp_path / "mine")
    assert mnist.find(tmp_path / "mine") == tmp_path / "mine"
    assert mnist.find(tmp_path / "env") == tmp_path / "env" / "mnist"


def test_the_cache_comes_last(tmp_path, monkeypatch):
    write_set(mnist.cache_folder())
    assert mnist.find() == tmp_path / "cache" / "mnist"
    monkeypatch.setenv("TINYMASKRCNN_DATA", str(write_set(tmp_path / "env" / "mnist").parent))
    assert mnist.find() == tmp_path / "env" / "mnist"


def test_the_cache_lies_in_the_home_folder_by_default(monkeypatch):
    monkeypatch.delenv("TINYMASKRCNN_CACHE")
    assert mnist.cache_folder() == Path.home() / ".cache" / "tinymaskrcnn" / "mnist"


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("packed", [True, False])
def test_a_set_becomes_a_bank_split_by_file(tmp_path, packed):
    bank = mnist.load(write_set(tmp_path / "set", packed=packed), verify=False)
    assert bank.name == "mnist" and bank.full == 255 and bank.images.shape == (16, 28, 28)
    assert [bank.members(s).tolist() for s in ("train", "validation", "test")] == [
        list(range(10)),
        [10, 11],
        [12, 13, 14, 15],
    ]
    assert bank.labels.tolist() == [*(k % 10 for k in range(12)), 0, 1, 2, 3]


def test_a_missing_file_is_named(tmp_path):
    folder = write_set(tmp_path / "set")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"set: t10k-labels-idx1-ubyte \(or t10k-labels-idx1-ubyte.gz\) is missing"):
        mnist.load(folder, verify=False)


def test_counts_must_agree(tmp_path):
    folder = write_set(tmp_path / "set")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(
        idx(np.zeros(11, np.uint8))
    )  # gzip is told by content, not name
    with pytest.raises(DataError, match="the train files hold 12 images but 11 labels"):
        mnist.load(folder, verify=False)


def test_labels_must_be_digits(tmp_path):
    folder = write_set(tmp_path / "set")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.full(12, 10, np.uint8)))
    with pytest.raises(DataError, match=r"train labels must be 0..9; got 10"):
        mnist.load(folder, verify=False)


def test_sizes_must_agree(tmp_path):
    folder = write_set(tmp_path / "set")
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((4, 27, 28), np.uint8)))
    with pytest.raises(DataError, match=r"must have one size; got \(28, 28\) and \(27, 28\)"):
        mnist.load(folder, verify=False)


def test_a_truncated_or_damaged_gzip_file_is_refused(tmp_path):
    folder = write_set(tmp_path / "set")
    path = folder / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for broken in (whole[:-9], whole[:5], whole[:100] + bytes(50) + whole[150:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="train-images-idx3-ubyte.gz: cannot be read, or is truncated"):
            mnist.load(folder, verify=False)


def test_another_set_fails_the_checksum(tmp_path):
    folder = write_set(tmp_path / "set")
    with pytest.raises(
        DataError, match="train-images-idx3-ubyte.gz: must hold 47040016 bytes when decompressed; got 9424"
    ):
        mnist.load(folder)


def test_one_wrong_byte_or_one_byte_more_fails_the_checksum(tmp_path):
    raw = b"abc"
    digest = hashlib.sha256(raw).hexdigest()
    mnist.check(raw, 3, digest, "file")
    with pytest.raises(DataError, match="file: is not the original MNIST file; SHA-256 must be ba78"):
        mnist.check(b"abd", 3, digest, "file")
    with pytest.raises(DataError, match="file: must hold 3 bytes when decompressed; got more than that"):
        mnist.check(b"abcd", 3, digest, "file")


def test_a_file_that_unpacks_without_end_is_not_unpacked(tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(10**7)))
    assert len(mnist.read_file(tmp_path / "bomb.gz", limit=1000)) == 1001


@needs_mnist
def test_the_real_files_are_read_and_verified():
    bank = mnist.load(REAL)
    assert bank.images.shape == (70000, 28, 28)
    assert {s: len(bank.members(s)) for s in bank.splits} == {"train": 50000, "validation": 10000, "test": 10000}
    assert bank.labels[:5].tolist() == [5, 0, 4, 1, 9] and bank.labels[60000:60005].tolist() == [7, 2, 1, 0, 4]
    assert mnist.load(REAL) is bank  # shared, not read again
    ink = bank.render(0, 28)
    assert abs((ink > 0.5).any(axis=1).sum() - 28) <= 1
    copies = bank.images[60000:61000].reshape(1000, -1), bank.images[:2000].reshape(2000, -1)
    assert not {c.tobytes() for c in copies[0]} & {c.tobytes() for c in copies[1]}


@needs_mnist
def test_a_damaged_copy_of_a_real_file_is_found_out(tmp_path):
    name = "t10k-labels-idx1-ubyte.gz"
    shutil.copy(REAL / name, tmp_path / name)
    raw = bytearray(gzip.decompress((tmp_path / name).read_bytes()))
    mnist._read(tmp_path, name.removesuffix(".gz"), True, axes=1)
    raw[-1] ^= 1
    (tmp_path / name).write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(DataError, match="is not the original MNIST file"):
        mnist._read(tmp_path, name.removesuffix(".gz"), True, axes=1)


def test_a_file_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path):
    folder = write_set(tmp_path / "own")
    head = struct.pack(">4I", 0x0803, 12, 28, 28)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(2**28), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match="own/train-images-idx3-ubyte.gz: has trailing bytes"):
        mnist.load(folder, verify=False)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("claimed", [3 * 10**9, 2**32 - 1])
def test_a_file_that_says_more_than_it_holds_reserves_nothing(tmp_path, claimed):
    folder = write_set(tmp_path / "own", packed=False)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x0801, claimed) + bytes(12))
    tracemalloc.start()
    with pytest.raises(DataError, match=f"own/train-labels-idx1-ubyte: truncated; shape .{claimed},. needs"):
        mnist.load(folder, verify=False)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_one_label_that_is_no_digit_is_found_wherever_it_stands(tmp_path):
    for part, number, place in (("train", 12, 0), ("train", 12, 11), ("t10k", 4, 2)):
        folder = write_set(tmp_path / f"{part}{place}")
        labels = np.zeros(number, np.uint8)
        labels[place] = 10
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
        with pytest.raises(DataError, match=rf"{part} labels must be 0\.\.9; got 10"):
            mnist.load(folder, verify=False)
        labels[place] = 9
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
        assert len(mnist.read_pair(folder, part, verify=False)[1]) == number


@pytest.mark.parametrize("shape", [(4, 27, 28), (4, 28, 27), (4, 27, 27)])
def test_both_sides_of_digits_must_agree(tmp_path, shape):
    folder = write_set(tmp_path / "set")
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros(shape, np.uint8)))
    with pytest.raises(DataError, match=r"training and test digits must have one size; got \(28, 28\) and \(2"):
        mnist.load(folder, verify=False)


@pytest.mark.parametrize("size", [(5, 9), (9, 5)])
def test_digits_need_not_be_square(tmp_path, size):
    folder = write_set(tmp_path / "set")
    drawn = np.random.default_rng(1).integers(0, 256, (16, *size)).astype(np.uint8)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(drawn[:12]))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(drawn[12:]))
    np.testing.assert_array_equal(mnist.load(folder, verify=False).images, drawn)


@pytest.mark.parametrize("train, held_out", [(12, 2), (5, 0), (60, 10), (90, 12)])
def test_a_sixth_is_held_out_and_never_more_than_so_many(tmp_path, monkeypatch, train, held_out):
    monkeypatch.setattr(mnist, "VALIDATION", 12)
    bank = mnist.load(write_set(tmp_path / "set", train=train, test=7), verify=False)
    for split, wanted in (
        ("train", range(train - held_out)),
        ("validation", range(train - held_out, train)),
        ("test", range(train, train + 7)),
    ):
        assert bank.members(split).tolist() == list(wanted)


def test_checksums_are_asked_for_unless_one_says_otherwise(tmp_path):
    folder = write_set(tmp_path / "set")
    for read in (lambda: mnist.load(folder), lambda: mnist.read_pair(folder, "train")):
        with pytest.raises(DataError, match="must hold 47040016 bytes when decompressed"):
            read()


def test_a_folder_has_one_copy_whatever_it_is_called(tmp_path, monkeypatch):
    folder = write_set(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    bank = mnist.load("set", verify=False)
    assert mnist.load(folder, verify=False) is bank and mnist.load("./set/../set", verify=False) is bank
    monkeypatch.chdir(write_set(tmp_path / "other" / "set", train=6).parent)
    assert len(mnist.load("set", verify=False)) == 10  # the same name, and another folder


def test_the_published_files():
    """Their sizes follow from their shapes; the checksums are those that the mirrors' files have."""
    for part, number in (("train", 60_000), ("t10k", 10_000)):
        assert mnist.FILES[f"{part}-images-idx3-ubyte"][0] == 16 + 28 * 28 * number
        assert mnist.FILES[f"{part}-labels-idx1-ubyte"][0] == 8 + number
    assert all(len(digest) == 64 for _, digest in mnist.FILES.values()) and mnist.VALIDATION == 10_000


@pytest.mark.parametrize("packed", [True, False])
def test_only_what_is_sound_is_left_alone(tmp_path, packed):
    """A broken archive is fetched again; a broken plain file would hide it, and is named."""
    folder, name = write_set(tmp_path / "set", packed=packed), "train-labels-idx1-ubyte"
    raw = mnist.read_file(mnist._path(folder, name))

    def verify(path):
        mnist.check(mnist.read_file(path), len(raw), hashlib.sha256(raw).hexdigest(), path)

    assert mnist._is_sound(folder, name, verify) is True
    path = mnist._path(folder, name)
    path.write_bytes(gzip.compress(raw[:-1]) if packed else raw[:-1])
    if packed:
        assert mnist._is_sound(folder, name, verify) is False
    else:
        with pytest.raises(DataError, match="got 19. Remove this file, then download again."):
            mnist._is_sound(folder, name, verify)
    path.unlink()
    assert mnist._is_sound(folder, name, verify) is False
