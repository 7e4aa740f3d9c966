"""A backbone learns single objects first: what is cut out, the gradients, and what a detector takes over."""

import dataclasses
import types

import numpy as np
import pytest
from tiny_settings import TINY_RUN

from tinymaskrcnn import Experiment, cli
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.errors import ArgumentError, CheckpointError, ConfigError
from tinymaskrcnn.models.backbones.presets import backbone_settings
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.ops import warp
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.train import pretrain
from tinymaskrcnn.train.pretrain import (
    BODY,
    CONTEXT,
    FAR,
    SIZE,
    CropClassifier,
    Crops,
    choose_crops,
    load_backbone,
    new_classifier,
    transplant,
)
from tinymaskrcnn.train.run import RunFolder

TINY = TINY_RUN | {"model.backbone.widths": (4, 4, 4, 4), "model.backbone.fpn_channels": 4}
TINY |= {"train.eval_scenes": 4, "train.steps": 4}
PRETRAIN = TINY | {"train.procedure": "pretrain"}


def config(settings, **more):
    return override(Config(), settings | {name.replace("__", "."): value for name, value in more.items()})


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    experiment = Experiment.start(tmp_path_factory.mktemp("pretrain") / "run", config(PRETRAIN))
    assert experiment.train() is True
    return experiment


def test_objects_and_as_many_windows_of_their_sizes_without_one():
    stream = open_stream(config(TINY, train__batch_size=8, scenes__image_size=96), split="train")
    seen = 0
    for i in range(10):
        batch = stream.batch(i)
        targets, (n, m) = batch.targets, batch.targets.valid.shape
        crops = choose_crops(targets, batch.sizes, rng=np.random.default_rng(i))
        valid, half = targets.valid.reshape(-1), n * m
        np.testing.assert_array_equal(crops.boxes[:half][valid], targets.boxes.reshape(-1, 4)[valid])
        np.testing.assert_array_equal(crops.labels[:half], targets.labels.reshape(-1))
        np.testing.assert_array_equal(crops.weight[:half], valid)
        assert not crops.labels[half:].any() and not crops.weight[half:][~valid].any()
        np.testing.assert_array_equal(crops.image_index, np.tile(np.repeat(np.arange(n), m), 2))
        for k in np.flatnonzero(valid):
            window, object_ = crops.boxes[half + k], crops.boxes[k]
            np.testing.assert_allclose(window[2:] - window[:2], object_[2:] - object_[:2], atol=1e-4)
            assert (window >= 0).all() and (window <= 96 + 1e-4).all()
            own = targets.boxes[k // m][targets.valid[k // m]]
            free = iou_matrix(window[None], own).max() <= FAR
            assert crops.weight[half + k] == free
            seen += free
    assert seen > 50


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_lie_anywhere_in_pictures_of_any_size(dtype):
    """Each in its own picture's height and width, by the two numbers that were drawn for it."""
    boxes = np.array([[[4, 2, 14, 40], [0, 0, 0, 0]], [[1, 5, 60, 9], [0, 0, 90, 50]]], dtype)
    valid = np.array([[True, False], [True, True]])
    targets = TargetBatch(boxes, np.array([[3, 0], [1, 2]]), None, valid)
    sizes = np.array([[96, 20], [30, 70]])  # the last object is larger than its picture
    crops = choose_crops(targets, sizes, rng=np.random.default_rng(7))
    drawn = np.random.default_rng(7).random((2, 2, 2))
    for k, (n, m) in enumerate(np.ndindex(2, 2)):
        own, window = crops.boxes[k], crops.boxes[4 + k]
        if not valid[n, m]:
            assert own.tolist() == window.tolist() == [0, 0, 1, 1]
            continue
        width, height = boxes[n, m, 2:] - boxes[n, m, :2]
        x, y = drawn[n, m] * np.maximum(sizes[n, ::-1] - [width, height], 0)
        np.testing.assert_allclose(window, [x, y, x + width, y + height], rtol=1e-6)
    assert crops.boxes.dtype == crops.weight.dtype == dtype and crops.labels.tolist() == [3, 0, 1, 2, 0, 0, 0, 0]
    assert crops.image_index.tolist() == [0, 0, 1, 1] * 2
    assert (SIZE, CONTEXT, FAR) == (64, 8, 0.3)


def test_the_loss_is_the_mean_over_crops_of_what_the_network_says_about_each(monkeypatch):
    """Normalised, warped to 64 pixels with 8 around, through the body; the mean of the last map; one layer."""
    model = build_model(config(TINY, model__image_mean=(0.25,)).model, rng=np.random.default_rng(0))
    classifier = new_classifier(model, 5)
    rng = np.random.default_rng([5, 1])
    wanted = (rng.standard_normal(classifier.predictor.weight.value.shape) * 0.01).astype(np.float32)
    np.testing.assert_array_equal(classifier.predictor.weight.value, wanted)
    batch = open_stream(config(TINY), split="train").batch(0)
    crops = choose_crops(batch.targets, batch.sizes, rng=np.random.default_rng(2))
    classifier.eval()
    x, _ = model.normalize.forward(batch.images, sizes=batch.sizes)
    where = dict(boxes=crops.boxes, image_index=crops.image_index, size=64, context=8)
    last = model.backbone.body.forward(warp.warp_forward(x, **where)[0])[0][-1]
    logits = last.mean(axis=(1, 2)) @ wanted
    np.testing.assert_allclose(classifier.name(batch.images, batch.sizes, crops)[0], logits, rtol=1e-4, atol=1e-6)
    scores = np.exp(logits.astype(float))
    own = -np.log(scores[np.arange(len(scores)), crops.labels] / scores.sum(axis=1))
    losses, _ = classifier.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(2))
    np.testing.assert_allclose(losses["class"], (own * crops.weight).sum() / crops.weight.sum(), rtol=1e-5)


