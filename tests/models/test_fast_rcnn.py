"""Fast R-CNN: proposals that come with a batch, background that overlaps a little, and short lists that stay short."""

import dataclasses

import numpy as np
import pytest
from pretended_cupy import pretended
from strict_device import counting
from tiny_model import tiny_config, tiny_samples, tiny_scene

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, TrainConfig
from tinymaskrcnn.errors import ArgumentError, ConfigError, ShapeError
from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.interop.onnx import onnx_model
from tinymaskrcnn.interop.torchvision import to_state_dict
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.fast_rcnn import SETTINGS, GivenProposals
from tinymaskrcnn.models.shapes import expected_shapes, step_bytes
from tinymaskrcnn.models.systems import system_settings
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.targets.roi import sample_rois
from tinymaskrcnn.testing import check_layer
from tinymaskrcnn.train.trainer import Trainer


def fast_rcnn(seed=0, **roi):
    config = dataclasses.replace(tiny_config(norm="group", heads=("box",)), system="fast_rcnn")
    config = dataclasses.replace(config, roi=dataclasses.replace(config.roi, negative_low=0.1, **roi))
    rng = np.random.default_rng(seed)
    model = build_model(config, rng=rng)
    for p in model.parameters():
        p.value += rng.normal(0, 0.1, p.value.shape).astype(np.float32)
    return model


def around(targets, count=12, seed=0, size=64):
    """Proposals near the objects and elsewhere: {"proposals": (N, P, 4), "proposals_valid": (N, P)}"""
    rng = np.random.default_rng(seed)
    n = len(targets.boxes)
    near = targets.boxes[:, rng.integers(0, targets.boxes.shape[1], count // 2)] + rng.uniform(
        -4, 4, (n, count // 2, 4)
    )
    corner = rng.uniform(0, 40, (n, count - count // 2, 2))
    far = np.concatenate([corner, corner + rng.uniform(8, 22, corner.shape)], axis=2)
    boxes = np.clip(np.concatenate([near, far], axis=1), 0, size).astype(np.float32)
    valid = (boxes[..., 2:] > boxes[..., :2] + 1).all(axis=2)
    return {"proposals": boxes, "proposals_valid": valid}


def test_gradient_of_every_parameter():
    model = fast_rcnn()
    images, targets = tiny_scene()
    given = around(targets)
    kept = []
    choose = model.choose_samples
    model.choose_samples = lambda *args, **data: kept.append(choose(*args, **data)) or kept[0]
    model.forward(images, targets=targets, rng=np.random.default_rng(0), **given)
    del model.choose_samples
    assert len(kept[0].rois.mask_rows) > 0
    skip = {"zero_rows": "the samples belong to these two images"}
    check_layer(model, images, targets=None, samples=kept[0], skip=skip, directions=1, **given)


def test_the_losses_are_two_and_every_parameter_but_no_rpn_learns():
    model = fast_rcnn()
    images, targets = tiny_scene()
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0), **around(targets))
    assert list(losses) == ["box_class", "box_delta"]
    model.backward(dict.fromkeys(losses, 1.0), cache)
    names = [name for name, _ in model.named_parameters()]
    assert not any("rpn" in name for name in names) and set(model.state_dict()) == set(expected_shapes(model.config))
    assert any(p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("seed", range(5))
def test_background_overlaps_an_object_by_at_least_a_tenth(seed):
    images, targets = tiny_scene()
    given = around(targets, count=30, seed=seed)
    drawn = {}
    for low in (0.0, 0.1):
        config = dataclasses.replace(fast_rcnn(samples_per_image=32).roi_heads.config, negative_low=low)
        samples = sample_rois(*given.values(), targets, config, rng=np.random.default_rng(seed))
        best = [
            iou_matrix(roi[None], targets.boxes[n][targets.valid[n]]).max()
            for roi, n in zip(samples.rois, samples.image_index)
        ]
        drawn[low] = samples.labels, np.array(best)
    for low, (labels, best) in drawn.items():
        assert (best[labels == 0] >= low).all() and (best[labels == 0] < 0.5).all() and (best[labels > 0] >= 0.5).all()
    assert (drawn[0.0][1] < 0.1).any() and (drawn[0.1][0] == 0).any()
    assert len(drawn[0.1][0]) < len(drawn[0.0][0])  # what is missing is not filled up


def test_a_short_list_is_not_filled_up_by_repeating():
    """Two usable proposals and an object: three RoIs, however many are asked for."""
    images, targets = tiny_scene((1, 0))
    box = targets.boxes[0, 0]
    near = box + np.array([3, 3, 3, 3], np.float32)
    given = {"proposals": np.stack([np.stack([near, box - 9]), np.zeros((2, 4))]).astype(np.float32)}
    given["proposals_valid"] = np.array([[True, False], [False, False]])
    model = fast_rcnn(samples_per_image=16, positive_fraction=1.0)
    samples, _ = model.roi_heads.choose_samples(
        given["proposals"], given["proposals_valid"], targets, sizes=np.full((2, 2), 64), rng=np.random.default_rng(0)
    )
    assert len(samples.rois) == len(np.unique(samples.rois, axis=0)) == 2
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0), **given)
    assert all(np.isfinite(loss) for loss in losses.values())
    model.backward(dict.fromkeys(losses, 1.0), cache)


@pytest.mark.parametrize("objects", [(3, 5), (0, 0), (0, 2)])
@pytest.mark.parametrize("count", [0, 1])
def test_more_objects_than_proposals_and_no_proposals_at_all(objects, count):
    images, targets = tiny_scene(objects)
    model = fast_rcnn()
    given = {"proposals": np.full((2, count, 4), [2, 2, 20, 20], np.float32)}
    given["proposals_valid"] = np.zeros((2, count), bool)
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0), **given)
    model.backward(dict.fromkeys(losses, 1.0), cache)
    assert all(np.isfinite(loss) for loss in losses.values())
    assert all(np.isfinite(p.grad).all() for p in model.parameters())
    assert (losses["box_class"] == 0) == (objects == (0, 0))
    for found in model.eval().detect(images, **given):
        assert len(found) == 0


