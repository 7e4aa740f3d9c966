"""Do the anchors fit the objects? The anchor report as a picture."""

import numpy as np

from . import style


def coverage_figure(report):
    """Share of the objects of each size whose best anchor reaches IoU 0.5, and 0.7.

    list of {"size": (low, high), "objects": n, "share_50": x, "share_70": y}, or an AnchorReport  ->  Figure
    """
    good, fair = getattr(report, "good", 0.7), getattr(report, "fair", 0.5)
    rows = _from_report(report) if hasattr(report, "bins") else list(report)
    rows = [row for row in rows if row["objects"]]
    if not rows:
        return style.message_figure("no anchor coverage: the scenes that were looked at hold no objects")
    figure = style.new_figure(max(5.4, 1.6 + 0.95 * len(rows)), 3.8)
    ax = style.plain_axes(figure.subplots())
    ax.grid(False, axis="x")
    x = np.arange(len(rows))
    kinds = (("share_50", fair, -0.2, style.BLUE, None), ("share_70", good, 0.2, style.DARK_BLUE, "////"))
    for name, limit, shift, color, hatch in kinds:
        shares = [row[name] for row in rows]
        label = f"a fair anchor: IoU ≥ {limit:g}" if name == "share_50" else f"a good anchor: IoU ≥ {limit:g}"
        ax.bar(x + shift, shares, 0.38, color=color, hatch=hatch, edgecolor="white", linewidth=0.5, label=label)
        for place, share in zip(x + shift, shares):
            ax.text(place, share + 0.015, f"{share:.0%}", ha="center", fontsize=style.SMALL)
    ax.set_xticks(x, [f"{_bin_name(row['size'])}\n{row['objects']} obj." for row in rows])
    ax.set_xlim(-0.6 if len(rows) > 1 else -1.2, max(len(rows) - 0.4, 1.2))
    ax.set_ylim(0, 1.12)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    ax.set_xlabel("size of the object: √(width · height) in pixels", fontsize=style.TEXT)
    ax.set_ylabel("share of the objects", fontsize=style.TEXT)
    ax.set_title("How many objects have an anchor that fits", fontsize=style.TITLE, pad=26)
    ax.legend(fontsize=style.SMALL, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=2)
    figure.tight_layout()
    return figure


def _from_report(report):
    return [
        {"size": (b["low"], b["high"]), "objects": b["count"], "share_50": b["fair"], "share_70": b["good"]}
        for b in report.bins()
    ]


def _bin_name(size):
    low, high = size
    return f"{low:g}+" if high is None or high >= 1e9 else f"{low:g}–{high:g}"
