"""The family in numbers: each system on the same scenes, with the same number of steps, and what it costs."""

import numpy as np

from ..config import tour_preset
from ..data.scenes import EXTREME_POINTS
from ..models.backbones.presets import backbone_settings
from .question import Arm, Question

# The network of the Fast and Faster R-CNN papers, narrow, under a pyramid: there as here it is what takes the time.
VGG16 = backbone_settings("vgg16_bn:16", tour_preset().model)
JOINTS = {  # the ends of a digit are what a keypoint head learns; the pictures stay the same
    "scenes.extreme_points": True,
    "model.keypoint_names": EXTREME_POINTS,
    "model.roi.num_keypoints": len(EXTREME_POINTS),
    "model.roi.keypoint_widths": (32, 32, 32, 32),
}
HISTORY = Question(
    name="history",
    title="What did each member of the family bring, and what did it cost?",
    # No score is too low, so that the heads of all see equally many detections, however well each has learned by then.
    settings=VGG16 | {"train.train_scenes": 100, "model.proposals.most": 128, "model.roi.score_threshold": 0.0},
    arms=(
        Arm("rcnn", {"model.system": "rcnn"}),
        Arm("fast_rcnn", {"model.system": "fast_rcnn"}),
        Arm("faster_rcnn", {"model.system": "faster_rcnn"}),
        Arm("mask_rcnn", {"model.system": "mask_rcnn"}),
        Arm(
            "mask_scoring_rcnn",
            {"model.system": "mask_scoring_rcnn", "model.roi.mask_iou_widths": (16, 16, 16, 16)},
        ),
        Arm("keypoint_rcnn", {"model.system": "keypoint_rcnn"} | JOINTS),
    ),
    measure="bbox.AP",
    effect=0.03,
    published="",
    why="",
)
YEARS = {
    "rcnn": ("2014", "a network looks at every proposed box by itself"),
    "fast_rcnn": ("2015", "one pass over the picture, one look at each proposal"),
    "faster_rcnn": ("2015", "the network proposes the regions itself"),
    "mask_rcnn": ("2017", "a mask for each object, and crops that do not round"),
    "keypoint_rcnn": ("2017", "and where the joints are"),
    "mask_scoring_rcnn": ("2019", "masks are ranked by how well they fit"),
}
# Of the papers: R-CNN 47 s, Fast R-CNN 0.32 s and 2 s of search, Faster R-CNN 0.2 s; each new head costs a little.
SLOWER = (
    ("rcnn", "fast_rcnn"),
    ("fast_rcnn", "faster_rcnn"),
    ("mask_rcnn", "faster_rcnn"),
    ("mask_scoring_rcnn", "mask_rcnn"),
    ("keypoint_rcnn", "mask_rcnn"),
)
COLUMNS = {  # of the table: name, measure, what it is multiplied by, and how it is written
    "box AP": ("bbox.AP", 1, "{:.3f}"),
    "AP75": ("bbox.AP75", 1, "{:.3f}"),
    "AP90": ("bbox.AP90", 1, "{:.3f}"),
    "AR@10": ("bbox.AR10", 1, "{:.3f}"),
    "mask AP": ("segm.AP", 1, "{:.3f}"),
    "training, s": ("cost.train_cpu", 1, "{:.0f}"),
    "search, ms": ("cost.search_cpu", 1000, "{:.0f}"),
    "test, ms": ("cost.test_cpu", 1000, "{:.1f}"),
    "passes": ("cost.passes", 1, "{:.0f}"),
    "numbers": ("cost.parameters", 1, "{:,.0f}"),
    "weights, MB": ("cost.parameters", 4e-6, "{:.2f}"),
}
WITH_SPREAD = {"box AP", "AP75", "AP90", "mask AP"}


def told(rows, *, seeds=None, quick=False):
    """What the rows say of each system: a list of {"system", "seeds", "failed", column: {"mean", "spread"}}."""
    wanted = HISTORY.seeds if seeds is None else seeds
    systems = []
    for arm in HISTORY.arms:
        found = [rows.get(HISTORY.plan(arm, seed, quick=quick)) for seed in range(wanted)]
        found = [row for row in found if row is not None]
        failed = {str(row.seed): row.failed for row in found if row.failed}
        good = [row for row in found if not row.failed]
        entry = {"system": arm.name, "seeds": [row.seed for row in good], "failed": failed}
        systems.append(entry | {name: _summary(good, measure, scale) for name, (measure, scale, _) in COLUMNS.items()})
    return systems


def _summary(rows, measure, scale):
    """Mean and standard deviation over rows; None where there are none. Undefined figures (-1) do not count."""
    values = [scale * value for row in rows if (value := row.value(measure)) is not None and value >= 0]
    if not values:
        return {"mean": None, "spread": None}
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "spread": spread}


def slowdown(systems):
    """How many times as long R-CNN takes for a picture as Fast R-CNN, proposals not counted; None without both."""
    times = {entry["system"]: entry["test, ms"]["mean"] for entry in systems}
    slow, fast = times["rcnn"], times["fast_rcnn"]
    return None if slow is None or fast is None else slow / fast


def table(systems):
    """The lines of two Markdown tables, a system a line: what it finds, and what it costs."""
    found = [name for name, (measure, *_) in COLUMNS.items() if not measure.startswith("cost.")]
    return [*_table(systems, found), "", *_table(systems, [name for name in COLUMNS if name not in found])]


def _table(systems, names):
    lines = [f"| system | seeds | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    for entry in systems:
        cells = [
            entry["system"],
            str(len(entry["seeds"])) + (f" ({len(entry['failed'])} failed)" if entry["failed"] else ""),
        ]
        lines.append("| " + " | ".join(cells + [_cell(entry, name) for name in names]) + " |")
    return lines


def _cell(entry, name):
    mean, spread = entry[name]["mean"], entry[name]["spread"]
    if mean is None:
        return "-"
    form = COLUMNS[name][2]
    more = f" ± {form.format(spread)}" if spread is not None and name in WITH_SPREAD else ""
    return form.format(mean) + more


def verdict_on(systems):
    """What follows from the costs, in sentences: how slow R-CNN is, and whether times come in the papers' order."""
    times = slowdown(systems)
    if times is None:
        return "R-CNN and Fast R-CNN are not both measured yet."
    said = (
        f"R-CNN takes {times:.0f} times as long for a picture as Fast R-CNN, without counting the search for proposals."
    )
    seconds = {entry["system"]: _picture(entry) for entry in systems}
    pairs = [pair for pair in SLOWER if None not in map(seconds.get, pair)]
    wrong = [f"{slow} is not slower than {fast}" for slow, fast in pairs if seconds[slow] <= seconds[fast]]
    order = f"not in the papers' order: {'; '.join(wrong)}" if wrong else "in the papers' order"
    return f"{said} With the search, times are {order}."


def _picture(entry):
    """Milliseconds of a picture, search included; None where it is not measured."""
    seconds = entry["test, ms"]["mean"]
    return None if seconds is None else seconds + (entry["search, ms"]["mean"] or 0)


def markdown(systems):
    """The table, and what follows from it."""
    return "\n".join([*table(systems), "", verdict_on(systems)])
