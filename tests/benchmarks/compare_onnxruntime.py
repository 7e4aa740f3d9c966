"""Export a run and compare its detections with onnxruntime's, on its own scenes and where there is more to disagree on.

python tests/benchmarks/compare_onnxruntime.py RUN [--scenes 60]

Three comparisons: held-out scenes as they are; the same cut and joined to odd sizes, with low thresholds, so that
there are many more detections; and the same twice as large inside the model (resize_shorter), pasted into whole pixels.
Then the time of one picture on both sides. Ends with status 1 when a comparison goes beyond the tolerances.
"""

import argparse
import dataclasses
import sys
import time

import numpy as np

from tinymaskrcnn import Experiment
from tinymaskrcnn.interop.onnx import onnx_model
from tinymaskrcnn.interop.onnx_check import compare_onnx, detect, open_session


def with_settings(model, *, rpn, roi, **settings):
    """The same weights with other thresholds."""
    rpn, roi = dataclasses.replace(model.rpn.config, **rpn), dataclasses.replace(model.roi_heads.config, **roi)
    model.config = dataclasses.replace(model.config, rpn=rpn, roi=roi, **settings)
    model.rpn.config, model.roi_heads.config = rpn, roi
    for head in model.roi_heads.heads.values():
        head.config = head.pool.config = roi
    return model


def odd_pieces(images, rng):
    """Pictures of many sizes: a piece of each, joined with another piece of it."""
    pieces = []
    for image in images:
        height, first, second = rng.integers(40, image.shape[0] + 1, 3)
        pieces.append(np.concatenate([image[:height, :first], image[:height, -second:]], axis=1))
    return pieces


def seconds(call, repeats=5):
    """The fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--scenes", type=int, default=60)
    args = parser.parse_args()
    experiment = Experiment.open(args.run)
    model = experiment.model.eval()
    images = [image for image, _ in experiment.scenes(args.scenes)]
    data = onnx_model(model).SerializeToString()
    results = {"as trained": compare_onnx(model, data, images)}

    session = open_session(data)
    here = seconds(lambda: detect(model, images[0]))
    there = seconds(lambda: session.run(None, {"image": images[0]}))

    low = {"score_threshold": 1e-3, "detections_per_image": 100, "nms_iou": 0.6}
    many = with_settings(model, rpn={"post_nms_top_n": (1000, 300)}, roi=low)
    pieces = odd_pieces(images, np.random.default_rng(0))
    results["odd sizes, low thresholds"] = compare_onnx(many, onnx_model(many).SerializeToString(), pieces)
    larger = with_settings(many, rpn={}, roi={"paste": "integer"}, resize_shorter=160, resize_longer=400)
    few = pieces[: max(1, args.scenes // 3)]
    results["resized inside, whole pixels"] = compare_onnx(larger, onnx_model(larger).SerializeToString(), few)
    for name, differences in results.items():
        print(f"{name}: {'DIFFERENT' if differences else 'equal'}: {differences}")
    print(f"one picture of {images[0].shape[:2]}: {1e3 * here:.1f} ms here, {1e3 * there:.1f} ms in onnxruntime")
    return int(any(results.values()))


if __name__ == "__main__":
    sys.exit(main())
