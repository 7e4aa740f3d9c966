"""ops/roi_align.py: golden values, the definition, onnxruntime, exactness on ramps, both gradients, and errors."""

import numpy as np
import pytest
from drawn_examples import examples
from golden import MATRIX
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import naive, roi_align
from tinymaskrcnn.testing import check_pair

forward, backward = roi_align.roi_align_forward, roi_align.roi_align_backward


def crop(image, box, **settings):
    """The crop of one box from one single-channel picture, as (S, S)."""
    settings = dict(dict(scale=1.0), **settings)
    crops, _ = forward(image, np.array([box], np.float64), image_index=np.array([0]), **settings)
    return crops[0, ..., 0]


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    "samples, aligned, wanted",
    [
        (2, False, [[0.366328, 0.550117], [0.459805, 0.375234]]),
        (2, True, [[0.476953, 0.470977], [0.456914, 0.455234]]),
        (1, False, [[0.295625, 0.260625], [0.650625, 0.304375]]),
        (1, True, [[0.566875, 0.239375], [0.510625, 0.285]]),
        (4, False, [[0.384465, 0.469543], [0.467632, 0.418862]]),
        (4, True, [[0.467654, 0.468489], [0.429131, 0.423357]]),
    ],
)
def test_golden_values(samples, aligned, wanted):
    found = crop(MATRIX, (0, 3, 7, 8), output_size=2, samples=samples, aligned=aligned)
    np.testing.assert_allclose(found, wanted, atol=5e-7)


@pytest.mark.parametrize("aligned, first_column", [(False, [7.5, 10, 12.5, 15]), (True, [4.5, 7, 9.5, 12])])
def test_golden_values_of_a_counted_grid(aligned, first_column):
    image = np.arange(25.0).reshape(1, 5, 5, 1)
    found = crop(image, (1, 1, 3, 3), output_size=4, samples=0, aligned=aligned)
    np.testing.assert_allclose(found, np.array(first_column)[:, None] + np.arange(4) * 0.5, rtol=1e-14)


@st.composite
def drawn_case(draw, regular=False):
    """Features, RoIs that may lie outside, be tiny or (unless regular) have swapped corners, and settings."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, height, width, channels = draw(st.tuples(*[st.integers(1, top) for top in (3, 7, 7, 2)]))
    count = draw(st.integers(0, 4))
    scale = draw(st.sampled_from([1.0, 0.5, 2.0]))
    corner = rng.uniform(-4, 9, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(0.01 if regular else -1, 9, (count, 2))], axis=1) / scale
    return dict(
        features=rng.normal(size=(n, height, width, channels)),
        rois=rois,
        image_index=rng.integers(0, n, count),
        output_size=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        scale=scale,
        samples=draw(st.integers(0, 4)),
        aligned=draw(st.booleans()),
    )


@examples(100)
@given(case=drawn_case())
def test_equals_the_definition(case):
    features, rois = case.pop("features"), case.pop("rois")
    crops, _ = forward(features, rois, **case)
    wanted = naive.roi_align(features, rois, **case)
    assert crops.shape == wanted.shape
    np.testing.assert_allclose(crops, wanted, rtol=1e-9, atol=1e-12)


@examples(60)
@given(
    corners=st.lists(st.tuples(*[st.integers(-6, 10)] * 2, *[st.integers(0, 12)] * 2), min_size=1, max_size=4),
    samples=st.sampled_from([0, 1, 2, 4]),
    aligned=st.booleans(),
)
def test_equals_the_definition_where_points_fall_on_pixels_and_on_the_border(corners, samples, aligned):
    """Halves and eighths are exact, so that points lie exactly at -1, at 0, at the last pixel and at `length`."""
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 1))
    rois = np.array([[x, y, x + w, y + h] for x, y, w, h in corners]) / 2
    case = dict(image_index=np.arange(len(rois)) % 2, output_size=(2, 1), scale=1.0, samples=samples, aligned=aligned)
    crops, _ = forward(features, rois, **case)
    np.testing.assert_allclose(crops, naive.roi_align(features, rois, **case), rtol=1e-12, atol=1e-12)


@examples(60)
@given(case=drawn_case())
def test_backward_is_the_transposed_matrix(case):
    """<dcrops, A pixels> = <A' dcrops, pixels>, with or without the gradient for the boxes."""
    rng = np.random.default_rng(0)
    features, rois = case.pop("features"), case.pop("rois")
    crops, cache = forward(features, rois, **case)
    dcrops = rng.normal(size=crops.shape)
    dfeatures, drois = backward(dcrops, cache)
    assert dfeatures.shape == features.shape and drois is None
    np.testing.assert_allclose((dcrops * crops).sum(), (dfeatures * features).sum(), rtol=1e-9, atol=1e-11)
    same, cache = forward(features, rois, **case, box_gradient=True)
    np.testing.assert_allclose(same, crops, rtol=1e-12, atol=1e-13)
    again, drois = backward(dcrops, cache)
    np.testing.assert_allclose(again, dfeatures, rtol=1e-12, atol=1e-13)
    assert drois.shape == rois.shape


