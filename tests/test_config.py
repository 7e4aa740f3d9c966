"""Settings survive JSON, and a setting that does not exist or cannot be is named."""

import dataclasses
import json
from pathlib import Path

import pytest

from tinymaskrcnn import config
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.zoo.handwriting import handwriting_preset

KINDS = [value for value in vars(config).values() if dataclasses.is_dataclass(value)]
KEPT = json.loads((Path(__file__).parent / "fixtures/settings.json").read_text(encoding="utf-8"))
PRESETS = {
    "clean": lambda: config.scene_preset("clean"),
    "cluttered": lambda: config.scene_preset("cluttered"),
    "hard": lambda: config.scene_preset("hard"),
    "figures": lambda: config.scene_preset("figures"),
    "paper": lambda: config.scene_preset("paper"),
    "board": lambda: config.scene_preset("board"),
    "handwriting": handwriting_preset,
    "tour": config.tour_preset,
    "photographs": lambda: config.photograph_preset(("background", "cat")),
    **{kind: lambda kind=kind: config.torchvision_preset(kind) for kind in config.TORCHVISION_KINDS},
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_defaults_survive_json(kind):
    text = json.dumps(config.to_dict(kind()))
    assert config.from_dict(kind, json.loads(text)) == kind()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_frozen_and_comparable(kind):
    name = dataclasses.fields(kind)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind(), name, None)
    assert hash(kind()) == hash(kind())  # tuples, never lists


def test_changed_settings_survive_json_with_nested_tuples():
    changed = config.Config(
        model=config.ModelConfig(rpn=config.RPNConfig(anchor_sizes=((8, 16), (32, 64), (1, 2), (3, 4), (5, 6)))),
        train=config.TrainConfig(steps=7),
    )
    back = config.from_dict(config.Config, json.loads(json.dumps(config.to_dict(changed))))
    assert back == changed and back.model.rpn.anchor_sizes[:2] == ((8, 16), (32, 64))


def flat(entries, prefix=""):
    """{"model.rpn.beta": value}: tables within tables as one."""
    parts = (flat(v, f"{prefix}{k}.") if isinstance(v, dict) else {f"{prefix}{k}": v} for k, v in entries.items())
    return {name: value for part in parts for name, value in part.items()}


def as_json(made):
    return flat(json.loads(json.dumps(config.to_dict(made))))


def test_defaults_stay_what_files_without_an_entry_mean():
    """A file names what its author changed; another default would make another experiment of it."""
    assert as_json(config.Config()) == KEPT["defaults"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_stay_what_their_names_mean(name):
    made = PRESETS[name]()
    default = as_json(type(made)())
    assert {k: v for k, v in as_json(made).items() if v != default[k]} == KEPT["presets"][name]


def test_every_setting_is_looked_at_when_it_is_made():
    for kind in set(KINDS) - {config.Config}:
        name = dataclasses.fields(kind)[0].name
        with pytest.raises(ConfigError, match=rf"\.{name} must be .*; got <object"):
            kind(**{name: object()})


def test_missing_entries_take_the_default():
    assert config.from_dict(config.Config, {"train": {"steps": 3}}).train == config.TrainConfig(steps=3)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"trian": {}}, r"config has unknown entries \['trian'\]; known are coco, model, scenes, train"),
        ({"train": {"step": 1}}, r"config.train has unknown entries \['step'\]; known are"),
        ({"model": {"rpn": {"nms": 1}}}, r"config.model.rpn has unknown entries \['nms'\]"),
        ({"train": [1, 2]}, "config.train must be a table of settings; got list"),
        (None, "config must be a table of settings; got NoneType"),
        ({"train": {"steps": "many"}}, "config.train.steps must be a whole number in 0..1e9; got 'many'"),
        ({"train": {"learning_rate": True}}, "config.train.learning_rate must be a number in 0..1000; got True"),
        ({"train": {"steps": 1.5}}, "config.train.steps must be a whole number in 0..1e9; got 1.5"),
        ({"scenes": {"color": 1}}, "config.scenes.color must be true or false; got 1"),
        ({"scenes": {"digit_size": 20}}, r"config.scenes.digit_size must be two .* in 6..4094, .* \(20, 36\); got 20"),
        ({"model": {"class_names": "abc"}}, "config.model.class_names must be a list"),
    ],
)
def test_unknown_and_ill_typed_entries_are_named(entries, message):
    with pytest.raises(ConfigError, match=message):
        config.from_dict(config.Config, entries)


def test_a_whole_number_will_do_for_a_float():
    assert config.from_dict(config.TrainConfig, {"learning_rate": 1}).learning_rate == 1.0