class Guesses:
    """In a classifier's place: what it says about the crops of each batch."""

    def __init__(self, *named):
        self.named, self.rested = list(named), False

    def eval(self):
        self.rested = True

    def name(self, images, sizes, crops):
        guess = np.array(self.named.pop(0))
        return np.eye(9)[guess], None


def test_accuracy_of_objects_and_of_windows_without_one_by_hand(monkeypatch):
    """Over all batches together; padding counts nowhere, and -1 says that there was none of a kind."""
    labels = [np.array([3, 2, 0, 0, 0]), np.array([1, 1, 4, 0])]
    weights = [np.array([1.0, 1, 1, 1, 0]), np.array([1.0, 1, 0, 1])]
    chosen = iter(Crops(None, None, *pair) for pair in zip(labels, weights))
    asked = []
    monkeypatch.setattr(pretrain, "choose_crops", lambda *a, rng: asked.append((*a, rng)) or next(chosen))
    batches = [types.SimpleNamespace(targets=k, sizes=10 + k, images=None) for k in range(2)]
    guesses = Guesses([3, 1, 0, 5, 0], [1, 0, 4, 0])
    found = pretrain.crop_accuracy(guesses, batches, rng="rng")
    assert found == {"objects": 2 / 4, "no_object": 2 / 3, "crops": 7} and guesses.rested
    assert asked == [(0, 10, "rng"), (1, 11, "rng")]
    monkeypatch.setattr(pretrain, "choose_crops", lambda *a, rng: Crops(None, None, labels[0], weights[0] * 0))
    nothing = pretrain.crop_accuracy(Guesses([3, 1, 0, 5, 0]), batches[:1], rng=None)
    assert nothing == {"objects": -1, "no_object": -1, "crops": 0}


def test_pictures_without_objects_cost_nothing_and_learn_nothing():
    stream = open_stream(config(TINY, scenes__digits_per_image=(0, 0)), split="train")
    batch, model = stream.batch(0), build_model(config(TINY).model, rng=np.random.default_rng(0))
    classifier = CropClassifier(model, rng=np.random.default_rng(0))
    losses, cache = classifier.forward(
        batch.images, targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(0)
    )
    assert losses["class"] == 0
    classifier.backward({"class": 1.0}, cache)
    assert not any(p.grad.any() for p in classifier.parameters())