def test_what_is_found_lies_in_the_picture_and_padding_is_not_looked_at():
    images, targets = tiny_scene()
    model = fast_rcnn(score_threshold=0.0).eval()
    given = around(targets)
    found = model.detect(images, sizes=np.array([[64, 64], [50, 40]]), **given)
    assert all(len(one) for one in found) and found[1].boxes[:, 2].max() <= 40 and found[1].boxes[:, 3].max() <= 50
    nonsense = given | {"proposals": np.where(given["proposals_valid"][..., None], given["proposals"], 1e6)}
    nonsense["proposals"] = nonsense["proposals"].astype(np.float32)
    again = model.detect(images, sizes=np.array([[64, 64], [50, 40]]), **nonsense)
    for one, other in zip(found, again):
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_a_model_of_another_type_takes_the_same_proposals():
    images, targets = tiny_scene()
    given = around(targets)
    model = fast_rcnn().astype(np.float64)
    finer = dataclasses.replace(targets, boxes=targets.boxes.astype(np.float64))
    data = {"targets": finer, "rng": np.random.default_rng(0)}
    losses, cache = model.forward(images.astype(np.float64), **data, **given)
    model.backward(dict.fromkeys(losses, 1.0), cache)
    assert {loss.dtype for loss in losses.values()} == {np.dtype(np.float64)}
    wanted, _ = fast_rcnn().forward(images, targets=targets, rng=np.random.default_rng(0), **given)
    for name, loss in wanted.items():
        np.testing.assert_allclose(losses[name], loss, rtol=1e-4)
    one, other = Detector(model), Detector(fast_rcnn())
    for a, b in zip(one.detect(list(images)), other.detect(list(images)), strict=True):
        assert len(a) == len(b) > 0
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-2)


def test_a_step_on_a_device_waits_for_nothing_but_its_row():
    """As many operations, whatever is in the pictures and however many of the proposals are padding."""
    costs = []
    with pretended():
        for objects, count, seed in (((2, 1), 12, 0), ((2, 1), 12, 3), ((1, 2), 12, 5), ((2, 0), 12, 7)):
            images, targets = tiny_scene(objects, seed=seed)
            batch = ImageBatch(images, np.full((2, 2), 64), targets, given=around(targets, count, seed))
            batch = batch.to_device("cuda")
            assert {type(array).__name__ for array in batch.given.values()} == {"StrictArray"}
            trainer = Trainer(fast_rcnn().to_device("cuda"), None, TrainConfig(), device="cuda")
            with counting() as cost:
                row = trainer.train_step([batch])
            costs.append((cost.synchronisations - cost.sparse_waits, cost.operations))
            here = Trainer(fast_rcnn(), None, TrainConfig())
            alike = ImageBatch(images, np.full((2, 2), 64), targets, given=around(targets, count, seed))
            for name, value in here.train_step([alike]).items():
                assert row[name] == pytest.approx(value, rel=1e-4), name
    assert len(set(costs[1:])) == 1 and costs[0][0] == 1  # in the first step constants move to the device


def test_settings():
    config = override(Config(), system_settings("fast_rcnn"))
    assert config.model.heads == ("box",) and config.model.roi.negative_low == 0.1
    assert config.train.train_scenes == SETTINGS["train.train_scenes"]
    assert override(config, system_settings("faster_rcnn")).train.train_scenes == 0
    assert step_bytes(config.model, (128, 128), pictures=1) > 0
    for wrong, said in (
        ({"model.roi.negative_low": 0.6}, "negative_low must be at most positive_iou; got 0.6 and 0.5"),
        ({"model.box_gradient": "features"}, "box_gradient must be 'none' for system 'fast_rcnn', whose boxes"),
        ({"model.heads": ("box", "mask")}, r"heads must be \['box'\] for system 'fast_rcnn'"),
    ):
        with pytest.raises(ConfigError, match=said):
            override(config, wrong)


def test_errors():
    images, targets = tiny_scene()
    model = fast_rcnn()
    rng = np.random.default_rng(0)
    with pytest.raises(ArgumentError, match=r"a model without an RPN needs proposals \(N, P, 4\); got none"):
        model.forward(images, targets=targets, rng=rng)
    for shape in ((2, 5), (3, 5, 4), (2, 5, 5)):
        with pytest.raises(ShapeError, match=r"proposals must be \(N, P, 4\) with N = 2 as many as images; got"):
            model.forward(images, targets=targets, rng=rng, proposals=np.zeros(shape, np.float32))
    boxes = np.zeros((2, 3, 4), np.float32)
    (_, valid), cache = GivenProposals().forward([images], proposals=boxes)
    assert valid.all() and valid.shape == (2, 3) and cache is None
    model.eval()
    with pytest.raises(ArgumentError, match="needs a model with an RPN; got one of system 'fast_rcnn'"):
        trace_detection(model, images[0])
    for way, who in ((onnx_model, "the ONNX export"), (to_state_dict, "torchvision")):
        with pytest.raises(ConfigError, match=f"{who} has no word for model.system 'fast_rcnn'"):
            way(model)


def test_samples_of_other_models_are_as_before():
    """With negative_low at 0 every proposal may be background."""
    images, targets = tiny_scene()
    model = build_model(tiny_config(), rng=np.random.default_rng(0))
    assert (tiny_samples(model, images, targets).rois.labels == 0).any()
