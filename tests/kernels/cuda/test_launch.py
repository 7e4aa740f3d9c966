"""kernels/cuda/launch.py: every kernel compiles for every GPU that is served, and refuses what does not fit it."""

import re
import shutil
import subprocess
import sys

import cuda_emulator
import drawn_examples
import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.devices import launcher_of
from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.kernels.cuda import launch

ARCHITECTURES = (75, 80, 86, 90) if drawn_examples.ALL else (75, 90)  # the oldest and the newest


def compile_for_gpus(path, folder):
    command = ["nvcc", "-fatbin", *launch.OPTIONS, "-Werror", "all-warnings", "-o", str(folder / "kernels.fatbin")]
    for number in ARCHITECTURES:
        command += ["-gencode", f"arch=compute_{number},code=sm_{number}"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True)


@pytest.mark.needs_no_compiler
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is missing: the CUDA kernels cannot be compiled")
def test_every_kernel_compiles_for_every_gpu(tmp_path):
    everything = tmp_path / "everything.cu"  # the sources in one, each in a room of its own
    rooms = (f"namespace {source}_room {{\n{launch.read(source).code}\n}}" for source in launch.SOURCES)
    everything.write_text("\n".join(rooms))
    done = compile_for_gpus(everything, tmp_path)
    assert done.returncode == 0, done.stderr
    binary = (tmp_path / "kernels.fatbin").read_bytes()
    for source in launch.SOURCES:
        for kernel in launch.read(source).kernels:
            assert binary.count(f".text.{kernel}\0".encode()) >= len(ARCHITECTURES) or kernel.encode() in binary, kernel


@pytest.mark.needs_no_compiler
def test_every_global_function_is_found():
    for source in launch.SOURCES:
        code, kernels = launch.read(source)
        assert len(kernels) == code.count("__global__") > 0
        assert "atomic" not in code.replace("atomically", "")


def test_every_source_runs_on_the_host():
    for source in launch.SOURCES:
        assert cuda_emulator.compiled(source)


@pytest.fixture
def columns():
    """The arguments of image_to_columns for one 2x2 picture."""
    x, y = xp.asarray(np.ones((1, 2, 2, 1), np.float32)), xp.asarray(np.zeros((1, 2, 2, 1), np.float32))
    return [4, x, y, 2, 2, 1, 2, 2, 1, 1, 1, 1, 0, 0, 1, 1]


def start(arguments, threads=4):
    launch.launch("im2col", "image_to_columns", threads, *arguments)


def test_a_launch_writes(columns):
    with strict_device.kernels() as launched:
        start(columns)
        start(columns, threads=0)  # nothing to do: nothing is launched
    assert launched == ["image_to_columns"] and columns[2].get().all()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (1, xp.asarray(np.ones((1, 2, 2, 1))), "x must be float32 without gaps; got float64"),
        (1, xp.asarray(np.ones((1, 2, 4, 1), np.float32))[:, :, ::2], "with gaps"),
        (2, np.ones((1, 2, 2, 1), np.float32), "mixed"),
    ],
)
def test_what_does_not_fit_is_refused(columns, place, value, message):
    columns[place] = value
    with strict_device.kernels(), pytest.raises(BackendError, match=message):
        start(columns)


def test_a_wrong_number_of_arguments_is_refused(columns):
    with strict_device.kernels(), pytest.raises(BackendError, match="16 arguments are needed; got 15"):
        start(columns[:-1])


def test_an_unknown_type_is_refused():
    with pytest.raises(BackendError, match="must be a float, int, long long, bool or a pointer to one; got 'double x'"):
        launch._parameter("double x")


def test_arrays_without_a_launcher_are_refused(columns):
    with pytest.raises(BackendError, match="cannot be launched on arrays of strict_cupy"):
        start(columns)
    assert launcher_of(type("cupy", (), {"__name__": "cupy"})) is launch._launch_cupy


def test_numbers_become_what_the_kernel_declares():
    number, floating, pointer = (launch._parameter(text) for text in ("int n", "float f", "const float* x"))
    assert launch._fit("k", number, 3).dtype == np.int32 and launch._fit("k", floating, 1).dtype == np.float32
    assert launch._fit("k", pointer, None) == 0 and (pointer.is_array, pointer.is_written) == (True, False)


def forget():
    launch._cupy_kernel.cache_clear()
    launch._cupy_module.cache_clear()


def test_cupy_compiles_once(monkeypatch):
    """With a stand-in for CuPy: the source goes to NVRTC once, and the launch gets grid, block and arguments."""
    made, calls = [], []

    class RawModule:
        def __init__(self, code, options, backend):
            made.append((len(code), options, backend))

        def get_function(self, name):
            return lambda *launched: calls.append((name, *launched))

    cupy = type("cupy", (), {"RawModule": RawModule})
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    forget()  # where CuPy is at work, its kernels are there already
    try:
        for _ in range(2):
            launch._launch_cupy("im2col", "image_to_columns", 3, 256, [np.int32(1)])
        launch._launch_cupy("im2col", "columns_to_image", 1, 256, [])
    finally:
        forget()
    assert made == [(len(launch.read("im2col").code), launch.OPTIONS, "nvrtc")]
    assert calls[0] == ("image_to_columns", (3,), (256,), (np.int32(1),)) and len(calls) == 3


# ---------------------------------------------------------------- the emulator finds faults


def faulty(columns, old, new):
    with strict_device.kernels(faults={"im2col": ((old, new),)}):
        start(columns)


def test_writing_beyond_an_array_is_seen(columns):
    with pytest.raises(AssertionError, match="image_to_columns wrote beyond the ends of columns"):
        faulty(columns, "if (i >= count) return;", "")


def test_reading_beyond_an_array_is_seen(columns):
    faulty(columns, "* W + column) * C + c]", "* W + column) * C + c + 1]")
    assert np.isnan(columns[2].get()[0, 1, 1, 0])


def test_writing_into_a_locked_array_is_seen(columns):
    columns[2].setflags(write=False)
    with strict_device.kernels(), pytest.raises(AssertionError, match="read-only"):
        start(columns)


def test_ones_are_one_array():
    """Batches, pictures and levels all differ in their pixels: the memory is that of the largest."""
    counts = [5, 900, 17, 1]
    views = [launch.ones(xp, count) for count in counts]
    assert [len(view) for view in views] == counts and all(float(view.sum()) == len(view) for view in views)
    assert len(launch._ones[xp]) >= 900 and launch.ones(xp, 900).flags.c_contiguous
    held = strict_device.live_bytes()
    for count in range(1, 100):
        launch.ones(xp, count)
    assert strict_device.live_bytes() == held


def test_numbers_of_crops_and_pixels_are_counted_in_64_bits():
    """What a kernel multiplies out itself may be larger than the arrays that its wrapper has counted."""
    assert re.findall(r"\[\w+ \* C\b", launch.read("taps").code) == []