NAMES = ("resnet18-c4:4", "resnet18-c5:4", "vgg11_bn:4", "vgg11-c4:4", "plain:4", "plain-p2:4")


@pytest.mark.parametrize("name", NAMES)
def test_every_backbone_can_be_pretrained(name):
    settings = override(config(TINY), backbone_settings(name, Config().model)).model
    model = build_model(settings, rng=np.random.default_rng(0))
    classifier = CropClassifier(model, rng=np.random.default_rng(1))
    batch = open_stream(config(TINY), split="train").batch(0)
    given = dict(targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(2))
    losses, cache = classifier.forward(batch.images, **given)
    assert np.isfinite(losses["class"])
    classifier.backward({"class": 1.0}, cache)
    assert all(p.grad.any() for n, p in classifier.named_parameters() if n.endswith("weight"))
    taken = {name: value for name, value in classifier.state_dict().items() if name.startswith(BODY)}
    transplant(build_model(settings, rng=np.random.default_rng(3)), taken)


def test_its_gradients_are_those_of_its_loss():
    model = build_model(config(TINY, model__backbone__norm="group").model, rng=np.random.default_rng(1)).astype(float)
    classifier = CropClassifier(model, rng=np.random.default_rng(2)).astype(np.float64)
    batch = open_stream(config(TINY), split="train").batch(1)
    targets = dataclasses.replace(batch.targets, boxes=batch.targets.boxes.astype(np.float64))
    crops = choose_crops(targets, batch.sizes, rng=np.random.default_rng(3))
    images, given = batch.images.astype(np.float64), dict(targets=targets, sizes=batch.sizes, samples=crops)

    def loss():
        return float(classifier.forward(images, **given)[0]["class"])

    classifier.zero_grad()
    losses, cache = classifier.forward(images, **given)
    dimages = classifier.backward({"class": 1.0}, cache)
    rng, h = np.random.default_rng(4), 1e-6
    arrays = [(images, dimages)] + [(p.value, p.grad) for p in classifier.parameters() if p.grad.any()]
    assert len(arrays) > 20
    for array, gradient in arrays:
        for place in rng.permutation(np.flatnonzero(gradient))[:2]:
            flat, before = array.reshape(-1), array.reshape(-1)[place]
            flat[place] = before + h
            above = loss()
            flat[place] = before - h
            below = loss()
            flat[place] = before
            assert (above - below) / (2 * h) == pytest.approx(gradient.reshape(-1)[place], rel=1e-4, abs=1e-8)


def test_a_run_that_was_killed_goes_on_to_the_same_bits(pretrained, tmp_path, monkeypatch):
    run = tmp_path / "parts"
    Experiment.start(run, config(PRETRAIN, train__steps=2, train__schedule="constant")).train()
    whole = Experiment.start(tmp_path / "whole", config(PRETRAIN, train__schedule="constant"))
    whole.train()
    folder = RunFolder.open(run)
    again = Experiment(dataclasses.replace(folder, config=config(PRETRAIN, train__schedule="constant")))
    assert again.train() is True
    ours, theirs = again.run.load().model, whole.run.load().model
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_detector_begins_with_the_pretrained_backbone(pretrained, tmp_path):
    arrays = load_backbone(pretrained.run)
    assert arrays and all(name.startswith(BODY) for name in arrays)
    fresh = Experiment.start(tmp_path / "fresh", config(TINY)).model.state_dict()
    experiment = Experiment.start(tmp_path / "run", config(TINY, train__frozen_stages=4), backbone=arrays)
    state = experiment.model.state_dict()
    for name, array in state.items():
        np.testing.assert_array_equal(array, arrays[name] if name in arrays else fresh[name])
    experiment.train()
    frozen, body = experiment.model.state_dict(), [n for n, p in experiment.model.named_parameters() if n in arrays]
    assert body and all(np.array_equal(frozen[name], arrays[name]) for name in body)
    killed = Experiment(RunFolder.open(tmp_path / "run"))  # the first checkpoint has them already
    assert all(np.array_equal(killed.run.load().model[name], arrays[name]) for name in body)


