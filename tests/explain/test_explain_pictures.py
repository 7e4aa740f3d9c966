"""A picture explained by a detector: it is seen as `detect` sees it, and a Target has to be of what is seen."""

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.explain import ExplainsPictures
from tinymaskrcnn.structures import Target


def test_it_explains_what_detect_finds():
    images, _ = tiny_scene(objects=(2,), seed=1)
    detector = Detector(tiny_model(seed=3))
    told, found = detector.explain(images[0, :50], min_score=0.1), detector.detect([images[0, :50]])[0]
    np.testing.assert_array_equal(told.trace.detections.boxes, found.boxes)
    np.testing.assert_array_equal(told.trace.detections.masks, found.masks)
    assert len(told) == (found.scores >= 0.1).sum() and isinstance(detector, ExplainsPictures)


def test_a_target_is_that_of_what_is_seen(monkeypatch):
    images, targets = tiny_scene(objects=(1,))
    target = Target(targets.boxes[0], targets.labels[0], targets.masks[0])
    assert Detector(tiny_model(seed=3)).explain(images[0], target).target is target
    monkeypatch.setattr("tinymaskrcnn.explain.pictures.resize_to_config", lambda image, config: image[:32, :32])
    with pytest.raises(ArgumentError, match=r"size that the network sees, 32x32 pixels; got 64x64"):
        Detector(tiny_model(seed=3)).explain(images[0], target)


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.explain.pictures.detect_bytes", lambda *_, **__: 1 << 50)
    with pytest.raises(ArgumentError, match="explaining this picture"):
        Detector(tiny_model(seed=3)).explain(np.zeros((64, 64, 1), np.float32))
