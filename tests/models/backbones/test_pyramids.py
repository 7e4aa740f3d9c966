"""Pyramids that lack a part: what each level is made of, by the loops of the definition and by torch's autograd."""

import numpy as np
import pytest
from first_weights import Ones, initialisers

from tinymaskrcnn.models.backbones.pyramids import FinestOnly, LastMap, NoLateral, NoTopDown
from tinymaskrcnn.ops import naive

CHANNELS, KINDS = (2, 3, 4, 5), (NoTopDown, NoLateral, FinestOnly)


def drawn(kind, norm=""):
    rng = np.random.default_rng(3)
    pyramid = kind(CHANNELS, 3, norm=norm, rng=rng).astype(np.float64)
    for parameter in pyramid.parameters():
        parameter.value += rng.normal(0, 0.1, parameter.value.shape)
    sizes = ((8, 12), (4, 6), (2, 3), (1, 2))
    return pyramid, [rng.standard_normal((2, *size, c)) for size, c in zip(sizes, CHANNELS)]


def conv(block, x):
    layer = block.layers[0]
    edge = layer.weight.value.shape[0] // 2
    return naive.conv2d(x, layer.weight.value, layer.bias.value, padding=(edge, edge))


def enlarged(x, like):
    """Nearest: row i of h rows comes from row floor(i * H / h)."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(like.shape[1:3], x.shape[1:3]))
    return x[:, rows][:, :, columns]


def by_definition(pyramid, features):
    if isinstance(pyramid, NoLateral):
        merged = [conv(pyramid.inner_block, features[-1])]
        for level in reversed(features[:-1]):
            merged.insert(0, enlarged(merged[0], level))
    else:
        merged = [conv(block, level) for block, level in zip(pyramid.inner_blocks, features)]
    if isinstance(pyramid, FinestOnly):
        for i in (2, 1, 0):
            merged[i] = merged[i] + enlarged(merged[i + 1], merged[i])
        return [conv(pyramid.layer_block, merged[0])]
    levels = [conv(block, level) for block, level in zip(pyramid.layer_blocks, merged)]
    return [*levels, levels[-1][:, ::2, ::2]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_level_is_what_the_definition_says(kind):
    pyramid, features = drawn(kind)
    levels, _ = pyramid.forward(features)
    for ours, want in zip(levels, by_definition(pyramid, features), strict=True):
        np.testing.assert_allclose(ours, want, atol=1e-12)


INFLUENCE = {  # which levels change with C2, C3, C4, C5
    NoTopDown: [{2}, {3}, {4}, {5, 6}],
    NoLateral: [set(), set(), set(), {2, 3, 4, 5, 6}],
    FinestOnly: [{2}, {2}, {2}, {2}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_who_influences_whom_forward_and_back(kind):
    pyramid, features = drawn(kind)
    before, cache = pyramid.forward(features)
    for i, wanted in enumerate(INFLUENCE[kind]):
        after, _ = pyramid.forward([f + 1 if i == k else f for k, f in enumerate(features)])
        assert {n for n, (a, b) in enumerate(zip(before, after), start=2) if not np.array_equal(a, b)} == wanted
    dfeatures = pyramid.backward([np.ones_like(level) for level in before], cache)
    assert [bool(d.any()) for d in dfeatures] == [bool(levels) for levels in INFLUENCE[kind]]
    assert [d.shape for d in dfeatures] == [f.shape for f in features]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_torch(kind):
    torch = pytest.importorskip("torch", reason="needs torch", exc_type=Exception)
    pyramid, features = drawn(kind)
    levels, cache = pyramid.forward(features)
    rng = np.random.default_rng(0)
    dlevels = [rng.standard_normal(level.shape) for level in levels]
    dfeatures = pyramid.backward(dlevels, cache)

    maps = [torch.tensor(f.transpose(0, 3, 1, 2), requires_grad=True) for f in features]
    weights = {name: torch.tensor(p.value, requires_grad=True) for name, p in pyramid.named_parameters()}

    def conv(name, x):
        weight = weights[f"{name}.0.weight"].permute(3, 2, 0, 1)
        return torch.nn.functional.conv2d(x, weight, weights[f"{name}.0.bias"], padding=weight.shape[2] // 2)

    def up(x, like):
        return torch.nn.functional.interpolate(x, size=like.shape[2:], mode="nearest")

    if kind is NoLateral:
        merged = [conv("inner_block", maps[3])]
        for level in reversed(maps[:3]):
            merged.insert(0, up(merged[0], level))
    else:
        merged = [conv(f"inner_blocks.{i}", m) for i, m in enumerate(maps)]
    if kind is FinestOnly:
        for i in (2, 1, 0):
            merged[i] = merged[i] + up(merged[i + 1], merged[i])
        theirs = [conv("layer_block", merged[0])]
    else:
        theirs = [conv(f"layer_blocks.{i}", m) for i, m in enumerate(merged)]
        theirs.append(theirs[-1][:, :, ::2, ::2])
    sum((level * torch.tensor(d.transpose(0, 3, 1, 2))).sum() for level, d in zip(theirs, dlevels)).backward()
    for ours, m in zip(dfeatures, maps):
        wanted = np.zeros(m.shape) if m.grad is None else m.grad.numpy()
        np.testing.assert_allclose(ours, wanted.transpose(0, 2, 3, 1), atol=1e-12)
    for name, p in pyramid.named_parameters():
        np.testing.assert_allclose(p.grad, weights[name].grad.numpy(), atol=1e-11, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_first_weights_keep_the_scale_where_no_relu_follows(kind):
    assert set(initialisers(kind(CHANNELS, 3, rng=Ones)).values()) == {"lecun"}


def test_norms_replace_biases():
    for kind in KINDS:
        names = set(drawn(kind, norm="batch")[0].state_dict())
        assert any(name.endswith(".1.running_mean") for name in names)
        assert not any(name.endswith("0.bias") for name in names)


def test_the_last_map_is_handed_on_as_it_is():
    maps = [np.ones((1, 4, 4, 2)), np.full((1, 2, 2, 3), 2.0)]
    [last], cache = LastMap().forward(maps)
    assert last is maps[1]
    zeros, d = LastMap().backward([np.full(last.shape, 5.0)], cache)
    assert zeros.shape == maps[0].shape and not zeros.any() and (d == 5).all()
