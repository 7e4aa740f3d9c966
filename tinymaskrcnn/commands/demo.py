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
    "scenes.digits_per_image": [2, 4],
    "train.optimizer": "adamw",
    "train.learning_rate": 0.002,
    "train.warmup_steps": 10,
    "train.schedule": "constant",
}
ROWS = 3
MARGINS = {"left": 0.02, "right": 0.98, "bottom": 0.02, "top": 0.9, "wspace": 0.06, "hspace": 0.14}


def add_arguments(parser):
    parser.add_argument("--out", metavar="FILE", default="demo.png", help="the picture (default: demo.png)")
    parser.add_argument(
        "--film", metavar="FILE", help="a GIF of eight seconds in which it learns, and a PNG of its end"
    )
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="time to train (default: 30)")
    parser.add_argument("--steps", type=int, metavar="N", help="train so many steps instead")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    add_device(parser)


def demo_config(*, seed=0, steps=None):
    """A model of a tenth of the size, on smaller scenes, that knows one class: "digit"."""
    from ..config import Config

    config = override(Config(), TINY | {"train.seed": seed})
    model = dataclasses.replace(config.model, num_classes=2, class_names=("background", "digit"))  # see OneClass
    return dataclasses.replace(config, model=model, train=dataclasses.replace(config.train, steps=steps or 10**6))


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

    _check(args)
    config = demo_config(seed=args.seed, steps=args.steps)
    model = build_model(config.model, rng=np.random.default_rng(args.seed)).to_device(args.device)
    stream = OneClass(SceneStream(config.scenes, split="train", seed=args.seed, batch_size=config.train.batch_size))
    trainer = Trainer(model, stream, config.train, device=args.device)
    budget = "" if args.steps else f" for {args.seconds:.0f} seconds"
    print(f"training a very small Mask R-CNN{budget} ...", file=sys.stderr, flush=True)
    with computing(args.threads):
        camera = _Camera(trainer, args, config) if args.film else None
        seconds = _train(trainer, None if args.steps else args.seconds, camera)
        _draw(args, config, model.eval(), f"{trainer.step} steps ({seconds:.0f} s)")
        if camera:
            film, still = camera.reel.write(args.film)
            print(f"wrote {film}: the training in eight seconds, and {still}: its end")
    print(f"wrote {args.out}: what {trainer.step} steps ({seconds:.0f} s) taught it. Next: tinymaskrcnn train")
    return 0


def _check(args):
    """Refuse, before anything is trained, a film that could not be written, or whose end would lie on the picture."""
    from pathlib import Path

    from ..errors import ArgumentError, shown
    from ..visualize.reel import film_paths

    if args.film and Path(args.out).resolve() in [path.resolve() for path in film_paths(args.film)]:
        raise ArgumentError(
            f"--film {shown(args.film)} would overwrite --out {shown(args.out)}, with itself or the PNG of its end; "
            "give one of them another name"
        )


class _Camera:
    """Looks at a training at the beginning often, later seldom: in all so often that it makes eight seconds."""

    def __init__(self, trainer, args, config):
        from pathlib import Path

        from ..data.loader import SceneStream
        from ..visualize.reel import SHOTS, Reel

        Path(args.film).parent.mkdir(parents=True, exist_ok=True)
        stream = OneClass(SceneStream(config.scenes, split="test", seed=args.seed, batch_size=1))
        self.reel = Reel(*zip(*(stream.scene(i) for i in range(ROWS))))
        self.model, self.shots = trainer.model, SHOTS

    def look(self, row, done):
        """Shoot when the next picture is due; done: the share of the training that is over."""
        if done >= 1 or done >= (len(self.reel.shots) / self.shots) ** 1.5:
            self.reel.shoot(self.model, step=row["step"], loss=row["loss"])


def _train(trainer, budget, camera=None):
    """Train for so many seconds, or to the last step; returns the time it took, without that of a camera."""
    from contextlib import closing

    began, looked = time.monotonic(), 0.0
    with closing(trainer.rows()) as rows:
        for row in rows:
            now = time.monotonic()
            elapsed = now - began - looked
            if camera:
                camera.look(row, elapsed / budget if budget else row["step"] / trainer.config.steps)
                looked += time.monotonic() - now
            if row["step"] % 10 == 0:
                print(f"  step {row['step']}  loss {row['loss']:.3f}  {elapsed:.0f} s", file=sys.stderr, flush=True)
            if budget is not None and elapsed >= budget:
                break
    return elapsed


def _draw(args, config, model, trained):
    """One row for each of a few held-out scenes: what is seen, what is there, where it starts, what it finds."""
    from pathlib import Path

    from ..data.loader import SceneStream
    from ..structures import collate
    from ..train.anchor_report import all_anchors
    from ..visualize import draw_boxes, draw_detections, draw_image, draw_truth, save_figure, style

    stream = OneClass(SceneStream(config.scenes, split="test", seed=args.seed, batch_size=1))
    scenes = [stream.scene(i) for i in range(ROWS)]
    batch = collate([image for image, _ in scenes]).to_device(args.device)
    names = config.model.class_names
    anchors = all_anchors(batch.images.shape[1:3], config.model.rpn)
    figure = style.new_figure(12.4, 3.1 * ROWS + 0.8)
    rows = figure.subplots(ROWS, 4, squeeze=False, gridspec_kw=MARGINS)
    for axes, (image, truth), found in zip(rows, scenes, model.detect(batch.images, sizes=batch.sizes)):
        draw_image(image, ax=axes[0], title="the scene")
        draw_truth(image, truth, names, ax=axes[1], title="the truth")
        draw_image(image, ax=axes[2], title=f"the best of {len(anchors)} anchors")
        draw_boxes(_best_anchors(anchors, truth), ax=axes[2], linestyles="--", colors=style.YELLOW)
        draw_detections(image, found, names, ax=axes[3], min_score=0.5, title=f"found after {trained}")
    figure.suptitle(
        "A very small Mask R-CNN, trained for a moment: it finds digits and cuts them out. "
        "To tell them apart takes `tinymaskrcnn train`.",
        fontsize=style.TITLE,
    )
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, args.out)


def _best_anchors(anchors, truth):
    """For each object the anchor that fits it best: where the network starts from."""
    from ..ops.boxes import iou_matrix

    return anchors[iou_matrix(truth.boxes, anchors).argmax(axis=1)]
