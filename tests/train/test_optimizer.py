"""Optimizers against numbers from torch.optim (2.13, float64), and the rules on decay, frozen weights and identity."""

import copy

import numpy as np
import pytest
from strict_device import counting
from tiny_model import tiny_model

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.errors import ArgumentError, CheckpointError, ConfigError
from tinymaskrcnn.nn.layers import Linear
from tinymaskrcnn.nn.module import Parameter
from tinymaskrcnn.train.optimizer import SGD, AdamW, build_optimizer, clip_by_global_norm, global_norm

START = [0.5, -1.25, 2.0]
GRADIENTS = [[0.1, -0.2, 0.3], [0.4, 0.0, -0.6], [-0.05, 0.25, 0.125], [1.0, -1.0, 0.5]]
TORCH = {
    "sgd": [
        [0.4895, -1.22875, 1.968],
        [0.43956049999999997, -1.20839625, 1.997232],
        [0.3991753895, -1.21386947875, 2.009043568],
        [0.26242961466049997, -1.11758151514625, 1.967664935632],
    ],
    "adamw": [
        [0.397500009999999, -1.1437500049999998, 1.8900000033333333],
        [0.30707486392511707, -1.0710254343005585, 1.9171603552485528],
        [0.24536907046368445, -1.0832359614195892, 1.9236860684924795],
        [0.17157751512519365, -1.0268533767867558, 1.8903372269432135],
    ],
}
MAKE = {
    "sgd": lambda named: SGD(named, momentum=0.9, weight_decay=0.01),
    "adamw": lambda named: AdamW(named, weight_decay=0.05),
}


def parameter(values, dtype=np.float64, **options):
    return Parameter(np.array(values, dtype), **options)


@pytest.mark.parametrize("name", MAKE)
def test_equals_torch(name):
    p = parameter(START)
    optimizer = MAKE[name]([("w", p)])
    for gradient, wanted in zip(GRADIENTS, TORCH[name]):
        p.grad[...] = gradient
        optimizer.step(0.1)
        np.testing.assert_allclose(p.value, wanted, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", MAKE)
def test_arrays_keep_their_identity_and_dtype_and_gradients_are_not_touched(name):
    p = parameter(START, np.float32)
    optimizer = MAKE[name]([("w", p)])
    value = p.value
    p.grad[...] = GRADIENTS[0]
    before = p.grad.copy()
    optimizer.step(0.1)
    assert p.value is value and value.dtype == np.float32
    assert all(array.dtype == np.float32 for array in optimizer.memory.values())
    np.testing.assert_array_equal(p.grad, before)


@pytest.mark.parametrize("name", MAKE)
def test_decay_only_where_a_parameter_asks_and_frozen_parameters_stay(name):
    weight, bias = parameter([1.0]), parameter([1.0], decay=False)
    frozen = parameter([1.0], trainable=False)
    frozen.grad[...] = 5.0
    MAKE[name]([("weight", weight), ("bias", bias), ("frozen", frozen)]).step(0.1)
    assert weight.value[0] < 1.0
    assert bias.value[0] == 1.0
    assert frozen.value[0] == 1.0


@pytest.mark.parametrize("name", MAKE)
def test_state_continues_exactly(name):
    def run(steps, optimizer, p):
        for gradient in steps:
            p.grad[...] = gradient
            optimizer.step(0.1)

    straight, broken = parameter(START), parameter(START)
    optimizer = MAKE[name]([("w", straight)])
    run(GRADIENTS, optimizer, straight)
    first = MAKE[name]([("w", broken)])
    run(GRADIENTS[:2], first, broken)
    second = MAKE[name]([("w", broken)]).load_state_dict(first.state_dict())
    run(GRADIENTS[2:], second, broken)
    np.testing.assert_array_equal(broken.value, straight.value)
    for key, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[key], array)


@pytest.mark.parametrize("name", MAKE)
def test_going_back_to_an_earlier_state(name):
    p = parameter(START)
    optimizer = MAKE[name]([("w", p)])
    ends = []
    p.grad[...] = GRADIENTS[0]
    optimizer.step(0.1)
    value, state = p.value.copy(), optimizer.state_dict()
    for _ in range(2):
        p.value[...] = value
        optimizer.load_state_dict(state)
        for gradient in GRADIENTS[1:]:
            p.grad[...] = gradient
            optimizer.step(0.1)
        ends.append(p.value.copy())
    np.testing.assert_array_equal(*ends)


