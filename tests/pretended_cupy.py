"""A GPU where there is none: while it lasts, device "cuda" is the strict device array.

    from pretended_cupy import pretended

    with pretended() as card:
        Experiment.open("runs/001", device="cuda")
    card.synchronised, card.math_mode

What the package and its benchmark ask of CuPy beside arrays stands here under CuPy's names.
"""

import contextlib
import sys
import types

import strict_device

COMPUTE_TYPES = {"COMPUTE_TYPE_DEFAULT": 1, "COMPUTE_TYPE_TF32": 7}  # CuPy's numbers


class Card:
    """What was done to the pretended device."""

    synchronised = 0  # how often the host waited for all work
    math_mode = 0  # of cuBLAS: 0 is float32 in full, 3 is TF32
    compute_type = 1

    def synchronize(self):
        self.synchronised += 1

    def set_math_mode(self, handle, mode):
        self.math_mode = mode

    def set_compute_type(self, dtype, kind):
        self.compute_type = kind


@contextlib.contextmanager
def pretended():
    """Lend a Card; afterwards things are as they were."""
    before, card = sys.modules.get("cupy"), Card()
    sys.modules["cupy"] = _module(card)
    try:
        yield card
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before


def _module(card):
    cupy = types.ModuleType("cupy")
    cupy.__version__ = "pretended"
    cupy.asarray, cupy.matmul = strict_device.xp.asarray, strict_device.xp.matmul
    cupy.is_available = lambda: True
    cupy.get_default_memory_pool = lambda: types.SimpleNamespace(free_all_blocks=lambda: None, total_bytes=lambda: 0)
    routines = types.SimpleNamespace(**COMPUTE_TYPES)
    cupy._core = types.SimpleNamespace(_routines_linalg=routines, set_compute_type=card.set_compute_type)
    cupy.cuda = types.SimpleNamespace(
        Device=lambda: types.SimpleNamespace(synchronize=card.synchronize, compute_capability="00"),
        cublas=types.SimpleNamespace(setMathMode=card.set_math_mode, CUBLAS_DEFAULT_MATH=0),
        get_cublas_handle=lambda: 1,
        runtime=types.SimpleNamespace(
            getDeviceProperties=lambda number: {"name": b"strict device array", "totalGlobalMem": 0},
            driverGetVersion=lambda: 0,
            runtimeGetVersion=lambda: 0,
        ),
    )
    return cupy
