"""Weight files of three formats, sound and hostile: every bad one is one DataError, and none costs memory."""

import argparse
import fractions
import io
import json
import pickle
import struct
import sys
import tracemalloc
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.errors import DataError
from tinymaskrcnn.interop.weights import read_weights


def drawn():
    rng = np.random.default_rng(0)
    return {
        "a.weight": rng.standard_normal((3, 2, 1, 1)).astype(np.float32),
        "a.bias": rng.standard_normal(3),
        "counter": np.asarray(7, np.int64),
        "none": np.zeros((0, 4), np.float32),
        "half": rng.standard_normal(5).astype(np.float16),
    }


def equal(found, wanted):
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        np.testing.assert_array_equal(found[name], array)


# ---------------------------------------------------------------- sound files


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    save(tmp_path / "w.npz", **drawn())
    equal(read_weights(tmp_path / "w.npz"), drawn())


NAMES = {"<f4": "F32", "<f8": "F64", "<i8": "I64", "<f2": "F16", "<u2": "BF16", "|b1": "BOOL", "|u1": "U8"}


def safetensors(arrays, metadata=None):
    """The bytes of a .safetensors file, written here from the format's description."""
    header, numbers = ({"__metadata__": metadata} if metadata else {}), b""
    for name, array in arrays.items():
        end = len(numbers) + array.nbytes
        entry = {"dtype": NAMES[array.dtype.str], "shape": list(array.shape), "data_offsets": [len(numbers), end]}
        header[name] = entry
        numbers += array.tobytes()
    return pack(header, numbers)


