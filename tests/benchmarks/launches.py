"""What a training step of the default model asks of a GPU, counted where there is none.

    python -m tests.benchmarks.launches [--batch N] [--all] [--plan]

The strict device array stands in for CuPy and writes down what CuPy would start: launches of kernels, matrix products,
sorts, uploads and moments at which the host waits, by the function of the package that asked. The step is the third:
what is made once (flat parameters, constants) is there. --all lists every function, otherwise those with ten or more.
--plan says what is left of a step's Python when it replays what was recorded (tests/fixed_steps.py).
"""

import argparse
import collections
import contextlib
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "tests") not in sys.path:
    sys.path.insert(0, str(ROOT / "tests"))  # the strict device array

import strict_device  # noqa: E402
from fixed_steps import FixedSteps, running  # noqa: E402
from pretended_cupy import pretended  # noqa: E402

from tinymaskrcnn.config import Config  # noqa: E402
from tinymaskrcnn.models.build import build_model  # noqa: E402
from tinymaskrcnn.train.trainer import Trainer  # noqa: E402

from .contestants import stream_of, with_train  # noqa: E402
from .measure import at_least  # noqa: E402

KINDS = ("launch", "product", "sort", "upload", "wait")


@contextlib.contextmanager
def training(config):
    """A Trainer on the pretended device, whose kernels write zeros, and a stream of batches."""
    with pretended(), strict_device.kernels(dry=True), np.errstate(all="ignore"):
        model, stream = build_model(config.model, rng=np.random.default_rng(0)), stream_of(config, "train")
        yield Trainer(model.to_device("cuda"), None, config.train, device="cuda"), stream


def counted_steps(config, steps, *, after_step=lambda step: None):
    """The Cost of each of the first steps of training."""
    costs = []
    with training(config) as (trainer, stream):
        for i in range(steps):
            batch = stream.batch(i)
            with strict_device.counting() as cost:
                trainer.train_step([batch.to_device("cuda")])
            costs.append(cost)
            after_step(i)
    return costs


def plan_lines(config):
    """Lines about steps of one batch, done as always and by a plan."""
    with training(config) as (trainer, stream):
        batch, steps = stream.batch(0), FixedSteps(trainer)
        steps.step(batch)  # what is made once
        with running() as always:
            steps.step(batch)
        with running() as replayed, strict_device.counting() as cost:
            steps.step(batch)
        yield f"calls of the package's functions in a step: {always.calls:,} as always, {replayed.calls:,} replayed"
        yield f"operations replayed: {steps.operations():,}; memory asked for: {cost.count('memory')}"
        yield f"kept for them: {steps.kept_bytes() / 1e6:,.0f} MB"


def table(cost, *, least=10):
    """Lines: the totals, then what each function asked for, the most first."""
    by_place = collections.defaultdict(collections.Counter)
    for event in cost.events:
        by_place[event.place][event.kind] += event.count
    rows = {place: [counts[kind] for kind in KINDS] for place, counts in by_place.items()}
    total = [sum(column) for column in zip(*rows.values())]
    few = [place for place, counts in rows.items() if sum(counts) < least]
    shown = sorted(rows.keys() - set(few), key=lambda place: (-sum(rows[place]), place))
    yield f"{'':44}" + "".join(f"{kind:>9}" for kind in KINDS)
    lines = [("all", total), *((place, rows[place]) for place in shown)]
    if few:
        lines.append((f"{len(few)} more", [sum(column) for column in zip(*(rows[place] for place in few))]))
    for name, counts in lines:
        yield f"{name:44}" + "".join(f"{count or '':>9}" for count in counts)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=at_least(1), default=8, help="scenes in a step (default: 8)")
    parser.add_argument("--all", action="store_true", help="every function, however little it asks")
    parser.add_argument("--plan", action="store_true", help="what is left of a step that is replayed")
    args = parser.parse_args(words)
    config = with_train(Config(), batch_size=args.batch)
    if args.plan:
        print("\n".join(plan_lines(config)))
        return 0
    cost = counted_steps(config, 3)[-1]
    print("\n".join(table(cost, least=0 if args.all else 10)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