def test_matrix_holds_the_weights_of_each_bin():
    """Two samples at 0.5 and 1 between the centres of pixels 0 and 1, 1: merged into one entry per pixel."""
    A = roi_align.interpolation_matrix(
        np.array([[0.75, 0, 1.75, 1.0]]),
        image_index=np.array([1]),
        feature_shape=(2, 1, 4),
        output_size=1,
        scale=1.0,
        samples=2,
    )
    assert A.shape == (1, 2 * 4)
    np.testing.assert_allclose(A.toarray(), [[0, 0, 0, 0, 0.25, 0.75, 0, 0]])
    assert A.nnz == 2


@examples(40)
@given(case=drawn_case())
def test_weights_of_a_bin_sum_to_one_inside(case):
    """A constant picture stays constant wherever all sample points lie inside."""
    features, rois = np.ones_like(case.pop("features")), case.pop("rois")
    crops, _ = forward(features, rois, **case)
    assert ((crops > -1e-12) & (crops < 1 + 1e-12)).all()
    size = np.array([features.shape[2], features.shape[1]]) / case["scale"]
    shift = 0 if case["aligned"] else 1 / case["scale"]  # without alignment a RoI is at least one pixel long
    inside = (rois[:, :2] >= 0).all(1) & (np.maximum(rois[:, 2:], rois[:, :2] + shift) <= size).all(1)
    inside &= (rois[:, 2:] > rois[:, :2]).all(1)
    np.testing.assert_allclose(crops[inside], 1, rtol=1e-12)