# ---------------------------------------------------------------- one formula, however the numbers are laid out


def old_norm(parameters):
    """Parameter by parameter, as it is defined."""
    return np.sqrt(sum(float((p.grad.astype(np.float64) ** 2).sum()) for p in parameters if p.trainable))


def one_by_one(name, parameters, memory, rate, updates):
    """The step as formulas for whole arrays, one parameter after the other, without any flat array."""
    for key, p in parameters.items():
        if name == "sgd":
            memory[key] = 0.9 * memory.get(key, 0) + p.grad
            if p.decay:
                memory[key] += 0.01 * p.value
            p.value -= rate * memory[key]
            continue
        mean, square = memory.get(key, (0 * p.grad, 0 * p.grad))
        mean = 0.9 * mean + (1 - 0.9) * p.grad
        square = 0.999 * square + (1 - 0.999) * p.grad * p.grad
        memory[key] = mean, square
        if p.decay:
            p.value *= 1 - rate * 0.05
        p.value -= rate / (1 - 0.9**updates) * (mean / (np.sqrt(square / (1 - 0.999**updates)) + 1e-8))


@pytest.mark.parametrize("name", MAKE)
def test_a_network_moves_bit_for_bit_as_its_parameters_would_alone(name):
    rng = np.random.default_rng(0)
    sizes = {"large": (300, 301), "w": (5, 3), "none": (0, 3), "b": (7,), "one": ()}  # large: more than one piece
    start = {key: rng.normal(size=size).astype(np.float32) for key, size in sizes.items()}
    together, alone = ({k: Parameter(v.copy(), decay=k != "b") for k, v in start.items()} for _ in range(2))
    optimizer, memory = MAKE[name](together), {}
    for updates in (1, 2, 3):
        for key in sizes:
            together[key].grad[...] = alone[key].grad[...] = rng.normal(size=sizes[key]).astype(np.float32)
        assert optimizer.clip(0) == pytest.approx(old_norm(alone.values()), rel=1e-6)
        optimizer.step(0.1)
        one_by_one(name, alone, memory, 0.1, updates)
        for key in sizes:
            np.testing.assert_array_equal(together[key].value, alone[key].value)


def test_zero_and_clip_reach_every_parameter():
    weight, bias, frozen = parameter(START), parameter([1.0], decay=False), parameter([1.0], trainable=False)
    optimizer = SGD({"w": weight, "b": bias, "f": frozen})
    weight.grad[...], bias.grad[...], frozen.grad[...] = [3.0, 4.0, 0.0], 12.0, 7.0
    assert optimizer.clip(6.5) == 13.0
    np.testing.assert_allclose(np.append(weight.grad, bias.grad), [1.5, 2.0, 0.0, 6.0], rtol=1e-6)
    assert frozen.grad[0] == 7.0
    optimizer.zero_grad()
    assert not (weight.grad.any() or bias.grad.any() or frozen.grad.any())


@pytest.mark.parametrize("name", MAKE)
def test_a_step_is_a_handful_of_operations_on_a_device(name, device):
    model = tiny_model().convert(device.asarray)
    optimizer = MAKE[name](model.named_parameters())
    for p in model.parameters():
        p.grad += 1
    optimizer.step(0.1)  # makes its memory
    with counting() as cost:
        optimizer.zero_grad()
        optimizer.clip(1.0)
        optimizer.step(0.1)
    assert cost.synchronisations == 0 and cost.operations < 60 < len(model.parameters())


# ---------------------------------------------------------------- what may happen to parameters meanwhile


def run_steps(optimizer, model, count, dtype=np.float32):
    for i in range(count):
        optimizer.zero_grad()
        for k, p in enumerate(model.parameters()):
            p.grad += np.cos(np.arange(p.value.size) + k + i).reshape(p.value.shape).astype(dtype)
        optimizer.step(0.1)


@pytest.mark.parametrize("name", MAKE)
def test_arrays_that_were_exchanged_are_gathered_anew(name):
    """A conversion gives every parameter new arrays: the next step moves those, and remembers what it did before."""
    model, twin = (Linear(4, 3, rng=np.random.default_rng(0)) for _ in range(2))
    optimizer, other = MAKE[name](model.named_parameters()), MAKE[name](twin.named_parameters())
    run_steps(optimizer, model, 2)
    run_steps(other, twin, 2)
    model.astype(np.float64)
    run_steps(optimizer, model, 2, np.float64)
    run_steps(other, twin, 2)
    assert model.weight.value.dtype == np.float64
    assert all(a.dtype == np.float64 for key, a in optimizer.state_dict().items() if key != "updates")
    np.testing.assert_allclose(model.weight.value, twin.weight.value, rtol=1e-5)


