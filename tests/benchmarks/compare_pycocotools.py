"""Our average precision beside pycocotools', on drawn cases, on files, or on a trained run; every number is compared.

python tests/benchmarks/compare_pycocotools.py [--cases 300]
python tests/benchmarks/compare_pycocotools.py --annotations A.json --results R.json --iou segm
python tests/benchmarks/compare_pycocotools.py RUN [--scenes 200]
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

KINDS = ("bbox", "segm", "keypoints")


def compare_drawn(cases):
    """Random images with crowds, ties and empty pictures: all curves, all figures, for boxes, masks and keypoints."""
    from coco_cases import RANGES, draw_image
    from coco_oracle import pycocotools_evaluation

    from tinymaskrcnn.evaluation import COCO_SIGMAS, Evaluator

    print(f"{'':<10} {'cases':>6} {'numbers':>10} {'largest difference':>19}")
    for kind in KINDS:
        worst, numbers = 0.0, 0
        ranges = {name: limits for name, limits in RANGES.items() if kind != "keypoints" or name != "small"}
        for case in range(cases):
            rng = np.random.default_rng([case, KINDS.index(kind)])
            classes = int(rng.integers(1, 4))
            truths, detections = zip(*(draw_image(rng, classes) for _ in range(rng.integers(1, 8))))
            most = (20,) if kind == "keypoints" else (1, 10, 100) if rng.random() < 0.7 else (1, 2, 3)
            sigmas = COCO_SIGMAS if rng.random() < 0.5 else tuple(rng.uniform(0.02, 0.2, len(COCO_SIGMAS)))
            options = {"area_ranges": ranges, "max_detections": most, "sigmas": sigmas}
            evaluator = Evaluator(iou_type=kind, num_classes=classes + 1, **options)
            for truth, found in zip(truths, detections):
                evaluator.add(truth, found)
            ours = evaluator.accumulate()
            oracle = pycocotools_evaluation(truths, detections, kind, classes=classes, **options)
            pairs = [(getattr(ours, name), oracle.eval[name]) for name in ("precision", "recall", "scores")]
            if most[-1] in (20, 100):  # the only numbers of detections whose figures pycocotools prints
                pairs.append((np.array(list(ours.figures().values())), oracle.stats))
            worst = max(worst, *(np.abs(a - b).max() for a, b in pairs))
            numbers += sum(a.size for a, _ in pairs)
        print(f"{kind:<10} {cases:>6} {numbers:>10} {worst:>19.1e}", flush=True)


def compare_files(annotations, results, kind):
    """Any results file and any annotations."""
    from coco_oracle import pycocotools_figures, pycocotools_truth

    from tinymaskrcnn.data.annotations import Annotations
    from tinymaskrcnn.evaluation import evaluate_results, load_results

    truth = Annotations(annotations)
    found = load_results(results, category_ids=truth.category_ids, sizes=truth.sizes)
    ours = evaluate_results(truth.targets(iou_type=kind), found, iou_type=kind)
    print_figures(kind, ours, pycocotools_figures(pycocotools_truth(annotations), results, kind).stats)


def compare_run(path, scenes):
    """The scenes of a trained run and what its model finds in them."""
    from coco_oracle import pycocotools_evaluation

    from tinymaskrcnn import Experiment
    from tinymaskrcnn.evaluation import COCO_AREA_RANGES, evaluate

    experiment = Experiment.open(path)
    images, truths = zip(*experiment.scenes(scenes))
    detections = [experiment.detect([image])[0] for image in images]
    classes = experiment.config.model.num_classes - 1
    for kind in ("bbox", "segm"):
        ours = evaluate(truths, detections, iou_type=kind)
        oracle = pycocotools_evaluation(truths, detections, kind, COCO_AREA_RANGES, (1, 10, 100), classes)
        print_figures(kind, ours, oracle.stats)


def print_figures(kind, ours, theirs):
    print(f"{kind:<10} {'ours':>18} {'pycocotools':>18} {'difference':>11}")
    for (name, value), wanted in zip(ours.items(), theirs):
        print(f"{name:<10} {value:18.15f} {wanted:18.15f} {abs(value - wanted):11.1e}")
    print(f"largest difference {np.abs(np.array(list(ours.values())) - theirs).max():.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", help="a run folder")
    parser.add_argument("--scenes", type=int, default=200, help="of the run")
    parser.add_argument("--cases", type=int, default=300, help="drawn cases, for each of boxes, masks, keypoints")
    parser.add_argument("--annotations")
    parser.add_argument("--results")
    parser.add_argument("--iou", choices=KINDS, default="bbox")
    args = parser.parse_args()
    if args.run:
        compare_run(args.run, args.scenes)
    elif args.results:
        compare_files(args.annotations, args.results, args.iou)
    else:
        compare_drawn(args.cases)


if __name__ == "__main__":
    main()
