"""What is done with what torch reads, with a torch that reads nothing: the same on machines without it."""

import sys
import types
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest

from tinymaskrcnn.errors import DataError
from tinymaskrcnn.interop.weights import read_weights


@dataclass
class Tensor:
    """As much of a tensor as is asked of one."""

    array: np.ndarray
    dtype: str = "float32"
    stored: int | None = None  # bytes, when fewer than the shape claims
    plain: bool = True

    def detach(self):
        return self

    resolve_conj = resolve_neg = detach

    def numel(self):
        return self.array.size

    def element_size(self):
        return self.array.itemsize

    def untyped_storage(self):
        return types.SimpleNamespace(nbytes=lambda: self.array.nbytes if self.stored is None else self.stored)

    @property
    def shape(self):
        return self.array.shape

    def float(self):
        return Tensor(self.array.astype(np.float32))

    def numpy(self):
        if not self.plain or self.dtype == "bfloat16":
            raise TypeError("no array is like this")
        return self.array


@pytest.fixture
def read(tmp_path, monkeypatch):
    """read(what torch loads) of a file that is a zip archive, as torch's are."""

    def read(loaded, *, members=(("data.pkl", b"x"),), suffix=".pth"):
        def load(path, **options):
            assert options == {"map_location": "cpu", "weights_only": True} and path == tmp_path / f"w{suffix}"
            return loaded

        monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load, Tensor=Tensor, bfloat16="bfloat16"))
        with zipfile.ZipFile(tmp_path / f"w{suffix}", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return read_weights(tmp_path / f"w{suffix}")

    return read


ARRAYS = {"a": np.float32([[1, 2, 3]]), "b": np.float64([4])}
STATE = {name: Tensor(array) for name, array in ARRAYS.items()}


def equal(found):
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".PTH"])
@pytest.mark.parametrize("key", [None, "model", "state_dict", "model_state_dict", "module", "net", "weights"])
def test_weights_are_found_wherever_a_script_keeps_them(read, key, suffix):
    equal(read(STATE if key is None else {"epoch": 3, key: STATE, "optimizer": {}}, suffix=suffix))


def test_up_to_three_wrappers_are_taken_off_and_a_tensor_is_none(read):
    equal(read({"model": {"state_dict": {"module": STATE}}}))
    with pytest.raises(DataError, match="must hold a state_dict, tensors by name; 'model' is none"):
        read({"model": {"model": {"model": {"model": STATE}}}})
    assert list(read({"model": STATE["a"], "net": STATE["b"]})) == ["model", "net"]  # names of arrays, for once


@pytest.mark.parametrize(
    "loaded, message",
    [
        ([1], "must hold a state_dict, tensors by name; got a list"),
        (7, "got an int"),
        ({"a": STATE["a"], "epoch": 3}, "tensors by name; 'epoch' is none"),
        ({"x": 1, "a": STATE["a"], "y": 2}, "tensors by name; 'x', 'y' are none"),
        ({str(k): k for k in range(6)}, "'0', '1', '2', '3' and 2 more are none"),
        ({}, "holds no arrays"),
        ({"a": Tensor(np.zeros(4, np.float32), stored=15)}, r"a: claims shape \(4,\) over fewer numbers"),
        ({"a": Tensor(np.zeros(4), dtype="torch.sparse", plain=False)}, "a: is a tensor of torch.sparse that has no"),
    ],
)
def test_what_is_no_state_dict_is_said(read, loaded, message):
    with pytest.raises(DataError, match=f"w.pth: .*{message}|w.pth: {message}"):
        read(loaded)


def test_shared_numbers_brains_and_names_that_are_no_texts(read):
    found = read({"a": Tensor(np.zeros(4, np.float32), stored=16), 3: Tensor(np.float64([1.5, -2]), dtype="bfloat16")})
    assert list(found) == ["a", "3"] and found["3"].dtype == np.float32 and found["3"].tolist() == [1.5, -2]


def test_an_archive_that_unpacks_without_end_is_not_handed_to_torch(read):
    with pytest.raises(DataError, match="w.pth: .*claim to hold"):
        read(STATE, members=[("data.pkl", b"\0" * (70 << 20))])
    equal(read(STATE, members=[("data.pkl", b"x"), ("data/0", b"y" * 1000)]))
