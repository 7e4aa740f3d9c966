"""Training in four steps that take turns (Faster R-CNN, section 3.2; Mask R-CNN, appendix B, calls it stage-wise).

  1  the proposer and its backbone, from the first weights
  2  the heads and a backbone of their own, from the first weights too, on the proposals of step 1
  3  a new proposer on the backbone of step 2, which stays as it is
  4  the heads of step 2 go on, on the proposals of step 3 and the same backbone

From step 3 on both share a backbone. What is frozen is frozen whole: its values, what the optimizer remembers of it,
its decay, and the statistics of its batch norms. The authors' code stored the proposals of every picture once; here
they are made when a picture comes, by a network that changes no more: the same proposals, and scenes need not end.
"""

import contextlib
import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..config import to_dict
from ..errors import CheckpointError
from ..models.build import build_model
from ..models.mask_rcnn import MaskRCNN, Samples
from ..nn.module import sum_grads
from ..nn.state import at_rest
from .checkpoint import load_checkpoint, naming, save_checkpoint
from .loop import resume, run_training
from .progress import Progress
from .schedule import learning_rate
from .trainer import Trainer

SHARES = (2, 1, 2, 1)  # of the steps of a run; the authors': 80,000, 40,000, 80,000 and 40,000


class _Part(MaskRCNN):
    """A Mask R-CNN of which a step trains a part; it consists of the parts of the whole one and has their names."""

    def __init__(self, model, *, shared, teacher=None):
        super().__init__(model.backbone, model.rpn, model.roi_heads, model.config)
        self.shared = shared  # the backbone stays as it is, for the sake of the other part
        self.teacher = teacher  # whose proposals are taken

    def members(self):
        """Of the model alone: the teacher learns nothing and is not stored."""
        return [member for member in super().members() if member[0] != "teacher"]

    def features(self, images, sizes):
        x, c_normalize = self.normalize.forward(images, sizes=sizes)
        with at_rest(self.backbone) if self.shared else contextlib.nullcontext():
            pyramid, c_backbone = self.backbone.forward(x)
        return pyramid, None if self.shared else (c_normalize, c_backbone)

    def features_backward(self, dpyramid, cache):
        """Mirror of features; None, for nothing below a shared backbone learns."""
        if cache is None:
            return None
        c_normalize, c_backbone = cache
        return self.normalize.backward(self.backbone.backward(dpyramid, c_backbone), c_normalize)


class ProposerStep(_Part):
    """Steps 1 and 3: the first half of MaskRCNN.forward, up to the losses of the proposer."""

    learns = "rpn."

    def forward(self, images, *, targets, sizes=None, rng=None, samples=None):
        sizes = self._sizes(images, sizes)
        pyramid, c_features = self.features(images, sizes)
        said, c_rpn = self.rpn.forward(pyramid)
        if samples is None:
            samples = Samples(self.rpn.sample(pyramid, targets, image_size=images.shape[1:3], rng=rng), None, {})
        losses, c_loss = self.rpn.loss_forward(*said, targets=samples.rpn)
        return losses, self.keep((c_features, c_rpn, c_loss))

    def backward(self, dlosses, cache):
        c_features, c_rpn, c_loss = cache
        dpyramid = self.rpn.backward(self.rpn.loss_backward(dlosses, c_loss), c_rpn)
        return self.features_backward(sum_grads(None, dpyramid), c_features)


class HeadsStep(_Part):
    """Steps 2 and 4: the second half, on the proposals of a proposer that learns no more."""

    learns = "roi_heads."

    def forward(self, images, *, targets, sizes=None, rng=None, samples=None):
        sizes = self._sizes(images, sizes)
        pyramid, c_features = self.features(images, sizes)
        if samples is None:
            proposals, valid = self.propose(images, pyramid, sizes)
            samples = Samples(None, *self.roi_heads.choose_samples(proposals, valid, targets, sizes=sizes, rng=rng))
        losses, c_heads = self.roi_heads.forward(pyramid, samples=samples.rois, answers=samples.answers)
        return losses, self.keep((c_features, c_heads))

    def backward(self, dlosses, cache):
        c_features, c_heads = cache
        return self.features_backward(self.roi_heads.backward(dlosses, c_heads), c_features)

    def propose(self, images, pyramid, sizes):
        """As many proposals as in training: of the teacher, from features of its own; else of the model's proposer."""
        teacher, rpn = self.teacher, self.rpn
        if teacher is not None:
            rpn = teacher.rpn
            with at_rest(teacher.backbone):
                x, _ = teacher.normalize.forward(images, sizes=sizes)
                pyramid, _ = teacher.backbone.forward(x)
        said, _ = rpn.forward(pyramid)
        return rpn.propose(pyramid, *said, image_size=images.shape[1:3], sizes=sizes)


# ---------------------------------------------------------------- the four steps, one after the other


