"""This package's model and torchvision's, built from one configuration, and the scenes that both see."""

import contextlib
import dataclasses

import numpy as np

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import collate
from tinymaskrcnn.train.trainer import Trainer

from .measure import say


class Ours:
    """This package's model, trained by its own Trainer."""

    name = "ours"

    def __init__(self, config, *, start=None, device="cpu"):
        self.device = device
        self.model = build_model(config.model, rng=np.random.default_rng(config.train.seed)).train()
        if start is not None:
            self.model.load_state_dict(start)
        self.model.to_device(device)
        self.trainer = Trainer(self.model, None, config.train, device=device)

    def shapes(self):
        return {name: tuple(p.value.shape) for name, p in self.model.named_parameters()}

    def step(self, batch):
        """One update from an ImageBatch; returns the sum of the five losses."""
        return self.trainer.train_step([batch.to_device(self.device)])["loss"]

    def eval(self):
        self.model.eval()

    def train(self):
        self.model.train()

    def averaged(self):
        """Inside, the model has the mean of its weights (train.average)."""
        return self.trainer.average.shown()

    def detect(self, images):
        """Find objects in a list of (H, W, C) pictures; one Detections per picture."""
        batch = collate(images).to_device(self.device)
        return self.model.detect(batch.images, sizes=batch.sizes)


def with_train(config, **settings):
    """The configuration with other settings of its training."""
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **settings))


def with_model(config, *, rpn=None, roi=None):
    """The configuration with other settings of its RPN and its heads."""
    model = config.model
    model = dataclasses.replace(
        model, rpn=dataclasses.replace(model.rpn, **(rpn or {})), roi=dataclasses.replace(model.roi, **(roi or {}))
    )
    return dataclasses.replace(config, model=model)


def shared_config():
    """The default model, pooled without the half-pixel shift like torchvision's: the same weights then fit both."""
    return with_model(Config(), roi={"aligned": False})


def trained_weights(config, steps):
    """Our weights after so many steps: where both begin, and as many RoIs are positive as in real training."""
    ours, stream = Ours(config), stream_of(config, "train")
    for i in range(steps):
        loss = ours.step(stream.batch(i))
        if (i + 1) % 25 == 0:
            say(f"  training, so that both begin there: step {i + 1} of {steps}, loss {loss:.3f}")
    return ours.model.state_dict()


def contestants(args, seed):
    """Both models for a seed, fresh, and the configuration they share."""
    from .torchvision_peer import Torchvision, in_our_layout

    config = Config()
    steps = config.train.steps if getattr(args, "steps", None) is None else args.steps
    config = with_train(config, steps=steps, seed=seed, average=getattr(args, "average", 0.0))
    ours = Ours(config)
    start = ours.model.state_dict() if args.start == "same" else None
    theirs = Torchvision(config, start=start, channels_last=args.channels_last)
    if args.start == "theirs":
        ours.model.load_state_dict(in_our_layout(theirs.model))
    require_same_size(ours, theirs)
    return config, ours, theirs


def require_same_size(ours, theirs):
    """Raise unless both have the same parameters: names, shapes, and so the count."""
    a, b = ours.shapes(), theirs.shapes()
    differing = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    assert not differing, f"not the same network: {[(name, a.get(name), b.get(name)) for name in differing]}"
    assert count(ours) == count(theirs), (count(ours), count(theirs))


def count(contestant):
    return int(sum(np.prod(shape) for shape in contestant.shapes().values()))


def stream_of(config, split):
    return SceneStream(config.scenes, split=split, seed=config.train.seed, batch_size=config.train.batch_size)


@contextlib.contextmanager
def counted_rois(contestant):
    """Collects (RoIs, positive RoIs) of every step: all go to the box head, the positive ones to the mask head."""
    ours = hasattr(contestant.model, "choose_samples")
    owner, name = (
        (contestant.model, "choose_samples") if ours else (contestant.model.roi_heads, "select_training_samples")
    )
    choose, counts = getattr(owner, name), []

    def counting(*args, **options):
        chosen = choose(*args, **options)
        if ours:
            counts.append((len(chosen.rois.rois), int(chosen.rois.mask_weight.sum())))
        else:
            labels = chosen[2]
            counts.append((sum(map(len, labels)), sum(int((one > 0).sum()) for one in labels)))
        return chosen

    setattr(owner, name, counting)
    try:
        yield counts
    finally:
        delattr(owner, name)  # the class's own is found again
