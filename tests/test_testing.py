"""The harness itself: every planted fault is caught, by the right check, in words that say what is wrong."""

import sys

import numpy as np
import pytest
import strict_device
from pretended_cupy import pretended

from tinymaskrcnn.backend import array_module
from tinymaskrcnn.homework.answer import local_answer
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import judge
from tinymaskrcnn.models.backbones.fpn import FPN, _each_backward
from tinymaskrcnn.nn import Module, Parameter
from tinymaskrcnn.nn.layers import Linear, ReLU
from tinymaskrcnn.nn.module import Sequential
from tinymaskrcnn.ops import conv, linear, pool
from tinymaskrcnn.testing import CHECKS, CheckFailed, Report, available_backends, check_layer, check_pair

RNG = np.random.default_rng(3)
X, WEIGHT, BIAS = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 4)), RNG.standard_normal(4)
LINEAR = (X, WEIGHT, BIAS)


ONLY_VALUES = {name: "not the point" for name in ("linearity", "state", "twice", "ownership")}


def caught(check, words, function, *args, **data):
    """The harness must fail, in this check, with these words."""
    with pytest.raises(CheckFailed) as failure:
        function(*args, **data)
    assert failure.value.check == check, failure.value
    for part in words if isinstance(words, tuple) else (words,):
        assert part in str(failure.value), failure.value


def double_forward(x):
    """x (K, C)  ->  y (K, C)"""
    return 2 * x, None


def double_backward(dy, cache):
    return 2 * dy


# ---------------------------------------------------------------- what is right passes


def test_a_right_pair_and_a_right_layer_pass():
    check_pair(linear.linear_forward, linear.linear_backward, LINEAR, backends=[strict_device.BACKEND])
    check_layer(Linear(3, 4, rng=np.random.default_rng(0)), X, backends=[strict_device.BACKEND])


def test_the_layer_is_left_as_it_was():
    layer = Linear(3, 4, rng=np.random.default_rng(0))
    before = layer.state_dict()
    check_layer(layer, X)
    assert layer.training and vars(layer).keys() == {"weight", "bias"}
    assert layer.weight.value.flags.writeable and layer.weight.value.dtype == np.float32
    assert all(np.array_equal(before[name], value) for name, value in layer.state_dict().items())
    assert not layer.weight.grad.any()


def test_float32_inputs_will_do():
    check_pair(linear.linear_forward, linear.linear_backward, [a.astype(np.float32) for a in LINEAR])


def dropout_forward(x, *, rng):
    keep = (rng.random(x.shape) < 0.5).astype(x.dtype)
    return x * keep, keep


def dropout_backward(dy, keep):
    return dy * keep


@pytest.mark.parametrize("rng", [7, np.random.default_rng(7)])
def test_every_call_gets_a_generator_in_the_same_state(rng):
    check_pair(dropout_forward, dropout_backward, [X], rng=rng)


def losses_forward(pyramid, scale):
    total = sum(level.sum() for level in pyramid)
    losses = {"sum": np.asarray(total * scale), "scale": np.asarray(scale * scale)}
    return losses, (pyramid, scale, total)


def losses_backward(dlosses, cache):
    pyramid, scale, total = cache
    dpyramid = [np.full_like(level, scale * dlosses["sum"]) for level in pyramid]
    return dpyramid, np.asarray(total * dlosses["sum"] + 2 * scale * dlosses["scale"])


def test_lists_dictionaries_and_zero_dimensional_arrays():
    check_pair(losses_forward, losses_backward, [[X, WEIGHT], np.array(1.5)], zero_rows=("pyramid",))


def test_no_gpu_no_backend():
    assert all(backend.name == "cuda" for backend in available_backends())


def test_a_gpu_that_nobody_asked_for_is_not_touched(monkeypatch):
    """Not by the harness, and not by the homework, which would take points from right functions for NumPy alone."""
    exercise = find_exercise("hw01.linear_backward")
    reference = exercise.blank.reference()

    def refuse():
        raise AssertionError("somebody looked for a GPU")

    with pretended():
        monkeypatch.setattr(sys.modules["cupy"], "is_available", refuse)
        check_pair(lambda x: (np.exp(x), np.exp(x)), lambda dy, y: dy * y, [X])
        check_layer(Linear(3, 4, rng=np.random.default_rng(0)), X)
        verdict = judge(exercise, lambda call: local_answer(exercise, reference, call), hidden=True)
    assert verdict.word == "right"


# ---------------------------------------------------------------- 1: the gradient