def test_the_model_agrees_with_itself():
    model = config.ModelConfig()
    assert len(model.class_names) == model.num_classes
    assert len(model.rpn.anchor_sizes) == len(model.backbone.depths) + 1  # P2 .. P6
    assert len(model.image_mean) == len(model.image_std) == model.backbone.in_channels


# ---------------------------------------------------------------- presets


def test_torchvision_presets_differ_where_the_models_do():
    faster, mask, v2, keypoint = (config.torchvision_preset(kind) for kind in config.TORCHVISION_KINDS)
    assert [m.heads for m in (faster, mask, v2, keypoint)] == [
        ("box",),
        ("box", "mask"),
        ("box", "mask"),
        ("box", "keypoint"),
    ]
    assert dataclasses.replace(faster, heads=mask.heads) == mask
    assert dataclasses.replace(keypoint, heads=mask.heads, num_classes=91, class_names=mask.class_names) == mask
    assert keypoint.class_names == ("background", "person") and keypoint.num_classes == 2
    assert (mask.backbone.norm, mask.backbone.norm_eps) == ("frozen", 0.0)
    assert (v2.backbone.norm, v2.backbone.norm_eps, v2.backbone.fpn_norm) == ("batch", 1e-5, "batch")
    assert v2.rpn.conv_depth == 2 and v2.roi.box_convs == (256,) * 4 and v2.roi.mask_norm == "batch"
    assert json.loads(json.dumps(config.to_dict(v2))) and config.from_dict(config.ModelConfig, config.to_dict(v2)) == v2


def test_coco_classes_are_numbered_with_gaps():
    names = config.torchvision_preset("maskrcnn_resnet50_fpn").class_names
    assert len(names) == 91 and names[1] == "person" and names[17] == "cat" and names[90] == "toothbrush"
    assert names.count("N/A") == 10 and len(set(names)) == 82


def test_a_preset_can_be_made_small():
    small = config.torchvision_preset(
        "maskrcnn_resnet50_fpn", num_classes=5, backbone={"widths": (8, 8, 8, 8)}, roi={"head_width": 4}, heads=("box",)
    )
    assert small.num_classes == len(small.class_names) == 5 and small.class_names[4] == "class 4"
    assert small.backbone.widths == (8, 8, 8, 8) and small.backbone.depths == (3, 4, 6, 3)
    assert small.roi.head_width == 4 and small.roi.canonical_size == 224 and small.heads == ("box",)
    with pytest.raises(ConfigError, match="kind must be one of .*got 'resnet'"):
        config.torchvision_preset("resnet")
    changed = config.torchvision_preset("maskrcnn_resnet50_fpn_v2", rpn={"conv_depth": 1, "nms_iou": 0.6})
    assert (changed.rpn.conv_depth, changed.rpn.nms_iou, changed.rpn.samples_per_image) == (1, 0.6, 256)
    assert len(config.torchvision_preset("keypointrcnn_resnet50_fpn", num_classes=91).class_names) == 91


def test_a_preset_for_photographs_takes_what_they_are():
    grey = config.photograph_preset(("background", "cat", "dog"), channels=1, mean=(0.3,), std=(0.2,), heads=("box",))
    assert (grey.num_classes, grey.class_names) == (3, ("background", "cat", "dog"))
    assert (grey.image_mean, grey.image_std, grey.backbone.in_channels, grey.heads) == ((0.3,), (0.2,), 1, ("box",))


def test_an_unknown_preset_of_scenes_is_named():
    known = r"\('clean', 'cluttered', 'hard', 'figures', 'paper', 'board'\)"
    with pytest.raises(ConfigError, match=f"^scenes must be one of {known}; got 'dirty'$"):
        config.scene_preset("dirty")


def test_a_whole_file_of_before_the_first_weights_were_a_setting_means_those_of_then():
    """What a run wrote then holds every setting but these two; what its author wrote by hand holds few."""
    table = config.to_dict(config.Config())
    table["model"]["backbone"].pop("init")
    table["model"]["roi"].pop("box_init")
    read = config.from_dict(config.Config, json.loads(json.dumps(table)))
    assert read == config.before_later_settings() != config.Config()
    assert (read.model.backbone.init, read.model.roi.box_init) == ("fan_in", "gaussian")
    for later in ("pooling", "mask_kind"):  # nor did earlier runs have these
        table["model"]["roi"].pop(later)
    assert config.from_dict(config.Config, table) == read
    table["model"]["roi"] = {"beta": 0.0, "aligned": False, "box_size": 5}
    assert config.from_dict(config.Config, table).model.roi.box_init == "uniform"
