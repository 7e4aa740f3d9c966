"""Answers as pictures: values and intervals, curves over the length of a training, a scene as each arm sees it."""

import re

import numpy as np

from ..data.loader import open_stream
from ..ops.boxes import iou_matrix
from ..visualize import style
from ..visualize.detections import draw_judged, draw_truth
from ..visualize.intervals import intervals_figure
from ..visualize.lettering import with_glyphs
from ..visualize.lines import draw_lines
from .report import in_words
from .sketch import MIN_SCORE, SCENES, drawn_from


def answer_figure(answer):
    """Values of every seed, and mean differences with their intervals: an Answer  ->  Figure"""
    question = answer.question
    compared = {comparison.arm.name: comparison.interval for comparison in answer.comparisons()}
    values = {arm.name: answer.values[arm.name] for arm in question.arms}
    intervals = {arm.name: compared.get(arm.name) for arm in question.arms}
    label = f"{in_words(question.measure)}, a point a seed"
    return intervals_figure(values, intervals, title=question.title, label=label, effect=question.effect)


def curves_of(answer):
    """{NAME: [(N, mean), ...]} of arms that are called "NAME, N steps"; {} for other questions."""
    curves = {}
    for arm in answer.question.arms:
        match = re.fullmatch(r"(.+), (\d+) steps", arm.name)
        if match is None:
            return {}
        numbers = list(answer.values[arm.name].values())
        if numbers:
            curves.setdefault(match[1], []).append((int(match[2]), sum(numbers) / len(numbers)))
    return curves


def curves_figure(answer):
    """Of arms that are called "NAME, N steps": the mean of each NAME against N; None for other questions."""
    curves = curves_of(answer)
    if not curves:
        return None
    figure = style.new_figure(5.4, 3.4)
    lines = {name: tuple(zip(*sorted(points))) for name, points in curves.items()}
    draw_lines(
        lines, ax=figure.subplots(), xlabel="steps of training", ylabel=in_words(answer.question.measure), markers=True
    )
    figure.tight_layout()
    return figure


def sketches_of(question, rows, *, seed=0):
    """{arm: what it found in each of a few held-out scenes}, of every arm; {} while one has no row."""
    plans = {arm.name: question.plan(arm, seed) for arm in question.arms}
    sketches = {name: row.found for name, plan in plans.items() if (row := rows.get(plan)) and len(row.found) == SCENES}
    return sketches if len(sketches) == len(plans) else {}


def scene_figure(question, rows, *, seed=0):
    """A held-out scene, its objects, and what each arm found: of a few scenes the one that tells the arms apart most.

    Question, Rows  ->  Figure, or None while arms have no row
    """
    sketches = sketches_of(question, rows, seed=seed)
    if not sketches:
        return None
    config = question.plan(question.arms[0], seed).config
    stream = open_stream(config, split="test")
    scenes = [stream.scene(number) for number in range(SCENES)]
    number = max(range(SCENES), key=lambda i: _difference(scenes[i][1], [found[i] for found in sketches.values()]))
    image, truth = scenes[number]
    figure = style.new_figure(2.15 * (1 + len(sketches)), 2.5)
    axes = figure.subplots(1, 1 + len(sketches), squeeze=False)[0]
    names = config.model.class_names
    draw_truth(image, truth, names, ax=axes[0])
    for ax, found in zip(axes[1:], sketches.values()):
        shown = drawn_from(found[number], size=image.shape[:2])
        draw_judged(image, truth, shown, names, ax=ax, min_score=MIN_SCORE)
    for ax, name in zip(axes, ["truth", *sketches]):
        ax.set_title(with_glyphs(name), fontsize=style.SMALL, loc="left")
    figure.tight_layout()
    return figure


def history_figure(systems):
    """Box AP of each system against the seconds that a picture takes, search included: what `history.told` says."""
    figure = style.new_figure(6.4, 3.6)
    ax = style.plain_axes(figure.subplots())
    known = [entry for entry in systems if entry["box AP"]["mean"] is not None]
    places = [(e["test, ms"]["mean"] + (e["search, ms"]["mean"] or 0), e["box AP"]["mean"]) for e in known]
    for number, (place, entry) in enumerate(sorted(zip(places, known), key=lambda pair: pair[0])):
        ax.errorbar(*place, yerr=entry["box AP"]["spread"], fmt="o", color=style.DARK_BLUE, capsize=3)
        beside = (6, -12 if number % 2 else 4)  # neighbours may take equally long: their names lie below and above
        ax.annotate(entry["system"], place, xytext=beside, textcoords="offset points", fontsize=style.SMALL)
    ax.set_xscale("log")
    ax.margins(x=0.25, y=0.2)
    ax.set_xlabel("ms of the CPU for a picture, search included", fontsize=style.TEXT)
    ax.set_ylabel("box AP", fontsize=style.TEXT)
    figure.tight_layout()
    return figure


def _difference(truth, found):
    """How differently arms see a scene: by how well its objects are covered, then by how sure they are."""
    covered = [_covered(truth, table) for table in found]
    sure = [sum(table["scores"]) for table in found]
    return max(covered) - min(covered), max(sure) - min(sure)


def _covered(truth, table):
    """The sum, over objects, of the IoU of the best box with the right name."""
    boxes, labels = np.array(table["boxes"], np.float32).reshape(-1, 4), np.array(table["labels"], np.int64)
    overlap = iou_matrix(truth.boxes.astype(np.float32), boxes) * (truth.labels[:, None] == labels)
    return float(overlap.max(axis=1, initial=0).sum())
