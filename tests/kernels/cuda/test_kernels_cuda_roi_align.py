"""kernels/cuda/roi_align.py: crops bit for bit those of the text; their gradient gathered, in a fixed order."""

import numpy as np
import pytest
import strict_device
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import xp

from tinymaskrcnn.ops import roi_align

FORWARD, BACKWARD = roi_align.pyramid_roi_align_forward, roi_align.pyramid_roi_align_backward


def boxes(rng, k, size):
    """Boxes inside, across and beyond the border; some without extent, some turned over."""
    corner = rng.uniform(-0.4 * size, 1.2 * size, (k, 2))
    return np.concatenate([corner, corner + rng.uniform(-0.1 * size, 0.9 * size, (k, 2))], axis=1).astype(np.float32)


def pyramid_case(seed, *, k=12, n=3, channels=5, sides=((9, 10), (5, 4), (2, 3), (1, 1))):
    """A pyramid, and what to cut from it: its levels all have RoIs."""
    rng = np.random.default_rng(seed)
    pyramid = [xp.asarray(rng.standard_normal((n, *side, channels), dtype=np.float32)) for side in sides]
    data = dict(
        rois=xp.asarray(boxes(rng, k, 40)),
        image_index=xp.asarray(np.sort(rng.integers(0, n, k))),
        level=xp.asarray(rng.permutation(np.arange(k) % len(sides))),
        scales=[1 / 4 / 2**i for i in range(len(sides))],
        output_size=(3, 4),
    )
    return pyramid, data


def compare(pyramid, data, *, faults=None, seed=1):
    """(crops, gradients) of the kernels and of the text, in float32, on the device."""
    wanted, cache = FORWARD(pyramid, **data)
    dcrops = xp.asarray(np.random.default_rng(0).standard_normal(wanted.shape, dtype=np.float32))
    wanted_gradients = BACKWARD(dcrops, cache)
    with strict_device.kernels(seed=seed, faults=faults) as launched, strict_device.counting() as cost:
        crops, cache = FORWARD(pyramid, **data)
        gradients = BACKWARD(dcrops, cache)
    levels = len(pyramid)
    assert launched == ["roi_align_forward"] * levels + ["roi_spans"] + ["roi_align_backward"] * levels
    assert cost.synchronisations == 0 and cost.operations == 3 * levels + 3
    return (crops, gradients), (wanted, wanted_gradients)


def agree(got, wanted):
    (crops, gradients), (wanted_crops, wanted_gradients) = got, wanted
    scale = max(abs(g.get()).max(initial=1e-6) for g in wanted_gradients)
    return np.array_equal(crops.get(), wanted_crops.get()) and all(
        np.allclose(a.get(), b.get(), rtol=0, atol=5e-6 * scale) for a, b in zip(gradients, wanted_gradients)
    )


@examples(40)
@given(
    seed=st.integers(0, 9999),
    samples=st.integers(0, 3),
    aligned=st.booleans(),
    channels=st.sampled_from([1, 3, 4, 8, 9]),
    size=st.sampled_from([1, 2, (3, 5), 7]),
)
def test_a_pyramid(seed, samples, aligned, channels, size):
    pyramid, data = pyramid_case(seed, channels=channels)
    assert agree(*compare(pyramid, data | dict(samples=samples, aligned=aligned, output_size=size), seed=seed))


@pytest.mark.parametrize("aligned", [True, False])
def test_a_single_map(on_device, normal, aligned):
    rng = np.random.default_rng(3)
    features, rois = normal(2, 12, 9, 6), xp.asarray(boxes(rng, 9, 24))
    data = dict(image_index=xp.asarray(np.sort(rng.integers(0, 2, 9))), output_size=3, scale=0.5, aligned=aligned)
    wanted, text_cache = roi_align.roi_align_forward(features, rois, **data)
    (crops, cache), launched, operations = on_device(lambda: roi_align.roi_align_forward(features, rois, **data))
    assert launched == ["roi_align_forward"] and operations == 2 and np.array_equal(crops.get(), wanted.get())
    dcrops = normal(*crops.shape)
    (dfeatures, drois), launched, _ = on_device(lambda: roi_align.roi_align_backward(dcrops, cache))
    assert launched == ["roi_spans", "roi_align_backward"] and drois is None
    np.testing.assert_allclose(dfeatures.get(), roi_align.roi_align_backward(dcrops, text_cache)[0].get(), atol=1e-5)


def test_large_and_tiny_rois_and_coordinates():
    """Bins of many pixels, bins of a thousandth of one, no extent at all, and boxes far away."""
    pyramid, data = pyramid_case(5, k=7, n=1, sides=((30, 20),))
    rois = [[0, 0, 80, 120], [10, 10, 10.01, 10.01], [7, 7, 7, 7], [-1e9, 0, 1e9, 9], [2e5, 0, 2e5 + 8, 9]]
    rois += [[np.nan, 1, 5, 5], [79.9, 119.9, 80, 120]]
    data["rois"] = xp.asarray(np.array(rois, np.float32))
    assert agree(*compare(pyramid, data))


