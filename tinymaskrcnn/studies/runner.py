"""Runs what is missing of a question, row by row; each is written before the next begins."""

from ..counting import counted
from .measure import forget, forget_backbones, measured


def missing(questions, rows, *, seeds=None, quick=False, again=False):
    """The plans that have no row yet, seed by seed, so that pairs are complete as early as can be.

    Plans that share a training, whichever question asks, come one after another. again: also rows that failed.
    """
    plans = {}
    for question in questions:
        for seed in range(question.seeds if seeds is None else seeds):
            for arm in question.arms:
                plan = question.plan(arm, seed, quick=quick)
                row = rows.get(plan)
                if row is None or (again and row.failed):
                    plans[plan.digest, plan.seed] = plan
    trainings = {}
    for plan in plans.values():
        trainings.setdefault(plan.training, []).append(plan)
    return [plan for together in trainings.values() for plan in together]


def run(plans, rows, *, work, device="cpu", threads=None, say=lambda text: None):
    """Measure plans and write their rows. Ctrl-C leaves what is finished, and the training in progress to go on."""
    for number, plan in enumerate(counted(plans, label="rows")):
        say(f"row {number + 1} of {len(plans)}: {plan.digest}, seed {plan.seed}")
        row = measured(plan, work, device=device, threads=threads)
        rows.put(plan, row)
        if row.failed:
            say(f"this row failed, and says so: {row.failed}")
        if all(later.training != plan.training for later in plans[number + 1 :]):
            forget(plan, work)
    forget_backbones(work)
