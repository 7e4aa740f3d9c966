"""kernels/roi_align.py: the text's crops and gradients, joined or level by level, on any threads."""

from unittest import mock

import numpy as np
import pytest

from tinymaskrcnn.kernels import roi_align as fast
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.ops import roi_align


def drawn(rng, count=60, dtype=np.float32, samples=2, aligned=True, images=3):
    """A pyramid of three levels, and RoIs of all sizes, some outside, some with swapped corners, in no order."""
    corner = rng.uniform(-8, 60, (count, 2))
    return dict(
        pyramid=[locked(rng.normal(size=(images, 24 >> i, 16 >> i, 5)).astype(dtype)) for i in range(3)],
        rois=np.concatenate([corner, corner + rng.uniform(-6, 40, (count, 2))], axis=1).astype(dtype),
        image_index=rng.integers(0, images, count),
        level=rng.integers(0, 3, count),
        output_size=(3, 4),
        scales=(0.5, 0.25, 0.125),
        samples=samples,
        aligned=aligned,
    )


def locked(array):
    array.flags.writeable = False
    return array


def close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == np.float32 and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


def both(forward, case, dcrops):
    crops, cache = forward(**case)
    return [crops, *roi_align.pyramid_roi_align_backward(dcrops, cache)]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [0, 1, 2, 3])
@pytest.mark.parametrize("joined", [True, False])
def test_equals_the_text_on_any_threads(samples, aligned, joined, rng):
    case = drawn(rng, samples=samples, aligned=aligned)
    dcrops = rng.normal(size=(60, 3, 4, 5)).astype(np.float32)
    if samples == 0:  # how many samples a bin has must not depend on the last digit
        case["rois"] = np.round(case["rois"] * 4) / 4
    wide = {k: v.astype(np.float64) if getattr(v, "dtype", None) == np.float32 else v for k, v in case.items()}
    wide["pyramid"] = [features.astype(np.float64) for features in case["pyramid"]]
    wanted = both(roi_align.pyramid_roi_align_forward.readable, wide, dcrops.astype(np.float64))
    with mock.patch.multiple(fast, BINS=100, JOINED=1 << 20 if joined else 0):  # several blocks
        results = []
        for n in (1, 2, 4):
            threads.set_threads(n)
            results.append(both(fast.pyramid_roi_align_forward, case, dcrops))
    close(results[0], wanted)
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0]))
    with mock.patch.object(fast, "JOINED", 1 << 20 if joined else 0):  # one block
        close(both(fast.pyramid_roi_align_forward, case, dcrops), wanted)


def test_float64_is_exact(rng):
    case = drawn(rng, dtype=np.float64)
    dcrops = rng.normal(size=(60, 3, 4, 5))
    wanted = both(roi_align.pyramid_roi_align_forward.readable, case, dcrops)
    for found, want in zip(both(fast.pyramid_roi_align_forward, case, dcrops), wanted):
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", [6, 40])
def test_a_bin_reads_the_pixels_of_the_text_and_no_others(size, rng):
    """Both matrices have one entry for a bin and a pixel, however many samples meet there, and none that is 0."""
    case = drawn(rng)
    case["rois"][:, 2:] = case["rois"][:, :2] + rng.uniform(0.1, size, (60, 2)).astype(np.float32)
    _, (found, _) = fast.pyramid_roi_align_forward(**case)
    _, (wanted, _) = roi_align.pyramid_roi_align_forward.readable(**case)
    (block,) = found.blocks
    A = block.matrix.sorted_indices()
    assert np.array_equal(A.indptr, wanted.indptr) and np.array_equal(A.indices, wanted.indices)
    np.testing.assert_allclose(A.data, wanted.data, rtol=1e-6, atol=0)


def test_single_level(rng):
    case = drawn(rng)
    rois, image_index = case["rois"], case["image_index"]
    settings = dict(image_index=image_index, output_size=(3, 4), scale=0.5)
    features = case["pyramid"][0]
    crops, cache = fast.roi_align_forward(features, rois, **settings)
    wanted, twin_cache = roi_align.roi_align_forward.readable(features, rois, **settings)
    dcrops = rng.normal(size=crops.shape).astype(np.float32)
    close([crops], [wanted])
    gradients = [roi_align.roi_align_backward(dcrops, c)[0] for c in (cache, twin_cache)]  # one backward takes both
    close(gradients[:1], gradients[1:])
    found, c_found = roi_align.roi_align_forward(features, rois, **settings)  # the public function finds the kernel
    assert isinstance(c_found[0], fast.BlockMatrix) and np.array_equal(found, crops)


def test_what_the_text_keeps_for_itself(rng):
    case = drawn(rng)
    settings = dict(image_index=case["image_index"], output_size=2, scale=0.5)
    assert not fast._takes(case["pyramid"][0], case["rois"], **settings, box_gradient=True)
    assert not fast._takes(case["pyramid"][0], case["rois"][:0], **settings)
    assert fast._takes(case["pyramid"][0], case["rois"], **settings)
    assert fast._takes_pyramid(**case)
    image_index, level = case["image_index"], case["level"]
    wrong = [
        dict(rois=case["rois"][:0], image_index=image_index[:0], level=level[:0]),
        dict(samples=-1),
        dict(pyramid=[], scales=()),
        dict(scales=(0.5, 0.25)),
        dict(pyramid=[*case["pyramid"][:2], case["pyramid"][2][:2]]),  # fewer images
        dict(pyramid=[*case["pyramid"][:2], case["pyramid"][2][..., :4]]),  # fewer channels
        dict(pyramid=[*case["pyramid"][:2], case["pyramid"][2].astype(np.float64)]),
        dict(rois=case["rois"].astype(np.float64)),
        *(dict(output_size=size) for size in (0, -1, 2.0, (2, 0), (0, 2), (2.0, 2))),
        *(dict(image_index=np.where(np.arange(60) == 7, i, image_index)) for i in (-1, 3)),
        *(dict(level=np.where(np.arange(60) == 7, i, level)) for i in (-1, 3)),
    ]
    for changes in wrong:
        assert not fast._takes_pyramid(**(case | changes)), changes
    for changes in (dict(samples=0), dict(output_size=1), dict(output_size=[1, 2])):
        assert fast._takes_pyramid(**(case | changes)), changes


def test_results_are_the_callers(rng):
    case = drawn(rng)
    crops, cache = fast.pyramid_roi_align_forward(**case)
    before = [d.copy() for d in [crops, *roi_align.pyramid_roi_align_backward(crops, cache)]]
    fast.pyramid_roi_align_forward(**dict(case, rois=case["rois"] + 3))
    after = [crops, *roi_align.pyramid_roi_align_backward(crops, cache)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


@pytest.mark.parametrize("samples", [2, 3])
def test_no_pixel_is_read_twice_by_a_bin(samples, rng):
    """Samples that meet share a tap, also beside RoIs whose samples are far apart."""
    case = drawn(rng, samples=samples)
    case["rois"][:, 2:] = np.maximum(case["rois"][:, 2:], case["rois"][:, :2])
    _, (A, _) = fast.pyramid_roi_align_forward(**case)
    for block in A.blocks:
        entries = block.matrix.nnz
        block.matrix.sum_duplicates()
        assert block.matrix.nnz == entries
