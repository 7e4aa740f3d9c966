"""Makes the helpers of this folder importable and lends the strict device array to every test that asks for it."""

import os
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores already: more threads would wait for one another
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def device():
    """The strict device array's module: device.asarray(host_array) moves there."""
    import strict_device

    return strict_device.xp


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(0)
