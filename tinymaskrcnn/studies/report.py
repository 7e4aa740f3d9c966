"""An answer as Markdown and as a table for JSON."""

from .answer import interval_text, mean_text, seeds_text
from .rows import VERSION
from .statistics import CONFIDENCE, POWER

EXPECTED = {"null": "no difference", "higher": "higher", "lower": "lower", "": ""}


def markdown(answer, *, heading="##"):
    """A heading, what was asked and published, a table of the arms, and the verdict."""
    question = answer.question
    lines = [f"{heading} {question.title}", "", f"`tinymaskrcnn ablate {question.name}`", ""]
    lines += [f"*Published.* {question.published}", "", f"*Here.* {question.why}", ""]
    lines += table(answer)
    lines += ["", f"*Verdict.* {answer.verdict()}", "", power(answer)]
    lines += ["", f"*Afterwards.* {question.after}"] if question.after and answer.complete else []
    return "\n".join(lines)


def table(answer):
    """The lines of a Markdown table with one row for each arm."""
    question = answer.question
    compared = {comparison.arm.name: comparison for comparison in answer.comparisons()}
    lines = [
        "| | mean | by seed | difference | 95 % interval | expected | published |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm in question.arms:
        values, comparison = answer.values[arm.name], compared.get(arm.name)
        interval = comparison.interval if comparison else None
        cells = [arm.name, mean_text(values), _by_seed(answer, arm)]
        cells += [f"{interval[0]:+.3f}" if interval else "", interval_text(interval) if comparison else ""]
        lines.append("| " + " | ".join([*cells, EXPECTED[arm.expect], arm.published]) + " |")
    return lines


def _by_seed(answer, arm):
    lost = answer.failures[arm.name]
    return seeds_text(answer.values[arm.name]) + (f" ({len(lost)} failed)" if lost else "")


KINDS = {"bbox": "box", "segm": "mask", "cost": "", "mask_scores": "rank correlation with the IoU of the mask,"}


def in_words(measure):
    """ "segm.AP75" -> "mask AP75"; of APhigh also what it is the mean of."""
    kind, _, name = measure.partition(".")
    name = {"APhigh": "AP, mean of AP75 to AP90", "ARsmall": "AR of small objects"}.get(name, name.replace("_", " "))
    return f"{KINDS.get(kind, kind)} {name}".strip()


def power(answer):
    """What was planned, and what an effect of the size that matters would take at the spread that was met."""
    question = answer.question
    needed = [comparison.needed for comparison in answer.comparisons() if comparison.needed is not None]
    said = f"Measure: {in_words(question.measure)}; a difference matters from {question.effect:g} on"
    said += f"; {answer.wanted} paired seeds"
    if not needed:
        return f"{said}."
    least, most = min(needed), max(needed)
    counts = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"{said}. At the spread that was met {question.effect:g} is shown with a power of {POWER:g} by {counts} seeds."
    )


def as_json(answer):
    """The same for programs: plain dictionaries, lists and numbers; None where there is too little to say."""
    question = answer.question
    arms = [
        {"name": arm.name, "measure": question.measure_of(arm), "expected": arm.expect or None}
        | {"published": arm.published or None, "values": {str(s): v for s, v in answer.values[arm.name].items()}}
        | {"failed": {str(s): text for s, text in answer.failures[arm.name].items()}}
        for arm in question.arms
    ]
    comparisons = [_comparison(comparison) for comparison in answer.comparisons()]
    told = {"name": question.name, "question": question.title, "published": question.published, "why": question.why}
    told |= {
        "measure": question.measure,
        "effect": question.effect,
        "seeds": answer.wanted,
        "complete": answer.complete,
    }
    return told | {"version": VERSION, "arms": arms, "comparisons": comparisons, "verdict": answer.verdict()}


def _comparison(comparison):
    interval = comparison.interval if comparison.spread is not None else None
    differences = {str(seed): value for seed, value in comparison.differences.items()}
    told = {"arm": comparison.arm.name, "against": comparison.baseline.name, "differences": differences}
    told |= {"mean": comparison.interval[0] if comparison.interval else None, "confidence": CONFIDENCE}
    told |= {"low": interval[1] if interval else None, "high": interval[2] if interval else None}
    told |= {"sign_test": comparison.p if differences else None, "spread": comparison.spread}
    return told | {"seeds_needed": comparison.needed, "found": comparison.found, "expected": comparison.arm.expect}
