"""models/at_once.py: what a step samples is the text's to the last bit, on any number of threads."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels.conftest import identical, on_threads

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.kernel_lookup import kernel_for
from tinymaskrcnn.models import at_once
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.mask_rcnn import MaskRCNN
from tinymaskrcnn.targets.roi import mask_targets


def model_and_batch(pictures=4):
    config = Config()
    batch = SceneStream(config.scenes, split="train", seed=0, batch_size=pictures).batch(0)
    return build_model(config.model, rng=np.random.default_rng(0)).train(), batch


def arrays_of(samples):
    """All arrays of the samples, by name."""
    parts = {**dataclasses.asdict(samples.rpn), **dataclasses.asdict(samples.rois), **samples.answers}
    return {name: part for name, part in parts.items() if isinstance(part, np.ndarray)}


def asked(model, batch):
    """The arguments of choose_samples, but for the rng."""
    x, _ = model.normalize.forward(batch.images, sizes=batch.sizes)
    pyramid, _ = model.backbone.forward(x)
    said, _ = model.rpn.forward(pyramid)
    return (model, pyramid, said, batch.targets), {"image_size": batch.images.shape[1:3], "sizes": batch.sizes}


def test_samples_are_those_of_the_text_on_any_threads():
    arguments, place = asked(*model_and_batch())
    text = MaskRCNN.choose_samples.__wrapped__
    assert kernel_for(text, arguments, place | {"rng": np.random.default_rng(3)}) is at_once.choose_samples
    wanted = arrays_of(text(*arguments, **place, rng=np.random.default_rng(3)))
    assert {"rois", "labels", "mask"} <= wanted.keys() and len(wanted["mask"]) > 8

    def draw():
        found = arrays_of(MaskRCNN.choose_samples(*arguments, **place, rng=np.random.default_rng(3)))
        assert found.keys() == wanted.keys()
        return tuple(found.values())

    identical([tuple(wanted.values()), *on_threads(draw)])


def test_what_the_samples_leave_to_the_text():
    """No rng, which the text misses in words; a proposer that somebody watches, one thing after another."""
    (model, *others), place = asked(*model_and_batch(1))
    with pytest.raises(ArgumentError, match="rng must be"):
        model.choose_samples(*others, **place, rng=None)
    rng, text = np.random.default_rng(0), MaskRCNN.choose_samples.__wrapped__
    for watched in ("sample", "propose"):
        with mock.patch.object(model.rpn, watched, getattr(model.rpn, watched)):
            assert kernel_for(text, (model, *others), place | {"rng": rng}) is None


DRAWN = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@DRAWN
@given(st.integers(0, 99), st.integers(0, 40), st.booleans(), st.integers(1, 5))
def test_mask_targets_are_those_of_the_text(seed, count, aligned, objects):
    """RoIs of any size, outside of the picture or turned round among them, and pictures smaller than the batch."""
    rng = np.random.default_rng(seed)
    masks = rng.random((2, objects, 64, 96)) < 0.5
    corner = rng.uniform(-20, 90, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(-9, 70, (count, 2))], axis=1).astype(np.float32)
    data = dict(sizes=np.array([[64, 96], [50, 41]]), size=7, aligned=aligned)
    arguments = masks, rois, rng.integers(0, 2 * objects, count)
    assert kernel_for(mask_targets.__wrapped__, arguments, data) is at_once.seen_through_rois
    with mock.patch.object(at_once, "JOB", 64 * 96 * 3):
        found = on_threads(lambda: mask_targets(*arguments, **data))
    identical([mask_targets.readable(*arguments, **data), *found])
