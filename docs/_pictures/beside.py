"""How fast ours and torchvision's learn: the chart of the training page, from the rows that its table is made of.

python docs/_pictures/beside.py
"""

import json
from pathlib import Path

import numpy as np
from charts import keep

from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
ROWS, PICTURE = DOCS / "results/torchvision.json", DOCS / "images/beside.png"
KINDS = ("box", "mask")


def points():
    """{"box ours": [[step, [AP of each seed]], ...], ...} of the file's rows."""
    found = json.loads(ROWS.read_text(encoding="utf-8"))["rows"]
    series = {}
    for kind in KINDS:
        for model in ("ours", "torchvision"):
            rows = [row for row in found if row["model"] == model]
            steps = sorted({row["at"] for row in rows})
            values = [[round(row[f"{kind}_AP"], 4) for row in rows if row["at"] == step] for step in steps]
            series[f"{kind} {model}"] = [list(pair) for pair in zip(steps, values)]
    return series


def table():
    """The lines of the page's table: means of the seeds that were trained to the end, box AP of each, and of all."""
    found = json.loads(ROWS.read_text(encoding="utf-8"))["rows"]
    last = max(row["at"] for row in found)
    whole = {row["seed"] for row in found if row["at"] == last}
    for step in sorted({row["at"] for row in found}):
        for model in ("ours", "torchvision"):
            rows = [row for row in found if (row["at"], row["model"]) == (step, model)]
            means = [
                f"{np.mean([row[f'{kind}_{figure}'] for row in rows if row['seed'] in whole]):.3f}"
                for kind in KINDS
                for figure in ("AP", "AP50", "AP75")
            ]
            seeds = " ".join(f"{row['box_AP']:.3f}" for row in sorted(rows, key=lambda row: row["seed"]))
            yield f"| {f'{step} ' if model == 'ours' else ''}| {model} | {' | '.join(means)} | {seeds} |"


def draw(series):
    """A panel for boxes and one for masks: a line through the means, a dot for each seed."""
    figure = style.new_figure(6.4, 3.7)
    for k, kind in enumerate(KINDS):
        ax = style.plain_axes(figure.add_axes((0.1 + 0.47 * k, 0.17, 0.41, 0.62)))
        for model, colour, aside in (("ours", style.DARK_BLUE, -12), ("torchvision", style.RED, 12)):
            steps, values = zip(*series[f"{kind} {model}"])
            means = [float(np.mean(each)) for each in values]
            ax.plot(steps, means, color=colour, linewidth=2, marker="o", markersize=4)
            for step, each in zip(steps, values):
                ax.plot([step + aside] * len(each), each, ".", color=colour, markersize=5, alpha=0.45)
            offset = 14 if kind == "box" else 20
            below = (kind, model) in (("box", "ours"), ("mask", "torchvision"))
            where = {"xytext": (0, -offset if below else 8), "textcoords": "offset points", "ha": "right"}
            ax.annotate(model, (steps[-1], means[-1]), color=colour, fontsize=11, fontweight="bold", **where)
        ax.set_xticks(steps, [f"{step:,}" for step in steps], fontsize=9.5)
        ax.set_ylim(0.38, 0.88)
        ax.tick_params(axis="y", labelsize=9.5)
        ax.set_title(f"{kind} AP", loc="left", fontsize=11.5)
        ax.set_xlabel("steps of 8 scenes", fontsize=10)
        if k:
            ax.set_yticklabels([])
    figure.suptitle("The same network, scenes and schedule, three seeds and more", x=0.02, ha="left", fontsize=12.5)
    return figure


def main():
    series = points()
    keep(draw(series), PICTURE, series)


if __name__ == "__main__":
    main()
    print("\n".join(table()))
