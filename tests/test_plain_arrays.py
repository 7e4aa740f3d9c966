"""Arrays of strangers: an archive is judged by its directory, an array by its header, numbers by what float32 holds."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from tinymaskrcnn.errors import CheckpointError, DataError
from tinymaskrcnn.plain_arrays import (
    Npz,
    check_floats,
    check_inflation,
    check_size,
    fits_float32,
    member_name,
    native,
    read_npz,
)


def npy(shape, descr="<f4", numbers=b"", header=None):
    header = header or repr({"descr": descr, "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode("latin1") + numbers


def zipped(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def arrays():
    rng = np.random.default_rng(0)
    return {
        "c": rng.normal(size=(3, 4, 5)).astype(np.float32),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
        "big": rng.normal(size=7).astype(">f4"),
        "half/b.c": rng.normal(size=(2, 2)).astype(np.float16),
        "one": np.array(7, np.int64),
        "none": np.zeros((0, 4), np.float32),
        "bool": np.array([True, False]),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    save(tmp_path / "a.npz", **arrays())
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(arrays())
    for name, array in arrays().items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=") and found[name].flags.writeable
    with Npz(tmp_path / "a.npz") as file:
        assert file.read("big").dtype == np.dtype(">f4") and native(file.read("big")).dtype.isnative
        with pytest.raises(DataError, match="a.npz: c: has 368 bytes; at most 100 make sense"):
            file.read("c", largest=100)


GOOD = npy((2,), numbers=b"\0" * 8)


def changed(place, value, *, width="<H", members=None):
    """An archive in whose directory one field of the first member says something else."""
    content = bytearray(zipped(members or {"w.npy": GOOD, "v.npy": GOOD}))
    at = content.index(b"PK\1\2") + place
    content[at : at + struct.calcsize(width)] = struct.pack(width, value)
    return bytes(content)


REFUSED = {
    "encrypted": (lambda: changed(8, 1), "w.npy: is encrypted"),
    "strongly encrypted": (lambda: changed(8, 0x41), "is encrypted"),
    "version of the future": (lambda: changed(6, 99), "damaged or truncated"),
    "compressed with lzma": (lambda: zipped({"w.npy": GOOD}, zipfile.ZIP_LZMA), "a way that NumPy does not write"),
    "unknown compression": (lambda: changed(10, 77), "a way that NumPy does not write"),
    "sizes that differ": (lambda: changed(24, 1 << 20, width="<I"), "claims 1,048,576 bytes"),
    "both sizes wrong": (lambda: changed(20, (1 << 20) | (1 << 52), width="<Q"), "overlaps"),
    "another place": (lambda: changed(42, 9, width="<I"), "overlaps"),
    "another checksum": (lambda: changed(16, 9, width="<I"), "damaged or truncated"),
    "a folder": (lambda: zipped({"model/": b""}), "is not an array"),
    "a name without end": (lambda: zipped({"w" * 9000 + ".npy": GOOD}), "is no name for an array"),
    "a name that does not print": (lambda: zipped({"w\n\x1b[31m.npy": GOOD}), "is no name for an array"),
    "a header without end": (lambda: zipped({"w.npy": b"\x93NUMPY\1\0\x10\0{'descr'"}), "its header claims 16 bytes"),
    "16 GB in 128 bytes": (
        lambda: zipped({"w.npy": npy((1 << 32,), numbers=b"\0" * 20)}),
        "does not fill",
    ),
    "a header of 4 GB": (lambda: zipped({"w.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff{}"}), "header claims 4,294,967,295"),
    "complex": (lambda: zipped({"w.npy": npy((1,), "<c8", b"\0" * 8)}), "must hold plain numbers; got '<c8'"),
    "text": (lambda: zipped({"w.npy": npy((2,), "<U1", b"\0" * 8)}), "must hold plain numbers"),
    "dates": (lambda: zipped({"w.npy": npy((1,), "<M8[s]", b"\0" * 8)}), "must hold plain numbers"),
    "long doubles": (lambda: zipped({"w.npy": npy((1,), "<f16", b"\0" * 16)}), "must hold plain numbers"),
    "a header of warnings": (
        lambda: zipped({"w.npy": npy((1,), header="{'\\d': 1if 2else 3, 'a' 'b'()}")}),
        "cannot be",
    ),
    "a header that is a list": (lambda: zipped({"w.npy": npy((1,), header="['descr']")}), "cannot be read"),
    "a NUL in the header": (lambda: zipped({"w.npy": npy((1,), header="{\0}")}), "cannot be read"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_once_and_by_name(tmp_path, case):
    make, sentence = REFUSED[case]
    path = tmp_path / "strange.npz"
    path.write_bytes(make())
    tracemalloc.start()
    with pytest.raises(CheckpointError) as caught:
        read_npz(path, error=CheckpointError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and sentence in message, message
    assert len(message) - len(str(path)) < 400 and message.isprintable() and peak < 4_000_000


def test_a_gigabyte_of_zeros_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("w.npy", "w") as member:
            member.write(npy((1 << 26,)))
            for _ in range(256):
                member.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"bomb.npz: [\d,]+ bytes of file claim to hold 268,4.* bytes of arrays"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_numbers_that_float32_can_hold():
    assert fits_float32(np.array([1e38, -1e-300, 0.0])) and fits_float32(np.zeros((0, 3), np.float16))
    for value in (np.nan, np.inf, 1e300, -3.5e38):
        assert not fits_float32(np.array([0.0, value]))
        with pytest.raises(DataError, match=r"here must hold finite numbers; 1 of 2 are .*; the first is"):
            check_floats("here", np.array([0.0, value]))
    for wrong in (np.zeros(2, complex), np.zeros(2, np.int64), np.array(["a"]), [1.0]):
        with pytest.raises(DataError, match="here must hold floats; got"):
            check_floats("here", wrong)
    with pytest.raises(CheckpointError, match="here must be at least 0; its smallest number is -0.5"):
        check_floats("here", np.array([1.0, -0.5]), least=0.0, error=CheckpointError)
    check_floats("here", np.zeros(0, np.float32), least=1.0)


# ---------------------------------------------------------------- where each rule ends


def one(tmp_path, content, name="w.npy", method=zipfile.ZIP_STORED):
    """The one array of an archive made of these bytes."""
    (tmp_path / "a.npz").write_bytes(zipped({name: content}, method))
    [(key, array)] = read_npz(tmp_path / "a.npz").items()
    assert key == name.removesuffix(".npy")
    return array


@pytest.mark.parametrize("descr", "<f2 >f4 =f8 |i1 <i2 >i4 <i8 |u1 <u2 <u4 >u8 |b1 ?".split())
def test_plain_numbers_of_all_sizes_and_orders(tmp_path, descr):
    wanted = np.array([1, 0, 1], np.dtype(descr))
    array = one(tmp_path, npy((3,), descr, wanted.tobytes()))
    assert array.tolist() == wanted.tolist() and array.dtype == wanted.dtype.newbyteorder("=")


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("fortran", [True, False])
@pytest.mark.parametrize("usual", [True, False])
def test_headers_of_all_versions_and_forms(tmp_path, version, fortran, usual):
    header = f"{{'descr': '<f4', 'fortran_order': {fortran}, 'shape': (2, 3), }}"
    if not usual:  # another order, and a trailing blank
        header = f"{{'shape': (2, 3), 'fortran_order': {fortran}, 'descr': '<f4'}} "
    numbers = np.arange(6, dtype="<f4")
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    array = one(tmp_path, b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + numbers.tobytes())
    assert np.array_equal(array, numbers.reshape((2, 3), order="F" if fortran else "C"))


def test_a_header_of_an_unknown_version_or_one_too_long(tmp_path):
    with pytest.raises(DataError, match="w: is an array of an unknown format"):
        one(tmp_path, b"\x93NUMPY\4\0\1\0\0\0{}")
    with pytest.raises(DataError, match="w: is not an array"):
        one(tmp_path, b"\x93NUMPI\1\0\1\0{}")
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
    assert one(tmp_path, npy((1,), header=header.ljust(10_000), numbers=b"\0" * 4)).shape == (1,)
    with pytest.raises(DataError, match="w: its header claims 10,001 bytes"):
        one(tmp_path, npy((1,), header=header.ljust(10_001), numbers=b"\0" * 4))


def test_a_bool_is_one_bit_whatever_its_byte(tmp_path):
    array = one(tmp_path, npy((4,), "|b1", b"\0\1\2\xff"))
    assert array.tolist() == [False, True, True, True] and array.view(np.uint8).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 5), (2, 0, 3), [2, 3], (1,) * 32])
def test_shapes_of_any_sort(shape):
    count = int(np.prod(shape))
    check_size("w", shape, 4, 4 * count)
    for wrong in (4 * count + 1, 4 * count - 1, 4 * count + 4):
        with pytest.raises(DataError, match=rf"^w: shape .* at 4 bytes each does not fill the {wrong:,} bytes given$"):
            check_size("w", shape, 4, wrong)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (3, "must be a list of at most 32 lengths"),
        ("12", "must be a list of at most 32 lengths"),
        ((1,) * 33, "must be a list of at most 32 lengths"),
        ((2, -1), r"must hold lengths of 0 or more; got \(2, -1\)"),
        ((True,), "must hold lengths of 0 or more"),
        ((1.0,), "must hold lengths of 0 or more"),
        ((1 << 63, 0), "does not fill"),
        ((0, 1 << 63), "does not fill"),
    ],
)
def test_what_is_no_shape(shape, said):
    with pytest.raises(CheckpointError, match=f"^w: .*{said}"):
        check_size("w", shape, 4, 0, error=CheckpointError)
    check_size("w", (0, (1 << 63) - 1), 4, 0)


def test_names_in_an_archive(tmp_path):
    assert one(tmp_path, GOOD, "w" * 500 + ".npy").shape == (2,)
    for name, said in (("w" * 501 + ".npy", "is no name"), ("w\t.npy", "is no name"), ("w.txt", "is not an array")):
        with pytest.raises(DataError, match=said):
            one(tmp_path, GOOD, name)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "two.npz", "w") as archive:
        for _ in range(2):
            archive.writestr("w.npy", GOOD)
    with pytest.raises(DataError, match=r"two.npz: the name w.npy appears twice$"):
        read_npz(tmp_path / "two.npz")
    assert member_name("a" * 100) == "a" * 100 and member_name("a" * 101) == f"'{'a' * 49} ... {'a' * 44}'"
    assert member_name("a\n") == r"'a\n'"


def test_a_member_that_ends_too_early(tmp_path):
    content = GOOD[:-4]
    with pytest.raises(DataError, match="does not fill the 4 bytes given"):
        one(tmp_path, content)


@pytest.mark.parametrize("size", [(1 << 20) - 128, 1 << 20, (1 << 20) + 4, 3 << 20])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_arrays_of_several_pieces(tmp_path, size, method):
    numbers = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    assert np.array_equal(one(tmp_path, npy((size,), "|u1", numbers.tobytes()), method=method), numbers)


def test_how_much_may_come_out_of_a_file(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"x" * 1_000_000)
    members = [zipfile.ZipInfo("a"), zipfile.ZipInfo("b")]
    members[0].file_size = 1 << 26
    check_inflation(path, members, 1)
    members[1].file_size = 1
    with pytest.raises(CheckpointError, match="a.npz: 1,000,000 bytes of file claim to hold 67,108,865 bytes of arr"):
        check_inflation(str(path), members, 1, error=CheckpointError)
    check_inflation(path, members, 68)
    members[1].file_size = 200_000_000 - (1 << 26)
    check_inflation(path, members)
    members[1].file_size += 1
    with pytest.raises(DataError, match="claim to hold"):
        check_inflation(path, members)


def test_an_archive_is_closed_whatever_it_holds(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(zipped({"w.npy": GOOD}))
    with Npz(str(path)) as file:
        assert file.names == ("w",)
        with pytest.raises(DataError, match=rf"a.npz: w: has {len(GOOD)} bytes; at most 3 make sense"):
            file.read("w", largest=3)
        assert file.read("w", largest=len(GOOD)).shape == (2,)
    assert file._archive.fp is None
    path.write_bytes(b"text")
    with pytest.raises(DataError, match=r"a.npz: damaged or truncated, or not an .npz file \(not an npz file\)"):
        Npz(path)


def test_numbers_are_judged_as_float32_sees_them():
    largest = float(np.finfo(np.float32).max)
    assert fits_float32(np.array([largest, -largest])) and not fits_float32(np.array([largest * 1.0001]))
    assert not fits_float32(np.array([1, 2])) and not fits_float32(np.array([True]))
    assert not fits_float32(np.array([np.inf], np.float16)) and fits_float32(np.array([65504], np.float16))
    assert fits_float32(np.float32([1.5])) and not fits_float32(np.float32([1.5, np.nan]))
    wrong = np.array([[1.0, 1e300], [np.nan, 2.0], [-np.inf, 0.0]])
    with pytest.raises(DataError, match=r"3 of 6 are NaN, infinite or too large for float32; the first is 1e\+300$"):
        check_floats("here", wrong)
    check_floats("here", np.array([0.5, 1.0]), least=0.5)
    check_floats("here", np.array([-1e38]))
    swapped = np.array([1.0, 2.0]).astype(">f8")
    assert native(swapped).dtype.isnative and native(swapped).tolist() == [1, 2]
    same = np.ones(2)
    assert native(same) is same
