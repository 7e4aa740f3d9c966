"""Runs what is missing of a question, row by row; each is written before the next begins."""

import dataclasses
import math

from ..counting import counted
from .measure import forget, forget_backbones, measured
from .question import digest_of
from .rows import Row


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


def missing_together(questions, rows, ranks, **which):
    """What is missing on rank 0, whose folder of results counts: the same plans in the same order on all ranks."""
    plans = missing(questions, rows if ranks.first else _NoRows(), **which)
    by_name = {(plan.digest, plan.seed): plan for plan in plans}
    return [by_name[digest, seed] for digest, seed in ranks.told(list(by_name))[0]]


class _NoRows:
    """The rows of a folder that nobody looks into."""

    def get(self, plan):
        return None


def share(plans, ranks):
    """The plans that this one of several ranks measures; what begins with one backbone, or shares a training, is one's.

    So no two of them train in the same folder, and with another number of ranks the same trainings go on.
    """
    groups = {}
    for plan in plans:
        begins = digest_of(plan.backbone_config()) if plan.pretrained else plan.training
        groups.setdefault(begins, []).append(plan)
    return [plan for group in list(groups.values())[ranks.rank :: ranks.size] for plan in group]


def run_together(plans, rows, ranks, *, work, **how):
    """Let ranks share the rows: each writes its own at once, and in the end rank 0 has those of all machines."""
    own = share(plans, ranks)
    run(own, rows, work=work, clean=False, **how)
    with ranks.patiently(math.inf):  # a row takes as long as it takes
        tables = ranks.told([[number, dataclasses.asdict(rows.get(plan))] for number, plan in _numbered(plans, own)])
    if ranks.first:
        for number, table in (entry for entries in tables for entry in entries):
            rows.put(plans[number], Row(**table))
    forget_backbones(work)


def _numbered(plans, own):
    places = {(plan.digest, plan.seed): number for number, plan in enumerate(plans)}
    return [(places[plan.digest, plan.seed], plan) for plan in own]


def run(plans, rows, *, work, device="cpu", threads=None, say=lambda text: None, clean=True):
    """Measure plans and write their rows. Ctrl-C leaves what is finished, and the training in progress to go on.

    clean: remove the backbones that others may begin with, too.
    """
    for number, plan in enumerate(counted(plans, label="rows")):
        say(f"row {number + 1} of {len(plans)}: {plan.digest}, seed {plan.seed}")
        row = measured(plan, work, device=device, threads=threads)
        rows.put(plan, row)
        if row.failed:
            say(f"this row failed, and says so: {row.failed}")
        if all(later.training != plan.training for later in plans[number + 1 :]):
            forget(plan, work)
    if clean:
        forget_backbones(work)
