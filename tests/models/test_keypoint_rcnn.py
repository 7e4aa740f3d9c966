"""What Keypoint R-CNN sets: heads and scenes that fit each other, and boxes, masks and joints learned at once."""

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, scene_preset
from tinymaskrcnn.config_whole import check_data
from tinymaskrcnn.data.figures import CLASS_NAMES, JOINTS
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.evaluation.oks import default_sigmas
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.keypoint_rcnn import SETTINGS
from tinymaskrcnn.models.systems import system_settings


def settled(**changes):
    """The configuration of the system's name."""
    return override(Config(), system_settings("keypoint_rcnn") | changes)


def test_its_scenes_are_figures_and_its_model_knows_them():
    config = settled()
    check_data(config)
    assert config.scenes == scene_preset("figures")
    model = build_model(config.model, rng=np.random.default_rng(0))
    heads = model.roi_heads.heads
    assert list(heads) == ["box", "mask", "keypoint"] == list(SETTINGS["model.heads"])
    assert heads["keypoint"].predictor.kps_score_lowres.bias.value.shape == (len(JOINTS),)
    assert heads["box"].predictor.num_classes == len(CLASS_NAMES)
    assert len(default_sigmas(config.model.roi.num_keypoints)) == len(JOINTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scenes.source": "digits"}, "model.num_classes must be at least 11 for scenes of ten digits; got 4"),
        (
            {"scenes.source": "mnist", "model.num_classes": 11, "model.class_names": Config().model.class_names},
            "scenes.extreme_points must be true, or scenes.source 'figures', for a model with a keypoint head",
        ),
        (
            {"model.roi.num_keypoints": 4, "model.keypoint_names": ()},
            "model.roi.num_keypoints must be 13 for these scenes; got 4",
        ),
        ({"model.num_classes": 3, "model.class_names": CLASS_NAMES[:3]}, "at least 4 for scenes of figures; got 3"),
    ],
)
def test_scenes_and_model_fit_each_other(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_data(settled(**changes))


def test_names_count_the_joints():
    with pytest.raises(ConfigError, match="keypoint_names must count roi.num_keypoints, 13, or be left out; got 2"):
        settled(**{"model.keypoint_names": ("head", "foot")})


def test_three_answers_to_one_question():
    """Each head's loss is the one that it has alone, and all of them move the features that they share."""
    images, targets = tiny_scene(keypoints=3)
    model = tiny_model(norm="group", heads=("box", "mask", "keypoint"))
    samples = tiny_samples(model, images, targets)
    losses, cache = model.forward(images, targets=targets, samples=samples)
    assert list(losses)[-4:] == ["box_class", "box_delta", "mask", "keypoint"]
    for heads in (("box", "mask"), ("box", "keypoint")):
        alone = tiny_model(norm="group", heads=heads)
        alone.load_state_dict({name: model.state_dict()[name] for name in alone.state_dict()})
        some, _ = alone.forward(images, targets=targets, samples=samples)
        assert some == {name: losses[name] for name in some}
    gradients = []
    for wanted in losses:
        model.zero_grad()
        model.backward({name: float(name == wanted) for name in losses}, cache)
        gradients.append(model.backbone.body.stem.parameters()[0].grad.copy())
    assert all(gradient.any() for gradient in gradients)
    model.zero_grad()
    model.backward({name: 1.0 for name in losses}, cache)
    np.testing.assert_allclose(model.backbone.body.stem.parameters()[0].grad, sum(gradients), rtol=1e-3, atol=1e-5)
