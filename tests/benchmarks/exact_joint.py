"""Exact joint training: the cost of a step beside an approximate one, and what the heads say to the RPN's deltas.

  python -m tests.benchmarks.exact_joint --pairs 20 --trained 100

The kinds of model.box_gradient take a step by turns, on the same scenes and from the same weights; "cost" is the median
of the ratios of their CPU times to that of the approximate step. Then each is trained for a while, and at a step before
and one after it the gradient of rpn.head.bbox_pred.weight is taken twice, by the heads' losses alone and by the RPN's
own: "heads / rpn" is the ratio of their norms, "cosine" tells whether they want the same.
"""

import argparse
import dataclasses

import numpy as np

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.trainer import Trainer, computing

from .measure import race

KINDS = ("none", "features", "features+targets")


def trainer_of(box_gradient, stream, **settings):
    config = Config()
    model = build_model(dataclasses.replace(config.model, box_gradient=box_gradient), rng=np.random.default_rng(0))
    return Trainer(model.train(), stream, dataclasses.replace(config.train, **settings))


def by_losses(model, batch, wanted, rng):
    """The gradient of the RPN's box regression by those losses alone of which `wanted` is true, flat."""
    model.zero_grad()
    losses, cache = model.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=rng)
    model.backward({name: float(wanted(name)) for name in losses}, cache)
    gradient = model.rpn.head.bbox_pred.weight.grad.ravel().copy()
    model.zero_grad()
    return gradient


def shares(trainer, batch):
    """(norm of the heads' gradient over that of the RPN's, cosine between them)"""
    own, heads = (
        by_losses(trainer.model, batch, wanted, np.random.default_rng(7))
        for wanted in (lambda name: name.startswith("rpn"), lambda name: not name.startswith("rpn"))
    )
    norms = np.linalg.norm(heads), np.linalg.norm(own)
    return norms[0] / norms[1], float(heads @ own / max(norms[0] * norms[1], 1e-30))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20, help="steps of each kind that are timed")
    parser.add_argument("--trained", type=int, default=100, help="steps of training before the second comparison")
    args = parser.parse_args()
    stream = open_stream(Config(), split="train")
    batches = [stream.batch(i) for i in range(4)]
    with computing(1):
        racers = {kind: trainer_of(kind, stream, learning_rate=0.0) for kind in KINDS}  # so that their RoIs are equal
        calls = {kind: lambda turn, t=trainer: t.train_step([batches[turn % 4]]) for kind, trainer in racers.items()}
        cpu = {kind: seconds[:, 1] for kind, seconds in race(calls, pairs=args.pairs).items()}
        print(f"{'box_gradient':18} {'CPU s/step':>10} {'cost':>6}")
        for kind, seconds in cpu.items():
            print(f"{kind:18} {np.median(seconds):10.3f} {np.median(seconds / cpu['none']):6.3f}", flush=True)
        print(f"\n{'box_gradient':18} {'heads / rpn':>16} {'cosine':>16}    at the first step -> after {args.trained}")
        for kind in KINDS:
            trainer, other = trainer_of(kind, stream), stream.batch(10**6)
            said = [shares(trainer, other)]
            for i in range(args.trained):
                trainer.train_step([stream.batch(i)])
            said.append(shares(trainer, other))
            ratios, cosines = (" -> ".join(f"{pair[i]:.3g}" for pair in said) for i in range(2))
            print(f"{kind:18} {ratios:>16} {cosines:>16}", flush=True)


if __name__ == "__main__":
    main()
