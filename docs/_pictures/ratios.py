"""The chart that the performance page begins with: the rows of its own table.

python docs/_pictures/ratios.py
"""

import re
import textwrap
from pathlib import Path

from charts import keep

from tinymaskrcnn.visualize import style

DOCS = Path(__file__).parents[1]
PAGE, PICTURE = DOCS / "performance.md", DOCS / "images/ratios.png"
ROW = re.compile(r"^\| ([^|]+?) \| [^|]+ \| [^|]+ \| \*\*([\d.]+)\*\* \| (?:([\d.]+) to ([\d.]+))? *\|", re.MULTILINE)


def rows(text):
    """[(work, ratio, its middle half or None)] of the page's first table."""
    table = text[ROW.search(text).start() :].partition("\n\n")[0]
    return [(work, float(r), (float(low), float(high)) if low else None) for work, r, low, high in ROW.findall(table)]


def draw(found):
    """A bar for each work, from nothing to our share of torchvision's time or memory; large letters, for phones."""
    figure = style.new_figure(6.4, 5.4)
    ax = style.plain_axes(figure.add_axes((0.42, 0.13, 0.54, 0.74)))
    ax.grid(False, axis="y")
    for k, (work, ratio, half) in enumerate(found):
        ax.barh(k, ratio, height=0.66, color=style.GREEN if work.startswith("memory") else style.DARK_BLUE)
        if half:
            ax.plot(half, (k, k), color=style.ink(), linewidth=1.6, solid_capstyle="butt")
        last = max(ratio, half[1] if half else 0)
        where = {"x": 0.02, "color": "white"} if last > 0.85 else {"x": last + 0.02, "color": style.ink()}
        ax.text(y=k, s=f"{ratio:.2f}", va="center", fontsize=11, fontweight="bold", **where)
    ax.axvline(1, color=style.RED, linewidth=1.6)
    ax.text(1, -0.7, "torchvision", ha="center", fontsize=11, fontweight="bold", color=style.RED)
    ax.set_yticks(range(len(found)), [textwrap.fill(work, 27) for work, *_ in found])
    ax.tick_params(axis="y", length=0, labelsize=9.5)
    ax.set_xlim(0, 1.08)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"], fontsize=10)
    ax.set_ylim(len(found) - 0.5, -0.6)
    figure.suptitle("Beside torchvision, on two CPU cores: shorter is better", x=0.02, ha="left", fontsize=12.5)
    figure.text(0.02, 0.02, "blue: time, green: memory, as a share of torchvision's", fontsize=10, color=style.muted())
    return figure


def main():
    found = rows(PAGE.read_text(encoding="utf-8"))
    keep(draw(found), PICTURE, found)


if __name__ == "__main__":
    main()
