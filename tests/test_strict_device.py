"""The strict device array refuses what CuPy refuses, counts what makes the host wait, and computes as NumPy does."""

import copy

import cuda_emulator
import cupy_names
import numpy as np
import pytest
import strict_device
from strict_device import StrictArray, counting, xp

from tinymaskrcnn.backend import array_module, sparse, to_host
from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.ops import conv, linear

HOST = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def x():
    return xp.asarray(HOST)


def test_it_is_found_by_the_backend(x):
    assert array_module(x) is xp and not isinstance(x, np.ndarray)
    assert np.array_equal(to_host(x), HOST)
    with pytest.raises(BackendError):
        array_module(x, HOST)


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x + HOST,
        lambda x: HOST + x,
        lambda x: x @ HOST.T,
        lambda x: np.float64(2) * x + np.ones(4),
        lambda x: xp.maximum(x, HOST),
        lambda x: xp.concatenate([x, HOST]),
        lambda x: xp.where(x > 0, HOST, x),
        lambda x: x.__setitem__(0, HOST[0]),
        lambda x: x.__iadd__(HOST),
        lambda x: xp.take_along_axis(x, np.zeros((3, 1), int), axis=1),
        lambda x: x.dot(HOST.T),
    ],
)
def test_host_arrays_do_not_mix(x, mix):
    with pytest.raises(TypeError, match="host array|device array"):
        mix(x)


@pytest.mark.parametrize(
    "use",
    [
        np.asarray,
        np.array,
        np.sum,
        np.exp,
        np.add.reduce,
        lambda x: np.concatenate([x, x]),
        lambda x: np.add.at(x, 0, 1),
    ],
)
def test_numpy_does_not_take_it(x, use):
    with pytest.raises(TypeError, match="device array"):
        use(x)


def test_no_host_index(x):
    for index in (np.array([0, 1]), (slice(None), np.array([0, 1]))):
        with pytest.raises(IndexError, match="host array"):
            x[index]
    with pytest.raises(TypeError, match="slice"):
        x[: xp.asarray(2)]
    with pytest.raises(TypeError):
        range(xp.asarray(2))


@pytest.mark.parametrize(
    "name", ["errstate", "insert", "block", "einsum_path", "vecdot", "unstack", "nditer", "no_such"]
)
def test_names_that_cupy_lacks(name):
    with pytest.raises(AttributeError, match=f"cupy has no attribute '{name}'"):
        getattr(xp, name)


def test_methods_and_keywords_that_cupy_lacks(x):
    with pytest.raises(AttributeError, match="cupy.ndarray has no attribute 'setfield'"):
        getattr(x, "setfield")  # noqa: B009 (evaluated for its error)
    with pytest.raises(TypeError, match="keyword.*initial"):
        xp.max(x, initial=0)
    with pytest.raises(TypeError, match="keyword.*initial"):
        x.max(initial=0)
    with pytest.raises(AttributeError):
        getattr(xp.add, "at")  # noqa: B009
    with pytest.raises(TypeError, match="repeats"):
        xp.repeat(x, xp.asarray([1, 2, 3]), axis=0)


def test_lists_are_not_arrays(x):
    for call in (lambda: xp.sum([1, 2]), lambda: x + [1, 2, 3, 4], lambda: x.__setitem__(0, [1, 2, 3, 4])):
        with pytest.raises(TypeError):
            call()


# ---------------------------------------------------------------- computed


@pytest.mark.parametrize(
    "compute",
    [
        lambda xp, x: x.sum(axis=0, keepdims=True) + 2 * x - 1,
        lambda xp, x: (x.T @ x).reshape(-1)[::2],
        lambda xp, x: np.float32(2) * x,
        lambda xp, x: 2 - x / 3 + abs(-x) ** 2,
        lambda xp, x: xp.where(x > 3, x, 0)[1:, None],
        lambda xp, x: xp.take_along_axis(x, xp.argsort(-x, axis=1), axis=1),
        lambda xp, x: xp.stack([x, x], axis=-1).transpose(2, 0, 1).astype(np.float32),
        lambda xp, x: xp.concatenate([x, x[xp.asarray([2, 0])]]),
        lambda xp, x: (x > 3) & ~(x > 7),
        lambda xp, x: xp.linalg.norm(x, axis=1),
        lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, 2, axis=1).sum(axis=-1),
        lambda xp, x: xp.einsum("ij,kj->ik", x, x),
        lambda xp, x: xp.maximum(x, 5, out=xp.empty_like(x)),
        lambda xp, x: x[1, 2] * 3,
        lambda xp, x: xp.asarray([row.max() for row in to_host(x)]),
    ],
)
def test_same_values_and_dtypes_as_numpy(x, compute):
    got, want = compute(xp, x), np.asarray(compute(np, HOST))
    assert type(got) is StrictArray
    assert got.dtype == want.dtype and np.array_equal(to_host(got), want)


def test_reductions_stay_on_the_device(x):
    assert type(x.sum()) is type(xp.mean(x)) is type(x[0, 0]) is StrictArray
    assert x.sum().shape == ()


def test_views_share_memory_and_copies_do_not(x):
    x[0][1] = 50
    x[:, 2:] += 1
    assert to_host(x)[0, 1] == 50 and to_host(x)[1, 3] == 8 and HOST[0, 1] == 1
    y, z = x.copy(), copy.deepcopy(x)
    y[...] = 0
    z[...] = 0
    assert to_host(x).any()
    assert xp.asarray(x) is x


def test_one_number_of_an_array_is_a_view(x):
    for one in (x[1, 2], x[..., 2][1], x[1][2], list(x[1])[2]):
        x[1, 2] += 1
        assert one.shape == () and one.get() == x.get()[1, 2]


