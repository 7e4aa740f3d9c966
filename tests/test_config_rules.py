"""Every setting holds its rule at every way in, whatever is tried; what has to fit each other is said."""

import dataclasses
import json
import math

import numpy as np
import pytest

from tinymaskrcnn import Experiment
from tinymaskrcnn import config as settings
from tinymaskrcnn import config_rules as rules
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RPNConfig, TrainConfig, from_dict, to_dict
from tinymaskrcnn.errors import ConfigError

KINDS = {name: getattr(settings, name) for name in rules.RULES}
SETTINGS = [(kind, name) for kind, table in rules.RULES.items() for name in table]
STRANGE = (
    None, True, -1, 0, 10**9, 10**400, 0.5, -0.5, 1e308, math.nan, math.inf, -math.inf, "", "x", "\ud800", [], [[]], {},
    [{}, 0.5], [math.nan], [1, 2, 3], [[1], [1, 2]], [10**9] * 4, ["a"] * 70000, b"x", {1}, object(), np.array([1, 2]),
)  # fmt: skip


def test_the_rules_name_the_settings_and_their_order():
    for kind, table in rules.RULES.items():
        own = [f.name for f in dataclasses.fields(KINDS[kind]) if not dataclasses.is_dataclass(f.type)]
        assert list(table) == own
        assert kind in rules.HOMES


@pytest.mark.parametrize(("kind", "name"), SETTINGS, ids=lambda word: word)
def test_a_strange_value_is_taken_in_its_type_or_refused_by_name(kind, name):
    default = getattr(KINDS[kind](), name)
    for value in STRANGE:
        try:
            taken = getattr(KINDS[kind](**{name: value}), name)
        except ConfigError as error:
            assert str(error).startswith(f"{rules.HOMES[kind]}.{name} must be ") and len(str(error)) <= 500
            continue
        assert type(taken) is type(default) and taken == taken and hash(taken) is not None
        json.dumps(taken, allow_nan=False)


def test_numbers_of_numpy_become_pythons():
    made = TrainConfig(steps=np.int64(7), learning_rate=np.float32(0.5), momentum=1)
    assert (type(made.steps), type(made.learning_rate), type(made.momentum)) == (int, float, float)
    assert made == TrainConfig(steps=7, learning_rate=0.5, momentum=1.0)
    assert RPNConfig(anchor_sizes=[[8], [16.0]]).anchor_sizes == ((8.0,), (16.0,))


def test_all_ways_in_say_the_same():
    wrong, said = {"depths": [10**9, 1, 1, 1]}, "depths must be a list of 4 entries, each a whole number in 1..1000"
    ways = {
        "model.backbone.": lambda: BackboneConfig(**wrong),
        "config.model.backbone.": lambda: from_dict(Config, {"model": {"backbone": wrong}}),
        "a/config.json.model.backbone.": lambda: from_dict(Config, {"model": {"backbone": wrong}}, "a/config.json"),
    }
    ways |= {"config.model.backbone. ": lambda: override(Config(), {"model.backbone.depths": wrong["depths"]})}
    for home, way in ways.items():
        with pytest.raises(ConfigError, match=f"^{home.strip()}{said}.*; got "):
            way()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.num_classes": 12}, "config.model.num_classes must count class_names .* got 12 and 11 names"),
        ({"model.image_std": [1, 1]}, "config.model.image_std must have as many entries as backbone.in_channels, 1"),
        ({"model.rpn.anchor_sizes": [[8]] * 4}, "config.model.rpn.anchor_sizes must have an entry for each of the 5"),
        (
            {"model.rpn.negative_iou": 0.9},
            "config.model.rpn.negative_iou must be at most positive_iou; got 0.9 and",
        ),
        ({"model.resize_longer": 8}, "config.model.resize_shorter and resize_longer must both be above 0, or both 0"),
        ({"model.roi.mask_widths": []}, "config.model.roi.mask_widths must name at least one width"),
        ({"model.backbone.groups": 2}, "config.model.backbone.groups need block 'bottleneck'; got 2 of width 64"),
        (
            {"model.backbone.block": "bottleneck", "model.backbone.group_width": 1},
            "config.model.backbone.group_width must leave a channel per group at 16 outputs; got 1",
        ),
        (
            {"model.class_names": ["background", *"1123456789"]},
            "class_names must tell all classes apart; got '1' tw",
        ),
        ({"scenes.image_size": 32}, r"config.scenes.digit_size must be whole numbers in 6..30 .*; got \(20, 36\)"),
    ],
)
def test_what_does_not_fit_each_other(changes, message):
    with pytest.raises(ConfigError, match=message):
        override(Config(), changes)


def test_a_model_is_held_against_its_data_when_both_are_known(tmp_path):
    """A file with a model of three classes says nothing of scenes; pictures may come with the command."""
    three = {"num_classes": 3, "class_names": ["background", "cat", "dog"]}
    config = from_dict(Config, {"model": three, "scenes": {"color": True}})
    with pytest.raises(ConfigError, match="model.num_classes must be at least 11 for scenes of ten digits; got 3"):
        Experiment.start(tmp_path / "run", config)
    colour = override(Config(), {"scenes.color": True})
    with pytest.raises(ConfigError, match="model.backbone.in_channels must be 3 for colour scenes; got 1"):
        Experiment.start(tmp_path / "run", colour)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "entries",
    [
        {"model": {"rpn": {"beta": 0.0}, "roi": {"beta": 0, "score_threshold": -1}}},
        {"model": {"resize_shorter": 256, "resize_longer": 200}},
        {"train": {"step_milestones": [0.5, 1.5], "seed": 2**64}},
    ],
)
def test_what_runs_were_made_with_still_opens(entries):
    assert json.loads(json.dumps(to_dict(from_dict(Config, entries))))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\u2028b", "a\x0cb", "\x1b[31m", "\ufeffcat", "\ud800", "x" * 201])
def test_what_can_be_no_class_name(name):
    with pytest.raises(ConfigError, match="model.class_names must be a list of"):
        ModelConfig(num_classes=2, class_names=("background", name))


@pytest.mark.parametrize("name", ["cat", "猫", "a $x$ b", "été", "traffic light"])
def test_what_can_be_one(name):
    model = ModelConfig(num_classes=2, class_names=("background", name))
    assert from_dict(ModelConfig, json.loads(json.dumps(to_dict(model)))) == model


def test_cocos_gaps_are_no_doubles():
    assert rules.doubled(settings.COCO_CLASSES) is None and rules.doubled(("a", "b", "a")) == "a"
