"""Evaluate a trained run twice, with our average precision and with pycocotools, and print both side by side.

python tests/benchmarks/compare_pycocotools.py RUN [--scenes 200]
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))


def main():
    from coco_oracle import pycocotools_evaluation

    from tinymaskrcnn import Experiment
    from tinymaskrcnn.evaluation import COCO_AREA_RANGES, evaluate

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a run folder")
    parser.add_argument("--scenes", type=int, default=200)
    args = parser.parse_args()

    experiment = Experiment.open(args.run)
    images, truths = zip(*experiment.scenes(args.scenes))
    detections = [experiment.detect([image])[0] for image in images]
    classes = experiment.config.model.num_classes - 1
    worst = 0.0
    for iou_type in ("bbox", "segm"):
        ours = evaluate(truths, detections, iou_type=iou_type)
        oracle = pycocotools_evaluation(truths, detections, iou_type, COCO_AREA_RANGES, (1, 10, 100), classes)
        print(f"{iou_type:<10} {'ours':>18} {'pycocotools':>18} {'difference':>11}")
        for (name, value), wanted in zip(ours.items(), oracle.stats):
            print(f"{name:<10} {value:18.15f} {wanted:18.15f} {abs(value - wanted):11.1e}")
        worst = max(worst, np.abs(np.array(list(ours.values())) - oracle.stats).max())
    print(f"largest difference {worst:.1e} on {args.scenes} scenes")


if __name__ == "__main__":
    main()
