"""Faults that are sown into a training, and what the doctor has to call them; healthy trainings beside them.

`python -m tests.train.sown_faults` measures both with the settings that the package trains with.
"""

import copy
import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, tour_preset
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.faster_rcnn import C4
from tinymaskrcnn.models.systems import system_settings
from tinymaskrcnn.train.checkup import check_up
from tinymaskrcnn.train.doctor import examine
from tinymaskrcnn.train.trainer import Trainer
from tinymaskrcnn.zoo.handwriting import handwriting_preset
from tinymaskrcnn.zoo.shipped import SHIPPED, load_shipped

SMALL = {"scenes.image_size": 96, "scenes.digits_per_image": [2, 4], "train.batch_size": 4}


def small_config(**settings):
    return override(tour_preset(), SMALL | {name.replace("__", "."): value for name, value in settings.items()})


def setting(**settings):
    return lambda case: dataclasses.replace(
        case, config=override(case.config, {name.replace("__", "."): value for name, value in settings.items()})
    )


def weights(name, change):
    """A fault of one parameter: its values are changed in place."""

    def sow(case):
        value = dict(case.model.named_parameters())[name].value
        value[...] = change(value)
        return case

    return sow


def frozen(case):
    case.model.freeze()
    return case


def batches(change):
    """A fault of the data: every batch is changed."""
    return lambda case: dataclasses.replace(case, change=change)


def pictures(change):
    return batches(lambda batch: dataclasses.replace(batch, images=change(batch.images)))


def truth(**changes):
    def change(batch):
        made = {name: make(getattr(batch.targets, name)) for name, make in changes.items()}
        return dataclasses.replace(batch, targets=dataclasses.replace(batch.targets, **made))

    return batches(change)


@dataclasses.dataclass(frozen=True)
class Case:
    """A config, a model of it (built anew where a fault changes what it is built of), and what happens to batches."""

    config: Config
    model: object
    change: object = None


FAULTS = {  # name: (how it is sown, what the doctor calls it)
    "learning rate x 100": (setting(train__learning_rate=2.0), "learning rate"),
    "learning rate / 10,000": (setting(train__learning_rate=2e-6), "learning rate"),
    "dead stage 2": (weights("backbone.body.layer2.0.bn1.bias", lambda b: b - 50), "dead ReLU"),
    "dead stem": (weights("backbone.body.bn1.bias", lambda b: b - 50), "dead ReLU"),
    "dead box head": (weights("roi_heads.box_head.fc6.bias", lambda b: b - 500), "dead ReLU"),
    "dead RPN": (weights("rpn.head.conv.0.0.bias", lambda b: b - 500), "dead ReLU"),
    "dead mask head": (weights("roi_heads.mask_head.0.0.bias", lambda b: b - 500), "dead ReLU"),
    "vanishing": (weights("backbone.fpn.inner_blocks.3.0.weight", lambda w: w * 1e-7), "vanishing gradient"),
    "huge weights in the pyramid": (weights("backbone.fpn.layer_blocks.0.0.weight", lambda w: w * 1e4), "huge weights"),
    "huge weights in the box head": (weights("roi_heads.box_head.fc7.weight", lambda w: w * 1e4), "huge weights"),
    "zero weights": (weights("roi_heads.box_head.fc7.weight", np.zeros_like), "zero weights"),
    "zero mask predictor": (weights("roi_heads.mask_predictor.conv5_mask.weight", np.zeros_like), "zero weights"),
    "frozen": (frozen, "frozen"),
    "no RoI is positive": (setting(model__roi__positive_fraction=0.001), "no positives"),
    "anchors x 10": (setting(model__rpn__anchor_sizes=[[200], [280], [400], [560], [800]]), "anchors"),
    "anchors / 10": (setting(model__rpn__anchor_sizes=[[2], [3], [4], [5], [6]]), "anchors"),
    "anchors in one shape": (setting(model__rpn__anchor_ratios=[9.0]), "anchors"),
    "clipped to nothing": (setting(train__clip_norm=1e-3), "clipping"),
    "0 to 255": (pictures(lambda x: x * 255), "brightness"),
    "all black": (pictures(np.zeros_like), "brightness"),
    "no objects": (truth(valid=np.zeros_like), "no objects"),
    "one class": (truth(labels=np.ones_like), "one class"),
    "x and y swapped": (truth(boxes=lambda b: b[..., [1, 0, 3, 2]]), "boxes and masks"),
    "boxes of another scale": (truth(boxes=lambda b: b / 2), "boxes and masks"),
    "weight decay of 1": (setting(train__weight_decay=1.0), "weight decay"),
    "warm-up without an end": (setting(train__warmup_steps=5000), "warm-up"),
    "one proposal": (setting(model__rpn__post_nms_top_n=[1, 1]), "few proposals"),
    "objectness saturated": (weights("rpn.head.cls_logits.bias", lambda b: b + 20), "saturated"),
    "classes saturated": (
        weights("roi_heads.box_predictor.cls_score.bias", lambda b: b + 40 * (np.arange(len(b)) == 3)),
        "saturated",
    ),
    "a batch of one": (setting(train__batch_size=1), "batch norm"),
}


