"""Faster R-CNN on C4 against a model of torchvision's own parts: stored answers, live ones, and planted faults."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from interop import drawn, record, small

from tinymaskrcnn.models.heads import res5


@cache
def stored():
    return record.load(small.C4)


def test_equals_torchvisions_stored_answers():
    """Every stage, the detections, every loss and the gradient of every parameter, with nine anchors on one map."""
    errors = record.measure(stored())
    assert not record.excess(errors)
    config = stored().config
    assert config.backbone.has_res5 and len(config.rpn.anchor_sizes[0]) * len(config.rpn.anchor_ratios) == 9
    trained = {name for name in stored().weights if name.endswith((".weight", ".bias"))}
    if config.backbone.norm == "frozen":
        trained = {name for name in trained if "bn" not in name and "downsample.1" not in name}
    assert {what.removeprefix("gradient ") for what in errors if what.startswith("gradient ")} == trained
    assert any(name.startswith("roi_heads.box_head.layer4.") for name in trained)
    assert all(len(found["boxes"]) >= 3 for found in stored().detections)
    assert all(0 < labels[chosen].sum() for chosen, labels in zip(*stored().rois))


@pytest.mark.parametrize("number", range(4))
def test_equals_torchvision(number):
    """Basic blocks, bottlenecks and groups; frozen norms and batch norms, whose statistics the crops change, too."""
    pytest.importorskip("torchvision", reason="needs torchvision", exc_type=Exception)
    errors = record.measure(drawn.make(small.C4, drawn.seeds(small.C4, 4)[number]))
    assert not record.excess(errors)


def test_the_stored_answers_are_those_of_today():
    pytest.importorskip("torchvision", reason="needs torchvision", exc_type=Exception)
    today = record.make(small.C4)
    assert today.config == stored().config
    for name, gradient in today.gradients.items():
        np.testing.assert_allclose(stored().gradients[name], gradient, rtol=1e-8, atol=1e-12)


def noticed(**planted):
    what, error = record.worst(record.measure(stored(), **planted))
    return error / record.tolerance(what)


def test_planted_faults_are_noticed():
    """A wrong scale of the crops, other anchors, a stage's gradient that is lost on its way into C4."""
    config = stored().config

    def other_scale(model):
        model.roi_heads.heads["box"].pool.lowest = 3

    def lost(model):
        backward = model.roi_heads.heads["box"].pool.backward
        model.roi_heads.heads["box"].pool.backward = lambda dy, cache: [0 * d for d in backward(dy, cache)]

    for change in (other_scale, lost):
        assert noticed(change=change) > 1e3, change.__name__
    sizes = replace(config, rpn=replace(config.rpn, anchor_sizes=((16, 64, 32),)))
    assert noticed(config=sizes) > 1e3


def test_a_stage_without_its_stride_is_noticed(monkeypatch):
    def make_stage(block, channels, width, depth, stride, **options):
        return plain(block, channels, width, depth, 1, **options)

    plain = res5.make_stage
    monkeypatch.setattr(res5, "make_stage", make_stage)
    assert noticed() > 1e3
