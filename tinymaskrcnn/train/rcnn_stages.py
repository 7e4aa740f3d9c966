"""How R-CNN is trained: five stages, each from what the one before wrote down (Girshick et al. 2014, section 2.3).

    proposals    boxes in the training pictures, from outside (data/proposals)
    network      fine-tuned as a classifier of crops
    features     what the network, which stays as it is from now on, says about every box
    classifiers  a support vector machine for each class (appendix B)
    regression   a ridge for each class (appendix C)

A stage makes what is not there yet: it may be stopped at any time, and ends with the same bits. With more steps than a
run was finished with, its network learns on, and what was made from it is made anew. Everything lies in the
run folder: the network in its checkpoint, features and fits below `stages`, in files that say which pictures, settings
and weights they were made from. What is learned from the features stands in rcnn_fits.py.
"""

import functools
import sys

import numpy as np

from ..config import to_dict
from ..counting import counted
from ..data.coco import CocoStream
from ..errors import ArgumentError, CheckpointError, listed
from . import rcnn_fits
from .loop import StopRequest, resume, run_training
from .progress import Progress
from .stage_files import StageFiles, digest
from .trainer import Trainer

STAGES = ("proposals", "network", "features", "classifiers", "regression")
PICTURES = 50  # of which one file of features tells
SETTINGS = {  # of RCNNConfig, by the beginning of their names, that a stage depends on
    "features": ("warp_size", "context", "ridge_iou"),
    "classifiers": ("warp_size", "context", "ridge_iou", "feature_norm", "svm_"),
    "regression": ("warp_size", "context", "ridge_", "feature_norm"),
}


FITTED = ("svm_weight", "svm_bias", "bbox_weight", "bbox_bias")  # of the predictor, by the last two stages


def require_fits(run, weights):
    """Raise ArgumentError for the weights {name: array} of an R-CNN whose last stages are still to come."""
    fits = [array for name, array in weights.items() if name.endswith(FITTED[:2])]
    if run.config.model.system == "rcnn" and not any(array.any() for array in fits):
        raise ArgumentError(
            f"{run.path}: R-CNN has no classifiers yet: its stages {listed(STAGES[2:])} come after its network; "
            f"`tinymaskrcnn train --out {run.path} --resume` runs what is left"
        )


def run(training, *, on_start=lambda step: None):
    """All stages in turn, each from where it stopped; False when Ctrl-C came first."""
    stages = Stages(training)
    on_start(stages.steps_done())
    for number, name in enumerate(STAGES, start=1):
        if not stages.done(name):
            print(f"stage {number} of {len(STAGES)}: {name}", file=sys.stderr, flush=True)
            if not stages.run(name):
                return False
    stages.install()
    return True


