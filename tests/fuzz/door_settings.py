"""Settings: what is damaged is refused by name, and what is taken makes a step of training."""

import json

import numpy as np
import pytest

from tinymaskrcnn import capacity
from tinymaskrcnn.commands.options import override_by_words
from tinymaskrcnn.config import (
    BackboneConfig,
    Config,
    ModelConfig,
    RoIConfig,
    RPNConfig,
    SceneConfig,
    TrainConfig,
    from_dict,
    scene_preset,
    to_dict,
)
from tinymaskrcnn.config_rules import HOMES, RULES
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.checks import check_experiment, check_memory
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.trainer import Trainer

from .damage import damaged_bytes, damaged_tree, json_bytes, pick, places, strange
from .frame import Door

TINY = Config(
    model=ModelConfig(
        backbone=BackboneConfig(depths=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_width=4, fpn_channels=4),
        rpn=RPNConfig(samples_per_image=8, pre_nms_top_n=(20, 20), post_nms_top_n=(8, 8)),
        roi=RoIConfig(
            samples_per_image=6,
            box_size=3,
            mask_size=4,
            head_width=6,
            mask_widths=(4, 4),
            mask_deconv_width=4,
            keypoint_widths=(4,),
            keypoint_size=4,
        ),
    ),
    scenes=SceneConfig(image_size=64),
    train=TrainConfig(steps=1, batch_size=1, warmup_steps=0),
)
SETTINGS = [p for p in places(json.loads(json.dumps(to_dict(TINY)))) if p]


def make_settings(rng, folder):
    """A table of settings of which one to three are not what they were."""
    return damaged_tree(rng, json.loads(json.dumps(to_dict(TINY))))


LADDER = (
    0, 1, 2, 3, 5, 6, 7, 16, 63, 64, 66, 128, 255, 1024, 65536, 10**5, 10**6, 10**9, 2**62, -1, -5, True, False, "",
    "mnist", 0.0, 1e-6, 1e-3, 0.05, 0.3, 0.5, 0.999, 1.0, 1.5, 100.0, 1e3, 1e5, "batch", "group", "frozen", "softmax",
    "7x7", "bottleneck", "adamw",
    "step", "constant", "integer", ["box"], ["box", "keypoint"], ["mask", "box", "keypoint"], [],
)  # fmt: skip


def make_limits(rng, folder):
    """Settings that each keep their own rule, up to its very limits; what they do to each other is not looked at."""
    table = json.loads(json.dumps(to_dict(TINY)))
    parts = {home.split(".")[-1]: kind for kind, home in HOMES.items() if kind != "CocoConfig"}
    tables = {"model": table["model"], "scenes": table["scenes"], "train": table["train"]}
    tables |= {name: table["model"][name] for name in parts if name not in tables}
    for _ in range(int(rng.integers(1, 4))):
        home = pick(rng, list(parts))
        rules = RULES[parts[home]]
        name = pick(rng, list(rules))
        for _ in range(50):
            value = pick(rng, LADDER)
            if isinstance(tables[home][name], list) and rng.random() < 0.9:
                value = [pick(rng, LADDER) for _ in range(pick(rng, [1, 2, 4, 4]))]
                value = [[v] for v in value[:1] * 5] if name == "anchor_sizes" else value
            try:
                rules[name].take(value)
            except (ValueError, OverflowError):
                continue
            tables[home][name] = value
            break
    return table


def use_settings(table):
    """One step of training; what it is made of is finite afterwards, or the step says so itself."""
    if isinstance(table, dict):
        table["coco"] = {}  # whose files are another door
    config = from_dict(Config, table)
    check_experiment(config)
    check_memory(config)
    model = build_model(config.model, rng=np.random.default_rng(0))
    train = config.train
    stream = SceneStream(config.scenes, split="train", seed=train.seed, batch_size=train.batch_size)
    trainer = Trainer(model, stream, train)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as Trainer.run does
        row = trainer.train_step([stream.batch(0)])
    assert np.isfinite([value for value in row.values() if isinstance(value, float)]).all()


def make_file(rng, folder):
    """A config.json, damaged as a table or as bytes."""
    path = folder / "config.json"
    table = json.loads(json.dumps(to_dict(pick(rng, [TINY, Config(), Config(scenes=scene_preset("hard"))]))))
    table["data_dir"] = pick(rng, [None, None, "x", 7, ["a"], "\0"])
    contents = json_bytes(rng, damaged_tree(rng, table) if rng.random() < 0.7 else table)
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.3 else contents)
    return path


def use_file(path):
    run = RunFolder.open(path.parent)
    assert from_dict(Config, json.loads(json.dumps(to_dict(run.config), allow_nan=False))) == run.config


def make_words(rng, folder):
    """Words after --set: a setting or nearly one, and a value or nearly one."""
    words = []
    for _ in range(int(rng.integers(1, 4))):
        path = pick(rng, SETTINGS)
        name, sound = ".".join(map(str, path)), to_dict(TINY)
        for step in path:
            sound = sound[step]
        value = (
            json.dumps(sound)
            if rng.random() < 0.6
            else pick(
                rng, [json.dumps(strange(rng)), repr(strange(rng)), "[" * 50_000, "1e400", "NaN", "0.5", "[1, 2]"]
            )
        )
        word = f"{name}={value}"
        words.append(pick(rng, [word, word, word, word[: len(word) // 2], name, "=", value, name.upper() + "=1"]))
    return words


def use_words(words):
    config = override_by_words(Config(), words)
    json.dumps(to_dict(config), allow_nan=False)


def use_on_a_small_machine(table):
    """The same where 300 MB are free, so that what takes minutes is refused too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "free_bytes", lambda: 3 * 10**8)
        use_settings(table)


DOORS = [
    Door("settings, one step", make_settings, use_settings, names_file=False, seconds=30, megabytes=4000, cost=2),
    Door("settings, limits", make_limits, use_on_a_small_machine, names_file=False, seconds=60, megabytes=6000, cost=4),
    Door("config.json", make_file, use_file),
    Door("--set", make_words, use_words, names_file=False),
]
