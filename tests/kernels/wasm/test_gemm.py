"""kernels/wasm/gemm.py: the function, run by Node where there is one, multiplies as NumPy does, whatever the layout."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.kernels.wasm import assembler, gemm


def drawn(rng):
    """Two stacks of matrices, a (count, M, K) and b (count, K, N), in some layout that the function takes."""
    count, M, K, N = rng.integers(1, 4), rng.integers(4, 14), rng.integers(1, 9), rng.integers(8, 27)
    wide = rng.standard_normal((count, M, 2 * K), np.float32)
    a = [wide[:, :, :K].copy(), wide[:, :, ::2], wide[:, :, :K].swapaxes(1, 2).copy().swapaxes(1, 2)][rng.integers(3)]
    b = rng.standard_normal((count, K, N + 3), np.float32)
    return a, b[:, :, :N] if rng.integers(2) else b[:, :, :N].copy()


class Memory:
    """Arrays laid one after another, as gemm.fill finds them: `call` is what the function would be called with."""

    def __init__(self):
        self.content, self.places, self.calls = b"", {}, []

    def place(self, base):
        """Where an array that owns its memory begins."""
        if id(base) not in self.places:
            self.places[id(base)] = len(self.content), base
            self.content += base.tobytes()
        return self.places[id(base)][0]

    def call(self, *given):
        self.calls.append(given)


def test_the_function_multiplies_as_numpy_does(tmp_path, monkeypatch):
    if not shutil.which("node"):
        pytest.skip("there is no Node")
    rng, memory, wanted, results = np.random.default_rng(0), Memory(), [], []
    monkeypatch.setattr(gemm, "loaded", lambda: memory.call)
    for _ in range(60):
        a, b = drawn(rng)
        y = np.full((len(a), a.shape[1], b.shape[2]), np.nan, np.float32)
        assert gemm.fits(a, b, y)
        wanted.append(a @ b)
        results.append(y)
        gemm.fill(y, a, b)
        memory.calls[-1] = relocated(memory, a, b, y)
    library = assembler.library(gemm.NAME, gemm.PARAMETERS, gemm.LOCALS, gemm.program())
    files = [tmp_path / name for name in ("library", "calls", "memory")]
    for file, content in zip(files, (library, json.dumps(memory.calls).encode(), memory.content)):
        file.write_bytes(content)
    subprocess.run(["node", Path(__file__).with_name("multiply.mjs"), *files], check=True)
    after = files[2].read_bytes()
    for y, product in zip(results, wanted):
        got = np.frombuffer(after, np.float32, y.size, memory.place(y)).reshape(y.shape)
        np.testing.assert_allclose(got, product, rtol=1e-5, atol=1e-5)


def relocated(memory, *arrays):
    """The last call, with its three addresses moved from this process's memory to the other's."""
    given = [int(number) for number in memory.calls[-1]]
    for k, array in zip((4, 8, 11), arrays):
        base = array if array.base is None else array.base
        base = base if base.base is None else base.base
        given[k] += memory.place(base) - base.__array_interface__["data"][0]
    return given


def test_what_the_function_does_not_take():
    def array(*shape, dtype=np.float32):
        return np.ones(shape, dtype)

    assert gemm.fits(array(4, 1), array(1, 8), array(4, 8))
    assert not gemm.fits(array(3, 1), array(1, 8), array(3, 8))  # fewer rows than a block
    assert not gemm.fits(array(4, 1), array(1, 7), array(4, 7))  # or columns
    assert not gemm.fits(array(4, 1), array(1, 8), array(8, 4).T)


def test_this_machine_has_no_such_vectors():
    assert gemm.loaded() is None
