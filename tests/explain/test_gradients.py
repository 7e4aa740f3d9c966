"""What each loss sends back by itself: held against differences of the forward, and against the backward of all."""

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain import loss_gradients
from tinymaskrcnn.testing.trees import is_float, map_arrays

STEP = 1e-5


def in_float64(array):
    return array.astype(np.float64) if is_float(array) else array


@pytest.fixture(scope="module")
def step():
    """(model, images, what its forward is given, losses, cache), in float64 and with its decisions made."""
    images, targets = tiny_scene(objects=(2, 1))
    model = tiny_model(seed=3)
    samples = tiny_samples(model, images, targets)
    model.astype(np.float64)
    images, targets, samples = map_arrays(in_float64, (images, targets, samples))
    given = {"targets": targets, "samples": samples}
    return model, images, given, *model.forward(images, **given)


def test_each_is_the_slope_of_its_loss_at_the_pixels(step):
    model, images, given, losses, cache = step
    found = loss_gradients(model, losses, cache)
    assert list(found) == list(losses) and all(found[name].loss == float(losses[name]) for name in losses)
    way = np.random.default_rng(0).standard_normal(images.shape)
    after, _ = model.forward(images + STEP * way, **given)
    before, _ = model.forward(images - STEP * way, **given)
    for name, one in found.items():
        slope = (float(after[name]) - float(before[name])) / (2 * STEP)
        assert slope != 0 and (one.dimages * way).sum() == pytest.approx(slope, rel=1e-4), name


def test_each_is_the_slope_of_its_loss_at_every_level(step, monkeypatch):
    model, images, given, losses, cache = step
    found, forward = loss_gradients(model, losses, cache), model.backbone.forward
    rng, slopes = np.random.default_rng(1), []
    for k, level in enumerate(next(iter(found.values())).dpyramid):
        way, both = rng.standard_normal(level.shape), []
        for move in (STEP * way, -STEP * way):

            def pushed(x, k=k, move=move):
                pyramid, kept = forward(x)
                return [level + move if number == k else level for number, level in enumerate(pyramid)], kept

            monkeypatch.setattr(model.backbone, "forward", pushed)
            both.append(model.forward(images, **given)[0])
        for name, one in found.items():
            slopes.append((float(both[0][name]) - float(both[1][name])) / (2 * STEP))
            assert (one.dpyramid[k] * way).sum() == pytest.approx(slopes[-1], rel=1e-4, abs=1e-9), (name, k)
    assert np.count_nonzero(slopes) > len(found)  # every loss reaches some level, and one reaches two


def test_together_they_are_the_gradient_of_the_sum(step):
    model, _, _, losses, cache = step
    found = loss_gradients(model, losses, cache)
    whole = model.backward({name: 1.0 for name in losses}, cache)
    np.testing.assert_allclose(sum(one.dimages for one in found.values()), whole, rtol=1e-6, atol=1e-12)


def test_the_model_is_left_as_it_was(step):
    model, _, _, losses, cache = step
    model.zero_grad()
    model.backward({name: 1.0 for name in losses}, cache)
    before = [parameter.grad.copy() for parameter in model.parameters()]
    loss_gradients(model, losses, cache)
    assert all(np.array_equal(p.grad, grad) for p, grad in zip(model.parameters(), before))
    assert "backward" not in vars(model.backbone)


def test_without_a_cache_it_says_what_is_missing(step):
    with pytest.raises(ArgumentError, match=r"cache is None; call model.train\(\)"):
        loss_gradients(step[0], step[3], None)
