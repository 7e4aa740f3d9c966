"""models/moving_targets.py: the answers are those of the sample, and the RoI is sent where they are fulfilled."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import tiny_config, tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.models import moving_targets
from tinymaskrcnn.models.heads.box import BoxHead
from tinymaskrcnn.models.heads.keypoint import KeypointHead
from tinymaskrcnn.models.heads.mask_variants import MASK_HEADS
from tinymaskrcnn.models.heads.res5 import Res5BoxHead
from tinymaskrcnn.targets.mask_iou import ScoredMaskTargets, mask_iou_targets, whole_areas
from tinymaskrcnn.targets.roi import mask_targets


def drawn(seed, *, aligned=True):
    rng = np.random.default_rng(seed)
    n, m, height, width = rng.integers(1, 4), rng.integers(1, 4), *rng.integers(8, 40, 2)
    sizes = np.stack([rng.integers(6, height + 1, n), rng.integers(6, width + 1, n)], axis=1)
    matched = rng.integers(0, n * m, 5)
    ends = np.sort(rng.uniform(0, 1, (2, 5, 2)), axis=0) * sizes[matched // m][:, ::-1]
    data = dict(masks=rng.integers(0, 2, (n, m, height, width)).astype(np.uint8), matched=matched, sizes=sizes)
    return np.concatenate(list(ends), axis=1), data | dict(size=int(rng.integers(1, 9)), aligned=aligned)


@examples(40)
@given(seed=st.integers(0, 10_000), aligned=st.booleans())
def test_the_masks_gradient_is_that_of_the_mask_targets(seed, aligned):
    """Every edge of every box, by differences; where one step crosses a grid line, a smaller one does not."""
    rois, data = drawn(seed, aligned=aligned)
    wanted = mask_targets(data["masks"], rois, **{k: v for k, v in data.items() if k != "masks"})
    targets, cache = moving_targets.moving_mask_forward(rois, **data)
    np.testing.assert_array_equal(targets, wanted)
    dtargets = np.random.default_rng(seed).normal(size=targets.shape)
    drois = moving_targets.moving_mask_backward(dtargets, cache)
    for edge in range(4):
        tried = []
        for step in (1e-5, 1e-6, 1e-7):
            moved = [rois + way * step * np.eye(4)[edge] for way in (1, -1)]
            higher, lower = (moving_targets.moving_mask_forward(boxes, **data)[0] for boxes in moved)
            change = (dtargets * (higher - lower)).sum(axis=(1, 2)) / (2 * step)
            tried.append(np.abs(change - drois[:, edge]) / (1 + np.abs(change)))
        assert np.min(tried, axis=0).max() < 1e-5


@examples(40)
@given(seed=st.integers(0, 10_000))
def test_the_ious_gradient_is_that_of_the_iou_targets(seed):
    """Of masks and areas, by differences, where boxes hold an object, cut it, or miss it; and of areas by boxes."""
    rois, data = drawn(seed)
    rng, size = np.random.default_rng(seed), data["size"]
    rois = rois + [0, 0, 1, 1]  # an edge of 1 at least
    place = {name: data[name] for name in ("masks", "matched", "size")}
    areas, c_areas = moving_targets.moving_area_forward(rois, **place)
    np.testing.assert_array_equal(areas, whole_areas(data["masks"], rois, data["matched"], size=size))
    masks, logits = rng.random((5, size, size)), rng.normal(size=(5, size, size))
    iou, cache = moving_targets.mask_iou_forward(masks, areas, logits=logits)
    np.testing.assert_array_equal(iou, mask_iou_targets(logits, ScoredMaskTargets(masks, areas)))
    diou, way = rng.normal(size=5), rng.normal(size=(5, size, size)) * (np.abs(masks - 0.5) > 1e-3)
    dmasks, dareas = moving_targets.mask_iou_backward(diou, cache)
    drois = moving_targets.moving_area_backward(dareas, c_areas)

    def total(step, edges):
        moved, _ = moving_targets.moving_area_forward(rois + step * edges, **place)
        return diou * moving_targets.mask_iou_forward(masks + step * way, moved, logits=logits)[0]

    edges = rng.normal(size=(5, 4))
    wanted = (dmasks * way).sum(axis=(1, 2)) + (drois * edges).sum(axis=1)
    found = (total(1e-6, edges) - total(-1e-6, edges)) / 2e-6
    np.testing.assert_allclose(wanted, found, rtol=1e-4, atol=1e-6)


def test_a_mask_pulls_its_roi_over_the_object():
    """A head that is sure of "object" everywhere wants more of it: each edge moves to where the mask has more ones."""
    masks = np.zeros((1, 1, 32, 32), np.uint8)
    masks[..., 8:24, 8:24] = 1
    rois = np.array([[4.3, 6.2, 20.4, 22.7]])
    data = dict(masks=masks, matched=np.array([0]), sizes=np.array([[32, 32]]), size=7, aligned=True)
    _, cache = moving_targets.moving_mask_forward(rois, **data)
    drois = moving_targets.moving_mask_backward(-np.ones((1, 7, 7)), cache)
    assert (drois[0, :2] < 0).all() and (drois[0, 2:] <= 0).all()  # downhill is right and down: off the empty margin


def test_a_device_never_waits(device):
    from strict_device import counting

    rois, data = drawn(3)
    targets, cache = moving_targets.moving_mask_forward(rois, **data)
    drois = moving_targets.moving_mask_backward(targets, cache)
    there = {name: device.asarray(data[name]) for name in ("masks", "matched", "sizes")}
    with counting() as cost:
        targets, cache = moving_targets.moving_mask_forward(device.asarray(rois), **(data | there))
        found = moving_targets.moving_mask_backward(targets, cache)
        place = {name: there[name] for name in ("masks", "matched")} | {"size": data["size"]}
        areas, c_areas = moving_targets.moving_area_forward(device.asarray(rois), **place)
        _, c_iou = moving_targets.mask_iou_forward(targets, areas, logits=targets - 0.3)
        _, dareas = moving_targets.mask_iou_backward(areas, c_iou)
        moving_targets.moving_area_backward(dareas, c_areas)
    assert cost.synchronisations == cost.sparse_waits  # which the kernels spare
    np.testing.assert_allclose(to_host(found), drois, rtol=1e-9, atol=1e-12)


def test_large_masks_are_looked_at_a_few_at_a_time(monkeypatch):
    rois, data = drawn(4)
    targets, cache = moving_targets.moving_mask_forward(rois, **data)
    wanted = moving_targets.moving_mask_backward(targets, cache)
    monkeypatch.setattr(moving_targets, "PIXELS", 1)
    np.testing.assert_allclose(moving_targets.moving_mask_backward(targets, cache), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", [BoxHead, MASK_HEADS["per_class"], MASK_HEADS["agnostic"], MASK_HEADS["fc"]])
def test_asked_anew_is_asked_the_same(kind):
    """From the RoIs as they were drawn come the losses of the usual head."""
    images, targets = tiny_scene()
    model = tiny_model(norm="group", positive_iou=0.15)
    samples = tiny_samples(model, images, targets)
    pyramid, _ = model.backbone.forward(model.normalize.forward(images, sizes=np.full((2, 2), 64))[0])
    results = []
    for each in (kind, moving_targets.moving(kind)):
        head = each(4, 3, tiny_config().roi, rng=np.random.default_rng(0))
        seen = head.sees(samples.rois)
        answers = head.answers(seen, targets, sizes=np.full((2, 2), 64))
        losses, _ = head.learn_forward(pyramid, samples=samples.rois, answers=answers)
        results.append({name: float(loss) for name, loss in losses.items()})
    assert results[0] == results[1] and all(results[0].values())


def test_what_only_jumps_stays_as_it_is():
    """A keypoint's cell, and the class of a pixel; a head that is moved keeps its own ways in all else."""
    assert moving_targets.moving(KeypointHead) is KeypointHead
    assert moving_targets.moving(MASK_HEADS["softmax"]) is MASK_HEADS["softmax"]
    for kind in (BoxHead, Res5BoxHead, *(MASK_HEADS[name] for name in ("per_class", "agnostic", "fc"))):
        moved = moving_targets.moving(kind)
        assert issubclass(moved, kind) and moved is moving_targets.moving(kind)
        assert (moved.detect, moved.question, moved.report) == (kind.detect, kind.question, kind.report)


def test_a_head_of_another_loss_has_to_say_what_its_answers_do():
    class OtherBoxHead(BoxHead):
        def loss_forward(self, y, *, seen, answers=None):
            return super().loss_forward(y, seen=seen)

    with pytest.raises(ConfigError, match="must be 'none' or 'features' with a OtherBoxHead, whose answers do not"):
        moving_targets.moving(OtherBoxHead)


def test_a_mask_head_needs_masks():
    import dataclasses

    images, targets = tiny_scene()
    model = tiny_model(norm="group", box_gradient="features+targets")
    with pytest.raises(ArgumentError, match="has a mask head, and the targets have no masks"):
        model.forward(images, targets=dataclasses.replace(targets, masks=None), rng=np.random.default_rng(0))
