"""The shapes of a configuration are those of the network it builds; its memory is counted before any is taken."""

import dataclasses
import math
import time
import tracemalloc

import numpy as np
import pytest
from tiny_model import tiny_config, tiny_scene

from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RoIConfig, TrainConfig
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.experiment import Detector, Experiment
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.shapes import detect_bytes, expected_shapes, step_bytes, weights_bytes
from tinymaskrcnn.testing import cache_bytes


@pytest.mark.parametrize(
    "config", [tiny_config(), tiny_config(version="v2", stem="7x7", heads=("box", "keypoint")), ModelConfig()]
)
def test_the_shapes_are_those_of_the_network(config):
    state = build_model(config, rng=np.random.default_rng(0)).state_dict()
    assert {n: math.prod(s) for n, s in expected_shapes(config).items()} == {n: a.size for n, a in state.items()}
    assert weights_bytes(config) == sum(array.nbytes for array in state.values())


def torch_shape(name, shape):
    """HWIO to OIHW; (in, out) to (out, in). A transposed convolution has its inputs first."""
    if len(shape) == 4:
        h, w, i, o = shape
        return (i, o, h, w) if "conv5_mask" in name or "kps_score" in name else (o, i, h, w)
    return tuple(reversed(shape))


KINDS = [
    dict(norm="group", objectness="softmax", heads=("box",)),
    dict(norm="frozen", stem="7x7", heads=("box", "mask", "keypoint")),
    dict(version="v2", norm="batch"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", (0, 2))
def test_each_shape_is_that_of_torchvision(kind, groups):
    """Outputs before inputs, where no two widths are alike; blocks that halve, or widen, have a shortcut."""
    tiny = tiny_config(**kind)
    backbone = dict(depths=(1, 2, 1, 2), widths=(8, 8, 16, 24), stem_width=8, in_channels=3, fpn_channels=10)
    if groups:
        backbone |= dict(block="bottleneck", groups=groups, group_width=64)
    widths = dict(head_width=7, mask_widths=(5, 9), mask_deconv_width=11, keypoint_widths=(6, 13), num_keypoints=3)
    convs = (5, 9) if tiny.roi.box_convs else ()
    config = dataclasses.replace(
        tiny,
        image_mean=(0.5,) * 3,
        image_std=(0.25,) * 3,
        backbone=dataclasses.replace(tiny.backbone, **backbone),
        roi=dataclasses.replace(tiny.roi, **widths, box_convs=convs),
        rpn=dataclasses.replace(tiny.rpn, anchor_ratios=(0.5, 1.0), anchor_sizes=((8, 9, 10),) * 5),
    )
    state = build_model(config, rng=np.random.default_rng(0)).state_dict()
    wanted = {name: torch_shape(name, array.shape) for name, array in state.items()}
    assert expected_shapes(config) == wanted


def test_the_bytes_of_a_step_on_paper():
    """Sides that no stride divides; every addend by itself."""
    tiny = tiny_config(version="v2")  # blocks of 2 layers, 4 channels, 2 convolutions each in the RPN and the box head
    size, pictures = (65, 33), 3
    cells = [33 * 17, 17 * 9, 9 * 5, 5 * 3, 3 * 2, 2 * 1]  # at strides 2, 4, ... 64
    backbone = 65 * 33 + cells[0] * 4 + 2 * 4 * sum(cells[1:5])
    pyramid = sum(cells[1:]) * 4 * (2 + 2) + sum(cells[1:]) * len(tiny.rpn.anchor_ratios) * 5
    heads = 6 * (3**2 * (4 + 4 + 4) + 3 * 5)
    assert step_bytes(tiny, size, pictures=pictures) == 4 * 3 * (backbone + pyramid + heads)
    deep = dataclasses.replace(tiny.backbone, depths=(1, 2, 3, 1), block="bottleneck", widths=(4, 8, 12, 16))
    more = dataclasses.replace(tiny, backbone=deep)
    one_each = sum(n * width * depth for n, width, depth in zip(cells[1:], (4, 8, 12, 16), (1, 2, 3, 1)))
    wanted = backbone - 2 * 4 * sum(cells[1:5]) + one_each + pyramid + heads
    assert step_bytes(more, size, pictures=1) == 4 * wanted
    few = dataclasses.replace(tiny, rpn=dataclasses.replace(tiny.rpn, post_nms_top_n=(2, 8)))
    assert step_bytes(few, size, pictures=1) == 4 * (backbone + pyramid + heads // 3)
    for pooling, more in (("pool", 1), ("warp", 4), ("prroi", 0)):  # where the maxima are; the crops twice as fine
        other = dataclasses.replace(tiny, roi=dataclasses.replace(tiny.roi, pooling=pooling))
        wanted = backbone + pyramid + heads + 6 * 3**2 * 4 * more
        assert step_bytes(other, size, pictures=1) == 4 * wanted
    assert weights_bytes(tiny, arrays=4) == 4 * weights_bytes(tiny)


def test_the_bytes_of_a_detection_on_paper():
    """Each of the three is the largest once."""
    config, size = tiny_config(), (65, 33)
    cells = [33 * 17, 17 * 9, 9 * 5, 5 * 3, 3 * 2, 2 * 1]  # at strides 2, 4, ... 64
    assert detect_bytes(config, size, pictures=3) == 4 * 3 * (2 * 65 * 33 + cells[0] * 4)
    wide = dataclasses.replace(config.backbone, widths=(64, 128, 192, 256))
    stages = sum(n * width for n, width in zip(cells[1:], (64, 128, 192, 256)))
    assert detect_bytes(dataclasses.replace(config, backbone=wide), size, pictures=1) == 4 * (65 * 33 + stages)
    tall = dataclasses.replace(config.backbone, fpn_channels=256)
    wanted = 4 * (65 * 33 + 256 * sum(cells[1:]))
    assert detect_bytes(dataclasses.replace(config, backbone=tall), size, pictures=1) == wanted


@pytest.mark.parametrize("changes", [{}, {"widths": (64, 128, 192, 256)}, {"fpn_channels": 256}], ids=str)
def test_no_detection_needs_less_than_is_counted(changes):
    config = tiny_config()
    config = dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, **changes))
    detector = Detector(build_model(config, rng=np.random.default_rng(0)), threads=1)
    images = [np.zeros((256, 320, 1), np.float32)] * 2
    detector.detect(images)
    tracemalloc.start()
    try:
        detector.detect(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak > detect_bytes(config, (256, 320), pictures=2)


def test_no_step_keeps_less_than_is_counted():
    config = tiny_config()
    images, targets = tiny_scene()
    model = build_model(config, rng=np.random.default_rng(0))
    _, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    counted = step_bytes(config, images.shape[1:3], pictures=len(images))
    assert 0.2 * cache_bytes(cache) < counted < 1.2 * cache_bytes(cache)


@pytest.mark.parametrize(
    ("model", "train", "message"),
    [
        ({"backbone": BackboneConfig(depths=(1000,) * 4, widths=(65536,) * 4)}, {}, "at least .* PB of memory"),
        ({"roi": RoIConfig(head_width=65536, box_size=128)}, {}, "a training step needs at least .* GB of memory"),
        ({}, {"batch_size": 10**5}, "a training step needs at least .* GB of memory; .* are free; lower train.batch"),
    ],
)
def test_what_cannot_fit_is_refused_at_once_with_its_bytes(model, train, message, tmp_path):
    config = Config(model=ModelConfig(**model), train=TrainConfig(**train))
    began = time.process_time()
    with pytest.raises(ConfigError, match=message):
        Experiment.start(tmp_path / "run", config)
    if model:
        with pytest.raises(ConfigError, match="a model with these settings needs at least .* [GP]B"):
            build_model(dataclasses.replace(config.model), rng=np.random.default_rng(0))
    assert time.process_time() - began < 1 and not (tmp_path / "run").exists()