def pack(header, numbers=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def test_safetensors(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(safetensors(drawn(), {"format": "pt"}))
    equal(read_weights(tmp_path / "w.safetensors"), drawn())


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    values = np.array([1.5, -2.0, 3.140625, 0.0], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    (tmp_path / "w.safetensors").write_bytes(safetensors({"w": upper, "flag": np.array([True, False])}))
    found = read_weights(tmp_path / "w.safetensors")
    equal(found, {"w": values, "flag": np.array([True, False])})


# ---------------------------------------------------------------- hostile files


def refused(path, content, *words):
    """The file is refused with these words, at once and without memory."""
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        read_weights(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    message = str(caught.value)
    assert peak < 4_000_000 + 3 * len(content)
    assert path.name in message and "\n" not in message and len(message) < 600, message
    assert all(word in message for word in words), message


F4 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BAD_SAFETENSORS = {
    "empty file": (b"", "too few"),
    "only a length": (b"\0" * 7, "too few"),
    "header larger than the file": (pack({}, length=1 << 62), "header claims"),
    "header cut": (pack({"w": F4}, b"\0" * 8)[:20], "header claims"),
    "numbers cut": (pack({"w": F4}, b"\0" * 7), "outside"),
    "not JSON": (pack(b"\xff\xfe nothing"), "not valid JSON"),
    "NaN in JSON": (pack(b'{"w": NaN}'), "not valid JSON"),
    "deep nesting": (pack(b"[" * 200_000), "not valid JSON"),
    "a list": (pack(b"[]"), "must be a table"),
    "nothing inside": (pack({}), "holds no arrays"),
    "overlap": (pack({"a": F4, "b": F4 | {"data_offsets": [4, 12]}}, b"\0" * 12), "overlap"),
    "the same bytes twice": (pack({"a": F4, "b": F4}, b"\0" * 8), "overlap"),
    "a hole": (pack({"a": F4 | {"data_offsets": [4, 12]}}, b"\0" * 12), "belong to no array"),
    "bytes left over": (pack({"a": F4}, b"\0" * 12), "belong to no array"),
    "negative offset": (pack({"a": F4 | {"data_offsets": [-8, 0]}}, b"\0" * 8), "outside"),
    "offsets swapped": (pack({"a": F4 | {"data_offsets": [8, 0]}}, b"\0" * 8), "outside"),
    "offset far out": (pack({"a": F4 | {"data_offsets": [0, 1 << 70]}}, b"\0" * 8), "outside"),
    "offsets not whole": (pack({"a": F4 | {"data_offsets": [0.0, 8.0]}}, b"\0" * 8), "whole numbers"),
    "negative shape": (pack({"a": F4 | {"shape": [-2]}}, b"\0" * 8), "0 or more"),
    "two negative lengths": (pack({"a": F4 | {"shape": [-1, -2]}}, b"\0" * 8), "0 or more"),
    "boolean length": (pack({"a": F4 | {"shape": [2, True]}}, b"\0" * 8), "0 or more"),
    "shape too large": (pack({"a": F4 | {"shape": [1 << 40, 1 << 40]}}, b"\0" * 8), "does not fill"),
    "huge and empty": (pack({"a": F4 | {"shape": [1 << 80, 0], "data_offsets": [0, 0]}}), "does not fill"),
    "shape too small": (pack({"a": F4 | {"shape": [1]}}, b"\0" * 8), "does not fill"),
    "shape no list": (pack({"a": F4 | {"shape": 2}}, b"\0" * 8), "list"),
    "many dimensions": (pack({"a": F4 | {"shape": [1] * 60 + [2]}}, b"\0" * 8), "at most 32"),
    "unknown dtype": (pack({"a": F4 | {"dtype": "O"}}, b"\0" * 8), "dtype"),
    "dtype is a list": (pack({"a": F4 | {"dtype": []}}, b"\0" * 8), "dtype"),
    "entry is a number": (pack({"a": 3}), "must be described"),
    "entry lacks offsets": (pack({"a": {"dtype": "F32", "shape": [2]}}), "must be described"),
    "name twice": (pack(b'{"a": 1, "a": 2}'), "twice"),
}


@pytest.mark.parametrize("case", BAD_SAFETENSORS)
def test_bad_safetensors(case, tmp_path):
    content, *words = BAD_SAFETENSORS[case]
    refused(tmp_path / "w.safetensors", content, *words)


def npy(shape, descr="<f4", numbers=b"", header=None):
    """The bytes of one array inside an .npz with any header one likes."""
    header = header or repr({"descr": descr, "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode("latin1") + numbers


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("the file's code was run",))


def pickled():
    file = io.BytesIO()
    np.savez(file, w=np.array([Boom()], object))
    return file.getvalue()


def lying_size():
    """An archive whose directory says that a member is a gigabyte long."""
    content = bytearray(zipped(w__npy=npy((1 << 28,), numbers=b"\0" * 8)))
    place = content.rindex(b"PK\1\2") + 24
    content[place : place + 4] = struct.pack("<I", len(npy((1 << 28,))) + (1 << 30))
    return bytes(content)


def twice():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("w.npy", npy((2,), numbers=b"\0" * 8))
    return file.getvalue()


BAD_NPZ = {
    "empty file": (lambda: b"", "not an .npz"),
    "text": (lambda: b"weights, honestly", "not an .npz"),
    "a bare pickle": (lambda: pickle.dumps({"w": 1}), "not an .npz"),
    "cut": (lambda: zipped(w__npy=npy((2,), numbers=b"\0" * 8))[:-30], "not an .npz"),
    "nothing inside": (lambda: zipped(), "holds no arrays"),
    "pickled objects": (pickled, "pickled Python objects"),
    "objects by name": (lambda: zipped(w__npy=npy((1,), "|O", b"\0" * 8)), "pickled Python objects"),
    "objects in a record": (lambda: zipped(w__npy=npy((1,), [("a", "|O")], b"\0" * 8)), "pickled Python objects"),
    "records": (lambda: zipped(w__npy=npy((1,), [("a", "<f4")], b"\0" * 4)), "plain numbers"),
    "text array": (lambda: zipped(w__npy=npy((1,), "<U1", b"\0" * 4)), "plain numbers"),
    "no array": (lambda: zipped(w__txt=b"hello"), "is not an array"),
    "magic only": (lambda: zipped(w__npy=b"\x93NUMPY"), "unknown format"),
    "future format": (lambda: zipped(w__npy=b"\x93NUMPY\x09\0" + b"\0" * 8), "unknown format"),
    "header beyond the member": (lambda: zipped(w__npy=b"\x93NUMPY\1\0\xff\x20{}"), "header claims"),
    "large header": (lambda: zipped(w__npy=npy((2,), header="(" * 60_000)), "header claims"),
    "header is code": (lambda: zipped(w__npy=npy((2,), header="__import__('os').abort()")), "cannot be read"),
    "header lacks shape": (lambda: zipped(w__npy=npy((2,), header="{'descr': '<f4'}")), "cannot be read"),
    "negative shape": (lambda: zipped(w__npy=npy((-2,), numbers=b"\0" * 8)), "0 or more"),
    "shape too large": (lambda: zipped(w__npy=npy((1 << 40,), numbers=b"\0" * 8)), "does not fill"),
    "shape too small": (lambda: zipped(w__npy=npy((1,), numbers=b"\0" * 8)), "does not fill"),
    "bomb": (lambda: zipped(w__npy=npy((17 << 20,), numbers=b"\0" * (68 << 20))), "claim to hold"),
    "lying size": (lying_size, "claim to hold"),
    "name twice": (twice, "twice"),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_bad_npz(case, tmp_path):
    make, *words = BAD_NPZ[case]
    refused(tmp_path / "w.npz", make(), *words)


def test_every_cut_of_a_file_is_refused(tmp_path):
    """Truncated anywhere, a file is refused or, for .npz, complains while it is read: never half of the weights."""
    file = io.BytesIO()
    np.savez(file, **drawn())
    for suffix, whole in ((".npz", file.getvalue()), (".safetensors", safetensors(drawn()))):
        for length in range(0, len(whole) - 1, 37):
            (tmp_path / f"w{suffix}").write_bytes(whole[:length])
            with pytest.raises(DataError):
                read_weights(tmp_path / f"w{suffix}")


def test_flipped_bytes_give_arrays_or_a_data_error(tmp_path):
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    np.savez(file, **drawn())
    for suffix, whole in ((".npz", file.getvalue()), (".safetensors", safetensors(drawn()))):
        for _ in range(100):
            content = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                content[place] = rng.integers(0, 256)
            (tmp_path / f"w{suffix}").write_bytes(bytes(content))
            try:
                read_weights(tmp_path / f"w{suffix}")
            except DataError:
                pass


def test_a_path_that_is_no_weight_file(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for name, words in {
        "w.txt": "must be one of",
        "w": "must be one of",
        "no.npz": "no such",
        "folder.npz": "folder",
    }.items():
        with pytest.raises(DataError, match=words):
            read_weights(tmp_path / name)


# ---------------------------------------------------------------- .pth


def test_pth_without_torch_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    (tmp_path / "w.pth").write_bytes(b"")
    with pytest.raises(DataError, match="needs torch"):
        read_weights(tmp_path / "w.pth")


def test_pth(tmp_path):
    torch = pytest.importorskip("torch")
    arrays = drawn()
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    brain = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    path = tmp_path / "w.pth"
    wrapped = [{key: tensors, "epoch": 3} for key in ("model", "state_dict", "model_state_dict", "module")]
    for kept in (tensors, *wrapped, {"model": {"state_dict": tensors}}):
        torch.save(kept, path)
        equal(read_weights(path), arrays)
    torch.save({"b": brain}, path)
    equal(read_weights(path), {"b": np.array([1.5, -2.0], np.float32)})


def test_bad_pth(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.pth"
    for content in (b"", b"text", pickle.dumps({"w": Boom()})):
        refused(path, content)
    for kept in ([1, 2], {"epoch": 3}, {"w": torch.zeros(1).expand(1 << 40)}):
        torch.save(kept, path)
        refused(path, path.read_bytes())
    torch.save({"w": torch.zeros(1000)}, path)
    refused(path, path.read_bytes()[:-200])
    torch.save({"w": torch.zeros(2), "epoch": 3, "names": ["a"]}, path)
    refused(path, path.read_bytes(), "'epoch', 'names' are none")
    torch.save({"w": torch.zeros(2).to_sparse()}, path)
    refused(path, path.read_bytes(), "no plain array")


@pytest.mark.parametrize("args", [argparse.Namespace(lr=0.1), Path("runs"), np.float64(3), fractions.Fraction(1, 2)])
def test_a_pth_with_a_python_object_is_refused_in_our_own_words(args, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.pth"
    torch.save({"model": {"w": torch.zeros(2)}, "args": args}, path)
    refused(path, path.read_bytes(), "holds a Python object", "torch.save(model.state_dict(), path)")


TORCHS_OWN_WORDS = (  # of torch 2.13 at a checkpoint of torchvision's training script
    "Weights only load failed. This file can still be loaded, to do so you have two options, \x1b[1mdo those steps "
    "only if you trust the source of the checkpoint\x1b[0m. \n\t(1) In PyTorch 2.6, we changed the default value of "
    "the `weights_only` argument in `torch.load` ...\n\tWeightsUnpickler error: Unsupported global: "
    "GLOBAL argparse.Namespace was not an allowed global by default. Please use ..."
)


@pytest.mark.parametrize(
    "said, wanted",
    [
        (TORCHS_OWN_WORDS, "holds a Python object (argparse.Namespace), which is never loaded from a file"),
        ("PytorchStreamReader failed reading zip archive", "is damaged, or was not written by torch.save"),
    ],
)
def test_what_torch_says_is_not_passed_on(said, wanted, tmp_path, monkeypatch):
    def load(*args, **options):
        raise pickle.UnpicklingError(said)

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load))
    (tmp_path / "w.pth").write_bytes(b"anything")
    with pytest.raises(DataError) as caught:
        read_weights(tmp_path / "w.pth")
    message = str(caught.value)
    assert wanted in message and "w.pth" in message and "\x1b" not in message and "weights_only" not in message


# ---------------------------------------------------------------- where each rule ends


@pytest.mark.parametrize(
    "offsets", [None, 0, 5, True, "ab", {}, {"0": 1, "1": 2}, [], [0], [0, 8, 8], [0, True], ["0", 8]]
)
def test_offsets_are_two_whole_numbers(offsets, tmp_path):
    content = pack({"a": F4 | {"data_offsets": offsets}}, b"\0" * 8)
    refused(tmp_path / "w.safetensors", content, "a: data_offsets must be two whole numbers; got")


@pytest.mark.parametrize("entry", [None, [], "a", {}, F4 | {"more": 1}, {"shape": [2], "data_offsets": [0, 8]}])
def test_an_entry_has_three_parts_and_no_more(entry, tmp_path):
    refused(tmp_path / "w.safetensors", pack({"a": entry}, b"\0" * 8), "a: must be described by dtype, shape and")


SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "<u1",
}  # fmt: skip


@pytest.mark.parametrize("dtype", SAFETENSORS)
@pytest.mark.parametrize("shape", [[2, 3], [3, 2], [6], [0, 3], [1, 6, 1], []])
def test_every_type_and_shape_of_safetensors(dtype, shape, tmp_path):
    count = int(np.prod(shape))
    values = np.arange(1, count + 1).astype(SAFETENSORS[dtype])
    spare = np.array([-3.5], "<f4")
    header = {
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "a": {"dtype": dtype, "shape": shape, "data_offsets": [4, 4 + values.nbytes]},
        "__metadata__": {"format": "pt"},
    }
    (tmp_path / "w.SAFETENSORS").write_bytes(pack(header, spare.tobytes() + values.tobytes()))
    found = read_weights(tmp_path / "w.SAFETENSORS")
    equal(found, {"a": values.reshape(shape), "b": spare})
    assert found["a"].dtype.isnative


def test_booleans_and_brains_keep_their_shapes(tmp_path):
    header = {
        "flags": {"dtype": "BOOL", "shape": [2, 2], "data_offsets": [0, 4]},
        "brain": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [4, 8]},
    }
    (tmp_path / "w.safetensors").write_bytes(
        pack(header, bytes([1, 0, 0, 1]) + np.array([0x3FC0, 0xC000], "<u2").tobytes())
    )
    found = read_weights(tmp_path / "w.safetensors")
    equal(found, {"flags": np.array([[True, False], [False, True]]), "brain": np.array([[1.5, -2.0]], np.float32)})


def test_a_header_may_fill_the_file_and_a_gap_may_stand_anywhere(tmp_path):
    path = tmp_path / "w.safetensors"
    empty = {"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
    path.write_bytes(pack(empty))
    equal(read_weights(path), {"a": np.zeros(0, np.float32)})
    text = json.dumps(empty).encode()
    refused(path, pack(empty, length=len(text) + 1), f"claims {len(text) + 1} bytes; {len(text)} follow")
    refused(path, b"\0" * 8, "not valid JSON")
    two = {"a": F4 | {"data_offsets": [8, 16]}, "b": F4}  # the first bytes are those of the second name
    path.write_bytes(pack(two, np.arange(4, dtype="<f4").tobytes()))
    equal(read_weights(path), {"a": np.float32([2, 3]), "b": np.float32([0, 1])})
    refused(path, pack(two | {"a": F4 | {"data_offsets": [9, 17]}}, b"\0" * 17), "1 bytes before a belong to no array")
    refused(path, pack(two | {"a": F4 | {"data_offsets": [7, 15]}}, b"\0" * 16), "b and a overlap")
    refused(path, pack(two, b"\0" * 17), "1 bytes at the end belong to no array")
    refused(path, pack({"a": F4 | {"data_offsets": [0, 9]}}, b"\0" * 9), "a: ", "does not fill")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_number_of_a_weight_is_infinite(suffix, bad, tmp_path):
    for place in (0, 2):
        values = np.float32([1, 2, 3])
        values[place] = bad
        file = io.BytesIO()
        np.savez(file, ok=np.float32([1]), w=values)
        content = file.getvalue() if suffix == ".npz" else safetensors({"ok": np.float32([1]), "w": values})
        refused(tmp_path / f"w{suffix}", content, "w")


@pytest.mark.parametrize(
    "name, sound", [("n" * 200, True), ("n" * 100_000, False), ("a\nb", False), ("a\x1b[31m", False)]
)
def test_names_are_one_printable_line(name, sound, tmp_path):
    path = tmp_path / "w.safetensors"
    content = pack({name: F4}, b"\0" * 8)
    path.write_bytes(content)
    if sound:
        assert list(read_weights(path)) == [name]
    else:
        refused(path, content, "is no name for an array")


def test_suffixes_and_folders_are_told_apart(tmp_path):
    with pytest.raises(DataError, match=r"weights must be one of \.npz, \.pt, \.pth, \.safetensors; got '\.onnx'"):
        read_weights(tmp_path / "w.onnx")
    with pytest.raises(DataError, match="got 'no suffix'"):
        read_weights(str(tmp_path / "weights"))
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(DataError, match=r"w\.pth: is a folder, not a file"):
        read_weights(tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"w\.pt: there is no such file"):
        read_weights(tmp_path / "w.pt")