def test_missing_factor():
    def half_backward(dy, cache):
        return 1 * dy

    words = ("wrong gradient for x (5, 3)", "15 of 15", "0.5 times what it should be: a factor is missing")
    caught("gradient", words, check_pair, double_forward, half_backward, [X])


def test_wrong_in_one_place_only():
    def backward(dy, cache):
        dx, dweight, dbias = linear.linear_backward(dy, cache)
        dbias[2] = 0
        return dx, dweight, dbias

    words = ("wrong gradient for bias (4,)", "1 of 4", "[2]", "backward gives 0 there")
    caught("gradient", words, check_pair, linear.linear_forward, backward, LINEAR)


def test_large_arrays_are_checked_along_directions_and_the_message_shows_numbers():
    def backward(dy, cache):
        return 2 * dy + 0.01 * dy.mean()

    words = ("direction 0", "[0, 0]", "[39, 39]")
    caught("gradient", words, check_pair, double_forward, backward, [RNG.standard_normal((40, 40))])


def test_three_directions_unless_more_are_asked_for():
    """And then single numbers, six of them, for the message."""
    x = RNG.standard_normal((40, 40))
    caught("gradient", "9 of 9 derivatives differ", check_pair, double_forward, lambda dy, _: 1 * dy, [x])
    words = "11 of 11 derivatives differ"
    caught("gradient", words, check_pair, double_forward, lambda dy, _: 1 * dy, [x], directions=5)


def test_gradients_swapped_between_equal_shapes():
    def forward(a, b):
        return a * 2 + b * b, b

    def backward(dy, b):
        return 2 * b * dy, 2 * dy

    caught("gradient", "wrong gradient for a", check_pair, forward, backward, [X, X + 1])


def test_a_kink_is_named_as_a_possible_reason():
    def forward(x):
        return x + 2e-5 * abs(x), np.sign(x)

    x = X.copy()
    x[0, 0] = 1e-9
    caught("gradient", "close to a kink", check_pair, forward, lambda dy, s: dy * (1 + 2e-5 * s) + 0 * s, [x])


def max_pool_assigning_backward(dy, cache):
    """`=` for `+=`: a pixel that wins two windows keeps the gradient of the last."""
    x, y, kernel, stride, _ = cache
    dx = np.zeros_like(x)
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            rows, columns = (slice(k * s, k * s + n) for k, s, n in zip((i, j), stride, kernel))
            winner = x[:, rows, columns] == y[:, i : i + 1, j : j + 1]
            dx[:, rows, columns] = np.where(winner, dy[:, i : i + 1, j : j + 1], dx[:, rows, columns])
    return dx


def test_max_pool_backward_that_assigns():
    x = RNG.permutation(72).reshape(2, 6, 6, 1) / 10.0
    check_pair(pool.max_pool2d_forward, max_pool_assigning_backward, [x], kernel=2, backends=())  # hidden here,
    words = "wrong gradient for x"  # visible where windows overlap
    caught("gradient", words, check_pair, pool.max_pool2d_forward, max_pool_assigning_backward, [x], kernel=3, stride=1)


def conv_forgetting_the_rest_backward(dy, cache):
    """The rows and columns that no window reached are put before the image instead of behind it."""
    x, weight, _, stride, padding, _, _ = cache
    dx, dweight, dbias = conv.conv2d_backward(dy, cache)
    rest = [(x.shape[i + 1] + 2 * padding[i] - weight.shape[i]) % stride[i] for i in (0, 1)]
    return np.roll(dx, rest, axis=(1, 2)), dweight, dbias


def test_conv_backward_wrong_where_the_stride_leaves_a_rest():
    inputs = [RNG.standard_normal((1, 5, 5, 2)), RNG.standard_normal((3, 3, 2, 2)), np.ones(2)]
    check_pair(conv.conv2d_forward, conv_forgetting_the_rest_backward, inputs, stride=2, backends=())
    inputs[0] = RNG.standard_normal((1, 6, 6, 2))
    words = "wrong gradient for x"
    caught("gradient", words, check_pair, conv.conv2d_forward, conv_forgetting_the_rest_backward, inputs, stride=2)


class ForgetfulFPN(FPN):
    """Its backward forgets that every level also fed the one below it."""

    def backward(self, dpyramid, cache):
        c_inner, _, c_layer = cache
        *dpyramid, dp6 = dpyramid
        dpyramid[-1] = dpyramid[-1].copy()
        dpyramid[-1][:, ::2, ::2] += dp6
        return _each_backward(self.inner_blocks, _each_backward(self.layer_blocks, dpyramid, c_layer), c_inner)


