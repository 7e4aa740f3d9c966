"""What is wrong with a training, in words: each finding says what, where, why, and what to try.

The limits lie well outside of what healthy trainings of this package show, from the first step to the last; the tests
hold them against faults that were sown and against healthy runs.
"""

from dataclasses import dataclass

import numpy as np

from ..structures import Target
from .anchor_report import anchor_report
from .anchor_sizes import FITTING, better_sizes

SILENT = 0.9  # share of a layer's units that never answer
FAST, SLOW = 0.1, 1e-5  # how far an update moves the median layer, as a share of its weights
HUGE = 5.0  # root mean square of a layer's weights
NOTHING = 1e-15  # root mean square below which weights count as 0
CLIPPED = 20.0  # how many times longer than train.clip_norm a gradient is
ROWS = 100  # steps at the end of a training that are looked at


@dataclass(frozen=True)
class Finding:
    """what: one of a few names; where, why, and what to try, in words."""

    what: str
    where: str
    why: str
    advice: str

    def __str__(self):
        return f"{self.what}: {self.where}. {self.why}. Try: {self.advice}"


def examine(checkups, config, rows=()):
    """What is wrong, the causes first: [Checkup] of a few batches, a Config, rows of the metrics  ->  [Finding]"""
    found = [*_settings(config.train, config.model), *_data(checkups, config.model)]
    found += _samples(checkups, config.model) if not _named(found, "no objects") else []
    found += _layers(checkups, config.train)
    found += _answers(checkups)
    return found + list(_speed(checkups, config.train, rows, found))


def _named(found, *names):
    return any(finding.what in names for finding in found)


def _median(numbers):
    return float(np.median(list(numbers)))


# ---------------------------------------------------------------- settings


def _settings(train, model):
    if train.warmup_steps >= train.steps:
        why = f"train.warmup_steps is {train.warmup_steps} of {train.steps} steps: the rate never reaches its height"
        yield Finding("warm-up", "the schedule", why, "train.warmup_steps a tenth of train.steps or less")
    pull = train.learning_rate * train.weight_decay / (1 - train.momentum if train.optimizer == "sgd" else 1)
    if pull > 1e-2:
        why = f"train.weight_decay {train.weight_decay:g} takes {pull:.1%} of every weight away at each step"
        yield Finding("weight decay", "all weights", why, "train.weight_decay=1e-4")
    if model.backbone.norm == "batch" and train.batch_size == 1:
        why = "its statistics are those of one picture at a time, and others at inference"
        yield Finding("batch norm", "train.batch_size 1", why, "a larger batch, or model.backbone.norm='group'")


# ---------------------------------------------------------------- data


def _data(checkups, model):
    mean, spread = (_median(c.brightness[k] for c in checkups) for k in (0, 1))
    if abs(mean) > 5 or spread > 10:
        why = f"as the network sees them their mean is {mean:.3g}, their deviation {spread:.3g}; 0 and 1 are right"
        yield Finding(
            "brightness", "the pictures", why, "values of 0 to 1, not 0 to 255; check image_mean and image_std"
        )
    elif spread < 0.02:
        why = f"their deviation is {spread:.2g}: there is next to nothing to see in them"
        yield Finding("brightness", "the pictures", why, "looking at some: tinymaskrcnn demo; check image_std")
    if not any(c.objects for c in checkups):
        yield Finding("no objects", "the pictures", "not one holds an object", "looking at the annotations")
        return
    labels = np.concatenate([c.labels for c in checkups])
    if len(labels) >= 8 and len(np.unique(labels)) == 1 and model.num_classes > 2:
        name = model.class_names[int(labels[0])]
        why = f"all {len(labels)} objects that were looked at are {name!r}, of {model.num_classes - 1} classes"
        yield Finding("one class", "the labels", why, "checking how annotations become labels")
    agree = np.concatenate([c.agree for c in checkups])
    if len(agree) and np.median(agree) < 0.6:
        why = f"a box shares IoU {np.median(agree):.2f} with the box around its mask, in the median"
        yield Finding("boxes and masks", "the objects", why, "the order x1, y1, x2, y2, and one scale for both")


# ---------------------------------------------------------------- anchors and samples


def _samples(checkups, model):
    if checkups[0].anchors is not None:
        pairs = [pair for c in checkups for pair in zip(c.sizes, c.boxes)]
        seen = [(np.empty((*size, 1)), Target(boxes, np.ones(len(boxes), int))) for size, boxes in pairs]
        report = anchor_report(seen, model.rpn, levels=model.backbone.levels)
        fair = report.share(report.fair)
        if fair < FITTING:
            middle = np.median(report.sizes)
            why = f"only {fair:.0%} of the objects, of {middle:.0f} px in the median, have one with IoU 0.5"
            boxes = np.concatenate([boxes for c in checkups for boxes in c.boxes])
            yield Finding("anchors", "model.rpn.anchor_sizes", why, better_sizes(boxes, model.rpn))
        positive, drawn = (np.mean([c.anchors[k] for c in checkups]) for k in (0, 1))
        if positive < 0.01 * max(drawn, 1):
            why = f"of {drawn:.0f} anchors that are drawn in a picture {positive:.2g} are positive: it learns to say no"
            yield Finding("RPN balance", "the RPN's samples", why, "anchors that fit; model.rpn.positive_iou lower")
    positive, drawn = (np.mean([c.rois[k] for c in checkups]) for k in (0, 1))
    if positive == 0:
        idle = [name for name, loss in checkups[0].losses.items() if loss == 0]
        why = f"no RoI counts as one on an object, so that {', '.join(idle) or 'the heads'} cannot learn"
        yield Finding("no positives", "the heads' samples", why, "model.roi.positive_iou=0.5, and proposals that fit")
    if drawn < 0.25 * model.roi.samples_per_image:
        why = f"{drawn:.1f} RoIs a picture, of model.roi.samples_per_image {model.roi.samples_per_image}"
        advice = "model.rpn.post_nms_top_n and pre_nms_top_n higher, model.rpn.nms_iou 0.7"
        yield Finding("few proposals", "the heads' samples", why, advice)


