"""Settings that change nothing: all of them turned at once leave every bit, and each of the others, turned, shows."""

import dataclasses
import functools

import numpy as np
import pytest
from tiny_settings import TINY_PARTS, TINY_RUN

from tinymaskrcnn import Experiment, config_rules
from tinymaskrcnn.commands.options import flat_names, override
from tinymaskrcnn.config import Config, to_dict
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.idle import idle_in_words, idle_settings
from tinymaskrcnn.models.systems import SCENES, SYSTEMS, system_settings
from tinymaskrcnn.train.checks import check_experiment
from tinymaskrcnn.train.trainer import Trainer

TINY = TINY_RUN | TINY_PARTS
TINY |= {
    "model.backbone.widths": (4, 4, 4, 4),
    "model.backbone.fpn_channels": 4,
    "model.rcnn.warp_size": 32,
    "model.rcnn.context": 2,
    "model.rcnn.svm_retrain_after": 20,
    "model.proposals.most": 20,
    "train.steps": 6,
}
VARIANTS = {
    "four steps": {"train.procedure": "alternating", "train.steps": 24},
    "a backbone alone": {"train.procedure": "pretrain"},
    "RoIPool, one map": {"model.roi.pooling": "pool", "model.backbone.fpn": "c5", "model.rpn.anchor_sizes": ((20,),)},
    "VGG, Adam": {
        "model.backbone.kind": "vgg",
        "model.backbone.depths": (1, 1, 1, 1, 1),
        "model.backbone.widths": (4, 4, 4, 4, 4),
        "train.optimizer": "adamw",
    },
    "plain": {"model.backbone.kind": "plain", "model.backbone.norm": "", "train.schedule": "step"},
    "flat masks": {"model.roi.mask_kind": "fc"},
    "windows": system_settings("fast_rcnn") | {"model.proposals.method": "sliding_window"},
    "no fits": system_settings("rcnn") | {"model.rcnn.classifier": "softmax", "model.rcnn.regress": False},
}
MEMBERS = {name: system_settings(name) for name in SYSTEMS} | VARIANTS
ELSEWHERE = {  # about something else than what is learned and found
    *("model.class_names", "model.keypoint_names", "train.checkpoint_every", "train.eval_scenes", "model.system"),
    *("model.resize_shorter", "model.resize_longer"),  # only together
}
WORDS = """resnet vgg plain basic bottleneck 3x3 7x7 batch frozen group full p2 c4 c5 sigmoid softmax align pool warp
    prroi per_class agnostic fc continuous integer selective_search sliding_window svm none features features+targets
    sgd adamw constant step cosine joint digits figures"""
WORDS = {"", *WORDS.split()}


def member(name):
    own = MEMBERS[name]
    small = {key: value for key, value in TINY.items() if key not in own}
    if own.get("train.train_scenes"):
        small["train.train_scenes"] = 4
    if name in SCENES:
        small["scenes.digit_size"] = (24, 40)
    return override(Config(), own | small)


def at(config, name):
    return functools.reduce(getattr, name.split("."), config)