def test_fpn_without_the_top_down_add():
    features = [RNG.standard_normal((1, side, side, 2)) for side in (4, 2)]
    module = ForgetfulFPN((2, 2), 2, rng=np.random.default_rng(0))
    caught("gradient", "wrong gradient for features[1]", check_layer, module, features)


# ---------------------------------------------------------------- 2: shapes, dtypes, structure


def test_no_cache_returned():
    caught("structure", "must return (y, cache)", check_pair, lambda x: 2 * x, double_backward, [X])


def test_wrong_shape_and_wrong_number_of_gradients():
    caught("structure", "the gradient of x must have shape (5, 3); got (3, 5)", check_pair, double_forward,
           lambda dy, _: 2 * dy.T, [X])  # fmt: skip
    caught("structure", "must return 3 gradients, one per input; got 2 of them", check_pair, linear.linear_forward,
           lambda dy, cache: linear.linear_backward(dy, cache)[:2], LINEAR)  # fmt: skip
    caught("structure", "the gradient of pyramid must be a list of 2; got ndarray", check_pair, losses_forward,
           lambda dy, cache: (X, np.array(1.0)), [[X, X], np.array(1.0)])  # fmt: skip


def test_none_for_a_gradient_must_be_said():
    def backward(dy, cache):
        dx, dweight, _ = linear.linear_backward(dy, cache)
        return dx, dweight, None

    caught("structure", "without_gradient=('bias',)", check_pair, linear.linear_forward, backward, LINEAR)
    check_pair(linear.linear_forward, backward, LINEAR, without_gradient=("bias",), backends=())


def test_upcast_to_float64():
    def forward(x):
        return x * np.float64(2), None

    caught("structure", "y must be float32 when the inputs are; got float64", check_pair, forward, double_backward, [X])

    def backward(dy, _):
        return dy * np.array([2.0])

    caught("structure", "gradient of x must be float32; got float64", check_pair, double_forward, backward, [X])


def test_wrong_in_float32_only():
    def forward(x):
        return (2 * x if x.dtype == np.float64 else 2.1 * x), None

    caught("structure", "in float32", check_pair, forward, double_backward, [X], skip={"linearity": "not the point"})


def test_not_a_number_in_float32_only():
    def forward(x):
        return (2 * x if x.dtype == np.float64 else x * np.float32(np.nan)), None

    caught("structure", "differs by nan", check_pair, forward, double_backward, [X], skip=ONLY_VALUES)


def test_a_forward_without_floats():
    words = "must return floating point arrays in y; got ndarray"
    caught("structure", words, check_pair, lambda x: (x.astype(int), None), double_backward, [X])


def sum_forward(*parts):
    return sum(parts), len(parts)


def sum_backward(dy, count):
    return tuple(1 * dy for _ in range(count))


def test_arguments_without_a_name_are_counted():
    """Of *parts the signature says nothing; behind a named argument the last name goes on."""

    def last_wrong(dy, count):
        return (*sum_backward(dy, count)[:-1], 2 * dy)

    check_pair(sum_forward, sum_backward, [X, X + 1, X - 1])
    caught("gradient", "wrong gradient for input[2] (5, 3)", check_pair, sum_forward, last_wrong, [X, X + 1, X - 1])

    def forward(x, *rest):
        return sum_forward(x, *rest)

    caught("gradient", "wrong gradient for x[1] (5, 3)", check_pair, forward, last_wrong, [X, X + 1])


def test_sums_in_another_order_are_no_fault_of_memory():
    """NumPy adds what lies in a row otherwise than what has gaps, which shows in the last digits only."""
    x = RNG.standard_normal((40, 41))

    def forward(x, bias):
        return x + bias, None

    def backward(dy, _):
        return 1 * dy, np.einsum("ij->", dy)[()]

    check_pair(forward, backward, [x, np.array(0.5)])


def test_only_contiguous_memory_is_understood():
    def backward(dy, _):
        return 2 * np.ndarray(dy.shape, dy.dtype, dy.tobytes("A") if dy.flags.c_contiguous else bytes(dy.nbytes))

    caught("structure", "not contiguous", check_pair, double_forward, backward, [X])


# ---------------------------------------------------------------- 3: linearity


def test_backward_that_clips():
    def backward(dy, _):
        return 2 * np.clip(dy, -0.1, 0.1)

    caught("linearity", "not linear in dy (gradient of x)", check_pair, double_forward, backward, [X])


