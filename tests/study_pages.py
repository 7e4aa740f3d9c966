"""Writes docs/ablations.md and docs/history.md, and their pictures, from the rows below docs/results.

    python -m tests.study_pages

Nothing is trained: `tinymaskrcnn ablate --all` and `tinymaskrcnn history` make rows. What has none is said to have
none.
"""

import argparse
import collections
import sys
from pathlib import Path

from tinymaskrcnn.files import write_whole
from tinymaskrcnn.studies import history, pictures
from tinymaskrcnn.studies.answer import answered
from tinymaskrcnn.studies.catalogue import QUESTIONS
from tinymaskrcnn.studies.report import markdown
from tinymaskrcnn.studies.rows import Rows
from tinymaskrcnn.visualize import save_figure

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "results" / "rows"
IMAGES = "images/studies"  # below docs
ASKED = {"drawn": "what was measured", "scene": "one held-out scene, as each arm sees it", "curve": "against steps"}

ABLATIONS = """# Ablations

What the papers of the family say that matters, asked again on scenes of digits: a question, what was published, what
was expected here before anything was measured, and what came out. [How it is computed](api/studies.md): every arm is
trained with the same seeds, on the same scenes, with the same draws; intervals are those of the mean paired difference,
by Student's t.

    tinymaskrcnn ablate --list
    tinymaskrcnn ablate mask_loss            # one question; what has a row is not run again
    tinymaskrcnn ablate --all
    python -m tests.study_pages              # this page, from the rows in docs/results

Trainings are short on purpose (300 steps of 4 scenes of 96 × 96 pixels, the small network of the detector in the
package), because a detector that finds nearly everything tells nothing apart. So figures are far below [what a full
training reaches](training.md), and are not for comparing with it. With three seeds an interval is wide and a sign test
never gets below 0.25: "open" means that these rows do not decide, and says how many seeds would. Of a few held-out
scenes the one is shown in which the arms differ most.

{state}
"""
HISTORY = """# The history in numbers

Each member of [the family](family.md) on the same {scenes} scenes, with the same network below it (a narrow VGG-16
under a pyramid) and the same {steps} steps of 4 scenes. All that differs is the system. What each reaches with its own
settings and a full training stands on the page of the family; [the ablations](ablations.md) take the steps between
them apart.

    tinymaskrcnn history
    tinymaskrcnn history --quick             # a look, in minutes
    python -m tests.study_pages              # this page, from the rows in docs/results

Figures are means over seeds, ± their standard deviation, on 100 held-out scenes. Seconds are those of the CPU, of all
threads, for one training or one picture ({machine}); other work on the machine makes them larger, so they are
upper bounds. The search for proposals is counted by itself. Passes say how many pictures or crops go through the
network, for one picture.

In the papers R-CNN, Fast R-CNN, Faster R-CNN and Mask R-CNN each find more than the one before. After a training as
short as this one R-CNN finds most and Faster R-CNN least: boxes that are searched for are good from the first step on,
and R-CNN sees each of them by itself, enlarged; an RPN has yet to learn where to look. What is to be compared
here is what each costs.
"""


def pages():
    """{path below docs: text} of the two pages, as the rows have them."""
    rows = Rows(FOLDER)
    answers = [answered(question, rows) for question in QUESTIONS.values()]
    return {"ablations.md": ablations(answers, rows), "history.md": history_page(rows)}


def ablations(answers, rows):
    """The page of all questions: those that have rows, and a list of those that have none."""
    begun = [answer for answer in answers if has_begun(answer)]
    found = collections.Counter(c.found for answer in begun for c in answer.comparisons() if len(c.differences) > 1)
    right = sum(c.found == c.arm.expect for answer in begun for c in answer.comparisons() if len(c.differences) > 1)
    state = f"Of {len(answers)} questions {len(begun)} have rows, {sum(a.complete for a in answers)} of them all. "
    state += (
        f"Of {found.total()} comparisons with two seeds or more {right} came out as expected, {found['open']} are open."
    )
    parts = [ABLATIONS.format(state=state)]
    parts += [f"{markdown(answer)}\n{images(answer, rows)}" for answer in begun]
    if waiting := [answer.question for answer in answers if answer not in begun]:
        parts.append("## Not measured yet\n\n" + "\n".join(f"- `{q.name}`: {q.title}" for q in waiting) + "\n")
    return "\n".join(parts)


