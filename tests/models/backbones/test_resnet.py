"""The backbone: shapes at every depth and width, names, and the residual sum."""

from functools import partial

import numpy as np
import pytest
from first_weights import Ones, initialisers

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.backbones.frozen import freeze_stages
from tinymaskrcnn.models.backbones.resnet import ResidualBlock, ResNet, basic_block, bottleneck
from tinymaskrcnn.nn.init import kaiming_normal
from tinymaskrcnn.nn.layers import ReLU
from tinymaskrcnn.ops import naive


def resnet(**changes):
    settings = {
        "block": "basic",
        "depths": (1, 1, 1, 1),
        "widths": (4, 8, 12, 16),
        "stem": "3x3",
        "stem_width": 4,
        "norm": "batch",
        "in_channels": 1,
        "rng": np.random.default_rng(0),
    }
    return ResNet(**{**settings, **changes})


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("norm", ["batch", "frozen", "group"])
def test_strides_are_4_8_16_32(block, stem, norm):
    x = np.ones((2, 64, 96, 1), np.float32)
    features, _ = resnet(block=block, stem=stem, norm=norm).forward(x)
    assert [f.shape for f in features] == [(2, 16, 24, 4), (2, 8, 12, 8), (2, 4, 6, 12), (2, 2, 3, 16)]


def test_depths_count_the_weights_of_the_papers_networks():
    """ResNet-50 has 53 convolutions in its body, ResNet-18 has 20 (shortcuts included)."""
    for block, depths, convolutions in (("bottleneck", (3, 4, 6, 3), 53), ("basic", (2, 2, 2, 2), 20)):
        stem_width = 16 if block == "basic" else 4
        net = resnet(block=block, depths=depths, widths=(16, 32, 64, 128), stem="7x7", stem_width=stem_width)
        names = [name for name, p in net.named_parameters() if p.value.ndim == 4]
        assert len(names) == convolutions


