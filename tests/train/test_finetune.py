import dataclasses

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_model import tiny_config, tiny_model

from tinymaskrcnn.errors import CheckpointError, ConfigError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Target, collate
from tinymaskrcnn.train.finetune import PER_CLASS, freeze_stages, load_fitting


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
    with pytest.raises(
        CheckpointError,
        match=r"another network: (backbone.body.layer3\S+, ){3}backbone.body.layer3\S+ and \d+ more are",
    ):
        load_fitting(model, tiny_model().state_dict())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# ---------------------------------------------------------------- classes by name


def heads(model, names, features):
    """What a model says of each class about the same features: {name: (score, box, mask)}."""
    h, crops = features
    (logits, deltas), _ = model.roi_heads.heads["box"].predictor.forward(h)
    said = {}
    for label, name in enumerate(names):
        channel = np.full(len(crops), label)
        masks, _ = model.roi_heads.heads["mask"].predictor.forward(crops, channel=channel)
        said.setdefault(name, (logits[:, label], deltas[:, label], masks))
    return said


FEATURES = [np.random.default_rng(1).normal(size=shape).astype(np.float32) for shape in ((5, 6), (2, 4, 4, 4))]
class_lists = st.lists(st.sampled_from(["cat", "dog", "owl", "猫", "N/A", "cat "]), min_size=1, max_size=5)


@given(theirs=class_lists, ours=class_lists)
@example(theirs=["cat", "dog"], ours=["dog", "owl"])
@example(theirs=["cat", "dog"], ours=["dog", "cat"])
@example(theirs=["cat", "dog"], ours=["owl", "ant"])
@example(theirs=["a", "N/A", "b"], ours=["b", "N/A", "a"])
@examples(40)
def test_what_belongs_to_a_class_follows_its_name(theirs, ours):
    theirs, ours = ("background", *theirs), ("background", *ours)
    source = other_model(class_names=theirs, num_classes=len(theirs))
    model = other_model(class_names=ours, num_classes=len(ours))
    for parameter in source.parameters():
        parameter.value += np.random.default_rng(3).normal(0, 0.1, parameter.value.shape).astype(np.float32)
    before = model.state_dict()
    fresh = load_fitting(model, source.state_dict(), class_names=theirs)
    shared = (set(theirs) & set(ours)) - {"background", "N/A"}
    assert bool(fresh) == (theirs != ours and not shared)
    if theirs == ours:
        return
    started = other_model(class_names=ours, num_classes=len(ours)).load_state_dict(
        {name: before[name] if name.startswith(PER_CLASS) else array for name, array in model.state_dict().items()}
    )
    found, known, new = (heads(m, names, FEATURES) for m, names in ((model, ours), (source, theirs), (started, ours)))
    for name in ours:
        wanted = known if name in shared or (shared and name == "background") else new
        for a, b in zip(found[name], wanted[name], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("mask_kind", ["agnostic", "softmax", "fc"])
def test_masks_of_other_kinds_follow_their_classes_or_belong_to_all(mask_kind):
    """Two classes that change places: rows change places with them, and the one mask of all stays as it is."""
    old, new = (tiny_model(seed, mask_kind=mask_kind) for seed in (0, 1))
    swapped = ("background", "tall", "flat")
    assert load_fitting(new, old.state_dict(), class_names=swapped) == []
    name = "roi_heads.mask_predictor.mask_fcn_logits.weight"
    theirs, ours = old.state_dict()[name], new.state_dict()[name]
    if mask_kind != "agnostic":
        theirs = theirs.reshape(*theirs.shape[:-1], 3, -1)[..., [0, 2, 1], :].reshape(theirs.shape)
    np.testing.assert_array_equal(ours, theirs)


def test_without_names_the_weights_are_of_the_models_own_classes():
    source, model = tiny_model(), other_model(class_names=("background", "tall", "flat"))
    assert load_fitting(model, source.state_dict()) == []
    rows = "roi_heads.box_predictor.cls_score.weight"
    np.testing.assert_array_equal(model.state_dict()[rows], source.state_dict()[rows])


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


def test_norms_that_rest_keep_their_eps_wherever_they_are():
    config = tiny_config()
    backbone = dataclasses.replace(config.backbone, norm_eps=0.25, depths=(2, 1, 1, 1))
    models = [other_model(backbone=backbone) for _ in range(2)]
    freeze_stages(models[1], 3)
    images = batch().images
    for a, b in zip(*(m.eval().backbone.forward(images)[0] for m in models), strict=True):
        np.testing.assert_array_equal(a, b)
    rest = {name for name, m in models[1].named_modules() if type(m).__name__ == "FrozenBatchNorm2d"}
    norms = {name for name, m in models[0].named_modules() if type(m).__name__ == "BatchNorm2d"}
    assert norms - rest == {name for name in norms if "layer4" in name} and rest < norms


def test_freezing_nothing_and_too_much():
    model = tiny_model()
    assert freeze_stages(model, -1) is model and all(p.trainable for p in model.parameters())
    for count in (5, -2):
        with pytest.raises(ConfigError, match="frozen stages must be 0 .. 4"):
            freeze_stages(tiny_model(), count)