def has_begun(answer):
    """Whether two arms can be compared, or one failed: a row that other questions share alone says nothing."""
    return any(c.differences for c in answer.comparisons()) or any(answer.failures.values())


def images(answer, rows):
    """The lines that show the pictures of an answer."""
    name = answer.question.name
    return (
        "\n".join(
            f"\n![{answer.question.title} {ASKED[kind][0].upper()}{ASKED[kind][1:]}]({IMAGES}/{name}_{kind}.png)"
            for kind in kinds(answer, rows)
        )
        + "\n"
    )


def kinds(answer, rows):
    """What an answer has pictures of, known without drawing them."""
    if pictures.curves_of(answer):
        return ["drawn", "curve"]
    return ["drawn", "scene"] if pictures.sketches_of(answer.question, rows) else ["drawn"]


def figures(answer, rows):
    """{kind: Figure} of an answer."""
    draw = {
        "drawn": lambda: pictures.answer_figure(answer),
        "curve": lambda: pictures.curves_figure(answer),
        "scene": lambda: pictures.scene_figure(answer.question, rows),
    }
    return {kind: draw[kind]() for kind in kinds(answer, rows)}


def history_page(rows):
    """The table, the time line with what each system finds in a scene, and the bill."""
    systems = history.told(rows)
    train = history.HISTORY.plan(history.HISTORY.arms[0], 0).config.train
    made = next((row.made for arm in history.HISTORY.arms if (row := rows.get(history.HISTORY.plan(arm, 0)))), {})
    machine = f"{made.get('machine')}, {made.get('kernels')}" if made else "not measured yet"
    lines = [HISTORY.format(scenes=train.train_scenes, steps=train.steps, machine=machine)]
    lines += history.table(systems)
    lines += ["", history.verdict_on(systems), "", "## Time line", ""]
    for name, (year, brought) in history.YEARS.items():
        lines.append(f"- **{year}** `{name}`: {brought}.")
    if any(entry["seeds"] for entry in systems):
        lines += ["", f"![Box AP of each system against the time that a picture takes]({IMAGES}/history_drawn.png)"]
    if pictures.sketches_of(history.HISTORY, rows):
        lines += ["", f"![A held-out scene, and what each system found in it]({IMAGES}/history_scene.png)"]
    return "\n".join(lines) + "\n"


def draw():
    """Write the pictures of both pages; returns their paths."""
    rows, folder, paths = Rows(FOLDER), DOCS / IMAGES, []
    folder.mkdir(parents=True, exist_ok=True)
    for question in QUESTIONS.values():
        answer = answered(question, rows)
        if has_begun(answer):
            for kind, figure in figures(answer, rows).items():
                paths.append(save_figure(figure, folder / f"{question.name}_{kind}.png", dpi=90))
    systems = history.told(rows)
    if any(entry["seeds"] for entry in systems):
        paths.append(save_figure(pictures.history_figure(systems), folder / "history_drawn.png", dpi=90))
    if pictures.sketches_of(history.HISTORY, rows):
        figure = pictures.scene_figure(history.HISTORY, rows)
        paths.append(save_figure(figure, folder / "history_scene.png", dpi=90))
    for path in set(folder.glob("*.png")) - set(paths):
        path.unlink()
    return paths


def main():
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    for name, text in pages().items():
        print(f"wrote {write_whole(DOCS / name, text)}", file=sys.stderr)
    for path in draw():
        print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