@pytest.mark.parametrize("place, name", [*enumerate(["x", "weight", "bias"])])
def test_one_gradient_of_several_that_clips(place, name):
    def backward(dy, cache):
        gradients = list(linear.linear_backward(dy, cache))
        gradients[place] = np.clip(gradients[place], -0.1, 0.1)
        return tuple(gradients)

    words = f"not linear in dy (gradient of {name})"
    caught("linearity", words, check_pair, linear.linear_forward, backward, LINEAR)


def test_backward_that_adds():
    caught("linearity", "not linear in dy", check_pair, double_forward, lambda dy, _: 2 * dy + 1, [X])


# ---------------------------------------------------------------- 4: backward twice


class Overwriting(Linear):
    def backward(self, dy, cache):
        dx, dweight, dbias = linear.linear_backward(dy, cache)
        self.weight.grad = dweight
        self.bias.grad += dbias
        return dx


def make(kind):
    return kind(3, 4, rng=np.random.default_rng(0))


def test_gradient_overwritten():
    words = "Overwriting.backward overwrote weight.grad instead of adding to it"
    caught("twice", words, check_layer, make(Overwriting), X)


def test_cache_taken_apart():
    def backward(dy, cache):
        return cache.pop() * dy

    caught("twice", "must not take the cache apart", check_pair, lambda x: (2 * x, [2.0]), backward, [X])


def test_a_cache_that_counts_how_often_it_was_used():
    def backward(dy, cache):
        cache.append(2.0)
        return sum(cache) * dy

    words = "called twice with the same dy and cache returns two different gradients"
    caught("twice", words, check_pair, lambda x: (2 * x, []), backward, [X], skip={"linearity": "calls it twice, too"})


def test_gradient_in_a_shared_buffer():
    buffers = {np.dtype(t): np.zeros((5, 3), t) for t in (np.float32, np.float64)}

    def backward(dy, _):
        return np.multiply(dy, 2, out=buffers[dy.dtype])

    words = "a later backward overwrote the gradient that an earlier one returned"
    caught("twice", words, check_pair, double_forward, backward, [X])


# ---------------------------------------------------------------- 5: nothing remembered


class Remembering(Linear):
    def forward(self, x):
        y, self.cache = linear.linear_forward(x, self.weight.value, self.bias.value)
        return y, self.keep(())

    def backward(self, dy, cache):
        dx, dweight, dbias = linear.linear_backward(dy, self.cache)
        self.weight.grad += dweight
        self.bias.grad += dbias
        return dx


class Counting(ReLU):
    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(1)
        return super().forward(x)


def test_cache_on_self():
    caught("state", "Remembering stored something in self.cache", check_layer, make(Remembering), X)


def test_list_on_self_of_a_child():
    words = "Counting stored something in self.seen"
    caught("state", words, check_layer, Sequential(Linear(3, 4, rng=np.random.default_rng(0)), Counting()), X)


@pytest.mark.parametrize(
    "memory, remember",
    [
        ({}, lambda memory, x: memory.setdefault(id(x))),
        ({"x": None}, lambda memory, x: memory.update(x=x)),
        ({0: None}, lambda memory, x: memory.update({max(memory) + 1: memory.pop(max(memory))})),
        ([None], lambda memory, x: memory.__setitem__(0, x)),
        (set(), lambda memory, x: memory.add(id(x))),
    ],
)
def test_whatever_a_container_on_self_remembers(memory, remember):
    """Another entry, another key for the same entry, or something else in its place."""

    class Filling(ReLU):
        def __init__(self):
            self.memory = memory

        def forward(self, x):
            remember(self.memory, x)
            return super().forward(x)

    caught("state", "Filling stored something in self.memory", check_layer, Filling(), X)


class RememberingBackward(Linear):
    def backward(self, dy, cache):
        self.last = dy
        return super().backward(dy, cache)


def test_dy_on_self():
    words = "RememberingBackward stored something in self.last"
    caught("state", words, check_layer, make(RememberingBackward), X)


def test_cache_in_a_global():
    memory = {}

    def forward(x):
        memory["x"] = x
        return x * x, None

    def backward(dy, _):
        return 2 * memory["x"] * dy

    words = "another forward ran in between"
    caught("state", words, check_pair, forward, backward, [X])


def test_result_in_a_shared_buffer():
    buffers = {np.dtype(t): np.zeros((5, 3), t) for t in (np.float32, np.float64)}

    def forward(x):
        return np.multiply(x, 2, out=buffers[x.dtype]), None

    caught("state", "overwrote the result of the first", check_pair, forward, double_backward, [X])


# ---------------------------------------------------------------- 6: ownership


