"""An experiment from end to end, in a few calls: train, evaluate, draw. The command line is a thin coat over this.

experiment = Experiment.start("runs/first")
experiment.train()
print(experiment.evaluate()["segm"]["AP"])
experiment.draw()
"""

import dataclasses

import numpy as np

from .backend import to_device
from .config import Config
from .data.loader import SceneStream
from .errors import ArgumentError, ConfigError
from .evaluation.evaluator import Evaluator
from .models.build import build_model
from .structures import collate
from .train.anchor_report import anchor_report
from .train.loop import resume, run_training
from .train.metrics import read_rows
from .train.progress import Progress, counted
from .train.run import RunFolder, next_run_path
from .train.trainer import Trainer, check_train_config, computing


class Experiment:
    """A run folder, its model, and where it computes."""

    def __init__(self, run, *, device="cpu", threads=None):
        check_experiment(run.config)
        self.run = run
        self.config = run.config
        self.data_dir = run.data_dir
        self.device = device
        self.threads = threads
        self.model = _new_model(self.config, device)

    @classmethod
    def start(cls, path=None, config=None, *, data_dir=None, device="cpu", threads=None):
        """Begin a new run in an empty folder (runs/001, runs/002, ... when none is named)."""
        config = config or Config()
        check_experiment(config)  # everything that can be wrong is found before a folder is made
        _new_model(config, device)
        SceneStream(config.scenes, split="train", seed=0, batch_size=1, data_dir=data_dir)
        return cls(RunFolder.create(path or next_run_path(), config, data_dir=data_dir), device=device, threads=threads)

    @classmethod
    def open(cls, path, *, device="cpu", threads=None, weights=True):
        """An existing run with the weights of its last checkpoint, ready to detect, evaluate, draw, or train on."""
        experiment = cls(RunFolder.open(path), device=device, threads=threads)
        if weights:
            experiment.model.load_state_dict(experiment.run.load(part="model").model)
        return experiment

    def use_data(self, source, data_dir=None):
        """Draw the scenes from other digits than the run was trained on: "digits", or "mnist" and its folder."""
        if source is not None:
            self.config = dataclasses.replace(
                self.config, scenes=dataclasses.replace(self.config.scenes, source=source)
            )
            self.data_dir = data_dir
        return self

    @property
    def class_names(self):
        return self.config.model.class_names

    def stream(self, split="train"):
        """The scenes of a split: train, validation and test never share a digit."""
        train = self.config.train
        return SceneStream(
            self.config.scenes, split=split, seed=train.seed, batch_size=train.batch_size, data_dir=self.data_dir
        )

    def scenes(self, count, *, split="test"):
        """The first scenes of a split as a list of (image, Target)."""
        stream = self.stream(split)
        return [stream.scene(i) for i in range(count)]

    def anchor_report(self, *, scenes=100):
        """How well the anchors fit the objects of some training scenes."""
        return anchor_report(self.scenes(scenes, split="train"), self.config.model.rpn)

    def train(self, *, on_start=lambda step: None):
        """Train from the last checkpoint (or the beginning) to the last step; False when Ctrl-C came first."""
        trainer = Trainer(self.model, self.stream(), self.config.train, device=self.device)
        start = resume(trainer, self.run)
        on_start(start)
        with computing(self.threads), Progress(self.config.train.steps, start=start) as progress:
            finished = run_training(trainer, self.run, on_row=progress)
        self.model.eval()
        return finished

    def detect(self, images):
        """Find objects in a list of (H, W, C) float pictures of any sizes; one Detections per picture."""
        if len(images) == 0:
            return []
        batch = collate(images)
        was_training = self.model.training
        self.model.eval()
        try:
            with computing(self.threads):
                return self.model.detect(
                    to_device(batch.images, self.device), sizes=to_device(batch.sizes, self.device)
                )
        finally:
            self.model.train(was_training)

    def evaluate(self, *, scenes=None, split="test", area_ranges=None):
        """COCO's twelve figures for boxes and for masks on held-out scenes: {"bbox": {...}, "segm": {...}}."""
        scenes = self.config.train.eval_scenes if scenes is None else scenes
        if scenes < 1:
            raise ArgumentError(f"evaluate: scenes must be at least 1; got {scenes}")
        options = {"area_ranges": area_ranges} if area_ranges else {}
        kinds = {kind: Evaluator(iou_type=kind, **options) for kind in ("bbox", "segm")}
        stream = self.stream(split)
        size = self.config.train.batch_size
        with computing(self.threads):
            for first in counted(range(0, scenes, size), label=f"evaluating on {scenes} {split} scenes"):
                images, truths = zip(*(stream.scene(i) for i in range(first, min(first + size, scenes))))
                for truth, found in zip(truths, self.detect(images)):
                    for evaluator in kinds.values():
                        evaluator.add(truth, found)
        return {kind: evaluator.summarize() for kind, evaluator in kinds.items()}

    def draw(self, *, scenes=4, split="test"):
        """Write detections.png (truth beside prediction) and curves.png into the run folder; returns their paths."""
        from . import visualize

        images, truths = zip(*self.scenes(scenes, split=split))
        drawn = {"detections.png": visualize.detections_figure(images, truths, self.detect(images), self.class_names)}
        if rows := read_rows(self.run.metrics_file):
            drawn["curves.png"] = visualize.curves_figure(rows)
        for name, figure in drawn.items():
            visualize.save_figure(figure, self.run.path / name)
        return [self.run.path / name for name in drawn]


def _new_model(config, device):
    model = build_model(config.model, rng=np.random.default_rng(config.train.seed))
    return model if device == "cpu" else model.to_device(device)


def check_experiment(config):
    """Raise ConfigError when the parts of a configuration do not fit each other."""
    check_train_config(config.train)
    model, channels = config.model, 3 if config.scenes.color else 1
    if model.num_classes != len(model.class_names):
        raise ConfigError(
            f"model.num_classes must count model.class_names (background first); "
            f"got {model.num_classes} and {len(model.class_names)} names"
        )
    if model.num_classes < 11:
        raise ConfigError(f"model.num_classes must be at least 11 for scenes of ten digits; got {model.num_classes}")
    given = {"model.backbone.in_channels": model.backbone.in_channels}
    given |= {"entries of model.image_mean": len(model.image_mean), "entries of model.image_std": len(model.image_std)}
    for name, value in given.items():
        if value != channels:
            kind = "colour" if channels == 3 else "grey"
            raise ConfigError(f"{name} must be {channels} for {kind} scenes; got {value}")
