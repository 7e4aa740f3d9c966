"""From rows to an answer: paired differences, their interval, a sign test, and one sentence that follows from them."""

import math
from dataclasses import dataclass

import numpy as np

from .question import Arm, Question
from .statistics import mean_interval, seeds_needed, sign_test


@dataclass(frozen=True)
class Comparison:
    """An arm beside the one it is compared with, over the seeds that both have.

    differences {seed: number}; the mean and its interval; p of the sign test; seeds that an effect of the size that
    matters would take at this spread. None where there are too few seeds to say, or nothing to tell apart.
    """

    arm: Arm
    baseline: Arm
    effect: float
    differences: dict
    largest: float  # of both arms' values over these seeds, by size

    @property
    def interval(self):
        """mean, low, high; None without a pair."""
        return mean_interval(list(self.differences.values())) if self.differences else None

    @property
    def p(self):
        return sign_test(list(self.differences.values()))

    @property
    def spread(self):
        """The standard deviation of a paired difference; None with fewer than two."""
        return float(np.std(list(self.differences.values()), ddof=1)) if len(self.differences) > 1 else None

    @property
    def blind(self):
        """Whether both arms reached so little that no difference of the size that matters could show."""
        return bool(self.differences) and self.largest < self.effect

    @property
    def needed(self):
        """Seeds that show a difference of the size that matters, at this spread, with a power of 0.8."""
        return None if self.spread is None or self.blind else seeds_needed(self.spread, self.effect)

    @property
    def found(self):
        """ "higher", "lower", "null" (no difference of the size that matters) or "open"."""
        if len(self.differences) < 2 or self.blind:
            return "open"
        _, low, high = self.interval
        if low > -self.effect and high < self.effect:
            return "null"
        return "higher" if low > 0 else "lower" if high < 0 else "open"


@dataclass(frozen=True)
class Answer:
    """All that the rows say about a question: values {arm: {seed: number}}, failures {arm: {seed: message}}."""

    question: Question
    values: dict
    failures: dict
    wanted: int

    def comparisons(self):
        """One for each arm that is expected to do something."""
        for arm in self.question.arms:
            baseline = self.question.baseline_of(arm)
            if baseline is not None:
                yield self._compared(arm, baseline)

    def _compared(self, arm, baseline):
        own, other = self.values[arm.name], self.values[baseline.name]
        seeds = sorted(own.keys() & other.keys())
        differences = {seed: own[seed] - other[seed] for seed in seeds}
        largest = max((abs(values[seed]) for values in (own, other) for seed in seeds), default=0.0)
        return Comparison(arm, baseline, self.question.effect, differences, largest)

    @property
    def complete(self):
        """Whether every arm has a row, finished or failed, of every seed."""
        counts = (len(self.values[arm.name]) + len(self.failures[arm.name]) for arm in self.question.arms)
        return all(count >= self.wanted for count in counts)

    def verdict(self):
        """The answer in sentences."""
        return " ".join(self._sentence(comparison) for comparison in self.comparisons())

    def _sentence(self, comparison):
        arm, baseline = comparison.arm, comparison.baseline
        said = _outcome(comparison, self.question.measure_of(arm))
        lost = {**self.failures[arm.name], **self.failures[baseline.name]}
        if lost:
            seed, message = next(iter(sorted(lost.items())))
            said += (
                f" Failed: {_seeds(sorted(lost))} ({message[:160]})"
                if len(lost) > 1
                else f" Failed: seed {seed} ({message[:160]})"
            )
        return f"{arm.name} against {baseline.name}: {said}"


def answered(question, rows, *, seeds=None, quick=False):
    """The Answer of the rows that there are; nothing is trained."""
    wanted = question.seeds if seeds is None else seeds
    values = {arm.name: {} for arm in question.arms}
    failures = {arm.name: {} for arm in question.arms}
    for arm in question.arms:
        for seed in range(wanted):
            row = rows.get(question.plan(arm, seed, quick=quick))
            if row is None:
                continue
            value = row.value(question.measure_of(arm))
            if value is None:
                failures[arm.name][seed] = row.failed or f"has no {question.measure_of(arm)}"
            else:
                values[arm.name][seed] = value
    return Answer(question, values, failures, wanted)


def _outcome(comparison, measure):
    """What the numbers say, and whether that was expected."""
    count, expected = len(comparison.differences), comparison.arm.expect
    wish = {"null": "no difference", "higher": "higher", "lower": "lower"}[expected]
    if count == 0:
        return f"not measured; expected was {wish}."
    if comparison.blind:
        reached = f"both reached {comparison.largest:.3f} at most, so that {comparison.effect:g} could not show"
        return f"nothing to tell apart: {reached}; expected was {wish}."
    mean, low, high = comparison.interval
    if count == 1:
        return f"{mean:+.3f} with one seed, which says nothing of the spread; expected was {wish}."
    signs = sum(np.sign(d) == np.sign(mean) for d in comparison.differences.values())
    told = f"{mean:+.3f} (95 % interval {low:+.3f} to {high:+.3f}, {signs} of {count} seeds, "
    told += f"sign test p = {comparison.p:.2g})"
    found = comparison.found
    if found == "open":
        more = f"at this spread {comparison.effect:g} would take {_at_most(comparison.needed)} seeds"
        return f"open: {told}; {more}. Expected was {wish}."
    same = "as expected" if found == expected else f"not as expected, which was {wish}"
    if found == "null":
        return f"no difference of {comparison.effect:g} or more, {same}: {told}."
    small = "" if abs(mean) >= comparison.effect else f" (less than the {comparison.effect:g} that would matter)"
    return f"{found}{small}, {same}: {told}."


def _at_most(count):
    return "a thousand or more" if count >= 1000 else str(count)


def _seeds(numbers):
    return f"seeds {', '.join(map(str, numbers))}"


def seeds_text(values):
    """The values of an arm, seed by seed, for a table."""
    return " ".join(f"{values[seed]:.3f}" for seed in sorted(values)) or "-"


def mean_text(values):
    """The mean of an arm's values, for a table."""
    return f"{np.mean(list(values.values())):.3f}" if values else "-"


def interval_text(interval):
    """low to high, for a table; "-" where nothing is known of the spread."""
    if interval is None or math.isinf(interval[1]):
        return "-"
    return f"{interval[1]:+.3f} to {interval[2]:+.3f}"
