import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_config, tiny_model

from tinymaskrcnn.errors import CheckpointError, ConfigError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Target, collate
from tinymaskrcnn.train.finetune import freeze_stages, load_fitting


def other_model(**changes):
    config = dataclasses.replace(tiny_config(), **changes)
    return build_model(config, rng=np.random.default_rng(9))


def test_everything_is_taken_over_where_it_fits():
    source, model = tiny_model().state_dict(), other_model()
    assert load_fitting(model, source) == []
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, source[name])


def test_heads_for_other_classes_start_anew_and_are_named():
    source = tiny_model().state_dict()
    model = other_model(num_classes=5)
    before = model.state_dict()
    fresh = load_fitting(model, source)
    assert sorted(fresh) == [
        "roi_heads.box_predictor.bbox_pred.bias",
        "roi_heads.box_predictor.bbox_pred.weight",
        "roi_heads.box_predictor.cls_score.bias",
        "roi_heads.box_predictor.cls_score.weight",
        "roi_heads.mask_predictor.mask_fcn_logits.bias",
        "roi_heads.mask_predictor.mask_fcn_logits.weight",
    ]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name] if name in fresh else source[name])


def test_other_heads_start_anew_or_are_left():
    model = other_model(heads=("box", "keypoint"))
    fresh = load_fitting(model, tiny_model().state_dict())
    assert fresh and all(name.startswith("roi_heads.keypoint_") for name in fresh)


def test_another_backbone_is_refused_and_nothing_is_changed():
    backbone = dataclasses.replace(tiny_config().backbone, widths=(4, 4, 8, 4))
    model = other_model(backbone=backbone)
    before = model.state_dict()
    with pytest.raises(CheckpointError, match="weights are of another network: backbone.body.layer3.*and .* more"):
        load_fitting(model, tiny_model().state_dict())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# ---------------------------------------------------------------- frozen stages


def batch():
    masks = np.zeros((1, 64, 64), bool)
    masks[0, 10:30, 20:50] = True
    target = Target(np.array([[20, 10, 50, 30]], np.float32), np.array([1]), masks)
    image = np.random.default_rng(0).random((64, 64, 1), dtype=np.float32)
    return collate([image], [target])


def step(model):
    """One backward pass; the gradients by name."""
    b = batch()
    losses, cache = model.train().forward(b.images, targets=b.targets, sizes=b.sizes, rng=np.random.default_rng(0))
    model.zero_grad()
    model.backward({name: 1.0 for name in losses}, cache)
    return {name: p.grad.copy() for name, p in model.named_parameters()}


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("count, lowest", [(0, "layer1"), (2, "layer3"), (4, None)])
def test_frozen_stages_neither_learn_nor_follow_the_batches(norm, count, lowest):
    model = freeze_stages(tiny_model(norm=norm), count)
    before = model.state_dict()
    grads = step(model)
    frozen = ("backbone.body.conv1", "backbone.body.bn1", *(f"backbone.body.layer{i + 1}" for i in range(count)))
    trainable = {name for name, p in model.named_parameters() if p.trainable}
    assert not [name for name in trainable if name.startswith(frozen)]
    assert all(not grads[name].any() for name in grads if name.startswith(frozen))
    if lowest:
        assert any(grads[name].any() for name in grads if name.startswith(f"backbone.body.{lowest}"))
    after = model.state_dict()
    for name in before:
        if name.startswith(frozen):
            np.testing.assert_array_equal(before[name], after[name])
    if norm == "batch" and lowest:
        moving = f"backbone.body.{lowest}.0.bn1.running_mean"
        assert (before[moving] != after[moving]).any()


def test_freezing_keeps_names_and_what_the_network_computes():
    model, frozen = tiny_model(), freeze_stages(tiny_model(), 2)
    assert list(model.state_dict()) != [] and set(model.state_dict()) == set(frozen.state_dict())
    images = batch().images
    for a, b in zip(*(m.eval().backbone.forward(images)[0] for m in (model, frozen)), strict=True):
        np.testing.assert_array_equal(a, b)
    frozen.load_state_dict(model.state_dict())


def test_freezing_nothing_and_too_much():
    model = tiny_model()
    assert freeze_stages(model, -1) is model and all(p.trainable for p in model.parameters())
    for count in (5, -2):
        with pytest.raises(ConfigError, match="frozen stages must be 0 .. 4"):
            freeze_stages(tiny_model(), count)
