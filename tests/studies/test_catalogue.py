"""The questions: all of them can be asked, and what is expected of each was said beforehand."""

import numpy as np
import pytest

from tinymaskrcnn.config_changes import differences
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.idle import idle_settings
from tinymaskrcnn.studies.catalogue import QUESTIONS, find
from tinymaskrcnn.studies.history import HISTORY

ALL = [*QUESTIONS.values(), HISTORY]
SMALL_EFFECTS = {"exact_joint", "mask_scoring", "multi_task"}


def test_there_are_enough_of_them_with_enough_seeds():
    assert len(QUESTIONS) >= 16 and SMALL_EFFECTS <= set(QUESTIONS)
    for question in QUESTIONS.values():
        assert question.seeds >= (5 if question.name in SMALL_EFFECTS else 3), question.name
        assert question.title.endswith(("?", "training")) and question.published and question.why


@pytest.mark.in_turn
@pytest.mark.parametrize("question", ALL, ids=lambda question: question.name)
def test_every_arm_can_be_planned_built_and_told_apart(question):
    plans = {arm.name: question.plan(arm, 0) for arm in question.arms}
    measured = {(plan.digest, question.measure_of(arm)) for arm, plan in zip(question.arms, plans.values())}
    assert len(measured) == len(question.arms) == len(plans), "two arms are the same"
    for plan in plans.values():
        names = dict(build_model(plan.tested(), rng=np.random.default_rng(0)).named_parameters())
        assert all(any(name.startswith(layer) for name in names) for layer in plan.untrained)
        assert plan.config.train.eval_scenes >= 50


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.name)
def test_what_an_arm_changes_is_not_idle(question):
    """A setting that changes nothing would be measured as no difference."""
    for arm in question.arms:
        baseline = question.baseline_of(arm)
        if baseline is None:
            continue
        plan, other = question.plan(arm, 0), question.plan(baseline, 0)
        changed = set(differences(plan.config, other.config)) | set(plan.test)
        if "model.system" in changed:
            continue
        assert not changed & set(idle_settings(plan.config)) & set(idle_settings(other.config)), arm.name


def test_all_but_the_first_say_what_they_are_expected_to_do():
    for question in QUESTIONS.values():
        expects = [arm.expect for arm in question.arms]
        assert expects[0] == "" and set(expects) <= {"", "null", "higher", "lower"}
        assert question.effect > 0 and any(expects), question.name
        names = [arm.name for arm in question.arms]
        assert all(arm.against in ("", *names) for arm in question.arms) and len(set(names)) == len(names)


def test_an_unknown_name_gets_the_closest():
    with pytest.raises(ArgumentError, match="no ablation 'mask_los'; did you mean mask_loss?"):
        find("mask_los")
    with pytest.raises(ArgumentError, match="known are roi_operator"):
        find("zzzz")