@functools.cache
def trained(config, steps):
    """A model after some steps of a training."""
    model = build_model(config.model, rng=np.random.default_rng(config.train.seed))
    trainer = Trainer(model, open_stream(config, split="train"), config.train)
    rows = trainer.rows()
    for _ in range(steps):
        next(rows)
    rows.close()
    return model


def examined(sow, config, *, steps=0, looks=2):
    """What the doctor finds in a training with a fault, after some healthy steps."""
    healthy = trained(config, steps)
    case = sow(Case(config, copy.deepcopy(healthy)))
    model = case.model
    if case.config.model != config.model:
        model = build_model(case.config.model, rng=np.random.default_rng(0))
        if all(p.value.shape == q.value.shape for p, q in zip(model.parameters(), healthy.parameters())):
            model.load_state_dict(case.model.state_dict())
    stream = open_stream(case.config, split="train")
    found = [stream.batch(10_000 + k) for k in range(looks)]
    found = found if case.change is None else [case.change(batch) for batch in found]
    return examine([check_up(model, batch) for batch in found], case.config)


def healthy_configs():
    """Trainings of many kinds that nothing is wrong with: {name: Config}"""
    kinds = {"tour": tour_preset(), "default": Config()}
    kinds |= {name: override(Config(), system_settings(name)) for name in ("faster_rcnn", "keypoint_rcnn")}
    kinds["mask_scoring_rcnn"] = override(Config(), system_settings("mask_scoring_rcnn"))
    kinds["C4"] = override(Config(), {"model.system": "faster_rcnn"} | C4)
    kinds["group norm"] = override(tour_preset(), {"model.backbone.norm": "group"})
    kinds["adamw"] = override(tour_preset(), {"train.optimizer": "adamw", "train.learning_rate": 1e-3})
    kinds["exact joint"] = override(tour_preset(), {"model.box_gradient": "features+targets"})
    kinds["handwriting"] = handwriting_preset()
    return kinds


if __name__ == "__main__":
    for name, config in healthy_configs().items():
        print(f"healthy: {name:<20} {[str(finding) for finding in examined(lambda case: case, config)]}", flush=True)
    for name, shipped in SHIPPED.items():
        stream = open_stream(config := shipped.preset(), split="train")
        looks = [check_up(load_shipped(name), stream.batch(k)) for k in range(2)]
        print(f"healthy: trained {name:<12} {[str(finding) for finding in examine(looks, config)]}", flush=True)
    for preset in (tour_preset(), Config()):
        named = 0
        for name, (sow, what) in FAULTS.items():
            findings = [finding.what for finding in examined(sow, preset)]
            named += what in findings
            print(f"{name:<30} {'named' if what in findings else 'MISSED'}  {findings}", flush=True)
        print(f"{named} of {len(FAULTS)} named", flush=True)