def test_writing_into_dy():
    def backward(dy, _):
        dy *= 2
        return dy

    words = ("backward wrote into an array that it had received", "dy *= 2", "write a + b, not a += b")
    caught("ownership", words, check_pair, double_forward, backward, [X])


def test_writing_into_the_input():
    def forward(x):
        x[x < 0] = 0
        return x, x > 0

    caught("ownership", "x[x < 0] = 0", check_pair, forward, lambda dy, keep: dy * keep, [X])


def test_writing_into_the_cache():
    def backward(dy, cache):
        cache *= dy
        return cache

    caught("ownership", "cache *= dy", check_pair, lambda x: (x * x, 2 * x), backward, [X])


def test_writing_behind_the_lock():
    def forward(x):
        x.setflags(write=True)
        x *= 2
        return x, None

    caught("ownership", "forward wrote into x", check_pair, forward, double_backward, [X])


class Block(Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.left, self.right = Linear(3, 4, rng=rng), Linear(3, 4, rng=rng)

    def forward(self, x):
        a, c_left = self.left.forward(x)
        b, c_right = self.right.forward(x)
        return self.add(a, b), self.keep((c_left, c_right))

    def add(self, a, b):
        return a + b

    def backward(self, dy, cache):
        return self.add(self.left.backward(dy, cache[0]), self.right.backward(dy, cache[1]))


class InPlaceForward(Block):
    def add(self, a, b):
        a += b
        return a


class InPlaceBackward(Block):
    def backward(self, dy, cache):
        dx = self.left.backward(dy, cache[0])
        dx += self.right.backward(dy, cache[1])
        return dx


def test_in_place_sum_into_a_childs_array():
    check_layer(Block(), X)
    words = ("InPlaceForward.forward wrote into an array", "a += b")
    caught("ownership", words, check_layer, InPlaceForward(), X)
    words = ("InPlaceBackward.backward wrote into an array", "dx += self.right.backward")
    caught("ownership", words, check_layer, InPlaceBackward(), X)


class Masking(Module):
    """A child that is told by keyword, and writes into what it was told."""

    def __init__(self, in_place):
        self.in_place = in_place

    def forward(self, x, *, keep):
        if self.in_place:
            keep *= 2
        return x * keep, self.keep(keep)

    def backward(self, dy, keep):
        return dy * keep


class Masked(Module):
    def __init__(self, in_place):
        self.child = Masking(in_place)

    def forward(self, x):
        return self.child.forward(x, keep=np.full(x.shape, 0.5, x.dtype))

    def backward(self, dy, cache):
        return self.child.backward(dy, cache)


def test_a_child_that_writes_into_a_keyword_argument():
    check_layer(Masked(in_place=False), X)
    caught("ownership", "keep *= 2", check_layer, Masked(in_place=True), X)


class WeightChanging(Linear):
    def forward(self, x):
        self.weight.value *= 0.9
        return super().forward(x)


def test_writing_into_a_parameter():
    caught("ownership", "self.weight.value *= 0.9", check_layer, make(WeightChanging), X)


class BiasChanging(Module):
    """What it writes into is in no cache."""

    def __init__(self):
        self.bias = Parameter(np.ones(3, np.float32))

    def forward(self, x):
        self.bias.value *= 0.9
        return x + self.bias.value, self.keep(())

    def backward(self, dy, cache):
        self.bias.grad += dy.sum(axis=0)
        return 1 * dy


def test_writing_into_a_parameter_that_no_cache_holds():
    caught("ownership", "self.bias.value *= 0.9", check_layer, BiasChanging(), X)


# ---------------------------------------------------------------- 7, 8: eval and zero rows


class Hoarding(Linear):
    def forward(self, x):
        return linear.linear_forward(x, self.weight.value, self.bias.value)


def test_cache_kept_in_eval():
    words = ("Hoarding.forward keeps arrays in eval mode", "return self.keep(cache)")
    caught("eval", words, check_layer, make(Hoarding), X)


def mean_forward(x):
    """x (K, C)  ->  y (C,)"""
    return x.mean(axis=0), x.shape


def mean_backward(dy, shape):
    return np.broadcast_to(dy / shape[0], shape).copy()


def test_mean_of_nothing():
    words = ("with zero rows in x", "RuntimeWarning", "return x.mean(axis=0), x.shape")
    caught("empty", words, check_pair, mean_forward, mean_backward, [X])
    check_pair(mean_forward, mean_backward, [X], skip={"zero_rows": "a mean of nothing is not defined"}, backends=())


def test_nan_from_nothing():
    def forward(x):
        return np.asarray(x.sum() if len(x) else x.dtype.type(np.nan)), x.shape

    caught("empty", "y must be finite", check_pair, forward, lambda dy, shape: np.full(shape, dy), [X])


def test_crash_on_nothing():
    def forward(x):
        return x * 2 + 0 * x[0], x.shape

    def backward(dy, shape):
        return 2 * dy

    caught("empty", "IndexError", check_pair, forward, backward, [X])


# ---------------------------------------------------------------- 9: backends


def on_device(function, backward, words):
    caught("backend", words, check_pair, function, backward, [X], backends=[strict_device.BACKEND])


def test_backends_mixed():
    on_device(lambda x: (x * np.full(3, 2, x.dtype), None), double_backward, "a host array (3,)")


def test_numpy_function_on_a_device_array():
    def forward(x):
        y = np.exp(x)
        return y, y

    on_device(forward, lambda dy, y: dy * y, "np.exp was called on a device array")


def test_silent_move_to_the_host():
    on_device(lambda x: (2 * (x.get() if hasattr(x, "get") else x), None), double_backward, "came back as a host array")


def test_a_name_that_cupy_lacks():
    def forward(x):
        return array_module(x).insert(x, 0, 1.0, axis=0)[1:] * 2, None

    on_device(forward, double_backward, "cupy has no attribute 'insert'")


def test_other_values_on_the_device():
    def forward(x):
        return (x * 2 if array_module(x) is np else x * 2.5), None

    on_device(forward, double_backward, "differs by 2.5e-01 (relative) on the strict device array")


# ---------------------------------------------------------------- 10: randomness


def test_generator_of_its_own():
    def forward(x, *, rng):
        return dropout_forward(x, rng=np.random.default_rng())

    caught(
        "random", "draw random numbers from the rng argument only", check_pair, forward, dropout_backward, [X], rng=1
    )


def test_global_generator():
    def forward(x):
        return x + np.random.rand(), None  # noqa: NPY002 (the fault)

    caught("random", "NumPy's global generator", check_pair, forward, lambda dy, _: 1 * dy, [X])


# ---------------------------------------------------------------- what was measured


def slightly_wrong(share):
    def backward(dy, cache):
        return 2 * (1 + share) * dy

    return backward


def test_the_report_says_how_large_the_errors_were():
    report = check_pair(double_forward, slightly_wrong(3e-7), [X], backends=[strict_device.BACKEND])
    assert 2.5e-7 < report.gradient < 3.1e-7
    assert 0 < report.float32 < 1e-6
    assert report.backends == {strict_device.BACKEND.name: 0}
    report = check_pair(double_forward, double_backward, [X], backends=())
    assert report.gradient < 1e-9 and report.backends == {}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_report_names_the_largest_error_wherever_it_is(place):
    def backward(dy, cache):
        gradients = list(linear.linear_backward(dy, cache))
        gradients[place] = gradients[place] * (1 + 3e-7)
        return tuple(gradients)

    assert 2.5e-7 < check_pair(linear.linear_forward, backward, LINEAR).gradient < 3.5e-7


def test_the_report_of_a_layer_looks_at_its_parameters():
    class Slightly(Linear):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            self.bias.grad *= 1 + 4e-7
            return dx

    skip = {"twice": "the fault", "linearity": "the fault"}
    assert 3e-7 < check_layer(make(Slightly), X, skip=skip, backends=()).gradient < 5e-7
    assert check_layer(make(Linear), X, backends=()).gradient < 1e-8


def test_the_report_knows_what_was_skipped():
    skip = {"gradient": "not the point", "backend": "not the point"}
    assert check_pair(double_forward, double_backward, [X], skip=skip) == Report(None, None, {})


# ---------------------------------------------------------------- in one precision, on one side, in one part only


def test_a_fault_in_single_precision_alone_is_found():
    """Whatever is asked in double precision is asked in single precision, too."""
    memory, seen = {}, []

    def remembering(x):
        memory["x"] = x
        return x * x, x

    def recalling(dy, x):
        return 2 * (memory["x"] if single(dy) else x) * dy

    caught("state", "another remembering ran in between", check_pair, remembering, recalling, [X])

    def drifting(x):
        seen.append(x)
        return x * 2 + (x.dtype.type(1e-6 * len(seen)) if single(x) else 0), None

    caught("random", "draw random numbers from the rng argument only", check_pair, drifting, double_backward, [X])

    def writing(dy, _):
        if single(dy):
            dy *= 2
            return dy
        return 2 * dy

    caught("ownership", "dy *= 2", check_pair, double_forward, writing, [X])


def test_another_precision_on_the_device_alone_is_found():
    def forward(x):
        return (x * 2 if array_module(x) is np or x.dtype == np.float64 else x.astype(np.float64) * 2), None

    on_device(forward, double_backward, "y must be float32 on the strict device array; got float64")


def test_what_one_of_several_outputs_cannot_resolve_is_forgiven_in_all():
    """A thousand million beside ones: its last digits are noise in a difference, and no fault of the gradient."""

    def forward(x):
        return {"large": x + 1e9, "small": x * 1e-3}, None

    def backward(dy, _):
        return dy["large"] + dy["small"] * 1e-3

    skip = dict.fromkeys(("structure", "zero_rows", "linearity"), "not the point")
    assert check_pair(forward, backward, [X[:2]], skip=skip | {"strides": "digits"}).gradient < 1e-6


def test_a_path_that_was_forgotten_is_claimed_only_where_all_that_is_wrong_is_0():
    def partly(share):
        return lambda dy, _: np.where(np.arange(3) == 0, 0, share * dy).astype(dy.dtype)

    caught("gradient", "a path from this input to the output was forgotten", check_pair, double_forward, partly(2), [X])
    with pytest.raises(CheckFailed) as failure:
        check_pair(double_forward, partly(3), [X])
    assert "15 of 15" in str(failure.value) and "forgotten" not in str(failure.value)


SHARED = np.zeros((5, 3))


def shared_backward(dy, cache):
    return np.multiply(dy, 2, out=SHARED if (dy.dtype, dy.shape) == (SHARED.dtype, SHARED.shape) else None)


def silent_backward(dy, cache):
    return *linear.linear_backward(dy, cache)[:2], None


def only_rows(x):
    return x * 2 + 0 * x[0], None


class Kept(Linear):
    def forward(self, x):
        return linear.linear_forward(x, self.weight.value, self.bias.value)


def crooked(x):
    return (x * 2 if x.flags.c_contiguous or len(x) == 0 else x * 2.5), None


FAULTS = {  # a fault that this check alone finds: what is checked, on X
    "gradient": lambda skip: check_pair(double_forward, lambda dy, _: 3 * dy, [X], skip=skip),
    "structure": lambda skip: check_pair(linear.linear_forward, silent_backward, LINEAR, skip=skip),
    "strides": lambda skip: check_pair(crooked, double_backward, [X], skip=skip),
    "linearity": lambda skip: check_pair(
        double_forward, lambda dy, _: 2 * dy + 1, [X], skip=skip | {"gradient": "finds it, too"}
    ),
    "twice": lambda skip: check_pair(double_forward, shared_backward, [X], skip=skip | {"linearity": "finds it, too"}),
    "state": lambda skip: check_pair(*remembered(), [X], skip=skip),
    "ownership": lambda skip: check_pair(*behind_the_lock(), [X], skip=skip | UNLOCKED),
    "eval": lambda skip: check_layer(make(Kept), X, skip=skip),
    "zero_rows": lambda skip: check_pair(only_rows, double_backward, [X], skip=skip),
    "backend": lambda skip: check_pair(
        lambda x: (x * 2 if array_module(x) is np else x * 3, None),
        double_backward,
        [X],
        skip=skip,
        backends=[strict_device.BACKEND],
    ),
}
UNLOCKED = dict.fromkeys(
    ("state", "twice", "linearity", "gradient", "structure", "strides", "zero_rows"), "find it, too"
)


def remembered():
    memory = {}

    def forward(x):
        memory["last"] = x if len(x) else memory.get("last")
        return x * x, x

    def backward(dy, x):
        return 2 * (memory["last"] if dy.shape == memory["last"].shape else x) * dy

    return forward, backward


def behind_the_lock():
    def forward(x):
        x.setflags(write=True)
        x *= 2
        return x, None

    return forward, double_backward


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_can_be_left_out_and_is_made_otherwise(check):
    with pytest.raises(CheckFailed):
        FAULTS[check]({})
    FAULTS[check]({check: "it is what is tried here"})


# ---------------------------------------------------------------- how much is too much


def off_by(share, *, when):
    """A pair whose forward doubles, a share too large where `when` says so, and the right backward of a doubling."""

    def forward(x):
        return x * x.dtype.type(2 * (1 + share * bool(when(x)))), None

    return forward, lambda dy, _: dy * dy.dtype.type(2)


def single(x):
    return x.dtype == np.float32


def elsewhere(x):
    return array_module(x) is not np


def gaps(x):
    return isinstance(x, np.ndarray) and x.size > 1 and not x.flags.c_contiguous


@pytest.mark.parametrize(
    "check, share, when, options",
    [
        ("structure", 1e-3, single, {}),
        ("structure", 1e-9, gaps, {}),
        ("backend", 1e-9, elsewhere, {"backends": [strict_device.BACKEND]}),
    ],
)
def test_what_is_forgiven_and_what_is_not(check, share, when, options):
    """A share of the largest number: 0.8 of the limit passes, 1.25 of it does not; the gradient is not looked at."""
    skip = {"gradient": "not the point"} if when is not single else {}
    skip |= {"linearity": "not the point"}
    check_pair(*off_by(0.8 * share, when=when), [X], skip=skip, **options)
    caught(check, "", check_pair, *off_by(1.25 * share, when=when), [X], skip=skip, **options)


def test_a_device_in_single_precision_may_differ_by_a_thousandth():
    def when(x):
        return elsewhere(x) and single(x)

    check_pair(*off_by(0.8e-3, when=when), [X], backends=[strict_device.BACKEND])
    caught("backend", "", check_pair, *off_by(1.25e-3, when=when), [X], backends=[strict_device.BACKEND])


def test_a_millionth_of_a_derivative_is_forgiven():
    check_pair(double_forward, slightly_wrong(0.8e-6), [X])
    caught("gradient", "close to a kink", check_pair, double_forward, slightly_wrong(1.25e-6), [X])


def test_a_backward_that_is_nearly_linear_or_nearly_adds_up():
    def bent(share):
        return lambda dy, _: 2 * dy + share * abs(dy)

    skip = {"gradient": "not the point"}
    check_pair(double_forward, bent(1e-11), [X], skip=skip)
    caught("linearity", "", check_pair, double_forward, bent(1e-8), [X], skip=skip)

    class Fading(Linear):
        share = 0.0

        def backward(self, dy, cache):
            dx, dweight, dbias = linear.linear_backward(dy, cache)
            again = bool(self.bias.grad.any())
            self.weight.grad += dweight
            self.bias.grad += dbias * (1 + self.share * again)
            return dx

    skip |= {"linearity": "not the point"}
    for share, fine in ((1e-11, True), (1e-8, False)):
        Fading.share = share
        if fine:
            check_layer(make(Fading), X, skip=skip)
        else:
            caught("twice", "must double bias.grad; it did not", check_layer, make(Fading), X, skip=skip)


@pytest.mark.parametrize("shape, words", [((16, 16), "256 of 256"), ((257,), "9 of 9")])
def test_few_numbers_are_checked_one_by_one_and_ten_of_them_shown(shape, words):
    x = RNG.standard_normal(shape)
    with pytest.raises(CheckFailed) as failure:
        check_pair(double_forward, lambda dy, _: 1 * dy, [x])
    lines = str(failure.value).splitlines()
    rows = [line for line in lines if line.endswith("e-01")]
    assert words in lines[0] and len(rows) == min(10, int(words.split()[0]))
    assert lines[1].split() == ["where", "backward", "differences", "relative", "error"]


# ---------------------------------------------------------------- options


def test_a_check_is_skipped_for_a_reason_only():
    with pytest.raises(ValueError, match="reason"):
        check_pair(double_forward, double_backward, [X], skip={"zero_rows": ""})
    with pytest.raises(ValueError, match="gradient"):
        check_pair(double_forward, double_backward, [X], skip={"gradients": "typing error"})


def test_a_frozen_parameter_needs_no_gradient():
    class Frozen(Linear):
        def backward(self, dy, cache):
            return linear.linear_backward(dy, cache)[0]

    caught("gradient", "wrong gradient for weight", check_layer, make(Frozen), X)
    check_layer(make(Frozen).freeze(), X)


def test_a_parameter_used_twice_adds_up():
    class Tied(Module):
        def __init__(self):
            self.weight = Parameter(np.ones((3, 3), np.float32))

        def forward(self, x):
            h, c_first = linear.linear_forward(x, self.weight.value, x[0] * 0 if len(x) else np.zeros(3, x.dtype))
            y = h @ self.weight.value
            return y, self.keep((c_first, h))

        def backward(self, dy, cache):
            c_first, h = cache
            self.weight.grad += h.T @ dy
            dx, dweight, _ = linear.linear_backward(dy @ self.weight.value.T, c_first)
            self.weight.grad += dweight
            return dx

    check_layer(Tied(), X, backends=())
