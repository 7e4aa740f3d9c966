"""How fast ours and torchvision's learn: the chart of the training page, from the rows that its table is made of.

python docs/_pictures/beside.py
"""

import itertools
import json
from pathlib import Path

import numpy as np
from charts import keep

from tinymaskrcnn.studies.statistics import mean_interval
from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
ROWS, PICTURE = DOCS / "results/torchvision.json", DOCS / "images/beside.png"
KINDS = ("box", "mask")
MODELS = ("ours", "torchvision")
WEIGHTS = {"last": "--", "mean": "-"}  # whose the line is: the last weights, or their mean


def rows_of(*, model, weights="last", step=None):
    """The file's rows of a model judged by such weights, after so many steps or all, by seed."""
    found = json.loads(ROWS.read_text(encoding="utf-8"))["rows"]
    fits = [row for row in found if (row["model"], row.get("weights", "last")) == (model, weights)]
    return sorted((row for row in fits if step in (None, row["at"])), key=lambda row: row["seed"])


def steps():
    return sorted({row["at"] for row in rows_of(model="ours")})


def seeds_of(step, weights):
    """The seeds with which both were trained as far as that, and judged by such weights."""
    ours, theirs = (rows_of(model=model, weights=weights, step=step) for model in MODELS)
    return sorted({row["seed"] for row in ours} & {row["seed"] for row in theirs})


def figures(model, weights, step, name):
    """A figure of each of those seeds, as an array."""
    seeds = seeds_of(step, weights)
    return np.array([row[name] for row in rows_of(model=model, weights=weights, step=step) if row["seed"] in seeds])


def points():
    """{"box ours, mean": [[step, [AP of each seed that both were trained with], ...], ...} of the file's rows."""
    return {
        f"{kind} {model}, {weights}": [
            [step, figures(model, weights, step, f"{kind}_AP").round(4).tolist()] for step in steps()
        ]
        for kind, model, weights in itertools.product(KINDS, MODELS, WEIGHTS)
    }


def table():
    """The lines of the page's table of what both reach: means over the seeds."""
    names = [f"{kind}_{figure}" for kind in KINDS for figure in ("AP", "AP50", "AP75")]
    for step, weights, model in itertools.product(steps(), WEIGHTS, MODELS):
        means = [f"{figures(model, weights, step, name).mean():.3f}" for name in names]
        first = model == MODELS[0]
        named = f"{f'{step:,} ' if first and weights == 'last' else ''}| {f'{weights} ' if first else ''}"
        yield f"| {named}| {model} | {' | '.join(means)} |"


def differences():
    """The lines of the page's table of ours - torchvision in box AP, with its interval over the paired seeds."""
    for step, weights in itertools.product(steps(), WEIGHTS):
        paired = np.subtract(*(figures(model, weights, step, "box_AP") for model in MODELS))
        mean, low, high = mean_interval(paired)
        ahead = f"{(paired > 0).sum()} of {len(paired)}"
        yield f"| {step:,} | {weights} | {mean:+.3f} | {low:+.3f} to {high:+.3f} | {ahead} |"


def draw(series):
    """A panel for boxes and one for masks: for each a line through the means of the seeds by either weights."""
    figure = style.new_figure(6.4, 3.9)
    for k, kind in enumerate(KINDS):
        ax = style.plain_axes(figure.add_axes((0.1 + 0.47 * k, 0.17, 0.41, 0.6)))
        for model, colour in zip(MODELS, (style.DARK_BLUE, style.RED)):
            for weights, line in WEIGHTS.items():
                at, values = zip(*series[f"{kind} {model}, {weights}"])
                means = [float(np.mean(each)) for each in values]
                wide = 1.2 if weights == "last" else 3.6 if model == "ours" else 1.8  # to be seen below the other
                ax.plot(at, means, line, color=colour, linewidth=wide, marker="o", markersize=3)
            offset = 26 if kind == "box" else 20
            where = {"xytext": (0, 8 if model == MODELS[0] else -offset), "textcoords": "offset points", "ha": "right"}
            ax.annotate(model, (at[-1], means[-1]), color=colour, fontsize=11, fontweight="bold", **where)
        ax.set_xticks(at, [f"{step:,}" for step in at], fontsize=9.5)
        ax.set_ylim(0.38, 0.88)
        ax.tick_params(axis="y", labelsize=9.5)
        ax.set_title(f"{kind} AP", loc="left", fontsize=11.5)
        ax.set_xlabel("steps of 8 scenes", fontsize=10)
        if k:
            ax.set_yticklabels([])
    figure.suptitle("The same network, scenes and schedule", x=0.02, y=0.985, ha="left", fontsize=12.5)
    figure.text(0.02, 0.875, "solid: judged by the mean of the weights; dashed: by the last ones", fontsize=9.5)
    return figure


def main():
    series = points()
    keep(draw(series), PICTURE, series)


if __name__ == "__main__":
    main()
    print("\n".join([*table(), *differences()]))