def test_names_are_torchvisions():
    names = set(resnet(block="bottleneck").state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer4.0.bn3.bias"} <= names
    assert {"layer1.0.downsample.0.weight", "layer1.0.downsample.1.running_mean"} <= names


def test_a_block_whose_branch_is_silent_is_relu_of_its_input():
    block = basic_block(3, 3, rng=np.random.default_rng(0))
    block.branch.layers[-1].weight.value[...] = 0  # the last norm scales by 0
    x = np.random.default_rng(1).standard_normal((2, 5, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(block.forward(x)[0], np.maximum(x, 0))


@pytest.mark.parametrize("make", [basic_block, bottleneck])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_is_relu_of_branch_and_shortcut(make, training, stride):
    """The text and what stands in for it; both parts get the gradient where the sum was positive."""
    rng = np.random.default_rng(0)
    block = make(4, 4, stride=stride, norm="frozen", rng=rng).astype(np.float64).train(training)
    x = rng.standard_normal((2, 5, 6, 4))
    x.setflags(write=False)
    (h, c_branch), (s, c_shortcut) = block.branch.forward(x), block.downsample.forward(x)
    wanted = np.maximum(h + s, 0)
    for forward in (block.forward, partial(getattr(ResidualBlock.forward, "readable", ResidualBlock.forward), block)):
        y, cache = forward(x)
        np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
        if training:
            dy = rng.standard_normal(y.shape)
            d = dy * (wanted > 0)
            dx = block.branch.backward(d, c_branch) + block.downsample.backward(d, c_shortcut)
            np.testing.assert_allclose(block.backward(dy, cache), dx, rtol=1e-10, atol=1e-12)
        else:
            assert cache is None


def drawn(net, rng):
    """The same in float64 with parameters and statistics that are all drawn."""
    net = net.astype(np.float64)
    for member in (*net.parameters(), *(buffer for _, buffer in net.named_buffers())):
        low = 0.5 if member.value.ndim == 1 else -1.5  # variances stay positive
        member.value[...] = rng.uniform(low, 1.5, member.value.shape)
    return net


def by_definition(x, state, names, strides, groups=1):
    """Convolutions and frozen norms one after another, a ReLU between two of them, none behind the last."""
    for i, (number, stride) in enumerate(zip(names, strides)):
        weight = state[f"conv{number}.weight"]
        edge, last = (weight.shape[0] // 2,) * 2, np.zeros(weight.shape[3])
        of_it = {"groups": groups} if weight.shape[0] == 3 else {}
        x = naive.conv2d(np.maximum(x, 0) if i else x, weight, last, stride=(stride,) * 2, padding=edge, **of_it)
        norm = {name: state[f"bn{number}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
        statistics = dict(mean=norm["running_mean"], var=norm["running_var"], eps=1e-5)
        x = naive.frozen_batch_norm2d(x, norm["weight"], norm["bias"], **statistics)
    return x


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_branch_is_its_convolutions_and_norms_with_relus_between(block, rng):
    """The stride sits on the first 3x3 (torchvision's place, not the paper's); biases are the norms' alone."""
    make, settings = (basic_block, {}) if block == "basic" else (bottleneck, dict(groups=2, group_width=64))
    net = drawn(make(4, 8, stride=2, norm="frozen", rng=rng, **settings), rng)
    x = rng.standard_normal((1, 5, 4, 4))
    state = net.state_dict()
    names, strides = (("1", "2"), (2, 1)) if block == "basic" else (("1", "2", "3"), (1, 2, 1))
    wanted = by_definition(x, state, names, strides, **{"groups": 2} if settings else {})
    np.testing.assert_allclose(net.branch.forward(x)[0], wanted, rtol=1e-9)
    short = {name.removeprefix("downsample."): value for name, value in state.items() if "downsample" in name}
    renamed = {("conv9" if name[0] == "0" else "bn9") + name[1:]: value for name, value in short.items()}
    np.testing.assert_allclose(net.downsample.forward(x)[0], by_definition(x, renamed, ("9",), (2,)), rtol=1e-9)
    assert not any("conv" in name and name.endswith("bias") for name in state) and "downsample.0.bias" not in state


@pytest.mark.parametrize("stem", ["3x3", "7x7"])
def test_the_stem_is_a_convolution_of_stride_2_a_norm_a_relu_and_the_papers_a_pool(stem, rng):
    net = drawn(resnet(stem=stem, norm="frozen"), rng)
    x = rng.standard_normal((1, 10, 12, 1))
    wanted = np.maximum(by_definition(x, net.state_dict(), ("1",), (2,)), 0)
    if stem == "7x7":
        wanted = naive.max_pool2d(wanted, kernel=(3, 3), stride=(2, 2), padding=(1, 1))
    np.testing.assert_allclose(net.stem.forward(x)[0], wanted, rtol=1e-9)
    assert "conv1.bias" not in net.state_dict()


@pytest.mark.parametrize("stem", ["3x3", "7x7"])
def test_three_widths_make_three_maps(stem):
    net = resnet(stem=stem, depths=(1, 2, 1), widths=(4, 8, 12))
    maps, _ = net.forward(np.ones((1, 32, 64, 1), np.float32))
    assert [m.shape for m in maps] == [(1, 8, 16, 4), (1, 4, 8, 8), (1, 2, 4, 12)]
    with pytest.raises(ValueError, match="shorter"):
        resnet(depths=(1, 1, 1))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_first_weights_keep_the_scale_through_relus(block):
    assert set(initialisers(resnet(block=block, rng=Ones)).values()) == {"kaiming"}


@pytest.mark.parametrize("make", [basic_block, bottleneck])
def test_a_block_of_which_nothing_is_said(make):
    """Stride 1, batch norm with the eps of all norms; a bottleneck's 3x3 has a quarter of its outputs, in one group."""
    block = make(256, 256, rng=Ones)
    x = np.zeros((1, 2, 3, 256), np.float32)
    assert block.forward(x)[0].shape == x.shape and block.downsample.forward(x)[0] is x
    eps = {m.eps for _, m in block.named_modules() if hasattr(m, "eps")}
    assert eps == {1e-5} and any(name.endswith("running_mean") for name in block.state_dict())
    inner = 256 if make is basic_block else 64
    assert block.state_dict()["conv2.weight"].shape == (3, 3, inner, inner)
    assert block.state_dict()["conv2.weight"].flat[0] == kaiming_normal((3, 3, inner, 1), rng=Ones).flat[0]


@pytest.mark.parametrize("change", [{"block": "dense"}, {"stem": "5x5"}, {"norm": "layer"}])
def test_unknown_parts_are_named(change):
    name, value = next(iter(change.items()))
    with pytest.raises(ConfigError, match=f"{name} must be .*{value}"):
        resnet(**change)


# ---------------------------------------------------------------- ResNeXt


def test_eps_reaches_every_norm():
    net = resnet(block="bottleneck", norm="frozen", norm_eps=0.25)
    found = [module.eps for _, module in net.named_modules() if hasattr(module, "eps")]
    assert len(found) > 12 and set(found) == {0.25}
    basic = resnet(norm="frozen", norm_eps=0.25)
    assert {module.eps for _, module in basic.named_modules() if hasattr(module, "eps")} == {0.25}


# ---------------------------------------------------------------- frozen stages


def gradients(net, x):
    features, cache = net.forward(x)
    dx = net.backward([np.ones_like(f) for f in features], cache)
    return {name: p.grad for name, p in net.named_parameters()}, dx, cache


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_frozen_stages_learn_nothing_and_the_others_as_before(count):
    x = np.random.default_rng(1).standard_normal((1, 32, 32, 1))
    free, _, _ = gradients(resnet(norm="frozen").astype(np.float64), x)
    net = freeze_stages(resnet(norm="frozen").astype(np.float64), count)
    found, dx, cache = gradients(net, x)
    still = ("conv1", "bn1", *(f"layer{i + 1}." for i in range(count)))
    for name, p in net.named_parameters():
        assert p.trainable == (not name.startswith(still))
        if p.trainable:
            np.testing.assert_allclose(found[name], free[name], atol=1e-12 * abs(free[name]).max())
        else:
            assert not found[name].any()
    assert dx is None and len(cache) == 4 - count


def test_frozen_stages_keep_nothing_while_they_compute():
    """Their norms become part of the convolutions, which needs eval mode; afterwards all of them train again."""
    net = freeze_stages(resnet(norm="frozen"), 2)
    kept = {}
    for name, layer in net.named_modules():
        if isinstance(layer, ReLU):
            kept[name] = []
            layer.keep = lambda cache, layer=layer, into=kept[name]: into.append(layer.training) or cache
    net.forward(np.zeros((1, 32, 32, 1), np.float32))
    frozen = {name: flags for name, flags in kept.items() if name.startswith(("relu", "layer1", "layer2"))}
    assert frozen and not any(sum(frozen.values(), []))
    assert all(all(flags) for name, flags in kept.items() if name not in frozen)
    assert all(layer.training for _, layer in net.named_modules())


def test_frozen_stages_whose_statistics_move_still_follow_the_batch():
    net = freeze_stages(resnet(norm="batch"), 1)
    net.forward(np.random.default_rng(1).standard_normal((2, 32, 32, 1)).astype(np.float32))
    assert net.stem.layers[1].running_mean.value.any() and all(layer.training for _, layer in net.named_modules())


def test_frozen_stages_are_counted_from_the_stem():
    assert resnet().frozen_stages == -1
    names = {name for name, p in freeze_stages(resnet(), 0).named_parameters() if not p.trainable}
    assert names == {"conv1.weight", "bn1.weight", "bn1.bias"}
    for count in (-1, 5, 1.5, None):
        with pytest.raises(ConfigError, match="frozen stages must be 0 .. 4; got"):
            freeze_stages(resnet(), count)


@pytest.mark.parametrize("norm", ["batch", "frozen", "group"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_every_norm_has_the_eps_that_is_asked_for(norm, block):
    for settings, wanted in (({}, 1e-5), ({"norm_eps": 1e-3}, 1e-3)):
        model = resnet(norm=norm, block=block, **settings)
        found = [part.eps for _, part in model.named_modules() if hasattr(part, "eps")]
        assert len(found) >= 9 and set(found) == {wanted}
