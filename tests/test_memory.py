"""The bytes of a cache: each array once, views by what they keep alive, sparse matrices and plain objects too."""

import numpy as np
import pytest
from scipy import sparse

from tinymaskrcnn.nn import Sequential
from tinymaskrcnn.nn.layers import Linear, ReLU
from tinymaskrcnn.testing import cache_bytes, cache_table


class Kept:
    def __init__(self, array):
        self.array = array


def test_nested_caches_are_summed():
    inner = [np.zeros((2, 2), np.float32), {"a": np.zeros(5, np.uint8)}]
    cache = (np.zeros(3), inner, None, 7, (4, 4), Kept(np.zeros(2)))
    assert cache_bytes(cache) == 24 + 16 + 5 + 16


def test_an_array_counts_once():
    x = np.zeros(10)
    assert cache_bytes((x, [x], x)) == 80


def test_views_count_as_what_they_keep_alive():
    x = np.zeros((10, 10))
    assert cache_bytes(x[:1]) == 800
    assert cache_bytes((x[:5], x[5:], x.T, np.broadcast_to(x[0], (9, 10)))) == 800
    assert cache_bytes((x[:1].copy(), x[0, 0])) == 80 + 8


def test_sparse_matrices_count_their_three_arrays():
    matrix = sparse.csr_matrix(np.eye(4))
    assert cache_bytes((matrix, 1)) == matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes


@pytest.mark.parametrize("nothing", [None, (), [], {}, (3, "same")])
def test_nothing_costs_nothing(nothing):
    assert cache_bytes(nothing) == 0


def test_weights_can_be_left_out():
    layer = Linear(3, 4, rng=np.random.default_rng(0))
    x = np.ones((5, 3), np.float32)
    _, cache = layer.forward(x)
    assert cache_bytes(cache) == x.nbytes + layer.weight.value.nbytes
    assert cache_bytes(cache, without=layer) == x.nbytes
    assert cache_bytes(cache, without=(layer, x)) == 0


def test_inference_keeps_nothing():
    rng = np.random.default_rng(0)
    network = Sequential(Linear(3, 8, rng=rng), ReLU(), Linear(8, 2, rng=rng))
    x = np.ones((5, 3), np.float32)
    hidden = 5 * 8 * 4
    assert cache_bytes(network.forward(x)[1], without=network) == x.nbytes + hidden  # one array serves ReLU and Linear
    assert cache_bytes(network.eval().forward(x)[1]) == 0


def test_the_table_names_every_array():
    x = np.zeros((2, 3), np.float32)
    lines = cache_table((x, {"mask": np.zeros(5, bool)}, x.T), without=()).splitlines()
    assert [line.split() for line in lines] == [
        ["cache[0]", "(2,", "3)", "float32", "24"],
        ["cache[1]['mask']", "(5,)", "bool", "5"],
        ["cache[2]", "(3,", "2)", "float32", "0"],
        ["sum", "in", "bytes", "29"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert cache_table(None).split() == ["sum", "in", "bytes", "0"]