class Stages:
    """The stages of one training: `run(name)` does one, and `done(name)` says whether it is."""

    def __init__(self, training):
        self.training, self.config, self.model = training, training.config, training.model
        self.stream, self.files = training.stream, StageFiles(training.run.path / "stages")
        self.files.clean()
        self.count = len(self.stream) if isinstance(self.stream, CocoStream) else self.stream.different
        self.shards = [range(a, min(a + PICTURES, self.count)) for a in range(0, self.count, PICTURES)]

    def names(self, stage):
        """The files that a stage writes, {name: what it tells of}: some pictures, a label, or None for everything."""
        if stage == "classifiers":
            return {f"{stage}-{label:05d}": label for label in range(1, self.config.model.num_classes)}
        if stage == "features":
            return {f"{stage}-{shard.start:06d}": shard for shard in self.shards}
        return {stage: None}

    def done(self, stage):
        if stage == "proposals":
            return not self.stream.proposals.source.missing([self.stream.number(i) for i in range(self.count)])
        if stage == "network":
            return self.steps_done() >= self.config.train.steps
        return all(map(self.files.has, self.names(stage)))

    def steps_done(self):
        run = self.training.run
        return run.load().step if run.checkpoint_file.exists() else 0

    def run(self, stage):
        """Make what a stage lacks; False when Ctrl-C came first. ArgumentError when the one before is not done."""
        for other in STAGES[: STAGES.index(stage)]:
            if not self.done(other):
                raise ArgumentError(
                    f"{self.training.run.path}: stage {stage!r} of R-CNN starts from what stage {other!r} makes, and "
                    "that is not all there; run it first (`tinymaskrcnn train --resume` runs all in turn)"
                )
        return {"proposals": self._propose, "network": self._fine_tune}.get(stage, lambda: self._write(stage))()

    def _propose(self):
        self.stream.proposals.found(range(self.count))
        return True

    def _fine_tune(self):
        settings, run = self.config.train, self.training.run
        trainer = Trainer(self.model, self.stream, settings, device=self.training.device)
        start = resume(trainer, run)
        self._forget(start)
        with Progress(settings.steps, start=start) as progress:
            return run_training(trainer, run, on_row=progress)

    def _forget(self, start):
        """Remove what was made from a network that now learns on; CheckpointError where it has learned nothing yet."""
        paths = [self.files.path(name) for stage in STAGES[2:] for name in self.names(stage) if self.files.has(name)]
        if paths and not start:
            raise CheckpointError(
                f"{paths[0]}: was made from something else: the network of this run has learned nothing yet. Remove "
                f"the folder {paths[0].parent.name} to make it anew"
            )
        if paths:
            print("the network learns on; what was made from it is made anew", file=sys.stderr, flush=True)
        for path in paths:
            path.unlink()
        predictor = self.model.roi_heads.heads["box"].predictor
        predictor.install(*(np.zeros(getattr(predictor, part).value.shape) for part in FITTED))

    def _write(self, stage):
        """The files of a later stage that are not there."""
        make = {"features": rcnn_fits.features, "classifiers": rcnn_fits.classifier, "regression": rcnn_fits.regression}
        missing = {name: what for name, what in self.names(stage).items() if not self.files.has(name)}
        with StopRequest() as stop:
            for name, what in counted(missing.items(), label=f"{stage}: files written"):
                if stop.requested:
                    return False
                made_from = self.made_from(stage, what)  # first, for it brings the network to rest
                self.files.write(name, make[stage](self, what), made_from=made_from)
        return True

    def install(self):
        """Give the model what the last two stages found, and write its checkpoint."""
        machines = list(self.read("classifiers"))  # which checks that the network is the one they were made with
        (ridge,) = self.read("regression")
        weight, bias = (np.stack([machine[part] for machine in machines], axis=-1) for part in ("weight", "bias"))
        self.model.roi_heads.heads["box"].predictor.install(weight, bias, ridge["weight"], ridge["bias"])
        run = self.training.run
        checkpoint = run.load()
        state = {"model": self.model.state_dict(), "optimizer": checkpoint.optimizer}
        run.save({"step": checkpoint.step, **state})

    # ------------------------------------------------------------ what files hold, and what they were made from

    def read(self, stage):
        """Yield what the files of a stage hold, one after another."""
        for name, what in self.names(stage).items():
            yield self.files.read(name, made_from=self.made_from(stage, what))

    def made_from(self, stage, what):
        """What a file depends on: its pictures, the network, the settings of its stage."""
        digests = self.pictures[1]
        of = [digests[what.start // PICTURES]] if isinstance(what, range) else digests
        settings = to_dict(self.config.model.rcnn).items()
        chosen = {name: value for name, value in settings if name.startswith(SETTINGS[stage])}
        table = {"pictures": digest(np.array(of)), "network": self.network, "rcnn": chosen}
        return table | {"delta_weights": self.config.model.roi.delta_weights, "seed": self.config.train.seed}

    @functools.cached_property
    def network(self):
        """A digest of the network when its stage is done; the model has these weights from then on."""
        self.model.load_state_dict(self.training.run.load().model).eval()
        state = self.model.state_dict()
        return digest(*(state[name] for name in sorted(state) if "box_predictor" not in name))

    @functools.cached_property
    def pictures(self):
        """Of every training picture boxes (M, 4) and labels (M,) of its objects, and its proposals (P, 4).

        ->  the list of them, and the digests of each PICTURES of them, with their pixels
        """
        pictures, digests = [], []
        for shard in counted(self.shards, label=f"reading training pictures, {PICTURES} at a time"):
            arrays = []
            for number in shard:
                image, target = self.stream.scene(number)
                single = slice(None) if target.crowd is None else ~target.crowd
                proposals = self.stream.carried(number, self.stream.proposals.of(number))
                pictures.append((target.boxes[single], target.labels[single], proposals))
                arrays += [image, *pictures[-1]]
            digests.append(digest(*arrays))
        return pictures, digests
