"""kernels/c/roi_align.py: the text's crops and gradients in every variant, whatever the RoIs, on any threads."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinymaskrcnn.kernels import roi_align as in_numpy
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.kernels.c import roi_align as fast
from tinymaskrcnn.ops import roi_align

DRAWN = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def drawn(seed, *, count=30, channels=5, samples=2, aligned=True, images=3, size=(3, 4)):
    """A pyramid of three levels, and RoIs of all sizes, some outside, some with swapped corners, in no order."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-8, 60, (count, 2))
    return dict(
        pyramid=[rng.normal(size=(images, 24 >> i, 16 >> i, channels)).astype(np.float32) for i in range(3)],
        rois=np.concatenate([corner, corner + rng.uniform(-6, 40, (count, 2))], axis=1).astype(np.float32),
        image_index=rng.integers(0, images, count),
        level=rng.integers(0, 3, count),
        output_size=size,
        scales=(0.5, 0.25, 0.125),
        samples=samples,
        aligned=aligned,
    )


def crops_of(case):
    """What the public function returns: kernels are found by the arrays that have no name."""
    return roi_align.pyramid_roi_align_forward(case["pyramid"], **{k: v for k, v in case.items() if k != "pyramid"})


def both(forward, case, dcrops):
    crops, cache = forward(case)
    return [crops, *roi_align.pyramid_roi_align_backward(dcrops, cache)]


def widened(case):
    wide = {k: v.astype(np.float64) if getattr(v, "dtype", None) == np.float32 else v for k, v in case.items()}
    return wide | dict(pyramid=[features.astype(np.float64) for features in case["pyramid"]])


def equals_the_text(case, share=1e-5):
    K, (rows, columns), C = len(case["rois"]), case["output_size"], case["pyramid"][0].shape[3]
    dcrops = np.random.default_rng(1).normal(size=(K, rows, columns, C)).astype(np.float32)
    wanted = both(
        lambda wide: roi_align.pyramid_roi_align_forward.readable(**wide), widened(case), dcrops.astype(np.float64)
    )
    results = []
    for n in (1, 2, 4):
        threads.set_threads(n)
        results.append(both(crops_of, case, dcrops))
    for found, want in zip(results[0], wanted, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, want, rtol=0, atol=share * max(np.abs(want).max(), 1e-3))
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0]))


@DRAWN
@given(
    seed=st.integers(0, 1000),
    samples=st.integers(1, fast.SAMPLES),
    aligned=st.booleans(),
    channels=st.sampled_from([1, 5, 16, 33, 64, 70]),
    size=st.tuples(st.integers(1, 5), st.sampled_from([1, 4, 64])),
)
def test_equals_the_text(variant, seed, samples, aligned, channels, size):
    case = drawn(seed, samples=samples, aligned=aligned, channels=channels, size=size)
    case["rois"] = np.float32(np.round(case["rois"] * 8) / 8 + 0.0137)  # on no edge, where the last digit decides
    _, (A, _) = crops_of(case)
    assert isinstance(A, fast.Samples)
    equals_the_text(case)


@pytest.mark.parametrize("budget", [1, 500])
def test_however_many_jobs_there_are(monkeypatch, budget):
    monkeypatch.setattr(fast, "BUDGET", budget)
    equals_the_text(drawn(0))


def test_arrays_that_are_not_contiguous():
    case = drawn(0, channels=16)
    case["pyramid"] = [np.asfortranarray(features) for features in case["pyramid"]]
    case["rois"], case["level"] = np.asfortranarray(case["rois"]), case["level"].astype(np.int8)
    equals_the_text(case)


def test_rois_that_are_no_boxes_read_what_the_text_reads(variant):
    """Nothing is read outside of a map, whatever a network that diverged proposes; and no NaN is reported as made."""
    odd = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 5], np.float32)
    rois = np.stack(np.meshgrid(odd, odd, odd[::-1], odd[::-1]), axis=-1).reshape(-1, 4)[::5]
    case = drawn(0, count=len(rois)) | dict(rois=rois)
    with np.errstate(all="ignore"):
        wanted, _ = roi_align.pyramid_roi_align_forward.readable(**case)
        crops, cache = fast.pyramid_roi_align_forward(**case)
        roi_align.pyramid_roi_align_backward(crops, cache)
    there = np.isfinite(rois).all(axis=1)
    np.testing.assert_allclose(crops[there], wanted[there], rtol=0, atol=1e-5)
    found = []
    with np.errstate(all="call", call=lambda *_: found.append(True)):
        fast.pyramid_roi_align_forward(**(case | dict(rois=np.full_like(rois, np.nan))))
    assert not found


def test_single_level():
    case = drawn(0)
    features, rois, where = case["pyramid"][0], case["rois"], dict(image_index=case["image_index"], scale=0.5)
    crops, cache = roi_align.roi_align_forward(features, rois, output_size=(3, 4), **where)
    assert isinstance(cache[0], fast.Samples)
    wanted, twin_cache = roi_align.roi_align_forward.readable(features, rois, output_size=(3, 4), **where)
    np.testing.assert_allclose(crops, wanted, atol=1e-5)
    gradients = [roi_align.roi_align_backward(crops, c)[0] for c in (cache, twin_cache)]
    np.testing.assert_allclose(*gradients, atol=1e-4)


def test_what_is_left_to_the_others():
    case = drawn(0)
    assert fast._takes_pyramid(**case)
    for changes in (dict(samples=0), dict(samples=5), dict(output_size=65), dict(output_size=0), dict(scales=(0.5,))):
        assert not fast._takes_pyramid(**(case | changes))
    assert not fast._takes_pyramid(**widened(case))
    settings = dict(image_index=case["image_index"], output_size=2, scale=0.5)
    assert fast._takes(case["pyramid"][0], case["rois"], **settings)
    assert not fast._takes(case["pyramid"][0], case["rois"], **settings, box_gradient=True)
    _, (A, _) = crops_of(case | dict(samples=5))
    assert isinstance(A, in_numpy.BlockMatrix)


@pytest.mark.parametrize("shape", [(29, 3, 4, 5), (31, 3, 4, 5), (30, 3, 3, 5), (30, 3, 4, 6)])
def test_a_gradient_of_another_shape_is_refused(shape):
    _, cache = fast.pyramid_roi_align_forward(**drawn(0))
    with pytest.raises(ValueError):
        roi_align.pyramid_roi_align_backward(np.zeros(shape, np.float32), cache)


def test_results_are_the_callers():
    case = drawn(0)
    crops, cache = fast.pyramid_roi_align_forward(**case)
    before = [d.copy() for d in [crops, *roi_align.pyramid_roi_align_backward(crops, cache)]]
    fast.pyramid_roi_align_forward(**dict(case, rois=case["rois"] + 3))
    after = [crops, *roi_align.pyramid_roi_align_backward(crops, cache)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after))
