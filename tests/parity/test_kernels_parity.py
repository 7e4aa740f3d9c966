"""Every kernel that is registered is measured, and its float32 results are those of its twin in float64."""

import numpy as np
import pytest
from parity import kernels

from tinymaskrcnn.kernels.c import library


@pytest.fixture(params=["numpy", "c"])
def lane(request):
    """Kernels in NumPy, and where they are built those in C."""
    if request.param == "c" and not library.supported():
        pytest.skip("no kernels in C")
    library.use("numpy" if request.param == "numpy" else library.supported()[0])
    yield
    library.use(None)


@pytest.mark.parametrize("work", kernels.WORKS, ids=lambda work: f"{work.functions[0].__name__}-{work.what}")
def test_a_kernel_is_as_good_as_float32(work, lane):
    errors = kernels.measure(work).values()
    assert max(errors) < 2e-5
    assert max(errors) > 0  # or nothing was compared


def test_the_nms_kernel_decides_as_the_text_does():
    assert kernels.nms_disagreements() == 0


def test_the_kernel_of_moving_edges_is_as_good_as_float32():
    assert 0 < kernels.edge_gradient_error() < 2e-5


def test_every_registered_kernel_is_measured():
    measured = {function.__name__ for work in kernels.WORKS for function in work.functions}
    measured |= {"nms", "top_n"}  # these choose, and must choose the same
    measured |= {"edge_gradient"}  # no pair
    measured |= {"encode", "decode", "max_pool2d_forward"}  # the same bits: tests/kernels
    measured |= {"mask_targets", "MaskRCNN.choose_samples"}  # the same bits: tests/models
    assert kernels.registered() <= measured


def test_a_call_that_no_kernel_takes_is_not_measured():
    work = kernels.Work("groups", kernels.CONV, ((1, 8, 8, 4), (3, 3, 2, 4), (4,)), dict(groups=2))
    with pytest.raises(AssertionError, match="no kernel"):
        kernels.measure(work)


def test_a_wrong_kernel_would_show(monkeypatch):
    def wrong(x, weight, bias):
        y, cache = kernels.linear.linear_forward.readable(x, weight, bias)
        return y * np.float32(1.001), cache

    entry = (np, lambda *args, **data: True, wrong)
    monkeypatch.setitem(kernels.kernel_lookup._KERNELS, "linear_forward", [entry])
    assert kernels.measure(kernels.WORKS[-1])["linear_forward"] > 1e-4
