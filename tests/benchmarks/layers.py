"""Where the time of ResNet-50-FPN on a picture of 800x1333 goes: each kind of layer, and its rate, on one thread.

    python -m tests.benchmarks.layers [--rounds 3]

Seconds are those of the processor, the least of the rounds for each call. Operations are those of the definition, two
for each multiplication and addition: Winograd's tiles do fewer. The last row is BLAS alone on two square matrices.
"""

import argparse
import contextlib
import math
import time

import numpy as np

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.train.trainer import computing

from .measure import at_least
from .memory import full_size_subject

WHOLE = ("Sequential.forward", "FPN.forward", "ResidualBlock.forward")  # of layers that count by themselves
SIDE = 2048


@contextlib.contextmanager
def watched(calls):
    """While this lasts each call of a kernel is added to a list as (kind of layer, operations, seconds)."""
    kernel_lookup._load_kernels()
    before = {name: list(kernels) for name, kernels in kernel_lookup._KERNELS.items()}
    inside = []

    def timed(name, function):
        def call(*args, **data):
            began = time.process_time()
            inside.append(0.0)
            result = function(*args, **data)
            seconds = time.process_time() - began
            calls.append((*kind_of(name, args, result), seconds - inside.pop()))
            if inside:
                inside[-1] += seconds
            return result

        return call

    try:
        for name in before.keys() - WHOLE:
            kernel_lookup._KERNELS[name] = [(m, applies, timed(name, f)) for m, applies, f in before[name]]
        yield
    finally:
        kernel_lookup._KERNELS.update(before)


def kind_of(name, args, result):
    """What a call is counted under, and its operations where it is a product."""
    if name in ("convolution", "conv2d_forward", "linear_forward"):
        x, weight, y = *args[:2], result[0]
        operations = 2 * weight.size * math.prod(y.shape[:-1])
        if name == "linear_forward":
            return "fully connected", operations
        apart = "" if y.shape[1:3] == x.shape[1:3] else ", pixels apart"
        crops = ", crops" if len(x) > 1 else ""
        return f"convolution {weight.shape[0]}x{weight.shape[1]}{apart}{crops}", operations
    if name == "MaskPredictor.forward":
        predictor, x = args[:2]
        return name, 2 * predictor.conv5_mask.weight.value.size * math.prod(x.shape[:3])
    return name, 0


def product_seconds():
    a = np.ones((SIDE, SIDE), np.float32)
    began = time.process_time()
    np.dot(a, a)
    return time.process_time() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=at_least(1), default=3, help="detections that are timed (default: 3)")
    rounds, seen, totals = parser.parse_args().rounds, [], []
    model, picture = full_size_subject()
    detector = Detector(model, threads=1)
    detector.detect([picture])
    for _ in range(rounds):
        seen.append([])
        with watched(seen[-1]):
            began = time.process_time()
            detector.detect([picture])
            totals.append(time.process_time() - began)
    with computing(1):
        product = min(product_seconds() for _ in range(10))
    kinds = {}
    for calls in zip(*seen, strict=True):
        kind, operations, _ = calls[0]
        count, work, seconds = kinds.get(kind, (0, 0, 0.0))
        kinds[kind] = count + 1, work + operations, seconds + min(call[2] for call in calls)
    kinds["all else"] = 0, 0, min(totals) - sum(seconds for _, _, seconds in kinds.values())
    rows = sorted(kinds.items(), key=lambda row: -row[1][2])
    rows += [("a detection", (rounds, 0, min(totals))), (f"BLAS, {SIDE}x{SIDE}", (10, 2 * SIDE**3, product))]
    print(f"{'':36}{'calls':>6}{'ms':>9}{'GFLOP':>9}{'GFLOP/s':>9}")
    for kind, (count, work, seconds) in rows:
        rate = f"{work / 1e9:9.1f}{work / seconds / 1e9:9.0f}" if work else ""
        print(f"{kind:36}{count or '':>6}{1e3 * seconds:9.1f}{rate}")


if __name__ == "__main__":
    main()