def test_a_model_may_move_to_a_device_after_its_optimizer_was_made(device):
    model, twin = (Linear(4, 3, rng=np.random.default_rng(0)) for _ in range(2))
    optimizer, other = SGD(model.named_parameters()), SGD(twin.named_parameters())
    run_steps(optimizer, model, 1)
    run_steps(other, twin, 2)
    model.convert(device.asarray)
    for p, wanted in zip(model.parameters(), twin.parameters()):
        p.grad += device.asarray(wanted.grad)
    optimizer.step(0.1)
    assert isinstance(optimizer.memory["velocity.weight"], device.ndarray)
    np.testing.assert_array_equal(model.weight.value.get(), twin.weight.value)


@pytest.mark.parametrize("name", MAKE)
def test_freezing_and_freeing_later(name):
    a, b = parameter([1.0]), parameter([1.0])
    optimizer = MAKE[name]({"a": a, "b": b})
    a.grad[...] = b.grad[...] = 1.0
    optimizer.step(0.1)
    moved = b.value.copy()
    state = optimizer.state_dict()
    b.trainable = False
    optimizer.step(0.1)
    assert b.value == moved and a.value < moved
    kept = {key: array for key, array in optimizer.state_dict().items() if key.endswith(".b")}
    assert kept and all(np.array_equal(array, state[key]) for key, array in kept.items())
    b.trainable = True
    optimizer.step(0.1)
    assert b.value < moved


@pytest.mark.parametrize("name", MAKE)
def test_copies_go_their_own_way(name):
    """A model and its optimizer copied together stay together, and apart from the originals."""
    model = Linear(4, 3, rng=np.random.default_rng(0))
    optimizer = MAKE[name](model.named_parameters())
    run_steps(optimizer, model, 2)
    other_model, other = copy.deepcopy((model, optimizer))
    before = model.weight.value.copy()
    run_steps(other, other_model, 1)
    np.testing.assert_array_equal(model.weight.value, before)
    run_steps(optimizer, model, 1)
    np.testing.assert_array_equal(other_model.weight.value, model.weight.value)
    assert not np.array_equal(before, model.weight.value)
    for key, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[key], array)


def test_a_tied_parameter_moves_once():
    p = parameter([1.0])
    p.grad[...] = 1.0
    SGD([("a", p), ("b", p)], weight_decay=0).step(0.25)
    assert p.value == 0.75


def test_a_new_gradient_array_counts():
    p = parameter(START)
    optimizer = SGD([("w", p)], momentum=0)
    p.grad = np.ones(3)
    optimizer.step(0.5)
    np.testing.assert_array_equal(p.value, np.array(START) - 0.5)


def test_memory_is_made_at_the_first_step():
    optimizer = SGD([("w", parameter(START))])
    assert list(optimizer.state_dict()) == ["updates"]
    optimizer.step(0.1)
    assert list(optimizer.state_dict()) == ["updates", "velocity.w"]


def test_state_is_a_copy():
    p = parameter(START)
    optimizer = SGD([("w", p)])
    p.grad[...] = 1
    optimizer.step(0.1)
    state = optimizer.state_dict()
    optimizer.step(0.1)
    assert not np.array_equal(state["velocity.w"], optimizer.state_dict()["velocity.w"])


@pytest.mark.parametrize(
    "state", [{"velocity.other": np.zeros(3)}, {"velocity.w": np.zeros(4)}, {"square.w": np.zeros(3)}]
)
def test_foreign_state_is_refused(state):
    optimizer = SGD([("w", parameter(START))])
    with pytest.raises(CheckpointError, match="fits no parameter"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"square.w": np.array([1.0, -1e-9, 1.0])}, "square.w must be at least 0"),
        ({"mean.w": np.array([1.0, np.nan, 1.0])}, "mean.w must hold finite"),
        ({"mean.w": np.full(3, 1e300)}, "mean.w must hold finite"),
        ({"mean.w": np.ones(3, complex)}, "mean.w must hold floats"),
        ({"updates": np.array(-1)}, "updates must be a whole number"),
        ({"updates": np.array(np.nan)}, "updates must be a whole number"),
        ({"updates": "x"}, "updates must be a whole number"),
    ],
)
def test_an_impossible_state_is_refused_and_changes_nothing(change, sentence):
    p = parameter(START)
    optimizer = AdamW([("w", p)])
    p.grad[...] = 1
    optimizer.step(0.1)
    before = optimizer.state_dict()
    with pytest.raises(CheckpointError, match=sentence):
        optimizer.load_state_dict(before | change)
    assert all(np.array_equal(array, before[key]) for key, array in optimizer.state_dict().items())


