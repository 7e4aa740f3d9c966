"""Train, evaluate and draw from Python, and configurations whose parts do not fit."""

import dataclasses
import os

import numpy as np
import pytest

import tinymaskrcnn
from tinymaskrcnn import Config, Experiment
from tinymaskrcnn.config import BackboneConfig, ModelConfig, RoIConfig, RPNConfig, SceneConfig, TrainConfig
from tinymaskrcnn.errors import ArgumentError, CheckpointError, ConfigError, NonFiniteError
from tinymaskrcnn.experiment import Detector, check_experiment
from tinymaskrcnn.zoo import load_tour_detector

TINY = Config(
    model=ModelConfig(
        backbone=BackboneConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_width=8, fpn_channels=8),
        rpn=RPNConfig(samples_per_image=8),
        roi=RoIConfig(head_width=16, mask_widths=(8,), mask_deconv_width=8, samples_per_image=8),
    ),
    scenes=SceneConfig(image_size=64, digits_per_image=(1, 2)),
    train=TrainConfig(steps=2, batch_size=2, eval_scenes=3),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    experiment = Experiment.start(tmp_path_factory.mktemp("runs") / "first", TINY)
    assert experiment.train()
    return experiment


def test_the_ten_lines_of_the_readme(trained):
    figures = trained.evaluate()
    assert set(figures) == {"bbox", "segm"} and -1 <= figures["segm"]["AP"] <= 1
    assert [path.name for path in trained.draw(scenes=2)] == ["detections.png", "curves.png"]


def test_an_opened_run_has_the_trained_weights(trained):
    opened = Experiment.open(trained.run.path)
    for name, array in trained.model.state_dict().items():
        np.testing.assert_array_equal(opened.model.state_dict()[name], array)
    assert opened.evaluate() == trained.evaluate()


def test_pictures_of_different_sizes_in_one_call(trained):
    rng = np.random.default_rng(0)
    images = [rng.random(shape, np.float32) for shape in ((64, 64, 1), (1, 1, 1), (40, 90, 1))]
    found = trained.detect(images)
    assert [f.masks.shape[1:] for f in found] == [(64, 64), (1, 1), (40, 90)]
    assert trained.detect([]) == []


def test_batches_do_not_change_what_is_found(trained):
    images = [image for image, _ in trained.scenes(3)]
    together = trained.detect(images)
    for image, found in zip(images, together):
        [alone] = trained.detect([image])
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-5)


def test_detecting_leaves_the_mode_as_it_was(trained):
    trained.model.train()
    trained.detect([np.zeros((32, 32, 1), np.float32)])
    assert trained.model.training
    trained.model.eval()


def test_other_data_for_the_evaluation(trained):
    copy = Experiment.open(trained.run.path).use_data("digits")
    assert copy.config == trained.config
    assert copy.use_data("mnist", "folder").config.scenes.source == "mnist"
    assert copy.run.config.scenes.source == "digits"  # what the run was trained on stays


def test_a_run_without_a_checkpoint_cannot_be_opened(tmp_path):
    Experiment.start(tmp_path / "run", TINY)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        Experiment.open(tmp_path / "run")


def test_no_scenes(trained):
    with pytest.raises(ArgumentError, match="scenes must be at least 1; got 0"):
        trained.evaluate(scenes=0)


def changed(**parts):
    return dataclasses.replace(
        TINY, **{name: dataclasses.replace(getattr(TINY, name), **entries) for name, entries in parts.items()}
    )


@pytest.mark.parametrize(
    "config, message",
    [
        (changed(model={"num_classes": 5}), "model.num_classes must count class_names .* got 5 and 11"),
        (changed(model={"num_classes": 2, "class_names": ("background", "digit")}), "at least 11 for scenes"),
        (changed(scenes={"color": True}), "model.backbone.in_channels must be 3 for colour scenes; got 1"),
        (changed(model={"image_mean": (0.1, 0.1)}), "model.image_mean must have as many entries as .*, 1; got 2"),
    ],
)
def test_parts_that_do_not_fit(config, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        check_experiment(config)
    with pytest.raises(ConfigError, match=message):
        Experiment.start(tmp_path / "run", config)
    assert os.listdir(tmp_path) == []


def test_the_package_offers_names_without_importing_them():
    assert set(tinymaskrcnn.__all__) <= set(dir(tinymaskrcnn))
    with pytest.raises(AttributeError, match="has no attribute 'experimant'"):
        tinymaskrcnn.experimant  # noqa: B018


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("part", ["backbone", "rpn", "roi_heads.box", "roi_heads.mask"])
def test_weights_too_large_are_named_and_do_not_look_like_nothing_found(part):
    """As a training leaves them that was stopped just before it broke: finite, but what they make is not."""
    detector = Detector(load_tour_detector())
    channels = detector.model.config.backbone.in_channels
    picture = np.random.default_rng(0).random((64, 80, channels), np.float32)
    assert len(detector.detect([picture])) == 1
    for name, p in detector.model.named_parameters():
        if name.startswith(part) and p.value.ndim > 1:
            p.value *= np.float32(1e20)
    with pytest.raises(NonFiniteError, match=rf"of layer '{part}.*: the weights are too large, as a training that div"):
        detector.detect([picture])
