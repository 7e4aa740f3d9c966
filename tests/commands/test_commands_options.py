"""From command-line words to a configuration."""

import argparse
import functools
import json
import re
from pathlib import Path

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import options
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import SCENE_PRESETS, Config, to_dict, tour_preset
from tinymaskrcnn.data.scenes import validate
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.for_scenes import model_for
from tinymaskrcnn.models.systems import SYSTEMS, system_settings


def test_overriding_replaces_only_what_is_named():
    config = options.override(Config(), {"scenes.noise": 0, "model.backbone.depths": [1, 2, 3, 4]})
    assert config.scenes.noise == 0.0 and isinstance(config.scenes.noise, float)
    assert config.model.backbone.depths == (1, 2, 3, 4)
    assert options.override(config, {"scenes.noise": 0.1, "model.backbone.depths": [2, 2, 2, 2]}) == Config()


@pytest.mark.parametrize("name", SCENE_PRESETS)
def test_every_kind_of_scenes_is_valid_and_fits_its_model(name):
    config = options.build_config(cli.parse(["train", "--scenes", name]))
    validate(config.scenes)
    assert config.model.backbone.in_channels == (3 if config.scenes.color else 1)


def test_options_win_over_the_file_and_set_wins_over_options(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"train": {"steps": 7, "seed": 7, "batch_size": 7}, "data_dir": None}))
    words = ["train", "--config", str(file), "--seed", "8", "--batch-size", "8", "--set", "train.batch_size=9"]
    train = options.build_config(cli.parse(words)).train
    assert (train.steps, train.seed, train.batch_size) == (7, 8, 9)


@pytest.mark.parametrize(
    "entries",
    [
        {"model.system": "rcnn"},
        {"model": [1]},
        {"model": "rcnn"},
        {"model": {"system": ["rcnn"]}},
        {"model": {"system": None}},
        [1],
    ],
    ids=str,
)
def test_a_file_of_another_form_is_refused_by_name(tmp_path, entries):
    with pytest.raises(ConfigError, match="config.json"):
        options.build_config(cli.parse(["train", "--config", str(written(tmp_path, entries))]))


def built(*words):
    return options.build_config(cli.parse(["train", *map(str, words)]))


def at(config, name):
    return functools.reduce(getattr, name.split("."), config)


def written(folder, entries, name="config.json"):
    (folder / name).write_text(json.dumps(entries))
    return folder / name