@examples(60)
@given(seed=st.integers(0, 999), samples=st.integers(0, 3), aligned=st.booleans(), side=st.integers(1, 4))
def test_linear_ramp_is_read_exactly(seed, samples, aligned, side):
    """A picture whose value is a plane gives the plane's value at the centre of each bin: nothing was rounded."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=3)
    y, x = np.mgrid[0:12, 0:12]
    centre = 0.5 if aligned else 0.0  # where the value of pixel 0 sits
    image = (a + b * (x + centre) + c * (y + centre)).reshape(1, 12, 12, 1)
    corner = rng.uniform(1, 4, 2)
    box = np.concatenate([corner, corner + rng.uniform(1, 6, 2)])
    bins = (np.arange(side) + 0.5) / side
    plane = a + b * (box[0] + bins * (box[2] - box[0])) + c * (box[1] + bins * (box[3] - box[1]))[:, None]
    np.testing.assert_allclose(crop(image, box, output_size=side, samples=samples, aligned=aligned), plane, rtol=1e-9)


@pytest.mark.parametrize(("dtype", "bound"), ((np.float32, 1e-5), (np.float64, 1e-12)))
@pytest.mark.parametrize("aligned", [True, False])
def test_adaptive_weights_of_each_axis_make_the_crop(dtype, bound, aligned, rng):
    """For one channel, crop = rows @ map @ columns.T, with maps of different sizes in one larger array."""
    heights, widths = np.array([5, 9, 7, 9]), np.array([8, 6, 3, 8])
    corner = rng.uniform(0, 2, (4, 2))
    rois = np.concatenate([corner, np.stack([widths, heights], axis=1) - [[0, 1], [0.5, 0], [1, 2], [0, 0]]], axis=1)
    maps, rois = rng.standard_normal((4, 9, 8)).astype(dtype), rois.astype(dtype)
    rows = roi_align.adaptive_weights(rois[:, 1], rois[:, 3], 3, heights, longest=9, aligned=aligned)
    columns = roi_align.adaptive_weights(rois[:, 0], rois[:, 2], 3, widths, longest=8, aligned=aligned)
    assert rows.shape == (4, 3, 9) and columns.shape == (4, 3, 8) and rows.dtype == columns.dtype == dtype
    for k in range(4):
        own = maps[k, : heights[k], : widths[k]].astype(np.float64)
        wanted = crop(own[None, :, :, None], rois[k], output_size=3, samples=0, aligned=aligned)
        np.testing.assert_allclose(rows[k] @ maps[k] @ columns[k].T, wanted, rtol=bound, atol=bound)
        assert not rows[k, :, heights[k] :].any() and not columns[k, :, widths[k] :].any()


def test_adaptive_weights_on_a_device(device, rng):
    start = rng.uniform(0, 3, 4)
    end, lengths = start + rng.uniform(0.5, 5, 4), np.array([8, 9, 8, 9])
    wanted = roi_align.adaptive_weights(start, end, 3, lengths, longest=9, aligned=True)
    arrays = [device.asarray(x) for x in (start, end)]
    found = roi_align.adaptive_weights(*arrays, 3, device.asarray(lengths), longest=9, aligned=True)
    np.testing.assert_allclose(to_host(found), wanted, atol=1e-12)


def test_empty_box():
    """Adaptive sampling finds no pixel in an empty box: 0, and no gradient. Fixed sampling reads one point."""
    box = (3.0, 3, 3, 3)
    assert not crop(MATRIX, box, output_size=2, samples=0, aligned=True).any()
    rois, image_index = np.array([box]), np.array([0])
    _, cache = forward(
        MATRIX, rois, image_index=image_index, output_size=2, scale=1.0, samples=0, aligned=True, box_gradient=True
    )
    dfeatures, drois = backward(np.ones((1, 2, 2, 1)), cache)
    assert not dfeatures.any() and not drois.any()
    point = MATRIX[0, 2:4, 2:4, 0].mean()  # (3, 3) lies on the corner of four pixels
    np.testing.assert_allclose(crop(MATRIX, box, output_size=2, samples=2, aligned=True), point)


def test_far_outside_is_zero_and_just_outside_is_the_border():
    one = np.ones((1, 4, 4, 1))
    assert not crop(one, (20, 20, 24, 24), output_size=2).any()
    assert crop(one, (-0.9, -0.9, 0.1, 0.1), output_size=1, samples=1, aligned=True)[0, 0] == 1
    assert crop(one, (-3.0, 0, -1.0, 4), output_size=1, samples=1, aligned=True)[0, 0] == 0


def test_one_pass_for_many_pictures(rng):
    features = rng.normal(size=(3, 6, 5, 2))
    rois = rng.uniform(0, 5, (7, 4))
    image_index = np.array([2, 0, 1, 1, 2, 0, 0])
    settings = dict(output_size=2, scale=1.0)
    together, _ = forward(features, rois, image_index=image_index, **settings)
    for k in range(7):
        alone, _ = forward(features[image_index[k]][None], rois[k : k + 1], image_index=np.array([0]), **settings)
        np.testing.assert_allclose(together[k], alone[0], rtol=1e-12)


# ---------------------------------------------------------------- another implementation


@examples(25)
@given(case=drawn_case(regular=True))
def test_equals_onnxruntime(case):
    pytest.importorskip("onnx", reason="onnx builds the graph that this comparison runs")
    pytest.importorskip("onnxruntime", reason="onnxruntime is the other implementation")
    features, rois = case["features"].astype(np.float32), case["rois"].astype(np.float32)
    if len(rois) == 0:
        return
    rows, columns = case["output_size"]
    wanted = onnx_roi_align(
        features.transpose(0, 3, 1, 2),
        rois,
        case["image_index"],
        mode="half_pixel" if case["aligned"] else "output_half_pixel",
        rows=rows,
        columns=columns,
        scale=case["scale"],
        samples=case["samples"],
    )
    crops, _ = forward(features, rois, **{k: v for k, v in case.items() if k not in ("features", "rois")})
    np.testing.assert_allclose(crops, wanted.transpose(0, 2, 3, 1), rtol=1e-4, atol=2e-5)


def onnx_roi_align(features, rois, image_index, *, mode, rows, columns, scale, samples):
    import onnxruntime
    from onnx import TensorProto, checker, helper

    inputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, [None] * 4),
        helper.make_tensor_value_info("rois", TensorProto.FLOAT, [None, 4]),
        helper.make_tensor_value_info("image_index", TensorProto.INT64, [None]),
    ]
    node = helper.make_node(
        "RoiAlign",
        ["features", "rois", "image_index"],
        ["crops"],
        coordinate_transformation_mode=mode,
        mode="avg",
        output_height=rows,
        output_width=columns,
        sampling_ratio=samples,
        spatial_scale=scale,
    )
    outputs = [helper.make_tensor_value_info("crops", TensorProto.FLOAT, [None] * 4)]
    graph = helper.make_graph([node], "crop", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = dict(features=np.ascontiguousarray(features), rois=rois, image_index=image_index.astype(np.int64))
    return session.run(None, feed)[0]


# ---------------------------------------------------------------- gradients, dtypes, devices


SMOOTH_BOXES = np.array(
    [[0.31, 0.77, 3.13, 4.47], [1.17, 0.13, 4.93, 2.57], [2.21, 1.37, 3.89, 4.83]]
)  # off grid lines


@pytest.mark.parametrize("samples, aligned", [(1, True), (2, True), (2, False), (3, False), (0, True), (0, False)])
def test_harness(samples, aligned, rng):
    from strict_device import BACKEND

    features = rng.normal(size=(2, 5, 6, 2))
    check_pair(
        forward,
        backward,
        [features, SMOOTH_BOXES],
        image_index=np.array([0, 1, 1]),
        output_size=(2, 3),
        scale=1.0,
        samples=samples,
        aligned=aligned,
        box_gradient=True,
        zero_rows=[("rois", "image_index"), ("features", "rois", "image_index")],
        backends=[BACKEND],
    )


def test_box_gradient_of_a_ramp():
    """On a plane v = x, moving both x edges by 1 moves every bin by 1; y edges change nothing."""
    image = np.tile(np.arange(8.0), (8, 1)).reshape(1, 8, 8, 1)
    settings = dict(image_index=np.array([0]), output_size=2, scale=0.5, box_gradient=True)
    _, cache = forward(image, np.array([[4.2, 4.4, 9.0, 10.6]]), **settings)
    _, drois = backward(np.ones((1, 2, 2, 1)), cache)
    np.testing.assert_allclose(drois, [[1, 0, 1, 0]], atol=1e-12)  # 4 bins, scale 0.5, shared by the two edges


def test_box_gradient_of_a_box_held_at_one_pixel():
    """Not aligned, a box narrower than a pixel keeps its size: only its start moves it."""
    image = np.tile(np.arange(8.0), (8, 1)).reshape(1, 8, 8, 1)
    settings = dict(image_index=np.array([0]), output_size=1, scale=1.0, box_gradient=True, aligned=False)
    _, cache = forward(image, np.array([[3.2, 2.1, 3.6, 5.3]]), **settings)
    _, drois = backward(np.ones((1, 1, 1, 1)), cache)
    np.testing.assert_allclose(drois, [[1, 0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("samples", [0, 2])
def test_float32_stays_float32(samples, rng):
    features = rng.normal(size=(2, 5, 6, 2)).astype(np.float32)
    rois = SMOOTH_BOXES.astype(np.float32)
    settings = dict(image_index=np.array([0, 1, 1]), output_size=2, scale=np.float64(0.5), samples=samples)
    crops, cache = forward(features, rois, **settings, box_gradient=True)
    gradients = backward(crops, cache)
    assert [crops.dtype] + [g.dtype for g in gradients] == [np.float32] * 3
    wide, _ = forward(features.astype(np.float64), rois.astype(np.float64), **settings)
    np.testing.assert_allclose(crops, wide, atol=1e-6)


@pytest.mark.parametrize("samples, waits", [(2, 0), (0, 2)])
def test_a_device_agrees_and_waits_only_for_adaptive_sampling(samples, waits, rng, device):
    from strict_device import counting

    features = rng.normal(size=(2, 5, 6, 2))
    arrays = features, SMOOTH_BOXES, np.array([0, 1, 1])
    settings = dict(output_size=2, scale=1.0, samples=samples)
    crops, cache = forward(*arrays[:2], image_index=arrays[2], **settings)
    there = [device.asarray(x) for x in arrays]
    with counting() as cost:
        copy, c_copy = forward(*there[:2], image_index=there[2], **settings)
        dcopy, _ = backward(copy, c_copy)
    assert cost.synchronisations == waits + cost.sparse_waits
    np.testing.assert_allclose(to_host(copy), crops, rtol=1e-13)
    np.testing.assert_allclose(to_host(dcopy), backward(crops, cache)[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("images, count", [(0, 0), (2, 0)])
def test_no_rois(images, count, samples):
    features, rois = np.zeros((images, 4, 5, 3), np.float32), np.zeros((count, 4), np.float32)
    settings = dict(output_size=(2, 3), scale=1.0, samples=samples, box_gradient=True)
    crops, cache = forward(features, rois, image_index=np.zeros(count, int), **settings)
    assert crops.shape == (count, 2, 3, 3) and crops.dtype == np.float32
    dfeatures, drois = backward(crops, cache)
    assert dfeatures.shape == features.shape and not dfeatures.any()
    assert drois.shape == rois.shape


def test_messages():
    features, rois, image_index = np.zeros((2, 4, 4, 1)), np.zeros((3, 4)), np.array([0, 1, 2])
    good = dict(image_index=image_index % 2, output_size=2, scale=1.0)
    with pytest.raises(ArgumentError, match=r"image_index must lie in 0..1; got 2 at position 2"):
        forward(features, rois, **dict(good, image_index=image_index))
    with pytest.raises(ArgumentError, match="roi_align_forward: output_size must be .* each at least 1"):
        forward(features, rois, **dict(good, output_size=0))
    with pytest.raises(ArgumentError, match="roi_align_forward: samples must be at least 0.*; got -1"):
        forward(features, rois, **good, samples=-1)
    with pytest.raises(DtypeError, match="image_index must hold integers; got float64"):
        forward(features, rois, **dict(good, image_index=image_index.astype(float)))
    with pytest.raises(DtypeError, match="rois must be float64 like features; got float32"):
        forward(features, rois.astype(np.float32), **good)
    with pytest.raises(ShapeError, match=r"rois must be \(K, 4\); got \(3, 5\)"):
        forward(features, np.zeros((3, 5)), **good)
    with pytest.raises(ShapeError, match="image_index must be .* K = 3"):
        forward(features, rois, **dict(good, image_index=np.array([0])))
