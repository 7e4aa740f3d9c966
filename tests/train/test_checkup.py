"""A step taken apart: what is measured is what the step did, and the training does not notice."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.nn.layers import ReLU
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.train.checkup import check_up


def batch_of(seed=0):
    images, targets = tiny_scene(objects=(2, 1), seed=seed)
    return ImageBatch(images, np.array([[64, 64], [64, 64]]), targets, ("a", "b"))


def step(model, batch):
    model.train().zero_grad()
    data = {"targets": batch.targets, "sizes": batch.sizes, "rng": np.random.default_rng(0)}
    losses, cache = model.forward(batch.images, **data)
    model.backward(dict.fromkeys(losses, 1.0), cache)
    return losses


def test_losses_gradients_and_samples_are_those_of_a_step():
    model, batch = tiny_model(seed=3, positive_iou=0.15), batch_of()
    found = check_up(model, batch)
    losses = step(model, batch)
    assert found.losses == pytest.approx({name: float(loss) for name, loss in losses.items()}, rel=1e-5)
    squares = {name: (p.grad.astype(np.float64) ** 2) for name, p in model.named_parameters()}
    assert found.norm == pytest.approx(np.sqrt(sum(square.sum() for square in squares.values())), rel=1e-4)
    for layer in found.layers:
        assert layer.gradient == pytest.approx(np.sqrt(squares[layer.name].mean()), rel=1e-3, abs=1e-9)
    assert found.objects == 1.5 and [len(boxes) for boxes in found.boxes] == [2, 1]
    assert 0 < found.anchors[0] <= found.anchors[1] <= 8 and 0 < found.rois[0] < found.rois[1] <= 6
    seen, _ = model.normalize.forward(batch.images, sizes=batch.sizes)
    assert found.brightness == pytest.approx((seen.mean(), seen.std()), rel=1e-4)


def test_units_that_never_answer_are_counted_where_they_are():
    model = tiny_model(seed=3, norm="group", positive_iou=0.15)
    before = check_up(model, batch_of())
    dict(model.named_parameters())["roi_heads.box_head.fc6.bias"].value[:3] = -1e4
    after = check_up(model, batch_of())
    [changed] = [name for name in after.silent if after.silent[name] > before.silent[name] and "relu6" in name]
    assert after.silent[changed] >= 0.5 and changed == "roi_heads.box_head.relu6"
    relus = {name for name, module in model.named_modules() if isinstance(module, ReLU)}
    assert set(after.silent) <= relus


def test_a_box_that_is_not_that_of_its_mask_is_measured():
    batch = batch_of()
    assert (check_up(tiny_model(), batch).agree > 0.8).all()
    swapped = dataclasses.replace(batch.targets, boxes=batch.targets.boxes[..., [1, 0, 3, 2]])
    assert check_up(tiny_model(), dataclasses.replace(batch, targets=swapped)).agree.max() < 0.8
    without = dataclasses.replace(batch.targets, masks=None)
    assert len(check_up(tiny_model(heads=("box",)), dataclasses.replace(batch, targets=without)).agree) == 0


def test_the_training_does_not_notice():
    one, other = tiny_model(seed=3), tiny_model(seed=3)
    step(one, batch_of())
    step(other, batch_of())
    grads = [(p.grad, p.grad.copy()) for p in one.parameters()]
    one.eval()
    check_up(one, batch_of(1))
    assert all(np.array_equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert all(p.grad is grad and np.array_equal(grad, before) for p, (grad, before) in zip(one.parameters(), grads))
    assert not any(module.training or "forward" in vars(module) for _, module in one.named_modules())
    assert not {"choose_samples", "loss_forward"} & set(vars(one)) and "loss_forward" not in vars(one.rpn)
