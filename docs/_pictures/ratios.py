"""The chart that the performance page begins with: the rows of its own table.

python docs/_pictures/ratios.py
"""

import re
import statistics
import textwrap
from pathlib import Path

from charts import keep

from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
PAGE, PICTURE = DOCS / "performance.md", DOCS / "images/ratios.png"
ROW = re.compile(r"^\| ([^|]+?) \| [^|]+ \| [^|]+ \| ([\d.]+(?:, [\d.]+)+) \|", re.MULTILINE)


def rows(text):
    """[(work, the median of the runs' ratios, (the least, the most))] of the page's first table."""
    table = text[ROW.search(text).start() :].partition("\n\n")[0]
    runs = [(work, sorted(map(float, ratios.split(", ")))) for work, ratios in ROW.findall(table)]
    return [(work, statistics.median(ratios), (ratios[0], ratios[-1])) for work, ratios in runs]


def colour(work):
    """Of a work's bar: what is compared, and with whom."""
    if "onnxruntime" in work:
        return style.PURPLE
    return style.GREEN if work.startswith("memory") else style.DARK_BLUE


def draw(found):
    """A bar for each work, from nothing to our share of the other's time or memory; large letters, for phones."""
    figure = style.new_figure(6.4, 6.4)
    ax = style.plain_axes(figure.add_axes((0.42, 0.15, 0.54, 0.74)))
    ax.grid(False, axis="y")
    for k, (work, ratio, (least, most)) in enumerate(found):
        ax.barh(k, ratio, height=0.66, color=colour(work))
        ax.plot((least, most), (k, k), color=style.ink(), linewidth=1.6, solid_capstyle="butt")
        where = {"x": 0.02, "color": "black"} if most > 0.85 else {"x": most + 0.02, "color": style.ink()}
        ax.text(y=k, s=f"{ratio:.2f}", va="center", fontsize=11, fontweight="bold", **where)
    ax.axvline(1, color=style.RED, linewidth=1.6)
    ax.text(1, -0.7, "equal", ha="center", fontsize=11, fontweight="bold", color=style.RED)
    ax.set_yticks(range(len(found)), [textwrap.fill(work.replace(" on our export", ""), 27) for work, *_ in found])
    ax.tick_params(axis="y", length=0, labelsize=9.5)
    ax.set_xlim(0, 1.08)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"], fontsize=10)
    ax.set_ylim(len(found) - 0.5, -0.6)
    figure.suptitle("Beside torchvision and onnxruntime: shorter is better", x=0.02, ha="left", fontsize=12.5)
    said = "blue: share of torchvision's time, green: of its memory,\n"
    said += "purple: of onnxruntime's time, on two CPU cores; lines: three runs"
    figure.text(0.02, 0.02, said, fontsize=10, color=style.muted())
    return figure


def main():
    found = rows(PAGE.read_text(encoding="utf-8"))
    keep(draw(found), PICTURE, found)


if __name__ == "__main__":
    main()
