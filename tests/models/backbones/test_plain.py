"""The handout's plain network: four convolutions, each pooled; its last map has stride 16."""

import numpy as np
from first_weights import Ones, initialisers

from tinymaskrcnn.models.backbones.frozen import freeze_stages
from tinymaskrcnn.models.backbones.plain import WIDTHS, PlainCNN
from tinymaskrcnn.ops import naive


def test_it_is_four_convolutions_with_relu_and_pooling():
    body = PlainCNN(widths=(2, 3, 2, 4), rng=np.random.default_rng(0)).astype(np.float64)
    x = np.random.default_rng(1).standard_normal((1, 32, 32, 1))
    maps, _ = body.forward(x)
    wanted, state = [], body.state_dict()
    for i in range(1, 5):
        y = naive.conv2d(
            x,
            state[f"conv{i}.weight"],
            state[f"conv{i}.bias"],
            stride=(1, 1),
            padding=(1, 1),
            dilation=(1, 1),
            groups=1,
        )
        n, h, w, c = y.shape
        x = np.maximum(y, 0).reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        wanted.append(x)
    wanted = [*wanted[1:], x.reshape(1, 1, 2, 1, 2, 4).max(axis=(2, 4))]
    for ours, want in zip(maps, wanted, strict=True):
        np.testing.assert_allclose(ours, want, atol=1e-12)


def test_the_handouts_widths_and_strides():
    body = PlainCNN(stages=3, rng=np.random.default_rng(0))
    maps, _ = body.forward(np.ones((1, 256, 256, 1), np.float32))
    assert WIDTHS == (32, 32, 16, 16)
    assert [m.shape for m in maps] == [(1, 64, 64, 32), (1, 32, 32, 16), (1, 16, 16, 16)]
    assert sum(p.value.size for p in body.parameters()) == 9 * (32 + 32 * 32 + 32 * 16 + 16 * 16) + 96


def test_norms_have_the_eps_that_is_asked_for_and_that_of_all_norms_otherwise():
    for settings, wanted in (({}, 1e-5), ({"norm_eps": 0.25}, 0.25)):
        body = PlainCNN(norm="group", rng=np.random.default_rng(0), **settings)
        assert [m.eps for _, m in body.named_modules() if hasattr(m, "eps")] == [wanted] * 4


def test_first_weights_keep_the_scale_through_relus():
    assert set(initialisers(PlainCNN(in_channels=3, rng=Ones)).values()) == {"kaiming"}
    assert len(PlainCNN(rng=Ones).forward(np.zeros((1, 32, 32, 1), np.float32))[0]) == 4


def test_norms_replace_biases_and_stages_can_rest():
    body = freeze_stages(PlainCNN(norm="batch", rng=np.random.default_rng(0)), 2)
    names = [name for name, _ in body.named_parameters()]
    assert names[:3] == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert [name for name, p in body.named_parameters() if p.trainable] == ["conv4.weight", "bn4.weight", "bn4.bias"]
