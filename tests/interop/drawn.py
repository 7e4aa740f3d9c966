"""Many drawn models against torchvision itself: widths, depths, heads, picture sizes, objects on every border.

Run it where torch and torchvision are installed, from the folder of the tests: python -m interop.drawn --models 300
"""

import argparse
import functools
import itertools
from collections import Counter

import numpy as np
from interop import record, small


def drawn_seeds(kind, first):
    """The seeds from `first` on whose models can be compared, and how many were passed over before each.

    A few channels may all be 0 behind their ReLU at many places, so that the RPN says exactly the same of many
    anchors. torchvision leaves the order of equal scores open, and with it which of them become proposals: such a
    model is passed over.
    """
    passed = 0
    for seed in itertools.count(first):
        if has_ties(kind, seed):
            passed += 1
        else:
            yield seed, passed
            passed = 0


@functools.cache
def seeds(kind, count, first=1):
    """The first seeds of models that can be compared."""
    return [seed for seed, _ in itertools.islice(drawn_seeds(kind, first), count)]


def make(kind, seed):
    """torchvision's answers for pictures of drawn sizes."""
    return record.make(kind, seed, small.drawn_sizes(seed))


def has_ties(kind, seed):
    """Whether some anchors of one picture get equal scores, in training or in inference."""
    config, sizes = small.settings(kind, seed), small.drawn_sizes(seed)
    model = record.load_ours(kind, small.weights(config, seed), config)
    images, sizes, _ = small.batch(small.floats(small.pictures(seed, sizes)), small.objects(config, seed, sizes))
    for training in (True, False):
        model.train(training)
        x, _ = model.normalize.forward(images, sizes=sizes)
        (logits, _), _ = model.rpn.forward(model.backbone.forward(x)[0])
        if any(len(np.unique(scores)) < scores.size for scores in logits):
            return True
    return False


def compare(count, first):
    """(kind, seed, passed over, errors, those beyond the tolerance) of each drawn model, the kinds in turn."""
    draws = [drawn_seeds(kind, first) for kind in small.ALL]
    for i in range(count):
        kind = small.ALL[i % len(small.ALL)]
        seed, passed = next(draws[i % len(small.ALL)])
        try:
            errors = record.measure(make(kind, seed))
        except Exception as error:  # a row that fails is a row that says so
            errors = {f"{type(error).__name__}: {str(error)[:100]}": np.inf}
        yield kind, seed, passed, errors, record.excess(errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--first", type=int, default=100, help="the seed to begin with")
    args = parser.parse_args()
    counts, worst = Counter(), {}
    for kind, seed, passed, errors, excess in compare(args.models, args.first):
        gradients = sum(name.startswith("gradient") for name in errors)
        counts += Counter(models=1, gradients=gradients, unequal=bool(excess), passed=passed)
        for what, error in errors.items():
            family = what.split()[0]
            worst[family] = max(worst.get(family, 0.0), error)
        for what, error in list(excess.items())[:5]:
            print(f"{kind} {seed}: {what}: {error:.1e}", flush=True)
    print(f"{counts['models']} models, {counts['gradients']} gradients, {counts['unequal']} models unequal")
    print(f"passed over, as their anchors have equal scores: {counts['passed']}")
    print("largest differences:", ", ".join(f"{family} {error:.0e}" for family, error in worst.items()))


if __name__ == "__main__":
    main()
