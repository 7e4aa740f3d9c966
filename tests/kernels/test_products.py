"""kernels/products.py: SciPy's products are NumPy's, whatever the layout, and kernels compute the same by either."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.kernels import conv, im2col, mask_logits, matmul, products, winograd
from tinymaskrcnn.ops import conv as text

LAYOUTS = (
    lambda x: x,
    lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2),
    lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    lambda x: np.repeat(x, 2, axis=-2)[..., ::2, :],
)


@examples(60)
@given(
    sizes=st.tuples(*[st.integers(1, 9)] * 3),
    stack=st.sampled_from([(), (1,), (3,)]),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    result=st.sampled_from([None, *LAYOUTS]),
    seed=st.integers(0, 99),
)
def test_scipy_multiplies_as_numpy_does(sizes, stack, layouts, result, seed):
    rng = np.random.default_rng(seed)
    M, K, N = sizes
    a, b = rng.standard_normal((*stack, M, K), np.float32), rng.standard_normal((*stack, K, N), np.float32)
    wanted = np.matmul(a, b)
    a, b = layouts[0](a), layouts[1](b)
    before = a.copy(), b.copy()
    out = None if result is None else result(np.full(wanted.shape, np.nan, np.float32))
    y = products.by_scipy(a, b, out)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    assert y.dtype == np.float32 and (out is None or y is out)
    assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])


@pytest.mark.parametrize("shapes", [((4,), (4, 3)), ((0, 4), (4, 3)), ((2, 0), (0, 3)), ((2, 4), (3, 4, 5))])
def test_vectors_and_what_is_empty_and_what_spreads(shapes):
    a, b = (np.random.default_rng(0).standard_normal(shape, np.float32) for shape in shapes)
    np.testing.assert_allclose(products.by_scipy(a, b), np.matmul(a, b), rtol=1e-5)


def test_another_type_is_left_to_numpy():
    a = np.random.default_rng(0).standard_normal((3, 3))
    assert np.array_equal(products.by_scipy(a, a), a @ a) and products.by_scipy(a, a).dtype == np.float64


def test_what_does_not_fit_is_refused_as_numpy_refuses_it():
    a = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match="matmul"):
        products.by_scipy(a, a)


def test_here_numpy_has_a_blas_and_makes_the_products_itself():
    assert products.HAS_BLAS and products.product is np.matmul and products.least(5) == 5


@pytest.mark.parametrize(
    "built, has",
    [
        ({"Build Dependencies": {"blas": {"name": "auto"}}}, False),  # the wheel for WebAssembly
        ({"Build Dependencies": {"blas": {"name": "scipy-openblas", "found": True}}}, True),
        (None, True),
    ],
)
def test_what_numpy_says_of_its_build(monkeypatch, built, has):
    monkeypatch.setattr(np.__config__, "CONFIG", built)
    assert products.numpy_has_blas() is has


@pytest.mark.parametrize("way", [2, 4, "im2col", "matmul"])
def test_convolutions_are_the_same_by_scipy(monkeypatch, way):
    for module in (conv, im2col, mask_logits, matmul, winograd):
        monkeypatch.setattr(module, "product", products.by_scipy)
    side, kernel = {4: 48, 2: 20, "im2col": 20, "matmul": 20}[way], 1 if way == "matmul" else 3
    channels = {4: 32, 2: 64, "im2col": 8, "matmul": 32}[way]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, side, side, channels), np.float32)
    weight = rng.standard_normal((kernel, kernel, channels, channels), np.float32) / 16
    options = {"stride": 1, "padding": kernel // 2}
    size = {"kernel": (kernel, kernel), "channels": (channels, channels), "dilation": (1, 1)}
    chosen = conv.choose(2, (side, side), **size, stride=(1, 1), padding=(kernel // 2,) * 2)
    assert chosen == way
    y, cache = conv.conv2d_forward(x, weight, np.ones(channels, np.float32), **options)
    wanted, wanted_cache = text.conv2d_forward.readable(x, weight, np.ones(channels, np.float32), **options)
    np.testing.assert_allclose(y, wanted, atol=2e-5 * abs(wanted).max())
    dy = rng.standard_normal(y.shape, np.float32)
    for got, want in zip(conv.conv2d_backward(dy, cache), text.conv2d_backward.readable(dy, wanted_cache)):
        np.testing.assert_allclose(got, want, atol=2e-5 * abs(want).max())