def test_set_copies_into_an_array_without_a_wait(x):
    view = x[1]
    with counting() as cost:
        x.set(2 * HOST)
    assert np.array_equal(view.get(), 2 * HOST[1])
    assert (cost.uploads, cost.synchronisations, cost.count("memory")) == (1, 0, 0)
    for other in (HOST[:2], HOST.astype(np.float32)):
        with pytest.raises(ValueError, match="cannot be set to float64"):
            x.set(other)


def test_a_locked_array_cannot_be_written(x):
    x.setflags(write=False)
    for write in (lambda: x.__setitem__(0, 1), lambda: x.__iadd__(1), lambda: x[1:].__imul__(2)):
        with pytest.raises(ValueError, match="read-only"):
            write()


def test_sparse_matrices():
    data, row, column = xp.asarray([1.0, 2.0]), xp.asarray([0, 1]), xp.asarray([2, 0])
    A = sparse(xp).csr_matrix((data, (row, column)), shape=(2, 3))
    dense = xp.asarray(np.ones((3, 2)))
    assert np.array_equal(to_host(A @ dense), [[1, 1], [2, 2]])
    assert np.array_equal(to_host(A.T @ (A @ dense)), [[4, 4], [0, 0], [1, 1]])
    assert np.array_equal(to_host(A.toarray()), [[0, 0, 1], [2, 0, 0]])
    with pytest.raises(TypeError, match="device arrays only"):
        A @ np.ones((3, 2))
    with pytest.raises(TypeError, match="needs device arrays"):
        sparse(xp).csr_matrix((np.ones(2), (row, column)), shape=(2, 3))
    with pytest.raises(AttributeError):
        getattr(A, "resize")  # noqa: B009


# ---------------------------------------------------------------- counted


@pytest.mark.parametrize(
    ("wait", "times"),
    [
        (lambda x: x.get(), 1),
        (lambda x: float(x.sum()), 1),
        (lambda x: int(x[0, 0]), 1),
        (lambda x: bool((x > 0).any()), 1),
        (lambda x: x.sum().item(), 1),
        (lambda x: x.tolist(), 1),
        (lambda x: x[x > 3], 1),
        (lambda x: xp.nonzero(x), 1),
        (lambda x: xp.argwhere(x), 1),
        (lambda x: xp.flatnonzero(x), 1),
        (lambda x: xp.unique(x), 1),
        (lambda x: xp.where(x > 3), 1),
        (lambda x: x.__setitem__(x > 3, x[x > 3]), 2),
        (lambda x: [1 for row in x if row.sum() > 0], 3),
        (lambda x: x.__setitem__(x > 3, 0.0), 0),
        (lambda x: xp.where(x > 3, x, 0).sum(axis=1) @ x, 0),
        (lambda x: x[xp.asarray([0, 2])], 0),
        (lambda x: len(x) + x.shape[1] + x.ndim, 0),
    ],
)
def test_synchronisations_are_counted(x, wait, times):
    with counting() as cost:
        wait(x)
    assert cost.synchronisations == times


def test_operations_are_counted_and_views_are_free(x):
    with counting() as cost:
        assert x[1:].reshape(-1).T.shape == (8,)
    assert cost.operations == 0
    with counting() as outer:
        with counting() as inner:
            x + 1
        x.sum()
    assert (inner.operations, outer.operations) == (1, 2)


def test_cost_of_a_linear_layer():
    weight, bias = xp.asarray(np.ones((4, 2))), xp.asarray(np.ones(2))
    with counting() as cost:
        _, cache = linear.linear_forward(xp.asarray(HOST), weight, bias)
    assert (cost.synchronisations, cost.operations) == (0, 3)  # to the device, matrix product, addition


def test_what_nobody_wrote_shows():
    assert np.isnan(to_host(xp.empty((2, 3), np.float32))).all() and to_host(xp.empty(2, int)).tolist() == [-1, -1]


# ---------------------------------------------------------------- kernels


def convolution():
    x, weight = (xp.asarray(np.ones(shape, np.float32)) for shape in ((1, 4, 4, 2), (3, 3, 2, 3)))
    with counting() as cost:
        y, cache = conv.conv2d_forward(x, weight, None)
        conv.conv2d_backward(y, cache)
    return cost.operations, to_host(y)


@pytest.mark.skipif(not cuda_emulator.available(), reason="g++ is missing: the CUDA kernels cannot be run on the host")
def test_each_launch_counts_as_one_operation_and_dry_ones_count_the_same():
    text, wanted = convolution()
    with strict_device.kernels() as launched:
        operations, y = convolution()
    with strict_device.kernels(dry=True) as dry:
        counted, nothing = convolution()
    assert launched == dry == ["image_to_columns", "image_to_columns", "columns_to_image"]
    assert operations == counted == 9 < text and np.array_equal(y, wanted) and not nothing.any()
    assert convolution()[0] == text  # the kernels are gone


# ---------------------------------------------------------------- the list of names


def test_the_list_knows_what_cupy_has_and_lacks():
    names = cupy_names.read()
    assert {"einsum", "take_along_axis", "partition", "add"} <= set(names["cupy"])
    assert "initial" not in names["cupy"]["max"]
    assert "# Public names of CuPy 14" in cupy_names.LIST.read_text()


def test_the_list_agrees_with_an_installed_cupy():
    pytest.importorskip("cupy")
    installed, listed = cupy_names.collect(), cupy_names.read()
    for path in listed:
        assert set(listed[path]) <= set(installed[path]), path


def test_every_listed_name_that_numpy_has_is_reachable():
    for name in strict_device.NAMES["cupy"]:
        if hasattr(np, name):
            getattr(xp, name)