@dataclass(frozen=True)
class Step:
    """One of the four: which part it trains, from which optimizer step of the run to which."""

    number: int
    part: Any
    first: int
    end: int
    anew: tuple  # what begins with the first weights again; everything else goes on from the step before

    @property
    def shared(self):
        """Whether the backbone is that of both, and stays as it is."""
        return self.number > 2

    @property
    def learns(self):
        """How the names of those parameters begin that this step trains."""
        return (self.part.learns,) if self.shared else ("backbone.", self.part.learns)


def steps_of(total):
    """The four Steps of a run of so many optimizer steps."""
    ends = [0, *(total * share // sum(SHARES) for share in itertools.accumulate(SHARES))]
    parts, anew = (ProposerStep, HeadsStep) * 2, ((), ("backbone.", "roi_heads."), ("rpn.",), ())
    return [Step(i + 1, parts[i], ends[i], ends[i + 1], anew[i]) for i in range(4)]


class StepTrainer(Trainer):
    """A Trainer of one of the steps: the learning rate begins and ends with the step."""

    def __init__(self, part, stream, settings, step, *, device):
        super().__init__(part, stream, replace(settings, steps=step.end), device=device)
        self.step = self.first = step.first

    def learning_rate(self):
        own = replace(self.config, steps=self.config.steps - self.first)
        return learning_rate(self.step - self.first, own)


def alternating(training, *, on_start=lambda step: None):
    """The four steps, from wherever the run stopped; False when Ctrl-C came first. See procedures.joint."""
    model, run, settings = training.model, training.run, training.config.train
    steps = steps_of(settings.steps)
    done = _take_stock(model, run, steps)
    on_start(done)
    learnable = {name for name, p in model.named_parameters() if p.trainable}
    with Progress(settings.steps, start=done) as progress:
        for step in (step for step in steps if step.end > done):
            begin(model, step, run, learnable)
            part = step.part(model, shared=step.shared, teacher=_teacher(step, run, training.device))
            trainer = StepTrainer(part, training.stream, settings, step, device=training.device)
            if done > step.first:
                resume(trainer, run)
            if not run_training(trainer, run, on_row=progress):
                return False
            _save(run, step.number, step.end, model.state_dict())
    for name, parameter in model.named_parameters():
        parameter.trainable = name in learnable
    return True


def begin(model, step, run, learnable):
    """Give the model the weights that a step starts from, and let only its part learn."""
    first, before = (load_weights(run, number) for number in (0, step.number - 1))
    model.load_state_dict({name: (first if name.startswith(step.anew) else before)[name] for name in first})
    for name, parameter in model.named_parameters():
        parameter.trainable = name in learnable and name.startswith(step.learns)


def _teacher(step, run, device):
    """The network of step 1, which proposes in step 2: the backbone of that step is another one."""
    if step.number != 2:
        return None
    teacher = build_model(run.config.model, rng=np.random.default_rng(0))
    teacher.load_state_dict(load_weights(run, 1))
    return teacher if device == "cpu" else teacher.to_device(device)


def stopped_in(config, step):
    """A sentence about a detector of which a step is still to come; "" for a whole one. step: optimizer steps done."""
    left = [s.number for s in steps_of(config.train.steps) if s.end > step]
    if config.train.procedure != "alternating" or not left:
        return ""
    return (
        f"stopped in step {left[0]} of the 4 of alternating training, after {step} of {config.train.steps} optimizer "
        "steps; its proposer and its heads do not belong together yet"
    )


# ---------------------------------------------------------------- what each step leaves behind


def step_file(run, number):
    """Where the weights at the end of a step lie; those that all begins with count as step 0."""
    return run.path / "alternating" / f"step{number}.npz"


def load_weights(run, number):
    """The weights that a step left behind; CheckpointError when it was not done, or in a run of other settings."""
    return _load(run, number).model


def _load(run, number):
    file = step_file(run, number)
    if not file.exists():
        raise CheckpointError(f"{file}: is missing; what comes after step {number} of alternating training needs it")
    return load_checkpoint(file, config=to_dict(run.config))


def _save(run, number, end, weights):
    step_file(run, number).parent.mkdir(exist_ok=True)
    save_checkpoint(step_file(run, number), step=end, config=to_dict(run.config), model=weights, optimizer={})


def _take_stock(model, run, steps):
    """How many optimizer steps were done, once it is sure that all they left behind is there and of this run."""
    run.clean()
    if not run.checkpoint_file.exists():
        _save(run, 0, 0, model.state_dict())
        return 0
    with naming(run.checkpoint_file):
        stored = run.load()
    for number, end in [(0, 0), *((step.number, step.end) for step in steps)]:
        file = step_file(run, number)
        if end == stored.step and not file.exists():  # a kill came between the two files, or the weights were given
            _save(run, number, end, stored.model)
        if end <= stored.step and (ended := _load(run, number).step) != end:
            raise CheckpointError(
                f"{file}: step {number} ended after {ended} optimizer steps, and would now after {end}: "
                "alternating training goes on with the train.steps that it began with"
            )
    return stored.step