# ---------------------------------------------------------------- layers


def _layers(checkups, train):
    found = []
    if not any(layer.trainable for layer in checkups[0].layers):
        return [Finding("frozen", "all layers", "no parameter is trainable", "train.frozen_stages=-1; unfreezing")]
    silent = {name: min(c.silent.get(name, 0.0) for c in checkups) for name in checkups[0].silent}
    if dead := [name for name, share in silent.items() if share >= SILENT]:
        others = f", and {len(dead) - 1} more, mostly behind it" if len(dead) > 1 else ""
        why = f"{silent[dead[0]]:.0%} of its channels answer 0 to everything, and get no gradient any more"
        advice = "a lower learning rate; new weights for the layer before it"
        found.append(Finding("dead ReLU", f"{dead[0]}{others}", why, advice))
    for layer in checkups[0].layers:
        if layer.value < NOTHING:
            why = "all of its weights are 0: its units are all alike, and send no gradient back"
            found.append(Finding("zero weights", layer.name, why, "drawing them at random"))
        elif layer.value > HUGE:
            why = f"its weights are {layer.value:.3g} in the root mean square; below 1 is usual"
            found.append(Finding("huge weights", layer.name, why, "an older checkpoint, a lower learning rate"))
    return found or _starved(checkups, train)


def _starved(checkups, train):
    """Stages of the backbone that hardly move, while the median layer does."""
    ratios = update_ratios(checkups, train)
    middle = np.median(list(ratios.values()))
    stages = {}
    for name, ratio in ratios.items():
        if name.startswith("backbone.body"):
            stages.setdefault(name.split(".")[2], []).append(ratio)
    slow = {stage: max(ratio) for stage, ratio in stages.items() if max(ratio) < 1e-4 * middle}
    if not slow or middle == 0:
        return []
    where = ", ".join(f"backbone.body.{stage}" for stage in slow)
    why = f"an update moves it by {max(slow.values()):.1e} of its weights, the median layer by {middle:.1e}"
    return [Finding("vanishing gradient", where, why, "norms between the layers; looking for a scale near 0 behind it")]


def update_ratios(checkups, train):
    """How far one update moves each trainable layer, as a share of its weights: {name: ratio}, the median of batches.

    At the full learning rate, clipped as the training clips; of SGD with what momentum adds up to.
    """
    ratios = {}
    for checkup in checkups:
        scale = min(1.0, train.clip_norm / checkup.norm) if train.clip_norm and checkup.norm else 1.0
        for layer in checkup.layers:
            if layer.trainable and layer.value > NOTHING:
                step = layer.gradient * scale / (1 - train.momentum) if train.optimizer == "sgd" else 1.0
                ratios.setdefault(layer.name, []).append(train.learning_rate * step / layer.value)
    return {name: _median(each) for name, each in ratios.items()}


# ---------------------------------------------------------------- answers and speed


def _answers(checkups):
    found = []
    if (sure := _median(c.sure for c in checkups)) > 0.5:
        why = f"{sure:.0%} of all anchors get an objectness of 0.999 or more"
        found.append(Finding("saturated", "the RPN's objectness", why, "a bias of 0; a lower learning rate"))
    wrong = _median(c.losses.get("box_class", 0.0) for c in checkups)
    if _median(c.confidence for c in checkups) > 0.95 and wrong > 2:
        why = f"it is sure of a class for nearly every RoI, and wrong: a loss of {wrong:.3g}"
        found.append(Finding("saturated", "the box head's classes", why, "a bias of 0; a lower learning rate"))
    return found


def _speed(checkups, train, rows, found):
    """The learning rate, the clipping, and what the rows of the training say; what follows from a cause is not told."""
    norms = [row["gradient_norm"] for row in list(rows)[-ROWS:] if row.get("gradient_norm") is not None]
    norm = _median(norms) if len(norms) >= 20 else _median(c.norm for c in checkups)
    cause = _named(
        found, "frozen", "huge weights", "brightness", "saturated", "zero weights", "dead ReLU", "no objects"
    )
    if not cause and train.clip_norm and norm > CLIPPED * train.clip_norm:
        why = f"the gradient is {norm:.3g} long and is cut to train.clip_norm {train.clip_norm:g}, always"
        yield Finding(
            "clipping", "every step", why, f"train.clip_norm={max(10.0, 2 * norm):.0f}, or a lower learning rate"
        )
        return
    ratios = list(update_ratios(checkups, train).values())
    if cause or not ratios:
        return
    middle = _median(ratios)
    if middle > FAST:
        why = f"an update moves the median layer by {middle:.0%} of its weights; a hundredth is usual"
        yield Finding(
            "learning rate", "too high", why, f"train.learning_rate={train.learning_rate * 5e-3 / middle:.2g}"
        )
    elif middle < SLOW:
        why = f"an update moves the median layer by {middle:.1e} of its weights; a hundredth is usual"
        yield Finding("learning rate", "too low", why, f"train.learning_rate={train.learning_rate * 5e-3 / middle:.2g}")
