"""The library of kernels in C: built when the package was installed, where there was a compiler, and loaded when found.

TINYMASKRCNN_KERNELS says what a process computes with: `0` the text alone, `numpy` the kernels in NumPy, `c` those in C
as well, `avx512`, `avx2` or `plain` these in one variant. Without it, C where there is a library and a processor that
runs one of the measured variants.
"""

import ctypes
import functools
import importlib.machinery
import os
from ctypes import c_int, c_int64, c_void_p
from pathlib import Path

import numpy as np

from ...errors import BackendError, ConfigError, shown

SETTING = "TINYMASKRCNN_KERNELS"
VERSION = 11  # of what the functions are called with; lane.c says the same
VARIANTS = {"avx512": 2, "avx2": 1, "plain": 0}  # the best first; the number that `supports` knows each by
LANES = {"avx512": 16, "avx2": 8, "plain": 4}  # floats in a vector
PANELS = {"avx512": 64, "avx2": 16, "plain": 8}  # channels of a panel of weights: LANES * PANEL of the C text
MEASURED = ("avx512", "avx2")  # faster than NumPy's kernels; `plain` only by its name

REPORTED = ("correlate", "winograd", "select", "roi_align", "sweep", "play")
INFINITE, LARGEST = np.array(np.inf, np.float32), np.array(np.finfo(np.float32).max)

POINTER, COUNT = c_void_p, c_int64
FUNCTIONS = {  # arguments, in the order of the C text
    "pack": [POINTER] * 2 + [COUNT] * 6,
    "window": [POINTER] * 2 + [COUNT] * 8,
    "correlate": [POINTER] * 6,
    "weight_gradient": [POINTER] * 6,
    "winograd_filters": [c_int] + [POINTER] * 2 + [COUNT] * 2,
    "winograd": [c_int] + [POINTER] * 7,
    "winograd_gradient": [c_int] + [POINTER] * 7,
    "sweep": [POINTER] * 8 + [COUNT] * 3,
    "select": [POINTER] * 4 + [COUNT] * 3,
    "select_gradient": [POINTER] * 6 + [COUNT] * 3,
    "roi_align": [c_int] + [POINTER] * 8,
    "nms": [POINTER] * 5 + [COUNT] * 2,
    "play": [POINTER] * 3 + [COUNT, POINTER, COUNT],
}


def _structure(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": [(field, COUNT) for line in fields for field in line.split()]})


Correlation = _structure(
    "Correlation",
    "images height width",
    "in_image in_row in_pixel",
    "out_image out_row out_pixel",
    "taps run outs",
    "in_panels",
    "begin end",
)
Finish = _structure("Finish", "scale bias", "added", "rectified")
Tiles = _structure(
    "Tiles",
    "images rows columns",
    "channels outs",
    "in_height in_width top left",
    "in_image in_row",
    "height width",
    "out_image out_row",
    "chunk plane",
)
Level = _structure("Level", "pixels", "image height width")
Crops = _structure("Crops", "count rows columns channels", "samples aligned")
Job = _structure("Job", "kind", "y", "x w", "about", "becomes", "taps seen")


class Lane:
    """The functions of one variant, as attributes: `lane.correlate(...)`."""

    def __init__(self, library, variant):
        self.variant, self.lanes, self.panel = variant, LANES[variant], PANELS[variant]
        for name, arguments in FUNCTIONS.items():
            function = getattr(library, f"{name}_{variant}")
            function.argtypes, function.restype = arguments, None
            setattr(self, name, _reporting(library, function) if name in REPORTED else function)


def _reporting(library, function):
    """The same function; what it makes that is no number, or too large, is reported as NumPy does (np.errstate)."""

    def call(*arguments):
        function(*arguments)
        if flags := library.raised():
            if flags & 1:
                np.subtract(INFINITE, INFINITE)
            if flags & 8:
                np.multiply(LARGEST, LARGEST)

    return call


@functools.cache
def load(folder=Path(__file__).parent):
    """The library in a folder, or None: no compiler, another system, or a library of an older text."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        try:
            library = ctypes.CDLL(str(folder / f"_lane{suffix}"))
            if library.lane_version() == VERSION:
                return library
        except (OSError, AttributeError):
            continue
    return None


@functools.cache
def supported():
    """The variants that the library has and the processor runs, the best first; () without a library."""
    library = load()
    return tuple(name for name, number in VARIANTS.items() if library is not None and library.supports(number))


# ---------------------------------------------------------------- which one


class _Choice:
    """What `use` asked for, or else the environment; read when it is first needed."""

    def __init__(self):
        self.made = False
        self.lane = None

    def make(self, asked):
        self.lane, self.made = _lane(asked), True


_choice = _Choice()


def lane():
    """The Lane that kernels in C run on, or None when this process has none.

    Raises ConfigError for a setting that is none, BackendError for one that this machine cannot follow.
    """
    if not _choice.made:
        _choice.make(os.environ.get(SETTING, ""))
    return _choice.lane


def use(asked=None):
    """Compute with "numpy", "c" or one of the variants from now on; None goes back to the environment."""
    _choice.make(os.environ.get(SETTING, "") if asked is None else asked)


def _lane(asked):
    asked = asked.strip()
    if asked in ("0", "numpy"):
        return None
    if asked not in ("", "1", "c", *VARIANTS):
        names = ", ".join(("0", "1", "numpy", "c", *VARIANTS))
        raise ConfigError(f"{SETTING} must be one of {names}; got {shown(asked)}")
    wanted = (asked,) if asked in VARIANTS else MEASURED
    able = [name for name in supported() if name in wanted]
    if able:
        return Lane(load(), able[0])
    if asked in ("", "1"):
        return None
    there = "there is no library of kernels in C" if load() is None else f"this processor runs {', '.join(supported())}"
    raise BackendError(f"{SETTING}={asked}: {there}; install the package where a C compiler is found, or leave it out")


def described():
    """For people: which kernels run here."""
    if os.environ.get(SETTING) == "0":
        return "no kernels"
    return "kernels in NumPy" if lane() is None else f"kernels in C ({lane().variant})"


def ON_THE_LANE(module):
    """What `register_kernel(module=ON_THE_LANE)` works on: NumPy's arrays, while there is a lane."""
    return module is np and lane() is not None


# ---------------------------------------------------------------- arrays for C

NOTHING = ctypes.c_char * 0  # as which an array says where it begins in a third of the usual time


def gapless(x):
    """The array as C reads it, without gaps: itself, or else a copy."""
    return x if x.flags.c_contiguous and x.flags.aligned else np.array(x, order="C")


def aligned(x):
    """An array whose numbers lie at whole multiples of their size, with any strides: itself, or else a copy."""
    return x if x.flags.aligned else x.copy()


def address(x):
    """Where an array begins; None stands for no array."""
    if x is None:
        return None
    if x.flags.carray:  # without gaps, and not read-only
        return ctypes.addressof(NOTHING.from_buffer(x))
    return x.__array_interface__["data"][0]