OTHER = {  # than any system sets
    "model.roi.pooling": "prroi",
    "model.roi.negative_low": 0.25,
    "model.roi.nms_iou": 0.45,
    "model.roi.delta_weights": (3.0, 3.0, 3.0, 3.0),
    "model.roi.samples_per_image": 24,
    "model.roi.keypoint_widths": (8, 8),
    "train.train_scenes": 70,
    "scenes.noise": 0.7,
    "scenes.digits_per_image": (2, 3),
    "model.rpn.anchor_ratios": (0.5, 3.0),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("system", SYSTEMS)
def test_no_system_changes_what_was_written(tmp_path, system):
    """In a file of a few lines, in that of a run of every other system, or after --set."""
    tables = {}
    for name, value in OTHER.items():
        table = tables
        for part in name.split(".")[:-1]:
            table = table.setdefault(part, {})
        table[name.split(".")[-1]] = value
    words = [word for name, value in OTHER.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    files = [written(tmp_path, tables)]
    files += [
        written(tmp_path, to_dict(override(built("--system", name), OTHER)) | {"data_dir": None}, f"{name}.json")
        for name in SYSTEMS
    ]
    for start in (words, *(["--config", file] for file in files)):
        config = built("--system", system, *start)
        assert {name: at(config, name) for name in OTHER} == OTHER
        assert config.model.system == system and config.model.heads == built("--system", system).model.heads


def test_a_value_that_is_everybodys_was_written_too(tmp_path):
    """In a file of a few lines; in that of a run it may be there because everything is."""
    few = written(tmp_path, {"model": {"roi": {"pooling": "align"}}, "train": {"train_scenes": 0}})
    config = built("--system", "fast_rcnn", "--config", few)
    assert (config.model.roi.pooling, config.train.train_scenes, config.model.roi.negative_low) == ("align", 0, 0.1)


@pytest.mark.in_turn
@pytest.mark.parametrize("before", SYSTEMS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_system_set_by_itself_goes_with_it(tmp_path, before, system):
    run = written(tmp_path, to_dict(built("--system", before)) | {"data_dir": None})
    config, fresh = built("--system", system, "--config", run), built("--system", system)
    if "keypoint_rcnn" not in (before, system):
        assert config == fresh
    own = system_settings(system, scenes=False)
    of_scenes = model_for(config.scenes).keys()  # figures stay, and what they ask of a model
    assert all(at(config, name) == value for name, value in own.items() if name not in of_scenes)
    assert built("--config", run) == built("--system", before)


def test_a_file_or_a_word_may_name_the_system(tmp_path):
    file = written(tmp_path, {"model": {"system": "fast_rcnn", "roi": {"pooling": "warp"}}})
    assert built("--config", file) == built("--system", "fast_rcnn", "--set", "model.roi.pooling=warp")
    assert built("--set", "model.system=rcnn") == built("--system", "rcnn")
    assert built("--config", file, "--set", "model.system=faster_rcnn").model.system == "faster_rcnn"
    with pytest.raises(ConfigError, match="model.system must be .* got 'yolo'"):
        built("--set", "model.system=yolo")


def test_a_preset_is_where_the_options_start():
    config = options.build_config(cli.parse(["train", "--preset", "tour"]))
    assert config == tour_preset() and config.train.steps != Config().train.steps
    shorter = options.build_config(cli.parse(["train", "--preset", "tour", "--steps", "7"]))
    assert shorter.model == config.model and shorter.train.steps == 7


def test_faster_rcnn_as_it_was_first_is_a_preset():
    config = options.build_config(cli.parse(["train", "--preset", "faster_rcnn_c4", "--scenes", "cluttered"]))
    model = config.model
    assert (model.system, model.heads, model.backbone.fpn) == ("faster_rcnn", ("box",), "c4")
    assert len(model.rpn.anchor_sizes[0]) * len(model.rpn.anchor_ratios) == 9
    vgg = options.build_config(cli.parse(["train", "--preset", "faster_rcnn_c4", "--backbone", "vgg16_bn-c4"])).model
    assert (vgg.backbone.kind, vgg.backbone.fpn, vgg.roi.box_norm) == ("vgg", "c4", "")
    assert vgg.rpn.anchor_sizes == model.rpn.anchor_sizes


def test_a_preset_and_a_file_cannot_both_be_the_start(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="--config and --preset"):
        options.build_config(cli.parse(["train", "--preset", "tour", "--config", str(tmp_path / "config.json")]))


def test_colour_scenes_bring_a_colour_model():
    config = options.build_config(cli.parse(["train", "--set", "scenes.color=true"]))
    assert config.model.backbone.in_channels == 3 and len(config.model.image_mean) == 3


@pytest.mark.parametrize("value", [True, "1", 1.5, [1]])
def test_a_value_of_the_wrong_kind_is_refused(value):
    with pytest.raises(ConfigError, match="train.steps must be a whole number in 0..1e9; got"):
        options.override(Config(), {"train.steps": value})


def test_each_option_sets_what_it_is_called():
    words = ["train", "--steps", "3", "--seed", "4", "--batch-size", "5", "--learning-rate", "0.5", "--data", "mnist"]
    config = options.build_config(cli.parse(words))
    assert (config.train.steps, config.train.seed, config.train.batch_size) == (3, 4, 5)
    assert config.train.learning_rate == 0.5 and config.scenes.source == "mnist"
    assert options.build_config(cli.parse(["train"])) == Config()


def test_settings_may_name_a_model_for_colour_of_their_own():
    words = ["train", "--set", "scenes.color=true", "--set", "model.image_mean=[0.5, 0.4, 0.3]"]
    model = options.build_config(cli.parse(words)).model
    assert model.image_mean == (0.5, 0.4, 0.3) and model.image_std == (0.25,) * 3
    grey = options.build_config(cli.parse(["train", "--scenes", "hard", "--set", "scenes.color=false"]))
    assert grey.model.backbone.in_channels == 1


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("scenes.noise=0.3", ("scenes.noise", 0.3)),
        (" a.b = [1, 2]", ("a.b", [1, 2])),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
        ("a=NaN", ("a", "NaN")),
        ("a=true", ("a", True)),
    ],
)
def test_a_setting_of_the_command_line(word, wanted):
    assert options.parse_setting(word) == wanted


@pytest.mark.parametrize("word", ["scenes.noise", "", "scenes.noise:0.3"])
def test_a_setting_without_a_value(word):
    with pytest.raises(ConfigError, match=f"^--set needs NAME=VALUE, for example scenes.noise=0.3; got '{word}'$"):
        options.parse_setting(word)


def test_a_setting_that_does_not_exist():
    with pytest.raises(ConfigError, match=r"^there is no setting 'scenes.nois'; did you mean scenes.noise\?$"):
        options.override_by_words(Config(), ["scenes.nois=1"])
    with pytest.raises(ConfigError, match=r"^there is no setting 'xyzzy'$"):
        options.override_by_words(Config(), ["xyzzy=1"])
    assert options.override_by_words(Config(), ["train.steps=1", "train.steps=2"]).train.steps == 2
    assert options.replace_steps(Config(), 9).train.steps == 9


def test_what_data_means(tmp_path):
    assert options.data_source(None) == (None, None)
    assert options.data_source("digits") == ("digits", None) and options.data_source("mnist") == ("mnist", None)
    assert options.data_source(str(tmp_path)) == ("mnist", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^--data must be 'digits', .* MNIST's files, or coco; got 'cifar'$"):
        options.data_source("cifar", also=", or coco")


def test_pictures_need_their_folder():
    named = lambda annotations, images: argparse.Namespace(annotations=annotations, images=images)  # noqa: E731
    assert options.given_annotations(named(None, None)) is None
    assert options.given_annotations(named("a.json", "b")) == ("a.json", "b")
    for one in (named("a.json", None), named(None, "b")):
        with pytest.raises(ConfigError, match="--annotations needs --images DIR"):
            options.given_annotations(one)


def test_options_that_were_given_are_called_as_they_are_written():
    args = argparse.Namespace(batch_size=0, crop=None, skip_broken=False, flip=0.0, set=[], score=1, more=["x"])
    names = ("batch_size", "crop", "skip_broken", "flip", "set", "score", "more")
    assert options.given_options(args, names[:3]) == ["--batch-size"]
    assert options.given_options(args, names[4:]) == ["--score", "--more"]


@pytest.mark.parametrize("text", ["1", "12", "007"])
def test_whole_numbers_from_one_up(text):
    assert options.positive(text) == int(text)


@pytest.mark.parametrize("text", ["nan", "7", "-0.1", "", "half", "inf"])
def test_a_score_is_a_number_from_0_to_1(text, capsys):
    assert [options.share(given) for given in ("0", "1", "0.25")] == [0, 1, 0.25]
    for command in (["explain", "--scene", "1"], ["predict", "a.png"]):
        with pytest.raises(SystemExit):
            cli.main([*command, f"--score={text}"])
        assert f"must be a number from 0 to 1; got {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "", "one", "1e3", " 1"])
def test_what_is_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number, at least 1; got"):
        options.positive(text)


def test_coarser_products_need_a_gpu(monkeypatch):
    switched = []
    monkeypatch.setattr("tinymaskrcnn.devices.set_tf32", switched.append)
    args = lambda tf32, device: argparse.Namespace(tf32=tf32, device=device)  # noqa: E731
    options.apply_tf32(args(False, "cpu"))
    options.apply_tf32(args(False, "cuda"))
    assert switched == []
    options.apply_tf32(args(True, "cuda"))
    assert switched == [True]
    with pytest.raises(ConfigError, match="--tf32 is a setting of the GPU: add --device cuda"):
        options.apply_tf32(args(True, "cpu"))


def test_what_helps_against_broken_annotations_is_offered_where_it_is():
    from tinymaskrcnn.data.coco_selection import BrokenAnnotations

    def offered(boxes_only, **options_):
        with pytest.raises(BrokenAnnotations) as caught, options.offering_skip_broken(boxes_only):
            raise BrokenAnnotations("3 problems", **options_)
        return str(caught.value).split("\n")

    skip = "--skip-broken leaves out what cannot be used, and its pictures."
    boxes = f"{skip} --iou bbox asks for boxes only."
    assert offered("--iou bbox", skippable=True, parts=("mask",)) == ["3 problems", boxes]
    assert offered("--iou bbox", skippable=True, parts=("box", "mask")) == ["3 problems", skip]
    assert offered(None, skippable=True, parts=("mask",)) == ["3 problems", skip]
    assert offered("--iou bbox", skippable=False, parts=("mask",)) == ["3 problems"]


@pytest.mark.parametrize("wanted", ["0", "-2", "two", "1.5"])
def test_threads_that_make_no_sense_are_refused_before_anything(wanted, monkeypatch):
    monkeypatch.setenv("TINYMASKRCNN_THREADS", wanted)
    with pytest.raises(ConfigError, match="^TINYMASKRCNN_THREADS "):
        options.check_threads(None)
    options.check_threads(2)  # the option goes before it
    for fine in ("3", " 3 ", ""):
        monkeypatch.setenv("TINYMASKRCNN_THREADS", fine)
        options.check_threads(None)


# ---------------------------------------------------------------- what help says


def options_of(parser):
    """{option or argument: what it takes and where it begins}, the actions of a command inside."""
    table = {}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            table |= {f"{name} ...": options_of(part) for name, part in action.choices.items()}
        elif "--help" not in action.option_strings:
            facts = {"dest": action.dest, "takes": getattr(action.type, "__name__", None), "of": action.choices}
            facts |= {"as": action.metavar, "count": action.nargs, "default": action.default, "needed": action.required}
            name = ", ".join(action.option_strings) or action.dest
            table[name] = {key: value for key, value in facts.items() if value not in (None, False, [])}
    return table


def test_options_stay_what_scripts_and_pages_take_them_for():
    kept = json.loads((Path(__file__).parents[1] / "fixtures/options.json").read_text(encoding="utf-8"))
    found = {name: options_of(parser) for name, parser in cli.build_parser()[1].items()}
    assert json.loads(json.dumps(found)) == kept


def parts_of(name):
    """The parser of a command and those of the actions inside it."""
    parsers = [cli.build_parser()[1][name]]
    for parser in parsers:
        parsers += [part for a in parser._actions if isinstance(a.choices, dict) for part in a.choices.values()]
    return parsers


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_says_what_it_is_for_and_what_it_is_when_it_is_not_given(name):
    for action in (action for parser in parts_of(name) for action in parser._actions):
        assert action.help or isinstance(action.choices, dict), f"{name}: {action.option_strings or action.dest}"
        said = re.search(r"default: ([^\s,;)]+)", action.help or "")
        if said and not isinstance(action.default, (str, int, float)):
            assert said[1] in WHEN_NOTHING_IS_SAID.get(action.dest, {said[1]}), action.help
        elif said and (name, action.dest) not in IN_WORDS:
            text = f"{action.default:g}" if isinstance(action.default, float) else str(action.default)
            assert said[1] == text, action.help


DEFAULT = Config()
WHEN_NOTHING_IS_SAID = {  # what `train` and `profile` take from the settings
    "steps": {f"{DEFAULT.train.steps}"},
    "seed": {f"{DEFAULT.train.seed}"},
    "batch_size": {f"{DEFAULT.train.batch_size}"},
    "learning_rate": {f"{DEFAULT.train.learning_rate:g}"},
    "system": {DEFAULT.model.system},
}
IN_WORDS = {("annotate", "port"), ("live", "port"), ("homework", "out")}


def test_a_run_s_own_settings_are_trained_again_as_they_are(tmp_path):
    """On MNIST, too, with the settings of all scenes, which is what a run from before its preset holds."""
    plain = override(Config(), {"scenes.source": "mnist"})
    for config in (plain, options.PRESETS["mnist"](), override(plain, {"model.roi.canonical_size": 40})):
        path = written(tmp_path, to_dict(config) | {"data_dir": None})
        assert options.build_config(cli.parse(["train", "--config", str(path)])) == config
    assert built("--data", "mnist") == built("--preset", "mnist") == options.PRESETS["mnist"]()
