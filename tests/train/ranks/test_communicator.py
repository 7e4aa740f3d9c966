"""What is built on `exchange`: sums in the order of the ranks, the same bits on all of them."""

import numpy as np
import pytest

from tinymaskrcnn.train.ranks.communicator import Communicator, in_order


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("length", [0, 1, 7, 1000])
def test_a_long_sum_is_that_of_the_ranks_in_their_order(threads, size, length):
    parts = np.random.default_rng(length).normal(size=(size, length)).astype(np.float32)

    def work(ranks):
        flat = parts[ranks.rank].copy()
        ranks.sum_into(flat)
        return flat

    for flat in threads.on_ranks(size, work):
        np.testing.assert_array_equal(flat, in_order(list(parts)))


def test_small_things_keep_their_shape_and_type(threads):
    def work(ranks):
        everybody = ranks.everybody(np.full((2, 3), ranks.rank, np.int16))
        assert [a.shape for a in everybody] == [(2, 3)] * 3 and everybody[2].dtype == np.int16
        total = ranks.total(np.float32(ranks.rank + 0.5))
        assert total.shape == () and total.dtype == np.float32 and ranks.total(2) == 6
        return float(total), [float(a.mean()) for a in everybody]

    assert threads.on_ranks(3, work) == [(4.5, [0, 1, 2])] * 3


def test_bytes_of_the_first_and_texts_of_all(threads):
    def work(ranks):
        return ranks.from_first(b"abc" if ranks.first else b"something longer"), ranks.told({"rank": ranks.rank})

    assert threads.on_ranks(2, work) == [(b"abc", [{"rank": 0}, {"rank": 1}])] * 2


def test_one_process_is_a_rank_of_its_own():
    alone, flat = Communicator(), np.arange(3.0)
    alone.sum_into(flat)
    assert alone.first and flat.tolist() == [0, 1, 2] and alone.total(4) == 4 and alone.told("x") == ["x"]