def others(value):
    """Values of the same kind, some near and some far."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [v for v in (value + 1, value * 2, value // 2, value // 16, value // 100, value - 1) if v != value]
    if isinstance(value, float):
        far = value + 0.2, value + 20, value + 60
        return [v for v in (value / 2, value * 2, *far, 0.0, 1e-3, 1.0, -1.0) if v != value]
    if isinstance(value, str):
        return sorted(WORDS - {value})
    if not value:
        return [(4, 4), ("a", "b", "c", "d")]
    if isinstance(value[0], str):  # names, of which the order says nothing
        return [value[:-1], (*value[:-1], value[0])]
    return [*zip(*map(others, value)), value[:-1], (*value[:-1], value[0]), value[::-1]]


def turned(config, name):
    """Configurations that differ in one setting and are sound; none where all others are refused."""
    kind = next(kind for kind, home in config_rules.HOMES.items() if home == name.rpartition(".")[0])
    for value in others(at(config, name)):
        try:
            config_rules.take(kind, name.rpartition(".")[2], value, None)
            changed = override(config, {name: value})
            check_experiment(changed)
        except ConfigError:
            continue
        if at(changed, name) != at(config, name):
            yield changed


def arrays_of(thing):
    """All arrays in dataclasses, lists and tables, one after the other."""
    if dataclasses.is_dataclass(thing):
        thing = vars(thing)
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, (list, tuple)):
        return [array for part in thing for array in arrays_of(part)]
    return [np.asarray(thing)] if isinstance(thing, (np.ndarray, float, np.floating)) else []


def same(one, other):
    one, other = arrays_of(one), arrays_of(other)
    return len(one) == len(other) and all(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(one, other))


def first_weights(config):
    return build_model(config.model, rng=np.random.default_rng(0)).state_dict()


def pictures(config):
    return [open_stream(config, split=split).batch(0) for split in ("train", "test")]


def steps(config):
    model = build_model(config.model, rng=np.random.default_rng(0))
    trainer = Trainer(model, open_stream(config, split="train"), config.train)
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "memory_mb")} for row in trainer.rows()]
    return [rows, model.state_dict()]


def trained(config, folder):
    """What a run learns, and finds: its weights, its detections."""
    experiment = Experiment.start(folder, config)
    experiment.train()
    state = experiment.run.load().model
    if config.model.system == "rcnn" and config.model.rcnn.classifier == "softmax":  # fitted all the same, not asked
        state = {name: array for name, array in state.items() if ".svm_" not in name and ".bbox_" not in name}
    if config.train.procedure == "pretrain":
        return [state]
    images = [experiment.stream("test").scene(i)[0] for i in range(6)]
    return [state, experiment.detect(images)]


@pytest.mark.in_turn
@pytest.mark.parametrize("name", ["rcnn", *(pytest.param(n, marks=pytest.mark.long) for n in MEMBERS if n != "rcnn")])
def test_all_idle_settings_at_once_change_nothing(name, tmp_path):
    config = member(name)
    whole = trained(config, tmp_path / "as it is")
    changed, idle = config, [n for n in idle_settings(config) if not n.startswith("coco.")]
    for setting in idle:
        changed = next(turned(changed, setting), changed)
    count = sum(at(changed, n) != at(config, n) for n in idle)
    assert count > len(idle) / 2
    assert same(trained(changed, tmp_path / "changed"), whole)
    assert "change" in idle_in_words(changed) and len(idle_in_words(changed)) < 500


@pytest.mark.long
@pytest.mark.parametrize("name", MEMBERS)
def test_each_other_setting_changes_something(name, tmp_path):
    config = member(name)
    looks = [first_weights, pictures, *([steps] if config.train.procedure == "joint" else [])]
    known = [look(config) for look in looks]
    whole = trained(config, tmp_path / "as it is")

    def shows(changed, number):
        if not all(same(look(changed), before) for look, before in zip(looks, known)):
            return True
        return not same(trained(changed, tmp_path / f"{number}"), whole)

    idle = idle_settings(config)
    names = (name for name in flat_names(to_dict(config)) if not name.startswith("coco"))
    wanted = [name for name in names if name not in idle and name not in ELSEWHERE]
    silent = []
    for setting in wanted:
        tried = list(turned(config, setting))
        if tried and not any(shows(changed, f"{setting}-{i}") for i, changed in enumerate(tried)):
            silent.append(setting)
    assert silent == []


def test_what_was_chosen_and_does_nothing_is_said():
    settings = {"model.roi.pooling": "prroi", "model.rpn.nms_iou": 0.4, "coco.flip": 0.1, "model.backbone.fpn": "p2"}
    settings |= {"model.rpn.anchor_sizes": ((20,),)}
    said = idle_in_words(override(Config(), system_settings("rcnn") | settings))
    assert said.startswith("5 settings change nothing here: coco.flip (there are no coco.annotations)")
    assert all(name in said for name in settings) and len(said) < 500 and "\n" not in said
    one = idle_in_words(override(Config(), {"train.step_milestones": (0.1,)}))
    assert one == "1 setting changes nothing here: train.step_milestones (train.schedule is 'cosine')"


def test_a_start_makes_few_configurations(monkeypatch):
    """Each start asks for the sentence: defaults are made once a sentence, not once a setting and system."""
    made = []
    settle = config_rules.settle
    monkeypatch.setattr(config_rules, "settle", lambda *args: made.append(args) or settle(*args))
    idle_in_words(override(Config(), system_settings("rcnn")))
    assert 0 < len(made) < 1000
