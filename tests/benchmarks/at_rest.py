"""Times a detection in one picture with the plans of a network at rest (models/at_rest.py) and without, by turns.

    python -m tests.benchmarks.at_rest [--pairs 120]

On two threads and on one; what is printed is the time that the fastest tenth of the detections stay below.
"""

import argparse
import time

import numpy as np

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.models import at_rest, heads_at_rest
from tinymaskrcnn.train.trainer import computing

from .contestants import Ours, trained_weights
from .measure import at_least


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=at_least(10), default=120, help="detections of each (default: 120)")
    pairs = parser.parse_args().pairs
    config, most = Config(), {module: module.MOST for module in (at_rest, heads_at_rest)}
    with computing(2):
        ours = Ours(config, start=trained_weights(config, 100))
    ours.eval()
    images = [open_stream(config, split="test").scene(0)[0]]
    for threads in (2, 1):
        seconds = {"plan": [], "text": []}
        with computing(threads):
            for _ in range(4):
                ours.detect(images)
            for _ in range(pairs):
                for name in seconds:
                    for module, pixels in most.items():
                        module.MOST = pixels if name == "plan" else 0
                    began = time.perf_counter()
                    ours.detect(images)
                    seconds[name].append(time.perf_counter() - began)
        plan, text = (1e3 * np.quantile(seconds[name], 0.1) for name in ("plan", "text"))
        print(f"{threads} threads: {plan:.1f} ms with the plans, {text:.1f} without, ratio {plan / text:.2f}")


if __name__ == "__main__":
    main()
