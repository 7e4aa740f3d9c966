"""What a bug costs in average precision: a short training on digits, by the package with or without it.

Small enough that an exhibit takes some seconds of computing, so that the number is that of a detector that has only
begun to learn; beside it stands what the clean package reaches with other seeds.
"""

import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np

from .exhibit import PACKAGE


@dataclasses.dataclass(frozen=True)
class Course:
    """steps of SGD with `batch` pictures each, then `pictures` of the test split; seed: of weights and scenes."""

    steps: int = 240
    batch: int = 4
    pictures: int = 100
    seed: int = 0
    learning_rate: float = 0.03

    def rate(self, step):
        """A warm-up, and a tenth of the rate in the last fifth."""
        warm = min(1.0, (step + 1) / 20)
        return self.learning_rate * warm * (0.1 if step >= 0.8 * self.steps else 1.0)


def train_briefly(package, *, files=(), **course):
    """Train and judge.  files: of an exhibit, below the package; course: of a Course  ->

    {"bbox": AP, "segm": AP}, {"met": False} when the training runs no line of the files, or {"stopped": why}
    """
    course = Course(**course)
    if files and not _meets(package, course, files):
        return {"met": False}
    try:
        with np.errstate(all="ignore"):
            model, stopped = _train(package, course)
            return {"stopped": stopped} if stopped else _judged(package, model, course)
    except Exception as error:  # with a bug anything may fail, and that is its price
        return {"stopped": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


def _meets(package, course, files):
    """Whether a step, or what is found after it, runs a function of the files."""
    wanted, met = {str(PACKAGE / Path(file)) for file in files}, []

    def look(frame, event, _):
        if event == "call" and frame.f_code.co_filename in wanted and frame.f_code.co_name != "<module>":
            met.append(frame.f_code.co_name)

    sys.setprofile(look)
    try:
        short = dataclasses.replace(course, steps=2, pictures=2)
        _judged(package, _train(package, short)[0], short)
    except Exception:
        return True
    finally:
        sys.setprofile(None)
    return bool(met)


def _train(package, course):
    """A model after the course, and "", or why it was stopped."""
    model, stream = _small_detector(package, course), _scenes(package, course, "train", course.batch)
    options = {"momentum": 0.9, "weight_decay": 1e-4}
    optimizer = package.train.optimizer.SGD(model.named_parameters(), **options)
    for step in range(course.steps):
        batch = stream.batch(step)
        optimizer.zero_grad()
        given = {"targets": batch.targets, "sizes": batch.sizes, "rng": np.random.default_rng([course.seed, step])}
        losses, cache = model.forward(batch.images, **given)
        if lost := [name for name, loss in losses.items() if not np.isfinite(loss)]:
            return model, f"{', '.join(lost)} is no number from step {step + 1} on"
        model.backward({name: 1.0 for name in losses}, cache)
        optimizer.clip(10.0)
        optimizer.step(course.rate(step))
    return model, ""


def _judged(package, model, course):
    """{"bbox": AP, "segm": AP} on scenes that nothing was learned from."""
    evaluator, model = package.evaluation.evaluator.Evaluator, model.eval()
    judges = {kind: evaluator(iou_type=kind, num_classes=model.config.num_classes) for kind in ("bbox", "segm")}
    stream = _scenes(package, course, "test", 1)
    for number in range(course.pictures):
        image, truth = stream.scene(number)
        [found] = model.detect(image[None])
        for judge in judges.values():
            judge.add(truth, found)
    return {kind: round(float(judge.summarize()["AP"]), 4) for kind, judge in judges.items()}


def _scenes(package, course, split, batch):
    """Nought, one or two digits in 64 x 64 pixels."""
    data = importlib.import_module(f"{package.__name__}.data")
    scenes = package.config.SceneConfig(image_size=64, digits_per_image=(0, 2), noise=0.0)
    return data.SceneStream(scenes, split=split, seed=course.seed, batch_size=batch)


def _small_detector(package, course):
    config = package.config
    narrow = {"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16), "stem_width": 8, "fpn_channels": 16, "init": "fan_in"}
    few = {"samples_per_image": 32, "pre_nms_top_n": (100, 100), "post_nms_top_n": (32, 32)}
    small = {"samples_per_image": 24, "positive_fraction": 0.5, "box_size": 5, "mask_size": 7, "head_width": 64}
    small |= {"mask_widths": (16,), "mask_deconv_width": 16, "box_init": "gaussian"}
    parts = {"backbone": config.BackboneConfig(**narrow), "rpn": config.RPNConfig(**few)}
    settings = config.ModelConfig(**parts, roi=config.RoIConfig(**small))
    return package.models.build.build_model(settings, rng=np.random.default_rng(course.seed))
