"""Every setting holds its rule at every way in, whatever is tried; what has to fit each other is said."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn import Experiment
from tinymaskrcnn import config as settings
from tinymaskrcnn import config_kinds as kinds
from tinymaskrcnn import config_rules as rules
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RPNConfig, TrainConfig, from_dict, to_dict
from tinymaskrcnn.config_whole import check_data
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


@pytest.mark.parametrize(
    ("rule", "takes", "refuses"),
    [
        (rules.whole(2, 5), [2, 5, np.int32(3)], [1, 6, True, 2.0, "3", None, [3]]),
        (rules.number(0.5, 2), [0.5, 2, 1, np.float32(1.5)], [0.49, 2.01, True, math.nan, math.inf, "1", None, 1j]),
        (rules.number(1, 2, above=True), [1.001, 2], [1, 1.0, 0, 2.1]),
        (rules.flag(), [True, False], [0, 1, None, "true"]),
        (rules.one_of("cat", "dog"), ["cat", "dog"], ["", "ca", "catdog", None, ["cat"], 0]),
        (rules.text(3), ["", "abc", "a\nb"], ["abcd", "a\0b", None, b"a"]),
        (rules.text(), ["x" * 4096], ["x" * 4097]),
        (rules.one_line(), ["a", "x" * 200, " a "], ["", " ", "x" * 201, None, b"a", ["a"]]),
        (rules.row(rules.whole(0, 9), least=1, most=3), [[1], (1, 2, 3)], [[], [1, 2, 3, 4], 1, "1", [10], {1}]),
        (rules.row(rules.flag()), [[], [True] * 64], [[True] * 65]),
        (rules.two(rules.whole, 0, 9), [(0, 9), [3, 3]], [(3, 2), (1,), (1, 2, 3), (-1, 2), (0, 10), 3]),
        (rules.two(rules.number, 0, 1), [(0.1, 0.2), (0.5, 0.5)], [(0.2, 0.1), (0, 1.1)]),
        (
            rules.levels(),
            [((1,), (2,)), ((1, 2), (3, 1e5)), [[1]] * 16, [[1] * 16]],
            [[], [[]], [[1], [1, 2]], [[1, 2], [1]], [[0]], [[1e5 + 1]], [[1]] * 17, [[1] * 17], [1]],
        ),
        (
            rules.heads(),
            [["box"], ("box", "mask"), ["keypoint", "box", "mask"]],
            [[], ["mask"], ["box", "box"], ["box", "mask", "mask"], ["box", "nose"], "box"],
        ),
    ],
)  # fmt: skip
def test_where_a_rule_ends(rule, takes, refuses):
    for value in takes:
        assert rule.take(value) == (tuple(map(tuple, value)) if np.ndim(value) == 2 else
                                    tuple(value) if isinstance(value, (list, tuple)) else value)  # fmt: skip
    for value in refuses:
        with pytest.raises(ValueError):
            rule.take(value)


def test_what_a_setting_may_be_stays_and_is_said():
    """A limit that becomes narrower would shut out old files."""
    kept = json.loads((Path(__file__).parent / "fixtures/settings.json").read_text(encoding="utf-8"))["rules"]
    assert {kind: {n: rule.wanted for n, rule in table.items()} for kind, table in rules.RULES.items()} == kept


@pytest.mark.parametrize("code", [31, 127, 159, 0xD800, 0xDFFF, 0x2028, 0x2029, 0xFEFF])
def test_signs_that_no_line_holds(code):
    assert not kinds.is_name(f"a{chr(code)}b")


@pytest.mark.parametrize("code", [32, 126, 160, 0xD7FF, 0xE000, 0x2027, 0x202A, 0xFEFE])
def test_their_neighbours_are_letters(code):
    assert kinds.is_name(f"a{chr(code)}b")


def test_an_example_is_given_where_a_list_is_wanted():
    with pytest.raises(ConfigError) as caught:
        ModelConfig(image_mean="grey")
    assert str(caught.value) == (
        "model.image_mean must be a list of 1..1024 entries, each a number in -1000..1000, for example (0.1,); "
        "got 'grey'"
    )
    with pytest.raises(ConfigError, match=r"each a whole number in -9e18..9e18; got 7$"):
        settings.CocoConfig(category_ids=7)
    with pytest.raises(ConfigError, match=r"^here.steps must be a whole number in 0..1e9; got -1$"):
        rules.take("TrainConfig", "steps", -1, 1500, "here")


def test_numbers_of_numpy_become_pythons():
    made = TrainConfig(steps=np.int64(7), learning_rate=np.float32(0.5), momentum=1)
    assert (type(made.steps), type(made.learning_rate), type(made.momentum)) == (int, float, float)
    assert made == TrainConfig(steps=7, learning_rate=0.5, momentum=1.0)
    assert RPNConfig(anchor_sizes=[[8], [16.0]]).anchor_sizes == ((8.0,), (16.0,))


def test_all_ways_in_say_the_same():
    wrong, said = {"depths": [10**9, 1, 1, 1]}, "depths must be a list of 4..5 entries, each a whole number in 1..1000"
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
        ({"model.num_classes": 12}, "config.model.num_classes must count class_names .* got 12 and 11 names$"),
        ({"model.image_std": [1, 1]}, "config.model.image_std must have as many entries as backbone.in_channels, 1"),
        ({"model.rpn.anchor_sizes": [[8]] * 4}, "config.model.rpn.anchor_sizes must have an entry for each of the 5"),
        (
            {"model.rpn.negative_iou": 0.9},
            "config.model.rpn.negative_iou must be at most positive_iou; got 0.9 and",
        ),
        (
            {"model.resize_longer": 8},
            "config.model.resize_shorter and resize_longer must both be above 0, or both 0 to leave .*; got 0 and 8$",
        ),
        ({"model.resize_shorter": 8}, "config.model.resize_shorter and resize_longer must both .*; got 8 and 0$"),
        ({"model.image_mean": [1, 1]}, "config.model.image_mean must have as many .*, 1; got 2$"),
        ({"model.rpn.anchor_sizes": [[8]] * 6}, "an entry for each of the 5 levels P2..P6; got 6$"),
        (
            {"model.heads": ["box", "keypoint"], "model.roi.keypoint_widths": []},
            r"config.model.roi.keypoint_widths must name at least one width for a model with that head; got \(\)$",
        ),
        ({"model.backbone.group_width": 4}, "config.model.backbone.groups need block .*; got 1 of width 4 with"),
        (
            {"model.backbone.block": "bottleneck", "model.backbone.widths": [16, 32, 64, 3]},
            "config.model.backbone.group_width must leave a channel per group at 3 outputs; got 64",
        ),
        ({"scenes.digit_size": [20, 127]}, r"digit_size must be whole numbers in 6..126 \(image_size .*127\)$"),
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


@pytest.mark.parametrize(
    "changes",
    [
        {"model.rpn.negative_iou": 0.7},
        {"model.resize_longer": 1, "model.resize_shorter": 1},
        {"model.heads": ["box"], "model.roi.mask_widths": [], "model.roi.keypoint_widths": []},
        {"model.backbone.block": "bottleneck", "model.backbone.groups": 2, "model.backbone.group_width": 16},
        {"scenes.digit_size": [20, 126]},
    ],
)
def test_what_just_fits(changes):
    made = override(Config(), changes)
    check_data(made)
    rules.check_network(made.model)


def test_a_network_needs_no_names():
    several = dataclasses.replace(ModelConfig(), num_classes=5)
    rules.check_network(several)
    with pytest.raises(ConfigError, match="^model.num_classes must count"):
        rules.check_relations(several)
    parts = {
        "backbone": (BackboneConfig(groups=2), "^model.backbone.groups need"),
        "rpn": (RPNConfig(negative_iou=0.8), "^model.rpn.negative_iou must"),
        "image_std": ((1, 1), "^model.image_std must have"),
    }
    for name, (value, message) in parts.items():
        with pytest.raises(ConfigError, match=message):
            rules.check_network(dataclasses.replace(several, **{name: value}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model.num_classes": 10, "model.class_names": list("_012345678")},
            "^model.num_classes must be at least 11 for scenes of ten digits; got 10$",
        ),
        ({"scenes.color": True}, "model.backbone.in_channels must be 3 for colour scenes; got 1$"),
        (
            {"model.backbone.in_channels": 3, "model.image_mean": [0] * 3, "model.image_std": [1] * 3},
            "model.backbone.in_channels must be 1 for grey scenes; got 3$",
        ),
        (
            {
                "coco.annotations": "a.json", "model.backbone.in_channels": 2, "model.image_mean": [0] * 2,
                "model.image_std": [1] * 2,
            },
            r"model.backbone.in_channels must be 1 \(grey\) or 3 \(colour\); got 2$",
        ),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_its_data(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_data(override(Config(), changes))


def test_annotated_pictures_may_be_grey_or_colour_and_of_few_classes():
    for channels in (1, 3):
        changes = {"coco.annotations": "a.json", "model.backbone.in_channels": channels, "model.num_classes": 2}
        changes |= {"model.image_mean": [0] * channels, "model.image_std": [1] * channels}
        check_data(override(Config(), changes | {"model.class_names": ["background", "cat"]}))


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
