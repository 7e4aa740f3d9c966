"""Runs the project's CUDA kernels on the host, in the memory of the strict device array.

The .cu sources are compiled by g++ behind cuda_emulator.h, which runs threads and blocks one after the other in a
shuffled order. Every array that is handed to a kernel is copied between two guards: what is read beyond its ends is NaN
(or -1), and what is written there is found. A kernel must also leave alone what it declares const.
"""

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np
from shared import made_once

from tinymaskrcnn.kernels.cuda.launch import read

HEADER = Path(__file__).parent / "cuda_emulator.h"
COMPILER = shutil.which("g++")
OPTIONS = ("-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-w")
SHELF = "TINYMASKRCNN_EMULATED"  # names the folder that the processes of a test run share
GUARD = 4096  # bytes before and after an array
UNREADABLE, UNWRITTEN = 0xFF, 0xA5  # what guards hold around an array that is read (as a float, NaN), or written

_lock = threading.Lock()  # a kernel's threadIdx is one global variable


def available():
    return COMPILER is not None


@functools.cache
def compiled(source, replacements=()):
    """The kernels of `source`.cu as a library; replacements ((old, new), ...) plant faults in the source."""
    code, kernels = read(source)
    for old, new in replacements:
        assert old in code, f"{old!r} does not stand in {source}.cu"
        code = code.replace(old, new)
    entries = [_entry(code, *kernel) for kernel in kernels.items()]
    text = "\n".join([f'#include "{HEADER.name}"', code, *entries])

    def make(folder):
        (folder / "kernels.cpp").write_text(text)
        _compile("-shared", f"-I{_header()}", folder / "kernels.cpp", "-o", folder / "kernels.so")

    folder = made_once(_shelf() / f"{source}-{hashlib.sha256(text.encode()).hexdigest()[:16]}", make)
    return ctypes.CDLL(str(folder / "kernels.so"))


@functools.cache
def _header():
    """The folder with the header, which is read once: most of a compilation is its standard library."""

    def make(folder):
        shutil.copy(HEADER, folder)
        _compile("-x", "c++-header", folder / HEADER.name, "-o", folder / f"{HEADER.name}.gch")

    return made_once(_shelf() / "header", make)


@functools.cache
def _shelf():
    """Where what is compiled stands: of a test run, for all its processes, or of this process alone."""
    return Path(os.environ.get(SHELF) or _keep_until_exit().name)


@functools.cache
def _keep_until_exit():
    return tempfile.TemporaryDirectory(prefix="tinymaskrcnn-emulator-")


def _compile(*arguments):
    done = subprocess.run([COMPILER, *OPTIONS, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _entry(code, name, parameters):
    """A C function that finds the kernel's arguments behind an array of pointers."""
    text = code.partition(f"void {name}(")[2].partition("\n}")[0]  # a function ends at a brace in the first column
    helpers = re.findall(r"^__device__ [\w ]+?(\w+)\((?:(?!\n}).)*?__syncthreads", code, re.MULTILINE | re.DOTALL)
    waits = "true" if re.search("|".join(rf"\b{word}\(" for word in ["__syncthreads", *helpers]), text) else "false"
    arguments = ", ".join(f"*({p.text}*)arguments[{i}]" for i, p in enumerate(parameters))
    return (
        f'extern "C" int emulate_{name}(unsigned blocks, unsigned threads, unsigned long long seed, void** arguments)'
        f"\n{{ return emulate(blocks, threads, seed, {waits}, [=] {{ {name}({arguments}); }}); }}"
    )


class Guarded:
    """A copy of an array between two guards, put back after the launch."""

    def __init__(self, memory, parameter):
        self.memory, self.parameter = memory, parameter
        self.filling = UNWRITTEN if parameter.is_written else UNREADABLE
        self.bytes = np.full(memory.nbytes + 2 * GUARD, self.filling, np.uint8)
        self.inside = self.bytes[GUARD : GUARD + memory.nbytes]
        self.inside[:] = memory.reshape(-1).view(np.uint8)
        self.pointer = ctypes.c_void_p(self.inside.ctypes.data)

    def put_back(self, kernel):
        name, inside = self.parameter.name, self.memory.reshape(-1).view(np.uint8)
        around = np.concatenate([self.bytes[:GUARD], self.bytes[GUARD + len(inside) :]])
        assert (around == self.filling).all(), f"{kernel} wrote beyond the ends of {name}"
        if self.parameter.is_written:
            assert self.memory.flags.writeable, f"{kernel} writes into {name}, which is read-only"
            inside[:] = self.inside
        assert np.array_equal(self.inside, inside), f"{kernel} changed {name}, which it declares const"


def run(source, kernel, blocks, block, arguments, *, seed=1, replacements=()):
    """Run a kernel on host arrays; the values are as launch.launch makes them."""
    parameters = read(source).kernels[kernel]
    guarded = [Guarded(a, p) if isinstance(a, np.ndarray) else None for a, p in zip(arguments, parameters)]
    values = [g.pointer if g else _as_c(a) for g, a in zip(guarded, arguments)]
    pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
    function = getattr(compiled(source, replacements), f"emulate_{kernel}")
    with _lock:
        wrong = function(blocks, block, ctypes.c_ulonglong(seed), pointers)
    assert not wrong, f"{kernel}: some threads ended while others of their block waited"
    for g in guarded:
        if g:
            g.put_back(kernel)


def clear(source, kernel, arguments):
    """Write zeros wherever the kernel would write."""
    for parameter, a in zip(read(source).kernels[kernel], arguments):
        if parameter.is_written and isinstance(a, np.ndarray):
            a.fill(0)


def _as_c(number):
    return np.ctypeslib.as_ctypes_type(number.dtype)(number.item())
