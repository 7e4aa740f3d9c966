"""How fast ours and torchvision's learn: the chart of the training page, from the rows that its table is made of.

python docs/_pictures/beside.py
"""

import itertools
import json
from pathlib import Path

import numpy as np
from charts import keep

from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
ROWS, PICTURE = DOCS / "results/torchvision.json", DOCS / "images/beside.png"
KINDS = ("box", "mask")
WEIGHTS = {"last": "--", "mean": "-"}  # whose the line is: the last weights, or their mean


def rows_of(*, model, weights="last", step=None):
    """The file's rows of a model judged by such weights, after so many steps or all, by seed."""
    found = json.loads(ROWS.read_text(encoding="utf-8"))["rows"]
    fits = [row for row in found if (row["model"], row.get("weights", "last")) == (model, weights)]
    return sorted((row for row in fits if step in (None, row["at"])), key=lambda row: row["seed"])


def steps():
    return sorted({row["at"] for row in rows_of(model="ours")})


def whole():
    """The seeds that were trained to the end."""
    return {row["seed"] for row in rows_of(model="ours", step=steps()[-1])}


def points():
    """{"box ours, mean": [[step, [AP of each seed that was trained to the end]], ...], ...} of the file's rows."""
    series = {}
    for kind, model, weights in itertools.product(KINDS, ("ours", "torchvision"), WEIGHTS):
        found = [row for row in rows_of(model=model, weights=weights) if row["seed"] in whole()]
        series[f"{kind} {model}, {weights}"] = [
            [step, [round(row[f"{kind}_AP"], 4) for row in found if row["at"] == step]] for step in steps()
        ]
    return series


def table():
    """The lines of the page's table: means of the seeds that were trained to the end, box AP of each, and of all."""
    for step, weights, model in itertools.product(steps(), WEIGHTS, ("ours", "torchvision")):
        rows = rows_of(model=model, weights=weights, step=step)
        means = [
            f"{np.mean([row[f'{kind}_{figure}'] for row in rows if row['seed'] in whole()]):.3f}"
            for kind in KINDS
            for figure in ("AP", "AP50", "AP75")
        ]
        seeds = " ".join(f"{row['box_AP']:.3f}" for row in rows)
        first = model == "ours"
        named = f"{f'{step} ' if first and weights == 'last' else ''}| {f'{weights} ' if first else ''}"
        yield f"| {named}| {model} | {' | '.join(means)} | {seeds} |"


def differences():
    """{(weights, step): ours - torchvision in box AP} of the seeds that were trained to the end."""
    series = points()
    return {
        (weights, step): float(np.mean(ours) - np.mean(theirs))
        for weights in WEIGHTS
        for (step, ours), (_, theirs) in zip(*(series[f"box {model}, {weights}"] for model in ("ours", "torchvision")))
    }


def draw(series):
    """A panel for boxes and one for masks: for each a line through the means of the seeds by either weights."""
    figure = style.new_figure(6.4, 3.9)
    for k, kind in enumerate(KINDS):
        ax = style.plain_axes(figure.add_axes((0.1 + 0.47 * k, 0.17, 0.41, 0.6)))
        for model, colour in (("ours", style.DARK_BLUE), ("torchvision", style.RED)):
            for weights, line in WEIGHTS.items():
                at, values = zip(*series[f"{kind} {model}, {weights}"])
                means = [float(np.mean(each)) for each in values]
                wide = 1.2 if weights == "last" else 3.6 if model == "ours" else 1.8  # to be seen below the other
                ax.plot(at, means, line, color=colour, linewidth=wide, marker="o", markersize=3)
            offset = 26 if kind == "box" else 20
            below = (kind, model) in (("box", "ours"), ("mask", "torchvision"))
            where = {"xytext": (0, -offset if below else 8), "textcoords": "offset points", "ha": "right"}
            ax.annotate(model, (at[-1], means[-1]), color=colour, fontsize=11, fontweight="bold", **where)
        ax.set_xticks(at, [f"{step:,}" for step in at], fontsize=9.5)
        ax.set_ylim(0.38, 0.88)
        ax.tick_params(axis="y", labelsize=9.5)
        ax.set_title(f"{kind} AP", loc="left", fontsize=11.5)
        ax.set_xlabel("steps of 8 scenes", fontsize=10)
        if k:
            ax.set_yticklabels([])
    figure.suptitle("The same network, scenes and schedule, three seeds", x=0.02, y=0.985, ha="left", fontsize=12.5)
    figure.text(0.02, 0.875, "solid: judged by the mean of the weights; dashed: by the last ones", fontsize=9.5)
    return figure


def main():
    series = points()
    keep(draw(series), PICTURE, series)


if __name__ == "__main__":
    main()
    print("\n".join(table()))
