"""VGG: its maps, its convolutions, and torchvision's network to the last gradient."""

import numpy as np
import pytest
from first_weights import Ones, initialisers
from models.backbones import vgg_peer

from tinymaskrcnn.models.backbones.frozen import freeze_stages
from tinymaskrcnn.models.backbones.vgg import DEPTHS, VGG, conv_group


def vgg(layers=11, norm="", widths=vgg_peer.WIDTHS, **changes):
    settings = {"depths": DEPTHS[layers], "widths": widths, "norm": norm, "in_channels": 2}
    return VGG(**settings | changes, rng=np.random.default_rng(0))


@pytest.mark.parametrize("layers", DEPTHS)
def test_maps_lie_at_strides_4_to_32_and_convolutions_are_counted(layers):
    """VGG-16 has 13 convolutions and three layers of its classifier; C4 is conv5_3, before it is pooled."""
    body = vgg(layers)
    maps, _ = body.forward(np.ones((1, 64, 96, 2), np.float32))
    assert [m.shape for m in maps] == [(1, 16, 24, 6), (1, 8, 12, 5), (1, 4, 6, 7), (1, 2, 3, 7)]
    convs = [name for name, p in body.named_parameters() if p.value.ndim == 4]
    assert len(convs) == layers - 3 and convs[0] == "conv1_1.weight"
    assert convs[-1] == f"conv5_{DEPTHS[layers][4]}.weight"
    assert maps[2].min() == 0  # behind its ReLU


def test_without_its_last_pooling_there_are_three_maps():
    maps, _ = vgg(stages=3).forward(np.ones((1, 32, 32, 2), np.float32))
    assert [m.shape[1] for m in maps] == [8, 4, 2]


def test_groups_of_the_papers_table_1_and_vgg_16_when_nothing_is_said():
    for layers, depths in {11: "11222", 13: "22222", 16: "22333", 19: "22444"}.items():
        names = [name for name, p in vgg(layers).named_parameters() if p.value.ndim == 4]
        assert names == [f"conv{g}_{k}.weight" for g, n in enumerate(depths, 1) for k in range(1, int(n) + 1)]
    body = VGG(rng=Ones)
    assert sum(p.value.size for p in body.parameters()) == 14714688 and len(body.stages) == 4
    assert set(initialisers(body).values()) == {"kaiming"}


def test_norms_have_the_eps_that_is_asked_for_and_that_of_all_norms_otherwise():
    for settings, wanted in (({}, 1e-5), ({"norm_eps": 0.25}, 0.25)):
        body = vgg(norm="group", **settings)
        assert [m.eps for _, m in body.named_modules() if hasattr(m, "eps")] == [wanted] * 8
        assert not any("conv" in name and name.endswith("bias") for name in body.state_dict())
    group = conv_group(3, 2, 4, 2, norm="batch", rng=np.random.default_rng(0))
    assert list(group) == ["conv3_1", "bn3_1", "relu3_1", "conv3_2", "bn3_2", "relu3_2"]
    assert group["bn3_2"].eps == 1e-5 and list(conv_group(1, 2, 4, 1, rng=Ones)) == ["conv1_1", "relu1_1"]


def differences(theirs, layers, norm):
    """{what: largest difference} of a step forward and back."""
    body = vgg(layers, norm).astype(np.float64)
    weights = [theirs[f"weight {i}"] for i in range(len(body.parameters()))]
    assert f"weight {len(weights)}" not in theirs
    for parameter, weight in zip(body.parameters(), weights, strict=True):
        assert parameter.value.shape == weight.shape
        parameter.value[...] = weight
    maps, cache = body.forward(theirs["x"])
    dx = body.backward([theirs[f"dmap {i}"] for i in range(4)], cache)
    pairs = {"dx": (dx, theirs["dx"])} | {f"map {i}": (m, theirs[f"map {i}"]) for i, m in enumerate(maps)}
    pairs |= {f"gradient {i}": (p.grad, theirs[f"gradient {i}"]) for i, p in enumerate(body.parameters())}
    return {name: abs(ours - wanted).max() / max(abs(wanted).max(), 1e-3) for name, (ours, wanted) in pairs.items()}


def test_equals_torchvisions_stored_answers():
    assert max(differences(vgg_peer.load(), *vgg_peer.STORED_KIND).values()) < 1e-9


@pytest.mark.parametrize("layers, norm", vgg_peer.KINDS)
def test_equals_torchvision(layers, norm):
    pytest.importorskip("torchvision", reason="needs torchvision", exc_type=Exception)
    assert max(differences(vgg_peer.make(layers, norm, seed=layers), layers, norm).values()) < 1e-9


@pytest.mark.parametrize("count", range(5))
def test_frozen_stages_do_not_learn(count):
    x = np.random.default_rng(0).standard_normal((1, 32, 32, 2)).astype(np.float32)
    free, frozen = vgg(), freeze_stages(vgg(), count)
    (wanted, c_free), (maps, cache) = free.forward(x), frozen.forward(x)
    for ours, want in zip(maps, wanted, strict=True):
        np.testing.assert_array_equal(ours, want)
    assert free.backward(wanted, c_free) is not None and frozen.backward(maps, cache) is None
    groups = 2 + count  # the stem holds two of them
    for (name, p), (_, q) in zip(frozen.named_parameters(), free.named_parameters()):
        assert p.trainable == (int(name[4]) > groups)
        assert not p.grad.any() if not p.trainable else np.array_equal(p.grad, q.grad)
