"""Arrays of strangers: an archive is judged by its directory, an array by its header, numbers by what float32 holds."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from tinymaskrcnn.errors import CheckpointError, DataError
from tinymaskrcnn.plain_arrays import Npz, check_floats, fits_float32, native, read_npz


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
