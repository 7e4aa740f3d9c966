"""kernels/filters.py: a remembered transform never outlives the numbers it was made from."""

import numpy as np

from tinymaskrcnn.kernels import winograd
from tinymaskrcnn.kernels.filters import TransformedWeights, turned_round
from tinymaskrcnn.ops import conv


class Doubling:
    """A transform that counts its calls."""

    calls = 0

    def __call__(self, weight):
        self.calls += 1
        return 2 * weight


def test_an_unchanged_weight_is_transformed_once():
    weights, double, weight = TransformedWeights(), Doubling(), np.ones((3, 3, 2, 2), np.float32)
    first = weights.of(weight, 2, double)
    assert weights.of(weight, 2, double) is first and double.calls == 1
    assert np.array_equal(first, 2 * weight)


def test_a_change_of_one_number_is_seen():
    weights, double, weight = TransformedWeights(), Doubling(), np.ones((3, 3, 2, 2), np.float32)
    weights.of(weight, 2, double)
    weight[2, 2, 1, 1] += 1e-7
    assert np.array_equal(weights.of(weight, 2, double), 2 * weight) and double.calls == 2


def test_kinds_and_views_of_one_memory_are_kept_apart():
    weights, weight = TransformedWeights(), np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)
    weights.of(weight, "a", lambda w: w + 1)
    assert np.array_equal(weights.of(weight, "b", lambda w: w + 2), weight + 2)
    swapped = weight.transpose(0, 1, 3, 2)
    assert np.array_equal(weights.of(swapped, "a", lambda w: w + 1), swapped + 1)


def test_another_weight_at_the_same_place_in_memory():
    weights, double, memory = TransformedWeights(), Doubling(), np.ones(36, np.float32)
    weights.of(memory.reshape(3, 3, 2, 2), 2, double)
    memory[:] = 5
    assert (weights.of(memory.reshape(3, 3, 2, 2), 2, double) == 10).all()


def test_memory_stays_within_the_limit():
    weight = np.ones((3, 3, 2, 2), np.float32)
    weights = TransformedWeights(limit=4 * weight.nbytes)  # two weights with their transforms
    double, several = Doubling(), [weight + i for i in range(3)]
    for w in several:
        weights.of(w, 2, double)
    assert weights.bytes == 4 * weight.nbytes and len(weights.kept) == 2
    weights.of(several[2], 2, double)
    assert double.calls == 3
    weights.of(several[0], 2, double)
    assert double.calls == 4, "the first one had to go"
    assert weights.of(np.ones((3, 3, 9, 9), np.float32), 2, double).shape == (3, 3, 9, 9)
    assert weights.bytes <= weights.limit


def test_what_was_used_last_stays_longest():
    weight = np.ones((3, 3, 2, 2), np.float32)
    weights, double = TransformedWeights(limit=4 * weight.nbytes), Doubling()
    first, second, third = (weight + i for i in range(3))
    for w in (first, second, first, third, first):
        weights.of(w, 2, double)
    assert double.calls == 3, "the second one had to go"
    weights.of(second, 2, double)
    assert double.calls == 4


def test_a_transform_is_not_to_be_written_to():
    weights, weight = TransformedWeights(), np.ones((3, 3, 2, 2), np.float32)
    assert not weights.of(weight, 2, Doubling()).flags.writeable and weight.flags.writeable


def test_a_weight_that_changes_is_not_counted_twice():
    weights, weight = TransformedWeights(), np.ones((3, 3, 2, 2), np.float32)
    for _ in range(5):
        weights.of(weight, 2, Doubling())
        weight += 1
    assert weights.bytes == 2 * weight.nbytes and len(weights.kept) == 1


def test_a_convolution_follows_its_weight(normal):
    x, weight = normal(2, 16, 16, 32), normal(3, 3, 32, 32).copy()
    for _ in range(3):
        y, cache = conv.conv2d_forward(x, weight, None, padding=1)
        dx, _, _ = conv.conv2d_backward(y, cache)
        wanted, cache = conv.conv2d_forward.readable(x.astype(np.float64), weight.astype(np.float64), None, padding=1)
        wanted_dx, _, _ = conv.conv2d_backward.readable(wanted, cache)
        np.testing.assert_allclose(y, wanted, atol=2e-5 * abs(wanted).max())
        np.testing.assert_allclose(dx, wanted_dx, atol=4e-5 * abs(wanted_dx).max())
        weight *= -2  # in place, as an optimizer does


def test_turned_transform_is_that_of_the_turned_weight(normal):
    weight = normal(3, 3, 4, 5)
    turned = winograd.transformed_weight(weight, 2, turned=True)
    np.testing.assert_array_equal(turned, winograd.transformed_weight(turned_round(weight), 2))
