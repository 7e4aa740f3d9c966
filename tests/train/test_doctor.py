"""Sown faults are called by their name, and healthy trainings are left in peace."""

import dataclasses
import json

import pytest
from tiny_model import tiny_model
from train.sown_faults import FAULTS, Case, examined, small_config
from train.test_checkup import batch_of

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.train.checkup import check_up
from tinymaskrcnn.train.doctor import Finding, examine, update_ratios

FEW = ("learning rate x 100", "dead box head", "vanishing", "anchors / 10", "x and y swapped", "no RoI is positive")


def named(name, steps=0):
    sow, what = FAULTS[name]
    found = examined(sow, small_config(), steps=steps, looks=1)
    assert what in [finding.what for finding in found], found
    assert all(finding.where and finding.why and finding.advice for finding in found)
    assert len(found) <= 3 and all(len(str(finding)) < 400 for finding in found)


@pytest.mark.parametrize("name", FEW)
def test_a_fault_is_called_by_its_name(name):
    named(name)


@pytest.mark.long
@pytest.mark.parametrize("steps", [0, 15])
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_called_by_its_name(name, steps):
    named(name, steps)


@pytest.mark.parametrize("steps", [0, pytest.param(15, marks=pytest.mark.long)])
def test_a_healthy_training_is_left_in_peace(steps):
    assert examined(lambda case: case, small_config(), steps=steps) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("more", [{}, {"model.backbone.norm": "group"}, {"model.heads": ["box"]}])
def test_healthy_trainings_of_other_kinds_are_left_in_peace(seed, more):
    config = override(small_config(train__seed=seed), more)
    assert examined(lambda case: case, config, steps=10) == []


def test_sizes_that_are_suggested_cure_what_they_are_suggested_for():
    sow, _ = FAULTS["anchors / 10"]
    [finding] = [finding for finding in examined(sow, small_config(), looks=1) if finding.what == "anchors"]
    setting, _, sizes = finding.advice.split(", by which")[0].partition("=")
    better = override(small_config(), {setting: json.loads(sizes)})
    assert "anchors" not in [finding.what for finding in examined(lambda case: case, better, looks=1)]


def test_a_finding_says_what_where_why_and_what_to_try():
    finding = Finding("dead ReLU", "stem", "it is silent", "a lower rate")
    assert str(finding) == "dead ReLU: stem. it is silent. Try: a lower rate"


def test_rows_of_the_training_count_more_than_one_batch():
    config = small_config()
    checkup = check_up(tiny_model(seed=3, positive_iou=0.15), batch_of())
    checkup = dataclasses.replace(checkup, norm=1.0, sizes=[], boxes=[], anchors=None)
    rows = [{"step": k, "gradient_norm": 500.0} for k in range(30)]
    assert "clipping" not in [finding.what for finding in examine([checkup], config)]
    assert "clipping" in [finding.what for finding in examine([checkup], config, rows)]
    assert "clipping" not in [finding.what for finding in examine([checkup], config, rows[:5])]


def test_updates_are_those_of_the_optimizer_after_clipping():
    train = small_config().train
    checkup = dataclasses.replace(check_up(tiny_model(seed=3), batch_of()), norm=5.0)
    layer = checkup.layers[0]
    wanted = 0.02 * layer.gradient / layer.value
    free, cut = (dataclasses.replace(train, learning_rate=0.02, momentum=0.0, clip_norm=norm) for norm in (0.0, 1.0))
    assert update_ratios([checkup], free)[layer.name] == pytest.approx(wanted)
    assert update_ratios([checkup], cut)[layer.name] == pytest.approx(wanted / 5)
    heavy = dataclasses.replace(free, momentum=0.9)
    assert update_ratios([checkup], heavy)[layer.name] == pytest.approx(10 * wanted)
    adam = dataclasses.replace(free, optimizer="adamw")
    assert update_ratios([checkup], adam)[layer.name] == pytest.approx(0.02 / layer.value)


def test_what_is_sown_changes_one_thing():
    config = small_config()
    assert len(FAULTS) >= 20
    for sow, _ in list(FAULTS.values())[:2]:
        assert sow(Case(config, None)).config != config
