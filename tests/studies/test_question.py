"""A plan is named by all that its row depends on, and by nothing else."""

import dataclasses

import pytest
from studies.small_question import ARMS, question

from tinymaskrcnn import config_changes
from tinymaskrcnn.config import to_dict
from tinymaskrcnn.config_changes import differences, override
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.studies import question as question_module
from tinymaskrcnn.studies.question import Arm, Plan, quicker


def test_arms_differ_in_their_settings_alone_and_share_seeds():
    asked = question()
    first, second, third = (asked.plan(arm, 1) for arm in asked.arms)
    assert second.config == override(first.config, {"model.roi.pooling": "pool"})
    assert third.config == first.config and third.training == first.training and third.digest != first.digest
    assert third.tested().roi.nms_iou == 0.9 and third.config.model.roi.nms_iou == 0.5
    other = asked.plan(ARMS[0], 2)
    assert (other.seed, other.digest) == (2, first.digest) and other.training != first.training


def test_a_row_is_shared_by_questions_and_names_everything_it_depends_on():
    plan = question().plan(ARMS[0], 0)
    assert question(name="other", title="?", effect=0.5).plan(Arm("another name"), 0).digest == plan.digest
    changed = [
        Plan(override(plan.config, {"train.steps": 3})),
        Plan(plan.config, test={"model.roi.nms_iou": 0.4}),
        Plan(plan.config, untrained=("rpn.head.cls_logits",)),
        Plan(plan.config, pretrained=5),
    ]
    assert len({plan.digest, *(other.digest for other in changed)}) == 5


def test_a_setting_that_is_new_in_the_package_changes_no_name(monkeypatch):
    """Its default is in every Config, and in the default that plans are told apart from."""
    plan = question().plan(ARMS[0], 0)
    before = plan.digest, plan.training

    def with_a_new_setting(config, base):
        with monkeypatch.context() as patch:
            patch.setattr(config_changes, "to_dict", lambda config: to_dict(config) | {"new": {"setting": 3}})
            return differences(config, base)

    monkeypatch.setattr(question_module, "differences", with_a_new_setting)
    again = Plan(plan.config)
    assert (again.digest, again.training) == before


def test_a_system_brings_its_settings_and_an_arm_goes_before_them():
    plan = question().plan(Arm("fast", {"model.system": "fast_rcnn", "model.roi.pooling": "align"}), 0)
    roi = plan.config.model.roi
    assert (plan.config.model.heads, roi.negative_low, roi.pooling) == (("box",), 0.1, "align")


def test_quick_is_another_row_with_a_third_of_the_steps():
    asked = question(settings={"train.steps": 30, "train.train_scenes": 9})
    plan, quick = asked.plan(ARMS[0], 0), asked.plan(ARMS[0], 0, quick=True)
    assert quick.config == quicker(plan.config) and quick.digest != plan.digest
    assert (quick.config.train.steps, quick.config.train.train_scenes, quick.config.train.eval_scenes) == (10, 3, 24)


def test_the_backbone_is_trained_beforehand_on_the_same_scenes_for_all_lengths():
    short, long = (question(settings={"train.steps": n}).plan(Arm("a", pretrained=7), 3) for n in (2, 9))
    assert short.backbone_config() == long.backbone_config()
    train = short.backbone_config().train
    assert (train.procedure, train.steps, train.seed, train.frozen_stages) == ("pretrain", 7, 3, -1)
    assert question().plan(ARMS[0], 0).backbone_config() is None


def test_what_is_compared_with_what():
    asked = question((*ARMS, Arm("fourth", expect="higher", against="second")))
    names = [base and base.name for base in map(asked.baseline_of, asked.arms)]
    assert names == [None, "first", "first", "second"]


def test_a_setting_that_is_none_is_an_error():
    with pytest.raises(ConfigError, match="did you mean train.steps"):
        dataclasses.replace(question(), settings={"train.stpes": 3}).plan(ARMS[0], 0)