def test_images_in_any_order():
    pyramid, data = pyramid_case(6, k=20)
    data["image_index"] = xp.asarray(np.random.default_rng(0).integers(0, 3, 20))
    assert agree(*compare(pyramid, data))


def test_an_image_without_rois_has_no_gradient():
    pyramid, data = pyramid_case(7, k=4)
    data["image_index"] = xp.asarray(np.full(4, 1))
    (_, gradients), _ = compare(pyramid, data)
    assert not any(g.get()[[0, 2]].any() for g in gradients) and gradients[0].get()[1].any()


def test_an_image_that_does_not_exist_reads_nothing():
    """The text on a device does not look either; here such a RoI must at least not read another's memory."""
    pyramid, data = pyramid_case(8, k=3)
    with strict_device.kernels():
        crops, _ = FORWARD(pyramid, **data | dict(image_index=xp.asarray([-1, 3, 1 << 40])))
    assert not crops.get().any()


def test_the_gradient_is_the_transposed_crop(on_device):
    """<crops(x), d> = <x, gradient(d)>: the two kernels use the same weights."""
    pyramid, data = pyramid_case(9, k=30)
    (crops, cache), *_ = on_device(lambda: FORWARD(pyramid, **data))
    dcrops = xp.asarray(np.random.default_rng(1).standard_normal(crops.shape, dtype=np.float32))
    gradients, *_ = on_device(lambda: BACKWARD(dcrops, cache))
    left = (crops.get().astype(float) * dcrops.get()).sum()
    right = sum((x.get().astype(float) * g.get()).sum() for x, g in zip(pyramid, gradients))
    assert abs(left - right) < 1e-4 * abs(left)


@pytest.mark.parametrize(
    "change",
    [
        lambda case, data: data.update(rois=case["rois"][:0], image_index=case["index"][:0], level=case["index"][:0]),
        lambda case, data: data.update(rois=case["rois"].astype(np.float64)),
    ],
)
def test_what_is_left_to_the_text(change):
    pyramid, data = pyramid_case(1)
    change(dict(rois=data["rois"], index=data["image_index"]), data)
    if data["rois"].dtype == np.float64:
        pyramid = [level.astype(np.float64) for level in pyramid]
    with strict_device.kernels() as launched:
        crops, cache = FORWARD(pyramid, **data)
        assert [g.shape for g in BACKWARD(crops, cache)] == [level.shape for level in pyramid]
    assert launched == []


def test_the_gradient_for_boxes_goes_the_way_of_taps(normal):
    """The kernels of this file keep no features to move a box by: the text runs, its matrix a device's own."""
    features, rois = normal(1, 5, 5, 2), xp.asarray(boxes(np.random.default_rng(0), 3, 5))
    data = dict(image_index=xp.asarray([0, 0, 0]), output_size=2, scale=1.0, box_gradient=True)

    def both():
        crops, cache = roi_align.roi_align_forward(features, rois, **data)
        return crops, *roi_align.roi_align_backward(crops, cache)

    wanted = both()
    with strict_device.kernels() as launched:
        got = both()
    assert launched == ["read_taps", "tap_bounds", "collect_taps"] and got[2].shape == (3, 4)
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g.get(), w.get(), rtol=0, atol=3e-6 * abs(w.get()).max())


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(aligned ? 0.5f : 0.0f)", "0.0f"),
        ("position >= -1.0f &&", "position >= 0.0f &&"),
        ("if (level && level[rest] != this_level) return;", ""),
        ("image * H * W * C", "image * W * W * C"),
        ("high = pixel + 1.0f;", "high = pixel;"),
        ("taps.high == pixel", "taps.high == pixel && bin > 0"),
        ("if (weight == 0.0f) continue;\n            const", "const"),  # reads beyond the map, times 0
        ("fminf(a, b)) - 1.0f", "fminf(a, b)) + 2.0f"),  # bins are passed over
        ("axis.origin + fminf(axis.size, 0.0f), end", "axis.origin, end"),  # boxes that are turned over
        ("image_index[k] != rest ||", ""),
        ("last[me] = k + 1;", "last[me] = k;"),
        ("    __syncthreads();\n    if (me == 0) {", "    if (me == 0) {"),
    ],
)
def test_planted_faults_are_seen(old, new):
    pyramid, data = pyramid_case(2, k=300)
    data["image_index"] = xp.asarray(np.random.default_rng(0).integers(0, 3, 300))
    assert agree(*compare(pyramid, data))
    assert not agree(*compare(pyramid, data, faults={"roi_align": ((old, new),)}))
