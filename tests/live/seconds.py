"""What steps take under Pyodide, in seconds of the processor: run by `webassembly.py`."""

import copy
import itertools
import json
import sys

from js import process

sys.dont_write_bytecode = True
sys.path[:0] = ["/repository", "/site", "/repository/docs/live/python"]

import numpy as np  # noqa: E402
from tab import playground  # noqa: E402

from tinymaskrcnn import Config  # noqa: E402
from tinymaskrcnn.config import tour_preset  # noqa: E402
from tinymaskrcnn.data.loader import open_stream  # noqa: E402
from tinymaskrcnn.kernels import conv, im2col, mask_logits, matmul, products, winograd  # noqa: E402
from tinymaskrcnn.models.build import build_model  # noqa: E402
from tinymaskrcnn.train.trainer import Trainer, computing  # noqa: E402


def processor_seconds():
    used = process.cpuUsage()
    return (used.user + used.system) / 1e6


def least(work, times=5):
    """The seconds of the fastest of several calls, after two that warm up."""
    found = []
    for _ in range(times + 2):
        began = processor_seconds()
        work()
        found.append(processor_seconds() - began)
    return min(found[2:])


def trainer_of(config):
    model = build_model(config.model, rng=np.random.default_rng(0))
    model.train()
    return Trainer(model, open_stream(config, split="train"), config.train)


def main():
    seconds = {"boot, with the packages": BOOT_SECONDS}  # noqa: F821  of node.mjs
    small, default = trainer_of(tour_preset()), trainer_of(Config())
    batch = small.stream.batch(0)
    few = small.stream.batch(0).images[:1], batch.sizes[:1]
    modules = conv, im2col, mask_logits, matmul, winograd
    with computing():
        for name, product in (("our", products.product), ("SciPy's", products.by_scipy), ("NumPy's", np.matmul)):
            for module in modules:
                module.product = product
            seconds[f"step of the shipped detector's size, {name} products"] = least(lambda: small.train_step([batch]))
        for module in modules:
            module.product = products.product
        seconds["step of the default model"] = least(lambda: default.train_step([batch]), times=2)
        small.model.eval()
        found = lambda: small.model.detect(few[0], sizes=few[1], original_sizes=few[1])  # noqa: E731
        seconds["finding what is in a scene"] = least(found)
    return seconds | of_the_playground()


def of_the_playground():
    """What its page asks for: of a scene that is new each time, since what was seen is remembered."""
    scene, places, shares = playground.example(), itertools.count(30), itertools.count(300)

    def overview():
        scene["digits"][0]["x"] = next(places)
        playground.overview(scene=scene)

    def decided_anew():
        playground.overview(scene=scene, settings={"rpn.nms_iou": next(shares) / 1000})

    box = [37, 29, 60, 60]
    seconds = {"playground: a scene that was changed, all stages": least(overview)}
    seconds["playground: the same scene with another threshold"] = least(decided_anew)
    seconds["playground: why a detection is there"] = least(lambda: playground.why(scene=copy.deepcopy(scene), k=0))
    seconds["playground: 20 steps of a box along its gradient"] = least(
        lambda: playground.move(scene=scene, box=box, digit=8, steps=20)
    )
    seconds["playground: training step of its small model"] = least(lambda: playground.train(steps=1))
    return seconds


print(json.dumps(main()))
