"""The picture of an exhibit: what its view shows of the package as it is, and with the bug in it."""

import numpy as np
from matplotlib.patches import Rectangle

from ..visualize.style import BLUE, GREEN, GREY, ORANGE, RED, SMALL, TEXT, ink, muted, new_figure, plain_axes

AS_IT_IS, WITH_IT = "as it is", "with the bug"


def exhibit_figure(exhibit, clean, view):
    """clean and view: the numbers of the exhibit's view by the package without and with it  ->  a Figure"""
    kind = clean["kind"]
    wide = kind in ("curve", "bars")
    figure = new_figure(*(6.8, 3.1) if wide else (6.4, 3.7))
    figure.set_layout_engine("constrained")
    figure.suptitle(clean["says"], fontsize=TEXT, color=ink())
    if "trouble" in view:
        axes = figure.subplots()
        axes.set_axis_off()
        words = f"{_names(exhibit)[1]}:\n{view['trouble']}"
        axes.text(0.5, 0.5, words, ha="center", va="center", wrap=True, fontsize=TEXT, color=ink())
    elif wide:
        DRAWN[kind](figure.subplots(), clean, view, _names(exhibit)[1])
    else:
        for axes, panel, name in zip(figure.subplots(1, 2), (clean, view), _names(exhibit)):
            DRAWN[kind](axes, panel, clean)
            axes.set_title(name, fontsize=TEXT, color=ink())
    return figure


def _names(exhibit):
    return AS_IT_IS, "with the patch" if exhibit.harmless else WITH_IT


def matrix_figure(matrix, rooms):
    """The kill matrix: a row for each bug, a column for each check; rooms {name: exhibits} in which they stand."""
    verdicts = {verdict.name: verdict for verdict in matrix.verdicts}
    rows = [verdicts[exhibit.name] for exhibits in rooms.values() for exhibit in exhibits if exhibit.name in verdicts]
    checks = list(matrix.checks)
    figure = new_figure(3.4 + 0.24 * len(checks), 2.2 + 0.2 * len(rows))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for y, verdict in enumerate(rows):
        first = matrix.cheapest(verdict)
        for x, check in enumerate(checks):
            if check in verdict.found:
                color = RED if verdict.harmless else GREEN if check == first else BLUE
                axes.add_patch(Rectangle((x - 0.42, y - 0.4), 0.84, 0.8, color=color))
    axes.set_xlim(-0.5, len(checks) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(checks)), checks, rotation=90, fontsize=SMALL)
    names = [f"{v.name} (harmless)" if v.harmless else v.name for v in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=SMALL)
    plain_axes(axes)
    axes.xaxis.tick_top()
    axes.set_xlabel("checks, from cheap to dear: green found it first, blue found it too, red would be a false alarm")
    axes.xaxis.label.set_fontsize(SMALL)
    return figure


# ---------------------------------------------------------------- the kinds


def _curves(axes, clean, view, name_of_it):
    """Both in one frame: the clean lines thin and grey below, those with the bug above them."""
    for name, line in clean["values"].items():
        axes.plot(clean["x"], line, color=GREY, linewidth=3.5, alpha=0.55, label=f"{name}, {AS_IT_IS}")
    for (name, line), color, style in zip(view["values"].items(), (RED, BLUE), ("-", "--")):
        axes.plot(view["x"], line, color=color, linewidth=1.4, linestyle=style, label=f"{name}, {name_of_it}")
        gap = np.isnan(line) & ~np.isnan(clean["values"][name])
        if gap.any():
            at = np.array(clean["values"][name])[gap]
            axes.plot(np.array(view["x"])[gap], at, "x", color=color, markersize=9, label="NaN instead")
    across, up = clean["labels"]
    axes.set_xlabel(across, fontsize=SMALL)
    axes.set_ylabel(up, fontsize=SMALL)
    plain_axes(axes)
    axes.figure.legend(fontsize=SMALL, frameon=False, loc="outside lower center", ncols=3)


def _bars(axes, clean, view, name_of_it):
    names = list(clean["values"])
    place = np.arange(len(names))
    for shift, panel, color, label in ((-0.2, clean, GREY, AS_IT_IS), (0.2, view, RED, name_of_it)):
        values = np.array([panel["values"].get(name, np.nan) for name in names], float)
        drawn = axes.bar(place + shift, np.nan_to_num(values), 0.38, color=color, alpha=0.75, label=label)
        axes.bar_label(drawn, ["NaN" if np.isnan(v) else f"{v:.4g}" for v in values], fontsize=SMALL, color=ink())
    axes.set_xticks(place, names, fontsize=SMALL)
    axes.margins(y=0.15)
    plain_axes(axes)
    axes.legend(fontsize=SMALL, frameon=False)


def _matrix(axes, panel, clean):
    values, like = np.array(panel["values"], float), np.array(clean["values"], float)
    low, high = float(np.nanmin(like)), float(np.nanmax(like))
    low = min(low, 0.0) if low == high else low
    axes.imshow(values, cmap="cividis", vmin=low, vmax=max(high, low + 1e-9))
    axes.set_xticks([])
    axes.set_yticks([])
    if panel.get("numbers"):
        for (i, j), value in np.ndenumerate(values):
            text = f"{value + 0.0:.0f}" if panel.get("whole") else f"{value:.2f}"
            dark = value < low + 0.55 * (high - low)
            axes.text(j, i, text, ha="center", va="center", fontsize=SMALL, color="white" if dark else "black")
    for box in panel.get("frames", ()):
        _frame(axes, np.array(box) - 0.5, ORANGE, 2.0)


def _boxes(axes, panel, clean):
    size, values = panel["size"], panel["values"]
    axes.set_xlim(0, size)
    axes.set_ylim(size, 0)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for box in panel.get("frames", ()):
        _frame(axes, box, GREEN, 2.5)
    names = values["names"] or [""] * len(values["boxes"])
    places = []
    for box, name, color in zip(values["boxes"], names, _cycle()):
        _frame(axes, box, color, 1.3)
        place = box[0] + 1, box[1] + 3 + 4 * sum(abs(y - box[1]) < 4 for y in places)
        places.append(box[1])
        axes.text(*place, name, fontsize=SMALL, color=color, fontweight="bold", va="center")
    words = "" if values["names"] else f"{len(values['boxes'])} boxes; the object in green"
    axes.set_xlabel(words if values["boxes"] else "none at all", fontsize=SMALL, color=muted())


def _frame(axes, box, color, width):
    x1, y1, x2, y2 = box
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=width, clip_on=True))


def _cycle():
    while True:
        yield from (BLUE, ORANGE, RED)


DRAWN = {"curve": _curves, "bars": _bars, "matrix": _matrix, "boxes": _boxes}
