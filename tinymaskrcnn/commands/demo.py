"""`tinymaskrcnn demo`: a first picture within a minute: scenes, their truth, anchors, and what a young model finds."""

import dataclasses
import sys
import time

from .options import add_device, override

HELP = "a first picture within a minute of installing"
EXAMPLES = """Trains a very small model for half a minute and draws what it has learned by then: to find digits and cut
them out, but not to tell them apart. `tinymaskrcnn train` is the real thing."""

TINY = {
    "model.backbone.depths": [1, 1, 1, 1],
    "model.backbone.widths": [16, 24, 32, 48],
    "model.backbone.fpn_channels": 32,
    "model.roi.head_width": 64,
    "model.roi.mask_widths": [32, 32],
    "model.roi.mask_deconv_width": 32,
    "model.roi.samples_per_image": 32,
    "scenes.image_size": 96,
    "scenes.digits_per_image": [1, 3],
    "model.num_classes": 2,
    "model.class_names": ["background", "digit"],
    "train.optimizer": "adamw",
    "train.learning_rate": 0.002,
    "train.warmup_steps": 10,
    "train.schedule": "constant",
}


def add_arguments(parser):
    parser.add_argument("--out", metavar="FILE", default="demo.png", help="the picture (default: demo.png)")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="time to train (default: 30)")
    parser.add_argument("--steps", type=int, metavar="N", help="train so many steps instead")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    add_device(parser)


def demo_config(*, seed=0, steps=None):
    """A model of a tenth of the size, on smaller scenes, that knows one class: "digit"."""
    from ..config import Config

    config = override(Config(), TINY | {"train.seed": seed})
    return dataclasses.replace(config, train=dataclasses.replace(config.train, steps=steps or 10**6))


class OneClass:
    """A stream in which every digit is just "digit"."""

    def __init__(self, stream):
        self.stream = stream

    def batch(self, i):
        batch = self.stream.batch(i)
        labels = (batch.targets.labels > 0).astype(batch.targets.labels.dtype)
        return dataclasses.replace(batch, targets=dataclasses.replace(batch.targets, labels=labels))

    def scene(self, i):
        image, target = self.stream.scene(i)
        return image, dataclasses.replace(target, labels=(target.labels > 0).astype(target.labels.dtype))


def run(args):
    import numpy as np

    from ..data.loader import SceneStream
    from ..models.build import build_model
    from ..train.trainer import Trainer, computing

    config = demo_config(seed=args.seed, steps=args.steps)
    model = build_model(config.model, rng=np.random.default_rng(args.seed)).to_device(args.device)
    stream = OneClass(SceneStream(config.scenes, split="train", seed=args.seed, batch_size=config.train.batch_size))
    trainer = Trainer(model, stream, config.train, device=args.device)
    budget = "" if args.steps else f" for {args.seconds:.0f} seconds"
    print(f"training a very small Mask R-CNN{budget} ...", file=sys.stderr, flush=True)
    with computing(args.threads):
        seconds = _train(trainer, None if args.steps else args.seconds)
        _draw(args.out, config, model.eval(), trainer.step, seconds, args)
    print(f"wrote {args.out}: {trainer.step} steps in {seconds:.0f} s. Next: tinymaskrcnn train")
    return 0


def _train(trainer, budget):
    """Train for so many seconds, or to the last step; returns the time it took."""
    from contextlib import closing

    began = time.monotonic()
    with closing(trainer.rows()) as rows:
        for row in rows:
            elapsed = time.monotonic() - began
            if row["step"] % 10 == 0:
                print(f"  step {row['step']}  loss {row['loss']:.3f}  {elapsed:.0f} s", file=sys.stderr, flush=True)
            if budget is not None and elapsed >= budget:
                break
    return time.monotonic() - began
