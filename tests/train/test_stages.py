"""The stages cover the whole network, whatever heads it has, forward and backward."""

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.nn.module import Module
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.train import stages
from tinymaskrcnn.train.recorder import Recorder, watching
from tinymaskrcnn.train.trainer import Trainer

LAYERS = ["normalize", "stem", "stage 1", "stage 2", "stage 3", "stage 4", "FPN"]
LAYERS += [f"RPN head, P{level}" for level in (2, 3, 4, 5, 6)]
LAYERS += ["RoIAlign for boxes", "box head", "box predictor"]
MASK = ["RoIAlign for masks", "mask head", "mask predictor"]
KEYPOINT = ["RoIAlign for keypoints", "keypoint head", "keypoint predictor"]


def scene(keypoints=0):
    images, targets = tiny_scene(size=128, keypoints=keypoints)
    return ImageBatch(images, np.full((len(images), 2), images.shape[1]), targets)


@pytest.mark.parametrize(
    "heads, layers",
    [(("box",), []), (("box", "mask"), MASK), (("box", "mask", "keypoint"), MASK + KEYPOINT)],
)
def test_every_stage_of_a_training_step(heads, layers):
    trainer = Trainer(tiny_model(heads=heads).train(), None, TrainConfig())
    with watching(stages.hooks_of_training(trainer), Recorder()) as recorder:
        trainer.train_step([scene(keypoints=3)])
    both = {(name, way) for name in [*LAYERS, *layers, "losses", "in between"] for way in ("forward", "backward")}
    alone = {("sampling and targets", "forward"), ("proposals, NMS", "forward"), ("optimizer", "update")}
    alone |= {("in between", "update")}
    assert set(recorder.seconds) == both | alone


@pytest.mark.parametrize("heads, layers", [(("box",), []), (("box", "mask", "keypoint"), MASK + KEYPOINT)])
def test_every_stage_of_inference(heads, layers):
    model = tiny_model(heads=heads).eval()
    with watching(stages.hooks_of_inference(model), Recorder()) as recorder:
        model.detect(scene().images)
    others = ["proposals, NMS", "detections, NMS", "masks pasted", "in between"]
    assert set(recorder.seconds) == {(name, "forward") for name in [*LAYERS, *layers, *others]}


def test_another_pool_is_called_by_its_name():
    model = tiny_model(pooling="prroi").eval()
    with watching(stages.hooks_of_inference(model), Recorder()) as recorder:
        model.detect(scene().images)
    crops = {name for name, _ in recorder.seconds if " for " in name}
    assert crops == {"PrRoIPool for boxes", "PrRoIPool for masks"}


def test_no_layer_is_in_between():
    """Only those that pass things on have no stage: every other module is, or lies in, one that does."""
    model = tiny_model(heads=("box", "mask", "keypoint"))
    trainer = Trainer(model, None, TrainConfig())
    covered = set()
    for hook in stages.hooks_of_training(trainer):
        if (
            isinstance(hook.owner, Module)
            and hook.keeps
            and hook.stage != stages.BETWEEN
            and hook.owner is not model.rpn
        ):
            covered |= {id(module) for _, module in hook.owner.named_modules()}
    bare = [name for name, module in model.named_modules() if id(module) not in covered]
    assert bare == ["", "backbone", "rpn", "roi_heads"]


def test_levels_of_equal_size_share_a_stage():
    to_pyramid, to_level = stages._levels_by_size(tiny_model().config.backbone)
    maps = [np.zeros((1, side, side, 3)) for side in (8, 4, 2, 1, 1)]
    assert to_pyramid(maps) == stages.BETWEEN
    assert [to_level(x)[-2:] for x in maps] == ["P2", "P3", "P4", "P5", "P5"]
    assert to_level((maps[1], maps[1]), "cache") == "RPN head, P3"


@pytest.mark.parametrize("kind, fpn, level", [("resnet", "c4", "C4"), ("vgg", "c5", "C5"), ("plain", "p2", "P2")])
def test_a_single_map_is_called_by_its_name(kind, fpn, level):
    trainer = Trainer(tiny_model(kind=kind, fpn=fpn, norm="group").train(), None, TrainConfig())
    with watching(stages.hooks_of_training(trainer), Recorder()) as recorder:
        trainer.train_step([scene()])
    found = {name for name, _ in recorder.seconds}
    assert {name for name in found if name.startswith("RPN head")} == {f"RPN head, {level}"}
    assert ("FPN" in found) == (fpn == "p2") and ("stage 4" in found) == (fpn != "c4") and "box head" in found