def test_clipping_equals_torch():
    a, b = parameter([0.0, 0.0, 0.0]), parameter([0.0])
    a.grad[...], b.grad[...] = [3.0, 4.0, 0.0], 12.0
    norm = clip_by_global_norm([a, b], 2.0)
    assert norm.shape == () and norm == 13.0
    np.testing.assert_allclose(a.grad, [0.46153842603550577, 0.615384568047341, 0.0], rtol=1e-13)
    np.testing.assert_allclose(b.grad, [1.846153704142023], rtol=1e-13)


def test_clipping_leaves_short_gradients_and_frozen_ones():
    a, frozen = parameter([0.0, 0.0], np.float32), parameter([0.0], np.float32, trainable=False)
    a.grad[...], frozen.grad[...] = [3.0, 4.0], 100.0
    assert clip_by_global_norm([a, frozen], 6.0) == 5.0
    np.testing.assert_array_equal(a.grad, np.array([3, 4], np.float32))
    assert clip_by_global_norm([a, frozen], 0) == 5.0  # 0: only measured
    np.testing.assert_array_equal(a.grad, np.array([3, 4], np.float32))
    clip_by_global_norm([a, frozen], 1.0)
    assert frozen.grad[0] == 100.0 and a.grad.dtype == np.float32


def test_norm_of_nothing_is_zero():
    assert float(global_norm([])) == 0.0
    assert float(clip_by_global_norm([parameter([1.0], trainable=False)], 1.0)) == 0.0


def test_bad_settings_are_named():
    with pytest.raises(ArgumentError, match="max_norm"):
        clip_by_global_norm([], -1.0)
    with pytest.raises(ConfigError, match="'sgd' or 'adamw'; got 'lion'"):
        build_optimizer([], TrainConfig(optimizer="lion"))
    assert isinstance(build_optimizer([], TrainConfig(optimizer="adamw", weight_decay=0.2)), AdamW)
    assert build_optimizer([], TrainConfig(momentum=0.5)).momentum == 0.5


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_what_was_frozen_until_now_has_nothing_to_remember(kind):
    """A run may go on with more to learn than before; half of what one parameter needs is a damaged state."""

    def made(**frozen):
        parameters = {name: Parameter(np.ones(3, np.float32)) for name in ("stem", "head")}
        parameters["stem"].trainable = not frozen
        return parameters, build_optimizer(parameters.items(), TrainConfig(optimizer=kind))

    parameters, optimizer = made(frozen=True)
    parameters["head"].grad[...] = 1
    optimizer.step(0.1)
    state = optimizer.state_dict()
    assert not any(key.endswith(".stem") for key in state)
    _, later = made()
    later.load_state_dict(state)
    assert later.updates == 1 and all(np.array_equal(later.state_dict()[key], state[key]) for key in state)
    with pytest.raises(CheckpointError, match="missing .*after 1 updates"):
        made()[1].load_state_dict({"updates": state["updates"]})
    if kind == "adamw":
        with pytest.raises(CheckpointError, match="missing square.head after 1 updates"):
            made()[1].load_state_dict({key: value for key, value in state.items() if not key.startswith("square")})


@pytest.mark.parametrize("name", MAKE)
def test_what_is_frozen_from_the_beginning_forms_no_group(name):
    p = parameter(START, trainable=False)
    optimizer = MAKE[name]([("w", p)])
    assert optimizer.groups() == []
    p.grad[...] = 1
    optimizer.zero_grad()
    optimizer.step(0.1)
    assert not p.grad.any() and p.value.tolist() == START
    p.trainable = True
    p.grad[...] = GRADIENTS[0]
    optimizer.step(0.1)
    assert (p.value != START).all()
