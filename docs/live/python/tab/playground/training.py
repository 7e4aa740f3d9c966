"""A very small Mask R-CNN that learns in the tab: three kinds of digits in small scenes, a few steps at a time."""

import dataclasses

import numpy as np

from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RoIConfig, RPNConfig, SceneConfig, TrainConfig
from tinymaskrcnn.data import SceneStream
from tinymaskrcnn.data.loader import load_bank
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.train.trainer import Trainer, computing

KINDS = (0, 1, 7)  # the digits that it learns to tell apart
STEPS = 240
SHOWN = 0.3  # score from which on a box is shown in the film
JUDGED = 16  # test scenes that say how well it does
SMOOTHED = 8  # steps whose mean loss is a point of the curve


def small_config(steps=STEPS):
    """Everything about the small detector: about a tenth of the shipped one's work for a picture, in batches of 4."""
    backbone = BackboneConfig(depths=(1, 1, 1, 1), widths=(8, 16, 24, 32), stem_width=8, fpn_channels=16)
    rpn = RPNConfig(samples_per_image=32, pre_nms_top_n=(64, 64), post_nms_top_n=(32, 16))
    heads = {"head_width": 32, "mask_widths": (16,), "mask_deconv_width": 16}
    model = ModelConfig(backbone=backbone, rpn=rpn, roi=RoIConfig(samples_per_image=16, **heads))
    scenes = SceneConfig(image_size=64, digits_per_image=(1, 2), digit_size=(22, 32))
    return Config(model=model, scenes=scenes, train=TrainConfig(steps=steps, batch_size=4, clip_norm=5.0))


class Training:
    """One training from its first step on. Step n draws from (seed, n), so it is the same at every try."""

    def __init__(self, *, seed=1, steps=STEPS):
        config = small_config(steps)
        config = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed))
        self.model = build_model(config.model, rng=np.random.default_rng(seed))
        bank = _only(load_bank("digits"), KINDS)
        self.stream, self.test = (
            SceneStream(config.scenes, split=split, seed=seed, batch_size=config.train.batch_size, bank=bank)
            for split in ("train", "test")
        )
        self.trainer = Trainer(self.model, self.stream, config.train)
        self.steps, self.losses = steps, []
        self.probe, self.truth = self._probe()

    def _probe(self):
        """The test scene of the film: the first one with two digits."""
        return next(scene for scene in map(self.test.scene, range(100)) if len(scene[1]) == 2)

    @property
    def step(self):
        return self.trainer.step

    def go(self, steps):
        """So many steps, or those that are left.

        ->  {"step", "of", "losses": one for each step, "curve": the smoothed losses of all steps so far, "frame"}
        """
        self.model.train()
        losses = []
        with computing():
            while len(losses) < steps and self.step < self.steps:
                losses.append(self.trainer.train_step([self.stream.batch(self.step)])["loss"])
        self.model.eval()
        self.losses += losses
        told = {"step": self.step, "of": self.steps, "losses": losses}
        return told | {"curve": smoothed(self.losses), "frame": self.frame()}

    def frame(self):
        """What it finds in the scene of the film: {"step", "detections": [{"box", "name", "score", "tag"}]}"""
        found = self._found(self.probe)
        kept = found.select(np.flatnonzero(found.scores >= SHOWN))
        names = [self.model.config.class_names[label] for label in kept.labels]
        told = zip(names, kept.boxes.tolist(), kept.scores.tolist())
        shown = [{"box": box, "name": name, "score": score, "tag": f"{name}  {score:.2f}"} for name, box, score in told]
        return {"step": self.step, "detections": shown}

    def picture(self):
        """The scene of the film, and where its digits are: {"image", "boxes"}"""
        return {"image": np.rint(255 * self.probe[:, :, 0]).astype(np.uint8), "boxes": self.truth.boxes.tolist()}

    def judge(self):
        """Of the digits in JUDGED test scenes: {"right": found and named, "digits": in all, "wrong": boxes beside}"""
        right = digits = wrong = 0
        for image, truth in map(self.test.scene, range(JUDGED)):
            found = self._found(image)
            found = found.select(np.flatnonzero(found.scores >= 0.5))
            fits = iou_matrix(found.boxes, truth.boxes) >= 0.5
            fits &= found.labels[:, None] == truth.labels
            right, digits = right + int(fits.any(axis=0).sum()), digits + len(truth)
            wrong += int((~fits.any(axis=1)).sum())
        return {"right": right, "digits": digits, "wrong": wrong}

    def _found(self, image):
        size = np.array([image.shape[:2]])
        return self.model.detect(image[None], sizes=size, original_sizes=size)[0]


def smoothed(losses):
    """Of each loss the mean of it and those before, SMOOTHED of them at most: [float]  ->  [float]"""
    return [float(np.mean(losses[max(0, i + 1 - SMOOTHED) : i + 1])) for i in range(len(losses))]


def _only(bank, kinds):
    """A bank whose splits hold digits of some kinds alone."""
    keep = np.isin(bank.labels, kinds)
    return dataclasses.replace(bank, splits={split: rows[keep[rows]] for split, rows in bank.splits.items()})
