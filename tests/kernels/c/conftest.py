"""Kernels in C run with a library compiled for the tests; without a compiler these tests are skipped."""

import pytest

from tinymaskrcnn.kernels.c import library


@pytest.fixture(autouse=True)
def on_the_lane(lane):
    """Each test runs on the best variant of this processor."""


@pytest.fixture(params=library.VARIANTS)
def variant(request, lane):
    """Each of the variants that this processor runs, in turn."""
    if request.param not in library.supported():
        pytest.skip(f"this processor does not run {request.param}")
    library.use(request.param)
    return request.param