def test_pretraining_goes_on_from_an_earlier_one(pretrained, tmp_path):
    arrays = load_backbone(pretrained.run)
    more = Experiment.start(tmp_path / "more", config(PRETRAIN), backbone=arrays)
    stored = more.run.load().model
    assert all(np.array_equal(stored[name], arrays[name]) for name in arrays)
    assert more.train() is True and load_backbone(more.run).keys() == arrays.keys()


@pytest.mark.parametrize("frozen", [0, 4])
def test_what_is_frozen_is_not_asked_to_learn(tmp_path, frozen):
    with pytest.raises(ConfigError, match=f"frozen_stages must be -1 for train.procedure 'pretrain'.* got {frozen}"):
        Experiment.start(tmp_path / "run", config(PRETRAIN, train__frozen_stages=frozen))
    assert not (tmp_path / "run").exists()
    c4 = backbone_settings("resnet18-c4:4", Config().model) | {"train.frozen_stages": 4}
    with pytest.raises(ConfigError, match="frozen_stages must be at most 3 for backbone.fpn 'c4'.* got 4"):
        Experiment.start(tmp_path / "run", override(Config(), c4))


def test_layers_that_stay_as_they_were_drawn_are_spoken_of(pretrained, tmp_path, capsys):
    Experiment.start(tmp_path / "random", config(TINY, train__frozen_stages=2))
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "train.frozen_stages=2 keeps layers as they were drawn at random" in said
    Experiment.start(tmp_path / "known", config(TINY, train__frozen_stages=2), backbone=load_backbone(pretrained.run))
    assert capsys.readouterr().err == ""


def test_what_does_not_fit_is_named(pretrained, tmp_path):
    arrays = load_backbone(pretrained.run)
    wider = build_model(config(TINY, model__backbone__widths=(4, 4, 4, 8)).model, rng=np.random.default_rng(0))
    four = r"(backbone.body.layer4\S+, ){3}backbone.body.layer4\S+ and \d+ more missing"
    with pytest.raises(CheckpointError, match=rf"pretrained backbone is another one: {four}"):
        transplant(wider, arrays)
    with pytest.raises(CheckpointError, match="another one: backbone.body.more missing on one side"):
        transplant(build_model(config(TINY).model, rng=np.random.default_rng(0)), arrays | {f"{BODY}more": np.ones(1)})
    same = build_model(config(TINY).model, rng=np.random.default_rng(0))
    name = next(iter(arrays))
    with pytest.raises(CheckpointError, match=rf"another one: {name} missing"):
        transplant(same, {n: a for n, a in arrays.items() if n != name})
    with pytest.raises(CheckpointError, match=rf"pretrained backbone: {name}"):
        transplant(same, arrays | {name: np.full_like(arrays[name], np.nan)})
    detector = Experiment.start(tmp_path / "detector", config(TINY))
    with pytest.raises(ArgumentError, match="trained by procedure 'joint', and holds a detector"):
        load_backbone(detector.run)
    with pytest.raises(ArgumentError, match="holds a pretrained backbone and no detector"):
        Experiment.open(pretrained.run.path)


def test_from_the_command_line(pretrained, tmp_path, capsys):
    small = [
        word
        for name, value in TINY.items()
        for word in ("--set", f"{name}={list(value) if isinstance(value, tuple) else value}")
    ]
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert cli.main(["train", "--out", first, *small, "--set", "train.procedure=pretrain"]) == 0
    said = capsys.readouterr().out
    assert "named rightly of " in said and f"tinymaskrcnn train --pretrained {first}" in said
    assert cli.main(["train", "--out", second, *small, "--pretrained", first, "--set", "train.frozen_stages=4"]) == 0
    body = load_backbone(RunFolder.open(first))
    state = Experiment.open(second).model.state_dict()
    learned = [name for name in body if not name.endswith(("running_mean", "running_var"))]
    assert all(np.array_equal(state[name], body[name]) for name in learned)
    assert cli.main(["evaluate", first]) == 2
    assert "holds a pretrained backbone and no detector" in capsys.readouterr().err
    assert cli.main(["train", "--pretrained", first, "--model", "tour", "--data", "coco"]) == 2
    assert "leave one out" in capsys.readouterr().err
