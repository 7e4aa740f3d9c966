"""How fast ours and torchvision's learn: the chart of the training page, from the rows that its table is made of.

python docs/_pictures/beside.py
"""

import itertools
import json
from pathlib import Path

import numpy as np
from charts import keep

from tinymaskrcnn.studies.statistics import mean_interval, seeds_needed
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


def paired(step, weights, kind="box"):
    """ours - torchvision in AP, of each seed that both were trained with."""
    return np.subtract(*(figures(model, weights, step, f"{kind}_AP") for model in MODELS))


def counts():
    """How many seeds stand behind each point, in words: "15 seeds at 250 and 500, 3 seeds at ..."."""
    by_count = {}
    for step in steps():
        by_count.setdefault(len(seeds_of(step, "last")), []).append(f"{step:,}")
    return ", ".join(f"{count} seeds at {' and '.join(at)}" for count, at in by_count.items())


# ---------------------------------------------------------------- what the page says of them


def table():
    """The page's table of what both reach: means over the seeds."""
    names = [f"{kind}_{figure}" for kind in KINDS for figure in ("AP", "AP50", "AP75")]
    yield "| steps | seeds | weights | | box AP | AP50 | AP75 | mask AP | AP50 | AP75 |"
    yield "|---" * 10 + "|"
    for step, weights, model in itertools.product(steps(), WEIGHTS, MODELS):
        means = [f"{figures(model, weights, step, name).mean():.3f}" for name in names]
        first = model == MODELS[0]
        named = f"{step:,} | {len(seeds_of(step, weights))} " if first and weights == "last" else "| "
        yield f"| {named}| {f'{weights} ' if first else ''}| {model} | {' | '.join(means)} |"


def differences():
    """The page's table of ours - torchvision in box AP, with its interval over the seeds."""
    yield "| steps | weights | box AP, ours - torchvision's | 95 % interval | ours ahead with |"
    yield "|---" * 5 + "|"
    for step, weights in itertools.product(steps(), WEIGHTS):
        mean, low, high = mean_interval(paired(step, weights))
        ahead = f"{(paired(step, weights) > 0).sum()} of {len(paired(step, weights))} seeds"
        yield f"| {step:,} | {weights} | {mean:+.3f} | {low:+.3f} to {high:+.3f} | {ahead} |"


def gains():
    """The page's table of what the mean of the weights brings ours."""
    yield "| steps | seeds | last | mean | gain |"
    yield "|---" * 5 + "|"
    for step in steps():
        last, mean = (figures("ours", weights, step, "box_AP").mean() for weights in ("last", "mean"))
        yield f"| {step:,} | {len(seeds_of(step, 'last'))} | {last:.3f} | {mean:.3f} | {mean - last:.3f} |"


def sentences():
    """What the page says in words."""
    masks = [paired(step, weights, "mask").mean() for step, weights in itertools.product(steps(), WEIGHTS)]
    early = [paired(step, "last") for step in steps()[:2]]
    boxes = [paired(step, weights).mean() for step, weights in itertools.product(steps(), WEIGHTS)]
    yield f"**Masks** are better by {min(masks):.2f} to {max(masks):.2f}"
    yield f"**Boxes** are nowhere behind by more than {-min(boxes):.3f} on the average"
    spread, needed = zip(*((d.std(ddof=1), seeds_needed(d.std(ddof=1), 0.01)) for d in early))
    yield f"a standard deviation of {spread[0]:.3f} after 250 steps and of {spread[1]:.3f} after 500"
    yield f"would be shown with a power of 0.8 by {needed[0]} and {needed[1]} seeds"
    first, more = zip(*((d[:3].mean(), mean_interval(d[3:])) for d in early))
    yield f"The first three seeds were behind by {-first[0]:.3f} and {-first[1]:.3f} there"
    yield "; ".join(f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" for mean, low, high in more)


def draw(series):
    """A panel for boxes and one for masks: for each a line through the means of the seeds by either weights."""
    figure = style.new_figure(6.4, 3.9)
    for k, kind in enumerate(KINDS):
        ax = style.plain_axes(figure.add_axes((0.1 + 0.47 * k, 0.22, 0.41, 0.55)))
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
        ax.set_ylim(0.38, 0.91)
        ax.tick_params(axis="y", labelsize=9.5)
        ax.set_title(f"{kind} AP", loc="left", fontsize=11.5)
        ax.set_xlabel("steps of 8 scenes", fontsize=10)
        if k:
            ax.set_yticklabels([])
    figure.suptitle("The same network (but its RoIAlign) on the same scenes", x=0.02, y=0.985, ha="left", fontsize=12.5)
    figure.text(0.02, 0.875, "solid: judged by the mean of the weights; dashed: by the last ones", fontsize=9.5)
    figure.text(0.02, 0.02, f"means of {counts()} steps", fontsize=9.5, color=style.muted())
    return figure


def main():
    series = points()
    keep(draw(series), PICTURE, series)


if __name__ == "__main__":
    main()
    print("\n\n".join(["\n".join(lines()) for lines in (table, differences, gains)] + list(sentences())))
